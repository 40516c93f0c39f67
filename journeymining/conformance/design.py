"""A designed journey: what a company intends, written by hand, checked with the line of every mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from journeymining.conformance.flow import Flow
    from journeymining.conformance.petri import PetriNet
    from journeymining.conformance.rules import Rule


@dataclass(frozen=True)
class Touchpoint:
    """A touchpoint of a designed journey; ``channels`` empty means any."""

    name: str
    phase: str | None = None
    channels: tuple[str, ...] = ()
    sender: str | None = None
    receiver: str | None = None
    optional: bool = False
    moment_of_truth: bool = False
    kind: str | None = None


@dataclass(frozen=True)
class Promise:
    """A deadline: ``to`` comes within a duration of the first ``start``."""

    start: str
    to: str
    within: timedelta
    business_days: bool = False

    @property
    def text(self) -> str:
        """The promise in words, the name it has in tables."""
        from journeymining.durations import write_duration

        business = " on business days" if self.business_days else ""
        return f"within {write_duration(self.within)}{business} after {self.start}"


@dataclass(frozen=True)
class Calendar:
    """Which days count for promises in business days, and in which zone a day begins."""

    timezone: str = "UTC"
    holidays: tuple[str, ...] = ()
    working_days: tuple[str, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri")


@dataclass(frozen=True)
class MoveCosts:
    """Costs that differ from 1: of leaving out a touchpoint, of an unexpected event by activity or by channel."""

    missing: dict[str, int] = field(default_factory=dict)
    unexpected: dict[str, int] = field(default_factory=dict)
    channel: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Persona:
    """Customers with a design of their own: those whose journey has this value in this attribute of the event log."""

    name: str
    attribute: str
    value: str
    design: Design


@dataclass(frozen=True)
class Design:
    """A designed journey, ready to compare actual ones with.

    ``net`` is what the flow (or an imported model) means; None where there are only rules and promises.
    ``own_designs`` are those of personas that differ from this one, see `journeymining.conformance.personas`.
    ``notes`` say what was assumed, ``unchecked`` what the source says but cannot be checked, with the reason.
    """

    name: str
    touchpoints: dict[str, Touchpoint]
    net: PetriNet | None = None
    flow: Flow | None = None
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    actors: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    promises: tuple[Promise, ...] = ()
    calendar: Calendar = Calendar()
    ignore: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()
    own_designs: tuple[Persona, ...] = ()
    costs: MoveCosts = MoveCosts()
    order_tolerance: timedelta = timedelta(0)
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def anywhere(self) -> list[str]:
        """Optional touchpoints that the flow does not place: they may happen at any time, any number of times."""
        if self.net is None:
            return []
        placed = set(self.net.alphabet)
        return [name for name, one in self.touchpoints.items() if one.optional and name not in placed]


def read_design(path: str | Path) -> Design:
    """Read a designed journey: our YAML, BPMN 2.0, PNML, a process tree (.ptml) or Declare (.decl), by its ending.

    Of a BPMN file with several processes one is chosen by its id behind the file name: ``order.bpmn#Process_1``.

    Raises
    ------
    SpecError
        If the YAML is wrong, with file, line and touchpoint, and what was probably meant.
    InputError
        If the file does not exist or a model cannot be checked, with the element's id and the reason.
    """
    name, _, process = str(path).partition("#") if not Path(path).is_file() else (str(path), "", "")
    ending = Path(name).suffix.lower()
    if not Path(name).is_file():
        raise InputError(f"{name}: no such file.")
    if ending in {".bpmn", ".bpmn20"} or name.lower().endswith(".bpmn20.xml"):
        from journeymining.conformance.bpmn import read_bpmn

        return read_bpmn(name, process=process or None)
    if ending in {".yaml", ".yml"}:
        from journeymining.conformance.design_file import read_design_file

        return read_design_file(path)
    readers: dict[str, Any] = {".pnml": _from_pnml, ".decl": _from_decl, ".ptml": _from_process_tree}
    if ending in {".xes", ".csv", ".gz", ".parquet"}:
        raise InputError(f"{path}: a log of actual journeys is no design; draft one: journeymining design from-log.")
    if ending not in readers:
        known = ", ".join([".yaml", ".bpmn", *sorted(readers)])
        raise InputError(f"{path}: a design ends in {known}; found '{ending}'.")
    design: Design = readers[ending](path)
    return design


def design_of_net(net: PetriNet, *, name: str, unchecked: tuple[str, ...] = ()) -> Design:
    """Return the design that consists of a model only: its visible transitions are the touchpoints."""
    touchpoints = {label: Touchpoint(label) for label in dict.fromkeys(net.labels) if label is not None}
    return Design(name=name, touchpoints=touchpoints, net=net, notes=net.notes, unchecked=unchecked)


def _from_pnml(path: str | Path) -> Design:
    from journeymining.conformance.pnml import read_pnml

    return design_of_net(read_pnml(path), name=Path(path).stem)


def _from_decl(path: str | Path) -> Design:
    from journeymining.conformance.decl import read_decl

    return read_decl(path)


def _from_process_tree(path: str | Path) -> Design:
    from dataclasses import replace

    from journeymining.conformance.flow import flow_net
    from journeymining.conformance.process_tree import read_process_tree

    flow = read_process_tree(path)
    return replace(design_of_net(flow_net(flow), name=Path(path).stem), flow=flow)
