"""Promises on hand-made journeys, and the worked examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from journeymining.conformance.design import Calendar, Promise
from journeymining.conformance.promises import judge_promise

PROMISE = "journey: x\nflow: order > confirm\npromises:\n  - {from: order, to: confirm, within: 24h}\n"


def test_the_worked_example_of_a_promise(check, said):
    """Closed after 5, 20 and 30 hours; open for 10 and 40; promised within 24."""
    journeys = {
        f"closed {hours}": [{"activity": "order", "hour": 0}, {"activity": "confirm", "hour": hours}]
        for hours in (5, 20, 30)
    }
    journeys |= {f"open {hours}": [{"activity": "order", "hour": 100 - hours}] for hours in (10, 40)}
    journeys["end of the log"] = [{"activity": "confirm", "hour": 100}]
    found = check(PROMISE, journeys, flags={name: name.startswith("open") for name in journeys})

    row = found.promises.iloc[0]
    assert [row[name] for name in ("made", "kept", "broken", "undecided")] == [5, 2, 2, 1]
    assert row["share_kept"] == 0.5
    assert (row["lowest"], row["highest"]) == (0.4, 0.6)
    assert row["median_time"] == 20 * 3600
    late = found.journeys.set_index("journey_id")["late"]
    assert late[late > 0].index.tolist() == ["closed 30", "open 40"]
    late_by = found.journeys.set_index("journey_id")["late_by"].dropna()
    assert late_by.to_dict() == {"closed 30": 6 * 3600.0}
    assert found.journeys.set_index("journey_id")["promise_0"]["open 10"] == "undecided"
    assert ("late", "confirm", 1) in said(found)


def test_a_journey_that_ended_otherwise_owes_nothing_afterwards(check):
    design = PROMISE + "scope: {end: [confirm, cancelled]}\n"
    journeys = {
        "1": [{"activity": "order", "hour": 0}, {"activity": "cancelled", "hour": 3}],
        "2": [{"activity": "order", "hour": 0}, {"activity": "cancelled", "hour": 30}],
        "3": [{"activity": "order", "hour": 400}, {"activity": "confirm", "hour": 401}],
    }
    found = check(design, journeys)

    assert found.journeys["promise_0"].tolist() == ["undecided", "broken", "kept"]


def hours(begin, end, calendar, within_days):
    """Judge one promise in business days; return the verdict and the hours it took."""
    times = [int(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp() * 1e6) for one in (begin, end)]
    found = judge_promise(
        Promise("a", "b", timedelta(days=within_days), business_days=True),
        calendar,
        journey=np.array([0, 0]),
        time=np.array(times),
        is_start=np.array([True, False]),
        is_to=np.array([False, True]),
        stands=np.zeros(1, dtype=np.int8),
        ended=np.array([times[1]]),
    )
    return found.verdict.tolist()[0], found.took.tolist()[0] / 3.6e9


@pytest.mark.parametrize(
    ("begin", "end", "took"),
    [
        ("2026-03-06T15:00", "2026-03-11T15:00", 72),  # Friday to Wednesday: three business days
        ("2026-03-07T15:00", "2026-03-09T06:00", 6),  # Saturday counts from Monday, 00:00
        ("2026-03-07T15:00", "2026-03-08T15:00", 0),  # a weekend is no time at all
        ("2026-03-02T09:00", "2026-03-02T17:00", 8),
    ],
)
def test_time_on_days_off_does_not_count(begin, end, took):
    assert hours(begin, end, Calendar(), 3) == (1, took)


def test_holidays_and_other_weeks_are_days_off():
    assert hours("2026-12-24T12:00", "2026-12-28T12:00", Calendar(holidays=("2026-12-25",)), 1) == (1, 24)
    sunday_week = Calendar(working_days=("Sun", "Mon", "Tue", "Wed", "Thu"))
    assert hours("2026-03-05T12:00", "2026-03-08T12:00", sunday_week, 1) == (1, 24)


def test_a_day_begins_in_the_zone_of_the_calendar():
    """Friday 23:30 UTC is Saturday in Amsterdam, so the clock starts on Monday, 00:00 there."""
    assert hours("2026-03-06T23:30", "2026-03-09T00:00", Calendar(timezone="Europe/Amsterdam"), 1) == (1, 1)
