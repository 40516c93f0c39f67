"""Starts and completions become one event; what has no counterpart is counted."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.eventlog.lifecycle import select_lifecycle
from journeymining.eventlog.report import reading_report
from journeymining.eventlog.table import to_event_log
from journeymining.exceptions import UsageError


def log_of(*rows: tuple[str, str, int], instances: list[str] | None = None) -> pa.Table:
    table = pa.table(
        {
            "case_id": ["1"] * len(rows),
            "activity": [activity for activity, _, _ in rows],
            "lifecycle:transition": [transition for _, transition, _ in rows],
            "time": [
                f"2026-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z" for _, _, second in rows
            ],
            "place": list(range(len(rows))),
        }
    )
    if instances:
        table = table.append_column("concept:instance", pa.array(instances))
    return to_event_log(table, order="place")


def short(log: pa.Table) -> list[tuple[str, float | None]]:
    return list(zip(log["activity"].to_pylist(), log["duration"].to_pylist(), strict=True))


def test_a_start_and_its_completion_are_one_event_at_the_completion():
    log = select_lifecycle(log_of(("a", "start", 0), ("a", "complete", 30), ("b", "START", 40), ("b", "COMPLETE", 41)))

    assert short(log) == [("a", 30.0), ("b", 1.0)]
    assert [time.second for time in log["timestamp"].to_pylist()] == [30, 41]
    assert reading_report(log)["lifecycle"]["paired"] == 2
    assert reading_report(log)["left_out"] == {}


def test_the_first_start_belongs_to_the_first_completion():
    log = select_lifecycle(log_of(("a", "start", 0), ("a", "start", 10), ("a", "complete", 15), ("a", "complete", 40)))

    assert short(log) == [("a", 15.0), ("a", 30.0)]


def test_an_instance_tells_which_start_it_is():
    rows = [("a", "start", 0), ("a", "start", 10), ("a", "complete", 15), ("a", "complete", 40)]

    log = select_lifecycle(log_of(*rows, instances=["x", "y", "y", "x"]))

    assert short(log) == [("a", 5.0), ("a", 40.0)]


def test_a_completion_before_its_start_pairs_with_nothing():
    log = select_lifecycle(log_of(("a", "complete", 0), ("a", "start", 10), ("a", "complete", 15), ("a", "start", 20)))
    report = reading_report(log)

    assert short(log) == [("a", None), ("a", 5.0)]
    assert report["lifecycle"] == {
        "kept": "complete",
        "paired": 1,
        "completions_without_start": 1,
        "starts_without_completion": 1,
    }
    assert report["left_out"] == {"lifecycle_start": {"rows": 1, "examples": []}}


def test_activities_without_duration_are_paired_whatever_comes_first_in_the_file():
    assert short(select_lifecycle(log_of(("a", "complete", 5), ("a", "start", 5)))) == [("a", 0.0)]


def test_other_transitions_are_left_out_and_counted():
    log = select_lifecycle(log_of(("a", "schedule", 0), ("a", "start", 1), ("a", "suspend", 2), ("a", "complete", 3)))

    assert short(log) == [("a", 2.0)]
    assert {reason: found["rows"] for reason, found in reading_report(log)["left_out"].items()} == {
        "lifecycle_schedule": 1,
        "lifecycle_suspend": 1,
    }


def test_starts_or_everything_can_be_kept():
    log = log_of(("a", "start", 0), ("a", "complete", 30), ("b", "start", 40))

    starts = select_lifecycle(log, lifecycle="start")

    assert short(starts) == [("a", 30.0), ("b", None)]
    assert [time.second for time in starts["timestamp"].to_pylist()] == [0, 40]
    assert select_lifecycle(log, lifecycle="all") == log


def test_a_lifecycle_of_its_own_keeps_everything():
    log = select_lifecycle(log_of(("a", "Awaiting Assignment", 0), ("a", "start", 1)))

    assert log.num_rows == 2
    assert reading_report(log)["lifecycle"]["kept"] == "all"


def test_a_log_of_starts_only_stays_whole_when_read_again():
    starts = select_lifecycle(log_of(("a", "start", 0), ("a", "complete", 30)), lifecycle="start")

    assert select_lifecycle(starts) == starts


def test_logs_without_lifecycle_are_not_touched():
    log = to_event_log(pa.table({"case_id": ["1"], "activity": ["a"], "time": ["2026-01-01Z"]}))

    assert select_lifecycle(log) is log


def test_an_unknown_choice_is_refused():
    with pytest.raises(UsageError, match="Allowed: complete, start, all"):
        select_lifecycle(log_of(("a", "start", 0)), lifecycle="both")


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["start", "complete"]), st.integers(0, 20)), max_size=14)
)
def test_pairs_equal_those_of_a_queue(rows):
    if not rows:
        return
    ordered = sorted(rows, key=lambda row: (row[2], row[1] == "complete"))
    waiting: dict[str, list[int]] = {}
    expected = []
    for activity, transition, second in ordered:
        queue = waiting.setdefault(activity, [])
        if transition == "start":
            queue.append(second)
        else:
            expected.append((activity, second, float(second - queue.pop(0)) if queue else None))

    log = select_lifecycle(log_of(*rows))
    if len({transition for _, transition, _ in rows}) == 1:
        assert log.num_rows == len(rows)
        return

    found = zip(log["activity"].to_pylist(), log["timestamp"].to_pylist(), log["duration"].to_pylist(), strict=True)
    key = lambda row: (row[0], row[1], row[2] is None, row[2] or 0.0)  # noqa: E731
    assert sorted([(a, t.second, d) for a, t, d in found], key=key) == sorted(expected, key=key)
