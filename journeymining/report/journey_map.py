"""What the journey map shows: which touchpoints and moves, what the design says of each, and how much that covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.palette import channel_colours

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journeymining.report.run_files import Run

# No activity can be called like this: names of a log are printable.
START, END = "\x00start", "\x00end"


@dataclass(frozen=True)
class Touchpoint:
    """A touchpoint on the map: an activity, in the lane of the channel it uses most."""

    name: str
    journeys: int
    events: int
    failed: int
    channels: dict[str, int]
    phase: str = ""
    number: int | None = None
    in_design: bool = False
    departs: bool = False
    optional: bool = False
    moment_of_truth: bool = False
    deviations: dict[str, float] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        """The channel with most events; ties go to the first in the alphabet."""
        return next(iter(self.channels), "")


@dataclass(frozen=True)
class Move:
    """A transition: one touchpoint right after another; ``kind`` is designed, departs or neutral."""

    source: str
    target: str
    events: int
    journeys: int
    median_wait: float | None
    kind: str = "neutral"


@dataclass(frozen=True)
class MapContent:
    """What the map shows, and what it leaves to the table."""

    touchpoints: list[Touchpoint]
    moves: list[Move]
    phases: list[str]
    has_design: bool
    all_touchpoints: int
    all_moves: int
    shown_events: int
    colours: dict[str, str]
    all_events: int

    @property
    def covered(self) -> float:
        """Share of all moves, starts and ends included, that the map draws."""
        return self.shown_events / self.all_events if self.all_events else 0.0


def map_content(run: Run, *, most_touchpoints: int = 18, most_moves: int = 40) -> MapContent | None:
    """Choose what the map shows: the designed touchpoints, the others by journeys, and the moves by frequency.

    Every touchpoint shown keeps its most frequent way in and way out. Ties go by name, so the same run gives the
    same map. Returns None when the run has no touchpoints or no transitions.
    """
    if run.touchpoints is None or run.directly_follows is None:
        return None
    everything = all_touchpoints(run)
    if not everything:
        return None
    ranked = sorted(everything, key=lambda point: (not point.in_design, -point.journeys, point.name))
    designed = sum(point.in_design for point in ranked)
    shown = [point for point in ranked[: max(most_touchpoints, designed + 4)] if point.journeys or point.in_design]
    moves = all_moves(run)
    names = {point.name for point in shown} | {START, END}
    drawable = [move for move in moves if move.source in names and move.target in names]
    kept = _frequent(drawable, most_moves)
    return MapContent(
        touchpoints=shown,
        moves=kept,
        phases=_phases(run, everything),
        has_design=run.design is not None,
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


def all_touchpoints(run: Run) -> list[Touchpoint]:
    """Return every activity of the run, and every designed touchpoint that never occurred."""
    table = run.touchpoints if run.touchpoints is not None else pd.DataFrame(columns=["activity", "channel"])
    design = {point["name"]: point for point in (run.design or {}).get("touchpoints", [])}
    numbers = {name: place for place, name in enumerate((run.design or {}).get("order", []), start=1)}
    exact = run.variants.journeys_with if run.variants else {}
    deviations = _deviation_shares(
        run.touchpoint_deviations if run.touchpoint_deviations is not None else run.deviations
    )
    found = []
    for name in sorted({*table["activity"], *design, *numbers}):
        rows = table[table["activity"] == name]
        channels = rows.groupby("channel")["events"].sum() if len(rows) else pd.Series(dtype="int64")
        planned: dict[str, Any] = design.get(name, {})
        found.append(
            Touchpoint(
                name=name,
                # A journey that used two channels is in two rows; the variants count it once.
                journeys=int(exact.get(name, rows["journeys"].sum() if len(rows) else 0)),
                events=int(rows["events"].sum()) if len(rows) else 0,
                failed=int(rows["failed"].fillna(0).sum()) if "failed" in rows and len(rows) else 0,
                channels=dict(
                    sorted(((str(k), int(v)) for k, v in channels.items()), key=lambda one: (-one[1], one[0]))
                )
                or dict.fromkeys((planned.get("channels") or [])[:1], 0),
                phase=str(
                    planned.get("phase") or (rows["phase"].iloc[0] if "phase" in rows and len(rows) else "") or ""
                ),
                number=numbers.get(name),
                in_design=name in design or name in numbers,
                departs=run.design is not None and name not in design and name not in numbers,
                optional=bool(planned.get("optional")),
                moment_of_truth=bool(planned.get("moment_of_truth")),
                deviations=deviations.get(name, {}),
            )
        )
    return found


def all_moves(run: Run) -> list[Move]:
    """Return every transition of the run, starts and ends included, most frequent first."""
    moves = []
    kind = _kinds(run.design)
    if run.directly_follows is not None:
        for row in run.directly_follows.to_dict("records"):
            wait = row.get("median_wait")
            moves.append(
                Move(
                    row["source"],
                    row["target"],
                    int(row["events"]),
                    int(row["journeys"]),
                    None if wait is None or pd.isna(wait) else float(wait),
                    kind(row["source"], row["target"]),
                )
            )
    table = run.touchpoints
    for column, place in (("starts", START), ("ends", END)):
        if table is None or column not in table:
            continue
        for name, count in table.groupby("activity")[column].sum().items():
            if count:
                source, target = (place, str(name)) if place == START else (str(name), place)
                # A journey starts once and ends once: events and journeys are the same here.
                moves.append(Move(source, target, int(count), int(count), None, kind(source, target)))
    return sorted(moves, key=lambda move: (-move.events, move.source, move.target))


def _frequent(moves: list[Move], most: int) -> list[Move]:
    kept = set(moves[:most])
    for end in ("source", "target"):
        seen: set[str] = set()
        for move in moves:
            if move.source != move.target and getattr(move, end) not in seen:
                seen.add(getattr(move, end))
                kept.add(move)
    return [move for move in moves if move in kept]


def _kinds(design: dict[str, Any] | None) -> Any:
    """Return a function that says of a move whether the design has it."""
    if design is None:
        return lambda source, target: "neutral"
    order = list(design.get("order", []))
    points = {point["name"]: point for point in design.get("touchpoints", [])}
    place = {name: number for number, name in enumerate(order)} | {START: -1, END: len(order)}

    def kind(source: str, target: str) -> str:
        if source not in place or target not in place:
            known = {*points, START, END}
            return "neutral" if source in known and target in known else "departs"
        if source == target:
            return "designed" if points.get(source, {}).get("repeatable") else "neutral"
        between = order[place[source] + 1 : place[target]]
        ahead = place[target] > place[source]
        return "designed" if ahead and all(points.get(name, {}).get("optional") for name in between) else "departs"

    return kind


def _deviation_shares(deviations: pd.DataFrame | None) -> dict[str, dict[str, float]]:
    """Return per touchpoint the largest share of journeys of each type of deviation."""
    shares: dict[str, dict[str, float]] = {}
    if deviations is not None:
        for row in deviations.to_dict("records"):
            types = shares.setdefault(row["touchpoint"], {})
            types[row["type"]] = max(types.get(row["type"], 0.0), float(row["share"]))
    return {name: dict(sorted(types.items(), key=lambda one: (-one[1], one[0]))) for name, types in shares.items()}


def _phases(run: Run, touchpoints: Iterable[Touchpoint]) -> list[str]:
    planned = [str(phase) for phase in (run.design or {}).get("phases", [])]
    seen = sorted({point.phase for point in touchpoints} - {""})
    return list(dict.fromkeys([*planned, *seen]))
