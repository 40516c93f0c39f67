"""Which records are one customer: our components and our whole stitching against networkx and Splink, in one run.

Run it from the checkout: ``python -m tests.benchmarks.identity --edges 20000000`` (about 12 GB of memory for the whole
stitching). Every contender gets a process of its own, so that peak memory is its own too. networkx gets a tenth of the
edges above two million, and its figures are multiplied by ten: that is marked. Read the ratios: seconds depend on the
machine and on what else it does. Splink takes part where it is installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIBRARIES = ("journeymining", "scipy", "duckdb", "numpy", "networkx", "splink")
MOST_FOR_NETWORKX = 2_000_000
TENTH = 10
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


def ours(folder, clock):
    import numpy as np
    import pyarrow.parquet as pq

    from journeymining.identity.components import Groups, join_kind

    clock()
    table = pq.read_table(folder / "edges.parquet")
    record, value = (table[name].to_numpy() for name in ("record", "value"))
    order = np.argsort(value, kind="stable")
    records = int(record.max()) + 1
    joined = join_kind(
        Groups.of_single_records(records),
        record[order],
        value[order],
        np.zeros(len(record), dtype=np.int64),
        owner_of_group=np.full(records, -1, dtype=np.int64),
        at_most=None,
        back_window=None,
    )
    return len(joined.groups.name)


def ours_whole(folder, clock):
    from journeymining.identity.stitching import stitch

    clock()
    found = stitch(folder / "identifiers.parquet", folder / "events.parquet", memory_limit="6GB")
    return int(found.report["customers"]["all"])


def with_networkx(folder, clock):
    import networkx as nx
    import pyarrow.parquet as pq

    clock()
    table = pq.read_table(folder / "edges.parquet")
    graph = nx.Graph()
    values = (-1 - table["value"].to_numpy()).tolist()
    graph.add_edges_from(zip(table["record"].to_pylist(), values, strict=True))
    return nx.number_connected_components(graph)


def with_splink(folder, clock):
    import duckdb
    from splink.clustering import cluster_pairwise_predictions_at_threshold
    from splink.internals.duckdb.database_api import DuckDBAPI

    clock()
    connection = duckdb.connect()
    source = f"read_parquet('{folder / 'edges.parquet'}')"
    connection.execute(f"CREATE TABLE links AS SELECT record AS one, -1 - value AS other FROM {source}")
    connection.execute("CREATE TABLE things AS SELECT one AS thing FROM links UNION SELECT other FROM links")
    api = DuckDBAPI(connection)
    found = cluster_pairwise_predictions_at_threshold(
        api.register("things"), api.register("links"), api, "thing", "one", "other"
    )
    return int(connection.execute(f"SELECT count(DISTINCT cluster_id) FROM {found.physical_name}").fetchall()[0][0])


CONTENDERS = {
    "journeymining": ours,
    "journeymining, all rules": ours_whole,
    "networkx": with_networkx,
    "Splink on DuckDB": with_splink,
}


def measure(name, folder):
    """Run one contender in this process; say on stdout how long it took, imports aside, and its peak memory."""
    begun = used = 0.0

    def clock():
        nonlocal begun, used
        begun, used = time.perf_counter(), time.process_time()

    customers = CONTENDERS[name](folder, clock)
    found = {
        "seconds": time.perf_counter() - begun,
        "processor": time.process_time() - used,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "customers": customers,
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def apart(folder, *options):
    """Run this module in a process of its own; return what it says on stdout."""
    command = [sys.executable, "-m", "tests.benchmarks.identity", "--folder", str(folder), *map(str, options)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"{' '.join(map(str, options))} failed:\n{answer.stderr[-2000:]}")
    return answer.stdout


def write(folder, edges, seed):
    """Write the edges from another process: a child's peak memory is never below that of its parent."""
    folder.mkdir()
    apart(folder, "--write", "--edges", edges, "--seed", seed)


def run(name, folder):
    """Measure a contender in a process of its own."""
    return json.loads(apart(folder, "--measure", name).strip().splitlines()[-1])


def compare(edges, seed):
    """Measure every contender on the same edges and print a table."""
    results: dict[str, dict[str, float]] = {}
    notes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as made:
        whole, tenth = Path(made) / "whole", Path(made) / "tenth"
        write(whole, edges, seed)
        for name in CONTENDERS:
            if name.startswith("Splink") and importlib.util.find_spec("splink") is None:
                print("Splink is not installed and takes no part: pip install 'journeymining[splink]'")
                continue
            if name == "networkx" and edges > MOST_FOR_NETWORKX:
                write(tenth, edges // TENTH, seed)
                found = run(name, tenth)
                results[name] = {figure: found[figure] * TENTH for figure in ("seconds", "processor", "peak")}
                notes[name] = f"ten times what {edges // TENTH:,} edges took, memory at most"
            else:
                results[name] = run(name, whole)
    answers = {result["customers"] for result in results.values() if "customers" in result}
    if len(answers) != 1:
        sys.exit(f"The contenders disagree: { ({name: result.get('customers') for name, result in results.items()}) }")
    (customers,) = answers
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES if importlib.util.find_spec(name)]
    print(f"{edges:,} edges, {edges // 2:,} records, {customers:,} customers; seed {seed}")
    print(f"Python {platform.python_version()}, {', '.join(versions)}\n")
    print(f"{'':<26}{'seconds':>10}{'× ours':>10}{'processor':>10}{'peak MB':>10}")
    of_ours = results["journeymining"]["seconds"]
    for name, found in results.items():
        seconds, processor, peak = (found[figure] for figure in ("seconds", "processor", "peak"))
        note = f"  ({notes[name]})" if name in notes else ""
        print(f"{name:<26}{seconds:>10.2f}{seconds / of_ours:>10.1f}{processor:>10.2f}{peak:>10,.0f}{note}")


def main():
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--measure", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder)
    elif given.write:
        write_edges(given.folder, given.edges, given.seed)
    else:
        compare(given.edges, given.seed)


if __name__ == "__main__":
    main()
