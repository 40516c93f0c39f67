"""Stitching on Spark: what hangs together is brought together once, then each part is resolved as on one machine."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from journeymining.database import connect
from journeymining.identity.resolving import limits_of, resolve
from journeymining.identity.spark_components import connected_components

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from pyspark.sql import DataFrame, SparkSession

    from journeymining.identity.resolving import Steps
    from journeymining.identity.settings import IdentityConfig

USES_PER_BUCKET = 1_000_000
"""What one task resolves at a time; some 250 bytes of memory for each."""

RECORD, LINK, STEPS = "record", "link", "steps"

RESOLVED = pa.schema(
    [
        *((name, pa.string()) for name in ("what", "source", "event_id", "named_by", "customer_id")),
        *((name, pa.string()) for name in ("kind", "value_hash")),
        *((name, pa.timestamp("us", tz="UTC")) for name in ("valid_from", "valid_to")),
        *((name, pa.string()) for name in ("rule", "strength", "counts")),
    ]
)
"""What a task returns: rows of ``named_records`` and of ``customers``, and its counts as JSON; ``what`` says which."""


def resolve_on_spark(
    connection: duckdb.DuckDBPyConnection,
    spark: SparkSession,
    identifiers: pa.Table | str | Path,
    settings: IdentityConfig,
    *,
    memory_limit: str | None = None,
) -> Steps:
    """Do what `journeymining.identity.resolving.resolve` does, on Spark, with equal results.

    Values that stand with more accounts than allowed join nobody under any rule: they are counted and set aside first,
    so that a kiosk or a hotline does not chain everybody. Of the rest, connected components say what hangs together,
    and whole components are resolved by one task. The largest component must fit into the memory of one executor.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Gets the tables ``named_records`` and ``customers``.
    spark : SparkSession
    identifiers : pa.Table or path of Parquet that Spark can read
        As of `journeymining.identity.stitching.stitch`.
    settings : IdentityConfig
    memory_limit : str, optional
        What DuckDB may use within one task.
    """
    uses = _uses(spark, identifiers, settings).localCheckpoint()
    aside = _too_many_accounts(spark, uses, settings).localCheckpoint()
    rest = uses.join(aside, ["kind", "value_hash"], "left_anti")
    count = uses.count()
    buckets = max(spark.sparkContext.defaultParallelism, -(-count // USES_PER_BUCKET))

    def task(bucket: pa.Table) -> pa.Table:
        return _resolve_bucket(bucket, settings, memory_limit)

    found = _with_buckets(rest, buckets).groupBy("bucket").applyInArrow(task, _spark_schema()).toArrow()
    if not found.num_rows:
        # No identifier may join anything: there was no task to count that.
        return resolve(connection, settings)
    connection.register("resolved", found.cast(RESOLVED))
    connection.execute(_TABLES)
    parts = [json.loads(text) for text in found.filter(pc.equal(found["what"], STEPS))["counts"].to_pylist()]
    return _sum(settings, parts, aside.toArrow().to_pylist())


_TABLES = """
CREATE OR REPLACE TEMP TABLE named_records AS
    SELECT source, event_id, named_by, customer_id FROM resolved WHERE what = 'record';
CREATE OR REPLACE TEMP TABLE customers AS
    SELECT kind, value_hash, customer_id, valid_from, valid_to, rule, strength FROM resolved WHERE what = 'link';
"""


def _uses(spark: SparkSession, identifiers: pa.Table | str | Path, settings: IdentityConfig) -> DataFrame:
    """Return the identifiers that may join, with ``accounts``: how many unique values their record carries."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    if isinstance(identifiers, pa.Table):
        table = spark.createDataFrame(identifiers)
    else:
        table = spark.read.parquet(str(identifiers))
    account = sql.when(sql.col("kind") == settings.keys[0], sql.col("value_hash"))
    of_record = sql.collect_set(account).over(Window.partitionBy("source", "event_id"))
    return (
        table.select("source", "event_id", "kind", "value_hash", sql.col("timestamp").cast("timestamp"))
        .where(sql.col("value_hash").isNotNull() & sql.col("kind").isin(list(settings.keys)))
        .where(~sql.col("value_hash").isin(list(settings.blocked)) if settings.blocked else sql.lit(True))
        .withColumn("accounts", of_record)
    )


def _too_many_accounts(spark: SparkSession, uses: DataFrame, settings: IdentityConfig) -> DataFrame:
    """Return kind, value_hash and uses of the values that stand with more accounts than allowed in whole records."""
    from pyspark.sql import functions as sql

    limits = spark.createDataFrame(
        [(kind, limit) for kind, limit in limits_of(settings).items()], "kind STRING, most INT"
    )
    return (
        uses.where((sql.size("accounts") <= 1) & (sql.col("kind") != settings.keys[0]))
        .groupBy("kind", "value_hash")
        .agg(
            sql.count_distinct(sql.get("accounts", sql.lit(0))).alias("accounts"),
            sql.count_distinct("source", "event_id").alias("uses"),
        )
        .join(limits, "kind")
        .where("accounts > most")
        .select("kind", "value_hash", "uses")
    )


def _with_buckets(uses: DataFrame, buckets: int) -> DataFrame:
    """Give each record the bucket of the component that it hangs in; one with two accounts hangs in none."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    value = sql.concat_ws(":", "kind", "value_hash")
    record = Window.partitionBy("source", "event_id")
    alone = sql.concat_ws(":", sql.lit(""), "source", "event_id")
    # All values of a record hang together, so an edge from each to the first is enough.
    edges = uses.withColumn("other", value).withColumn("one", sql.min("other").over(record)).localCheckpoint()
    labels = connected_components(edges.where(sql.size("accounts") <= 1).select("one", "other"))
    whole = sql.when(sql.size("accounts") <= 1, sql.col("one"))
    return (
        edges.withColumn("node", whole)
        .join(labels, "node", "left")
        .withColumn("bucket", sql.pmod(sql.xxhash64(sql.coalesce("label", alone)), sql.lit(buckets)).cast("int"))
        .select("bucket", "source", "event_id", "kind", "value_hash", "timestamp")
    )


def _spark_schema() -> str:
    types = {pa.string(): "STRING", pa.timestamp("us", tz="UTC"): "TIMESTAMP"}
    return ", ".join(f"{field.name} {types[field.type]}" for field in RESOLVED)


def _resolve_bucket(identifiers: pa.Table, settings: IdentityConfig, memory_limit: str | None) -> pa.Table:
    """Run the rules on whole components; what a Spark task does."""
    with connect() as connection:
        connection.execute("SET threads = 1")
        if memory_limit:
            connection.execute("SET memory_limit = ?", [memory_limit])
        connection.register("identifiers", identifiers)
        steps = resolve(connection, settings)
        records = connection.sql("SELECT source, event_id, named_by, customer_id FROM named_records").to_arrow_table()
        links = connection.sql("FROM customers").to_arrow_table()
    counts = pa.table({"counts": [json.dumps(steps)]})
    return pa.concat_tables([_row(RECORD, records), _row(LINK, links), _row(STEPS, counts)])


def _row(what: str, table: pa.Table) -> pa.Table:
    """Bring a table to the schema of all that a task returns."""
    columns = {name: table[name] for name in table.column_names}
    columns["what"] = pa.array([what] * len(table), pa.string())
    arrays = [columns.get(field.name, pa.nulls(len(table), field.type)) for field in RESOLVED]
    return pa.table([array.cast(field.type) for array, field in zip(arrays, RESOLVED, strict=True)], schema=RESOLVED)


def _sum(settings: IdentityConfig, parts: list[Steps], aside: list[dict[str, Any]]) -> Steps:
    """Add up the counts of all parts and of the values set aside first."""
    total: Steps = {}
    for kind in settings.keys:
        own = [row for row in aside if row["kind"] == kind]
        values, uses = len(own), sum(row["uses"] for row in own)
        # In the order of the counts of one machine, so that files are equal byte for byte.
        left_out = {"values": values, "uses": uses, "values_left_out": values, "uses_left_out": uses}
        counts: Counter[str] = Counter(left_out)
        for part in parts:
            counts.update({name: count for name, count in part[kind].items() if name != "left_out"})
        hashes = [row["value_hash"] for row in own] + [one for part in parts for one in part[kind]["left_out"]]
        total[kind] = {**counts, "left_out": sorted(hashes)}
    return total
