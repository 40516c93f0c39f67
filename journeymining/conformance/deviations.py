"""From moves to words: what an alignment means for a person who looks after the journey."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from journeymining.conformance.alignment import BOTH, LOG, MODEL

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from journeymining.conformance.alignment import Move

PLACE = ("missing", "ad_hoc", "wrong_order", "repeated")
"""What is wrong with a touchpoint's place: each unmatched move, or pair of moves, is exactly one of these."""

STATE = ("wrong_channel", "wrong_actor", "failing", "late")
"""What is wrong with an event, or with its time, wherever its place is."""

SHAPE = ("bounced_back", "dead_end")
"""The same moves seen from further away: the journey fell back to an earlier phase, or stopped before its end."""

TYPES = (*PLACE, *STATE, *SHAPE)


class Deviation(NamedTuple):
    """A departure of a path from the design.

    ``position`` is the event's place in the path (-1 where there is none: it is missing); ``far`` is the event
    furthest away that a touchpoint in the wrong order was to be on the other side of.
    """

    type: str
    touchpoint: str
    expected: str
    observed: str
    position: int = -1
    far: int = -1


def deviations_of(
    moves: Sequence[Move],
    activities: Sequence[str],
    labels: Sequence[str | None],
    *,
    anywhere: Collection[str] = (),
    placed: Collection[str] = (),
    phases: Mapping[str, int] | None = None,
    phase_names: Sequence[str] = (),
    closed: bool = True,
) -> list[Deviation]:
    """Say in words what the moves of one path mean.

    Parameters
    ----------
    moves : the alignment of the path
    activities : what happened, in order
    labels : label per transition of the model
    anywhere : touchpoints that may happen at any time
    placed : touchpoints of the design, on this way or another
    phases : number of the phase per touchpoint
    phase_names : names of the phases
    closed : whether the journey is over, so that stopping early is a dead end

    Returns
    -------
    list of Deviation
        By place in the alignment. An unmatched event and an unmatched step of the same touchpoint are one
        ``wrong_order``, the first event with the first step.

    Examples
    --------
    >>> from journeymining.conformance.alignment import Move
    >>> moves = [Move(0, 0, 0), Move(2, -1, 1), Move(0, 1, 2), Move(1, 2, -1)]
    >>> for one in deviations_of(moves, ["a", "c", "b"], ["a", "b", "c"], placed=["a", "b", "c"]):
    ...     print(one.type, one.touchpoint, "|", one.expected, "|", one.observed)
    wrong_order b | after a | after c
    """
    loose: dict[str, list[int]] = defaultdict(list)
    skipped: dict[str, list[int]] = defaultdict(list)
    matched: set[str] = set()
    for index, move in enumerate(moves):
        if move.kind == LOG and activities[move.position] not in anywhere:
            loose[activities[move.position]].append(index)
        elif move.kind == MODEL and (label := labels[move.transition]) is not None:
            skipped[label].append(index)
        elif move.kind == BOTH:
            matched.add(activities[move.position])
    found: list[tuple[int, Deviation]] = []
    paired: set[int] = set()
    for name in loose.keys() & skipped.keys():
        for event, step in zip(loose[name], skipped[name], strict=False):
            paired |= {event, step}
            found.append((event, _wrong_order(moves, activities, labels, event, step)))
    for name, indexes in loose.items():
        seen = name in matched or name in skipped
        for index in indexes:
            if index not in paired:
                found.append((index, _extra(name, moves[index].position, seen, name in placed)))
    for name, indexes in skipped.items():
        found += [
            (index, Deviation("missing", name, "happens", "does not happen"))
            for index in indexes
            if index not in paired
        ]
    if phases:
        # What may happen at any time is no way back.
        bound = {name: phase for name, phase in phases.items() if name not in anywhere}
        found += _bounces(moves, activities, bound, phase_names, paired)
    if closed:
        found += _dead_end(moves, activities, labels, paired)
    return [deviation for _, deviation in sorted(found)]


def _extra(name: str, position: int, seen: bool, placed: bool) -> Deviation:
    """Say what an event without a place in the model is: once more, or not foreseen at all."""
    if seen:
        return Deviation("repeated", name, "not again", "again", position, position)
    expected = "not on this way" if placed else "not in the flow"
    return Deviation("ad_hoc", name, expected, "happens", position, position)


def _wrong_order(
    moves: Sequence[Move], activities: Sequence[str], labels: Sequence[str | None], event: int, step: int
) -> Deviation:
    """Say where a touchpoint was to come, and where it came."""
    before = ""
    for move in moves[:step]:
        if move.kind != LOG and (label := labels[move.transition]) is not None:
            before = label
    position = moves[event].position
    between = moves[min(event, step) : max(event, step)]
    jumped = [move.position for move in between if move.kind == BOTH]
    far = position if not jumped else (min(jumped) if event > step else max(jumped))
    return Deviation(
        "wrong_order",
        activities[position],
        f"after {before}" if before else "first",
        f"after {activities[position - 1]}" if position else "first",
        position,
        far,
    )


def _bounces(
    moves: Sequence[Move],
    activities: Sequence[str],
    phases: Mapping[str, int],
    phase_names: Sequence[str],
    paired: set[int],
) -> list[tuple[int, Deviation]]:
    """Find events that no order of the model explains and that fall back to an earlier phase."""
    found: list[tuple[int, Deviation]] = []
    reached = -1
    for index, move in enumerate(moves):
        phase = phases.get(activities[move.position]) if move.kind != MODEL else None
        if phase is None:
            continue
        if move.kind == LOG and index not in paired and phase < reached:
            words = (f"no way back from {phase_names[reached]}", f"back to {phase_names[phase]}")
            found.append((index, Deviation("bounced_back", activities[move.position], *words, move.position)))
        reached = max(reached, phase)
    return found


def _dead_end(
    moves: Sequence[Move], activities: Sequence[str], labels: Sequence[str | None], paired: set[int]
) -> list[tuple[int, Deviation]]:
    """Find where a closed journey stopped before the end of the model."""
    last = max((index for index, move in enumerate(moves) if move.kind == BOTH), default=-1)
    for index in range(last + 1, len(moves)):
        move = moves[index]
        if move.kind == MODEL and index not in paired and (label := labels[move.transition]) is not None:
            stopped = activities[moves[last].position] if last >= 0 else "the start"
            position = moves[last].position if last >= 0 else -1
            words = (f"goes on to {label}", f"stops after {stopped}")
            return [(len(moves), Deviation("dead_end", stopped, *words, position))]
    return []


def order_score(moves: Sequence[Move], activities: Sequence[str], labels: Sequence[str | None]) -> tuple[int, int]:
    """Count pairs of touchpoints in the designed order and pairs against it.

    The designed order is that of the model's steps in the alignment; a step whose event came elsewhere counts with
    the place where it came. Kendall's tau is (with - against) / (with + against).
    """
    loose: dict[str, list[int]] = defaultdict(list)
    for move in moves:
        if move.kind == LOG:
            loose[activities[move.position]].append(move.position)
    places: list[int] = []
    for move in moves:
        if move.kind == BOTH:
            places.append(move.position)
        elif move.kind == MODEL and (label := labels[move.transition]) is not None and loose[label]:
            places.append(loose[label].pop(0))
    against = sum(one > other for index, one in enumerate(places) for other in places[index + 1 :])
    return len(places) * (len(places) - 1) // 2 - against, against
