"""What the journey map shows: which touchpoints and moves, what the design says of each, and how much that covers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.palette import channel_colours
from journeymining.report.run_paths import END, START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from journeymining.report.run_files import Run


@dataclass(frozen=True)
class Touchpoint:
    """A touchpoint on the map: an activity, in the lane of the channel it uses most.

    ``channels`` and ``failed`` are of ``logged`` events, which are all events of the log with this name; where these
    are more than ``events``, the map is of some journeys only.
    """

    name: str
    journeys: int
    events: int
    logged: int
    failed: int
    channels: dict[str, int]
    phase: str = ""
    number: int | None = None
    in_design: bool = False
    departs: bool = False
    optional: bool = False
    moment_of_truth: bool = False
    deviations: dict[str, float] = field(default_factory=dict)
    leans: str = ""
    note: str = ""
    said: str = ""

    @property
    def channel(self) -> str:
        """The channel with most events; ties go to the first in the alphabet."""
        return next(iter(self.channels), "")


@dataclass(frozen=True)
class Move:
    """A transition: one touchpoint right after another.

    ``kind`` is designed, departs or neutral; on a map of differences first, second or neutral, and ``said`` says by
    how much.
    """

    source: str
    target: str
    events: int
    journeys: int
    median_wait: float | None = None
    kind: str = "neutral"
    said: str = ""


@dataclass(frozen=True)
class MapContent:
    """What the map shows, and what it leaves to the table."""

    touchpoints: list[Touchpoint]
    moves: list[Move]
    phases: list[str]
    has_design: bool
    journeys: int | None
    all_touchpoints: int
    all_moves: int
    shown_events: int
    all_events: int
    colours: dict[str, str]

    @property
    def covered(self) -> float:
        """Share of all moves, starts and ends included, that the map draws."""
        return self.shown_events / self.all_events if self.all_events else 0.0


def map_content(
    run: Run, *, in_scope: bool = False, most_touchpoints: int = 18, most_moves: int = 40
) -> MapContent | None:
    """Choose what the map shows: the designed touchpoints, the others by journeys, and the moves by frequency.

    With ``in_scope`` only of the journeys that the design judges. Every touchpoint shown keeps its most frequent way
    in and way out. Ties go by name, so the same run gives the same map. Returns None when the run has no touchpoints
    or no transitions, or when it does not say which journeys are in scope.
    """
    paths = run.in_scope if in_scope else run.variants
    if run.touchpoints is None or run.directly_follows is None or (in_scope and paths is None):
        return None
    everything = [p for p in all_touchpoints(run, in_scope=in_scope) if p.journeys or p.in_design]
    if not everything:
        return None
    ranked = sorted(everything, key=lambda point: (not point.in_design, -point.journeys, point.name))
    designed = sum(point.in_design for point in ranked)
    shown = ranked[: max(most_touchpoints, designed + 4)]
    moves = all_moves(run, in_scope=in_scope)
    names = {point.name for point in shown} | {START, END}
    drawable = [move for move in moves if move.source in names and move.target in names]
    kept = most_frequent(drawable, most_moves)
    return MapContent(
        touchpoints=shown,
        moves=kept,
        phases=map_phases(run, everything),
        has_design=run.design is not None,
        journeys=paths.journeys if paths else None,
        all_touchpoints=len(everything),
        all_moves=len(moves),
        shown_events=sum(move.events for move in kept),
        all_events=sum(move.events for move in moves),
        colours=run_colours(run),
    )


def run_colours(run: Run) -> dict[str, str]:
    """Give every channel of the run, actual or designed, its one colour."""
    names: set[str] = set()
    if run.touchpoints is not None:
        names |= set(run.touchpoints["channel"])
    if run.channel_switches is not None:
        names |= {*run.channel_switches["from_channel"], *run.channel_switches["to_channel"]}
    for point in (run.design or {}).get("touchpoints", []):
        names |= set(point.get("channels") or [])
    return channel_colours(sorted(names | {""}))


def all_touchpoints(run: Run, *, in_scope: bool = False) -> list[Touchpoint]:
    """Return every activity of the run, and every designed touchpoint that never occurred."""
    none = pd.DataFrame(columns=["activity", "channel", "events", "journeys"])
    table = run.touchpoints if run.touchpoints is not None else none
    design = {point["name"]: point for point in (run.design or {}).get("touchpoints", [])}
    numbers = {name: place for place, name in enumerate(main_order(run.design), start=1)}
    paths = run.in_scope if in_scope else run.variants
    judged = run.in_scope.touchpoints if run.in_scope else None
    deviations = _deviation_shares(run.deviations if run.touchpoint_deviations is None else run.touchpoint_deviations)
    found = []
    for name in sorted({*table["activity"], *design, *numbers}):
        rows = table[table["activity"] == name]
        planned: dict[str, Any] = design.get(name, {})
        in_design = name in design or name in numbers
        logged = int(rows["events"].sum())
        # A journey that used two channels is in two rows; its path counts it once.
        counted = paths.touchpoints.get(name, {}) if paths else {"journeys": int(rows["journeys"].sum())}
        found.append(
            Touchpoint(
                name=name,
                journeys=counted.get("journeys", 0),
                events=counted.get("events", 0) if in_scope else logged,
                logged=logged,
                failed=int(rows["failed"].fillna(0).sum()) if "failed" in rows else 0,
                channels=_channel_events(rows) or dict.fromkeys((planned.get("channels") or [])[:1], 0),
                phase=str(planned.get("phase") or (rows["phase"].iloc[0] if "phase" in rows and len(rows) else "")),
                number=numbers.get(name),
                in_design=in_design,
                # What only journeys outside the scope of the design do departs from nothing.
                departs=run.design is not None and not in_design and (judged is None or name in judged),
                optional=bool(planned.get("optional")),
                moment_of_truth=bool(planned.get("moment_of_truth")),
                deviations=deviations.get(name, {}),
            )
        )
    return found


def all_moves(run: Run, *, in_scope: bool = False) -> list[Move]:
    """Return every transition of the run, starts and ends included, most frequent first.

    Waits are known of all journeys only: within the scope of the design a move has one where no other journey makes it.
    """
    kind = _kinds(run)
    judged = None if run.in_scope is None else run.in_scope.transitions()
    everywhere = _logged_moves(run)
    if in_scope and judged is not None:
        nowhere = (0, 0, None)
        waits = {pair: wait for pair, (events, _, wait) in everywhere.items() if events == judged.get(pair, nowhere)[0]}
        moves = [Move(*pair, *counts, waits.get(pair)) for pair, counts in judged.items()]
    else:
        moves = [Move(*pair, events, journeys, wait) for pair, (events, journeys, wait) in everywhere.items()]
    told = [
        replace(move, kind=kind(move.source, move.target))
        if judged is None or (move.source, move.target) in judged
        else move
        for move in moves
    ]
    return sorted(told, key=lambda move: (-move.events, move.source, move.target))


def _logged_moves(run: Run) -> dict[tuple[str, str], tuple[int, int, float | None]]:
    """Return events, journeys and median wait of the transitions of all journeys."""
    found: dict[tuple[str, str], tuple[int, int, float | None]] = {}
    if run.directly_follows is not None:
        for row in run.directly_follows.to_dict("records"):
            wait = row.get("median_wait")
            known = None if wait is None or pd.isna(wait) else float(wait)
            found[row["source"], row["target"]] = (int(row["events"]), int(row["journeys"]), known)
    for column, end in (("starts", START), ("ends", END)):
        if run.touchpoints is not None and column in run.touchpoints:
            for name, count in run.touchpoints.groupby("activity")[column].sum().items():
                # A journey starts once and ends once: events and journeys are the same here.
                if count:
                    found[(end, str(name)) if end == START else (str(name), end)] = (int(count), int(count), None)
    return found


def _channel_events(rows: pd.DataFrame) -> dict[str, int]:
    """Return the events per channel, most first, ties by name."""
    counted = rows.groupby("channel")["events"].sum() if len(rows) else pd.Series(dtype="int64")
    return dict(sorted(((str(k), int(v)) for k, v in counted.items()), key=lambda one: (-one[1], one[0])))


def most_frequent(moves: list[Move], most: int) -> list[Move]:
    """Return the first moves, and of every touchpoint the first way in and out; the order stays."""
    kept = set(moves[:most])
    for end in ("source", "target"):
        seen: set[str] = set()
        for move in moves:
            if move.source != move.target and getattr(move, end) not in seen:
                seen.add(getattr(move, end))
                kept.add(move)
    return [move for move in moves if move in kept]


def _kinds(run: Run) -> Callable[[str, str], str]:
    """Return a function that says of a move whether the design has it.

    A move follows the design where its order says so, or where a path that costs nothing makes it. A move to or from
    what the design does not hold departs from it, and so does one against its order; of others nothing is said.
    """
    design = run.design
    if design is None:
        return lambda source, target: "neutral"
    order = main_order(design)
    points = {point["name"]: point for point in design.get("touchpoints", [])}
    known = {*points, *design.get("order", []), START, END}
    place = {name: number for number, name in enumerate(order)} | ({START: -1, END: len(order)} if order else {})
    flow = str(design.get("flow") or "")
    repeats = {name for name in points if re.search(rf"(?<![\w-]){re.escape(name)}\s*\??\s*\*", flow)}

    def kind(source: str, target: str) -> str:
        if (source, target) in run.fitting_moves:
            return "designed"
        if source not in known or target not in known:
            return "departs"
        if source not in place or target not in place:
            return "neutral"
        if source == target:
            return "designed" if source in repeats else "departs"
        between = order[place[source] + 1 : place[target]]
        ahead = place[target] > place[source]
        return "designed" if ahead and all(points.get(name, {}).get("optional") for name in between) else "departs"

    return kind


def main_order(design: dict[str, Any] | None) -> list[str]:
    """Return the touchpoints of the designed path in order; none where most lie on other branches of the design."""
    order = [str(name) for name in (design or {}).get("order", [])]
    return order if 2 * len(order) >= len((design or {}).get("touchpoints", [])) else []


def _deviation_shares(deviations: pd.DataFrame | None) -> dict[str, dict[str, float]]:
    """Return per touchpoint the largest share of journeys of each type of deviation."""
    shares: dict[str, dict[str, float]] = {}
    if deviations is not None:
        for row in deviations.to_dict("records"):
            types = shares.setdefault(row["touchpoint"], {})
            types[row["type"]] = max(types.get(row["type"], 0.0), float(row["share"]))
    return {name: dict(sorted(types.items(), key=lambda one: (-one[1], one[0]))) for name, types in shares.items()}


def map_phases(run: Run, touchpoints: Iterable[Touchpoint]) -> list[str]:
    """Return the phases of a map: those of the design in its order, then others by name."""
    planned = [str(phase) for phase in (run.design or {}).get("phases", [])]
    seen = sorted({point.phase for point in touchpoints} - {""})
    return list(dict.fromkeys([*planned, *seen]))
