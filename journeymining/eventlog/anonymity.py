"""Event logs that may leave the house: no path that fewer than k customers took, no name, no exact time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
import pyarrow as pa

from journeymining.eventlog.report import with_report
from journeymining.eventlog.schema import ORDER, REQUIRED, TIMESTAMP
from journeymining.exceptions import EmptyLogError, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHER = "other"
"""What journeys of rare variants consist of: one event of this name."""

KEPT, GROUPED, SUPPRESSED = "kept", "grouped", "suppressed"
"""What becomes of a journey."""

NEVER_KEPT = (*ORDER, "customer_id")
"""Columns that are made anew: names of things, exact times and the order in the source."""


def k_anonymous(
    log: pa.Table,
    k: int,
    *,
    keep: Sequence[str] = ("channel",),
    rare: Literal["group", "suppress"] = "group",
    round_to: timedelta = timedelta(days=1),
    seed: int | None = None,
) -> pa.Table:
    """Make an event log in which every variant is followed by at least k customers.

    A variant is the sequence of activities together with every column that is kept, so nothing that is written tells
    apart a smaller group. Times are no part of it: whoever knows on which days somebody did what may still find them,
    and the journeys of one customer stay together. That is k-anonymity of paths, and no more; for a promise against any
    knowledge see `journeymining.eventlog.noise`.

    Parameters
    ----------
    log : Table, one row per event
        An event log.
    k : int
        How many customers a variant needs; at least 2.
    keep : names of columns
        What stays besides the activity. All other further columns are dropped; ``channel`` and ``source`` become null.
    rare : {"group", "suppress"}
        Journeys of variants of fewer than k customers become one event `OTHER` at their (rounded) beginning, without
        any kept column; or they are left out. They are left out as well where all of them together belong to fewer than
        k customers.
    round_to : timedelta
        Times are rounded down to a multiple of it, counted in UTC from 1970: to the day by default.
    seed : int, optional
        Of the numbers that customers and journeys get; for tests only. Without it nobody can compute them again.

    Returns
    -------
    Table, one row per event
        An event log. Customers and journeys are numbers in random order, ``event_id`` is the journey and the place in
        it, ``source_order`` the place, as many events now have equal times. ``reading_report(table)["anonymity"]``
        says what was kept, grouped, suppressed and dropped.

    Raises
    ------
    UsageError
        If k is below 2 or the rounding is not positive.
    InputError
        If a column to keep is not there, or would name somebody.
    EmptyLogError
        If no variant is followed by k customers.

    References
    ----------
    F. Mannhardt et al., Privacy-preserving process mining, Business & Information Systems Engineering 61, 2019.

    Examples
    --------
    >>> from journeymining.eventlog.report import reading_report
    >>> from journeymining.eventlog.table import to_event_log
    >>> rows = [("1", "a"), ("2", "a"), ("3", "b")]
    >>> log = to_event_log(pa.table({
    ...     "journey_id": [row[0] for row in rows], "activity": [row[1] for row in rows],
    ...     "timestamp": ["2026-01-01T10:00Z"] * 3}))
    >>> safe = k_anonymous(log, 2)
    >>> safe["activity"].to_pylist(), reading_report(safe)["anonymity"]["suppressed"]["journeys"]
    (['a', 'a'], 1)
    """
    _check(log, k, keep, round_to)
    events = _paths(log, keep)
    of_journey = _fates(events, k, rare)
    if of_journey.filter(pl.col("fate") != SUPPRESSED).is_empty():
        raise EmptyLogError(f"No variant is followed by {k} customers, so nothing may be written. Keep fewer columns.")
    rows = _numbered(_rounded(_blanked(events, of_journey, keep), round_to), np.random.default_rng(seed))
    report = {
        "k": k,
        "kept_columns": ["activity", *keep],
        "dropped_columns": [name for name in log.column_names if name not in {*REQUIRED.names, *keep, *NEVER_KEPT}],
        "times_rounded_to": round_to.total_seconds(),
        **{fate: _count(of_journey.filter(pl.col("fate") == fate)) for fate in (KEPT, GROUPED, SUPPRESSED)},
        "smallest_group": _smallest_group(of_journey),
    }
    return with_report(_event_log(rows, log.schema, keep), {"anonymity": report})


def _check(log: pa.Table, k: int, keep: Sequence[str], round_to: timedelta) -> None:
    if k < 2:
        raise UsageError(f"k must be 2 or more, found {k}: among fewer nobody is hidden.")
    if round_to <= timedelta(0):
        raise UsageError(f"Times must be rounded to more than nothing, found {round_to}.")
    for column in (*REQUIRED.names, *keep):
        if column not in log.column_names:
            raise InputError.missing_column(column, log.column_names, where="event log")
        if column in keep and column in NEVER_KEPT:
            raise InputError(f"Column '{column}' cannot be kept: it names somebody or tells an exact time.")


def _paths(log: pa.Table, keep: Sequence[str]) -> pl.DataFrame:
    """Return events in order: journey, customer, time, activity, kept columns, and the path of the journey as a text.

    Kept columns get names of their own, so that a column of the log may be called ``journey`` or ``path``.
    """
    order = [name for name in ORDER if name in log.column_names]
    frame = pl.DataFrame(pl.from_arrow(log.select([*dict.fromkeys([*REQUIRED.names, *order, *keep])])))
    frame = frame.sort(order, nulls_last=True).select(
        pl.col("journey_id").alias("journey"),
        pl.col("customer_id").alias("customer"),
        pl.col("timestamp").alias("time"),
        pl.col("activity"),
        *(pl.col(name).alias(f"keep:{name}") for name in dict.fromkeys(keep)),
    )
    parts = ["activity", *(name for name in frame.columns if name.startswith("keep:"))]
    symbols = frame.select(parts).unique(maintain_order=True).with_row_index("symbol")
    frame = frame.join(symbols, on=parts, how="left", nulls_equal=True, maintain_order="left")
    path = pl.col("symbol").cast(pl.String).str.join(",").over("journey").alias("path")
    return frame.with_columns(path)


def _fates(events: pl.DataFrame, k: int, rare: str) -> pl.DataFrame:
    """Return per journey its customer, path, events, followers of its path, and whether it is kept as it is."""
    of_journey = events.group_by("journey").agg(pl.first("customer"), pl.first("path"), pl.len().alias("events"))
    of_journey = of_journey.with_columns(pl.col("customer").n_unique().over("path").alias("followers"))
    is_rare = pl.col("followers") < k
    enough = of_journey.filter(is_rare)["customer"].n_unique() >= k
    fate = pl.lit(GROUPED if rare == "group" and enough else SUPPRESSED)
    return of_journey.with_columns(pl.when(is_rare).then(fate).otherwise(pl.lit(KEPT)).alias("fate"))


def _blanked(events: pl.DataFrame, of_journey: pl.DataFrame, keep: Sequence[str]) -> pl.DataFrame:
    """Return the events that stay; of a grouped journey its first, without name and kept columns."""
    fates = of_journey.filter(pl.col("fate") != SUPPRESSED).select("journey", "fate")
    rows = events.join(fates, on="journey", maintain_order="left")
    is_grouped = pl.col("fate") == GROUPED
    rows = rows.filter(~is_grouped | pl.col("journey").is_first_distinct())
    name = _free_name(set(rows.filter(~is_grouped)["activity"].unique()))
    return rows.with_columns(
        pl.when(is_grouped).then(pl.lit(name)).otherwise(pl.col("activity")).alias("activity"),
        *(pl.when(~is_grouped).then(pl.col(f"keep:{one}")).alias(f"keep:{one}") for one in keep),
    )


def _free_name(taken: set[str]) -> str:
    """Return `OTHER`, longer where an activity is called so."""
    name = OTHER
    while name in taken:
        name += "_"
    return name


def _rounded(rows: pl.DataFrame, round_to: timedelta) -> pl.DataFrame:
    """Round times down, and say each event's place in its journey before equal times hide it."""
    step = round_to // timedelta(microseconds=1)
    return rows.with_columns(
        (pl.col("time").dt.epoch("us") // step * step).alias("time"),
        pl.int_range(1, pl.len() + 1).over("journey").alias("place"),
    )


def _numbered(rows: pl.DataFrame, chance: np.random.Generator) -> pl.DataFrame:
    """Replace names of journeys and customers by numbers in random order; sort by them."""
    for column in ("journey", "customer"):
        names = rows.select(pl.col(column).unique().sort())
        numbers = names.with_columns(pl.Series("number", chance.permutation(len(names)) + 1))
        rows = rows.join(numbers, on=column, maintain_order="left").drop(column).rename({"number": column})
    return rows.sort("journey", "place")


def _event_log(rows: pl.DataFrame, schema: pa.Schema, keep: Sequence[str]) -> pa.Table:
    """Return rows as an event log, with the columns that are kept as they were typed."""
    journey = rows["journey"].cast(pl.String)
    columns = {
        "event_id": (journey + "-" + rows["place"].cast(pl.String)).to_arrow(),
        "customer_id": rows["customer"].cast(pl.String).to_arrow(),
        "journey_id": journey.to_arrow(),
        "activity": rows["activity"].to_arrow(),
        "timestamp": rows["time"].to_arrow().cast(TIMESTAMP),
        **{one: pa.nulls(rows.height, pa.string()) for one in ("channel", "source")},
        **{one: rows[f"keep:{one}"].to_arrow() for one in keep},
        "source_order": rows["place"].cast(pl.Int64).to_arrow(),
    }
    kept = [schema.field(one) for one in keep if one not in REQUIRED.names]
    written = pa.schema([*REQUIRED, *kept, pa.field("source_order", pa.int64())])
    return pa.table({field.name: columns[field.name].cast(field.type) for field in written}, schema=written)


def _smallest_group(of_journey: pl.DataFrame) -> int:
    """Return how many customers share the rarest variant of the output; grouped journeys have one in common."""
    kept = of_journey.filter(pl.col("fate") == KEPT)["followers"].to_list()
    grouped = of_journey.filter(pl.col("fate") == GROUPED)["customer"].n_unique()
    smallest: int = min([*kept, grouped] if grouped else kept)
    return smallest


def _count(journeys: pl.DataFrame) -> dict[str, Any]:
    return {
        "variants": journeys["path"].n_unique(),
        "journeys": journeys.height,
        "customers": journeys["customer"].n_unique(),
        "events": int(journeys["events"].sum()),
    }
