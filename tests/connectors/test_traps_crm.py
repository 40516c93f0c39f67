"""Traps of CRM and service systems: what their records seem to say, and what they mean. All records are made up."""

from __future__ import annotations

import pytest

DAY = "2026-03-01"
AT = "2026-03-01T10:00:00.000+0000"
UTC = "2026-03-01T10:00:00+00:00"
NO_TIME = "time: unreadable, without zone or outside 1990-2100"


# Salesforce


def case(**changes):
    return {"Id": "500A", "ContactId": "003A", "AccountId": "001A", "Origin": "Web", "CreatedDate": AT} | changes


def history(**changes):
    row = {"Id": "017A", "CaseId": "500A", "Field": "Status", "CreatedDate": AT, "CreatedById": "005A"}
    return row | {"OldValue": "New", "NewValue": "Working"} | changes


def test_salesforce_epochs_of_the_first_bulk_api_are_rejected_not_guessed(mapped):
    found = mapped("salesforce", {"Case.csv": [case(), case(Id="500B", CreatedDate="1772359200000")]})

    assert found.events("timestamp") == [UTC]
    assert found.rejected() == [("Case", NO_TIME)]


def test_salesforce_a_changed_reference_writes_two_rows_and_is_one_change(mapped):
    rows = [
        history(Id="017A", Field="ownerAssignment", OldValue="005A", NewValue="005B"),
        history(Id="017B", Field="ownerAssignment", OldValue="Ada Admin", NewValue="Bo Boss"),
        # Two changes of a status within one second are two.
        history(Id="017C"),
        history(Id="017D", OldValue="Working", NewValue="New"),
    ]
    found = mapped("salesforce", {"Case.csv": [case()], "CaseHistory.csv": rows})

    activities = [name for name in found.events("activity") if name != "case_opened"]
    assert activities == ["case_owner_assignment_changed", "case_status_changed", "case_status_changed"]
    assert found.counted("CaseHistory") == {"duplicate": 1}


def test_salesforce_values_of_a_history_are_not_read(mapped):
    # They are cut at 255 characters, and may be names.
    cut = "x" * 255
    found = mapped("salesforce", {"CaseHistory.csv": [history(OldValue="Bo Boss", NewValue=cut)]})

    assert "Bo Boss" not in str(found.rows)
    assert cut not in str(found.rows)
    assert found.events("activity") == ["case_status_changed"]


def task(**changes):
    row = {"Id": "00TA", "WhoId": "003A", "AccountId": "001A", "TaskSubtype": "Call", "CallType": "Inbound"}
    return row | {"CreatedDate": AT, "CompletedDateTime": "", "ActivityDate": DAY} | changes


def test_salesforce_a_task_with_a_day_only_has_no_time(mapped):
    tasks = [task(), task(Id="00TB", CreatedDate=""), task(Id="00TC", CompletedDateTime="2026-03-01T11:00:00.000+0000")]
    found = mapped("salesforce", {"Task.csv": tasks})

    # Nothing stands at midnight.
    assert found.events("timestamp") == [UTC, "2026-03-01T11:00:00+00:00"]
    assert found.rejected() == [("Task", "time: missing")]


def test_salesforce_calls_count_seconds(mapped):
    found = mapped("salesforce", {"Task.csv": [task(CallDurationInSeconds="90")]})

    assert found.events("activity", "duration", "initiator") == [("task_call", "90", "customer")]


def test_salesforce_a_first_response_is_a_day_without_a_time(mapped):
    member = {"Id": "00vA", "CampaignId": "701A", "ContactId": "003A", "CreatedDate": AT, "FirstRespondedDate": DAY}
    found = mapped("salesforce", {"CampaignMember.csv": [member]})

    assert found.events("activity", "granularity") == [("campaign_responded", "day"), ("campaign_joined", "s")]


def test_salesforce_a_converted_lead_is_the_contact_it_became(mapped):
    lead = {"Id": "00QA", "ConvertedContactId": "003A", "ConvertedAccountId": "001A", "Email": "anna@example.org"}
    member = {"Id": "00vA", "CampaignId": "701A", "LeadId": "00QA", "CreatedDate": AT}
    found = mapped("salesforce", {"Lead.csv": [lead], "CampaignMember.csv": [member]})

    assert found.links() == ["account:001A contact:003A contact:00QA email:anna@example.org"]
    assert found.events("identifiers") == ["contact:00QA"]


def test_salesforce_history_of_the_older_chat_counts_seconds_and_no_messages(mapped):
    chat = {"Id": "570A", "ContactId": "003A", "RequestTime": AT, "StartTime": "", "EndTime": AT, "ChatDuration": "75"}
    found = mapped("salesforce", {"LiveChatTranscript.csv": [chat | {"Status": "Missed", "AgentMessageCount": "7"}]})

    assert found.events("activity", "status", "duration") == [
        ("chat_requested", "", ""),
        ("chat_ended", "failed", "75"),
    ]


def test_salesforce_an_opportunity_belongs_to_its_contact_and_account(mapped):
    files = {
        "Opportunity.csv": [{"Id": "006A", "AccountId": "001A", "ContactId": "003A"}],
        "OpportunityHistory.csv": [
            {"Id": "008A", "OpportunityId": "006A", "StageName": "Closed Won", "CreatedDate": AT}
        ],
    }
    found = mapped("salesforce", files)

    assert found.events("topic", "identifiers") == [("Closed Won", "account:001A contact:003A")]


# HubSpot


def call(**properties):
    known = {"hs_timestamp": "2026-03-01T10:00:00Z", "hs_call_direction": "INBOUND", "hs_call_duration": "90000"}
    return {
        "id": "1",
        "createdAt": "2026-03-04T08:00:00Z",
        "updatedAt": "2026-03-04T08:00:00Z",
        "properties": known | properties,
        "associations": {"contacts": {"results": [{"id": "501"}]}},
    }


def test_hubspot_a_call_is_dated_by_when_it_happened_and_counts_milliseconds(mapped):
    # All values are texts, also numbers; createdAt is when somebody logged it.
    found = mapped("hubspot", {"calls.jsonl": [call()]})

    assert found.events("activity", "timestamp", "duration") == [("call_inbound", UTC, "90")]


def test_hubspot_an_empty_direction_says_nothing(mapped):
    found = mapped("hubspot", {"calls.jsonl": [call(hs_call_direction=None)]})

    assert found.events("activity", "initiator") == [("call", "")]


def test_hubspot_a_disposition_is_an_id_and_is_not_read(mapped):
    disposition = "9d9162e7-6cf3-4944-bf63-4dff82258764"
    found = mapped("hubspot", {"calls.jsonl": [call(hs_call_disposition=disposition)]})

    assert len(found.events("activity")) == 1
    assert disposition not in str(found.rows)


def test_hubspot_merged_contacts_keep_their_former_ids(mapped):
    found = mapped("hubspot", {"merged.jsonl": [{"id": "501", "merged": "77"}, {"id": "501", "merged": "78"}]})

    assert found.links() == ["contact:501 contact:77", "contact:501 contact:78"]


def test_hubspot_a_history_comes_whole_with_every_export_and_counts_once(mapped):
    entries = [
        {"value": "won", "timestamp": "2026-03-02T10:00:00Z", "updatedByUserId": 9},
        {"value": "offer", "timestamp": "2026-03-01T10:00:00Z", "updatedByUserId": 9},
    ]
    deals = [{"id": "1", "propertiesWithHistory": {"dealstage": some}} for some in (entries[1:], entries)]
    found = mapped("hubspot", {"deals.jsonl": deals})

    assert found.events("topic", "timestamp") == [("offer", UTC), ("won", "2026-03-02T10:00:00+00:00")]
    assert found.counted("deals") == {"duplicate": 1}


def test_hubspot_a_stage_is_told_by_its_label_not_its_id(mapped):
    entry = {"value": "987654", "timestamp": "2026-03-01T10:00:00Z"}
    files = {
        "deals.jsonl": [{"id": "1", "propertiesWithHistory": {"dealstage": [entry]}}],
        "pipelines.jsonl": [{"id": "default", "stages": [{"id": "987654", "label": "Offer made"}]}],
    }

    assert mapped("hubspot", files).events("topic") == ["Offer made"]


# Dynamics 365


def phonecall(**changes):
    row = {"activityid": "p1", "_regardingobjectid_value": "i1", "directioncode": False, "phonenumber": "030 23125701"}
    return row | {"actualstart": "2026-03-01T10:00:00Z", "actualdurationminutes": 3, "statecode": 1} | changes


def incident(**changes):
    row = {"incidentid": "i1", "_customerid_value": "c1", "customer_type": "contact", "caseorigincode": 1}
    return row | {"createdon": "2026-03-01T09:00:00Z"} | changes


def test_dynamics_true_is_outgoing_and_durations_are_minutes(mapped):
    calls = [phonecall(), phonecall(activityid="p2", directioncode=True, actualdurationminutes=1)]
    found = mapped("dynamics365", {"phonecalls.jsonl": calls})

    assert sorted(found.events("activity", "duration")) == [("call_inbound", "180"), ("call_outbound", "60")]


def test_dynamics_only_calls_that_took_place_are_events(mapped):
    calls = [phonecall(activityid=str(state), statecode=state) for state in (0, 1, 2)]
    found = mapped("dynamics365", {"phonecalls.jsonl": calls})

    assert len(found.events("activity")) == 1
    assert found.streams["phonecalls"]["records_without_event"] == 2


@pytest.mark.parametrize(("kind", "identifiers"), [("contact", "contact:c1"), ("account", "account:c1"), (None, "")])
def test_dynamics_a_customer_is_a_contact_or_an_account_or_not_said(mapped, kind, identifiers):
    found = mapped("dynamics365", {"incidents.jsonl": [incident(customer_type=kind)]})

    assert found.events("identifiers") == [identifiers]


def test_dynamics_days_and_clocks_without_zone_are_rejected(mapped):
    times = ["2026-03-01T10:00:00Z", "2026-03-01T10:00:00"]
    found = mapped(
        "dynamics365",
        {"incidents.jsonl": [incident(incidentid=str(place), createdon=time) for place, time in enumerate(times)]},
    )

    assert found.events("timestamp") == [UTC]
    assert found.rejected() == [("incidents", NO_TIME)]


def test_dynamics_a_choice_of_ones_own_is_a_number_that_says_nothing_until_named(mapped):
    own = {"incidents.jsonl": [incident(caseorigincode=100000001)]}
    silent = mapped("dynamics365", own)

    assert silent.events("channel") == [""]
    assert silent.streams["incidents"]["values_left_empty"] == {"channel": 1}
    assert mapped("dynamics365", own, maps={"channel": {"100000001": "chat"}}).events("channel") == ["chat"]


def test_dynamics_rows_of_a_delta_that_say_deleted_become_no_event(mapped):
    deleted = {"@odata.context": "$metadata#incidents/$deletedEntity", "id": "i1", "reason": "deleted"}
    found = mapped("dynamics365", {"incidents.jsonl": [deleted, incident(incidentid="i2")]})

    assert len(found.events("activity")) == 1
    assert found.rejected() == [("incidents", "record: key: missing")]


# Zendesk


def ticket(**changes):
    row = {
        "id": 1,
        "status": "open",
        "via": {"channel": "email"},
        "requester_id": 7,
        "created_at": "2026-03-01T10:00:00Z",
    }
    return row | {"generated_timestamp": 1772359200, "updated_at": "2026-03-01T10:00:00Z"} | changes


def test_zendesk_a_ticket_that_comes_again_counts_in_its_last_generation(mapped):
    # Zendesk's own changes move generated_timestamp and leave updated_at. Neither the first counts nor the last.
    versions = [ticket(), ticket(generated_timestamp=1772359300, via={"channel": "chat"}), ticket()]
    found = mapped("zendesk", {"tickets.jsonl": versions})

    assert found.events("activity", "channel") == [("ticket_created", "chat")]


def test_zendesk_deleted_tickets_are_no_events(mapped):
    found = mapped("zendesk", {"tickets.jsonl": [ticket(status="deleted"), ticket(id=2)]})

    assert len(found.events("activity")) == 1
    assert found.streams["tickets"]["records_without_event"] == 1


def test_zendesk_merged_tickets_are_each_their_own(mapped):
    merged = ticket(id=2, status="closed", tags=["closed_by_merge"])
    found = mapped("zendesk", {"tickets.jsonl": [ticket(), merged]})

    assert found.events("activity") == ["ticket_created", "ticket_created"]


def test_zendesk_events_of_an_incremental_export_by_time_come_twice_and_count_once(mapped):
    event = {"id": 9, "ticket_id": 1, "created_at": "2026-03-01T11:00:00Z", "updater_id": 8}
    event |= {"child_events": [{"id": 91, "event_type": "Change", "status": "solved", "via": "Web form"}]}
    found = mapped("zendesk", {"tickets.jsonl": [ticket()], "ticket_events.jsonl": [event, event]})

    assert found.events("activity", "channel") == [("ticket_created", "email"), ("ticket_solved", "web")]
    assert found.counted("ticket_events") == {"duplicate": 1}


def test_zendesk_a_rating_is_changed_in_place_and_one_that_was_not_asked_for_is_none(mapped):
    rating = {"id": 3, "ticket_id": 1, "requester_id": 7, "created_at": "2026-03-01T10:00:00Z"}
    versions = [
        rating | {"score": "bad", "updated_at": "2026-03-02T10:00:00Z"},
        rating | {"score": "good", "updated_at": "2026-03-03T10:00:00Z"},
        rating | {"id": 4, "score": "unoffered", "updated_at": "2026-03-01T10:00:00Z"},
        rating | {"id": 5, "score": "offered", "updated_at": "2026-03-01T10:00:00Z"},
    ]
    found = mapped("zendesk", {"satisfaction_ratings.jsonl": versions})

    assert sorted(found.answers("value", "answered_at")) == [("", ""), ("1", "2026-03-03T10:00:00+00:00")]


def test_zendesk_a_breach_that_was_taken_back_is_none(mapped):
    breach = {"id": 1, "ticket_id": 1, "metric": "reply_time", "type": "breach", "time": "2026-03-01T10:00:00Z"}
    found = mapped("zendesk", {"ticket_metric_events.jsonl": [breach, breach | {"id": 2, "deleted": True}]})

    assert found.events("activity", "topic") == [("sla_breached", "reply_time")]


def test_zendesk_ids_and_addresses_of_agents_are_nobodys(mapped):
    users = [
        {"id": 7, "role": "end-user", "email": "anna@example.org", "created_at": "2026-03-01T10:00:00Z"},
        {"id": 8, "role": "agent", "email": "desk@example.com", "created_at": "2026-03-01T10:00:00Z"},
    ]

    assert mapped("zendesk", {"users.jsonl": users}).links() == ["contact:7 email:anna@example.org"]


def talk(**changes):
    row = {"id": 60, "created_at": "2026-03-01T10:00:00Z", "updated_at": "2026-03-01T10:00:00Z", "direction": "inbound"}
    return row | {"customer_id": 7, "duration": 90, "completion_status": "completed"} | changes


def test_zendesk_legs_say_which_agent_answered_and_are_no_further_calls(mapped):
    leg = {"id": 61, "call_id": 60, "type": "agent", "agent_id": 8, "talk_time": 60, "completion_status": "completed"}
    leg |= {"created_at": "2026-03-01T10:00:20Z", "updated_at": "2026-03-01T10:02:00Z"}
    missed = {"id": 62, "agent_id": 9, "talk_time": 0, "completion_status": "agent_missed"}
    legs = [
        leg,
        leg | missed,
        leg | {"id": 63, "type": "customer", "agent_id": None},
        leg | {"updated_at": "2026-03-01"},
    ]
    found = mapped("zendesk", {"calls.jsonl": [talk()], "legs.jsonl": legs})

    assert sorted(found.events("activity", "duration", "status", "identifiers")) == [
        ("call_answered", "60", "ok", "contact:7"),
        ("call_inbound", "90", "ok", "contact:7"),
        ("call_not_taken", "", "failed", "contact:7"),
    ]


def zendesk_chat(*ratings, **changes):
    entries = [
        {"type": "chat.msg", "sender_type": "Visitor", "msg": "secret text", "timestamp": "2026-03-01T10:00:05Z"}
    ]
    entries += [
        {"type": "chat.rating", "new_rating": rating, "timestamp": f"2026-03-01T10:0{minute}:00Z"}
        for minute, rating in enumerate(ratings, start=1)
    ]
    row = {"id": "c1", "type": "chat", "timestamp": "2026-03-01T10:00:00Z", "started_by": "visitor", "history": entries}
    row |= {"end_timestamp": "2026-03-01T10:00:50Z", "duration": 50, "missed": False, "visitor": {"id": "3.1"}}
    return row | {"update_timestamp": f"2026-03-01T1{len(ratings)}:00:00Z", "session": {"ip": "198.51.100.7"}} | changes


def test_zendesk_a_chat_that_comes_again_counts_once_with_its_last_rating(mapped):
    # The last update is neither the first of the file nor its last.
    versions = [zendesk_chat("bad", duration=20), zendesk_chat("bad", "good"), zendesk_chat(duration=30)]
    found = mapped("zendesk", {"chats.jsonl": versions})

    assert found.events("activity", "duration") == [("chat_started", ""), ("chat_message", ""), ("chat_ended", "50")]
    assert found.answers("value", "answered_at") == [("1", "2026-03-01T10:02:00+00:00")]


def test_zendesk_chats_have_times_with_zone_and_neither_text_nor_address_is_read(mapped):
    found = mapped(
        "zendesk", {"chats.jsonl": [zendesk_chat(), zendesk_chat(id="c2", timestamp=1772359200, history=[])]}
    )

    # Microseconds of another export of theirs, or seconds of a parameter, are not taken for a time.
    assert found.events("timestamp")[0] == UTC
    assert found.rejected() == [("chats", NO_TIME)]
    assert "secret text" not in str(found.rows)
    assert "198.51.100.7" not in str(found.rows)


# Odoo


def odoo(**changes):
    message = {"id": "1", "date": "2026-03-29 02:30:00", "model": "crm.lead", "res_id": "4", "subtype_id": "2"}
    return {
        "mail_message.csv": [message | {"message_type": "notification", "author_id": "3"} | changes],
        "mail_message_subtype.csv": [{"id": "2", "name": "Stage Changed"}],
        "crm_lead.csv": [
            {"id": "4", "partner_id": "7", "phone": "0151 23456704", "phone_sanitized": "0151 23456704", "active": "f"}
        ],
        "mail_tracking_value.csv": [
            {"id": "5", "mail_message_id": "1", "old_value_char": "New", "new_value_char": "Won"}
        ],
    }


def test_odoo_times_without_zone_are_utc_whatever_the_job_says(mapped):
    # A time that does not exist on the walls of Berlin.
    found = mapped("odoo", odoo(), timezone="Europe/Berlin")

    assert found.events("timestamp", "time_rule") == [("2026-03-29T02:30:00+00:00", "declared UTC")]


def test_odoo_a_number_that_is_called_sanitised_is_still_brought_to_one_spelling(mapped):
    # The lead is archived (lost), which the tables say and the API hides.
    assert mapped("odoo", odoo()).events("identifiers") == ["contact:7 phone:+4915123456704"]


def test_odoo_a_stage_is_that_of_the_tracked_value(mapped):
    assert mapped("odoo", odoo()).events("activity", "topic") == [("stage_changed", "Won")]


def test_odoo_messages_of_other_models_are_not_those_of_leads(mapped):
    # res_id counts per model: the number 4 is somebody else's there.
    found = mapped("odoo", odoo(model="sale.order"))

    assert found.events("activity") == []
    assert found.streams["mail_message"]["records_without_event"] == 1


# SuiteCRM


def suite_call(**changes):
    row = {"id": "a", "date_start": "2026-03-29 02:30:00", "minutes": "75", "status": "Held", "direction": "Inbound"}
    return row | {"contact_id": "k", "deleted": "0"} | changes


def test_suitecrm_times_without_zone_are_utc_and_durations_minutes(mapped):
    found = mapped("suitecrm", {"calls.tsv": [suite_call()]}, timezone="Europe/Berlin")

    assert found.events("timestamp", "duration") == [("2026-03-29T02:30:00+00:00", "4500")]


def test_suitecrm_deleted_rows_and_calls_that_were_not_held_are_no_events(mapped):
    calls = [suite_call(deleted="1"), suite_call(id="b", status="Planned"), suite_call(id="c", status="Not Held")]
    found = mapped("suitecrm", {"calls.tsv": calls})

    assert found.events("activity") == []
    assert found.streams["calls"]["records_without_event"] == 3


def test_suitecrm_audited_fields_are_changes_and_their_values_no_topics_but_for_lists(mapped):
    row = {"id": "1", "parent_id": "c", "date_created": "2026-03-01 10:00:00", "created_by": "u"}
    rows = [
        row | {"field_name": "status", "after_value_string": "Closed"},
        row | {"id": "2", "field_name": "account_id", "after_value_string": "Ahorn GmbH"},
    ]
    found = mapped("suitecrm", {"cases_audit.tsv": rows})

    assert sorted(found.events("activity", "topic")) == [
        ("case_account_id_changed", ""),
        ("case_status_changed", "Closed"),
    ]


def test_suitecrm_the_word_null_is_nothing(mapped):
    case = {"id": "c", "account_id": "NULL", "contact_id": "k", "type": "NULL", "date_entered": "2026-03-01 10:00:00"}

    found = mapped("suitecrm", {"cases.tsv": [case | {"deleted": "0"}]})

    assert found.events("topic", "identifiers") == [("", "contact:k")]


# ServiceNow


def service(**changes):
    row = {"sys_id": "s1", "caller_id": "u1", "company": "acme", "contact_type": "phone"}
    return row | {"opened_at": "2026-03-29 02:30:00", "sys_updated_on": "2026-03-29 02:30:00"} | changes


def test_servicenow_times_without_zone_are_utc_and_versions_are_one_incident(mapped):
    versions = [service(sys_updated_on="2026-03-30 00:00:00", contact_type="chat"), service()]
    found = mapped("servicenow", {"incident.jsonl": versions}, timezone="Europe/Berlin")

    assert found.events("timestamp", "channel") == [("2026-03-29T02:30:00+00:00", "chat")]


def test_servicenow_a_company_is_not_one_customer_and_a_monitor_no_person(mapped):
    found = mapped("servicenow", {"incident.jsonl": [service(), service(sys_id="s2", contact_type="monitoring")]})

    assert found.events("identifiers", "initiator") == [("contact:u1", "customer"), ("contact:u1", "system")]
