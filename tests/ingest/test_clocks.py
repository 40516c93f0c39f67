"""Times: checked against Python's own zones, around every change of a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.ingest.clocks import with_instant
from journeymining.ingest.connection import connect
from journeymining.ingest.specs import Time
from journeymining.ingest.values import literal


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Give a function: texts -> list of (instant, rule, granularity)."""
    with connect(tmp_path_factory.mktemp("db"), "200MB", 1) as db:

        def read(texts, *, job_zone=None, folds=None, **rule):
            time = Time(field="x", **rule)
            rows = ", ".join(
                f"({number}, {literal(text)}, {literal(str(fold))})"
                for number, (text, fold) in enumerate(zip(texts, folds or texts, strict=True))
            )
            base = f"SELECT * FROM (VALUES {rows}) AS v(n, t, f)"
            query = with_instant(base, time, "t", zone=job_zone, fold="f" if folds else None, prefix="_t_")
            found = db.execute(f"SELECT _t_instant, _t_rule, _t_exact FROM ({query}) ORDER BY n").fetchall()
            return [(at and at.replace(tzinfo=UTC), rule, exact) for at, rule, exact in found]

        yield read


def instant(text):
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "expected", "exact"),
    [
        ("2026-03-01T10:00:00.000+0000", "2026-03-01T10:00:00+00:00", "ms"),
        ("2026-03-01T10:00:00.123456+01:00", "2026-03-01T09:00:00.123456+00:00", "us"),
        ("2026-03-01 10:00Z", "2026-03-01T10:00:00+00:00", "s"),
        ("2026-03-01T10:00:00-03:30", "2026-03-01T13:30:00+00:00", "s"),
        ("2026-03-01T10:00:00+05", "2026-03-01T05:00:00+00:00", "s"),
        ("2026-03-01T10:00:00,5Z", "2026-03-01T10:00:00.5+00:00", "ms"),
        ("2026-03-01T10:00:00.123456789Z", "2026-03-01T10:00:00.123456+00:00", "us"),
    ],
)
def test_iso_with_offset(read, text, expected, exact):
    assert read([text]) == [(instant(expected), "offset in the text", exact)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00",
        "2026-02-30T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "1989-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2026-03-01T10:00:00+99:00",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:61:00Z",
        "01.03.2026",
        "1795317312",
        "now",
        "",
        "2026-03-01T10:00:00Z x",
    ],
)
def test_what_is_no_iso_time_with_offset_is_no_time(read, text):
    assert read([text])[0][0] is None


def test_a_text_without_offset_is_read_as_the_connector_declares(read):
    text = ["2026-10-25 02:30:00"]

    assert read(text, job_zone="Europe/Berlin") == [(None, None, "s")]
    assert read(text, zone="source") == [(None, None, "s")]
    assert read(text, zone="UTC") == [(instant("2026-10-25T02:30:00+00:00"), "declared UTC", "s")]
    assert read(["2026-10-25T02:30:00+02:00"], zone="UTC")[0][:2] == (
        instant("2026-10-25T00:30:00+00:00"),
        "offset in the text",
    )


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("s", "1795317312", "2026-11-22T03:15:12+00:00"),
        ("s", "1795317312.25", "2026-11-22T03:15:12.25+00:00"),
        ("ms", "1795317312007", "2026-11-22T03:15:12.007+00:00"),
        ("us", "1795317312000007", "2026-11-22T03:15:12.000007+00:00"),
    ],
)
def test_epochs_keep_every_microsecond(read, unit, text, expected):
    assert read([text], form="epoch", unit=unit)[0][:2] == (instant(expected), f"epoch {unit}")


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("s", "1795317312007"),
        ("ms", "1795317312"),
        ("us", "1795317312007"),
        ("us", "9" * 17),
        ("s", "-5"),
        ("s", "1.8e9"),
        ("s", "x"),
    ],
)
def test_an_epoch_in_a_wrong_unit_is_no_time(read, unit, text):
    assert read([text], form="epoch", unit=unit)[0][0] is None


def test_common_log_format(read):
    texts = [
        "22/Nov/2026:03:41:15 +0100",
        "[29/Mar/2026:03:00:00 +0200]",
        "22/Foo/2026:03:41:15 +0100",
        "22/Nov/2026:03:41:15",
    ]

    found = [row[0] for row in read(texts, form="clf")]

    assert found == [instant("2026-11-22T02:41:15+00:00"), instant("2026-03-29T01:00:00+00:00"), None, None]


def test_patterns_of_a_country(read):
    texts = ["01.03.2026 10:00", "31.02.2026 10:00", "x"]

    found = read(texts, form="pattern", pattern="%d.%m.%Y %H:%M", zone="source", job_zone="Europe/Berlin")

    assert found[0] == (instant("2026-03-01T09:00:00+00:00"), "local Europe/Berlin", "s")
    assert [row[0] for row in found[1:]] == [None, None]


def test_a_date_is_its_first_moment_and_says_that_it_is_a_day(read):
    assert read(["2026-03-01"], zone="source", job_zone="Europe/Berlin") == [
        (instant("2026-02-28T23:00:00+00:00"), "local Europe/Berlin", "day")
    ]


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "UTC"]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.datetimes(datetime(1996, 1, 1), datetime(2037, 12, 30)), min_size=20, max_size=20),
)
def test_local_times_equal_those_of_python(read, zone, walls):
    walls = [wall.replace(microsecond=0) for wall in walls]

    found = read([str(wall) for wall in walls], zone="source", job_zone=zone)

    # Python's fold 0 is the same rule: the first of two, and on by the gap.
    assert [row[0] for row in found] == [wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for wall in walls]


@pytest.mark.parametrize("change", ["2026-10-25T01:00:00+00:00", "2026-03-29T01:00:00+00:00"])
def test_every_second_around_a_change_of_the_clock_comes_back_with_its_epoch(read, change):
    berlin = ZoneInfo("Europe/Berlin")
    truth = [instant(change) + timedelta(seconds=seconds) for seconds in range(-7200, 7200, 7)]
    texts = [moment.astimezone(berlin).strftime("%Y-%m-%d %H:%M:%S") for moment in truth]
    # A call's epoch may be half a minute away from the time of a later leg.
    folds = [int(moment.timestamp()) - 30 for moment in truth]

    found = read(texts, zone="source", job_zone="Europe/Berlin", folds=folds)

    assert [row[0] for row in found] == truth
    twice = sum(row[1] == "local Europe/Berlin, fold by epoch" for row in found)
    assert twice == (sum(-3600 <= s < 3600 for s in range(-7200, 7200, 7)) if "10-25" in change else 0)


def test_rules_around_a_change_are_said(read):
    texts = ["2026-10-25 02:30:00", "2026-03-29 02:30:00", "2026-03-29 03:30:00"]

    found = read(texts, zone="source", job_zone="Europe/Berlin")

    assert found == [
        (instant("2026-10-25T02:30:00+02:00"), "local Europe/Berlin, first of two", "s"),
        (instant("2026-03-29T03:30:00+02:00"), "local Europe/Berlin, in the gap", "s"),
        (instant("2026-03-29T03:30:00+02:00"), "local Europe/Berlin", "s"),
    ]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1)), st.integers(-840, 840)),
        min_size=5,
        max_size=20,
    )
)
def test_offsets_equal_those_of_python(read, times):
    moments = [wall.replace(tzinfo=timezone(timedelta(minutes=minutes))) for wall, minutes in times]

    found = read([moment.isoformat() for moment in moments])

    assert [row[0] for row in found] == [moment.astimezone(UTC) for moment in moments]


@pytest.mark.parametrize(
    ("text", "declared", "exact"),
    [
        ("2026-03-04", "s", "day"),
        ("2026-03-04", "day", "day"),
        ("2026-03-04T10:00:00", "s", "s"),
        ("2026-03-04T10:00:00", "us", "s"),
        ("2026-03-04T10:00:00.000", "s", "s"),
        ("2026-03-04T10:00:00.000001", "ms", "ms"),
        ("2026-03-04T10:00:00.000", "day", "day"),
    ],
)
def test_a_declared_granularity_only_makes_coarser(read, text, declared, exact):
    assert [found[2] for found in read([text], zone="UTC", granularity=declared)] == [exact]


def test_a_declared_granularity_holds_for_counts_and_patterns(read):
    counts = read(["1795317312.123456", "1795317312"], form="epoch", granularity="ms")
    dates = read(["04.03.2026"], form="pattern", pattern="%d.%m.%Y", zone="UTC", granularity="s")

    assert [exact for _, _, exact in counts + dates] == ["ms", "s", "day"]
