"""Which touchpoints get credit for conversions: six rules side by side, because each answers another question."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from journeymining.durations import parse_duration
from journeymining.exceptions import InputError, did_you_mean
from journeymining.outcomes.journey_frame import distinct_sequences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

PathCounts: TypeAlias = "Mapping[tuple[str, ...], tuple[float, float]]"
"""From a path to (journeys that converted, journeys that did not)."""


def attribution(
    journeys: JourneyFrame, converted: NDArray[np.int8], *, by: str = "channel", half_life: str = "7 days"
) -> pd.DataFrame:
    """Share the conversions of journeys among their touchpoints.

    Credit is a convention, not an effect: it looks at what converted, and a touchpoint that everybody passes gets
    much of it whatever it does.

    Parameters
    ----------
    journeys : JourneyFrame
    converted : array of 0 and 1, one entry per journey
    by : str
        What gets the credit: ``channel``, ``activity`` or another text column. Events without a value get none.
    half_life : duration
        Of time decay: a touchpoint that long before the last one weighs half.

    Returns
    -------
    DataFrame, one row per touchpoint
        ``touchpoint``, ``journeys``, and conversions by ``first``, ``last``, ``linear`` (every event the same),
        ``time_decay``, ``markov`` (see `markov_removal`), ``shapley`` (see `shapley`). Every rule shares all
        conversions of journeys with a touchpoint. Most credit by Markov first, ties by name.
    """
    if by not in journeys.coded:
        raise InputError.missing_column(by, journeys.coded, where="The log")
    column = journeys.coded[by]
    part = journeys.keep_events(column.codes >= 0)
    codes, levels = part.coded[by].codes, part.coded[by].levels
    some = np.flatnonzero(part.lengths > 0)
    won = converted[some].astype(float)
    size = len(levels)
    credit = pd.DataFrame({"touchpoint": list(levels)})
    pairs = np.unique(np.stack([part.row, codes.astype(np.int64)]), axis=1)
    credit["journeys"] = np.bincount(pairs[1], minlength=size)
    credit["first"] = np.bincount(codes[part.offsets[some]], weights=won, minlength=size)
    credit["last"] = np.bincount(codes[part.offsets[some + 1] - 1], weights=won, minlength=size)
    value = np.asarray(converted, dtype=float)[part.row]
    credit["linear"] = np.bincount(codes, weights=value / part.lengths[part.row], minlength=size)
    days = (part.end[part.row] - part.time) / parse_duration(half_life).total_seconds() / 1e6
    weight = 0.5**days
    total = np.bincount(part.row, weights=weight, minlength=len(part))
    credit["time_decay"] = np.bincount(codes, weights=value * weight / total[part.row], minlength=size)
    paths = _count_paths(part, codes, levels, converted)
    for name, shares in (("markov", markov_removal(paths)), ("shapley", shapley(paths))):
        credit[name] = [shares.get(level, 0.0) for level in levels]
    used = credit[credit["journeys"] > 0]
    return used.sort_values(["markov", "touchpoint"], ascending=[False, True], ignore_index=True)


def markov_removal(paths: PathCounts) -> dict[str, float]:
    """Share conversions by how much less likely they would be if a touchpoint led nowhere.

    Paths are read as a chain in which the next touchpoint depends on the present one only. The removal effect of a
    touchpoint is 1 - P(conversion without it) / P(conversion); credit is proportional to it.

    Parameters
    ----------
    paths : mapping
        From a path to (journeys that converted, journeys that did not).

    Returns
    -------
    dict
        Conversions per touchpoint; they sum to all conversions.

    References
    ----------
    E. Anderl, I. Becker, F. von Wangenheim, J. H. Schumann, *IJRM* 33 (2016) 457-474.

    Examples
    --------
    >>> credit = markov_removal({("g",): (2, 1), ("m",): (1, 0), ("g", "m"): (1, 0)})
    >>> {name: round(value, 6) for name, value in credit.items()}
    {'g': 2.4, 'm': 1.6}
    """
    effects = removal_effects(paths)
    total = sum(effects.values())
    conversions = sum(won for path, (won, _) in paths.items() if path)
    return {name: conversions * effect / total if total else 0.0 for name, effect in effects.items()}


def removal_effects(paths: PathCounts) -> dict[str, float]:
    """Return the removal effect of every touchpoint, see `markov_removal`.

    Examples
    --------
    >>> effects = removal_effects({("g",): (2, 1), ("m",): (1, 0), ("g", "m"): (1, 0)})
    >>> {name: round(value, 6) for name, value in effects.items()}
    {'g': 0.75, 'm': 0.5}
    """
    names = sorted({step for path in paths for step in path})
    place = {name: i + 1 for i, name in enumerate(names)}
    size = len(names) + 1
    moves, wins, leaves = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    for path, (won, lost) in paths.items():
        if not path:
            continue
        steps = [0, *(place[step] for step in path)]
        for source, target in pairwise(steps):
            moves[source, target] += won + lost
        wins[steps[-1]] += won
        leaves[steps[-1]] += lost
    total = moves.sum(axis=1) + wins + leaves
    divisor = np.where(total > 0, total, 1)
    moves, wins = moves / divisor[:, None], wins / divisor
    whole = _reach(moves, wins)
    if whole == 0:
        return dict.fromkeys(names, 0.0)
    effects = {}
    for name in names:
        without = moves.copy()
        without[:, place[name]] = 0
        effects[name] = 1 - _reach(without, wins) / whole
    return effects


def shapley(paths: PathCounts) -> dict[str, float]:
    """Share conversions by the Shapley value of the game in which touchpoints win the paths made of them alone.

    A path adds its conversions to every set that holds all its touchpoints, so its conversions are shared equally
    among them: the sum over all orders, in closed form. The order within a path does not matter.

    Examples
    --------
    >>> shapley({("g",): (2, 1), ("m",): (1, 0), ("g", "m"): (1, 0)})
    {'g': 2.5, 'm': 1.5}
    """
    credit: dict[str, float] = defaultdict(float)
    for path, (won, _) in paths.items():
        for name in sorted(set(path)):
            credit[name] += won / len(set(path))
    return dict(sorted(credit.items()))


def _reach(moves: NDArray[np.float64], wins: NDArray[np.float64]) -> float:
    """Return the chance to convert from the start: how often each touchpoint is passed, times what it wins."""
    return float(np.linalg.solve(np.eye(len(moves)) - moves, wins)[0])


def _count_paths(
    part: JourneyFrame, codes: NDArray[np.int32], levels: Sequence[str], converted: NDArray[np.int8]
) -> dict[tuple[str, ...], tuple[float, float]]:
    number, distinct = distinct_sequences(codes, part.offsets)
    won = np.bincount(number, weights=converted, minlength=len(distinct))
    every = np.bincount(number, minlength=len(distinct))
    names = [tuple(levels[code] for code in path) for path in distinct]
    return {path: (float(won[i]), float(every[i] - won[i])) for i, path in enumerate(names)}


def attribution_of_event(journeys: JourneyFrame, event: str, *, by: str | None = None) -> pd.DataFrame:
    """Share the journeys that reach an event among what they passed before; see `attribution`.

    Parameters
    ----------
    journeys : JourneyFrame
    event : str
        A journey with this activity converted; its path ends before the first of them.
    by : str, optional
        What gets the credit; default the channel, or the activity where the log has no channels.

    Raises
    ------
    InputError
        If no journey has the event.
    """
    reached = journeys.is_activity([event])
    if not reached.any():
        hint = did_you_mean(event, journeys.activities)
        raise InputError(f"The log has no activity '{event}'.{hint} It has: {', '.join(journeys.activities[:12])}.")
    first = np.full(len(journeys), len(journeys.time))
    np.minimum.at(first, journeys.row[reached], np.flatnonzero(reached))
    before = journeys.keep_events(np.arange(len(journeys.time)) < first[journeys.row])
    converted = (first < len(journeys.time)).astype(np.int8)
    return attribution(before, converted, by=by or ("channel" if "channel" in journeys.coded else "activity"))
