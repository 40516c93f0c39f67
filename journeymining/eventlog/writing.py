"""Write an event log to a file, whole or not at all."""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from journeymining.eventlog.reading import format_of
from journeymining.eventlog.schema import OPTIONAL, ORDER, REQUIRED
from journeymining.eventlog.xes_writer import write_xes
from journeymining.exceptions import InputError, UsageError

_logger = logging.getLogger(__name__)


def write_event_log(log: pa.Table, path: str | Path, *, force: bool = False) -> None:
    """Write an event log as CSV, Parquet, XES, XES.gz or OCEL 2.0, as the ending of the name says.

    What is read back is equal to what was written, with these exceptions: CSV knows text only, so further attributes
    come back as text; XES numbers events within their trace, so ``source_order`` comes back as that number, and knows
    no characters that XML forbids (they become U+FFFD, with a warning); XES and OCEL know no nested values (they become
    JSON text) and no column without a value; OCEL gives times among the further attributes back as text; in SQLite,
    which does not see case, a column whose name differs from another in case only comes back as ``attribute:<name>``.

    Parameters
    ----------
    log : Table, one row per event
        An event log; it is written in its total order.
    path : path
        The file to write, or ``-`` for CSV on stdout. Missing folders are made.
    force : bool
        Whether to overwrite what is there.

    Raises
    ------
    UsageError
        The file exists, or its format is not known.
    InputError
        The table is no event log.
    """
    for column in REQUIRED.names:
        if column not in log.column_names:
            raise InputError.missing_column(column, log.column_names, where="event log")
    file_format = format_of(path)
    order = [(name, "ascending") for name in ORDER if name in log.column_names]
    log = log.replace_schema_metadata(None).take(pa.compute.sort_indices(log, sort_keys=order))
    if str(path) == "-":
        pyarrow.csv.write_csv(_flat(log), sys.stdout.buffer)
        return
    path = Path(path)
    if path.exists() and (not force or path.is_dir()):
        raise UsageError(f"{path} exists. {'It is a folder' if path.is_dir() else 'Overwrite it with --force'}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    # A folder beside the target: the name keeps its ending, and the last step is a rename on one disk.
    folder = Path(tempfile.mkdtemp(prefix=".journeymining-", dir=path.parent))
    try:
        _write(log, folder / path.name, file_format)
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(log: pa.Table, path: Path, file_format: str) -> None:
    if file_format == "parquet":
        pyarrow.parquet.write_table(log, path, compression="zstd")
    elif file_format == "csv":
        separator = "\t" if ".tsv" in path.suffixes else ","
        with pa.output_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
            pyarrow.csv.write_csv(_flat(log), stream, pyarrow.csv.WriteOptions(delimiter=separator))
    elif file_format == "xes":
        replaced = write_xes(_flat(log), path)
        if replaced:
            _logger.warning("%s: in %s values characters that XML forbids became U+FFFD", path.name, f"{replaced:,}")
    else:
        from journeymining.eventlog.formats import write_ocel

        write_ocel(_flat(log), path)


def _flat(log: pa.Table) -> pa.Table:
    """Make text of what only Parquet can hold, and instants of dates."""
    fixed = {*REQUIRED.names, *OPTIONAL.names}
    for place, field in enumerate(log.schema):
        kind = field.type
        column = log.column(place)
        if field.name in fixed:
            continue
        if pa.types.is_nested(kind) or pa.types.is_dictionary(kind):
            values = pl.Series(column.to_pylist()) if pa.types.is_dictionary(kind) else _json(column)
            log = log.set_column(place, field.name, values.to_arrow().cast(pa.string()))
        elif pa.types.is_date(kind):
            log = log.set_column(place, field.name, column.cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC")))
        elif pa.types.is_timestamp(kind) and kind.tz is None:
            # A wall clock time among the attributes has no instant; its text says all there is.
            log = log.set_column(place, field.name, column.cast(pa.string()))
        elif not _is_plain(kind):
            log = log.set_column(place, field.name, column.cast(pa.string()))
    return log


def _json(column: pa.ChunkedArray) -> pl.Series:
    import json

    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in column.to_pylist()
    ]
    return pl.Series(texts, dtype=pl.String)


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_timestamp(kind)
    )
