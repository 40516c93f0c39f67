"""On Spark: the labels of scipy and networkx, and a whole stitching that is equal to that of one machine."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components as scipy_components

from journeymining.identity.stitching import stitch

from .conftest import event_table, identifier_table

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'journeymining[spark]'")


def chains(rng):
    """Return two chains of 40 nodes with numbers in random order, each step given once or twice."""
    steps = [np.stack([nodes[:-1], nodes[1:]], axis=1) for nodes in np.split(rng.permutation(80), 2)]
    return np.concatenate([*steps, steps[0][::3, ::-1]])


def stars(rng):
    """Return a hub of 2,000 nodes that is in the middle of them by number, two small stars, and a loop."""
    around = rng.permutation(2_000)
    hub = np.stack([np.full(2_000, 1_000), around], axis=1)
    small = [[5_000, 5_001], [5_002, 5_001], [6_000, 6_003], [6_003, 6_002], [7_000, 7_000]]
    return np.concatenate([hub, np.array(small)])


def sparse(rng):
    """Return random edges: some components, one of them a giant."""
    return rng.integers(0, 900, (700, 2))


def smallest_by_networkx(edges):
    graph = nx.Graph(edges.tolist())
    return {node: min(component) for component in nx.connected_components(graph) for node in component}


def smallest_by_scipy(edges):
    nodes, place = np.unique(edges, return_inverse=True)
    one, other = place.reshape(edges.shape).T
    size = len(nodes)
    label = scipy_components(coo_matrix((np.ones(len(one)), (one, other)), shape=(size, size)), directed=False)[1]
    # Nodes are sorted, so that the first of a component is its smallest.
    first = np.unique(label, return_index=True)[1]
    return dict(zip(nodes.tolist(), nodes[first[label]].tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("most_in_one_task", [0, 100, 1_000_000])
def test_components_are_those_of_networkx_and_scipy_whatever_the_order_of_rows(spark_engine, most_in_one_task):
    from journeymining.identity.spark_components import connected_components

    rng = np.random.default_rng(23)
    edges = np.concatenate([chains(rng), 10_000 + stars(rng), 20_000 + sparse(rng)])
    expected = smallest_by_networkx(edges)
    assert smallest_by_scipy(edges) == expected
    shuffled = rng.permutation(edges)[:, ::-1]

    found = connected_components(
        spark_engine.session.createDataFrame(pa.table({"one": shuffled[:, 0], "other": shuffled[:, 1]})),
        most_in_one_task=most_in_one_task,
    )

    rows = found.collect()
    assert dict(map(tuple, rows)) == expected
    assert len(rows) == len(expected)


@pytest.mark.parametrize("most_in_one_task", [0, 1_000_000])
def test_texts_can_be_nodes(spark_engine, most_in_one_task):
    from journeymining.identity.spark_components import connected_components

    edges = spark_engine.session.createDataFrame([("b", "c"), ("c", "a"), ("x", "x")], "one STRING, other STRING")

    found = connected_components(edges, most_in_one_task=most_in_one_task)

    assert dict(map(tuple, found.collect())) == {"a": "a", "b": "a", "c": "a", "x": "x"}


def random_records(rng, customers):
    """Return records with everything that goes wrong: shared telephones, two accounts, a kiosk, a hotline, ties."""
    records = []

    def add(source, day, *items):
        records.append((source, f"r{len(records):04}", day, " ".join(items)))

    for i in range(customers):
        add("crm", int(rng.integers(0, 9)), f"account:A{i}", f"phone:P{i // 2}", f"email:E{i}")
        add("web", int(rng.integers(0, 400)), f"email:E{i}", f"cookie:K{rng.integers(0, customers)}")
        add("web", int(rng.integers(0, 400)), f"cookie:K{rng.integers(0, customers)}")
        add("web", None, f"cookie:K{rng.integers(0, customers)}", f"phone:P{rng.integers(0, customers)}")
        add("calls", int(rng.integers(0, 400)), f"phone:P{rng.integers(0, customers)}")
        add("app", i, f"account:A{i}", "device:KIOSK")
        add("app", i, "device:KIOSK")
        add("shop", i, f"order:O{i}", "email:INFO", f"phone:Q{i % 7}")
        add("shop", i, f"contact:C{i}", "email:INFO")
        add("calls", i, f"email:F{i}", "phone:HOTLINE")
    for i in range(0, customers, 5):
        add("crm", None, f"account:A{i}", f"phone:P{i // 2}")
        add("crm", 3, f"account:A{i}", f"account:A{i + 1}", f"phone:P{i}")
    add("web", 3, "")
    return records


def assert_equal_on_spark(spark_engine, records, **options):
    identifiers, events = identifier_table(records), event_table(records)
    here = stitch(identifiers, events, **options)
    shuffled = identifiers.take(np.random.default_rng(3).permutation(len(identifiers)))

    there = stitch(shuffled, events, engine=spark_engine, **options)

    assert there.events.equals(here.events)
    assert there.customers.equals(here.customers)
    assert there.report == here.report
    return here


@pytest.mark.slow
def test_a_whole_stitching_is_equal_on_spark(spark_engine):
    records = random_records(np.random.default_rng(11), 60)

    found = assert_equal_on_spark(spark_engine, records, blocked=("K3",), at_most={"cookie": 3})

    # All that the rules are there for occurs in it.
    assert {row["rule"] for row in found.report["links"]} == {
        *("same_value", "interval", "tie", "undated", "before_window")
    }
    assert found.report["conflicts"]["records_with_several_accounts"] == 12
    assert all(found.report["conflicts"].values())
    assert {"KIOSK", "INFO", "HOTLINE"} <= {row["value_hash"] for row in found.report["left_out"]}


def test_a_small_stitching_is_equal_on_spark_from_files(spark_engine, tmp_path):
    import pyarrow.parquet as pq

    records = [
        ("crm", "a", 0, "account:A phone:P"),
        ("crm", "b", 10, "account:B phone:P"),
        ("crm", "ab", 10, "account:A account:B cookie:K"),
        ("web", "v", 10, "cookie:K"),
        ("calls", "early", 5, "phone:P"),
    ]
    pq.write_table(identifier_table(records), tmp_path / "identifiers.parquet")
    pq.write_table(event_table(records), tmp_path / "events.parquet")

    here = stitch(identifier_table(records), event_table(records))
    there = stitch(tmp_path / "identifiers.parquet", tmp_path / "events.parquet", engine=spark_engine)

    assert there.events.equals(here.events)
    assert there.customers.equals(here.customers)
    assert there.report == here.report
    assert len(here.events["customer_id"].unique()) == 4


def test_without_identifiers_nobody_is_joined_on_spark_either(spark_engine):
    records = [("web", "one", 0, ""), ("web", "two", 1, "")]

    here = stitch(identifier_table(records), event_table(records))
    there = stitch(identifier_table(records), event_table(records), engine=spark_engine)

    assert there.events.equals(here.events)
    assert there.report == here.report
    assert there.report["customers"]["all"] == 2
