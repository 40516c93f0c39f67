"""Activities with a start and an end become one event, with how long they took."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute

from journeymining.eventlog.report import add_left_out, log_report, reading_report, with_report
from journeymining.exceptions import UsageError

COLUMN = "lifecycle:transition"
INSTANCE = "concept:instance"

# The standard model of the XES lifecycle extension; logs with other words have a lifecycle of their own.
STANDARD = frozenset(
    {
        "schedule",
        "assign",
        "withdraw",
        "reassign",
        "start",
        "suspend",
        "resume",
        "pi_abort",
        "ate_abort",
        "complete",
        "autoskip",
        "manualskip",
        "unknown",
    }
)


def select_lifecycle(log: pa.Table, *, lifecycle: str = "complete") -> pa.Table:
    """Keep one event per activity instance, of a log that has several.

    A start belongs to the first completion of the same journey, activity and ``concept:instance`` that comes after
    it and has no earlier start (first in, first out).

    Parameters
    ----------
    log : Table, one row per event
        An event log. Without a column ``lifecycle:transition``, or if it holds one word only, or words that are not of
        the standard lifecycle model of XES, all events are kept.
    lifecycle : {"complete", "start", "all"}
        ``complete`` keeps completions, with the attributes of the completion; ``start`` keeps starts; ``all`` keeps
        every event as it is. An event without transition counts as completed.

    Returns
    -------
    Table, one row per kept event
        ``duration`` is the time in seconds from start to completion where both are known. The reading report says
        in ``lifecycle`` how many were paired and not, and counts in ``left_out`` the other events per transition.

    References
    ----------
    IEEE 1849-2016 (XES), lifecycle extension.
    """
    if lifecycle not in ("complete", "start", "all"):
        raise UsageError(f"Unknown lifecycle '{lifecycle}'. Allowed: complete, start, all.")
    if COLUMN not in log.column_names or lifecycle == "all":
        return log
    report = reading_report(log)
    frame = pl.DataFrame(pl.from_arrow(log))
    transition = pl.col(COLUMN).cast(pl.String).str.strip_chars().str.to_lowercase()
    frame = frame.with_columns(transition.fill_null("complete").alias("_transition")).with_row_index("_row")
    found = set(frame["_transition"].unique().to_list())
    if not found <= STANDARD:
        report["lifecycle"] = {"kept": "all", "because": "its words are not of the standard model"}
        return with_report(log, report)
    if len(found) < 2:
        # One word throughout: there is nothing to choose from, and nothing to pair.
        return log
    pairs = _pairs(frame)
    seconds = (pl.col("_end") - pl.col("_begin")).dt.total_microseconds() / 1e6
    side = "_complete_row" if lifecycle == "complete" else "_start_row"
    kept = frame.filter(pl.col("_transition") == lifecycle).join(
        pairs.select(pl.col(side).alias("_row"), seconds.alias("_seconds")),
        on="_row",
        how="left",
        maintain_order="left",
    )
    starts, completes = ((frame["_transition"] == word).sum() for word in ("start", "complete"))
    report["lifecycle"] = {
        "kept": lifecycle,
        "paired": pairs.height,
        "starts_without_completion": int(starts) - pairs.height,
        "completions_without_start": int(completes) - pairs.height,
    }
    _count(report, frame, pairs.height, lifecycle)
    report["rows_out"] = kept.height
    table = log.take(pa.array(kept["_row"].to_list(), pa.int64()))
    return with_report(_with_duration(table, kept["_seconds"]), report)


def _pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """Match the n-th open start with the n-th completion that can close one."""
    key = ["journey_id", "activity"] + [INSTANCE] * (INSTANCE in frame.columns)
    steps = (
        frame.filter(pl.col("_transition").is_in(["start", "complete"]))
        .select(*key, "_row", "timestamp", "source_order", "_transition")
        # At equal times a start comes first, so that instantaneous activities are paired too.
        .with_columns((pl.col("_transition") == "complete").alias("_ends"))
        .sort([*key, "timestamp", "_ends", "source_order", "_row"], nulls_last=True)
        .with_columns(pl.when("_ends").then(-1).otherwise(1).cum_sum().over(key).alias("_open"))
        # Completions that bring the count of open ones to a new low have no start.
        .with_columns(pl.min_horizontal(pl.lit(0), pl.col("_open").cum_min().over(key)).alias("_low"))
        .with_columns(pl.col("_low").shift(1, fill_value=0).over(key).alias("_low_before"))
        .filter(~(pl.col("_ends") & (pl.col("_low") < pl.col("_low_before"))))
        .with_columns(pl.int_range(pl.len()).over([*key, "_ends"]).alias("_turn"))
    )
    begins = steps.filter(~pl.col("_ends")).select(*key, "_turn", _start_row="_row", _begin="timestamp")
    ends = steps.filter("_ends").select(*key, "_turn", _complete_row="_row", _end="timestamp")
    return begins.join(ends, on=[*key, "_turn"], how="inner", nulls_equal=True)


def _count(report: dict[str, Any], frame: pl.DataFrame, paired: int, lifecycle: str) -> None:
    """Count what is not kept; the other half of a pair is part of its event and not left out."""
    counts = dict(frame["_transition"].value_counts().iter_rows())
    other = "start" if lifecycle == "complete" else "complete"
    counts[other] = counts.get(other, 0) - paired
    counts.pop(lifecycle, None)
    for word, rows in sorted(counts.items()):
        add_left_out(report, f"lifecycle_{word}", int(rows))
    told = {reason: found for reason, found in report["left_out"].items() if reason.startswith("lifecycle_")}
    log_report({"where": report.get("where", "table"), "left_out": told})


def _with_duration(log: pa.Table, seconds: pl.Series) -> pa.Table:
    """Put the durations in; one that the log already had stays where no pair says otherwise."""
    values = seconds.to_arrow()
    if "duration" in log.column_names:
        place = log.column_names.index("duration")
        merged = pa.compute.coalesce(values, log.column(place).combine_chunks())
        return log.set_column(place, "duration", merged)
    place = min(log.column_names.index(name) for name in ("topic", "value", "source_order") if name in log.column_names)
    return log.add_column(place, "duration", values)
