"""What of a log a design judges: the journeys in scope, their judged events, and the distinct paths these make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import Bucket, PreparedLog

COMPLETE, OPEN, ENDED_OTHERWISE, OUTSIDE = 0, 1, 2, -1
"""How a journey stands: closed; still going on; ended by an event that the flow does not place; not in scope."""

STANDS = {COMPLETE: "complete", OPEN: "open", ENDED_OTHERWISE: "ended otherwise", OUTSIDE: "outside"}

COLUMNS = ("journey", "time", "activity", "channel", "status", "resource", "initiator", "event_id")


@dataclass(frozen=True)
class Codes:
    """The names of a design as codes of a log; what the log never shows has no code.

    ``among`` are the journeys that are asked about, all if None.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    ignored: NDArray[np.int32]
    designed: NDArray[np.int32]
    placed: NDArray[np.int32]
    by_channel: int
    among: pl.Series | None = None

    @classmethod
    def of(cls, log: PreparedLog, design: Design, among: Collection[str] | None = None) -> Codes:
        """Look the names of a design up in a log."""
        code = {name: number for number, name in enumerate(log.activities)}

        def codes(names: object) -> NDArray[np.int32]:
            return np.array(sorted(code[name] for name in names if name in code), dtype=np.int32)  # type: ignore[attr-defined]

        # Without touchpoints of its own (a .decl file) a design speaks of the activities of its rules.
        named = set(design.touchpoints) or {name for rule in design.rules for name in rule.names}
        placed = design.net.alphabet if design.net is not None else sorted(named)
        by_channel = len(log.channels) + 1 if design.costs.channel else 1
        return cls(
            codes(design.start), codes(design.end), codes(design.ignore), codes(named | set(placed)), codes(placed),
            by_channel, None if among is None else pl.Series(sorted(among), dtype=pl.String),
        )  # fmt: skip


@dataclass(frozen=True)
class Scoped:
    """The judged part of a bucket.

    ``stands`` and ``path`` are per journey of the bucket (path -1 outside); ``scoped`` are the rows of events in
    scope, ``judged`` those of them that the flow is held against; ``first`` is where a journey's rows begin in
    ``judged`` and ``length`` how many there are. ``keys`` are the distinct paths, as bytes of int32 symbols.
    """

    stands: NDArray[np.int8]
    path: NDArray[np.int64]
    scoped: NDArray[np.int64]
    judged: NDArray[np.int64]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    keys: list[tuple[bytes, int]]
    ignored: int
    outside_events: int


def scope_bucket(bucket: Bucket, codes: Codes, design: Design) -> Scoped:
    """Find what of a bucket is in scope.

    A journey is in scope when it has a start of the scope (without one: any touchpoint of the design). Its events
    count up to the last end of the scope; before the start only touchpoints of the design count.
    """
    events = bucket.events
    journey, activity = events["journey"].to_numpy(), events["activity"].to_numpy()
    journeys, rows = bucket.journeys.height, np.arange(len(journey))
    begins = np.isin(activity, codes.start if design.start else codes.designed)
    first_start = np.full(journeys, len(rows) + 1)
    np.minimum.at(first_start, journey[begins], rows[begins])
    inside = first_start <= len(rows)
    if codes.among is not None:
        inside &= bucket.journeys["journey_id"].is_in(codes.among.implode()).to_numpy()

    ends = np.isin(activity, codes.end) & (rows > first_start[journey])
    last_end = np.full(journeys, -1)
    np.maximum.at(last_end, journey[ends], rows[ends])
    ended = last_end >= 0

    designed = np.isin(activity, codes.designed)
    before_end = ~ended[journey] | (rows <= last_end[journey])
    after_start = (rows >= first_start[journey]) | designed if design.start else np.ones(len(rows), dtype=np.bool_)
    ignored = np.isin(activity, codes.ignored) & inside[journey]
    scoped = inside[journey] & before_end & after_start & ~ignored

    otherwise = ended.copy()
    otherwise[ended] = ~np.isin(activity[last_end[ended]], codes.placed)
    flag = bucket.journeys["open"].fill_null(value=False).to_numpy()
    stands = np.full(journeys, OUTSIDE, dtype=np.int8)
    stands[inside] = COMPLETE
    stands[inside & flag & ~ended] = OPEN
    stands[inside & otherwise] = ENDED_OTHERWISE
    # The event that ends a journey otherwise is not held against the flow.
    judged = scoped & ~(otherwise[journey] & (rows == last_end[journey]))

    where = np.flatnonzero(judged)
    length = np.bincount(journey[where], minlength=journeys)
    first = np.concatenate([[0], np.cumsum(length)[:-1]]) if journeys else np.zeros(0, dtype=np.int64)
    symbols = activity[where].astype(np.int32) * codes.by_channel
    if codes.by_channel > 1:
        symbols += events["channel"].to_numpy()[where].astype(np.int32) + 1
    path, keys = _paths(symbols, first, length, stands)
    kept = np.flatnonzero(scoped)
    return Scoped(
        stands, path, kept, where, first, length, keys, int(ignored.sum()), int(len(rows) - len(kept) - ignored.sum())
    )


def _paths(
    symbols: NDArray[np.int32], first: NDArray[np.int64], length: NDArray[np.int64], stands: NDArray[np.int8]
) -> tuple[NDArray[np.int64], list[tuple[bytes, int]]]:
    """Give the distinct paths of a bucket numbers, in the order they come."""
    found: dict[tuple[bytes, int], int] = {}
    path = np.full(len(stands), -1, dtype=np.int64)
    text, width = symbols.tobytes(), symbols.itemsize
    bounds = zip((first * width).tolist(), ((first + length) * width).tolist(), stands.tolist(), strict=True)
    for journey, (begin, end, stand) in enumerate(bounds):
        if stand != OUTSIDE:
            path[journey] = found.setdefault((text[begin:end], stand), len(found))
    return path, list(found)


@dataclass(frozen=True)
class Paths:
    """The distinct paths of a log in scope: most journeys first, then alphabetically.

    ``symbols`` per path, how it ``stands``, how many ``journeys`` follow it; ``number`` gives per bucket the path of
    each of its own.
    """

    symbols: list[NDArray[np.int32]]
    stands: NDArray[np.int8]
    journeys: NDArray[np.int64]
    number: list[NDArray[np.int64]]
    ignored: int
    outside_events: int


def scoped_paths(log: PreparedLog, design: Design, codes: Codes) -> Paths:
    """Collect the distinct paths of all journeys in scope."""
    columns = ["journey", "activity", *(["channel"] if codes.by_channel > 1 else [])]

    def kernel(bucket: Bucket) -> tuple[list[tuple[bytes, int]], NDArray[np.int64], int, int]:
        found = scope_bucket(bucket, codes, design)
        counts = np.bincount(found.path[found.path >= 0], minlength=len(found.keys))
        return found.keys, counts, found.ignored, found.outside_events

    def merge(parts: list[tuple[list[tuple[bytes, int]], NDArray[np.int64], int, int]]) -> Paths:
        total: dict[tuple[bytes, int], int] = {}
        for keys, counts, _, _ in parts:
            for key, count in zip(keys, counts.tolist(), strict=True):
                total[key] = total.get(key, 0) + count
        # Codes are alphabetical, so comparing symbols compares names.
        arrays = {key: np.frombuffer(key[0], dtype=np.int32) for key in total}
        order = sorted(total, key=lambda key: (-total[key], arrays[key].tolist(), key[1]))
        place = {key: number for number, key in enumerate(order)}
        return Paths(
            symbols=[arrays[key] for key in order],
            stands=np.array([key[1] for key in order], dtype=np.int8),
            journeys=np.array([total[key] for key in order], dtype=np.int64),
            number=[np.array([place[key] for key in keys], dtype=np.int64) for keys, _, _, _ in parts],
            ignored=sum(part[2] for part in parts),
            outside_events=sum(part[3] for part in parts),
        )

    return log.run(kernel, merge, columns=columns)


def no_rows(**kinds: pl.DataType | type[pl.DataType]) -> pl.DataFrame:
    """Return an empty table with these columns."""
    return pl.DataFrame(schema=kinds)
