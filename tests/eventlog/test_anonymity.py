"""What leaves the house: no variant of fewer than k customers, no names, no exact times; and everything is counted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.eventlog.anonymity import OTHER, k_anonymous
from journeymining.eventlog.checks import check_event_log
from journeymining.eventlog.report import reading_report
from journeymining.eventlog.schema import REQUIRED
from journeymining.exceptions import EmptyLogError, InputError, UsageError

START = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)


def log_of(journeys):
    """Make a log of journeys (customer, "activity@channel activity"), one event an hour, with names in clear."""
    rows = [
        (f"e{number}-{place}", customer, f"{customer}/{number}", *(*step.split("@"), None)[:2], place, "secret")
        for number, (customer, path) in enumerate(journeys)
        for place, step in enumerate(path.split())
    ]
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "event_id": pa.array(columns[0], pa.string()),
            "customer_id": pa.array(columns[1], pa.string()),
            "journey_id": pa.array(columns[2], pa.string()),
            "activity": pa.array(columns[3], pa.string()),
            "timestamp": pa.array(
                [START + timedelta(hours=place) for place in columns[5]], pa.timestamp("us", tz="UTC")
            ),
            "channel": pa.array(columns[4], pa.string()),
            "source": pa.array(["crm"] * len(rows), pa.string()),
            "topic": pa.array(columns[6], pa.string()),
        }
    )


def variants(log, columns=("activity", "channel")):
    """Return customers by variant, each variant the sequence of these columns, in plain Python."""
    paths, customers = {}, {}
    order = ("journey_id", "timestamp", "source_order")
    for row in sorted(log.to_pylist(), key=lambda row: [row[name] for name in order]):
        paths.setdefault(row["journey_id"], []).append(tuple(row[name] for name in columns))
        customers[row["journey_id"]] = row["customer_id"]
    found = {}
    for journey, path in paths.items():
        found.setdefault(tuple(path), set()).add(customers[journey])
    return found


STEPS = st.sampled_from(["a", "b@web", "a@web", "other", "c@app"])
JOURNEYS = st.lists(
    st.tuples(st.sampled_from("ABCDEF"), st.lists(STEPS, min_size=1, max_size=3).map(" ".join)), min_size=1, max_size=14
)


@settings(max_examples=150, deadline=None)
@given(JOURNEYS, st.integers(2, 4), st.sampled_from(["group", "suppress"]), st.sampled_from([("channel",), ()]))
def test_no_variant_of_the_output_belongs_to_fewer_than_k_customers(journeys, k, rare, keep):
    log = log_of(journeys)
    try:
        safe = k_anonymous(log, k, rare=rare, keep=keep)
    except EmptyLogError:
        in_order = log.append_column("source_order", pa.array([0] * log.num_rows))
        everybody = variants(in_order, ("activity", *keep))
        rare_customers = set().union(*everybody.values())
        assert all(len(customers) < k for customers in everybody.values())
        assert rare == "suppress" or len(rare_customers) < k
        return

    found = variants(safe)
    report = reading_report(safe)["anonymity"]
    assert min(len(customers) for customers in found.values()) == report["smallest_group"] >= k
    assert safe.schema.names == [*REQUIRED.names, "source_order"]
    for count, total in (("journeys", len(journeys)), ("events", log.num_rows)):
        assert sum(report[fate][count] for fate in ("kept", "grouped", "suppressed")) == total
    assert len(set(safe["journey_id"].to_pylist())) == report["kept"]["journeys"] + report["grouped"]["journeys"]


def test_rare_paths_become_one_variant_and_frequent_ones_stay():
    log = log_of([("A", "a b@web"), ("B", "a b@web"), ("C", "a b@app"), ("D", "c"), ("A", "c")])

    safe = k_anonymous(log, 2, seed=1)

    assert {path: len(customers) for path, customers in variants(safe).items()} == {
        (("a", None), ("b", "web")): 2,
        (("c", None),): 2,
    }
    assert reading_report(safe)["anonymity"]["suppressed"] == {
        "variants": 1,
        "journeys": 1,
        "customers": 1,
        "events": 2,
    }

    grouped = k_anonymous(log_of([("A", "a"), ("B", "a"), ("C", "b c"), ("D", "c")]), 2, seed=1)

    assert Counter(grouped["activity"].to_pylist()) == {"a": 2, OTHER: 2}
    assert reading_report(grouped)["anonymity"]["grouped"] == {
        "variants": 2,
        "journeys": 2,
        "customers": 2,
        "events": 3,
    }


def test_one_customer_who_does_the_same_five_times_is_still_one():
    with pytest.raises(EmptyLogError, match="No variant is followed by 2 customers"):
        k_anonymous(log_of([("A", "a")] * 5), 2)


def test_a_channel_that_only_one_customer_used_is_not_told():
    journeys = [("A", "a@web"), ("B", "a@web"), ("C", "a@store")]

    assert reading_report(k_anonymous(log_of(journeys), 2))["anonymity"]["suppressed"]["journeys"] == 1
    without = k_anonymous(log_of(journeys), 2, keep=())
    assert without["activity"].to_pylist() == ["a"] * 3
    assert without["channel"].null_count == 3


def test_nothing_of_the_names_and_exact_times_is_left():
    log = log_of([(f"customer{i}", "a b") for i in range(6)])

    safe = k_anonymous(log, 2)

    text = str(safe.to_pylist()) + str(safe.schema.metadata)
    assert not any(word in text for word in ("customer1", "customer5", "e0-0", "secret", "crm", "09:30"))
    assert sorted(set(safe["customer_id"].to_pylist())) == ["1", "2", "3", "4", "5", "6"]
    assert set(safe["timestamp"].to_pylist()) == {datetime(2026, 1, 1, tzinfo=UTC)}
    assert "topic" in reading_report(safe)["anonymity"]["dropped_columns"]


def test_numbers_say_nothing_of_the_order_of_the_names():
    log = log_of([(f"c{i:03}", "a" if i % 2 else "b") for i in range(40)])
    orders = {tuple(k_anonymous(log, 2, seed=seed).sort_by("journey_id")["activity"].to_pylist()) for seed in range(20)}

    assert len(orders) == 20


def test_order_within_a_day_is_kept_by_the_place():
    log = log_of([("A", "z y x"), ("B", "z y x")])

    safe = k_anonymous(log, 2)

    assert list(variants(safe, ["activity"])) == [(("z",), ("y",), ("x",))]
    assert safe["source_order"].to_pylist() == [1, 2, 3] * 2


def test_times_before_1970_are_rounded_down_as_well():
    log = log_of([("A", "a"), ("B", "a")])
    early = pa.array([datetime(1969, 12, 31, 1, tzinfo=UTC)] * 2, pa.timestamp("us", tz="UTC"))

    safe = k_anonymous(log.set_column(4, "timestamp", early), 2, round_to=timedelta(hours=6))

    assert safe["timestamp"].to_pylist() == [datetime(1969, 12, 31, tzinfo=UTC)] * 2


def test_a_column_kept_by_name_counts_among_what_tells_apart():
    log = log_of([("A", "a"), ("B", "a"), ("C", "a"), ("D", "a")])
    status = pa.array(["ok", "ok", "ok", "failed"])

    safe = k_anonymous(log.append_column("status", status), 2, keep=("channel", "status"))

    assert safe["status"].to_pylist() == ["ok"] * 3


def test_the_name_of_the_group_is_never_that_of_an_activity():
    log = log_of([("A", "other"), ("B", "other"), ("C", "x"), ("D", "y")])

    assert sorted(k_anonymous(log, 2)["activity"].to_pylist()) == ["other", "other", "other_", "other_"]


def test_the_result_is_an_event_log():
    found = check_event_log(k_anonymous(log_of([("A", "a b"), ("B", "a b"), ("A", "b"), ("B", "b")]), 2))

    assert found is not None


def test_what_cannot_be_meant_is_refused():
    log = log_of([("A", "a"), ("B", "a")])

    with pytest.raises(UsageError, match="k must be 2 or more"):
        k_anonymous(log, 1)
    with pytest.raises(UsageError, match="rounded to more than nothing"):
        k_anonymous(log, 2, round_to=timedelta(0))
    with pytest.raises(InputError, match="'customer_id' cannot be kept"):
        k_anonymous(log, 2, keep=("customer_id",))
    with pytest.raises(InputError, match="Did you mean 'channel'"):
        k_anonymous(log, 2, keep=("chanel",))
