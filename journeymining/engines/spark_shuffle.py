"""The one shuffle on Spark: events from any path that it reads become the buckets that one machine would make."""

from __future__ import annotations

import re
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.engines.bucket import code_columns, no_rows, write_bucket
from journeymining.engines.columns import CODED, MOST_CODES, NUMBERS
from journeymining.engines.partition import check_columns, flags_of_buckets, suitable_buckets
from journeymining.engines.prepared_log import is_url
from journeymining.engines.spark_engine import RESULTS_OF_SPARK, Spark, collect_results, result_rows
from journeymining.eventlog.schema import REQUIRED, TIMESTAMP
from journeymining.exceptions import EmptyLogError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from journeymining.engines.engine import Engine

TEXT = ("event_id", "customer_id", "journey_id", *CODED)
PATTERN = re.compile(r"([\\*?\[\]{},])")
SPARK_WROTE = b"org.apache.spark.version"
READ_AT_A_TIME = 16
FOOTER_END = 8
"""The last bytes of a Parquet file: how long its footer is, and ``PAR1``."""


def shuffle(
    source: pa.Table | Sequence[str | Path],
    folder: Path,
    *,
    engine: Engine,
    buckets: int | None,
    journeys: pa.Table | None,
) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Write the buckets of an event log into a folder that all executors see.

    Parameters
    ----------
    source : Table, or files, folders and addresses such as ``hdfs://host/events``
        An event log in Parquet; of folders and addresses, every file below whose name ends in ``.parquet``.
    folder : Path
    engine : Spark, see `journeymining.engines.spark_engine`
    buckets : int, default about half a million events each
    journeys : Table, optional
        As of `journeymining.engines.prepared_log.prepare`.

    Returns
    -------
    dictionaries, contents
        What `journeymining.engines.prepared_log.write_manifest` takes.
    """
    assert isinstance(engine, Spark)  # no other engine has sessions
    if isinstance(source, pa.Table):
        check_columns(source.schema, where="event log")
        (folder / "raw").mkdir()
        pq.write_table(source, folder / "raw" / "events.parquet", compression="zstd")
        source = [folder / "raw"]
    events = read_events(source, engine.session)
    number = count_events(events)
    buckets = buckets or suitable_buckets(number)
    dictionaries = distinct_values(events)
    (folder / "flags").mkdir()
    for bucket, flags in flags_of_buckets(journeys, buckets).items():
        flags.write_ipc(folder / "flags" / f"{bucket}.arrow")
    contents = _write_buckets(events, folder, buckets, dictionaries)
    for number in range(buckets):
        (folder / f"bucket={number:03d}").stat()
    for scratch in ("raw", "flags"):
        shutil.rmtree(folder / scratch, ignore_errors=True)
    for attempt in folder.glob(".attempt-*"):
        shutil.rmtree(attempt, ignore_errors=True)
    return dictionaries, contents


def read_events(source: Sequence[str | Path], session: SparkSession) -> DataFrame:
    """Return the columns of an event log, as Spark reads them; refuse files that are none by their footers."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    places = [_as_spark_reads(place) for place in source]
    options = {"recursiveFileLookup": "true", "pathGlobFilter": "*.parquet"}
    try:
        # As bytes, which are not read: only which files there are.
        files = sorted(session.read.format("binaryFile").options(**options).load(places).inputFiles())
    except AnalysisException as error:
        if error.getCondition() == "PATH_NOT_FOUND":
            raise InputError(f"{', '.join(map(str, source))} does not exist.") from error
        raise
    if not files:
        raise InputError(f"{', '.join(map(str, source))}: no Parquet file found.")
    with ThreadPoolExecutor(READ_AT_A_TIME) as pool:
        for file, schema in zip(files, pool.map(lambda file: _arrow_schema(file, session), files), strict=True):
            check_columns(schema, where=PurePosixPath(unquote(urlsplit(file).path)).name)
    try:
        found = session.read.options(**options).parquet(*places)
    except Exception as error:
        raise InputError(f"event log: Spark cannot read its files together: {_first_line(error)}") from error
    kinds = {**dict.fromkeys(TEXT, "string"), "source_order": "bigint", **dict.fromkeys(NUMBERS, "double")}
    chosen = [F.col("timestamp")]
    for field in found.schema.fields:
        if field.name not in kinds:
            continue
        kind = field.dataType.simpleString()
        if field.name in TEXT and kind not in ("string", "binary", "boolean", "tinyint", "smallint", "int", "bigint"):
            raise InputError(f"event log: column '{field.name}' is {kind}, text is needed.")
        chosen.append(F.col(field.name).cast(kinds[field.name]))
    return found.select(chosen)


def count_events(events: DataFrame) -> int:
    """Count the events; refuse an empty log and events without a required value."""
    from pyspark.sql import functions as F

    needed = [field.name for field in REQUIRED if not field.nullable]
    number, *filled = events.select(F.count(F.lit(1)), *(F.count(name) for name in needed)).collect()[0]
    if not number:
        raise EmptyLogError("The event log has no events: there is nothing to prepare.")
    for name, values in zip(needed, filled, strict=True):
        if values < number:
            raise InputError(f"event log: {number - values} of {number} events have no {name}.")
    return int(number)


def distinct_values(events: DataFrame) -> dict[str, list[str]]:
    """Return the distinct values of every coded column, in alphabetical order of their code points."""
    from pyspark.sql import functions as F

    found: dict[str, list[str]] = {name: [] for name in CODED}
    parts = [
        events.select(F.lit(name).alias("name"), F.col(name).alias("value")).where(F.col(name).isNotNull()).distinct()
        for name in CODED
        if name in events.columns
    ]
    for batch in reduce(lambda one, other: one.unionAll(other), parts).toArrow().to_batches():
        for name, value in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            found[name].append(value)
    for name, values in found.items():
        if len(values) > MOST_CODES[CODED[name]]:
            raise InputError(f"event log: column '{name}' has {len(values)} distinct values, too many to code.")
        values.sort()
    return found


def _write_buckets(
    events: DataFrame, folder: Path, buckets: int, dictionaries: dict[str, list[str]]
) -> list[dict[str, Any]]:
    """Bring every bucket's events to one task each, which sorts, codes and writes them."""
    from pyspark.sql import functions as F

    digits = F.conv(F.substring(F.md5(F.col("journey_id").cast("binary")), 1, 4), 16, 10)
    partitioned = events.withColumn("bucket", digits.cast("int") % F.lit(buckets)).repartitionById(buckets, "bucket")

    def on_executor(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None  # an executor runs tasks and nothing else
        number = context.partitionId()
        yield from result_rows(number, lambda: _write_bucket(batches, folder, number, dictionaries))

    return collect_results(partitioned.mapInArrow(on_executor, RESULTS_OF_SPARK))


def _write_bucket(
    batches: Iterable[pa.RecordBatch], folder: Path, number: int, dictionaries: dict[str, list[str]]
) -> dict[str, Any]:
    """Write a bucket under a name of its own, then move it: Spark may do a task twice, even at the same time."""
    folder.stat()
    found = [batch for batch in batches if batch.num_rows]
    rows = no_rows()
    if found:
        events = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(found))).rechunk()
        if set(events.drop_in_place("bucket")) != {number}:
            raise AssertionError(f"Spark gave the task of bucket {number} events of another one.")
        rows = code_columns(events, dictionaries)
    kept = folder / "flags" / f"{number}.arrow"
    flags = pl.read_ipc(kept) if kept.exists() else None
    place, attempt = folder / f"bucket={number:03d}", folder / f".attempt-{uuid.uuid4().hex}"
    account = write_bucket(rows, attempt, flags=flags)
    try:
        attempt.rename(place)
    except OSError:
        if not place.exists():
            raise
        # Another attempt was first, and equal.
        shutil.rmtree(attempt)
    return account


def _as_spark_reads(place: str | Path) -> str:
    """Return a place as Spark takes it: nothing in it is decoded, and some characters are patterns."""
    if is_url(place):
        decoded = Path(unquote(urlsplit(str(place)).path))
        if not str(place).startswith("file:") or not decoded.exists():
            return str(place)
        place = decoded
    return "file://" + PATTERN.sub(r"\\\1", Path(place).resolve().as_posix())


def _arrow_schema(file: str, session: SparkSession) -> pa.Schema:
    """Read the schema of a Parquet file, wherever Spark can read: its footer, as pyarrow understands it."""
    java = session.sparkContext._jvm
    assert java is not None  # the session runs
    path = java.org.apache.hadoop.fs.Path(java.java.net.URI(file))
    system = path.getFileSystem(session.sparkContext._jsc.hadoopConfiguration())
    length = system.getFileStatus(path).getLen()
    stream = system.open(path)
    try:
        end = _bytes_from(java, stream, max(0, length - FOOTER_END))
        if len(end) < FOOTER_END or end[4:] != b"PAR1":
            raise InputError(f"{PurePosixPath(file).name}: no Parquet file.")
        start = length - FOOTER_END - int.from_bytes(end[:4], "little")
        footer = _bytes_from(java, stream, max(0, start))
    finally:
        stream.close()
    # Only the footer is looked at, so the file may lack all that comes before.
    schema = pq.read_schema(pa.BufferReader(b"PAR1" + footer))
    place = schema.get_field_index("timestamp")
    if SPARK_WROTE in (schema.metadata or {}) and place >= 0 and schema.field(place).type == pa.timestamp("ns"):
        # Spark's own old form of an instant (INT96) says no zone and no unit; they are always these.
        schema = schema.set(place, pa.field("timestamp", TIMESTAMP))
    return schema


def _bytes_from(java: Any, stream: Any, start: int) -> bytes:
    stream.seek(start)
    return bytes(java.org.apache.commons.io.IOUtils.toByteArray(stream))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
