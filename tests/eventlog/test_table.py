"""Any table of events becomes the same event log, whatever library it is in and however its rows lie."""

from __future__ import annotations

import datetime as dt
import random

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from journeymining.eventlog.columns import find_columns
from journeymining.eventlog.report import reading_report
from journeymining.eventlog.schema import REQUIRED
from journeymining.eventlog.table import to_event_log
from journeymining.exceptions import InputError, UsageError

ROWS = {
    "case_id": ["2", "1", "1", "1"],
    "activity": ["a", "b", "a", "a"],
    "time": ["2026-01-05T10:00:00Z", "2026-01-02T10:00:00Z", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00Z"],
    "amount": [1.5, None, 3.0, 4.0],
}


def test_the_log_has_the_columns_and_types_of_the_schema_first_then_the_others():
    log = to_event_log(pa.table(ROWS))

    assert log.schema.names == [*REQUIRED.names, "source_order", "amount"]
    assert all(log.schema.field(field.name) == field for field in REQUIRED)
    assert log.schema.field("amount").type == pa.float64()


def test_arrow_polars_and_pandas_give_the_same_log():
    expected = to_event_log(pa.table(ROWS))

    assert to_event_log(pl.DataFrame(ROWS)) == expected
    assert to_event_log(pl.LazyFrame(ROWS)) == expected
    assert to_event_log(pd.DataFrame(ROWS)) == expected
    assert to_event_log(pa.RecordBatch.from_pydict(ROWS)) == expected


def test_shuffled_rows_give_the_same_log():
    expected = to_event_log(pa.table(ROWS))
    order = list(range(4))

    for seed in range(10):
        random.Random(seed).shuffle(order)
        assert to_event_log(pa.table(ROWS).take(order)) == expected


def test_events_come_in_order_of_journey_time_source_order_and_id():
    rows = ROWS | {"source_order": [1, 2, 9, 3]}

    log = to_event_log(pa.table(rows))

    assert log["journey_id"].to_pylist() == ["1", "1", "1", "2"]
    assert log["source_order"].to_pylist() == [3, 9, 2, 1]


def test_equal_rows_get_different_ids_and_keep_them_when_shuffled():
    rows = {"case_id": ["1"] * 3, "activity": ["a"] * 3, "time": ["2026-01-01Z"] * 3}

    ids = to_event_log(pa.table(rows))["event_id"].to_pylist()

    assert len(set(ids)) == 3
    assert all(len(event_id) == 32 for event_id in ids)


def test_an_id_depends_on_every_attribute_and_not_on_the_order_of_columns():
    table = pa.table(ROWS)
    other = table.set_column(3, "amount", pa.array([1.5, None, 3.0, 5.0]))

    ids = set(to_event_log(table)["event_id"].to_pylist())

    assert set(to_event_log(table.select(["amount", "time", "activity", "case_id"]))["event_id"].to_pylist()) == ids
    assert len(ids & set(to_event_log(other)["event_id"].to_pylist())) == 3


def test_given_ids_are_kept_and_missing_ones_made():
    log = to_event_log(pa.table(ROWS | {"id": ["e1", None, "e3", ""]}), event_id="id")

    assert {"e1", "e3"} <= set(log["event_id"].to_pylist())
    assert reading_report(log)["event_ids_made"] == 2


def test_rows_without_journey_activity_or_time_are_counted_with_their_numbers():
    rows = {
        "case_id": [None, "1", "1", "1", "1", ""],
        "activity": ["a", " ", "a", "a", "a", "a"],
        "time": ["2026-01-01Z", "2026-01-01Z", None, "soon", "2026-01-01Z", "x"],
    }

    log = to_event_log(pa.table(rows))
    report = reading_report(log)

    assert log.num_rows == 1
    assert report["left_out"] == {
        "missing_journey": {"rows": 2, "examples": [1, 6]},
        "missing_activity": {"rows": 1, "examples": [2]},
        "missing_timestamp": {"rows": 1, "examples": [3]},
        "unreadable_timestamp": {"rows": 1, "examples": [4]},
    }
    assert report["rows_in"] == report["rows_out"] + sum(found["rows"] for found in report["left_out"].values())


def test_left_out_rows_are_said_without_their_content(caplog):
    to_event_log(pa.table({"case_id": ["1", "secret"], "activity": ["a", None], "time": ["2026-01-01Z"] * 2}))

    assert "left out 1 rows, missing activity (rows 2)" in caplog.text
    assert "secret" not in caplog.text


def test_a_log_without_any_readable_time_is_refused():
    with pytest.raises(InputError, match="no time in column 'time' could be read"):
        to_event_log(pa.table({"case_id": ["1"], "activity": ["a"], "time": ["first"]}))


def test_a_journey_without_customer_is_its_own():
    log = to_event_log(pa.table(ROWS))
    known = to_event_log(pa.table(ROWS | {"who": ["x", None, "y", "y"]}), customer="who")

    assert log["customer_id"].to_pylist() == log["journey_id"].to_pylist()
    assert known["customer_id"].to_pylist() == ["y", "y", "1", "x"]
    assert reading_report(known)["customers"].startswith("1 events without customer")


def test_a_start_gives_a_duration_and_an_end_before_it_none():
    rows = ROWS | {"begin": ["2026-01-05T09:59:00Z", "2026-01-03T10:00:00Z", None, "2026-01-01T09:59:59.5Z"]}

    log = to_event_log(pa.table(rows), start_timestamp="begin")

    assert sorted(log["duration"].drop_null().to_pylist()) == [0.5, 60.0]
    assert log["duration"].null_count == 2
    assert reading_report(log)["start_times"]["after_end"] == 1


def test_rows_out_of_order_are_counted():
    assert reading_report(to_event_log(pa.table(ROWS)))["rows_out_of_order"] == 1


def test_whole_numbers_read_as_floats_are_ids_again():
    frame = pd.DataFrame({"case_id": [1, None, 3], "activity": ["a"] * 3, "time": ["2026-01-01Z"] * 3})

    assert to_event_log(frame)["journey_id"].to_pylist() == ["1", "3"]


def test_columns_of_mixed_types_become_text():
    frame = pd.DataFrame(
        {"case_id": ["1"] * 3, "activity": ["a"] * 3, "time": ["2026-01-01Z"] * 3, "x": [1, "b", None]}
    )

    assert set(to_event_log(frame)["x"].to_pylist()) == {"1", "b", None}


def test_times_of_pandas_keep_their_instant():
    zoned = pd.to_datetime(["2026-01-01T10:00:00+05:00"]).tz_convert("America/New_York")
    mixed = [dt.datetime(2026, 1, 1, 10, tzinfo=dt.timezone(dt.timedelta(hours=hours))) for hours in (1, -5)]

    one = to_event_log(pd.DataFrame({"case_id": ["1"], "activity": ["a"], "time": zoned}))
    two = to_event_log(
        pd.DataFrame({"case_id": ["1"] * 2, "activity": ["a"] * 2, "time": pd.Series(mixed, dtype=object)})
    )

    assert one["timestamp"].to_pylist() == [dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC)]
    assert two["timestamp"].to_pylist() == [dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC) for hour in (9, 15)]


def test_attributes_whose_name_means_something_else_here_are_renamed():
    log = to_event_log(
        pa.table(ROWS | {"value": ["a", "b", "c", "d"], "channel": ["x"] * 4, "medium": ["web"] * 4}), channel="medium"
    )

    assert log["channel"].to_pylist() == ["web"] * 4
    assert {"attribute:value", "attribute:channel"} <= set(log.column_names)
    assert reading_report(log)["renamed"] == {"value": "attribute:value", "channel": "attribute:channel"}


def test_a_place_in_the_source_must_be_a_whole_number():
    with pytest.raises(InputError, match="column 'amount' must hold whole numbers"):
        to_event_log(pa.table(ROWS), order="amount")


def test_an_empty_table_gives_an_empty_log():
    log = to_event_log(pa.table({"case_id": [], "activity": [], "time": []}))

    assert log.num_rows == 0
    assert log.schema.names[:7] == REQUIRED.names


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match="Use Arrow, pandas or polars"):
        to_event_log([1, 2])


def test_input_is_not_changed():
    frame = pd.DataFrame(ROWS)
    copy = frame.copy()

    to_event_log(frame)

    pd.testing.assert_frame_equal(frame, copy)


@pytest.mark.parametrize("given", ["CANALE", "case:CANALE"])
def test_an_attribute_of_the_trace_is_found_with_and_without_its_prefix(given):
    names = ["case:concept:name", "concept:name", "time:timestamp", "case:CANALE"]

    assert find_columns(names, {"channel": given})[0]["channel"] == "case:CANALE"
    assert find_columns([*names[:3], "CANALE"], {"channel": given})[0]["channel"] == "CANALE"


def test_columns_are_recognised_by_well_known_names_and_guesses_are_told():
    columns, guesses = find_columns(["Case ID", "Activity", "Complete Timestamp", "Resource"], {})

    assert columns == {
        "journey": "Case ID",
        "activity": "Activity",
        "timestamp": "Complete Timestamp",
        "resource": "Resource",
    }
    assert guesses == columns
    assert find_columns(["case:concept:name", "concept:name", "time:timestamp"], {})[1] == {}


def test_missing_columns_are_named_with_what_was_found():
    with pytest.raises(
        InputError, match=r"log\.csv: column 'Case' is missing\. Did you mean 'Case ID'\? Found: Case ID, b\."
    ):
        find_columns(["Case ID", "b"], {"journey": "Case"}, where="log.csv")
    with pytest.raises(InputError, match="--activity COLUMN"):
        find_columns(["case_id", "time"], {})
    with pytest.raises(UsageError, match=r"Unknown column role 'jorney'\. Did you mean 'journey'\?"):
        find_columns(["case_id"], {"jorney": "case_id"})


def test_odd_columns_are_taken_along():
    odd = {
        "case_id": ["1", "1"],
        "activity": pa.array(["a", "b"]).dictionary_encode(),
        "time": pa.array(["2026-01-01Z", "2026-01-02Z"]).dictionary_encode(),
        'it\'s "odd"': [1, None],
        "X": [1, 2],
        "x": [3, 4],
        "list": [[1], None],
        "struct": [{"a": 1}, None],
        "bytes": [b"\xff\x00", None],
        "lasts": pa.array([5, None], pa.duration("ns")),
        "clock": pa.array([5, None], pa.time64("us")),
        "nothing": pa.nulls(2),
        "due": pa.array([1_000_001, None], pa.timestamp("ns", "Asia/Kolkata")),
    }

    log = to_event_log(pa.table(odd))

    assert log.column_names[8:] == list(odd)[3:]
    assert log.schema.field("due").type == pa.timestamp("us", "UTC")
    assert log["event_id"].null_count == 0


def test_names_that_occur_twice_are_numbered():
    columns = [["1"], ["a"], ["2026-01-01Z"], [1], [2]]
    table = pa.table(columns, names=["case_id", "activity", "time", "x", "x"])

    assert to_event_log(table).select(["x", "x_2"]).to_pylist() == [{"x": 1, "x_2": 2}]


def test_infinite_and_undefined_times_are_unreadable():
    table = pa.table({"case_id": ["1"] * 3, "activity": ["a"] * 3, "time": [1.6e9, float("inf"), float("nan")]})

    log = to_event_log(table)

    assert log.num_rows == 1
    assert reading_report(log)["left_out"]["unreadable_timestamp"]["rows"] == 2
