"""Read an event log from a file or a folder, whatever its format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from journeymining.eventlog.csv_reader import read_csv
from journeymining.eventlog.lifecycle import select_lifecycle
from journeymining.eventlog.report import add_left_out, log_report, with_report
from journeymining.eventlog.report import reading_report as reading_report
from journeymining.eventlog.table import to_event_log
from journeymining.eventlog.times import check_zone
from journeymining.eventlog.xes_reader import read_xes
from journeymining.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMATS = {
    "csv": (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz"),
    "parquet": (".parquet", ".pq"),
    "xes": (".xes", ".xes.gz"),
    "ocel_json": (".jsonocel", ".ocel.json", ".json"),
    "ocel_xml": (".xmlocel", ".ocel.xml", ".xml"),
    "ocel_sqlite": (".sqlite", ".sqlite3", ".db"),
}
"""The formats of event logs, with the endings of their names."""


def read_event_log(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    timezone: str | None = None,
    time_format: str | None = None,
    lifecycle: str = "complete",
    delimiter: str | None = None,
    object_type: str | None = None,
) -> pa.Table:
    """Read an event log from a file or a folder.

    Parameters
    ----------
    path : path
        CSV (also ``.csv.gz``; ``-`` is CSV on stdin), Parquet, a folder of Parquet files (its ``events.parquet``
        alone, if it has one), XES, XES.gz, or OCEL 2.0 as JSON, XML or SQLite.
    columns : mapping, optional
        Which column means what, by role: ``{"journey": "Case ID", "channel": "CANALE"}``; see `to_event_log`.
    timezone, time_format : str, optional
        Of times that carry no zone, or have an unusual form; see `to_event_log`.
    lifecycle : {"complete", "start", "all"}
        What becomes of activities with start and end; see `select_lifecycle`.
    delimiter : str, optional
        Of a CSV; found by itself by default.
    object_type : str, optional
        Of an OCEL log: the type of object whose journeys to take; needed if there are several.

    Returns
    -------
    Table, one row per event
        See `to_event_log`. `reading_report` says what was left out and what was guessed.

    Raises
    ------
    InputError
        The file is missing or damaged, or its columns or times are not usable.
    UsageError
        The format is not known, or an option does not fit it.
    """
    if lifecycle not in ("complete", "start", "all"):
        raise UsageError(f"Unknown lifecycle '{lifecycle}'. Allowed: complete, start, all.")
    check_zone(timezone)
    file_format = format_of(path)
    table, facts = _read_raw(path, file_format, delimiter=delimiter, object_type=object_type)
    where = "stdin" if str(path) == "-" else Path(path).name
    log = to_event_log(table, **(columns or {}), timezone=timezone, time_format=time_format, where=where)
    report = reading_report(log)
    report |= {"format": file_format, file_format: facts}
    wrong = facts.pop("wrong_number_of_fields", [])
    if wrong:
        report["rows_in"] += len(wrong)
        _count_skipped_rows(report, wrong)
        add_left_out(report, "wrong_number_of_fields", len(wrong), wrong)
        log_report(
            {"where": where, "left_out": {"wrong_number_of_fields": report["left_out"]["wrong_number_of_fields"]}}
        )
    report["rows_in"] += facts.get("events_without_trace", 0)
    add_left_out(report, "event_without_trace", facts.get("events_without_trace", 0))
    return select_lifecycle(with_report(log, report), lifecycle=lifecycle)


def format_of(path: str | Path) -> str:
    """Return the format of a log by the ending of its name; a folder is Parquet, ``-`` is CSV.

    Examples
    --------
    >>> format_of("permits.XES.gz")
    'xes'
    """
    if str(path) == "-":
        return "csv"
    if Path(path).is_dir():
        return "parquet"
    name = Path(path).name.lower()
    for file_format, endings in FORMATS.items():
        if name.endswith(endings):
            return file_format
    allowed = ", ".join(ending for endings in FORMATS.values() for ending in endings)
    raise UsageError(f"{path}: the format of this log is not known by its name. Known endings: {allowed}.")


def _read_raw(
    path: str | Path, file_format: str, *, delimiter: str | None, object_type: str | None
) -> tuple[pa.Table, dict[str, Any]]:
    if str(path) != "-" and not Path(path).exists():
        raise InputError(f"{path}: there is no such file or folder.")
    if delimiter is not None and file_format != "csv":
        raise UsageError(f"{path}: a delimiter has no meaning for {file_format}. Leave --delimiter out.")
    if object_type is not None and not file_format.startswith("ocel"):
        raise UsageError(f"{path}: an object type has no meaning for {file_format}. Leave --object-type out.")
    if file_format == "csv":
        return read_csv(path, delimiter=delimiter)
    if file_format == "xes":
        return read_xes(path)
    if file_format == "parquet":
        return _read_parquet(Path(path))
    from journeymining.eventlog.formats import read_ocel

    return read_ocel(Path(path), object_type=object_type)


def _read_parquet(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Read one file, or all files of a folder as one table; columns that a file lacks are null there."""
    files = parquet_files(path)
    try:
        tables = [pyarrow.parquet.read_table(file, partitioning=None) for file in files]
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(f"{path}: this is no Parquet, or its files do not have the same columns.") from error
    return table.replace_schema_metadata(None), {"files": len(files)}


def parquet_files(path: str | Path) -> list[Path]:
    """Return the files of a log in Parquet: itself, or those of a folder (its ``events.parquet`` alone, if it has one).

    Raises
    ------
    InputError
        If a folder holds no Parquet files.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    whole = path / "events.parquet"
    files = [whole] if whole.is_file() else sorted(path.rglob("*.parquet"))
    files = [file for file in files if not file.name.startswith((".", "_"))]
    if not files:
        raise InputError(f"{path}: the folder holds no Parquet files. Found: {_content(path)}.")
    return files


def _content(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    return ", ".join(names[:5] + ["..."] * (len(names) > 5)) or "nothing"


def _count_skipped_rows(report: dict[str, Any], wrong: list[int]) -> None:
    """Let the examples count the rows of the file, not of the table that lacks the skipped ones."""
    for found in report["left_out"].values():
        examples = found["examples"]
        for skipped in sorted(wrong):
            examples = [row + 1 if row >= skipped else row for row in examples]
        found["examples"] = examples
