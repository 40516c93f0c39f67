"""Bring the events of a journey together and in order: the one shuffle, on one machine."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.engines.columns import CODED, EVENTS, FLAGS, JOURNEYS, MOST_CODES, NUMBERS
from journeymining.eventlog.schema import REQUIRED, TIMESTAMP
from journeymining.exceptions import EmptyLogError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

EVENTS_PER_BUCKET = 1 << 19
TIE_BREAKERS = ("source_order", "event_id")


def bucket_of(journey_id: str, buckets: int) -> int:
    """Return the bucket of a journey: the first four hexadecimal digits of its MD5, modulo the number of buckets.

    Every engine and version has MD5 as text, so a journey lies in the same bucket wherever the log is partitioned.

    Examples
    --------
    >>> bucket_of("journey-17", 16)
    9
    """
    return int(hashlib.md5(journey_id.encode(), usedforsecurity=False).hexdigest()[:4], 16) % buckets


def suitable_buckets(events: int) -> int:
    """Return the smallest power of two that leaves about half a million events to a bucket, at most 1024.

    Examples
    --------
    >>> suitable_buckets(1000), suitable_buckets(10_000_000)
    (1, 32)
    """
    return min(1024, 1 << max(0, (events - 1) // EVENTS_PER_BUCKET).bit_length())


def check_columns(schema: pa.Schema, *, where: str) -> None:
    """Refuse a table that is not an event log, saying which column is to be mended."""
    for field in REQUIRED:
        if field.name not in schema.names:
            raise InputError.missing_column(field.name, schema.names, where=where)
    found = schema.field("timestamp").type
    if found != TIMESTAMP:
        raise InputError(f"{where}: column 'timestamp' is {found}, needed is {TIMESTAMP}: read it with to_event_log().")


class Shuffle:
    """One shuffle of an event log into buckets: what is read, with which settings, into which folder."""

    def __init__(
        self, source: pa.Table | Sequence[Path], folder: Path, *, memory_limit: str | None, threads: int | None
    ) -> None:
        self.folder = folder
        self.threads = threads
        self.database = duckdb.connect(":memory:")
        self.database.execute("SET preserve_insertion_order = false")
        self.database.execute("SET enable_progress_bar = false")
        self.database.execute(f"SET temp_directory = '{_quoted(folder / 'spill')}'")
        if memory_limit is not None:
            self.database.execute(f"SET memory_limit = '{_quoted(memory_limit)}'")
        if threads is not None:
            self.database.execute(f"SET threads = {int(threads)}")
        if isinstance(source, pa.Table):
            schema, where = source.schema, "event log"
            self.database.register("log", source)
        else:
            schema, where = pq.read_schema(source[0]), source[0].name
            files = ", ".join(f"'{_quoted(path)}'" for path in source)
            self.database.execute(f"CREATE VIEW log AS SELECT * FROM read_parquet([{files}], union_by_name = true)")
        check_columns(schema, where=where)
        self.columns: list[str] = [str(row[0]) for row in self.database.execute("DESCRIBE log").fetchall()]

    def count(self) -> int:
        """Count the events; refuse an empty log and events without a required value."""
        needed = [field.name for field in REQUIRED if not field.nullable]
        counts = ", ".join(f"count({column})" for column in needed)
        events, *filled = self._row(f"SELECT count(*), {counts} FROM log")
        if not events:
            raise EmptyLogError("The event log has no events: there is nothing to prepare.")
        for column, values in zip(needed, filled, strict=True):
            if values < events:
                raise InputError(f"event log: {events - values} of {events} events have no {column}.")
        return int(events)

    def dictionaries(self) -> dict[str, list[str]]:
        """Return the distinct values of every coded column, in alphabetical order of their code points."""
        found: dict[str, list[str]] = {}
        for column, kind in CODED.items():
            if column not in self.columns:
                found[column] = []
                continue
            self.database.execute(
                f"CREATE TYPE {column}_code AS ENUM "
                f"(SELECT DISTINCT {column}::VARCHAR FROM log WHERE {column} IS NOT NULL ORDER BY 1)"
            )
            (values,) = self._row(f"SELECT enum_range(NULL::{column}_code)")
            if len(values) > MOST_CODES[kind]:
                raise InputError(f"event log: column '{column}' has {len(values)} distinct values, too many to code.")
            found[column] = list(values)
        return found

    def partition(self, buckets: int) -> None:
        """Write the encoded events of every bucket to its own folder, in no particular order."""
        coded = [
            f"coalesce(enum_code({column}::{column}_code)::INTEGER, -1) AS {column}"
            if column in self.columns
            else f"-1 AS {column}"
            for column in CODED
        ]
        numbers = [f"{column if column in self.columns else 'NULL'}::DOUBLE AS {column}" for column in NUMBERS]
        order = "source_order" if "source_order" in self.columns else "NULL"
        # The digest as a number (md5_number) would read better and takes three times as long.
        query = f"""
            SELECT ('0x' || substr(md5(journey_id), 1, 4))::USMALLINT % {buckets} AS bucket,
                   journey_id, customer_id, event_id, epoch_us(timestamp) AS time, {order}::BIGINT AS source_order,
                   {", ".join(coded + numbers)}
            FROM log"""
        self.database.execute(
            f"COPY ({query}) TO '{_quoted(self.folder / 'parts')}' (FORMAT parquet, PARTITION_BY (bucket))"
        )

    def close(self) -> None:
        """Let go of the database and what it read."""
        self.database.close()

    def _row(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self.database.execute(query).fetchone()
        assert row is not None  # every query that comes here is an aggregate
        return row


def sort_buckets(folder: Path, buckets: int, *, journeys: pa.Table | None, threads: int | None) -> list[dict[str, Any]]:
    """Sort and code every partition of a folder into its bucket; return what each holds, in bucket order."""
    flags = _flags(journeys)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: _sort_bucket(folder, number, flags), range(buckets)))


def _sort_bucket(folder: Path, number: int, flags: pl.DataFrame | None) -> dict[str, Any]:
    parts = sorted((folder / "parts" / f"bucket={number}").glob("*.parquet"))
    events = pl.concat([pl.read_parquet(part) for part in parts]) if parts else _no_events()
    journeys = events.group_by("journey_id").agg(
        pl.col("customer_id").min(),
        (pl.col("customer_id").min() != pl.col("customer_id").max()).alias("mixed"),
        pl.len().cast(pl.Int32).alias("events"),
        pl.col("time").min().alias("start"),
        pl.col("time").max().alias("end"),
    )
    if mixed := journeys["mixed"].sum():
        raise InputError(
            f"event log: {mixed} journeys have events of more than one customer; a journey belongs to one customer."
        )
    journeys = journeys.sort("journey_id").with_row_index("journey")
    if flags is not None:
        journeys = journeys.join(flags, on="journey_id", how="left", maintain_order="left")
    for flag in FLAGS:
        if flag not in journeys.columns:
            journeys = journeys.with_columns(pl.lit(None, pl.Boolean).alias(flag))
    journeys = journeys.select(pl.col(name).cast(kind) for name, kind in JOURNEYS.items())

    events = events.join(journeys.select("journey_id", "journey"), on="journey_id").drop("journey_id", "customer_id")
    # After the event's own id every other column, so that even events with the same id have one order.
    rest = [name for name in (*CODED, *NUMBERS) if name != "journey"]
    events = events.sort("journey", "time", *TIE_BREAKERS, *rest, nulls_last=True)
    same_moment = (pl.col("journey").diff() == 0) & (pl.col("time").diff() == 0)
    by_id = same_moment & (pl.col("source_order").eq_missing(pl.col("source_order").shift()))
    tied, decided_by_id = events.select(same_moment.sum().alias("tied"), by_id.sum().alias("by_id")).row(0)
    events = events.select(pl.col(name).cast(kind) for name, kind in EVENTS.items())

    target = folder / f"bucket={number:03d}"
    target.mkdir()
    written = [target / "events.parquet", target / "journeys.parquet"]
    for table, path in zip((events, journeys), written, strict=True):
        table.write_parquet(path, compression="zstd", compression_level=1)
    for part in parts:
        part.unlink()
    return {
        "events": events.height,
        "journeys": journeys.height,
        "first_time": events["time"].min(),
        "last_time": events["time"].max(),
        "tied": int(tied or 0),
        "ordered_by_event_id": int(decided_by_id or 0),
        "digest": hashlib.sha256(b"".join(path.read_bytes() for path in written)).hexdigest(),
    }


def _flags(journeys: pa.Table | None) -> pl.DataFrame | None:
    if journeys is None:
        return None
    if "journey_id" not in journeys.schema.names:
        raise InputError.missing_column("journey_id", journeys.schema.names, where="journeys")
    frame = pl.DataFrame(
        pl.from_arrow(journeys.select([c for c in ("journey_id", *FLAGS) if c in journeys.schema.names]))
    )
    if twice := frame.height - frame["journey_id"].n_unique():
        raise InputError(f"journeys: {twice} rows repeat a journey_id; one row per journey is needed.")
    return frame


def _no_events() -> pl.DataFrame:
    """Return the empty partition: a bucket may be without journeys."""
    kinds = {
        "journey_id": pl.String,
        "customer_id": pl.String,
        "event_id": pl.String,
        "time": pl.Int64,
        "source_order": pl.Int64,
        **CODED,
        **NUMBERS,
    }
    return pl.DataFrame(schema=kinds)


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
