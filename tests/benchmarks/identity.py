"""Which records are one customer: how fast, beside networkx, Splink and Spark in one run, and how much of the truth.

Run it from the checkout:

- ``python -m tests.benchmarks.identity --edges 20000000``: our components and our whole stitching against networkx and
  Splink, and the same components on Spark. Every contender gets a process of its own, so that peak memory is its own
  too (of Spark only that of Python; its Java gets ``--spark-memory``). The smallest record of each component must be
  the same for all, or the run ends there. networkx takes 1 KB per edge: above ``--networkx-most`` edges it gets a
  tenth, and its figures are multiplied by ten; that is marked. Read the ratios: seconds depend on the machine and on
  what else it does. Splink and Spark take part where they are installed.
- ``python -m tests.benchmarks.identity --truth 1000000``: stitching of so many made-up customers, with shared, changed
  and handed-on telephones, kiosks and an address of hundreds planted, against what is true of them.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks._apart import apart, peak_megabytes, tell, told

LIBRARIES = ("journeymining", "scipy", "duckdb", "numpy", "networkx", "splink", "pyspark")
TENTH = 10
FIGURES = ("seconds", "processor", "peak")
RECORDS_PER_CUSTOMER = 8
VALUES_PER_CUSTOMER = 4


def write_edges(folder, edges, seed):
    """Write edges between records and values, two per record, the values drawn from those of the record's customer.

    ``edges.parquet`` has numbers, ``identifiers.parquet`` and ``events.parquet`` the same as ingest would write them.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    records = edges // 2
    customer = rng.integers(0, records // RECORDS_PER_CUSTOMER, records)
    values = customer[:, None] * VALUES_PER_CUSTOMER + rng.integers(0, VALUES_PER_CUSTOMER, (records, 2))
    table = pa.table({"record": np.repeat(np.arange(records), 2), "value": values.ravel()})
    pq.write_table(table, folder / "edges.parquet")
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        rows = f"FROM read_parquet('{folder / 'edges.parquet'}')"
        when = "TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_seconds(record)"
        connection.execute(
            f"COPY (SELECT 'crm' AS source, md5('r' || record) AS event_id, 'email' AS kind, md5('v' || value) AS "
            f"value_hash, {when} AS timestamp {rows}) TO '{folder / 'identifiers.parquet'}'"
        )
        connection.execute(
            f"COPY (SELECT DISTINCT 'crm' AS source, md5('r' || record) AS event_id, 'web' AS channel {rows}) "
            f"TO '{folder / 'events.parquet'}'"
        )


def edges_of(folder):
    """Return record and value of every edge."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "edges.parquet")
    return (table[name].to_numpy() for name in ("record", "value"))


def smallest(label):
    """Return the smallest record with the same label, per record."""
    import numpy as np

    _, first, place = np.unique(label, return_index=True, return_inverse=True)
    return first[place]


def ours(folder):
    import numpy as np

    from journeymining.identity.connected import connected

    yield
    record, value = (numbers.astype(np.int32) for numbers in edges_of(folder))
    label = connected(record, value, int(record.max()) + 1)
    yield
    yield smallest(label)


def ours_whole(folder, **options):
    import duckdb

    from journeymining.identity.stitching import stitch

    yield
    found = stitch(folder / "identifiers.parquet", folder / "events.parquet", memory_limit="6GB", **options)
    yield
    with duckdb.connect() as connection:
        connection.register("found", found.events)
        query = f"""
            WITH numbered AS (SELECT DISTINCT record FROM read_parquet('{folder / "edges.parquet"}'))
            SELECT min(record) OVER (PARTITION BY customer_id) AS label
            FROM numbered JOIN found ON event_id = md5('r' || record) ORDER BY record
        """
        yield connection.execute(query).fetchnumpy()["label"]


def with_networkx(folder):
    import networkx as nx
    import numpy as np

    yield
    record, value = edges_of(folder)
    graph = nx.Graph()
    graph.add_edges_from(zip(record.tolist(), (-1 - value).tolist(), strict=True))
    components = [[node for node in component if node >= 0] for component in nx.connected_components(graph)]
    yield
    label = np.empty(sum(map(len, components)), dtype=np.int64)
    for component in components:
        label[component] = min(component)
    yield label


def with_splink(folder):
    import duckdb
    from splink.clustering import cluster_pairwise_predictions_at_threshold
    from splink.internals.duckdb.database_api import DuckDBAPI

    yield
    connection = duckdb.connect()
    source = f"read_parquet('{folder / 'edges.parquet'}')"
    connection.execute(f"CREATE TABLE links AS SELECT record AS one, -1 - value AS other FROM {source}")
    connection.execute("CREATE TABLE things AS SELECT one AS thing FROM links UNION SELECT other FROM links")
    api = DuckDBAPI(connection)
    found = cluster_pairwise_predictions_at_threshold(
        api.register("things"), api.register("links"), api, "thing", "one", "other"
    )
    yield
    labels = f"SELECT cluster_id AS label FROM {found.physical_name} WHERE thing >= 0 ORDER BY thing"
    yield smallest(connection.execute(labels).fetchnumpy()["label"])


def spark_here():
    from journeymining.engines.spark_engine import Spark

    engine = Spark("local[2]")
    engine.session.conf.set("spark.sql.shuffle.partitions", "16")
    return engine


def on_spark(folder):
    import duckdb

    from journeymining.identity.spark_components import connected_components

    session = spark_here().session
    yield
    edges = session.read.parquet(str(folder / "edges.parquet")).selectExpr("record AS one", "-1 - value AS other")
    connected_components(edges).write.parquet(str(folder / "labels"))
    yield
    labels = f"SELECT label FROM read_parquet('{folder / 'labels' / '*.parquet'}') WHERE node >= 0 ORDER BY node"
    yield smallest(duckdb.sql(labels).to_arrow_table()["label"].to_numpy())


def whole_on_spark(folder):
    yield from ours_whole(folder, engine=spark_here())


CONTENDERS = {
    "journeymining": ours,
    "journeymining, all rules": ours_whole,
    "networkx": with_networkx,
    "Splink on DuckDB": with_splink,
    "journeymining on Spark": on_spark,
    "all rules on Spark": whole_on_spark,
}
"""Each yields when it is ready, when it is done, and then the smallest record of the component of each record."""

NEEDS = {"Splink on DuckDB": "splink", "journeymining on Spark": "pyspark", "all rules on Spark": "pyspark"}


def measure(name, folder):
    """Run one contender in this process; say on stdout how long it took, imports aside, its memory and its answer."""
    contender = CONTENDERS[name](folder)
    next(contender)
    begun, used = time.perf_counter(), time.process_time()
    next(contender)
    found = {
        "seconds": time.perf_counter() - begun,
        "processor": time.process_time() - used,
        "peak": peak_megabytes(),
    }
    labels = next(contender).astype("int64")
    customers = int((labels == range(len(labels))).sum())
    answer = {"customers": customers, "labels": hashlib.sha256(labels.tobytes()).hexdigest()}
    tell(found | answer)


def write(folder, edges, seed):
    """Write the edges from another process: a child's peak memory is never below that of its parent."""
    folder.mkdir()
    apart("identity", folder, "--write", "--edges", edges, "--seed", seed)


def run(name, folder):
    """Measure a contender in a process of its own."""
    return told(apart("identity", folder, "--measure", name))


def truth(customers, seed, memory_limit):
    """Stitch made-up customers and print what of the truth was found."""
    from journeymining.identity.stitching import stitch
    from tests.identity.planted import HOTLINE, accuracy

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        apart("identity", folder, "--plant", customers, "--seed", seed)
        begun, used = time.perf_counter(), time.process_time()
        paths = [folder / "identifiers.parquet", folder / "events.parquet"]
        found = stitch(*paths, blocked=[HOTLINE], memory_limit=memory_limit)
        seconds, used, peak = time.perf_counter() - begun, time.process_time() - used, peak_megabytes()
        print(f"{'seconds for stitching':<72}{seconds:>16,.1f}")
        print(f"{'processor seconds for stitching':<72}{used:>16,.1f}")
        print(f"{'peak memory of stitching, MB':<72}{peak:>16,.0f}", flush=True)
        figures, missed = accuracy(folder, found)
        for name, value in figures.items():
            print(f"{name:<72}{value:>16,.4f}" if isinstance(value, float) else f"{name:<72}{value:>16,}")
        print(f"\n{'true pairs of records that are missed, because':<72}{'records':>16}{'pairs':>16}{'share':>10}")
        for cause, (records, pairs, share) in missed.items():
            print(f"{cause:<72}{records:>16,}{pairs:>16,}{share:>10.4f}")


def compare(names, edges, seed, networkx_most, spark_most):
    """Measure the contenders on the same edges and print a row for each."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES if importlib.util.find_spec(name)]
    print(f"{edges:,} edges, {edges // 2:,} records; seed {seed}")
    print(f"Python {platform.python_version()}, {', '.join(versions)}\n")
    print(f"{'':<26}{'seconds':>10}{'× ours':>10}{'processor':>10}{'× ours':>10}{'peak MB':>10}", flush=True)
    answers: dict[str, str] = {}
    ours: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as made:
        whole, tenth = Path(made) / "whole", Path(made) / "tenth"
        write(whole, edges, seed)
        for name in names:
            if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
                print(f"{name} takes no part: pip install 'journeymining[{NEEDS[name]}]'")
                continue
            if name == "all rules on Spark" and edges > spark_most:
                print(f"{name} takes no part with more than {spark_most:,} edges: see --spark-most")
                continue
            if name == "networkx" and edges > networkx_most:
                write(tenth, edges // TENTH, seed)
                found = {figure: value * TENTH for figure, value in run(name, tenth).items() if figure in FIGURES}
                note = f"  (ten times what {edges // TENTH:,} edges took, memory at most)"
            else:
                found = run(name, whole)
                answers[name] = found["labels"]
                first = next(iter(answers))
                if answers[name] != answers[first]:
                    sys.exit(f"{name} finds other components than {first}: {found['customers']:,}.")
                note = f"  equal: {found['customers']:,} customers"
            ours = ours or found
            seconds, processor, peak = (found[figure] for figure in FIGURES)
            times = [f"{found[figure] / ours[figure]:>10.1f}" for figure in FIGURES[:2]]
            print(f"{name:<26}{seconds:>10.2f}{times[0]}{processor:>10.2f}{times[1]}{peak:>10,.0f}{note}", flush=True)
    print(f"\nThe same records in each customer for: {', '.join(answers)}")


def main():
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--networkx-most", type=int, default=2_000_000, help="edges that networkx gets at most")
    parser.add_argument("--spark-most", type=int, default=2_000_000, help="edges that all rules on Spark get at most")
    parser.add_argument("--spark-memory", default="4g", help="memory of Spark's Java, such as 6g")
    parser.add_argument("--truth", type=int, metavar="CUSTOMERS", help="measure what of the truth is found instead")
    parser.add_argument("--measure", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--memory-limit", default="4GB", help="what stitching may use, with --truth")
    parser.add_argument("--plant", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", f"--driver-memory {given.spark_memory} pyspark-shell")
    if given.measure:
        measure(given.measure, given.folder)
    elif given.plant:
        from tests.identity.planted import plant

        plant(given.folder, customers=given.plant, seed=given.seed)
    elif given.write:
        write_edges(given.folder, given.edges, given.seed)
    elif given.truth:
        truth(given.truth, given.seed, given.memory_limit)
    else:
        compare(given.only, given.edges, given.seed, given.networkx_most, given.spark_most)


if __name__ == "__main__":
    main()
