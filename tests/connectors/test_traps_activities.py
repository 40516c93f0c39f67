"""Tasks and appointments of Dynamics 365: when they were, and whose they are; what must come was worked out by hand."""

from __future__ import annotations

import pytest


def appointment(**changes):
    # Entered on the first of March for the fourth, and closed a quarter of an hour after its end.
    row = {
        "activityid": "m1",
        "_regardingobjectid_value": "c1",
        "regarding_type": "contact",
        "category": "Installation",
    }
    row |= {"scheduledstart": "2026-03-04T09:00:00Z", "isalldayevent": False, "actualstart": "2026-03-01T16:00:00Z"}
    row |= {"actualend": "2026-03-04T10:15:00Z", "actualdurationminutes": 60, "_ownerid_value": "o9", "statecode": 1}
    return row | changes


def task(**changes):
    row = {"activityid": "t1", "_regardingobjectid_value": "c1", "regarding_type": "contact", "statecode": 1}
    row |= {"actualend": "2026-03-02T10:00:00Z", "actualdurationminutes": 30, "_ownerid_value": "o7"}
    return row | changes


def test_dynamics_a_meeting_was_when_it_was_planned_not_when_it_was_entered(mapped):
    found = mapped("dynamics365", {"appointments.jsonl": [appointment()]})

    told = found.events("activity", "timestamp", "duration", "status", "topic")
    assert told == [("meeting", "2026-03-04T09:00:00+00:00", "3600", "ok", "Installation")]


def test_dynamics_a_cancelled_meeting_is_one_when_it_was_cancelled(mapped):
    cancelled = appointment(statecode=2, actualend="2026-03-03T08:00:00Z")
    found = mapped("dynamics365", {"appointments.jsonl": [cancelled]})

    told = found.events("activity", "timestamp", "duration", "status")
    assert told == [("meeting_cancelled", "2026-03-03T08:00:00+00:00", "", "failed")]


def test_dynamics_a_meeting_of_a_whole_day_is_exact_to_the_day(mapped):
    days = [appointment(activityid=str(flag), isalldayevent=flag) for flag in (True, False, None)]
    found = mapped("dynamics365", {"appointments.jsonl": days})

    assert sorted(found.events("granularity", "duration")) == [("day", ""), ("s", "3600"), ("s", "3600")]


def test_dynamics_what_is_planned_open_or_of_no_known_state_did_not_happen(mapped):
    states = (0, 3, 100000001, None)
    files = {"appointments.jsonl": [appointment(activityid=str(state), statecode=state) for state in states]}
    files["tasks.jsonl"] = [task(activityid=str(state), statecode=state) for state in (*states, 2)]
    found = mapped("dynamics365", files)

    assert found.events("activity") == []
    assert found.streams["appointments"]["records_without_event"] == 4
    assert found.streams["tasks"]["records_without_event"] == 5


def test_dynamics_a_task_without_an_end_has_no_time(mapped):
    tasks = [task(), task(activityid="t2", actualend=None, createdon="2026-03-01T10:00:00Z")]
    found = mapped("dynamics365", {"tasks.jsonl": tasks})

    assert found.events("activity", "timestamp", "duration") == [
        ("task_completed", "2026-03-02T10:00:00+00:00", "1800")
    ]
    assert found.rejected() == [("tasks", "time: missing")]


@pytest.mark.parametrize(
    ("regards", "identifiers"),
    [("contact", "contact:c1"), ("account", "account:c1"), ("opportunity", ""), (None, ""), ("incident", "account:a1")],
)
def test_dynamics_an_activity_regards_a_case_a_person_or_a_company(mapped, regards, identifiers):
    files = {"tasks.jsonl": [task(regarding_type=regards)]}
    if regards == "incident":
        case = {"incidentid": "c1", "_customerid_value": "a1", "customer_type": "account"}
        files["incidents.jsonl"] = [case | {"createdon": "2026-03-01T09:00:00Z"}]
    found = mapped("dynamics365", files)

    assert [ids for kind, ids in found.events("activity", "identifiers") if kind == "task_completed"] == [identifiers]
