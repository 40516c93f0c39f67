"""Which journeys of a LOG go on: a table of marks, beside the log or given, or how near its end they were last seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from journeymining.eventlog.written import AnyLog

EVENTS, BESIDE = "events.parquet", "journeys.parquet"

open_option = click.option(
    "--open-journeys",
    "open_file",
    metavar="FILE",
    help="CSV or Parquet: journey_id, open; which journeys go on. Default: what a run left beside its events.parquet.",
)


@dataclass(frozen=True)
class OpenJourneys:
    """Marks per journey (none: nothing is known), the file they come from, and a sentence that says so."""

    marks: pa.Table | None = None
    file: Path | None = None
    said: str = "No journey is marked as open: all of them count as ended."

    def inputs(self) -> dict[str, Path]:
        """Return the file, as an input of what was found."""
        return {} if self.file is None else {"open_journeys": self.file}


def open_journeys(log: str, table: AnyLog, file: str | None, *, after: str | None = None) -> OpenJourneys:
    """Find out which journeys of a log are open.

    Parameters
    ----------
    log : str
        What the command was given as LOG.
    table : Table or WrittenLog, one row per event
        The log as it was read, or as it stands in its files.
    file : str, optional
        One row per journey: ``journey_id``, ``open`` (true, false, or null: not known) and optionally
        ``left_truncated``. Without it, ``journeys.parquet`` beside ``events.parquet``, as a run leaves both; a log of
        another name may lie there by chance.
    after : duration, optional
        Journeys whose last event is this close to the log's end are open; instead of a file.

    Raises
    ------
    UsageError
        If both are given.
    InputError
        If the file is not there, lacks a column, says neither true nor false, or knows no journey of the log.
    """
    from journeymining.exceptions import InputError, UsageError

    if after is not None:
        if file is not None:
            raise UsageError("--open-after and --open-journeys both say which journeys are open: give one of them.")
        marks = _near_the_end(_columns(table, "journey_id", "timestamp"), after)
        return OpenJourneys(marks.to_arrow(), None, _sum(marks, f"seen within {after} of the log's end"))
    place = Path(file) if file is not None else _beside(log)
    if place is None:
        return OpenJourneys()
    known = _columns(table, "journey_id").unique().collect()
    marks = known.join(_read(place), on="journey_id", how="left", maintain_order="left")
    if file is not None and marks["open"].null_count() == marks.height:
        raise InputError(f"{place}: says of no journey of the log whether it is open.")
    return OpenJourneys(marks.to_arrow(), place, _sum(marks, f"as {place} says"))


def _beside(log: str) -> Path | None:
    """Return the table of journeys that a run left beside its events; None where there is none, or it is no such."""
    import polars as pl

    path = Path(log) / EVENTS if Path(log).is_dir() else Path(log)
    beside = path.parent / BESIDE
    if path.name != EVENTS or not path.is_file() or not beside.is_file():
        return None
    return beside if {"journey_id", "open"} <= pl.scan_parquet(beside).collect_schema().keys() else None


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    from journeymining.exceptions import InputError

    if not path.is_file():
        raise InputError(f"{path}: there is no such file of open journeys.")
    flags = {"open", "left_truncated"}
    try:
        frame = pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: cannot be read as a table of journeys ({error}).") from None
    for name in ("journey_id", "open"):
        if name not in frame.columns:
            raise InputError.missing_column(name, frame.columns, where=str(path))
    frame = frame.select(pl.col("journey_id").cast(pl.String), *sorted(flags & set(frame.columns)))
    for name in flags & set(frame.columns):
        if frame.schema[name] != pl.Boolean:
            told = frame[name].cast(pl.String).str.to_lowercase()
            read = told.replace_strict({"true": True, "false": False, "": None}, default=None, return_dtype=pl.Boolean)
            if read.null_count() > told.is_in(["", None], nulls_equal=True).sum():
                wrong = told.filter(read.is_null() & (told != ""))[0]
                raise InputError(f"{path}: column '{name}' says {wrong!r}; write true, false or nothing.")
            frame = frame.with_columns(read.alias(name))
    twice = frame["journey_id"].is_duplicated().sum()
    if twice:
        raise InputError(f"{path}: {twice} rows name a journey that another row names, too; one row per journey.")
    return frame


def _columns(table: AnyLog, *names: str) -> pl.LazyFrame:
    import polars as pl

    from journeymining.eventlog.written import WrittenLog

    if isinstance(table, WrittenLog):
        return pl.scan_parquet(list(table.files), hive_partitioning=False).select(names)
    return pl.LazyFrame(pl.from_arrow(table.select(list(names))))


def _near_the_end(events: pl.LazyFrame, after: str) -> pl.DataFrame:
    import polars as pl

    from journeymining.durations import parse_duration

    ends = events.group_by("journey_id").agg(pl.col("timestamp").max()).collect()
    near = (ends["timestamp"].max() - pl.col("timestamp")) < parse_duration(after)
    return ends.select("journey_id", near.alias("open"))


def _sum(marks: pl.DataFrame, source: str) -> str:
    unknown = marks["open"].null_count()
    rest = f"; of {unknown} nothing is said" if unknown else ""
    return f"{int(marks['open'].sum() or 0)} of {marks.height} journeys are open, {source}{rest}."
