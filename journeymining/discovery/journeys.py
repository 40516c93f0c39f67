"""One row per journey: who, which variant, from when to when, over how many channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

from journeymining.discovery.variants import Paths, decode_paths, find_paths, moments, variant_ids

if TYPE_CHECKING:
    from journeymining.engines.prepared_log import Bucket, PreparedLog


def journeys(log: PreparedLog, *, paths: Paths | None = None) -> pd.DataFrame:
    """Describe every journey in one row.

    Parameters
    ----------
    log : PreparedLog
    paths : Paths, optional
        The result of `find_paths`, where it is used more than once.

    Returns
    -------
    DataFrame, one row per journey, by journey_id
        ``journey_id``, ``customer_id``, ``variant_id``, ``start``, ``end`` (UTC), ``events``, ``channels`` (how many
        different ones), ``switches`` (how often an event's channel differs from that of the previous event with a
        known channel) and ``open`` (whether the journey may still go on; missing where the log does not say).

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     journeys(log)[["journey_id", "customer_id", "events", "channels", "switches"]]
      journey_id customer_id  events  channels  switches
    0          a         ann       2         1         0
    1          b         bob       2         2         1
    """
    paths = paths or find_paths(log)
    ids = pl.Series("variant_id", variant_ids(decode_paths(log, paths)))

    def kernel(bucket: Bucket) -> pl.DataFrame:
        known = bucket.events.filter(pl.col("channel") >= 0)
        moved = (pl.col("journey").diff() == 0) & (pl.col("channel").diff() != 0)
        channels = (
            known.with_columns(moved.alias("moved"))
            .group_by("journey")
            .agg(
                pl.col("channel").n_unique().cast(pl.Int64).alias("channels"),
                pl.col("moved").sum().cast(pl.Int64).alias("switches"),
            )
        )
        variant = ids.gather(paths.of_journey[bucket.number])
        return (
            bucket.journeys.with_columns(variant)
            .join(channels, on="journey", how="left")
            .with_columns(pl.col("channels", "switches").fill_null(0))
        )

    found = log.run(kernel, lambda parts: pl.concat(parts), columns=["journey", "channel"]).sort("journey_id")
    return pd.DataFrame(
        {
            **{
                name: pd.Series(found[name].to_list(), dtype="str")
                for name in ("journey_id", "customer_id", "variant_id")
            },
            "start": moments(found["start"]),
            "end": moments(found["end"]),
            "events": found["events"].to_numpy().astype("int64"),
            "channels": found["channels"].to_numpy(),
            "switches": found["switches"].to_numpy(),
            "open": pd.array(found["open"].to_list(), dtype="boolean"),
        }
    )
