"""Durations are read as people write them, and refused when they could mean two things."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeymining.durations import parse_duration, write_duration
from journeymining.exceptions import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45s", timedelta(seconds=45)),
        ("1 sec", timedelta(seconds=1)),
        ("2 secs", timedelta(seconds=2)),
        ("90 min", timedelta(minutes=90)),
        ("90 mins", timedelta(minutes=90)),
        ("5 minutes", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        ("1 hour", timedelta(hours=1)),
        ("36 Hours", timedelta(hours=36)),
        ("180d", timedelta(days=180)),
        (" 30 days ", timedelta(days=30)),
        ("1 day", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
        ("1 week", timedelta(weeks=1)),
        ("0 days", timedelta(0)),
    ],
)
def test_reads_number_and_unit(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "30",
        "days",
        "-1 day",
        "1.5 h",
        "1 month",
        "2 years",
        "ds",
        "3 ds",
        "1h 30min",
        "٣ days",
        "9" * 30 + "d",
        30,
        None,
    ],
)
def test_refuses_what_is_no_duration_and_says_what_would_work(text):
    with pytest.raises(UsageError, match=r"Not a duration: .*'30 days'"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_what_is_written_is_read_back(seconds):
    assert parse_duration(write_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
