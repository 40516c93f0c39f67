"""What becomes of customers when records are added: only who is touched changes, and each change is counted."""

from __future__ import annotations

import pyarrow as pa
import pytest

from journeymining.identity.changes import CHANGES, customer_changes, customers_version

RULES = {"keys": ["account", "phone"]}


def records(**customers):
    """Make the records of customers: a="1 2" gives a the records 1 and 2."""
    rows = [("s", event, name) for name, events in customers.items() for event in events.split()]
    return pa.table(dict(zip(("source", "event_id", "customer_id"), map(list, zip(*rows, strict=True)), strict=True)))


@pytest.mark.parametrize(
    ("before", "now", "expected", "gone"),
    [
        ({"a": "1 2"}, {"a": "1 2"}, {"a": "unchanged"}, 0),
        ({"a": "1"}, {"a": "1 2"}, {"a": "other_records"}, 0),
        ({"a": "1 2"}, {"a": "1"}, {"a": "other_records"}, 0),
        ({"a": "1"}, {"a": "1", "b": "2"}, {"a": "unchanged", "b": "new"}, 0),
        ({"a": "1", "b": "2"}, {"a": "1 2"}, {"a": "merged"}, 0),
        ({"a": "1 2"}, {"a": "1", "b": "2"}, {"a": "split", "b": "split"}, 0),
        ({"a": "1 2"}, {"b": "1 2 3"}, {"b": "renamed"}, 0),
        ({"a": "1", "b": "2"}, {"a": "1"}, {"a": "unchanged"}, 1),
        ({"a": "1 2", "b": "3"}, {"a": "1", "b": "2 3"}, {"a": "split", "b": "merged"}, 0),
    ],
)
def test_each_customer_has_one_change(before, now, expected, gone):
    counts, changes = customer_changes(records(**before), records(**now))

    assert counts == {change: list(expected.values()).count(change) for change in CHANGES} | {
        "customers": len(expected),
        "previous_customers": len(before),
        "gone": gone,
    }
    told = {row["customer_id"]: row["change"] for row in changes.to_pylist()}
    assert told == {name: one for name, one in expected.items() if one not in {"unchanged", "other_records"}}


def test_who_merged_and_split_can_be_looked_up():
    _, changes = customer_changes(records(a="1 2", b="3"), records(a="1", b="2 3"))

    assert [(row["customer_id"], row["previous_customer_id"]) for row in changes.to_pylist()] == [
        ("a", "a"),
        ("b", "a"),
        ("b", "b"),
    ]


def test_the_first_stitching_has_nothing_to_compare_with():
    counts, changes = customer_changes(None, records(a="1"))

    assert counts is None
    assert changes.num_rows == 0


BEFORE = [
    ("crm", "a", 0, "account:A phone:P"),
    ("crm", "b", 0, "account:B phone:Q"),
    ("calls", "q", 2, "phone:Q"),
    ("web", "v", 3, "cookie:K"),
    ("web", "alone", 4, ""),
]


def test_records_of_one_customer_leave_the_rows_of_all_others_as_they_were(stitch_records):
    _, before = stitch_records(BEFORE)
    customers, now = stitch_records([*BEFORE, ("web", "login", 5, "account:A cookie:K"), ("calls", "p", 6, "phone:P")])

    touched = customers["crm", "a"]
    rest = [row for row in before.customers.to_pylist() if row["value_hash"] not in {"A", "P", "K"}]
    assert [row for row in now.customers.to_pylist() if row["customer_id"] != touched] == rest
    counts, _ = customer_changes(before.events, now.events)
    assert counts == dict.fromkeys(CHANGES, 0) | {
        "unchanged": 2,
        "merged": 1,
        "customers": 3,
        "previous_customers": 4,
        "gone": 0,
    }


def test_the_version_is_that_of_the_table_and_the_rules(stitch_records):
    _, one = stitch_records(BEFORE)
    _, same = stitch_records(BEFORE[::-1])
    _, other = stitch_records([*BEFORE, ("web", "login", 5, "account:A cookie:K")])

    version = customers_version(one.customers, RULES)
    assert version == customers_version(same.customers, RULES)
    assert version != customers_version(other.customers, RULES)
    assert version != customers_version(one.customers, {"keys": ["account"]})
    assert len(version) == 32


def test_batches_do_not_change_the_version(stitch_records):
    _, one = stitch_records(BEFORE)
    in_pieces = pa.concat_tables([one.customers.slice(place, 1) for place in range(one.customers.num_rows)])

    assert customers_version(in_pieces, RULES) == customers_version(one.customers, RULES)
