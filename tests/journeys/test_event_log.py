"""Source events become an event log; every event is in it or counted."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.schema import OPTIONAL, REQUIRED
from journeymining.exceptions import EmptyLogError, InputError
from journeymining.identity.stitching import stitch
from journeymining.journeys.cutting import JourneyConfig
from journeymining.journeys.event_log import make_event_log
from journeymining.journeys.touchpoints import TouchpointConfig

SET = {"channel": "phone", "status": "failed", "phase": "sale"}
TOUCHPOINTS = TouchpointConfig.model_validate(
    {
        "rules": [
            {"source": "web", "topic": "^GET /offers", "is": "offer_viewed"},
            {"source": "web", "drop": True},
            {
                "activity": "order",
                "is": "order_placed",
                "set": {"channel": "phone", "status": "failed", "phase": "sale"},
            },
            {"source": "nowhere", "drop": True},
        ]
    }
)
JOURNEYS = JourneyConfig.model_validate({"cut": {"gap": "30 days", "end": ["active"]}})
PHASES = {"orientation": ["offer_viewed"], "use": ["active", "activated"]}


@pytest.fixture
def source_events(make_events):
    return make_events(
        {
            "customer_id": "A",
            "day": 0,
            "activity": "page_view",
            "source": "web",
            "topic": "GET /offers/1",
            "channel": "web",
        },
        {"customer_id": "A", "day": 0, "activity": "view", "source": "web", "topic": "GET /icon"},
        {"customer_id": "A", "day": 2, "activity": "order", "channel": "web", "time_text": "2 January"},
        {"customer_id": "A", "day": 5, "activity": "active", "channel": "app"},
        {"customer_id": "A", "day": 6, "activity": "call", "channel": "phone"},
        {"customer_id": "B", "day": 90, "activity": "call", "channel": "phone"},
        {"customer_id": "B", "day": None, "activity": "call"},
    )


def write(source_events, folder, **options):
    """Make the event log of events that carry their customer; return counts, events and journeys."""
    customers = source_events.select(["source", "event_id", "customer_id"])
    sections = {"touchpoints": TOUCHPOINTS, "phases": PHASES, "journeys": JOURNEYS, **options}
    counts = make_event_log(source_events.drop_columns(["customer_id"]), customers, **sections, out=folder)
    return counts, pq.read_table(folder / "events.parquet"), pq.read_table(folder / "journeys.parquet")


def test_events_are_renamed_enriched_and_cut(source_events, tmp_path):
    _, events, journeys = write(source_events, tmp_path)

    rows = sorted(events.to_pylist(), key=lambda row: row["timestamp"])
    assert [(row["activity"], row["channel"], row["status"], row["phase"]) for row in rows] == [
        ("offer_viewed", "web", None, "orientation"),
        ("order_placed", "phone", "failed", "sale"),
        ("active", "app", None, "use"),
        ("call", "phone", None, None),
        ("call", "phone", None, None),
    ]
    assert len({row["journey_id"] for row in rows[:3]}) == 1
    assert journeys.num_rows == 3
    assert rows[1]["time_text"] == "2 January"


def test_every_event_is_in_the_log_or_counted(source_events, tmp_path):
    counts, events, _ = write(source_events, tmp_path)

    assert counts["events_in"] == 7
    assert counts["events"] == events.num_rows == 5
    assert counts["left_out"] == {"dropped_by_rule": 1, "unmatched": 0, "without_time": 1, "without_case": 0}
    assert counts["touchpoints"]["never_matched"] == [4]
    assert counts["touchpoints"]["unmatched"] == [
        {"source": "crm", "activity": "call", "events": 2},
        {"source": "crm", "activity": "active", "events": 1},
    ]
    assert counts["phases"] == {"none": 2, "orientation": 1, "sale": 1, "use": 1}
    assert counts["begun_by"] == {"end": 1, "first": 2}
    assert counts["never_seen"] == {"activated": "Did you mean 'active'?"}
    assert (counts["journeys"], counts["open"], counts["left_truncated"], counts["customers"]) == (3, 1, 1, 2)
    assert (counts["observed_from"], counts["observed_until"]) == ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z")


def test_the_file_has_the_schema_of_event_logs_and_its_order(source_events, tmp_path):
    _, events, _ = write(source_events, tmp_path)

    known = [field for field in (*REQUIRED, *OPTIONAL) if field.name in events.column_names]
    assert events.column_names[: len(known)] == [field.name for field in known]
    assert [events.schema.field(field.name).type for field in known] == [field.type for field in known]
    assert events["journey_id"].to_pylist() == sorted(events["journey_id"].to_pylist())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["events.parquet", "journeys.parquet"]


def test_shuffling_rows_changes_no_byte_of_the_tables(source_events, tmp_path):
    counts, events, journeys = write(source_events, tmp_path / "a")

    shuffled = source_events.take([5, 3, 6, 0, 2, 4, 1])

    assert write(shuffled, tmp_path / "b") == (counts, events, journeys)


def test_a_phase_is_the_rules_then_the_sources_then_that_of_the_activity(source_events, tmp_path):
    phases = pa.array([None, None, "told", None, "told", None, None], pa.string())

    _, events, _ = write(source_events.append_column("phase", phases), tmp_path)

    found = {(row["activity"], row["phase"]) for row in events.to_pylist()}
    of_calls = {("call", "told"), ("call", None)}
    assert found == {("offer_viewed", "orientation"), ("order_placed", "sale"), ("active", "use")} | of_calls


def test_unmatched_events_are_dropped_when_the_job_says_so(source_events, tmp_path):
    only_rules = TOUCHPOINTS.model_copy(update={"unmatched": "drop"})

    counts, events, _ = write(source_events, tmp_path, touchpoints=only_rules)

    assert counts["left_out"]["unmatched"] == 3
    assert sorted(events["activity"].to_pylist()) == ["offer_viewed", "order_placed"]


def test_a_job_without_sections_keeps_everything_as_one_journey_per_customer(source_events, tmp_path):
    counts, events, _ = write(source_events, tmp_path, touchpoints=None, phases=None, journeys=None)

    assert (events.num_rows, counts["journeys"]) == (6, 2)


def test_by_a_column_events_without_a_case_are_counted(source_events, tmp_path):
    counts, _, _ = write(source_events, tmp_path, journeys=JourneyConfig(by="time_text"))

    assert counts["left_out"]["without_case"] == 4
    assert counts["journeys"] == 1


def test_minimal_events_are_enough(tmp_path):
    events = pa.table(
        {
            "event_id": ["1"],
            "source": ["x"],
            "activity": ["a"],
            "timestamp": pa.array([0], pa.timestamp("us", tz="UTC")),
        }
    )
    customers = pa.table({"source": ["x"], "event_id": ["1"], "customer_id": ["A"]})

    counts = make_event_log(events, customers, TOUCHPOINTS, out=tmp_path)

    assert counts["events"] == 1
    assert pq.read_table(tmp_path / "events.parquet")["channel"].to_pylist() == [None]


def test_events_without_a_customer_and_records_twice_are_refused_and_leave_nothing(source_events, tmp_path):
    events = source_events.drop_columns(["customer_id"])
    customers = source_events.select(["source", "event_id", "customer_id"])

    with pytest.raises(InputError, match="4 events have no customer"):
        make_event_log(events, customers.slice(0, 2), TOUCHPOINTS, out=tmp_path)
    with pytest.raises(InputError, match="more than once"):
        make_event_log(events, pa.concat_tables([customers, customers]), TOUCHPOINTS, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_log_from_which_nothing_is_left_says_why(source_events, tmp_path):
    only_rules = TouchpointConfig.model_validate({"rules": [{"source": "web", "drop": True}], "unmatched": "drop"})

    with pytest.raises(EmptyLogError, match="no event is left of 7 source events: dropped_by_rule 2, unmatched 4"):
        write(source_events, tmp_path, touchpoints=only_rules)


def test_missing_columns_and_files_are_named(source_events, tmp_path):
    with pytest.raises(InputError, match="column 'activity' is missing"):
        make_event_log(source_events.drop_columns(["activity"]), source_events, out=tmp_path)
    with pytest.raises(InputError, match="no such file"):
        make_event_log(tmp_path / "nothing.parquet", source_events, out=tmp_path)


def test_stitched_and_cut_a_log_can_be_prepared(make_events, tmp_path):
    events = make_events(
        {"customer_id": None, "day": 0, "activity": "visit", "source": "web", "event_id": "w1"},
        {"customer_id": None, "day": 1, "activity": "order", "source": "crm", "event_id": "c1"},
        {"customer_id": None, "day": 2, "activity": "call", "source": "calls", "event_id": "q1"},
    ).drop_columns(["customer_id"])
    identifiers = pa.table(
        {
            "source": ["web", "crm", "crm", "crm", "calls"],
            "event_id": ["w1", "c1", "c1", "c1", "q1"],
            "kind": ["cookie", "cookie", "account", "phone", "phone"],
            "value_hash": ["K", "K", "A", "P", "P"],
            "timestamp": pa.array([0, 1, 1, 1, 2], pa.timestamp("s", tz="UTC")),
        }
    )
    pq.write_table(events, tmp_path / "source_events.parquet")

    source, out = tmp_path / "source_events.parquet", tmp_path / "log"
    stitching = stitch(identifiers, source)
    counts = make_event_log(source, stitching.events, out=out, memory_limit="500MB")
    flags = pq.read_table(out / "journeys.parquet")
    prepared = prepare(out / "events.parquet", tmp_path / "prepared", journeys=flags)

    assert (counts["journeys"], counts["customers"]) == (1, 1)
    assert prepared.activities == ["call", "order", "visit"]
