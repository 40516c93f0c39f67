"""Exact quantiles of values that are spread over buckets, without bringing all values together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from journeymining.engines.prepared_log import Bucket, PreparedLog

# Upper bits of a float64: the exponent and six bits of the mantissa, so a bin is at most 1/64 of its value wide.
BIN_SHIFT = 46


def summarise_values(
    log: PreparedLog,
    values: Callable[[Bucket], pl.DataFrame],
    probabilities: Sequence[float],
    *,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Count, average and rank integer values by key over all buckets, exactly.

    Two passes: the first counts values in logarithmic bins, the second reads only the values of the bins that hold the
    wanted ranks. So memory grows with the number of keys and of distinct values in those bins, not with the log.

    Parameters
    ----------
    log : PreparedLog
    values : callable
        From a bucket to a frame of ``key`` (int64) and ``value`` (int64, not negative).
    probabilities : sequence of float from 0 to 1
        The wanted quantiles.
    columns : sequence of str
        The columns of the bucket's events that ``values`` needs.

    Returns
    -------
    polars.DataFrame
        ``key``, ``count``, ``mean`` and ``q0``, ``q1``, ... (float64, in the unit of the values), by key. A quantile is
        interpolated linearly between the two ranks around ``(count - 1) * probability``, as `numpy.quantile` does.
    """

    def count_bins(bucket: Bucket) -> pl.DataFrame:
        # Two sums, because one of microseconds can pass 64 bits: years of waiting times millions of events.
        return (
            _binned(values(bucket))
            .group_by("key", "bin")
            .agg(
                pl.len().cast(pl.Int64).alias("count"),
                (pl.col("value") // 1_000_000).sum().alias("whole"),
                (pl.col("value") % 1_000_000).sum().alias("rest"),
            )
        )

    bins = log.run(count_bins, lambda parts: pl.concat(parts).group_by("key", "bin").sum(), columns=columns)
    bins = bins.sort("key", "bin").with_row_index("place")
    keys = bins.group_by("key", maintain_order=True).agg(pl.col("count", "whole", "rest").sum())
    counts = keys["count"].to_numpy()
    first = np.cumsum(counts) - counts
    ends = np.cumsum(bins["count"].to_numpy())

    ranks = [(counts - 1) * probability for probability in probabilities]
    lower = [first + np.floor(rank).astype(np.int64) for rank in ranks]
    upper = [np.minimum(low + 1, first + counts - 1) for low in lower]
    holding = np.unique(np.searchsorted(ends, np.concatenate([*lower, *upper]), side="right"))
    needed = bins[holding].select("key", "bin", "place")

    def count_values(bucket: Bucket) -> pl.DataFrame:
        found = _binned(values(bucket)).join(needed, on=["key", "bin"])
        return found.group_by("place", "value").agg(pl.len().cast(pl.Int64).alias("count"))

    found = log.run(count_values, lambda parts: pl.concat(parts).group_by("place", "value").sum(), columns=columns)
    found = found.sort("place", "value")
    # The last rank (exclusive) of every value among all values of all keys: its bin's start plus its place in the bin.
    running = pl.col("count").cum_sum().over("place")
    starts = ends - bins["count"].to_numpy()
    last = starts[found["place"].to_numpy()] + found.select(running).to_series().to_numpy()
    sorted_values = found["value"].to_numpy()

    columns_of_quantiles = []
    for number, (rank, low, high) in enumerate(zip(ranks, lower, upper, strict=True)):
        below = sorted_values[np.searchsorted(last, low, side="right")]
        above = sorted_values[np.searchsorted(last, high, side="right")]
        columns_of_quantiles.append(pl.Series(f"q{number}", below + (above - below) * (rank - np.floor(rank))))
    mean = (pl.col("whole").cast(pl.Float64) * 1e6 + pl.col("rest")) / pl.col("count")
    summary: pl.DataFrame = keys.select("key", "count", mean.alias("mean"), *columns_of_quantiles)
    return summary


def _binned(frame: pl.DataFrame) -> pl.DataFrame:
    bits = frame["value"].to_numpy().astype(np.float64).view(np.int64)
    return frame.with_columns(pl.Series("bin", bits >> BIN_SHIFT))
