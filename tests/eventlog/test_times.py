"""Times in every usual form become the right instants; doubtful ones are counted or refused."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from journeymining.eventlog.times import parse_times
from journeymining.exceptions import InputError, UsageError


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-01T10:24:57+11:00", "2026-03-01T10:24:57+11:00"),
        ("2026-03-01 10:24:57.123456Z", "2026-03-01T10:24:57.123456+00:00"),
        ("2026-03-01T10:24:57,5-0330", "2026-03-01T10:24:57.5-03:30"),
        ("2026-03-01 10:24 UTC", "2026-03-01T10:24:00+00:00"),
        ("2026-03-01T10:24:57+01", "2026-03-01T10:24:57+01:00"),
        ("2026/3/1 9:05:00Z", "2026-03-01T09:05:00+00:00"),
        ("2026-03-01Z", "2026-03-01T00:00:00+00:00"),
        ("1583050000", "2020-03-01T08:06:40+00:00"),
        ("1583050000.25", "2020-03-01T08:06:40.250+00:00"),
        ("1583050000123", "2020-03-01T08:06:40.123+00:00"),
        ("1583050000123456", "2020-03-01T08:06:40.123456+00:00"),
        ("1583050000123456789", "2020-03-01T08:06:40.123456+00:00"),
        ("  2026-03-01T10:24:57Z ", "2026-03-01T10:24:57+00:00"),
    ],
)
def test_text_that_says_its_zone_becomes_its_instant(written, meant):
    times = parse_times(pl.Series("t", [written]))

    assert times.instants.to_list() == [utc(meant)]
    assert times.facts["unreadable"] == 0


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("9.3.10 8:05", "2010-03-09T08:05:00+01:00"),
        ("31.12.2025 23:59:59", "2025-12-31T23:59:59+01:00"),
        ("31/12/2025 1:05 PM", "2025-12-31T13:05:00+01:00"),
        ("12/31/2025 12:05 am", "2025-12-31T00:05:00+01:00"),
        ("2026-07-01 12:00", "2026-07-01T12:00:00+02:00"),
    ],
)
def test_local_text_is_read_in_the_declared_zone(written, meant):
    times = parse_times(pl.Series("t", [written]), timezone="Europe/Amsterdam")

    assert times.instants.to_list() == [utc(meant)]
    assert times.facts["naive"] == 1


@pytest.mark.parametrize("values", [["2026-01-01 10:00"], [dt.datetime(2026, 1, 1)], [dt.date(2026, 1, 1)]])
def test_times_without_zone_are_refused_with_what_would_work(values):
    with pytest.raises(InputError, match="--timezone Europe/Amsterdam"):
        parse_times(pl.Series("t", values))


def test_one_time_without_zone_among_many_is_refused():
    with pytest.raises(InputError, match="1 of 2 times in column 't'"):
        parse_times(pl.Series("t", ["2026-01-01 10:00", "2026-01-01 10:00Z"]))


def test_a_local_time_that_happens_twice_is_the_first_one_and_counted():
    times = parse_times(pl.Series("t", ["2026-10-25 02:30", "2026-10-25 03:00"]), timezone="Europe/Berlin")

    assert times.instants.to_list() == [utc("2026-10-25T02:30:00+02:00"), utc("2026-10-25T03:00:00+01:00")]
    assert times.facts["ambiguous"] == 1


def test_a_local_time_that_never_happens_keeps_the_offset_before_the_change_and_is_counted():
    times = parse_times(pl.Series("t", ["2026-03-29 02:30"]), timezone="Europe/Berlin")

    assert times.instants.to_list() == [utc("2026-03-29T02:30:00+01:00")]
    assert times.facts["nonexistent"] == 1


def test_mixed_offsets_are_all_right_and_counted_as_written():
    written = [
        "2026-03-01T10:00:00+01:00",
        "2026-03-01T10:00:00-05:00",
        "2026-03-01T09:00:00Z",
        "2026-03-02T10:00:00+01:00",
    ]

    times = parse_times(pl.Series("t", written))

    assert times.instants.to_list() == [utc(text) for text in written]
    assert times.facts["offsets"] == {"+01:00": 2, "-05:00": 1, "Z": 1}


def test_unreadable_and_missing_times_are_told_apart():
    times = parse_times(pl.Series("t", ["soon", None, " ", "2026-02-30Z", "2026-02-28Z"]))

    assert times.instants.is_null().to_list() == [True, True, True, True, False]
    assert times.missing.to_list() == [False, True, True, False, False]
    assert times.facts["unreadable"] == 2
    assert times.facts["date_only"] == 1


def test_days_and_months_that_cannot_be_told_apart_are_refused():
    with pytest.raises(InputError, match="--time-format"):
        parse_times(pl.Series("t", ["01/02/2026 10:00"]), timezone="UTC")
    with pytest.raises(InputError, match="--time-format"):
        parse_times(pl.Series("t", ["31/12/2026 10:00", "12/31/2026 10:00"]), timezone="UTC")


def test_a_declared_form_is_used():
    times = parse_times(pl.Series("t", ["01/02/2026 10:00", "x"]), timezone="UTC", time_format="%d/%m/%Y %H:%M")
    days = parse_times(pl.Series("t", ["20260203"]), timezone="UTC", time_format="%Y%m%d")
    zoned = parse_times(pl.Series("t", ["20260203 1000 +0100"]), time_format="%Y%m%d %H%M %z")

    assert times.instants.to_list() == [utc("2026-02-01T10:00:00+00:00"), None]
    assert times.facts["unreadable"] == 1
    assert days.instants.to_list() == [utc("2026-02-03T00:00:00+00:00")]
    assert zoned.instants.to_list() == [utc("2026-02-03T09:00:00+00:00")]


@pytest.mark.parametrize(
    ("number", "unit"),
    [(1_583_050_000, "s"), (1_583_050_000_000, "ms"), (1_583_050_000_000_000, "us"), (1_583_050_000 * 10**9, "ns")],
)
def test_epoch_numbers_are_read_by_their_size(number, unit):
    times = parse_times(pl.Series("t", [number, number + 1, None]))

    assert times.instants.to_list()[0] == utc("2020-03-01T08:06:40+00:00")
    assert times.facts["epoch_unit"] == unit


def test_small_numbers_are_no_times():
    times = parse_times(pl.Series("t", [1, 2, 3]))

    assert times.instants.null_count() == 3
    assert times.facts["unreadable"] == 3


def test_nanoseconds_are_cut_off_and_counted():
    column = pl.Series("t", [1_583_050_000_123_456_789], dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))

    times = parse_times(column)

    assert times.instants.dt.epoch("us").to_list() == [1_583_050_000_123_456]
    assert times.facts["finer_than_microseconds"] == 1


def test_midnight_is_counted_by_the_clock_as_written():
    times = parse_times(pl.Series("t", ["2026-07-01T00:00:00+02:00", "2026-07-01T10:00:00+02:00", "2026-07-01Z"]))

    assert times.facts["midnight"] == 2


def test_unknown_zone_and_form_are_refused():
    with pytest.raises(UsageError, match=r"Did you mean 'Europe/Amsterdam'\?"):
        parse_times(pl.Series("t", ["2026-01-01"]), timezone="Europe/Amsterdm")
    with pytest.raises(UsageError, match="not usable"):
        parse_times(pl.Series("t", ["2026-01-01"]), timezone="UTC", time_format="%Q %H")


def test_no_times_at_all_give_none():
    assert parse_times(pl.Series("t", [], dtype=pl.String)).instants.to_list() == []
    assert parse_times(pl.Series("t", [None, None])).missing.to_list() == [True, True]
