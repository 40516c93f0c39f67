"""Variants on three levels: exact paths, abstracted paths and patterns; and which of them the data can carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse

from journeymining.outcomes.journey_frame import Coded, JourneyFrame, distinct_sequences
from journeymining.outcomes.sequences import collapse_loops, contains_sequences, mine_sequences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVELS = ("deviation", "channel", "activity", "sequence", "subsequence", "abstract", "variant")
"""From the simplest to explain to the most particular; of two patterns of the same journeys the first is kept."""

MOST_VARIED = 0.5
"""Above this share of distinct variants among journeys, nearly every journey is its own variant."""

SAME = 0.9
"""Correlation from which on two patterns are one and the same comparison."""

GAP = 2
"""How many events may lie between two items of a subsequence."""


Own: TypeAlias = "int | tuple[str, int]"

DEVIATIONS = (
    *("missing", "ad_hoc", "wrong_order", "repeated", "wrong_channel", "wrong_actor"),
    *("failing", "late", "bounced_back", "dead_end"),
)
"""Types of deviation, as columns of the journeys table of conformance; each is a pattern."""

EVENTS_OF_DEVIATIONS = {"ad_hoc": 1, "repeated": 1, "bounced_back": 1, "missing": -1}
"""Events that a journey has more, or less, because it deviates."""


@dataclass(frozen=True, eq=False)
class Memberships:
    """Which journey has which pattern.

    ``has`` is journeys x patterns (0 or 1); ``asked`` says for which journeys the question arises (None: all);
    ``own`` is how many events a pattern brings along itself: a number, or the column and code of those events.
    """

    level: list[str]
    pattern: list[str]
    has: sparse.csc_array
    asked: list[NDArray[np.bool_] | None]
    own: list[Own]

    def __len__(self) -> int:
        return len(self.pattern)

    def other_events(self, place: int, journeys: JourneyFrame, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many events the journeys have besides those of the pattern: its length must not explain it."""
        own = self.own[place]
        if isinstance(own, tuple):
            events = journeys.coded[own[0]].codes == own[1]
            return (journeys.lengths - np.bincount(journeys.row[events], minlength=len(journeys)))[rows]
        return journeys.lengths[rows] - own * self.column(place)[rows]

    def column(self, place: int) -> NDArray[np.bool_]:
        """Return which journeys have the pattern."""
        inside = np.zeros(self.has.shape[0], dtype=bool)
        inside[self.has.indices[self.has.indptr[place] : self.has.indptr[place + 1]]] = True
        return inside


def abstract_paths(journeys: JourneyFrame) -> tuple[NDArray[np.int64], list[str]]:
    """Return the abstracted variant per journey and the names of the variants.

    An event becomes its phase (its activity where the log has no phases) and its channel; what follows itself is
    written once, and so are loops of two or three.

    Examples
    --------
    >>> from journeymining.outcomes.journey_frame import journeys_from_events
    >>> log = pd.DataFrame({"journey_id": "a", "activity": ["call", "call", "pay"], "channel": "phone",
    ...     "timestamp": pd.to_datetime([1, 2, 3], utc=True)})
    >>> abstract_paths(journeys_from_events(log))[1]
    ['call@phone > pay@phone']
    """
    steps = journeys.coded.get("phase", journeys.coded["activity"])
    channel = journeys.coded.get("channel", Coded(np.full(len(steps.codes), -1, dtype=np.int32), ()))
    width = len(channel.levels) + 1
    tokens = ((steps.codes + 1) * width + channel.codes + 1).astype(np.int32)
    # Repeats first, on all journeys at once: what is left to look at one by one is short and rare.
    repeat = np.zeros(len(tokens), dtype=bool)
    repeat[1:] = (tokens[1:] == tokens[:-1]) & (journeys.row[1:] == journeys.row[:-1])
    lengths = np.bincount(journeys.row[~repeat], minlength=len(journeys))
    number, paths = distinct_sequences(tokens[~repeat], np.concatenate([[0], np.cumsum(lengths)]))
    names = [" > ".join(_token(t, width, steps, channel) for t in collapse_loops(path)) for path in paths]
    merged, distinct = pd.factorize(np.array(names, dtype=object))
    return merged[number], [str(name) for name in distinct]


def support_report(journeys: JourneyFrame, *, least: int = 30) -> pd.DataFrame:
    """Say which level of variants can be used, and why.

    Parameters
    ----------
    journeys : JourneyFrame
    least : int
        Journeys a variant needs before it is compared.

    Returns
    -------
    DataFrame, one row per level
        ``level``, ``distinct`` variants, ``journeys``, ``enough`` (variants with at least ``least`` journeys),
        ``covered`` (share of journeys in those), ``used``, ``reason``.
    """
    exact, _ = journeys.variants
    abstract, _ = abstract_paths(journeys)
    rows = []
    for level, number in (("variant", exact), ("abstract", abstract)):
        sizes = np.bincount(number)
        large = sizes >= least
        share, covered = len(sizes) / len(journeys), float(sizes[large].sum() / len(journeys))
        if share > MOST_VARIED:
            used, reason = False, f"{share:.0%} of the journeys are a variant of their own kind"
        elif not large.any():
            used, reason = False, f"no variant has {least} journeys"
        else:
            used, reason = True, f"{int(large.sum())} variants with {least} journeys or more cover {covered:.0%}"
        rows.append((level, len(sizes), len(journeys), int(large.sum()), covered, used, reason))
    rows.append(("pattern", 0, len(journeys), 0, 1.0, True, "a pattern is compared if enough journeys have it"))
    return pd.DataFrame(rows, columns=["level", "distinct", "journeys", "enough", "covered", "used", "reason"])


def memberships(
    journeys: JourneyFrame,
    train: NDArray[np.int64],
    *,
    least: int = 30,
    min_support: float = 0.02,
    limit: int = 100,
) -> Memberships:
    """Find the patterns that enough journeys of the training side have, and who has them.

    Parameters
    ----------
    journeys : JourneyFrame
    train : array of positions
        What is frequent is decided on these journeys only.
    least, min_support : int, float
        A pattern needs this many journeys, and this share of them, with and as many without it.
    limit : int
        At most so many patterns of the sequence and of the subsequence kind each, the most frequent ones.

    Returns
    -------
    Memberships
        Of patterns that nearly the same training journeys have, or lack, only the simplest is kept, in the order of
        `LEVELS`.
    """
    floor = max(least, int(np.ceil(min_support * len(train))))
    report = support_report(journeys[train], least=least).set_index("level")["used"]
    parts = [_deviation_patterns(journeys), _channel_patterns(journeys), _activity_patterns(journeys)]
    parts += _sequence_patterns(journeys, train, floor, limit)
    if report["abstract"]:
        parts.append(_whole(*abstract_paths(journeys), "abstract"))
    if report["variant"]:
        number, paths = journeys.variants
        names = [" > ".join(journeys.activities[code] for code in path) for path in paths]
        parts.append(_whole(number, names, "variant"))
    return _frequent(parts, train, floor)


def _frequent(parts: list[Memberships], train: NDArray[np.int64], floor: int) -> Memberships:
    level = [name for part in parts for name in part.level]
    pattern = [name for part in parts for name in part.pattern]
    asked = [mask for part in parts for mask in part.asked]
    own = [count for part in parts for count in part.own]
    has = sparse.hstack([part.has for part in parts], format="csc")
    inside = has.tocsr()[train].tocsc()
    sizes = np.diff(inside.indptr)
    totals = np.array([len(train) if mask is None else int(mask[train].sum()) for mask in asked])
    large = np.flatnonzero((sizes >= floor) & (totals - sizes >= floor))
    alike = _correlations(inside[:, large], len(train))
    kept: list[int] = []
    places: list[int] = []
    for at, place in enumerate(large.tolist()):
        # A pattern and its absence are one comparison, so the sign does not matter.
        if asked[place] is not None or not (alike[at, places] >= SAME).any():
            kept.append(place)
            places.append(at)
    return Memberships(
        level=[level[i] for i in kept],
        pattern=[pattern[i] for i in kept],
        has=has[:, kept].tocsc(),
        asked=[asked[i] for i in kept],
        own=[own[i] for i in kept],
    )


def _correlations(has: sparse.csc_array, rows: int) -> NDArray[np.float64]:
    """Return the absolute correlation of every two columns of zeros and ones."""
    both = np.asarray((has.T.astype(np.float64) @ has.astype(np.float64)).toarray())
    share = np.diag(both) / rows
    covariance = both / rows - np.outer(share, share)
    spread = np.sqrt(share * (1 - share))
    result: NDArray[np.float64] = np.abs(covariance / np.outer(spread, spread))
    return result


def _deviation_patterns(journeys: JourneyFrame) -> Memberships:
    table = journeys.conformance if journeys.conformance is not None else pd.DataFrame(index=range(len(journeys)))
    names = [name for name in DEVIATIONS if name in table]
    asked = [None if table[name].notna().all() else table[name].notna().to_numpy() for name in names]
    found = _columns("deviation", names, [(table[name] > 0).to_numpy() for name in names], asked, len(journeys))
    found.own[:] = [EVENTS_OF_DEVIATIONS.get(name, 0) for name in names]
    return found


def _channel_patterns(journeys: JourneyFrame) -> Memberships:
    if "channel" not in journeys.coded:
        return _columns("channel", [], [], [], len(journeys))
    channel, row, n = journeys.coded["channel"], journeys.row, len(journeys)
    switch, forced = channel_switches(journeys)
    # Of patterns that the same journeys have the first is kept: what happened says more than where.
    names = ["forced switch", "switches channel"]
    masks = [np.bincount(row[1:][one], minlength=n) > 0 for one in (forced, switch)]
    for code, name in enumerate(channel.levels):
        names.append(f"uses {name}")
        masks.append(np.bincount(row[channel.codes == code], minlength=n) > 0)
    table = _columns("channel", names, masks, [None] * len(names), n)
    # A forced switch is a failure and what follows it.
    table.own[:] = [2, 0, *(("channel", code) for code in range(len(channel.levels)))]
    return table


def channel_switches(journeys: JourneyFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which events but the first are on another channel than the one before, and which of these were forced.

    A switch is forced if the event before it failed. Events without a channel do not switch.
    """
    codes = journeys.coded["channel"].codes
    same_journey = journeys.row[1:] == journeys.row[:-1]
    switch = same_journey & (codes[1:] != codes[:-1]) & (codes[1:] >= 0) & (codes[:-1] >= 0)
    status = journeys.coded.get("status")
    if status is None or "failed" not in status.levels:
        return switch, np.zeros_like(switch)
    return switch, switch & (status.codes[:-1] == status.levels.index("failed"))


def _activity_patterns(journeys: JourneyFrame) -> Memberships:
    number, paths = journeys.variants
    lengths = [len(set(path)) for path in paths]
    columns = np.concatenate([sorted(set(path)) for path in paths]) if paths else np.zeros(0)
    where = (np.repeat(np.arange(len(paths)), lengths), columns.astype(np.int64))
    ones = np.ones(len(columns), dtype=np.int8)
    shape = (len(paths), len(journeys.activities))
    has = sparse.csr_array((ones, where), shape=shape)[number]
    names = list(journeys.activities)
    own: list[Own] = [("activity", code) for code in range(len(names))]
    return Memberships(["activity"] * len(names), names, has.tocsc(), [None] * len(names), own)


def _sequence_patterns(journeys: JourneyFrame, train: NDArray[np.int64], floor: int, limit: int) -> list[Memberships]:
    number, paths = journeys.variants
    weights = np.bincount(number[train], minlength=len(paths))
    parts = []
    for level, length, gap, between in (
        ("sequence", 2, 0, " > "),
        ("sequence", 3, 0, " > "),
        ("subsequence", 2, GAP, " ... "),
    ):
        found = mine_sequences(paths, weights, length=length, max_gap=gap, min_count=floor, limit=limit)
        has = contains_sequences(paths, found, max_gap=gap)[number].tocsc()
        names = [between.join(journeys.activities[code] for code in items) for items in found]
        size = len(found)
        parts.append(Memberships([level] * size, names, has, [None] * size, [length] * size))
    return parts


def _whole(number: NDArray[np.int64], names: Sequence[str], level: str) -> Memberships:
    ones = np.ones(len(number), dtype=np.int8)
    has = sparse.csr_array((ones, (np.arange(len(number)), number)), shape=(len(number), len(names))).tocsc()
    # A whole path is its length: nothing but the path itself is left to compare within.
    return Memberships([level] * len(names), list(names), has, [None] * len(names), [0] * len(names))


def _columns(
    level: str,
    names: list[str],
    masks: Sequence[NDArray[np.bool_]],
    asked: Sequence[NDArray[np.bool_] | None],
    rows: int,
) -> Memberships:
    dense = np.column_stack(masks).astype(np.int8) if masks else np.zeros((rows, 0), dtype=np.int8)
    return Memberships([level] * len(names), names, sparse.csc_array(dense), list(asked), [0] * len(names))


def _token(token: int, width: int, steps: Coded, channel: Coded) -> str:
    step, place = divmod(token, width)
    name = steps.levels[step - 1] if step else "(no phase)"
    return f"{name}@{channel.levels[place - 1]}" if place else name


__all__: list[Any] = [
    "LEVELS",
    "Memberships",
    "abstract_paths",
    "channel_switches",
    "memberships",
    "support_report",
]
