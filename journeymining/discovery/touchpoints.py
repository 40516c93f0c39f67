"""What customers meet: every activity in every channel, where journeys start and where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

if TYPE_CHECKING:
    from journeymining.engines.prepared_log import Bucket, PreparedLog

FAILED = "failed"


def touchpoints(log: PreparedLog) -> pd.DataFrame:
    """Count the events of every activity in every channel, and how often journeys start, end and fail there.

    Parameters
    ----------
    log : PreparedLog

    Returns
    -------
    DataFrame, one row per activity, channel and phase that occur together
        ``activity``, ``channel`` and ``phase`` (missing where the log does not say), ``events``, ``journeys`` (in how
        many), ``starts`` and ``ends`` (how often it is the first and the last event of a journey; an open journey's
        last event so far counts as its end) and ``failed`` (events with status failed), most events first, ties
        alphabetical, missing before any name.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     touchpoints(log)[["activity", "channel", "events", "starts", "ends"]]
      activity channel  events  starts  ends
    0    order     web       2       2     0
    1     call   phone       1       0     1
    2      pay     web       1       0     1
    """
    failed = log.code("status", FAILED)
    keys = ["activity", "channel", "phase"]
    counts = ["events", "journeys", "starts", "ends", "failed"]

    def kernel(bucket: Bucket) -> pl.DataFrame:
        new = pl.col("journey") != pl.col("journey").shift()
        return (
            bucket.events.with_columns(
                new.fill_null(True).alias("starts"),
                new.shift(-1).fill_null(True).alias("ends"),
                (pl.col("status") == failed).alias("failed"),
            )
            .group_by(keys)
            .agg(
                pl.len().cast(pl.Int64).alias("events"),
                # Journeys come in order within a group, so a new journey is a change of its code.
                ((pl.col("journey").diff() != 0).sum() + 1).cast(pl.Int64).alias("journeys"),
                pl.col("starts", "ends", "failed").sum().cast(pl.Int64),
            )
        )

    found = (
        log.run(
            kernel,
            lambda parts: pl.concat(parts).group_by(keys).agg(pl.col(counts).sum()),
            columns=["journey", *keys, "status"],
        )
        .sort(["events", *keys], descending=[True, False, False, False])
        .with_columns(log.names(key) for key in keys)
    )
    return pd.DataFrame(
        {
            **{key: pd.Series(found[key].to_list(), dtype="str") for key in keys},
            **{name: found[name].to_numpy() for name in counts},
        }
    )


def start_activities(log: PreparedLog) -> pd.DataFrame:
    """Count the activities that journeys start with.

    Returns
    -------
    DataFrame, one row per activity that is the first of a journey
        ``activity``, ``journeys``, ``share`` (of all journeys) and ``left_truncated`` (journeys that are known to have
        begun before the log does), most journeys first, ties alphabetical.
    """
    return _edges(log, pl.col("journey") != pl.col("journey").shift(), "left_truncated")


def end_activities(log: PreparedLog) -> pd.DataFrame:
    """Count the activities that journeys end with, so far.

    Returns
    -------
    DataFrame, one row per activity that is the last of a journey
        ``activity``, ``journeys``, ``share`` (of all journeys) and ``open`` (journeys that are known to be still going
        on), most journeys first, ties alphabetical.
    """
    return _edges(log, pl.col("journey") != pl.col("journey").shift(-1), "open")


def _edges(log: PreparedLog, is_edge: pl.Expr, flag: str) -> pd.DataFrame:
    def kernel(bucket: Bucket) -> pl.DataFrame:
        return (
            bucket.events.filter(is_edge.fill_null(True))
            .with_columns(bucket.journeys[flag])
            .group_by("activity")
            .agg(pl.len().cast(pl.Int64).alias("journeys"), pl.col(flag).sum().cast(pl.Int64))
        )

    found = (
        log.run(kernel, lambda parts: pl.concat(parts).group_by("activity").sum(), columns=["journey", "activity"])
        .sort(["journeys", "activity"], descending=[True, False])
        .with_columns(log.names("activity"))
    )
    return pd.DataFrame(
        {
            "activity": pd.Series(found["activity"].to_list(), dtype="str"),
            "journeys": found["journeys"].to_numpy(),
            "share": found["journeys"].to_numpy() / log.journey_count,
            flag: found[flag].to_numpy(),
        }
    )
