"""Small logs with answers worked out by hand, and the promises about order, ties and what is missing."""

from __future__ import annotations

import random

import pandas as pd
import polars as pl
import pytest

from journeymining.discovery.channels import (
    channel_returns,
    channel_switches,
    channel_use,
    containment,
    repeat_contacts,
)
from journeymining.discovery.collapse import CollapsedLog
from journeymining.discovery.directly_follows import directly_follows
from journeymining.discovery.journeys import journeys
from journeymining.discovery.phases import phase_progress, phase_transitions
from journeymining.discovery.quantiles import summarise_values
from journeymining.discovery.results import discover, write
from journeymining.discovery.touchpoints import end_activities, touchpoints
from journeymining.discovery.variants import variant_ids, variants
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import UsageError


def test_three_channels_two_switches_and_no_ping_pong(journey_of):
    with prepare(journey_of("channel", ["web", "web", "phone", "phone", "chat"])) as log:
        (row,) = channel_use(log).to_dict("records")
        returns = channel_returns(log)

    assert (row["channels"], row["switches"], row["switch_rate"], row["returns"]) == (3, 2, 0.5, 0)
    assert row["entropy"] == pytest.approx(1.522, abs=5e-4)
    assert returns.empty


def test_back_to_the_first_channel_is_a_return_however_long_the_visits(journey_of):
    with prepare(journey_of("channel", ["web", "phone", "phone", None, "web", "phone"])) as log:
        returns = channel_returns(log)
        use = channel_use(log)

    assert returns.to_numpy().tolist() == [["phone", "web", 1, 1], ["web", "phone", 1, 1]]
    assert use[["events", "unknown", "returns"]].to_numpy().tolist() == [[5, 1, 2]]


def test_six_transitions_and_one_back_flow(journey_of):
    names = dict(zip("AOPUS", ["awareness", "orientation", "purchase", "use", "service"], strict=True))

    with prepare(journey_of("phase", [names[letter] for letter in "AOPOPUS"])) as log:
        transitions, progress = phase_transitions(log), phase_progress(log)

    assert transitions["transitions"].sum() == 6
    back = transitions[transitions["direction"] == "back"]
    assert back[["from_phase", "to_phase", "transitions"]].to_numpy().tolist() == [["purchase", "orientation", 1]]
    assert progress.set_index("phase")["furthest"].idxmax() == "service"
    assert progress["back_flows"].tolist() == [0, 0, 1, 0, 0]
    assert progress["median_time"].tolist()[:4] == [1.0, 1.0, 1.0, 1.0]


def test_a_phase_without_a_place_in_the_order_is_refused(journey_of):
    with prepare(journey_of("phase", ["purchse"])) as log, pytest.raises(UsageError, match="Did you mean 'purchase'"):
        phase_progress(log)


def test_a_switch_is_forced_when_the_event_before_it_failed(event_log):
    steps = [("web", "failed", 0), (None, "ok", 5), ("phone", "ok", 60), ("web", "failed", 70), ("web", "ok", 80)]
    log = event_log(
        [{"journey_id": "j", "activity": "a", "channel": c, "status": s, "seconds": t} for c, s, t in steps]
    )

    with prepare(log) as prepared:
        found = channel_switches(prepared)

    assert found.to_numpy().tolist() == [
        ["phone", "web", 1, 1, 10.0, 0, 10.0, 10.0, 1, 0],
        ["web", "phone", 1, 1, 60.0, 1, 60.0, 60.0, 0, 1],
    ]


def test_a_switch_after_an_event_without_status_is_neither_forced_nor_chosen(event_log):
    steps = [("web", None), ("phone", "ok"), ("web", None)]
    log = event_log([{"journey_id": "j", "activity": "a", "channel": c, "status": s} for c, s in steps])

    with prepare(log) as prepared:
        found = channel_switches(prepared).set_index("from_channel")

    assert found.loc["web", ["switches", "forced", "chosen"]].tolist() == [1, 0, 0]
    assert found.loc["phone", ["switches", "forced", "chosen"]].tolist() == [1, 0, 1]


def test_contacts_whose_window_is_not_over_are_not_judged(event_log):
    times = {"a": [0, 50], "b": [0, 100], "c": [70]}
    log = event_log(
        [
            {"journey_id": journey, "activity": "call", "seconds": second}
            for journey, seconds in times.items()
            for second in seconds
        ]
    )

    with prepare(log) as prepared:
        found = repeat_contacts(prepared, activities=["call"], window=pd.Timedelta(seconds=50))
        with pytest.raises(UsageError, match="Did you mean 'call'"):
            repeat_contacts(prepared, activities=["cal"], window=pd.Timedelta(seconds=50))
        with pytest.raises(UsageError, match="positive"):
            repeat_contacts(prepared, activities=["call"], window=pd.Timedelta(0))

    # The log ends at 100: contacts at 0, 50 and 0 can be judged, of which the first is repeated at 50.
    assert found.to_numpy().tolist() == [["call", 5, 3, 1, 1 / 3]]


def test_open_journeys_are_told_apart_where_the_log_knows(event_log):
    import pyarrow as pa

    log = event_log([{"journey_id": name, "activity": "a", "channel": "web"} for name in "xyz"])
    flags = pa.table({"journey_id": ["x", "y"], "open": [True, False]})

    with prepare(log, journeys=flags) as prepared:
        found = journeys(prepared)
        contained = containment(prepared)
        ends = end_activities(prepared)

    assert found["open"].tolist() == [True, False, pd.NA]
    assert contained[["journeys", "contained", "open"]].to_numpy().tolist() == [[3, 3, 1]]
    assert ends[["journeys", "open"]].to_numpy().tolist() == [[3, 1]]


def test_equal_counts_come_in_alphabetical_order_and_shorter_paths_first(event_log):
    paths = {"j1": "ab", "j2": "a", "j3": "ba", "j4": "abc"}
    log = event_log([{"journey_id": j, "activity": letter} for j, path in paths.items() for letter in path])

    with prepare(log, buckets=4) as prepared:
        found = ["".join(path) for path in variants(prepared)["path"]]
        pairs = directly_follows(prepared)[["source", "target", "events"]].to_numpy().tolist()

    assert found == ["a", "ab", "abc", "ba"]
    assert pairs == [["a", "b", 2], ["b", "a", 1], ["b", "c", 1]]


@pytest.mark.parametrize("activities", [300, 70_000])
def test_many_activities_keep_their_order(event_log, activities):
    names = [f"activity {number:05d}" for number in range(activities)]
    log = event_log([{"journey_id": f"j{n // 2}", "activity": name} for n, name in enumerate(names)])

    with prepare(log) as prepared:
        found = variants(prepared)

    assert [name for path in found["path"] for name in path] == names


def test_shuffled_rows_files_threads_and_buckets_change_no_digit(event_log):
    rng = random.Random(3)
    events = [
        {
            "journey_id": f"j{rng.randrange(60)}",
            "activity": rng.choice("abcde"),
            "channel": rng.choice([None, "web", "phone", "chat"]),
            "phase": rng.choice([None, "purchase", "use"]),
            "status": rng.choice(["ok", "failed"]),
            "seconds": rng.random() * 1e6,
        }
        for _ in range(600)
    ]
    table = event_log(events)
    order = list(range(600))
    rng.shuffle(order)

    results = []
    for log, buckets, threads in ((table, 1, 1), (table.take(order), 16, 2), (table.take(order[::-1]), 4, 2)):
        with prepare(log, buckets=buckets, threads=threads) as prepared:
            results.append(discover(prepared))

    first, *others = results
    for other in others:
        assert other.coverage == first.coverage
        assert other.model == first.model
        for name, frame in first.tables.items():
            pd.testing.assert_frame_equal(frame, other.tables[name], check_exact=True)


def test_collapsed_loops_leave_the_first_event_of_every_run(event_log):
    rng = random.Random(8)
    events, kept = [], []
    for n in range(50):
        last = None
        for place in range(rng.randrange(1, 12)):
            event = {
                "journey_id": f"j{n}",
                "activity": rng.choice("ab"),
                "channel": rng.choice(["web", "phone", None]),
                "seconds": 100 * n + place,
            }
            events.append(event)
            if (event["activity"], event["channel"]) != last:
                kept.append(event)
            last = event["activity"], event["channel"]

    with prepare(event_log(events), buckets=4) as log, prepare(event_log(kept), buckets=2) as expected:
        collapsed = CollapsedLog(log)
        assert collapsed.collapsed == len(events) - len(kept) > 30
        assert collapsed.event_count == len(kept)
        for analysis in (directly_follows, channel_switches, touchpoints):
            pd.testing.assert_frame_equal(analysis(collapsed), analysis(expected))
        found, ended = journeys(collapsed), journeys(log)
        assert found["events"].tolist() == journeys(expected)["events"].tolist()
        assert found["end"].tolist() == ended["end"].tolist()  # a run ends when its last event does


def test_unsorted_rows_are_counted_as_if_sorted(event_log):
    """Counting row by row, as libraries that expect sorted rows do, would see b before a here."""
    log = event_log(
        [
            {"journey_id": "j", "activity": "b", "seconds": 2},
            {"journey_id": "k", "activity": "b", "seconds": 9},
            {"journey_id": "j", "activity": "a", "seconds": 1},
            {"journey_id": "k", "activity": "a", "seconds": 3},
        ]
    )

    with prepare(log) as prepared:
        assert variants(prepared)["path"].tolist() == [["a", "b"]]
        assert directly_follows(prepared)[["source", "target", "events"]].to_numpy().tolist() == [["a", "b", 2]]


def test_journeys_of_one_event_follow_nothing(event_log):
    with prepare(event_log([{"journey_id": "j", "activity": "a"}])) as log:
        assert directly_follows(log).empty
        assert channel_switches(log).empty
        assert phase_transitions(log).empty
        assert touchpoints(log)[["activity", "events", "starts", "ends"]].to_numpy().tolist() == [["a", 1, 1, 1]]


def test_sums_of_waits_do_not_overflow(event_log):
    century = 100 * 365 * 86400
    with prepare(event_log([{"journey_id": "j", "activity": "a", "seconds": 0}])) as log:
        values = pl.DataFrame({"key": [0] * 5000, "value": [century * 1_000_000] * 5000})
        found = summarise_values(log, lambda bucket: values, [0.5], columns=["journey"])

    assert found["mean"].item() == found["q0"].item() == century * 1e6


def test_ids_that_would_coincide_are_longer(monkeypatch):
    import hashlib

    class Short:
        def __init__(self, text, usedforsecurity):
            self.text = text

        def hexdigest(self):
            return "0" * 12 + self.text.decode()

    monkeypatch.setattr(hashlib, "md5", Short)

    assert variant_ids([["a"], ["b"]]) == ["0" * 12 + "a", "0" * 12 + "b"]
    assert variant_ids([["a"]]) == ["0" * 12]


def test_all_tables_become_files(event_log, tmp_path):
    steps = [("order", "web", "purchase"), ("call", "phone", "service"), ("pay", None, None)]
    log = event_log([{"journey_id": "j", "activity": a, "channel": c, "phase": p} for a, c, p in steps])

    with prepare(log) as prepared:
        found = discover(prepared)
    missing = write(found, tmp_path)

    written = {path.name for path in tmp_path.iterdir()}
    tables = {f"{name}.{'parquet' if name in {'variants', 'journeys'} else 'csv'}" for name in found.tables}
    models = {f"process_model.{ending}" for ending in ("pnml", "bpmn", "svg", "json")}
    assert written | {line.split(":")[0] for line in missing} == tables | models
    assert {"phase_progress.csv", "phase_transitions.csv", "touchpoints.csv"} <= written
    back = pd.read_parquet(tmp_path / "variants.parquet")
    assert [list(path) for path in back["path"]] == [["order", "call", "pay"]]
    assert str(back["first_seen"].dtype) == "datetime64[us, UTC]"
    assert found.coverage["events_without_channel"] == 1
    assert found.coverage["journeys_open_unknown"] == 1


def test_phases_that_nobody_ordered_are_left_out_and_named(journey_of):
    with prepare(journey_of("phase", ["first", "second"])) as log:
        found = discover(log)
        ordered = discover(log, phases=["first", "second"])

    assert "phase_progress" not in found.tables
    assert found.coverage["phases_without_order"] == ["first", "second"]
    assert ordered.tables["phase_progress"]["journeys"].tolist() == [1, 1]
