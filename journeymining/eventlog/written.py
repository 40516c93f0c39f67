"""Event logs that need no reading: Parquet files that hold what an event log is, as a run or `convert` leaves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.eventlog.columns import find_columns
from journeymining.eventlog.reading import format_of, parquet_files
from journeymining.eventlog.report import reading_report
from journeymining.eventlog.schema import OPTIONAL, REQUIRED
from journeymining.exceptions import JourneyMiningError

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("event_id", "customer_id", "journey_id", "activity", "timestamp")
"""Columns that have a value in every row."""


@dataclass(frozen=True)
class WrittenLog:
    """An event log in files, which nobody has to hold in memory; ``report`` says of it what a reading report says."""

    files: tuple[Path, ...]
    events: int
    report: dict[str, Any]


AnyLog: TypeAlias = "pa.Table | WrittenLog"


def report_of(log: AnyLog) -> dict[str, Any]:
    """Return how a log was read, see `journeymining.eventlog.report.reading_report`; of files, what they hold."""
    return log.report if isinstance(log, WrittenLog) else reading_report(log)


def written_log(path: str | Path) -> WrittenLog | None:
    """Return a log that is an event log as it stands, by what its files say of themselves; None for any other.

    Such a log gives the same journeys read or not: all columns have their names and types, no row lacks a value that it
    needs, and no other column has a meaning that reading would act upon (a start, a lifecycle).

    Parameters
    ----------
    path : path
        A log in any format, see `journeymining.eventlog.reading.read_event_log`.

    Examples
    --------
    >>> written_log("permits.xes") is None
    True
    """
    try:
        if format_of(path) != "parquet":
            return None
        files = parquet_files(path)
        footers = [pq.read_metadata(file) for file in files]
    except (JourneyMiningError, pa.ArrowException, OSError):
        # Whoever reads it says what is wrong.
        return None
    if not all(_is_written(footer) for footer in footers):
        return None
    events = sum(footer.num_rows for footer in footers)
    report: dict[str, Any] = {
        "where": files[0].name if len(files) == 1 else str(path),
        "rows_in": events,
        "rows_out": events,
        "columns": find_columns(REQUIRED.names, {})[0],
        "guesses": {},
        "format": "parquet",
        "parquet": {"files": len(files)},
    }
    return WrittenLog(tuple(files), events, report)


def _is_written(footer: pq.FileMetaData) -> bool:
    schema = footer.schema.to_arrow_schema()
    if any(name not in schema.names or schema.field(name).type != REQUIRED.field(name).type for name in REQUIRED.names):
        return False
    known = {*REQUIRED.names, *OPTIONAL.names}
    if any(schema.field(name).type != OPTIONAL.field(name).type for name in OPTIONAL.names if name in schema.names):
        return False
    if set(find_columns(schema.names, {})[0].values()) - known or "lifecycle:transition" in schema.names:
        return False
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    places = {name: place for place, name in enumerate(schema.names) if name in known}
    return all(
        _is_filled(group.column(place).statistics, wholly=name in NEEDED)
        for group in groups
        for name, place in places.items()
    )


def _is_filled(statistics: Any, *, wholly: bool) -> bool:
    """Say whether a part of a column is known to hold no blank text, which reading takes for none, and no null."""
    if statistics is None or not statistics.has_null_count:
        return False
    if wholly and (statistics.null_count or not statistics.has_min_max):
        return False
    # Without a least value all are null, or too long to be noted.
    return not statistics.has_min_max or not isinstance(statistics.min, str) or bool(statistics.min.strip())
