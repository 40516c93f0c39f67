"""Every flaw that a log has is said, with how many it concerns; a clean log gets no reproach."""

from __future__ import annotations

import datetime as dt
import random

import pyarrow as pa
import pytest

from journeymining.eventlog.checks import check_event_log
from journeymining.eventlog.reading import read_event_log
from journeymining.eventlog.table import to_event_log

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
COLUMNS = ["case_id", "activity", "time", "channel", "customer_id"]


def log_of(*rows: tuple[str | None, ...], **options: str) -> pa.Table:
    full = [(*row, *("web", "c")[len(row) - 3 :]) for row in rows]
    columns = dict(zip(COLUMNS, map(list, zip(*full, strict=True)), strict=True))
    return to_event_log(pa.table(columns), **options)


def findings(log: pa.Table) -> dict[str, tuple[str, int]]:
    frame = check_event_log(log, now=NOW)
    return {row.check: (row.severity, row.count) for row in frame.itertuples()}


def sentence(log: pa.Table, check: str) -> str:
    frame = check_event_log(log, now=NOW)
    return frame.set_index("check")["what"][check]


CLEAN = [
    ("1", "a", "2026-01-01T10:00:00Z"),
    ("1", "b", "2026-01-01T11:00:00Z"),
    ("2", "a", "2026-01-02T10:00:00Z"),
    ("2", "b", "2026-01-02T11:00:00Z"),
]


def test_a_clean_log_gets_only_its_coverage():
    log = log_of(*CLEAN)

    assert findings(log) == {
        "events": ("info", 4),
        "journeys": ("info", 2),
        "customers": ("info", 1),
        "activities": ("info", 2),
        "channels": ("info", 1),
        "days": ("info", 2),
        "guessed_columns": ("info", 2),
    }
    assert sentence(log, "days").endswith("from 2026-01-01 10:00 to 2026-01-02 11:00 UTC")


def test_duplicated_rows_are_counted_once_per_surplus():
    found = findings(log_of(*CLEAN, CLEAN[0], CLEAN[0]))

    assert found["duplicated_rows"] == ("warning", 2)
    assert found["ties"] == ("info", 3)
    assert "ties_decide_paths" not in found


def test_rows_that_differ_in_an_attribute_are_no_duplicates():
    assert "duplicated_rows" not in findings(log_of(*CLEAN, (*CLEAN[0], "chat")))


def test_ties_between_different_activities_decide_paths():
    tied = ("1", "c", "2026-01-01T10:00:00Z")

    found = findings(log_of(*CLEAN, tied))

    assert found["ties"] == ("info", 2)
    assert found["ties_decide_paths"] == ("warning", 1)
    assert "1 of 2 journeys would have another path" in sentence(log_of(*CLEAN, tied), "ties_decide_paths")


def test_ties_that_the_source_orders_are_not_arbitrary():
    table = pa.table(
        {"case_id": ["1"] * 2, "activity": ["b", "a"], "time": ["2026-01-01T10:00Z"] * 2, "source_order": [1, 2]}
    )

    found = findings(to_event_log(table))

    assert found["ties_ordered_by_source"] == ("info", 1)
    assert "ties_decide_paths" not in found


def test_shuffled_rows_are_said_and_change_nothing_else():
    rows = [("1", "abc"[number % 3], f"2026-01-01T10:{number:02}:00Z") for number in range(30)]
    shuffled = random.Random(1).sample(rows, len(rows))

    tidy, untidy = findings(log_of(*rows)), findings(log_of(*shuffled))

    assert untidy.pop("rows_out_of_order")[0] == "info"
    assert untidy == tidy


def test_missing_and_unreadable_times_are_said_with_row_numbers():
    rows = [*CLEAN, ("1", "a", None), ("1", "a", "soon"), ("1", None, "2026-01-01Z"), (None, "a", "2026-01-01Z")]

    log = log_of(*rows)
    found = findings(log)

    for check in ("missing_timestamp", "unreadable_timestamp", "missing_activity", "missing_journey"):
        assert found[check] == ("error", 1)
    assert sentence(log, "unreadable_timestamp") == "1 of 8 rows left out: unreadable timestamp; for example rows 6"


def test_a_few_rows_left_out_are_a_warning_and_many_an_error():
    rows = [("1", "a", f"2026-01-01T10:{number:02}:00Z") for number in range(40)]

    assert findings(log_of(*rows, ("1", "a", None)))["missing_timestamp"] == ("warning", 1)


def test_mixed_offsets_are_said_and_summer_time_is_normal():
    summer = log_of(("1", "a", "2026-01-01T10:00:00+01:00"), ("1", "b", "2026-07-01T10:00:00+02:00"))
    mixed = log_of(
        ("1", "a", "2026-01-01T10:00:00+01:00"),
        ("1", "b", "2026-07-01T10:00:00-05:00"),
        ("1", "c", "2026-07-02T10:00Z"),
    )

    assert findings(summer)["mixed_offsets"] == ("info", 2)
    assert findings(mixed)["mixed_offsets"] == ("warning", 3)
    assert "-05:00 (33.3 %)" in sentence(mixed, "mixed_offsets")


def test_times_without_zone_and_their_doubtful_hours_are_said():
    log = log_of(
        ("1", "a", "2026-10-25 02:30"),
        ("1", "b", "2026-03-29 02:30"),
        ("1", "c", "2026-05-01 10:00"),
        timezone="Europe/Berlin",
    )

    found = findings(log)

    assert found["times_without_zone"] == ("info", 3)
    assert found["ambiguous_times"] == ("warning", 1)
    assert found["nonexistent_times"] == ("warning", 1)


def test_times_that_are_whole_days_are_said():
    log = log_of(("1", "a", "2026-01-01"), ("1", "b", "2026-01-02 10:00"), timezone="Europe/Berlin")

    assert findings(log)["whole_days"] == ("warning", 1)


def test_impossible_times_are_said():
    log = log_of(
        *CLEAN, ("1", "x", "2027-01-01T10:00Z"), ("1", "x", "1970-01-01T00:00:00Z"), ("1", "x", "1989-01-01T10:00Z")
    )

    found = findings(log)

    assert found["future_times"] == ("error", 1)
    assert found["epoch_times"] == ("error", 1)
    assert found["early_times"] == ("warning", 1)


def test_days_without_events_between_busy_ones_are_said_and_weekends_are_normal():
    start = dt.datetime(2026, 1, 5, 10, tzinfo=dt.UTC)
    days = [start + dt.timedelta(days=day) for day in range(70)]
    rows = [
        (f"{day:%j}-{hour}", "a", (day + dt.timedelta(minutes=hour)).isoformat())
        for day in days
        if day.weekday() < 5 and f"{day:%m-%d}" not in ("02-04", "02-05")
        for hour in range(12)
    ]

    assert findings(log_of(*rows))["days_without_events"] == ("warning", 2)
    assert "first 2026-02-04" in sentence(log_of(*rows), "days_without_events")


def test_journeys_of_one_event_and_far_too_long_ones_are_said():
    rows = [(str(number), "ab"[place], f"2026-01-01T10:{place:02}:00Z") for number in range(20) for place in range(2)]
    long = [("guest", "a", f"2026-01-{1 + place // 24:02}T{place % 24:02}:30:00Z") for place in range(200)]

    found = findings(log_of(*rows, *long, ("single", "a", "2026-01-01T10:00Z")))

    assert found["one_event_journeys"] == ("info", 1)
    assert found["very_long_journeys"] == ("warning", 1)


def test_names_that_differ_in_case_or_space_only_are_said():
    log = log_of(*CLEAN, ("3", "Order  placed", "2026-01-03T10:00Z"), ("3", "order_placed", "2026-01-03T11:00Z", "Web"))

    found = findings(log)

    assert found["similar_activities"] == ("warning", 2)
    assert found["similar_channels"] == ("warning", 2)
    assert "'Order  placed', 'order_placed'" in sentence(log, "similar_activities")


@pytest.mark.parametrize("name", ["a\u00a0b", "a\u200bb", "a\x07", " a", "a\n"])
def test_odd_characters_are_said(name):
    log = log_of(*CLEAN, ("3", name, "2026-01-03T10:00Z"))

    assert findings(log)["odd_characters"] == ("warning", 1)
    assert sentence(log, "odd_characters").endswith("in activity")


def test_characters_lost_before_are_said():
    assert findings(log_of(*CLEAN, ("3", "caf\ufffd", "2026-01-03T10:00Z")))["lost_characters"] == ("warning", 1)


def test_unknown_and_rare_channels_are_said():
    many = [(str(number), "a", "2026-01-01T10:00Z") for number in range(5000)]

    some = findings(log_of(*many, ("x", "a", "2026-01-01T10:00Z", None), ("y", "a", "2026-01-01T10:00Z", "fax")))
    none = findings(log_of(("1", "a", "2026-01-01T10:00Z", None)))

    assert some["missing_channel"] == ("warning", 1)
    assert some["rare_channels"] == ("info", 1)
    assert none["missing_channel"] == ("info", 1)


def test_journeys_of_several_customers_and_unknown_ones_are_said():
    several = log_of(*CLEAN, ("1", "c", "2026-01-03T10:00Z", "web", "other"))
    unknown = to_event_log(pa.table({"case_id": ["1"], "activity": ["a"], "time": ["2026-01-01Z"]}))

    assert findings(several)["several_customers"] == ("warning", 1)
    assert findings(unknown)["unknown_customers"] == ("info", 1)
    assert "customers" not in findings(unknown)


def test_journeys_that_the_log_cuts_off_are_said():
    rows = []
    for number in range(40):
        begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=number)
        steps = ["start", "middle", "end"]
        if number == 0:
            steps = ["middle", "end"]
        if number == 39:
            steps = ["start", "middle"]
        rows += [
            (str(number), step, (begin + dt.timedelta(hours=12 * place)).isoformat())
            for place, step in enumerate(steps)
        ]

    found = findings(log_of(*rows))

    assert found["cut_off_start"] == ("info", 1)
    assert found["cut_off_end"] == ("info", 1)


def test_repeated_ids_within_a_journey_are_an_error():
    table = pa.table(
        {
            "case_id": ["1", "1", "2"],
            "activity": ["a", "b", "a"],
            "time": ["2026-01-01T10:00Z"] * 3,
            "event_id": ["e"] * 3,
        }
    )

    assert findings(to_event_log(table))["repeated_event_ids"] == ("error", 1)


def test_what_the_file_lacked_is_said(tmp_path):
    csv = tmp_path / "log.csv"
    csv.write_bytes("case_id,activity,time\n1,éàü,2026-01-01Z\n1,b".encode() + b"\xff,2026-01-02Z\n1\n")
    xes = tmp_path / "log.xes"
    event = (
        '<event><string key="concept:name" value="a"/><date key="time:timestamp" value="2026-01-01T10:00Z"/></event>'
    )
    xes.write_text(f"<log><trace>{event}</trace><trace/></log>", encoding="utf-8")

    of_csv, of_xes = findings(read_event_log(csv)), findings(read_event_log(xes))

    assert of_csv["invalid_bytes"] == ("warning", 1)
    assert of_csv["wrong_number_of_fields"] == ("error", 1)
    assert of_xes["unnamed_traces"] == ("warning", 1)
    assert of_xes["empty_traces"] == ("info", 1)


def test_ends_before_starts_and_lonely_halves_are_said():
    table = pa.table(
        {"case_id": ["1"], "activity": ["a"], "time": ["2026-01-01T10:00Z"], "begin": ["2026-01-01T11:00Z"]}
    )
    halves = pa.table(
        {
            "case_id": ["1"] * 3,
            "activity": ["a", "a", "b"],
            "time": ["2026-01-01T10:00Z", "2026-01-01T11:00Z", "2026-01-01T12:00Z"],
            "lifecycle:transition": ["start", "complete", "complete"],
        }
    )

    from journeymining.eventlog.lifecycle import select_lifecycle

    assert findings(to_event_log(table, start_timestamp="begin"))["end_before_start"] == ("warning", 1)
    assert findings(select_lifecycle(to_event_log(halves)))["unpaired_lifecycle"] == ("info", 1)


def test_an_empty_log_is_an_error_not_a_crash():
    log = to_event_log(pa.table({"case_id": [], "activity": [], "time": []}))

    assert findings(log)["days"] == ("error", 0)


def test_a_table_that_was_not_read_here_is_checked_too():
    log = log_of(*CLEAN, CLEAN[0]).replace_schema_metadata(None).drop_columns(["source_order"])

    assert findings(log)["duplicated_rows"] == ("warning", 1)


def test_shares_are_of_what_the_sentence_names():
    frame = check_event_log(log_of(*CLEAN, CLEAN[0]), now=NOW).set_index("check")

    assert frame["share"]["duplicated_rows"] == pytest.approx(1 / 5)
    assert frame["share"].dropna().between(0, 1).all()
