"""Say what is in an event log, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

from journeymining.eventlog import check_events, check_journeys, check_reading
from journeymining.eventlog.findings import Checked, Finding, share
from journeymining.eventlog.report import reading_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


def check_event_log(table: pa.Table, *, now: dt.datetime | None = None) -> pd.DataFrame:
    """Check an event log, and how it was read.

    Parameters
    ----------
    table : Table, one row per event
        An event log from `read_event_log` or `to_event_log`. Findings about the text of the source (missing times,
        offsets, order of the rows) come from its reading report; a table without one is checked for the rest.
    now : datetime, optional
        Events after this moment are in the future; by default the present.

    Returns
    -------
    DataFrame, one row per finding
        ``check``, ``severity`` (info: good to know; warning: may change results; error: results are wrong),
        ``count`` (of events, journeys, ...), ``share`` (0 to 1, of what the sentence names; null where there is none),
        ``what`` and ``remedy``. First what the log covers, then the findings in a fixed order. No row content is quoted
        but names of activities, channels and columns.

    Examples
    --------
    >>> from journeymining.eventlog.table import to_event_log
    >>> log = to_event_log(pd.DataFrame({"case_id": ["1"], "activity": ["a"], "time": ["2026-01-01T10:00Z"]}))
    >>> check_event_log(log)["check"].tolist()
    ['events', 'journeys', 'activities', 'channels', 'days', 'guessed_columns', 'missing_channel', \
'one_event_journeys', 'unknown_customers']
    """
    events = pl.DataFrame(pl.from_arrow(table))
    if "source_order" not in events.columns:
        events = events.with_columns(pl.lit(None, pl.Int64).alias("source_order"))
    checked = Checked(events, reading_report(table), now or dt.datetime.now(dt.UTC))
    findings = [
        *_coverage(checked),
        *check_reading.left_out(checked),
        *check_reading.guessed_columns(checked),
        *check_reading.order_of_rows(checked),
        *check_reading.offsets(checked),
        *check_reading.local_times(checked),
        *check_reading.granularity(checked),
        *check_reading.durations(checked),
        *check_reading.file_format(checked),
        *check_events.duplicated_rows(checked),
        *check_events.repeated_event_ids(checked),
        *check_events.ties(checked),
        *check_events.impossible_times(checked),
        *check_events.days_without_events(checked),
        *check_events.similar_names(checked),
        *check_events.odd_characters(checked),
        *check_events.channels(checked),
        *check_journeys.sizes(checked),
        *check_journeys.customers(checked),
        *check_journeys.truncation(checked),
    ]
    frame = pd.DataFrame([vars(finding) for finding in findings])
    return frame.astype({"count": "int64", "share": "float64"})


def _coverage(checked: Checked) -> Iterator[Finding]:
    """Say what the log covers."""
    events, report = checked.events, checked.report
    rows = report.get("rows_in", events.height)
    paired = report.get("lifecycle", {}).get("paired", 0)
    halves = f"; {paired:,} pairs of start and end are one event each" if paired else ""
    yield Finding("events", "info", events.height, share(events.height, rows), f"events, of {rows:,} rows{halves}", "")
    counted = {"journeys": "journey_id", "customers": "customer_id", "activities": "activity"}
    if (events["customer_id"] == events["journey_id"]).all():
        # Then nobody said who the customers are; check_journeys.customers says so.
        del counted["customers"]
    for check, column in counted.items():
        yield Finding(check, "info", events[column].n_unique(), None, f"{check} in the log", "")
    yield Finding("channels", "info", events["channel"].drop_nulls().n_unique(), None, "channels in the log", "")
    if events.is_empty():
        yield Finding("days", "error", 0, None, "the log is empty", "See the rows left out, if any.")
        return
    first, last = events["timestamp"].min(), events["timestamp"].max()
    days = events["timestamp"].dt.date().n_unique()
    yield Finding(
        "days", "info", days, None, f"days (UTC) with events, from {_minute(first)} to {_minute(last)} UTC", ""
    )


def _minute(time: object) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
