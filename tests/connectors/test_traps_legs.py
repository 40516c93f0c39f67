"""Legs of one call in FreeSWITCH's records, for each setting of ``legs``; what must come was worked out by hand."""

from __future__ import annotations

import pytest

EPOCH = 1772359200
"""2026-03-01T10:00:00Z."""


def leg(uuid, leg_of, *, start, answer=None, billsec=0, **changes):
    """Return a record of the template: times are seconds after ten o'clock."""
    row = {"uuid": uuid, "leg_of": leg_of, "context": "public", "caller_id_number": "03023125701"}
    row |= {"destination_number": "+493023125000", "start_uepoch": f"{EPOCH + start}123456"}
    row |= {"answer_uepoch": "0" if answer is None else f"{EPOCH + answer}000000"}
    row |= {"end_uepoch": f"{EPOCH + start + 70}000000", "duration": "70", "billsec": str(billsec)}
    row |= {"hangup_cause": "NORMAL_CLEARING", "cc_queue": "", "cc_agent": "", "cc_cause": ""}
    return ",".join(f'"{text}"' for text in (row | changes).values()) + "\n"


CALLER = leg("A", "originator= =", start=0, answer=8, billsec=59)
# Two phones ring at once; the second one takes the call. They hang up before the caller, so they are written first.
PHONES = leg("B1", "originator=A =", start=1, destination_number="1001")
PHONES += leg("B2", "originator=A =", start=1, answer=8, billsec=58, destination_number="1002")


@pytest.mark.parametrize(
    ("legs", "records", "start", "duration"),
    [("a", CALLER, "10:00:00", "59"), ("ab", PHONES + CALLER, "10:00:00", "59"), ("b", PHONES, "10:00:01", "58")],
)
def test_freeswitch_legs_of_a_call_are_one_call_in_every_setting(mapped, legs, records, start, duration):
    found = mapped("freeswitch", {"Master.csv": records})

    assert found.events("activity", "timestamp", "status", "duration", "identifiers") == [
        ("call_inbound", f"2026-03-01T{start}.123456+00:00", "ok", duration, "phone:+493023125701")
    ], legs


def test_freeswitch_an_outgoing_call_belongs_to_whom_was_called_with_both_legs(mapped):
    ours = {"context": "default", "caller_id_number": "1002", "destination_number": "03023125703"}
    records = leg("B", "originator=A =", start=1, answer=5, billsec=20, **ours)
    records += leg("A", "originator= =", start=0, answer=5, billsec=20, **ours)
    found = mapped("freeswitch", {"Master.csv": records})

    assert found.events("activity", "identifiers") == [("call_outbound", "phone:+493023125703")]


QUEUE = {"cc_queue": "support@default"}
# By `default`, as whatever no leg dials; the first agent does not pick up.
RUNG = leg("C1", "originator= callback=A", start=5, context="default", cc_agent="1001", **QUEUE)
TALKED = leg("C2", "originator= callback=A", start=25, answer=30, billsec=40, context="default", **QUEUE)
WAITED = leg("A", "originator= =", start=0, answer=0, billsec=70, cc_agent="1002", cc_cause="answered", **QUEUE)


@pytest.mark.parametrize(
    ("legs", "records", "expected"),
    [
        # An agent who was rung in vain has a record with `a`, too.
        ("a", RUNG + WAITED, ("10:00:00", "1002", "70")),
        ("ab", RUNG + TALKED + WAITED, ("10:00:00", "1002", "70")),
        # The record of the caller is not there, and with it the agent who answered.
        ("b", RUNG + TALKED, ("10:00:05", "", "40")),
    ],
)
def test_freeswitch_agents_of_a_queue_who_were_rung_are_no_further_calls(mapped, legs, records, expected):
    found = mapped("freeswitch", {"Master.csv": records})

    start, agent, duration = expected
    row = ("call_inbound", f"2026-03-01T{start}.123456+00:00", "ok", agent, duration, "phone:+493023125701")
    assert found.events("activity", "timestamp", "status", "resource", "duration", "identifiers") == [row], legs


def test_freeswitch_the_standing_call_of_an_agent_does_not_lengthen_a_customers(mapped):
    records = leg("S", "originator= uuid-standby=A", start=-3600, answer=-3600, billsec=28800, context="default")
    found = mapped("freeswitch", {"Master.csv": WAITED + records})

    assert found.events("activity", "duration") == [("call_outbound", "28800"), ("call_inbound", "70")]


def test_freeswitch_what_a_dialled_leg_dials_is_a_call_of_its_own(mapped):
    records = leg("C", "originator=B2 =", start=30, answer=33, billsec=10, destination_number="1003")
    found = mapped("freeswitch", {"Master.csv": PHONES + records + CALLER})

    assert found.events("duration") == ["59", "10"]


def test_freeswitch_of_a_template_with_another_second_column_rows_are_rejected(mapped):
    records = leg("B", "", start=1, answer=8, billsec=58) + leg("A", "6857cd9e-ba47-491e-ac0b-30cbeb863aab", start=0)
    found = mapped("freeswitch", {"Master.csv": records})

    assert found.rejected() == [("calls", "activity: missing")]
    assert len(found.events("activity")) == 1
