"""On random records: what stitching may never do, and what it must do, against networkx and plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import networkx as nx
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.identity.encoding import UNDATED
from journeymining.identity.intervals import owner_at
from journeymining.identity.stitching import stitch

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("event_id", pa.string()),
        ("kind", pa.string()),
        ("value_hash", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
STRONG = ("account", "contact", "login", "email", "order")
WEAK = ("phone", "device", "cookie")


@st.composite
def uses(draw, kinds):
    """Draw rows of an identifiers table: a few records, each with some of a few values."""
    values = st.tuples(st.sampled_from(kinds), st.sampled_from(["1", "2", "3", "4"]))
    rows = []
    for record in range(draw(st.integers(0, 12))):
        hours = draw(st.none() | st.integers(0, 5))
        time = None if hours is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        for kind, value in draw(st.sets(values, min_size=1, max_size=3)):
            rows.append(("s", f"r{record:02}", kind, value, time))
    return [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]


def stitched(rows, **options):
    """Return the customer of each record, and the whole result."""
    identifiers = pa.Table.from_pylist(rows, schema=SCHEMA)
    events = identifiers.group_by(["source", "event_id"]).aggregate([])
    result = stitch(identifiers, events, **options)
    return {row["event_id"]: row["customer_id"] for row in result.events.to_pylist()}, result


def partition(customers, records=None):
    """Return the sets of records that are one customer."""
    groups = {}
    for record, customer in customers.items():
        if records is None or record in records:
            groups.setdefault(customer, set()).add(record)
    return sorted(sorted(group) for group in groups.values())


def graph_of(rows):
    graph = nx.Graph()
    for row in rows:
        graph.add_edge(("record", row["event_id"]), (row["kind"], row["value_hash"]))
    return graph


@settings(max_examples=15, deadline=None)
@given(uses(STRONG[1:]))
def test_without_accounts_strong_identifiers_give_the_connected_components(rows):
    customers, _ = stitched(rows, at_most=dict.fromkeys(STRONG, 100))

    components = nx.connected_components(graph_of(rows))
    assert partition(customers) == sorted(
        sorted(name for kind, name in component if kind == "record") for component in components
    )


@settings(max_examples=20, deadline=None)
@given(uses(STRONG))
def test_components_with_one_account_are_whole(rows):
    customers, _ = stitched(rows, at_most=dict.fromkeys(STRONG, 100))

    for component in nx.connected_components(graph_of(rows)):
        if sum(kind == "account" for kind, _ in component) <= 1:
            assert len({customers[name] for kind, name in component if kind == "record"}) == 1


@settings(max_examples=25, deadline=None)
@given(uses(STRONG + WEAK), st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_stitching_may_never_do(rows, limit, chance):
    customers, result = stitched(rows, at_most=dict.fromkeys(STRONG + WEAK, limit))

    accounts = {}
    for row in rows:
        if row["kind"] == "account":
            accounts.setdefault(row["event_id"], set()).add(row["value_hash"])
    owners = {}
    for record, own in accounts.items():
        if len(own) == 1:
            owners.setdefault(customers[record], set()).update(own)
    # Two accounts are never one customer, one account is never two, and a record with two stays on its own.
    assert all(len(own) == 1 for own in owners.values())
    assert len({next(iter(own)) for own in owners.values()}) == len(owners)
    torn = [record for record, own in accounts.items() if len(own) > 1]
    assert all(list(customers.values()).count(customers[record]) == 1 for record in torn)
    # Nobody is joined who does not hang together at all.
    component = {}
    for number, members in enumerate(nx.connected_components(graph_of(rows))):
        component.update({name: number for kind, name in members if kind == "record"})
    assert all(len({component[name] for name in group}) == 1 for group in partition(customers))
    # The order of rows changes nothing.
    shuffled = rows.copy()
    chance.shuffle(shuffled)
    again, result_again = stitched(shuffled, at_most=dict.fromkeys(STRONG + WEAK, limit))
    assert again == customers
    assert result_again.customers.equals(result.customers)
    assert result_again.report == result.report
    # A value is nobody's twice at a time.
    intervals = {}
    for row in result.customers.to_pylist():
        if row["rule"] == "interval":
            intervals.setdefault((row["kind"], row["value_hash"]), []).append((row["valid_from"], row["valid_to"]))
    for spans in intervals.values():
        spans.sort()
        assert all(until is not None and until <= start for (_, until), (start, _) in pairwise(spans))
        assert all(until is None or start < until for start, until in spans)
    # Every use of a key is in the customers table or counted as left out, unresolved or held back.
    assert set(result.customers["customer_id"].to_pylist()) <= set(customers.values())
    for kind, step in result.report["kinds"].items():
        lost = step["uses_left_out"] + step["uses_unresolved"] + step["uses_held_back"]
        assert lost <= step["uses"] <= sum(row["kind"] == kind for row in rows)


@settings(max_examples=20, deadline=None)
@given(uses(STRONG + WEAK))
def test_weak_identifiers_change_nothing_among_customers_that_strong_ones_name(rows):
    strong = {row["event_id"] for row in rows if row["kind"] in STRONG}

    with_weak, _ = stitched(rows)
    without, _ = stitched(rows, keys=STRONG)

    assert partition(with_weak, strong) == partition(without, strong)


def plain_owner(value, time, owner, uses_):
    """Say whose a value was, use by use, in plain Python."""
    if owner >= 0:
        return owner
    known = [(t, o) for v, t, o in uses_ if v == value and o >= 0 and t != UNDATED]
    if time == UNDATED or not known:
        return -1
    before = [t for t, _ in known if t <= time]
    moment = max(before) if before else min(t for t, _ in known)
    owners = {o for t, o in known if t == moment}
    return owners.pop() if len(owners) == 1 else -1


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([UNDATED, 1, 2, 3, 4]), st.integers(-1, 2)), max_size=12))
def test_owners_at_a_time_equal_plain_python(uses_):
    columns = [np.array(column, dtype=np.int64) for column in zip(*uses_, strict=True)] or [np.zeros(0, np.int64)] * 3

    assert owner_at(*columns).tolist() == [plain_owner(*use, uses_) for use in uses_]
