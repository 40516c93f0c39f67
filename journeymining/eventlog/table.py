"""The one way in: any table of events becomes an event log."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from journeymining.database import connect
from journeymining.eventlog.columns import find_columns, unique_names
from journeymining.eventlog.report import add_left_out, log_report, with_report
from journeymining.eventlog.schema import OPTIONAL, ORDER, REQUIRED
from journeymining.eventlog.times import INSTANT, Times, parse_times
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    import pandas as pd

_CANONICAL = {
    "journey": "journey_id",
    "activity": "activity",
    "timestamp": "timestamp",
    "customer": "customer_id",
    "channel": "channel",
    "resource": "resource",
    "event_id": "event_id",
    "order": "source_order",
}
_ROWS_PER_CHUNK = 1 << 20
_ROWS_PER_DIGEST = 1 << 18


def to_event_log(
    table_or_frame: pa.Table | pa.RecordBatch | pd.DataFrame | pl.DataFrame | pl.LazyFrame,
    *,
    journey: str | None = None,
    activity: str | None = None,
    timestamp: str | None = None,
    customer: str | None = None,
    channel: str | None = None,
    start_timestamp: str | None = None,
    resource: str | None = None,
    event_id: str | None = None,
    order: str | None = None,
    timezone: str | None = None,
    time_format: str | None = None,
    where: str = "table",
) -> pa.Table:
    """Make an event log of a table with one row per event.

    Parameters
    ----------
    table_or_frame : Table, DataFrame of pandas or polars
        One row per event. It is not changed; an index of pandas is not read.
    journey, activity, timestamp, customer, channel, start_timestamp, resource, event_id, order : str, optional
        Names of the columns with that meaning; without them the names that tools use are recognised (those of
        XES, ``case_id``, ``Case ID``, ...). ``order`` is the place of the event in its source (whole numbers).
        With a ``start_timestamp`` the event is its end, with its ``duration`` in seconds.
    timezone : str, optional
        Zone of times that carry none, such as ``Europe/Amsterdam``. Without it such times are refused.
    time_format : str, optional
        Form of times in the letters of ``strptime``, where it cannot be recognised.
    where : str
        Name of the table, for messages.

    Returns
    -------
    Table, one row per event
        The columns of `journeymining.eventlog.schema` first, with its types, then every other column under its
        own name (``attribute:<name>`` if that name has another meaning here); sorted by journey, time, source
        order and event id, so the order of the rows does not matter. Rows without journey, activity or readable
        time are left out; `reading_report` counts them and says what was guessed. Without a customer column a
        journey is its own customer. An event without id gets the md5 of its content and, among equal rows, of its
        number. An empty table gives an empty log.

    Raises
    ------
    InputError
        A column is missing, times carry no zone while none is declared, or no time at all can be read.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"case_id": [1, 1], "activity": ["b", "a"], "time": ["2026-01-02Z", "2026-01-01Z"]})
    >>> to_event_log(frame).select(["journey_id", "activity"]).to_pydict()
    {'journey_id': ['1', '1'], 'activity': ['a', 'b']}
    """
    frame = _to_polars(table_or_frame)
    declared = {
        "journey": journey,
        "activity": activity,
        "timestamp": timestamp,
        "customer": customer,
        "channel": channel,
        "start_timestamp": start_timestamp,
        "resource": resource,
        "event_id": event_id,
        "order": order,
    }
    columns, guesses = find_columns(frame.columns, declared, where=where)
    times = parse_times(frame[columns["timestamp"]], timezone=timezone, time_format=time_format, where=where)
    report: dict[str, Any] = {"where": where, "rows_in": frame.height, "columns": columns, "guesses": guesses}
    report["times"] = times.facts
    log = _canonical(frame, columns, times.instants, report)
    if "start_timestamp" in columns:
        starts = parse_times(frame[columns["start_timestamp"]], timezone=timezone, time_format=time_format, where=where)
        log = _with_duration(log, starts, report)
    log = _leave_out(log, times, report)
    if log.is_empty() and not frame.is_empty() and times.facts["unreadable"]:
        raise InputError(
            f"{where}: no time in column '{columns['timestamp']}' could be read. Name another column with "
            "--timestamp, or declare the form, for example --time-format '%d/%m/%Y %H:%M'."
        )
    log = _fill_customers(log, columns, report)
    log = _with_event_ids(log, report)
    earlier = pl.col("timestamp") < pl.col("timestamp").shift(1).over("journey_id")
    report["rows_out_of_order"] = log.select(earlier.sum()).item()
    report["rows_out"] = log.height
    report.setdefault("left_out", {})
    log_report(report)
    return with_report(_sorted(log), report)


def _to_polars(table: Any) -> pl.DataFrame:
    """Take any table; times with a zone become UTC in microseconds, everything else stays as it is."""
    if isinstance(table, pl.LazyFrame):
        return _to_polars(table.collect())
    if isinstance(table, pl.DataFrame):
        frame = table
    elif isinstance(table, pa.RecordBatch):
        return _to_polars(pa.Table.from_batches([table]))
    elif isinstance(table, pa.Table):
        table = table.rename_columns(unique_names(table.column_names))
        for place, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type) and field.type.tz is not None:
                utc = pa.timestamp(field.type.unit, tz="UTC")
                table = table.set_column(place, field.name, table.column(place).cast(utc))
        frame = pl.DataFrame(pl.from_arrow(table))
    elif hasattr(table, "columns") and hasattr(table, "iloc"):
        return _to_polars(_pandas_to_arrow(table))
    else:
        raise InputError(f"An event log cannot be made of {type(table).__name__}. Use Arrow, pandas or polars.")
    zoned = [
        name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone is not None
    ]
    return frame.with_columns(pl.col(zoned).dt.convert_time_zone("UTC"))


def _pandas_to_arrow(frame: pd.DataFrame) -> pa.Table:
    """Convert column by column, as columns of mixed types can only be text."""
    arrays = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        try:
            arrays.append(pa.array(column, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            arrays.append(pa.array([None if value is None or value != value else str(value) for value in column]))
    return pa.table(arrays, names=[str(name) for name in frame.columns])


def _canonical(
    frame: pl.DataFrame, columns: dict[str, str], instants: pl.Series, report: dict[str, Any]
) -> pl.DataFrame:
    """Put the columns with a meaning first, under their names and with their types; keep the others."""
    types = {field.name: field.type for field in [*REQUIRED, *OPTIONAL]}
    taken: dict[str, pl.Series] = {"timestamp": instants.alias("timestamp")}
    for role, column in columns.items():
        name = _CANONICAL.get(role)
        if name not in (None, "timestamp"):
            taken[name] = _cast(frame[column], types[name], column, report["where"]).alias(name)
    renamed, further = {}, []
    for column in frame.columns:
        if column in columns.values():
            continue
        name = column
        if column in types and column not in taken:
            try:
                taken[column] = _cast(frame[column], types[column], column, report["where"]).alias(column)
                continue
            except InputError:
                name = renamed[column] = f"attribute:{column}"
        elif column in taken:
            if frame[column].null_count() == frame.height:
                continue
            name = renamed[column] = f"attribute:{column}"
        values = frame[column].alias(name)
        further.append(values.cast(INSTANT) if getattr(values.dtype, "time_zone", None) else values)
    report["renamed"] = renamed
    for field in REQUIRED:
        if field.name not in taken:
            taken[field.name] = pl.Series(field.name, [None] * frame.height, dtype=pl.String)
    if "source_order" not in taken:
        taken["source_order"] = pl.Series("source_order", [None] * frame.height, dtype=pl.Int64)
    return pl.DataFrame([taken[name] for name in types if name in taken] + further)


def _cast(values: pl.Series, type_: pa.DataType, column: str, where: str) -> pl.Series:
    """Cast to a type of the schema: whole numbers read as floats are ids again, blank text is missing."""
    try:
        if pa.types.is_string(type_):
            if values.dtype.is_float() and (values.drop_nulls() == values.drop_nulls().round()).all():
                values = values.cast(pl.Int64)
            text = values.cast(pl.String)
            return text.set((text.str.strip_chars() == "").fill_null(value=False), None)
        target = pl.Int64 if pa.types.is_int64(type_) else pl.Float64
        if (
            target == pl.Int64
            and values.dtype.is_float()
            and (values.drop_nulls() != values.drop_nulls().round()).any()
        ):
            raise InputError(f"{where}: column '{column}' must hold whole numbers.")
        if values.dtype == pl.String:
            values = values.set((values.str.strip_chars() == "").fill_null(value=False), None)
        return values.cast(target)
    except pl.exceptions.PolarsError as error:
        kind = "text" if pa.types.is_string(type_) else "whole numbers" if pa.types.is_int64(type_) else "numbers"
        raise InputError(f"{where}: column '{column}' must hold {kind}.") from error


def _with_duration(log: pl.DataFrame, starts: Times, report: dict[str, Any]) -> pl.DataFrame:
    """Add seconds from start to end; an end before its start has no duration, and is counted."""
    seconds = (pl.col("timestamp") - starts.instants).dt.total_microseconds() / 1e6
    negative = log.select((seconds < 0).fill_null(value=False)).to_series()
    report["start_times"] = starts.facts | {"after_end": int(negative.sum())}
    place = log.columns.index("timestamp") + 1
    values = log.select(pl.when(~negative).then(seconds).alias("duration")).to_series()
    log = log.drop("duration", strict=False)
    names = [field.name for field in [*REQUIRED, *OPTIONAL]]
    ordered = [name for name in names if name in log.columns or name == "duration"]
    return log.insert_column(place, values).select(*ordered, pl.exclude(ordered))


def _leave_out(log: pl.DataFrame, times: Times, report: dict[str, Any]) -> pl.DataFrame:
    reasons = {
        "missing_journey": log["journey_id"].is_null(),
        "missing_activity": log["activity"].is_null(),
        "missing_timestamp": times.missing,
        "unreadable_timestamp": log["timestamp"].is_null() & ~times.missing,
    }
    keep = pl.Series([True] * log.height, dtype=pl.Boolean)
    for reason, rows in reasons.items():
        first_reason = rows & keep
        examples = (first_reason.arg_true().head(5) + 1).to_list()
        add_left_out(report, reason, int(first_reason.sum()), examples)
        keep &= ~rows
    return log.filter(keep)


def _fill_customers(log: pl.DataFrame, columns: dict[str, str], report: dict[str, Any]) -> pl.DataFrame:
    """Let a journey be its own customer where nobody says whose it is."""
    missing = log["customer_id"].null_count()
    if "customer" not in columns:
        report["customers"] = "no customer column: a journey is its own customer"
    elif missing:
        report["customers"] = f"{missing:,} events without customer: their journey is their customer"
    return log.with_columns(pl.coalesce("customer_id", "journey_id").alias("customer_id"))


def _with_event_ids(log: pl.DataFrame, report: dict[str, Any]) -> pl.DataFrame:
    """Give events without id the md5 of their content; equal rows are numbered, so that ids differ."""
    report["event_ids_made"] = log["event_id"].null_count()
    if not report["event_ids_made"]:
        return log
    names = sorted(name for name in log.columns if name != "event_id")
    parts = [_digests(log.slice(first, _ROWS_PER_DIGEST), names) for first in range(0, log.height, _ROWS_PER_DIGEST)]
    made = pl.DataFrame({"event_id": pl.concat(parts)}).with_row_index("row")
    # Few rows are equal to another one, so only those are numbered; their hashes, which are small, say which may be.
    alike = made.filter(made["event_id"].hash().is_duplicated())
    copies = alike.filter(pl.col("event_id").is_duplicated()).with_columns(
        pl.int_range(pl.len()).over("event_id").alias("n")
    )
    numbered = [
        hashlib.md5(f"{digest}{n}".encode(), usedforsecurity=False).hexdigest() if n else digest
        for digest, n in copies.select("event_id", "n").iter_rows()
    ]
    ids = made["event_id"].scatter(copies["row"], numbered) if numbered else made["event_id"]
    return log.with_columns(pl.coalesce("event_id", ids).alias("event_id"))


def _digests(log: pl.DataFrame, names: list[str]) -> pl.Series:
    """Return the md5 of what every row holds."""
    # DuckDB takes names without regard to case, so columns go in under their numbers.
    content = log.select(
        # Times go in as numbers: how they look as text depends on the zone of the session.
        (pl.col(name).to_physical() if log.schema[name].is_temporal() else pl.col(name)).alias(f"c{place}")
        for place, name in enumerate(names)
    ).to_arrow()
    parts = ", ".join(
        f"""'{name.replace("'", "''")}' || length(c{place}::VARCHAR) || ':' || c{place}::VARCHAR"""
        for place, name in enumerate(names)
    )
    with connect() as connection:
        connection.register("content", content)
        digests = connection.sql(f"SELECT md5(concat_ws('', {parts})) AS event_id FROM content").to_arrow_table()
    return pl.DataFrame(pl.from_arrow(digests))["event_id"]


def _sorted(log: pl.DataFrame) -> pa.Table:
    """Return the log in its order, in chunks, in the types of the schema."""
    order = log.select(pl.arg_sort_by(*ORDER, nulls_last=True)).to_series()
    types = {field.name: field for field in [*REQUIRED, *OPTIONAL]}
    fields, columns = [], []
    # Column by column, so that only one of them is there twice.
    for name in log.columns:
        values = log[name].gather(order).to_arrow()
        field = types.get(name, pa.field(name, values.type))
        if pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type):
            field = pa.field(name, pa.string())
        parts = [values.slice(first, _ROWS_PER_CHUNK) for first in range(0, max(len(values), 1), _ROWS_PER_CHUNK)]
        columns.append(pa.chunked_array([part.cast(field.type) for part in parts], field.type))
        fields.append(field)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))
