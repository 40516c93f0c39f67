"""Traps of telephone exchanges, contact centres and chat. All records are made up, all numbers kept free for films."""

from __future__ import annotations

import json

import pytest

UTC = "2026-03-01T10:00:00+00:00"
EPOCH = 1772359200
CALLER = "+493023125701"


# Asterisk: queue_log


def queue(*lines):
    return {"queue_log": "".join(f"{line}\n" for line in lines)}


def test_queue_log_counts_whole_seconds_in_utc(mapped):
    found = mapped("asterisk_queue_log", queue(f"{EPOCH}|1.0|q|NONE|ENTERQUEUE||{CALLER}|1"), timezone="Asia/Tokyo")

    assert found.events("timestamp", "granularity", "time_rule") == [(UTC, "s", "epoch s")]


def test_queue_log_waits_and_talks_are_seconds_and_rings_milliseconds(mapped):
    lines = [
        f"{EPOCH}|1.0|q|Ada|RINGNOANSWER|5000",
        f"{EPOCH}|1.0|q|Bo|CONNECT|12|2.0|3",
        f"{EPOCH}|1.0|q|Bo|COMPLETEAGENT|12|60|1",
        f"{EPOCH}|2.0|q|Bo|RINGCANCELED|1500",
        f"{EPOCH}|2.0|q|NONE|ABANDON|1|1|33",
    ]
    found = mapped("asterisk_queue_log", queue(*lines))

    assert found.events("activity", "duration") == [
        ("call_not_taken", "5"),
        ("call_answered", ""),
        ("call_completed", "60"),
        ("call_ring_cancelled", "1.5"),
        ("call_abandoned", "33"),
    ]


def test_queue_log_within_a_second_the_line_decides(mapped):
    lines = [
        f"{EPOCH}|1.0|q|NONE|{event}|1|1|1" for event in ("ENTERQUEUE", "EXITWITHTIMEOUT", "ENTERQUEUE", "ABANDON")
    ]
    found = mapped("asterisk_queue_log", queue(*lines))

    assert found.events("activity") == ["call_queued", "call_timed_out", "call_queued", "call_abandoned"]


def test_queue_log_only_the_first_row_says_who_calls_also_across_a_rotation_and_with_a_system_name(mapped):
    files = {
        "queue_log.1": f"{EPOCH}|acme-1.0|q|NONE|ENTERQUEUE||{CALLER}|1\n",
        "queue_log": f"{EPOCH + 9}|acme-1.0|q|NONE|ABANDON|1|1|9\n{EPOCH + 9}|pbx-1.0|q|NONE|ABANDON|1|1|9\n",
    }
    found = mapped("asterisk_queue_log", files)

    # The same number of another system is another call.
    assert found.events("identifiers") == [f"phone:{CALLER}", f"phone:{CALLER}", ""]


def test_queue_log_own_events_with_pipes_shift_the_columns_and_are_not_read(mapped):
    found = mapped("asterisk_queue_log", queue(f"{EPOCH}|1.0|q|NONE|SURVEY|a|b|{CALLER}|d|e|f|g"))

    assert found.events("activity") == []
    assert CALLER not in str(found.rows)


def test_queue_log_a_transfer_says_how_long_was_talked_in_another_column_each(mapped):
    lines = [
        f"{EPOCH}|1.0|q|Bo|BLINDTRANSFER|2000|default|12|60|1",
        f"{EPOCH}|2.0|q|Bo|ATTENDEDTRANSFER|BRIDGE|b1|12|61|1",
        f"{EPOCH}|3.0|q|Bo|ATTENDEDTRANSFER|LINK|c1|c2|12|62|1",
    ]
    found = mapped("asterisk_queue_log", queue(*lines))

    assert found.events("duration") == ["60", "61", "62"]


# Asterisk: CEL

CEL = 20


def cel(event, time, *, channel="1.0", linked="1.0", number=CALLER, app="", data="", kind="", extra=""):
    row = [""] * CEL
    row[0], row[1], row[3], row[10], row[11], row[14], row[15], row[18], row[19] = (
        event, time, number, app, data, channel, linked, kind, extra,
    )  # fmt: skip
    return ",".join('"' + text.replace('"', '""') + '"' for text in row) + "\n"


def test_cel_rows_are_not_in_the_order_of_their_times_and_the_times_count(mapped):
    lines = [
        cel("CHAN_START", f"{EPOCH}.000001"),
        cel("LINKEDID_END", f"{EPOCH + 9}.500000"),
        cel("BRIDGE_ENTER", f"{EPOCH + 9}.400000"),
    ]
    found = mapped("asterisk_cel", {"cel.csv": "".join(lines)})

    assert found.events("activity") == ["call_started", "call_connected", "call_ended"]
    assert found.events("timestamp")[0] == "2026-03-01T10:00:00.000001+00:00"


def test_cel_dialled_digits_become_nothing(mapped):
    digits = cel("DTMF", f"{EPOCH}.1", extra=json.dumps({"digit": "7", "duration_ms": "120"}))
    found = mapped("asterisk_cel", {"cel.csv": digits * 4 + cel("CHAN_START", f"{EPOCH}.0")})

    assert found.events("activity") == ["call_started"]
    assert found.streams["cel"]["records_without_event"] == 4
    assert "digit" not in str(found.rows)


def test_cel_a_call_is_what_shares_its_linkedid_and_its_first_channel_is_the_caller(mapped):
    lines = [
        cel("CHAN_START", f"{EPOCH}.0"),
        cel("CHAN_START", f"{EPOCH}.1", channel="2.0", number="6001"),
        cel("BRIDGE_ENTER", f"{EPOCH}.2", channel="2.0", number="6001"),
        cel("BLINDTRANSFER", f"{EPOCH}.3", channel="2.0", number="6001"),
    ]
    found = mapped("asterisk_cel", {"cel.csv": "".join(lines)})

    assert found.events("activity", "identifiers") == [
        ("call_started", f"phone:{CALLER}"),
        ("call_transferred", f"phone:{CALLER}"),
    ]


def test_cel_with_a_dateformat_is_rejected_not_guessed(mapped):
    found = mapped("asterisk_cel", {"cel.csv": cel("CHAN_START", "2026-10-25 02:30:00")}, timezone="Europe/Berlin")

    assert found.events("activity") == []
    assert len(found.rejected()) == 1


# Asterisk: CDR


def cdr(start, unique, sequence, *, end="", talked=5, disposition="ANSWERED", name='""', linked=None, columns=21):
    texts = ["", CALLER, "s", "ivr", f"{name} <{CALLER}>", "PJSIP/t", "", "Queue", "q", start, start, end]
    texts += [
        str(talked + 1),
        str(talked),
        disposition,
        "DOCUMENTATION",
        unique,
        "",
        "",
        linked or unique,
        str(sequence),
    ]
    return ",".join('"' + text.replace('"', '""') + '"' for text in texts[:columns]) + "\n"


def test_cdr_rows_of_a_call_are_one_call_with_its_longest_talk(mapped):
    rows = [
        cdr("2026-03-01 11:00:00", f"{EPOCH}.0", 1, talked=2, disposition="NO ANSWER"),
        cdr("2026-03-01 11:00:09", f"{EPOCH + 9}.1", 2, talked=40, linked=f"{EPOCH}.0"),
        cdr("2026-03-01 11:00:05", f"{EPOCH + 5}.2", 3, talked=0, disposition="BUSY", linked=f"{EPOCH}.0"),
    ]
    found = mapped("asterisk_cdr", {"Master.csv": "".join(rows)}, timezone="Europe/Berlin")

    assert found.events("activity", "timestamp", "duration", "status") == [("call_inbound", UTC, "40", "ok")]


@pytest.mark.parametrize(("epoch", "hour"), [(1792888202, "00"), (1792891802, "01")])
def test_cdr_of_the_hour_that_occurs_twice_the_id_of_the_call_decides(mapped, epoch, hour):
    # The call that begins the first time may end the second time: its end is before its start.
    row = cdr("2026-10-25 02:30:02", f"acme-{epoch}.0", 1, end="2026-10-25 02:00:02")
    found = mapped("asterisk_cdr", {"Master.csv": row}, timezone="Europe/Berlin")

    assert found.events("timestamp") == [f"2026-10-25T{hour}:30:02+00:00"]
    assert found.events("time_rule", "duration") == [("local Europe/Berlin, fold by epoch", "5")]


def test_cdr_without_a_declared_zone_is_refused(mapped):
    from journeymining.exceptions import SpecError

    with pytest.raises(SpecError, match="timezone"):
        mapped("asterisk_cdr", {"Master.csv": cdr("2026-03-01 11:00:00", f"{EPOCH}.0", 1)})


@pytest.mark.parametrize("name", ['""', '"Anna ""Ann"" Ahorn"', '"Ahorn, Anna"'])
def test_cdr_an_empty_or_quoted_name_stands_in_quotes_within_quotes(mapped, name):
    row = cdr("2026-03-01 11:00:00", f"{EPOCH}.0", 1, name=name)
    found = mapped("asterisk_cdr", {"Master.csv": row}, timezone="Europe/Berlin")

    assert found.events("identifiers") == [f"phone:{CALLER}"]
    assert "Ahorn" not in str(found.rows)


def test_cdr_without_the_columns_that_are_not_configured_gives_no_wrong_call(mapped):
    rows = [cdr("2026-03-01 11:00:00", f"{EPOCH}.{columns}", 1, columns=columns) for columns in (16, 17, 18, 21)]
    found = mapped("asterisk_cdr", {"Master.csv": "".join(rows)}, timezone="Europe/Berlin")

    # Without `linkedid` every row is a call, by its uniqueid; without that too it is none.
    assert found.events("timestamp") == [UTC] * 3
    assert len(found.rejected()) == 1


# FreeSWITCH


def freeswitch(**changes):
    row = {"uuid": "f1", "bleg_uuid": "", "context": "public", "caller_id_number": "03023125701"}
    row |= {"destination_number": "+493023125000", "start_uepoch": f"{EPOCH}123456", "answer_uepoch": f"{EPOCH}200000"}
    row |= {"end_uepoch": f"{EPOCH + 60}000000", "duration": "60", "billsec": "59", "hangup_cause": "NORMAL_CLEARING"}
    row |= {"cc_queue": "", "cc_agent": "", "cc_cause": ""}
    return ",".join(f'"{text}"' for text in (row | changes).values()) + "\n"


def test_freeswitch_epochs_are_microseconds_and_zero_is_never(mapped):
    calls = (
        freeswitch() + freeswitch(uuid="f2", answer_uepoch="0", billsec="0") + freeswitch(uuid="f3", start_uepoch="0")
    )
    found = mapped("freeswitch", {"Master.csv": calls})

    assert found.events("timestamp", "status") == [
        ("2026-03-01T10:00:00.123456+00:00", "ok"),
        ("2026-03-01T10:00:00.123456+00:00", "failed"),
    ]
    assert len(found.rejected()) == 1


def test_freeswitch_in_a_queue_the_switch_answers_and_the_queue_knows(mapped):
    calls = freeswitch(cc_queue="help", cc_cause="cancel") + freeswitch(uuid="f2", cc_queue="help", cc_cause="answered")
    found = mapped("freeswitch", {"Master.csv": calls})

    assert found.events("topic", "status") == [("help", "failed"), ("help", "ok")]


def test_freeswitch_of_another_template_all_rows_are_rejected(mapped):
    row = [
        "Ann",
        "03023125701",
        "s",
        "public",
        "2026-03-01 11:00:00",
        "",
        "",
        "1",
        "1",
        "NORMAL_CLEARING",
        "u",
        "",
        "",
        "A",
        "A",
    ]
    other = ",".join(f'"{text}"' for text in row) + "\n"
    found = mapped("freeswitch", {"Master.csv": other})

    assert found.events("activity") == []
    assert found.rejected() == [("calls", "record: number of fields")]


# Amazon Connect


def contact(**changes):
    row = {"ContactId": "c1", "LastUpdateTimestamp": "2026-03-01T10:05:00Z", "Channel": "VOICE"}
    row |= {"InitiationMethod": "INBOUND", "InitiationTimestamp": "2026-03-01T10:00:00Z"}
    row |= {"CustomerEndpoint": {"Type": "TELEPHONE_NUMBER", "Address": CALLER}}
    row |= {"DisconnectTimestamp": "2026-03-01T10:01:30Z", "DisconnectReason": "CUSTOMER_DISCONNECT"}
    return row | {"Queue": {"Name": "help", "EnqueueTimestamp": "2026-03-01T10:00:10Z", "Duration": 80}} | changes


def test_connect_records_stand_on_one_line_and_come_again_with_every_update(mapped):
    agent = {"Username": "ada", "ConnectedToAgentTimestamp": "2026-03-01T10:00:30Z", "AgentInteractionDuration": 60}
    versions = [
        contact(Agent=agent, LastUpdateTimestamp="2026-03-01T11:00:00Z"),
        contact(),
        contact(),
        contact(ContactId="c2", Queue=None),
    ]
    found = mapped("amazon_connect", {"stream-1": "".join(map(json.dumps, versions))})

    # Only the last version knows the agent: nobody was abandoned.
    names = found.events("activity")
    assert sorted(names) == sorted(
        ["contact_inbound"] * 2 + ["contact_queued", "contact_answered"] + ["contact_ended"] * 2
    )


def test_connect_counts_seconds_in_utc(mapped):
    found = mapped("amazon_connect", {"x.json": json.dumps(contact())}, timezone="Europe/Berlin")

    assert found.events("activity", "timestamp", "duration") == [
        ("contact_inbound", UTC, ""),
        ("contact_queued", "2026-03-01T10:00:10+00:00", ""),
        ("contact_abandoned", "2026-03-01T10:01:30+00:00", "80"),
    ]


def test_connect_a_transfer_is_a_contact_of_its_own_of_the_same_customer(mapped):
    parts = [contact(), contact(ContactId="c2", InitiationMethod="TRANSFER", InitialContactId="c1", Queue=None)]
    found = mapped("amazon_connect", {"x.json": "".join(map(json.dumps, parts))})

    assert "contact_transferred" in found.events("activity")
    assert set(found.events("identifiers")) == {f"phone:{CALLER}"}


# Genesys Cloud


def conversation(*participants, **changes):
    row = {"conversationId": "g1", "conversationStart": "2026-03-01T10:00:00.000Z", "participants": list(participants)}
    return row | changes


def participant(purpose, ani, *segments, **session):
    parts = [{"segmentType": kind, "segmentStart": f"2026-03-01T10:00:{second:02d}.250Z"} for kind, second in segments]
    one = {"sessionId": f"{purpose}-1", "mediaType": "voice", "direction": "inbound", "ani": ani, "segments": parts}
    return {"purpose": purpose, "userId": "u1", "sessions": [one | session]}


def test_genesys_numbers_are_written_as_tel_or_sip_and_only_the_customers_count(mapped):
    rows = [
        conversation(
            participant("customer", f"tel:{CALLER}", ("interact", 0)),
            participant("agent", "tel:+493023125000", ("interact", 9)),
        ),
        conversation(participant("customer", f"sip:{CALLER}@198.51.100.7", ("interact", 0)), conversationId="g2"),
        conversation(participant("customer", "sip:anonymous@198.51.100.7", ("interact", 0)), conversationId="g3"),
    ]
    found = mapped("genesys", {"conversations.jsonl": rows})

    assert sorted(found.events("activity", "identifiers")) == [
        ("agent_connected", f"phone:{CALLER}"),
        ("contact_inbound", ""),
        ("contact_inbound", f"phone:{CALLER}"),
        ("contact_inbound", f"phone:{CALLER}"),
    ]


def test_genesys_times_are_utc_to_the_millisecond_and_kinds_of_segments_that_nobody_sees_no_events(mapped):
    kinds = ("alert", "dialing", "delay", "parked", "voicemail", "interact")
    agent = participant("agent", "", *((kind, place) for place, kind in enumerate(kinds)))
    found = mapped("genesys", {"conversations.jsonl": [conversation(agent)]}, timezone="Europe/Berlin")

    assert found.events("activity", "timestamp") == [("agent_connected", "2026-03-01T10:00:05.250000+00:00")]


def test_genesys_a_conversation_that_is_on_two_pages_counts_once(mapped):
    row = conversation(participant("customer", f"tel:{CALLER}", ("interact", 0)))
    found = mapped("genesys", {"conversations.jsonl": [row, row]})

    assert len(found.events("activity")) == 1


# Twilio


def twilio(**changes):
    row = {"sid": "CA1", "parent_call_sid": None, "from": CALLER, "to": "+493023125000", "direction": "inbound"}
    row |= {
        "status": "completed",
        "start_time": "Sun, 01 Mar 2026 10:00:00 +0000",
        "duration": "90",
        "queue_time": "5000",
    }
    return row | changes


def test_twilio_dates_are_those_of_mails_and_durations_texts_of_seconds(mapped):
    found = mapped("twilio", {"calls.jsonl": [twilio()]}, timezone="Europe/Berlin")

    assert found.events("timestamp", "duration") == [(UTC, "90")]


def test_twilio_legs_that_a_call_dialled_are_no_other_contact(mapped):
    leg = twilio(sid="CA2", parent_call_sid="CA1", direction="outbound-dial", to="+493023125002")
    found = mapped("twilio", {"calls.jsonl": [twilio(), leg]})

    assert found.events("activity", "identifiers") == [("call_inbound", f"phone:{CALLER}")]


def test_twilio_a_record_that_was_completed_later_counts_once(mapped):
    versions = [twilio(price=None, duration="80"), twilio(price="-0.02")]
    found = mapped("twilio", {"calls.jsonl": versions})

    assert found.events("status", "duration") == [("ok", "90")]


@pytest.mark.parametrize("sender", ["client:anna", "sip:anna@example.org", "anonymous", "+266696687"])
def test_twilio_clients_and_names_are_no_numbers(mapped, sender):
    found = mapped("twilio", {"calls.jsonl": [twilio(**{"from": sender})]})

    assert found.events("identifiers") == [""]
    assert "anna" not in str(found.rows)


# Intercom


def chat(**changes):
    part = {"id": "9", "part_type": "comment", "created_at": EPOCH, "author": {"type": "admin", "id": "a1"}}
    row = {"id": "i1", "created_at": EPOCH, "source": {"type": "whatsapp", "delivered_as": "customer_initiated"}}
    row |= {"contacts": {"contacts": [{"id": "k1"}]}, "conversation_parts": {"conversation_parts": [part]}}
    return row | changes


def test_intercom_counts_seconds_and_the_kind_of_source_is_the_channel(mapped):
    found = mapped("intercom", {"conversations.jsonl": [chat()]})

    assert found.events("activity", "timestamp", "channel") == [
        ("conversation_started", UTC, "whatsapp"),
        ("message", UTC, "whatsapp"),
    ]


def test_intercom_a_conversation_of_the_list_has_no_parts_and_is_the_same_one(mapped):
    found = mapped("intercom", {"conversations.jsonl": [chat(conversation_parts=None), chat()]})

    assert found.events("activity") == ["conversation_started", "message"]
    assert found.counted("conversations") == {"duplicate": 1}


def test_intercom_statistics_are_not_read(mapped):
    # Some leave out closed hours, others do not.
    found = mapped("intercom", {"conversations.jsonl": [chat(statistics={"time_to_first_close": 777777})]})

    assert "777777" not in str(found.rows)
    assert found.events("duration") == ["", ""]


def test_intercom_the_last_rating_of_a_conversation_counts_from_one_to_five(mapped):
    rows = [
        {"id": "i1", "contact": "k1", "rating": rating, "created_at": EPOCH + second}
        for rating, second in ((5, 60), (2, 0), (6, 60))
    ]
    rows[2]["id"] = "i2"
    found = mapped("intercom", {"ratings.jsonl": rows})

    assert found.answers("value", "scale_max") == [("5", "5")]
    assert found.rejected() == [("ratings", "value: outside its scale")]
