"""Exact quantiles of values that are spread over buckets, without bringing all values together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import Bucket, PreparedLog

    Numbers = NDArray[np.int64]

# One bucket in so many, and not many more than 16 in all, say where the quantiles of all lie: which journeys are in a
# bucket is as good as random.
BUCKETS_PER_SAMPLE = 12
MOST_SAMPLED = 16
# By how many standard deviations of a rank the sample may be wrong; where it is more, it takes another pass.
DEVIATIONS = 5
# How many rows back the same key of a journey is looked for; of longer journeys the rest is sorted.
NEAR = 16
LOW_BITS = 24
LEAST, MOST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def summarise_values(
    log: PreparedLog,
    values: Callable[[Bucket], pl.DataFrame],
    probabilities: Sequence[float],
    *,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Count, average and rank integer values by key over all buckets, exactly.

    A sample of the buckets says between which bounds a quantile should lie. One pass over all buckets counts the values
    below the bounds and keeps those between them. Where the quantile turns out to lie elsewhere, which the counts say,
    another pass has wider bounds. So memory grows with the number of keys and with a small share of the values.

    Parameters
    ----------
    log : PreparedLog
    values : callable
        From a bucket to a frame of ``key`` (int64, not negative), ``value`` (int64, not negative) and, where it is to
        be counted in how many journeys a key occurs, ``journey`` (int32), the rows of a journey one after the other.
    probabilities : sequence of float from 0 to 1
        The wanted quantiles.
    columns : sequence of str
        The columns of the bucket's events that ``values`` needs.

    Returns
    -------
    polars.DataFrame
        ``key``, ``count``, ``journeys`` (if there is ``journey``), ``mean`` and ``q0``, ``q1``, ... (float64, in the
        unit of the values), by key. A quantile is interpolated linearly between the two ranks around
        ``(count - 1) * probability``, as `numpy.quantile` does.
    """
    step = max(BUCKETS_PER_SAMPLE, log.manifest["buckets"] // MOST_SAMPLED)

    def sample(bucket: Bucket) -> list[pl.DataFrame]:
        return [] if bucket.number % step else [values(bucket).select("key", "value")]

    seen = log.run(sample, lambda parts: pl.concat([frame for part in parts for frame in part]), columns=columns)
    bounds = _Bounds.around(SortedValues.of(seen), probabilities)
    totals, quantiles, bounds = _pass(log, values, bounds, probabilities, columns)
    while np.isnan(quantiles).any():
        _, again, bounds = _pass(log, values, bounds, probabilities, columns)
        quantiles = np.where(np.isnan(quantiles), again, quantiles)
    # Two sums, because one of microseconds can pass 64 bits: years of waiting times millions of events.
    mean = (pl.col("high") * float(1 << LOW_BITS) + pl.col("low")) / pl.col("count")
    counts = [name for name in ("key", "count", "journeys") if name in totals.columns]
    columns_of_quantiles = (pl.Series(f"q{place}", quantiles[:, place]) for place in range(len(probabilities)))
    return totals.select(*counts, mean.alias("mean"), *columns_of_quantiles)


@dataclass(frozen=True)
class SortedValues:
    """Values in the order of their keys and sizes; the n-th key has those from ``starts[n]`` to ``starts[n + 1]``."""

    keys: Numbers
    starts: Numbers
    values: Numbers

    @classmethod
    def of(cls, frame: pl.DataFrame) -> SortedValues:
        """Sort the values of a frame of ``key`` and ``value`` (int64, not negative)."""
        value = frame["value"].to_numpy()
        keys, place = _places(frame["key"].to_numpy())
        starts = np.append(0, np.cumsum(np.bincount(place, minlength=len(keys))))
        bits = 63 - len(keys).bit_length()
        if len(value) and int(value.max()) >> bits:
            value = value[np.lexsort((value, place))]
        else:
            # Sorting one packed integer takes a tenth of the time of sorting by two columns, and by polars a third.
            packed = pl.Series((place << bits) | value).sort(multithreaded=False)
            value = packed.to_numpy() & ((1 << bits) - 1)
        return cls(keys, starts, value)

    def medians(self) -> NDArray[np.float64]:
        """Return the median of every key, in the middle between two values where their number is even.

        Examples
        --------
        >>> values = pl.DataFrame({"key": [7, 7, 9], "value": [1, 4, 3]})
        >>> SortedValues.of(values).keys.tolist(), SortedValues.of(values).medians().tolist()
        ([7, 9], [2.5, 3.0])
        """
        first, end = self.starts[:-1], self.starts[1:]
        low, high = self.values[(first + end - 1) // 2], self.values[(first + end) // 2]
        found: NDArray[np.float64] = low + (high - low) / 2
        return found


@dataclass(frozen=True)
class _Bounds:
    """Where quantiles are looked for: from ``low`` to ``high``, both included, a row per key, a column per quantile."""

    keys: Numbers
    low: Numbers
    high: Numbers

    @classmethod
    def around(cls, sample: SortedValues, probabilities: Sequence[float]) -> _Bounds:
        sizes = np.diff(sample.starts)[:, None]
        share = np.asarray(probabilities)[None, :]
        middle = (sizes - 1) * share
        off = DEVIATIONS * np.sqrt(sizes * share * (1 - share)) + 2
        first, last = np.floor(middle - off).astype(np.int64), np.ceil(middle + off).astype(np.int64)
        starts = sample.starts[:-1, None]
        values = sample.values if len(sample.values) else np.zeros(1, np.int64)
        low = np.where(first < 0, LEAST, values[starts + np.maximum(first, 0)])
        high = np.where(last >= sizes, MOST, values[starts + np.minimum(last, sizes - 1)])
        return cls(sample.keys, low, high)

    def of(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """Return the bounds of these keys; one that is not known has none."""
        if not len(self.keys):
            shape = (len(keys), self.low.shape[1])
            return np.full(shape, LEAST), np.full(shape, MOST)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = (self.keys[place] == keys)[:, None]
        return np.where(known, self.low[place], LEAST), np.where(known, self.high[place], MOST)


def _pass(
    log: PreparedLog,
    values: Callable[[Bucket], pl.DataFrame],
    bounds: _Bounds,
    probabilities: Sequence[float],
    columns: Sequence[str],
) -> tuple[pl.DataFrame, NDArray[np.float64], _Bounds]:
    """Return totals and quantiles by key, not a number where one lies out of bounds, and bounds where it will lie."""
    width = len(probabilities)

    def kernel(bucket: Bucket) -> tuple[pl.DataFrame, pl.DataFrame]:
        return _totals(values(bucket), bounds, width)

    def merge(parts: list[tuple[pl.DataFrame, pl.DataFrame]]) -> tuple[pl.DataFrame, SortedValues]:
        totals = pl.concat([part for part, _ in parts]).group_by("key").sum().sort("key")
        return totals, SortedValues.of(pl.concat([kept for _, kept in parts]))

    totals, kept = log.run(kernel, merge, columns=columns)
    keys, counts = totals["key"].to_numpy(), totals["count"].to_numpy()[:, None]
    below = totals.select(f"below{place}" for place in range(width)).to_numpy().reshape(len(keys), width)
    wanted = keys[:, None] * width + np.arange(width)
    # Of a key of which nothing was kept the first place holds no values.
    place = np.searchsorted(kept.keys, wanted)
    starts, sizes = np.append(kept.starts, kept.starts[-1])[place], np.zeros_like(wanted)
    hit = np.isin(wanted, kept.keys)
    sizes[hit] = np.diff(kept.starts)[place[hit]]

    rank = (counts - 1) * np.asarray(probabilities)[None, :]
    lower = np.floor(rank).astype(np.int64)
    upper = np.minimum(lower + 1, counts - 1)
    inside = (lower >= below) & (upper < below + sizes)
    quantiles = np.full(wanted.shape, np.nan)
    first = kept.values[(starts + lower - below)[inside]]
    second = kept.values[(starts + upper - below)[inside]]
    quantiles[inside] = first + (second - first) * (rank - lower)[inside]
    low, high = bounds.of(keys)
    low = np.where(inside, MOST, np.where(lower < below, LEAST, low))
    high = np.where(inside | (upper >= below + sizes), MOST, high)
    return totals, quantiles, _Bounds(keys, low, high)


def _totals(frame: pl.DataFrame, bounds: _Bounds, width: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a row per key: counts, sums, how many values are below the bounds; and the values within them."""
    value = frame["value"].to_numpy()
    keys, place = _places(frame["key"].to_numpy())
    low, high = bounds.of(keys)
    high_bits, low_bits = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
    np.add.at(high_bits, place, value >> LOW_BITS)
    np.add.at(low_bits, place, value & ((1 << LOW_BITS) - 1))
    count = np.bincount(place, minlength=len(keys))
    columns = {"key": keys, "count": count, "high": high_bits, "low": low_bits}
    if "journey" in frame.columns:
        columns["journeys"] = count - _repeats(place, frame["journey"].to_numpy(), len(keys))
    groups, within = [], []
    for number in range(width):
        below = value < low[:, number].take(place)
        rows = np.flatnonzero((value <= high[:, number].take(place)) & ~below)
        columns[f"below{number}"] = np.bincount(place, below, len(keys))
        groups.append(keys[place[rows]] * width + number)
        within.append(value[rows])
    kept = pl.DataFrame({"key": np.concatenate(groups), "value": np.concatenate(within)})
    return pl.DataFrame({name: column.astype(np.int64) for name, column in columns.items()}), kept


def _repeats(place: Numbers, journey: NDArray[np.int32], keys: int) -> Numbers:
    """Count by key the rows before which their journey had the same key: by looking back, by sorting what is left."""
    pair = journey * np.int64(keys) + place
    again = np.zeros(len(pair), bool)
    for distance in range(1, min(NEAR, len(pair) - 1) + 1):
        again[distance:] |= pair[distance:] == pair[:-distance]
    starts = np.flatnonzero(np.r_[True, journey[1:] != journey[:-1]]) if len(pair) else np.empty(0, np.int64)
    sizes = np.diff(starts, append=len(pair))
    far = pair[np.flatnonzero(np.repeat(sizes > NEAR + 1, sizes) & ~again)]
    far.sort()
    found = np.r_[place[np.flatnonzero(again)], far[1:][far[1:] == far[:-1]] % keys]
    return np.bincount(found, minlength=keys)


def _places(keys: Numbers) -> tuple[Numbers, Numbers]:
    """Return the distinct keys in order, and the place of every key among them."""
    if not len(keys):
        return keys, keys
    most = int(keys.max())
    if most > 4 * len(keys) + 1024:
        return np.unique(keys, return_inverse=True)
    seen = np.bincount(keys, minlength=most + 1) > 0
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[keys]
