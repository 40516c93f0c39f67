"""Waits of two groups of journeys: medians, their differences, and whether these can be told from chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from journeymining.discovery.medians import Median, median_difference, median_p

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import Bucket, PreparedLog

    Waits = dict[int, tuple[NDArray[np.float64], NDArray[np.int64]]]

COLUMNS = (
    "analysis", "item", "source", "target", "measure", "first", "second", "n_first", "n_second", "difference", "low",
    "high", "p",
)  # fmt: skip
WHOLE = "whole journey"


def compare_waits(first: PreparedLog, second: PreparedLog, *, least: int) -> pd.DataFrame:
    """Compare waits between touchpoints, waits at switches of channel, durations and numbers of events.

    Parameters
    ----------
    first, second : PreparedLog
        Two selections of one log.
    least : int
        Waits that both groups must have; with fewer a pair is listed but not tested.

    Returns
    -------
    DataFrame, one row per pair that occurs in both groups, and two for whole journeys
        ``analysis`` (``waits``, ``switch waits``, ``duration``, ``length``), ``item``, ``source``, ``target``,
        ``measure`` (``median seconds`` or ``median events``), ``first`` and ``second`` (medians), ``n_first`` and
        ``n_second`` (waits, or journeys), ``difference``, ``low``, ``high``, ``p``: see `medians`. Durations are of
        journeys not known to be open. Both groups' waits are in memory, 16 bytes each.
    """
    rows: list[tuple[Any, ...]] = []
    for analysis, column, names in (
        ("waits", "activity", first.activities),
        ("switch waits", "channel", first.channels),
    ):
        kernel = _waits_between(column, len(names), changes=column == "channel")
        one, other = (_by_key(log, kernel, ["journey", column, "time"]) for log in (first, second))
        for key in sorted(one.keys() & other.keys()):
            source, target = names[key // len(names)], names[key % len(names)]
            told = (analysis, f"{source} > {target}", source, target, "median seconds")
            rows.append((*told, *_difference(one[key], other[key], least, 1e6)))
    for analysis, measure, kernel, unit in (
        ("duration", "median seconds", _durations, 1e6),
        ("length", "median events", _lengths, 1.0),
    ):
        one, other = (_by_key(log, kernel, ["journey"]) for log in (first, second))
        if one and other:
            rows.append((analysis, WHOLE, "", "", measure, *_difference(one[0], other[0], least, unit)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _difference(
    first: tuple[NDArray[np.float64], NDArray[np.int64]],
    second: tuple[NDArray[np.float64], NDArray[np.int64]],
    least: int,
    unit: float,
) -> tuple[float, ...]:
    one, other = Median(first[0] / unit, first[1]), Median(second[0] / unit, second[1])
    counts = len(one.sorted), len(other.sorted)
    if min(counts) < least:
        return one.value, other.value, *counts, one.value - other.value, math.nan, math.nan, math.nan
    difference, low, high = median_difference(one, other)
    # An end that few values do not reach is no end.
    low, high = (end if math.isfinite(end) else math.nan for end in (low, high))
    return one.value, other.value, *counts, difference, low, high, median_p(one, other)


def _waits_between(column: str, width: int, *, changes: bool) -> Callable[[Bucket], pl.DataFrame]:
    """Return the kernel of the waits between successive events; of a change only where both differ and are known."""

    def kernel(bucket: Bucket) -> pl.DataFrame:
        code = pl.col(column).cast(pl.Int64)
        events = bucket.events.filter(code >= 0)
        wanted = pl.col("journey") == pl.col("journey").shift(-1)
        if changes:
            wanted &= code != code.shift(-1)
        return events.select(
            (code * width + code.shift(-1)).alias("key"),
            (pl.col("time").shift(-1) - pl.col("time")).alias("value"),
            (pl.col("journey").cast(pl.Int64) + (bucket.number << 32)).alias("journey"),
            wanted.alias("wanted"),
        ).filter("wanted")

    return kernel


def _durations(bucket: Bucket) -> pl.DataFrame:
    closed = bucket.journeys.filter(~pl.col("open").fill_null(False))
    return closed.select(
        pl.lit(0, pl.Int64).alias("key"),
        (pl.col("end") - pl.col("start")).alias("value"),
        (pl.col("journey").cast(pl.Int64) + (bucket.number << 32)).alias("journey"),
    )


def _lengths(bucket: Bucket) -> pl.DataFrame:
    return bucket.journeys.select(
        pl.lit(0, pl.Int64).alias("key"),
        pl.col("events").cast(pl.Int64).alias("value"),
        (pl.col("journey").cast(pl.Int64) + (bucket.number << 32)).alias("journey"),
    )


def _by_key(log: PreparedLog, kernel: Callable[[Bucket], pl.DataFrame], columns: Sequence[str]) -> Waits:
    """Return values and journeys by key, in one order whatever the buckets were."""
    found = log.run(kernel, lambda parts: pl.concat(parts), columns=columns).sort("key", "value", "journey")
    keys, starts = np.unique(found["key"].to_numpy(), return_index=True)
    ends = np.append(starts, found.height)[1:]
    values, journeys = found["value"].to_numpy().astype(float), found["journey"].to_numpy()
    return {
        int(key): (values[start:end], journeys[start:end]) for key, start, end in zip(keys, starts, ends, strict=True)
    }
