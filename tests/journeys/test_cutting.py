"""Journeys are cut where the rule says, and nowhere else."""

from __future__ import annotations

import random
import statistics
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from journeymining.documents import parse_yaml, validate
from journeymining.exceptions import EmptyLogError, InputError, SpecError
from journeymining.journeys.cutting import JourneyConfig, cut_journeys, gap_sensitivity, gaps_around


def config(by="customer", **cut):
    return JourneyConfig.model_validate({"by": by, "cut": cut})


def paths(events):
    """Return the paths of journeys, in the order of their first events."""
    found = {}
    for row in events.to_pylist():
        found.setdefault(row["journey_id"], []).append(row)
    journeys = sorted(
        found.values(), key=lambda rows: (rows[0]["customer_id"], rows[0]["timestamp"], rows[0]["event_id"])
    )
    return [" ".join(row["activity"] for row in rows) for rows in journeys]


def flags(events, settings_):
    """Return {first activity: (open, left_truncated)}."""
    cut, journeys = cut_journeys(events, settings_)
    first = {}
    for row in cut.to_pylist():
        first.setdefault(row["journey_id"], row["activity"])
    return {first[row["journey_id"]]: (row["open"], row["left_truncated"]) for row in journeys.to_pylist()}


def test_without_a_rule_all_a_customer_does_is_one_journey(make_events):
    events, _ = cut_journeys(make_events(("A", 0, "a"), ("B", 1, "x"), ("A", 500, "b")), config())

    assert paths(events) == ["a b", "x"]


def test_a_silence_longer_than_the_gap_cuts_and_one_exactly_as_long_does_not(make_events):
    events, _ = cut_journeys(make_events(("A", 0, "a"), ("A", 30, "b"), ("A", 60.001, "c")), config(gap="30 days"))

    assert paths(events) == ["a b", "c"]


def test_the_event_after_an_end_begins_a_journey(make_events):
    events, journeys = cut_journeys(
        make_events(("A", 0, "a"), ("A", 1, "done"), ("A", 1, "b"), ("A", 2, "done"), ("A", 3, "done")),
        config(end=["done"]),
    )

    assert paths(events) == ["a done", "b done", "done"]
    assert sorted(journeys["begun_by"].to_pylist()) == ["end", "end", "first"]


def test_every_start_event_begins_a_journey(make_events):
    events, _ = cut_journeys(
        make_events(("A", 0, "look"), ("A", 1, "order"), ("A", 2, "pay"), ("A", 3, "order"), ("A", 4, "order")),
        config(start="order"),
    )

    assert paths(events) == ["look", "order pay", "order", "order"]


def test_ties_are_ordered_by_source_order_then_event_id(make_events):
    rows = [
        {"customer_id": "A", "day": 0, "activity": "third", "event_id": "a"},
        {"customer_id": "A", "day": 0, "activity": "second", "event_id": "x", "source_order": 2},
        {"customer_id": "A", "day": 0, "activity": "first", "event_id": "z", "source_order": 1},
        {"customer_id": "A", "day": 0, "activity": "fourth", "event_id": "b"},
    ]

    events, _ = cut_journeys(make_events(*rows), config())

    assert paths(events) == ["first second third fourth"]


def test_by_a_column_each_value_is_a_case_and_events_without_one_are_left_out(make_events):
    events = make_events(("A", 0, "a"), ("A", 1, "b"), ("A", 2, "a"), ("A", 3, "c"), ("B", 3, "d"))
    events = events.append_column("order id", pa.array(["1", "1", "2", None, "1"]))

    cut, journeys = cut_journeys(events, config(by="order id"))

    assert paths(cut) == ["a b", "a", "d"]
    assert journeys.num_rows == 3


def test_open_needs_a_chance_to_go_on(make_events):
    events = make_events(
        ("A", 0, "long_silent"),
        ("B", 80, "recent"),
        ("C", 79, "ended"),
        ("C", 80, "done"),
        ("D", 98, "followed"),
        ("D", 99, "order"),
        ("E", 70, "edge"),
        ("F", 100, "last"),
    )

    found = flags(events, config(gap="30 days", start="order", end="done"))

    assert {name: is_open for name, (is_open, _) in found.items()} == {
        "long_silent": False,
        "recent": True,
        "ended": False,
        "followed": False,
        "order": True,
        "edge": True,
        "last": True,
    }


def test_without_a_gap_what_has_not_ended_is_open(make_events):
    found = flags(make_events(("A", 0, "a"), ("B", 0, "b"), ("B", 1, "done"), ("C", 900, "c")), config(end="done"))

    assert found == {"a": (True, False), "b": (False, False), "c": (True, False)}


def test_left_truncated_is_a_first_journey_near_the_beginning_that_no_start_event_begins(make_events):
    events = make_events(
        ("A", 0, "a"), ("B", 30, "b"), ("C", 31, "c"), ("D", 1, "order"), ("E", 1, "e"), ("E", 2, "order2")
    )

    found = flags(events, config(gap="30 days", start=["order", "order2"]))

    assert {name for name, (_, truncated) in found.items() if truncated} == {"a", "b", "e"}


def test_reaching_a_goal_is_noted_and_does_not_cut(make_events):
    events = make_events(("A", 0, "a"), ("A", 1, "active"), ("A", 2, "b"), ("B", 0, "a"))

    cut, journeys = cut_journeys(events, config(goal="active"))

    assert paths(cut) == ["a active b", "a"]
    assert sorted(journeys["reached_goal"].to_pylist()) == [False, True]


def test_gap_sensitivity_has_a_row_per_gap(make_events):
    events = make_events(("A", 0, "a"), ("A", 10, "b"), ("A", 50, "c"), ("B", 50, "d"))

    table = gap_sensitivity(events, [timedelta(days=5), timedelta(days=20), timedelta(days=60)])

    columns = ["gap", "journeys", "median_events", "open", "share_open", "left_truncated"]
    assert table[columns].to_numpy().tolist() == [
        ["5 days", 4, 1.0, 2, 0.5, 1],
        ["20 days", 3, 1.0, 2, pytest.approx(2 / 3), 1],
        ["60 days", 2, 2.0, 2, 1.0, 2],  # B begins 50 days after A did: within the gap
    ]
    assert table["reached_goal"].isna().all()
    assert not table["chosen"].any()


@pytest.mark.parametrize("rules", [{}, {"end": "active"}, {"start": "a", "end": "active", "goal": "c"}])
def test_every_row_of_the_gap_sensitivity_is_what_that_cut_gives(make_events, rules, tmp_path):
    rng = random.Random(4)
    names = ["a", "b", "c", "active"]
    events = make_events(*((rng.choice("ABCDE"), rng.randrange(200), rng.choice(names)) for _ in range(120)))
    pq.write_table(events, tmp_path / "events.parquet")
    gaps = gaps_around(timedelta(days=8))

    table = gap_sensitivity(tmp_path / "events.parquet", gaps, config(gap="8 days", **rules))

    assert table["chosen"].tolist() == [False, False, True, False, False]
    for row, gap in zip(table.itertuples(), gaps, strict=True):
        cut, journeys = cut_journeys(events, config(gap=gap, **rules))
        sizes = sorted(len(path.split()) for path in paths(cut))
        assert row.journeys == len(sizes)
        assert row.median_events == pytest.approx(statistics.median(sizes))
        assert row.open == sum(journeys["open"].to_pylist())
        assert row.left_truncated == sum(journeys["left_truncated"].to_pylist())
        reached = journeys["reached_goal"].to_pylist()
        assert ("goal" not in rules) == (row.reached_goal != row.reached_goal)
        if "goal" in rules:
            assert row.reached_goal == pytest.approx(sum(reached) / len(reached))


def test_observation_may_be_longer_than_the_events(make_events):
    events = make_events(("A", 10, "a"), ("A", 12, "b"))
    start = datetime(2026, 1, 1, tzinfo=UTC)

    within = gap_sensitivity(events, [timedelta(days=5)])
    longer = gap_sensitivity(events, [timedelta(days=5)], observed=(start, start + timedelta(days=100)))

    assert within[["open", "left_truncated"]].to_numpy().tolist() == [[1, 1]]
    assert longer[["open", "left_truncated"]].to_numpy().tolist() == [[0, 0]]


def test_nothing_in_is_nothing_out_but_nothing_to_compare(make_events):
    cut, journeys = cut_journeys(make_events(), config(gap="1 day"))

    assert (cut.num_rows, journeys.num_rows) == (0, 0)
    with pytest.raises(EmptyLogError):
        gap_sensitivity(make_events(), [timedelta(days=1)])


def test_a_missing_case_column_is_named(make_events):
    with pytest.raises(InputError, match=r"column 'chanel' is missing. Did you mean 'channel'"):
        cut_journeys(make_events(("A", 0, "a")), config(by="chanel"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by: customer\ncut: {gap: 30}\n", "job.yaml:2:7: Not a duration"),
        ("cut:\n  gap: 0 days\n", "a gap of nothing"),
        ("cut: {start: [a], end: [b, a]}\n", "'a' is a start and an end"),
        ("cut: {gaps: 1 day}\n", "Did you mean 'gap'"),
    ],
)
def test_mistakes_in_the_job_are_named_with_their_line(text, message):
    with pytest.raises(SpecError) as caught:
        validate(JourneyConfig, parse_yaml(text, path="job.yaml"))

    assert message in str(caught.value)


def test_a_rule_cannot_be_changed_by_accident():
    with pytest.raises(ValidationError):
        config().by = "order"


def plain_cut(events, gap, start, end):
    """Cut in plain Python; return the sets of event ids that are a journey."""
    customers = {}
    for event in events:
        customers.setdefault(event["customer_id"], []).append(event)
    journeys = []
    for own in customers.values():
        own.sort(key=lambda e: (e["timestamp"], e["source_order"] is None, e["source_order"] or 0, e["event_id"]))
        for number, event in enumerate(own):
            before = own[number - 1] if number else None
            if (
                before is None
                or before["activity"] in end
                or event["activity"] in start
                or (gap is not None and event["timestamp"] - before["timestamp"] > gap)
            ):
                journeys.append([])
            journeys[-1].append(event["event_id"])
    return sorted(journeys)


@st.composite
def logs(draw):
    size = draw(st.integers(0, 25))
    return [
        {
            "event_id": f"e{number}",
            "customer_id": draw(st.sampled_from("AB")),
            "activity": draw(st.sampled_from("abcd")),
            "timestamp": datetime(2026, 3, 29, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 12))),
            "source_order": draw(st.none() | st.integers(0, 2)),
        }
        for number in range(size)
    ]


LOG_SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("customer_id", pa.string()),
        ("activity", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("source_order", pa.int64()),
    ]
)


@settings(max_examples=40, deadline=None)
@given(
    logs(),
    st.sampled_from([None, 1, 3]),
    st.sets(st.sampled_from("ab"), max_size=2),
    st.sets(st.sampled_from("cd"), max_size=2),
    st.randoms(use_true_random=False),
)
def test_journeys_equal_a_plain_python_cutter_whatever_the_order_of_rows(log, gap, start, end, chance):
    shuffled = log.copy()
    chance.shuffle(shuffled)
    rule = (
        config(gap=f"{gap} h", start=sorted(start), end=sorted(end))
        if gap
        else config(start=sorted(start), end=sorted(end))
    )

    events, journeys = cut_journeys(pa.Table.from_pylist(log, schema=LOG_SCHEMA), rule)
    again, journeys_again = cut_journeys(pa.Table.from_pylist(shuffled, schema=LOG_SCHEMA), rule)

    found = {}
    for row in events.to_pylist():
        found.setdefault(row["journey_id"], []).append(row["event_id"])
    assert sorted(found.values()) == plain_cut(log, gap and timedelta(hours=gap), start, end)
    assert events.equals(again)
    assert journeys.equals(journeys_again)


def test_a_journey_keeps_its_id_when_other_customers_come(make_events):
    rows = [("A", 0, "a"), ("A", 90, "b")]
    more = [*rows, ("B", 0, "c")]
    random.Random(1).shuffle(rows)

    _, few = cut_journeys(make_events(("A", 0, "a"), ("A", 90, "b")), config(gap="30 days"))
    _, many = cut_journeys(make_events(*more), config(gap="30 days"))

    assert set(few["journey_id"].to_pylist()) < set(many["journey_id"].to_pylist())


def test_the_worked_example_of_the_documentation(make_events):
    events = make_events(
        ("observed", 0, "x"),
        ("A", 9, "offer_viewed"),
        ("A", 11, "offer_viewed"),
        ("A", 19, "order_placed"),
        ("A", 23, "modem_delivered"),
        ("A", 23, "modem_active"),
        ("A", 32, "helpdesk_call"),
        ("A", 165, "helpdesk_call"),
        ("observed", 180, "x"),
    )

    cut, journeys = cut_journeys(events, config(gap="30 days", start="order_placed", end="modem_active"))

    own = cut.filter(pc.equal(cut["customer_id"], "A"))
    assert paths(own) == [
        "offer_viewed offer_viewed",
        "order_placed modem_delivered modem_active",
        "helpdesk_call",
        "helpdesk_call",
    ]
    flags_of = {row["journey_id"]: row for row in journeys.to_pylist()}
    in_time = sorted(own.to_pylist(), key=lambda row: row["event_id"])
    found = [flags_of[name] for name in dict.fromkeys(row["journey_id"] for row in in_time)]
    assert [row["begun_by"] for row in found] == ["first", "start", "end", "gap"]
    assert [row["open"] for row in found] == [False, False, False, True]
    assert [row["left_truncated"] for row in found] == [True, False, False, False]
