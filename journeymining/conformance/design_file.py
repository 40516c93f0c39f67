"""Reading the design language: a YAML file, checked key by key, with the line of every mistake."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from journeymining.conformance.design import Calendar, Design, MoveCosts, Persona, Promise, Touchpoint
from journeymining.conformance.flow import flow_net, parse_flow, steps, without_option
from journeymining.conformance.rules import parse_rule
from journeymining.documents import load_yaml, validate
from journeymining.durations import Duration  # noqa: TC001 - pydantic reads it
from journeymining.exceptions import SpecError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from journeymining.conformance.rules import Rule
    from journeymining.documents import Document, Key


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _day(value: Any) -> str:
    return value if isinstance(value, str) else value.isoformat()


def _by_name(value: Any) -> Any:
    # A list only names personas; they have no design of their own.
    return {str(name): None for name in value} if isinstance(value, list) else value


Names = Annotated[list[str], BeforeValidator(_listed)]
Cost = Annotated[int, Field(ge=0, le=1000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, strict=True)


class _Scope(BaseModel):
    # Other keys (product, customer_group) say for people what the journey is about.
    model_config = ConfigDict(extra="allow")
    start: Names = []
    end: Names = []


class _Touchpoint(_Part):
    phase: str | None = None
    channel: Names = []
    sender: str | None = Field(None, alias="from")
    receiver: str | None = Field(None, alias="to")
    action: str | None = None
    optional: bool = False
    moment_of_truth: bool = False
    kind: str | None = None


class _Promise(_Part):
    sender: str = Field(alias="from")
    receiver: str = Field(alias="to")
    within: Duration
    business_days: bool = False


class _Calendar(_Part):
    timezone: str = "UTC"
    holidays: list[Annotated[str, BeforeValidator(_day)]] = []
    working_days: list[str] = ["Mon", "Tue", "Wed", "Thu", "Fri"]


class _Costs(_Part):
    missing: dict[str, Cost] = {}
    unexpected: dict[str, Cost] = {}
    channel: dict[str, Cost] = {}


class _PersonaTouchpoint(_Part):
    optional: bool


class _Persona(_Part):
    where: Annotated[dict[str, str | int], Field(min_length=1, max_length=1)]
    flow: str | None = None
    touchpoints: dict[str, _PersonaTouchpoint] = {}
    promises: list[_Promise] | None = None


class _DesignFile(_Part):
    journey: str
    version: int | str = 1
    description: str | None = None
    scope: _Scope = _Scope()
    personas: Annotated[dict[str, _Persona | None], BeforeValidator(_by_name)] = {}
    phases: list[str] = []
    actors: dict[str, str] = {}
    touchpoints: dict[str, _Touchpoint | None] = {}
    flow: str | None = None
    model: str | None = None
    rules: list[dict[str, Any]] = []
    promises: list[_Promise] = []
    calendar: _Calendar = _Calendar()
    ignore: Names = []
    costs: _Costs = _Costs()
    order_tolerance: Duration = timedelta(0)
    survey: Any = None
    outcomes: Any = None
    mask_for_prediction: Any = None


ROLES = ("end_user", "provider", "system")

SLIP = 0.87
"""Likeness from which a name is taken for a misspelt one: order_cancelled is not order_placed."""


def read_design_file(path: str | Path) -> Design:
    """Read a designed journey in the design language; see `journeymining.conformance.design.read_design`."""
    return design_of_document(load_yaml(path))


def design_of_document(document: Document) -> Design:
    r"""Turn a document into a design.

    Examples
    --------
    >>> from journeymining.documents import parse_yaml
    >>> text = "journey: order\ntouchpoints: {order_placed: {}, paid: {}}\nflow: order_placed > payed\n"
    >>> design_of_document(parse_yaml(text, path="order.yaml"))
    Traceback (most recent call last):
        ...
    journeymining.exceptions.SpecError: order.yaml:3:1: flow: 'payed' is not among the touchpoints. Did you mean 'paid'?
    """
    content = validate(_DesignFile, document)
    design = _design(document, content)
    own = tuple(_persona(document, content, name, one) for name, one in content.personas.items() if one is not None)
    return replace(design, own_designs=own)


def _persona(document: Document, content: _DesignFile, name: str, persona: _Persona) -> Persona:
    """Return the design of a persona: the common one with what it says itself instead."""
    place = ("personas", name)
    if persona.flow is not None and content.model is not None:
        raise document.error(f"persona '{name}': the design has a model; a flow cannot vary it.", (*place, "flow"))
    touchpoints = dict(content.touchpoints)
    for one, said in persona.touchpoints.items():
        if one not in touchpoints:
            raise document.error(
                _unknown(f"persona '{name}'", one, touchpoints, "touchpoints"), (*place, "touchpoints", one)
            )
        touchpoints[one] = (touchpoints[one] or _Touchpoint.model_validate({})).model_copy(
            update={"optional": said.optional}
        )
    changed = content.model_copy(
        update={
            "personas": {},
            "touchpoints": touchpoints,
            "flow": content.flow if persona.flow is None else persona.flow,
            "promises": content.promises if persona.promises is None else persona.promises,
        }
    )
    required = frozenset(one for one, said in persona.touchpoints.items() if not said.optional)
    own = _design(document, changed, place=place if persona.flow is not None else (), required=required)
    ((attribute, value),) = persona.where.items()
    return Persona(name, attribute, str(value), own)


def _design(
    document: Document, content: _DesignFile, *, place: tuple[Key, ...] = (), required: frozenset[str] = frozenset()
) -> Design:
    """Return the design that the content of a file means; ``place`` is where its flow stands in the file."""
    touchpoints = {
        name: _touchpoint(name, one or _Touchpoint.model_validate({})) for name, one in content.touchpoints.items()
    }
    _check_touchpoints(document, content, touchpoints)
    flow = None
    if content.flow is not None:
        try:
            flow = without_option(parse_flow(content.flow), required)
        except SpecError as error:
            raise document.error(str(error), (*place, "flow")) from None
        for name in steps(flow):
            if not content.touchpoints:
                touchpoints[name] = Touchpoint(name)
            elif name not in touchpoints:
                raise document.error(_unknown("flow", name, touchpoints, "touchpoints"), (*place, "flow"))
    optional = frozenset(name for name, one in touchpoints.items() if one.optional)
    net = None if flow is None else flow_net(flow, optional=optional)
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    if content.model is not None:
        if flow is not None:
            raise document.error("a design has a flow or a model, not both.", ("model",))
        modelled = _modelled(document, content.model)
        net, notes, unchecked = modelled.net, modelled.notes, modelled.unchecked
        for name in touchpoints:
            if name not in modelled.touchpoints and not touchpoints[name].optional:
                raise document.error(
                    _unknown("model", name, modelled.touchpoints, "touchpoints"), ("touchpoints", name)
                )
        touchpoints = {**modelled.touchpoints, **touchpoints}
    rules = [_rule(document, number, one) for number, one in enumerate(content.rules)]
    design = Design(
        name=content.journey,
        touchpoints=touchpoints,
        net=net,
        flow=flow,
        start=tuple(content.scope.start),
        end=tuple(content.scope.end),
        phases=tuple(content.phases),
        actors=dict(content.actors),
        rules=tuple(rules),
        promises=tuple(Promise(one.sender, one.receiver, one.within, one.business_days) for one in content.promises),
        calendar=_calendar(document, content.calendar),
        ignore=tuple(content.ignore),
        personas=tuple(content.personas),
        costs=MoveCosts(content.costs.missing, content.costs.unexpected, content.costs.channel),
        order_tolerance=content.order_tolerance,
        notes=notes,
        unchecked=unchecked,
    )
    if design.net is None and not rules and not design.promises:
        raise document.error("the design says nothing that can be checked: write a flow, a model, rules or promises.")
    _check_names(document, content, design)
    _check_promises(document, design)
    return design


def _modelled(document: Document, model: str) -> Design:
    """Read the model that a design file points to, from beside that file."""
    from pathlib import Path

    from journeymining.conformance.design import read_design

    if Path(model.partition("#")[0]).suffix.lower() in {".yaml", ".yml"}:
        raise document.error("model: a design cannot be the model of another.", ("model",))
    return read_design(Path(document.path).parent / model)


def _touchpoint(name: str, one: _Touchpoint) -> Touchpoint:
    return Touchpoint(
        name=name,
        phase=one.phase,
        channels=tuple(one.channel),
        sender=one.sender or one.action,
        receiver=one.receiver,
        optional=one.optional,
        moment_of_truth=one.moment_of_truth,
        kind=one.kind,
    )


def _unknown(where: str, name: str, known: Iterable[str], kind: str) -> str:
    guess = did_you_mean(name, known)
    return f"{where}: '{name}' is not among the {kind}.{guess or ' Known: ' + ', '.join(known) + '.'}"


def _check_touchpoints(document: Document, content: _DesignFile, touchpoints: dict[str, Touchpoint]) -> None:
    """Refuse phases, actors and roles that are not declared."""
    for name, role in content.actors.items():
        if role not in ROLES:
            raise document.error(_unknown(f"actor '{name}'", role, ROLES, "roles"), ("actors", name))
    for name, one in touchpoints.items():
        if content.phases and one.phase is not None and one.phase not in content.phases:
            message = _unknown(f"touchpoint '{name}'", one.phase, content.phases, "phases")
            raise document.error(message, ("touchpoints", name, "phase"))
        for key, actor in (("from", one.sender), ("to", one.receiver)):
            if content.actors and actor is not None and actor not in content.actors:
                message = _unknown(f"touchpoint '{name}'", actor, content.actors, "actors")
                raise document.error(message, ("touchpoints", name, key))


def _check_names(document: Document, content: _DesignFile, design: Design) -> None:
    """Refuse names in promises, ends, costs and rules that are nearly, but not exactly, a touchpoint's."""
    mentioned: list[tuple[str, str, Sequence[Key]]] = []
    for number, promise in enumerate(design.promises):
        mentioned += [("promise", promise.start, ("promises", number, "from"))]
        mentioned += [("promise", promise.to, ("promises", number, "to"))]
    for number, rule in enumerate(design.rules):
        mentioned += [(f"rule {rule.template}", name, ("rules", number)) for name in rule.names]
    mentioned += [("scope.start", name, ("scope", "start")) for name in design.start]
    mentioned += [("scope.end", name, ("scope", "end")) for name in design.end]
    for key in ("missing", "unexpected"):
        mentioned += [(f"costs.{key}", name, ("costs", key, name)) for name in getattr(content.costs, key)]
    for where, name, place in mentioned:
        # A rule may speak of what the design does not place (a call to the helpdesk), but not of a slip.
        if name not in design.touchpoints and (guess := get_close_matches(name, design.touchpoints, 1, SLIP)):
            message = f"{where}: '{name}' is not among the touchpoints. Did you mean '{guess[0]}'?"
            raise document.error(message, place)
    known = set(design.touchpoints) | {name for where, name, _ in mentioned if where.startswith("rule")}
    known |= {*design.start, *design.end}
    for where, name, place in mentioned:
        if where == "promise" and design.touchpoints and name not in known:
            raise document.error(_unknown(where, name, design.touchpoints, "touchpoints"), place)


def _check_promises(document: Document, design: Design) -> None:
    """Refuse promises that lead back to where they began: what comes first cannot also come after."""
    onward: dict[str, set[str]] = {}
    for number, promise in enumerate(design.promises):
        ahead, stack = {promise.to}, [promise.to]
        while stack:
            new = onward.get(stack.pop(), set()) - ahead
            ahead |= new
            stack += new
        if promise.start in ahead:
            message = (
                f"promise {number + 1}: from '{promise.start}' to '{promise.to}' closes a circle of promises, so that "
                "each would come after the other; leave it out, or turn it around."
            )
            raise document.error(message, ("promises", number))
        onward.setdefault(promise.start, set()).add(promise.to)


def _rule(document: Document, number: int, entry: dict[str, Any]) -> Rule:
    try:
        return parse_rule(entry)
    except (SpecError, UsageError) as error:
        raise document.error(f"rule {number + 1}: {error}", ("rules", number)) from None


def _calendar(document: Document, calendar: _Calendar) -> Calendar:
    from datetime import date
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    week = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    try:
        ZoneInfo(calendar.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        message = f"calendar: '{calendar.timezone}' is no time zone; write one like Europe/Amsterdam."
        raise document.error(message, ("calendar", "timezone")) from None
    for number, day in enumerate(calendar.holidays):
        try:
            date.fromisoformat(day)
        except ValueError:
            message = f"calendar: '{day}' is no date; write holidays like 2026-12-25."
            raise document.error(message, ("calendar", "holidays", number)) from None
    for number, day in enumerate(calendar.working_days):
        if day not in week:
            message = _unknown("calendar", day, week, "days of the week")
            raise document.error(message, ("calendar", "working_days", number))
    return Calendar(calendar.timezone, tuple(calendar.holidays), tuple(calendar.working_days))
