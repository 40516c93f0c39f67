"""Rules of a designed journey: Declare templates, with time windows and conditions on the channel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from journeymining.durations import parse_duration, write_duration
from journeymining.exceptions import SpecError, did_you_mean

UNARY = ("existence", "absence", "exactly", "init", "end")
BINARY = (
    "responded_existence",
    "response",
    "alternate_response",
    "chain_response",
    "precedence",
    "alternate_precedence",
    "chain_precedence",
    "succession",
    "alternate_succession",
    "chain_succession",
    "coexistence",
    "not_responded_existence",
    "not_response",
    "not_precedence",
    "not_chain_response",
    "not_chain_precedence",
    "not_coexist",
    "not_succession",
    "not_chain_succession",
    "choice",
    "exclusive_choice",
)
OTHER_NAMES = {
    "exactly_one": "exactly",
    "co_existence": "coexistence",
    "not_coexistence": "not_coexist",
    "not_co_existence": "not_coexist",
    "noncoexistence": "not_coexist",
    "nonsuccession": "not_succession",
    "nonchainsuccession": "not_chain_succession",
}


@dataclass(frozen=True)
class Condition:
    """What an event must have beside its activity; empty means anything."""

    channels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.channels or self.statuses or self.resources)


@dataclass(frozen=True)
class Rule:
    """One rule. ``first`` activates or is counted, ``second`` answers, as in the template's usual order.

    ``times`` is the least (existence), most (absence) or exact (exactly) number. ``when`` is a condition on the
    activating event, ``then`` on the answering one, ``within`` how far apart they may be, at least ``not_before``.
    ``before`` counts only what comes before the first such event.
    """

    template: str
    first: str
    second: str | None = None
    times: int = 1
    before: str | None = None
    within: timedelta | None = None
    not_before: timedelta = timedelta(0)
    when: Condition = field(default=Condition())
    then: Condition = field(default=Condition())

    @property
    def names(self) -> list[str]:
        """Activities the rule speaks of."""
        return [name for name in (self.first, self.second, self.before) if name is not None]

    @property
    def text(self) -> str:
        """The rule in one line, the name it has in tables."""
        inside = [self.first] if self.second is None else [self.first, self.second]
        words = f"{self.template}({', '.join(inside)})"
        if self.template in {"existence", "absence", "exactly"}:
            words = f"{self.template}({self.first}, {self.times})"
        words += f" before {self.before}" if self.before else ""
        words += f" within {write_duration(self.within)}" if self.within is not None else ""
        words += f" when {_said(self.when)}" if self.when else ""
        return words + (f" then {_said(self.then)}" if self.then else "")


def _said(condition: Condition) -> str:
    parts = (("channel", condition.channels), ("status", condition.statuses), ("resource", condition.resources))
    return " and ".join(f"{name} {' or '.join(values)}" for name, values in parts if values)


def parse_rule(entry: dict[str, Any]) -> Rule:
    """Read one rule of a design file.

    Examples
    --------
    >>> parse_rule({"response": ["order_placed", "confirmation"], "within": "1h"}).text
    'response(order_placed, confirmation) within 1 hour'
    >>> parse_rule({"absence": {"activity": "call_helpdesk", "max": 0, "before": "modem_active"}}).text
    'absence(call_helpdesk, 0) before modem_active'
    """
    options = {"within", "when", "then"}
    templates = [key for key in entry if key not in options]
    if len(templates) != 1:
        raise SpecError(f"one template is needed, found {', '.join(templates) or 'none'}.")
    template = OTHER_NAMES.get(templates[0], templates[0])
    if template not in UNARY + BINARY:
        known = UNARY + BINARY
        guess = did_you_mean(template, known) or f" Known: {', '.join(known)}."
        raise SpecError(f"unknown template '{template}'.{guess}")
    shared: dict[str, Any] = {
        "within": None if "within" not in entry else parse_duration(entry["within"]),
        "when": _condition(entry.get("when")),
        "then": _condition(entry.get("then")),
    }
    if template in BINARY:
        names = entry[templates[0]]
        if not (isinstance(names, list) and len(names) == 2 and all(isinstance(name, str) for name in names)):
            raise SpecError(f"{template} takes two touchpoints: [first, second].")
        return Rule(template, names[0], names[1], **shared)
    return _unary(template, entry[templates[0]], shared)


def _unary(template: str, value: Any, shared: dict[str, Any]) -> Rule:
    least = 0 if template == "absence" else 1
    if isinstance(value, str):
        return Rule(template, value, times=least, **shared)
    number = {"existence": "min", "absence": "max", "exactly": "times"}.get(template)
    allowed = {"activity", "before", *([number] if number else [])}
    if not isinstance(value, dict) or not isinstance(value.get("activity"), str) or set(value) - allowed:
        raise SpecError(f"{template} takes a touchpoint, or {{{', '.join(sorted(allowed))}}}.")
    times = value.get(number, least) if number else least
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise SpecError(f"{template}: '{number}' is a whole number, found {times!r}.")
    return Rule(template, value["activity"], times=times, before=value.get("before"), **shared)


def _condition(value: Any) -> Condition:
    if value is None:
        return Condition()
    allowed = ("channel", "status", "resource")
    if not isinstance(value, dict) or set(value) - set(allowed):
        raise SpecError(f"a condition is a mapping with {', '.join(allowed)}; found {value!r:.60}.")
    texts = [value.get(key, ()) for key in allowed]
    channels, statuses, resources = (((one,) if isinstance(one, str) else tuple(one)) for one in texts)
    return Condition(channels, statuses, resources)
