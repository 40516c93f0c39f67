"""What has to be done again: activities that come back within a journey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

if TYPE_CHECKING:
    from journeymining.engines.prepared_log import Bucket, PreparedLog


def rework(log: PreparedLog) -> pd.DataFrame:
    """Count how often activities are repeated within a journey.

    Parameters
    ----------
    log : PreparedLog

    Returns
    -------
    DataFrame, one row per activity
        ``activity``, ``events``, ``journeys`` (that have it), ``repeating_journeys`` (that have it more than once),
        ``share`` (of the journeys that have it), ``repeats`` (events after the first of their journey) and
        ``self_loops`` (events right after one of the same activity), most repeats first, ties alphabetical.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     rework(log)[["activity", "events", "repeats"]]
      activity  events  repeats
    0     call       1        0
    1    order       2        0
    2      pay       1        0
    """
    counts = ["events", "journeys", "repeating_journeys", "repeats", "self_loops"]

    def kernel(bucket: Bucket) -> pl.DataFrame:
        looped = (pl.col("activity").diff() == 0) & (pl.col("journey").diff() == 0)
        per_journey = (
            bucket.events.with_columns(looped.alias("looped"))
            .group_by("journey", "activity")
            .agg(pl.len().cast(pl.Int64).alias("events"), pl.col("looped").sum().cast(pl.Int64).alias("self_loops"))
        )
        return per_journey.group_by("activity").agg(
            pl.col("events").sum(),
            pl.len().cast(pl.Int64).alias("journeys"),
            (pl.col("events") > 1).sum().cast(pl.Int64).alias("repeating_journeys"),
            (pl.col("events") - 1).sum().alias("repeats"),
            pl.col("self_loops").sum(),
        )

    found = (
        log.run(
            kernel,
            lambda parts: pl.concat(parts).group_by("activity").agg(pl.col(counts).sum()),
            columns=["journey", "activity"],
        )
        .sort(["repeats", "activity"], descending=[True, False])
        .with_columns(log.names("activity"))
    )
    frame = pd.DataFrame(
        {
            "activity": pd.Series(found["activity"].to_list(), dtype="str"),
            **{name: found[name].to_numpy() for name in counts},
        }
    )
    frame.insert(4, "share", frame["repeating_journeys"] / frame["journeys"])
    return frame
