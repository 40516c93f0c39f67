"""How journeys go through their phases: how far they come, how long it takes, and when they fall back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from journeymining.discovery.quantiles import summarise_values
from journeymining.exceptions import UsageError, did_you_mean
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journeymining.engines.prepared_log import Bucket, PreparedLog

USUAL_ORDER = ("awareness", "orientation", "purchase", "use", "service")
"""The phases of a customer's journey, where the user names no others."""


def phase_transitions(log: PreparedLog, *, order: Sequence[str] = USUAL_ORDER) -> pd.DataFrame:
    """Count how often journeys go from one phase to another, and which way.

    Successive events of one phase are one visit; events without a phase are passed over.

    Parameters
    ----------
    log : PreparedLog
    order : sequence of str
        The phases from first to last.

    Returns
    -------
    DataFrame, one row per pair of phases that occurs
        ``from_phase``, ``to_phase``, ``direction`` (``forward``, or ``back`` to an earlier phase), ``transitions`` and
        ``journeys``, most transitions first, ties in the order of the phases. No row if the log has no phases.

    Raises
    ------
    UsageError
        If the log has a phase that the order does not name.
    """
    width, places = len(order), phase_places(log, order)

    def kernel(bucket: Bucket) -> pl.DataFrame:
        visits = _visits(bucket, places)
        return (
            visits.filter(pl.col("next") >= 0)
            .with_columns((pl.col("place") * width + pl.col("next")).alias("key"))
            .group_by("key")
            .agg(
                pl.len().cast(pl.Int64).alias("transitions"),
                # Journeys come in order within a pair, so a new journey is a change of its code.
                ((pl.col("journey").diff() != 0).sum() + 1).cast(pl.Int64).alias("journeys"),
            )
        )

    found = log.run(
        kernel, lambda parts: pl.concat(parts).group_by("key").sum(), columns=["journey", "phase", "time"]
    ).sort(["transitions", "key"], descending=[True, False])
    pairs = [divmod(key, width) for key in found["key"].to_list()]
    return pd.DataFrame(
        {
            "from_phase": pd.Series([order[a] for a, _ in pairs], dtype="str"),
            "to_phase": pd.Series([order[b] for _, b in pairs], dtype="str"),
            "direction": pd.Series(["back" if b < a else "forward" for a, b in pairs], dtype="str"),
            "transitions": found["transitions"].to_numpy(),
            "journeys": found["journeys"].to_numpy(),
        }
    )


def phase_progress(log: PreparedLog, *, order: Sequence[str] = USUAL_ORDER) -> pd.DataFrame:
    """Say how many journeys reach every phase, how far they come and how long they stay.

    Parameters
    ----------
    log : PreparedLog
    order : sequence of str
        The phases from first to last.

    Returns
    -------
    DataFrame, one row per phase, in order
        ``phase``, ``journeys`` (that reach it), ``share`` (of the journeys with any phase) with ``share_low`` and
        ``share_high`` (95 %, Wilson), ``starts`` (journeys whose first phase it is: what came before was not observed,
        or did not happen), ``furthest`` (journeys that come this far and no further), ``open`` (of these, known to be
        still going on), ``back_flows`` (transitions from it to an earlier phase), ``back_journeys`` (in how many
        journeys) and ``median_time`` (seconds from entering it to entering the next one, over the visits that have a
        next one; missing if none has). For drop-off with open journeys see `phase_exits`.

    Raises
    ------
    UsageError
        If the log has a phase that the order does not name.
    """
    columns, places, width = ["journey", "phase", "time"], phase_places(log, order), len(order)

    def kernel(bucket: Bucket) -> pl.DataFrame:
        visits = _visits(bucket, places)
        journeys = (
            visits.group_by("journey")
            .agg(pl.col("place").first().alias("first"), pl.col("place").max().alias("furthest"))
            .join(bucket.journeys.select("journey", "open"), on="journey")
        )
        reached = visits.select("journey", "place").unique().group_by("place").len("journeys")
        starts = journeys.group_by(pl.col("first").alias("place")).len("starts")
        furthest = journeys.group_by(pl.col("furthest").alias("place")).agg(
            pl.len().alias("furthest"), pl.col("open").sum()
        )
        falls = visits.filter((pl.col("next") >= 0) & (pl.col("next") < pl.col("place")))
        back = falls.group_by("place").agg(
            pl.len().alias("back_flows"), pl.col("journey").n_unique().alias("back_journeys")
        )
        every = pl.DataFrame({"place": np.arange(width, dtype=np.int64)})
        for part in (reached, starts, furthest, back):
            every = every.join(part, on="place", how="left")
        return every.fill_null(0).with_columns(
            pl.all().cast(pl.Int64), pl.lit(journeys.height, pl.Int64).alias("total")
        )

    def stays(bucket: Bucket) -> pl.DataFrame:
        left = _visits(bucket, places).filter(pl.col("next") >= 0)
        return left.select(pl.col("place").alias("key"), (pl.col("until") - pl.col("time")).alias("value"))

    found = log.run(
        kernel, lambda parts: pl.concat(parts).group_by("place").agg(pl.all().sum()).sort("place"), columns=columns
    )
    times = summarise_values(log, stays, [0.5], columns=columns).select("key", "q0")
    found = found.join(times, left_on="place", right_on="key", how="left", maintain_order="left")
    journeys, total = found["journeys"].to_numpy(), found["total"].to_numpy()
    low, high = wilson(journeys, total)
    return pd.DataFrame(
        {
            "phase": pd.Series(list(order), dtype="str"),
            "journeys": journeys,
            "share": np.divide(journeys, total, out=np.full(len(order), np.nan), where=total > 0),
            "share_low": low,
            "share_high": high,
            **{name: found[name].to_numpy() for name in ("starts", "furthest", "open", "back_flows", "back_journeys")},
            "median_time": (found["q0"] / 1e6).to_numpy(),
        }
    )


def phase_places(log: PreparedLog, order: Sequence[str]) -> list[int]:
    """Return the place in the order of every phase of the log, by its code.

    Raises
    ------
    UsageError
        If the log has a phase that the order does not name.
    """
    for name in log.phases:
        if name not in order:
            raise UsageError(f"Phase '{name}' has no place in the order {', '.join(order)}.{did_you_mean(name, order)}")
    return [order.index(name) for name in log.phases]


def _visits(bucket: Bucket, places: Sequence[int]) -> pl.DataFrame:
    """Return one row per visit to a phase: its place in the order, and the place and time of the next visit."""
    known = bucket.events.filter(pl.col("phase") >= 0).select(
        "journey",
        "time",
        pl.col("phase").replace_strict(list(range(len(places))), places, return_dtype=pl.Int64).alias("place"),
    )
    stayed = (pl.col("journey").diff() == 0) & (pl.col("place").diff() == 0)
    followed = pl.col("journey") == pl.col("journey").shift(-1)
    return known.filter(~stayed.fill_null(False)).with_columns(
        pl.when(followed).then(pl.col("place").shift(-1)).otherwise(-1).alias("next"),
        pl.col("time").shift(-1).alias("until"),
    )
