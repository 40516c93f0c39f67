"""Bring the events of a journey together and in order: the one shuffle, on one machine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.database import connect
from journeymining.engines.bucket import write_bucket
from journeymining.engines.columns import CODED, FLAGS, MOST_CODES, ROWS
from journeymining.eventlog.schema import REQUIRED, TIMESTAMP
from journeymining.exceptions import EmptyLogError, InputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import duckdb

    Tell = Callable[[str, int, int], None]

EVENTS_PER_BUCKET = 1 << 19
EVENTS_PER_CHUNK = 1 << 19
BYTES_PER_WORKER = 400 << 20
"""What a thread needs for a chunk of the log, and later for a bucket, with ids as long as a UUID."""

UNITS = {"": 1, "B": 1}
UNITS |= {f"{letter}{end}": 1000**power for power, letter in enumerate("KMGT", 1) for end in ("", "B")}
UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)}

Item = TypeVar("Item")
Found = TypeVar("Found")


def bucket_of(journey_id: str, buckets: int) -> int:
    """Return the bucket of a journey: the first four hexadecimal digits of its MD5, modulo the number of buckets.

    Every engine and version has MD5, so a journey lies in the same bucket wherever the log is partitioned.

    Examples
    --------
    >>> bucket_of("journey-17", 16)
    9
    """
    return int(hashlib.md5(journey_id.encode(), usedforsecurity=False).hexdigest()[:4], 16) % buckets


def buckets_of(journey_ids: pl.Series, buckets: int) -> np.ndarray:
    """Return the bucket of every journey, see `bucket_of`."""
    with _database().cursor() as database:
        database.register("journeys", journey_ids.alias("id").to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()))
        # The digest as a number has its first byte lowest.
        found = database.sql("SELECT (md5_number(id) & 65535)::USMALLINT AS first FROM journeys").fetchnumpy()
    return np.asarray(found["first"]).byteswap() % np.uint16(buckets)


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Return a database that digests for all threads, each of them alone: opening one takes as long as its work."""
    database = connect()
    database.execute("SET threads = 1")
    return database


def suitable_buckets(events: int) -> int:
    """Return the smallest power of two that leaves about half a million events to a bucket, at most 1024.

    Examples
    --------
    >>> suitable_buckets(1000), suitable_buckets(10_000_000)
    (1, 32)
    """
    return min(1024, 1 << max(0, (events - 1) // EVENTS_PER_BUCKET).bit_length())


def bytes_of(memory_limit: str) -> int:
    """Return how many bytes a limit such as ``2GB`` or ``512 MiB`` is.

    Examples
    --------
    >>> bytes_of("4GB"), bytes_of("512 MiB")
    (4000000000, 536870912)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", memory_limit)
    if found is None or found[2].upper() not in UNITS or not float(found[1]):
        raise UsageError(
            f"Unknown memory limit '{memory_limit}'. A number with a unit is needed, such as 4GB or 512MiB."
        )
    return int(float(found[1]) * UNITS[found[2].upper()])


def half_of_memory() -> int:
    """Return half of the memory of this machine in bytes: the limit where none is given."""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 4 * 1000**3


def check_columns(schema: pa.Schema, *, where: str) -> None:
    """Refuse a table that is not an event log, saying which column is to be mended."""
    for needed in REQUIRED:
        if needed.name not in schema.names:
            raise InputError.missing_column(needed.name, schema.names, where=where)
    found = schema.field("timestamp").type
    if found != TIMESTAMP:
        raise InputError(f"{where}: column 'timestamp' is {found}, needed is {TIMESTAMP}: read it with to_event_log().")


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source that follow each other: what is read at once."""

    source: pa.Table | Path
    first: int
    rows: int

    def read(self, columns: Sequence[str]) -> pl.DataFrame:
        """Return those of the columns that the source has, in one piece."""
        if isinstance(self.source, pa.Table):
            part = self.source.select([name for name in columns if name in self.source.column_names])
            return pl.DataFrame(pl.from_arrow(part.slice(self.first, self.rows))).rechunk()
        scan = pl.scan_parquet(self.source, hive_partitioning=False, use_statistics=False)
        known = set(scan.collect_schema().names())
        chosen = scan.select(name for name in columns if name in known)
        return chosen.slice(self.first, self.rows).collect().rechunk()


@dataclass
class Shuffle:
    """One shuffle of an event log into buckets.

    Every chunk of the log is coded, put in the order of its buckets and written as a run: an Arrow file whose n-th
    batch is what the chunk has for the n-th bucket. A bucket is the n-th batches of all runs.
    """

    source: pa.Table | Sequence[Path]
    folder: Path
    memory_limit: str | None = None
    threads: int | None = None
    tell: Tell | None = None
    runs: list[Path] = field(default_factory=list)
    values: dict[str, pl.Series] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no event log, and share out the memory."""
        sources = [self.source] if isinstance(self.source, pa.Table) else list(self.source)
        self.sizes = []
        for source in sources:
            if isinstance(source, pa.Table):
                schema, where, groups = source.schema, "event log", [source.num_rows]
            else:
                metadata = pq.read_metadata(source)
                schema, where = metadata.schema.to_arrow_schema(), source.name
                groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
            check_columns(schema, where=where)
            self.sizes.append((source, groups))
        self.events = sum(sum(groups) for _, groups in self.sizes)
        if not self.events:
            raise EmptyLogError("The event log has no events: there is nothing to prepare.")
        self.workers = self.threads or os.cpu_count() or 1
        self.chunk = EVENTS_PER_CHUNK
        limit = half_of_memory() if self.memory_limit is None else bytes_of(self.memory_limit)
        self.workers = max(1, min(self.workers, limit // BYTES_PER_WORKER - 1))
        while self.chunk > 1 << 14 and self.chunk * BYTES_PER_WORKER // EVENTS_PER_CHUNK * 2 > limit:
            self.chunk //= 2
        # Empty series: polars forgets categories that no series has.
        self.values = {name: pl.Series(dtype=pl.Categorical(pl.Categories.random())) for name in CODED}
        self._lock = threading.Lock()

    def partition(self, buckets: int) -> None:
        """Write the runs, with codes in the order in which values were first seen."""
        chunks = [chunk for source, groups in self.sizes for chunk in _chunks(source, groups, self.chunk)]
        (self.folder / "runs").mkdir()
        self.runs = [self.folder / "runs" / f"{number}.arrow" for number in range(len(chunks))]
        work = list(zip(chunks, self.runs, strict=True))
        self._each("Partitioning", lambda one: self._write_run(*one, buckets), work, [chunk.rows for chunk in chunks])
        for column, count in self.missing.items():
            raise InputError(f"event log: {count} of {self.events} events have no {column}.")

    def dictionaries(self) -> dict[str, list[str]]:
        """Return the distinct values of every coded column, in alphabetical order of their code points."""
        found: dict[str, list[str]] = {}
        for column, kind in CODED.items():
            values = self._seen(column)
            if len(values) > MOST_CODES[kind]:
                raise InputError(f"event log: column '{column}' has {len(values)} distinct values, too many to code.")
            found[column] = values.sort().to_list()
        return found

    def sort_buckets(self, buckets: int, *, journeys: pa.Table | None) -> list[dict[str, Any]]:
        """Write every bucket, and remove the runs; return what each holds, in their order."""
        flags = flags_of_buckets(journeys, buckets)
        ranks = {name: _ranks(self._seen(name)) for name in CODED}

        def sort(number: int) -> dict[str, Any]:
            rows = self._read_bucket(number, ranks)
            return write_bucket(rows, self.folder / f"bucket={number:03d}", flags=flags.get(number))

        contents = self._each("Sorting", sort, range(buckets), [1] * buckets)
        shutil.rmtree(self.folder / "runs")
        return contents

    def _write_run(self, chunk: Chunk, path: Path, buckets: int) -> None:
        names = [*REQUIRED.names, *(name for name in ROWS if name not in REQUIRED.names and name != "time")]
        events = chunk.read(names)
        self._count_missing(events)
        texts = [name for name, kind in ROWS.items() if kind == pl.String]
        events = events.select(
            *(pl.col(name).cast(pl.String) for name in texts),
            pl.col("timestamp").to_physical().alias("time"),
            *(
                pl.col(name).cast(pl.String).cast(self.values[name].dtype).to_physical()
                for name in CODED
                if name in events
            ),
            *(pl.col(name).cast(ROWS[name]) for name in ("source_order", "duration", "value") if name in events),
        )
        ids = events["journey_id"]
        # A value that is missing is an error, told when all are counted.
        bucket = buckets_of(ids.fill_null("") if ids.null_count() else ids, buckets)
        order = np.argsort(bucket, kind="stable")
        ends = np.cumsum(np.bincount(bucket, minlength=buckets)).tolist()
        table = events[order].to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
        with pa.ipc.new_file(path, table.schema) as file:
            for start, end in zip([0, *ends[:-1]], ends, strict=True):
                file.write_table(table.slice(start, end - start)) if end > start else file.write_batch(_nothing(table))

    def _seen(self, column: str) -> pl.Series:
        """Return the distinct values of a coded column, each at its code of the runs."""
        kind = self.values[column].dtype
        assert isinstance(kind, pl.Categorical)
        # Slow, one value at a time, but there are few.
        return kind.categories.to_series()

    def _count_missing(self, events: pl.DataFrame) -> None:
        for needed in REQUIRED:
            if not needed.nullable and (count := events[needed.name].null_count()):
                with self._lock:
                    self.missing[needed.name] = self.missing.get(needed.name, 0) + count

    def _read_bucket(self, number: int, ranks: dict[str, pl.Series]) -> pl.DataFrame:
        parts = []
        for path in self.runs:
            with pa.OSFile(str(path)) as file:
                parts.append(pa.ipc.open_file(file).get_batch(number))
        tables = [pa.Table.from_batches([part]) for part in parts if part.num_rows]
        if not tables:
            return pl.DataFrame(schema=ROWS)
        rows = pl.DataFrame(pl.from_arrow(pa.concat_tables(tables, promote_options="default"))).rechunk()
        coded = [
            ranks[name].gather(rows[name]).fill_null(-1).cast(kind).alias(name)
            if name in rows.columns
            else pl.repeat(-1, rows.height, dtype=kind, eager=True).alias(name)
            for name, kind in CODED.items()
        ]
        plain = [
            rows[name] if name in rows.columns else pl.repeat(None, rows.height, dtype=kind, eager=True).alias(name)
            for name, kind in ROWS.items()
            if name not in CODED
        ]
        return pl.DataFrame(plain + coded).select(list(ROWS))

    def _each(self, what: str, do: Callable[[Item], Found], items: Iterable[Item], sizes: Sequence[int]) -> list[Found]:
        """Do the same for every item on the threads, results in their order; the first failure ends it all."""
        done, total = 0, sum(sizes)
        found: list[Found] = []
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for result, size in zip(pool.map(do, items), sizes, strict=True):
                    found.append(result)
                    done += size
                    if self.tell is not None:
                        self.tell(what, done, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return found


def _chunks(source: pa.Table | Path, groups: Sequence[int], most: int) -> Iterator[Chunk]:
    """Cut a source into chunks of about so many rows: at row groups, but for those that are far larger."""
    first = rows = 0
    for group in groups:
        if rows and rows + group > most:
            yield Chunk(source, first, rows)
            first, rows = first + rows, 0
        rows += group
        while rows > 2 * most:
            yield Chunk(source, first, most)
            first, rows = first + most, rows - most
    if rows:
        yield Chunk(source, first, rows)


def flags_of_buckets(journeys: pa.Table | None, buckets: int) -> dict[int, pl.DataFrame]:
    """Return the flags of the journeys of every bucket."""
    if journeys is None:
        return {}
    if "journey_id" not in journeys.schema.names:
        raise InputError.missing_column("journey_id", journeys.schema.names, where="journeys")
    wanted = [name for name in ("journey_id", *FLAGS) if name in journeys.schema.names]
    frame = pl.DataFrame(pl.from_arrow(journeys.select(wanted))).with_columns(pl.col("journey_id").cast(pl.String))
    if twice := frame.height - frame["journey_id"].n_unique():
        raise InputError(f"journeys: {twice} rows repeat a journey_id; one row per journey is needed.")
    parts = frame.with_columns(pl.Series("bucket", buckets_of(frame["journey_id"], buckets)))
    return {int(key[0]): part for key, part in parts.partition_by("bucket", as_dict=True, include_key=False).items()}


def _nothing(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=table.schema)


def _ranks(values: pl.Series) -> pl.Series:
    """Return the place of every value in the alphabetical list of all of them."""
    ranks = np.empty(len(values), dtype=np.int32)
    ranks[values.arg_sort().to_numpy()] = np.arange(len(values), dtype=np.int32)
    return pl.Series(ranks)
