"""Traps of shops and of survey tools. All records are made up."""

from __future__ import annotations

import pytest

from journeymining.exceptions import SpecError

UTC = "2026-03-01T10:00:00+00:00"


def shopify(**changes):
    row = {"id": "gid://shopify/Order/1", "createdAt": "2026-03-01T10:00:00Z", "updatedAt": "2026-03-01T10:00:00Z"}
    row |= {"sourceName": "web", "customer": {"id": "gid://shopify/Customer/7"}, "email": "Anna@Example.org"}
    return row | changes


def test_shopify_times_are_utc_or_have_the_offset_of_the_shop(mapped):
    rows = [
        shopify(),
        shopify(id="2", createdAt="2026-03-01T11:00:00+01:00"),
        shopify(id="3", createdAt="2026-03-01T10:00:00"),
    ]
    found = mapped("shopify", {"orders.jsonl": rows}, timezone="Asia/Tokyo")

    assert found.events("timestamp") == [UTC, UTC]
    assert len(found.rejected()) == 1


def test_shopify_a_guest_is_known_by_an_address_only(mapped):
    found = mapped("shopify", {"orders.jsonl": [shopify(customer=None)]})

    assert found.events("identifiers") == ["email:anna@example.org order:gid://shopify/Order/1"]


def test_shopify_items_between_orders_are_no_orders_and_a_window_that_comes_again_none_either(mapped):
    item = {"id": "gid://shopify/LineItem/1", "__parentId": "gid://shopify/Order/1"}
    cancelled = shopify(updatedAt="2026-03-02T10:00:00Z", cancelledAt="2026-03-02T10:00:00Z")
    found = mapped("shopify", {"orders.jsonl": [shopify(), item, cancelled, shopify()]})

    assert found.events("activity") == ["order_placed", "order_cancelled"]


def woo(**changes):
    row = {
        "id": 1,
        "status": "completed",
        "date_created": "2026-03-29T04:30:00",
        "date_created_gmt": "2026-03-29T02:30:00",
    }
    row |= {"customer_id": 7, "billing": {"email": "anna@example.org"}, "total": "9.50", "created_via": "checkout"}
    return row | changes


def test_woocommerce_only_times_in_gmt_are_read(mapped):
    found = mapped("woocommerce", {"orders.jsonl": [woo()]}, timezone="Europe/Berlin")

    assert found.events("activity", "timestamp") == [("order_placed", "2026-03-29T02:30:00+00:00")]


def test_woocommerce_customer_zero_is_a_guest(mapped):
    rows = [woo(customer_id=0), woo(id=2, customer_id=0, billing={"email": "ben@example.org"})]
    found = mapped("woocommerce", {"orders.jsonl": rows})

    assert found.events("identifiers") == ["email:anna@example.org order:1", "email:ben@example.org order:2"]


def test_woocommerce_when_an_order_was_cancelled_is_not_known_and_no_event(mapped):
    found = mapped("woocommerce", {"orders.jsonl": [woo(status="cancelled", date_modified_gmt="2026-03-30T10:00:00")]})

    assert found.events("activity", "status") == [("order_placed", "")]


# Surveys


def qualtrics(**values):
    known = {"status": 0, "finished": 1, "recordedDate": "2026-03-01T10:00:00Z", "QID7": 9}
    return {"responseId": "R1", "values": known | {"recipientEmail": "anna@example.org"} | values}


def test_qualtrics_times_are_utc_and_say_so(mapped):
    rows = [qualtrics(), qualtrics(recordedDate="2026-03-01 10:00:00") | {"responseId": "R2"}]
    found = mapped("qualtrics", {"r.jsonl": rows}, columns={"score": "values.QID7"}, timezone="America/Denver")

    # Exports of the web pages are in the zone of who exports: they are rejected, not guessed.
    assert found.answers("value", "answered_at") == [("9", UTC)]
    assert len(found.rejected()) == 1


@pytest.mark.parametrize("status", [1, 2, 8, 9, 12, 17, 48])
def test_qualtrics_previews_tests_and_spam_are_no_answers(mapped, status):
    found = mapped("qualtrics", {"r.jsonl": [qualtrics(status=status)]}, columns={"score": "values.QID7"})

    assert found.answers("value") == []
    assert found.streams["responses"]["records_without_question"] == 1


def test_qualtrics_what_was_not_finished_is_no_answer(mapped):
    found = mapped("qualtrics", {"r.jsonl": [qualtrics(finished=0, progress=50)]}, columns={"score": "values.QID7"})

    assert found.answers("value") == []


def typeform(**changes):
    row = {"token": "t1", "response_type": "completed", "landed_at": "2026-03-01T09:50:00Z"}
    row |= {"submitted_at": "2026-03-01T10:00:00Z", "hidden": {"email": "anna@example.org"}}
    return row | {"answers": [{"field": {"ref": "nps"}, "type": "number", "number": 9}]} | changes


def test_typeform_an_answer_is_dated_by_when_it_was_submitted(mapped):
    assert mapped("typeform", {"r.jsonl": [typeform()]}).answers("value", "answered_at") == [("9", UTC)]


def test_typeform_partial_responses_are_no_answers(mapped):
    rows = [typeform(response_type="partial", submitted_at=None), typeform(token="t2", response_type="started")]
    found = mapped("typeform", {"r.jsonl": rows})

    assert found.answers("value") == []
    assert found.streams["responses"]["records_without_question"] == 2


def test_typeform_a_customer_is_who_the_hidden_fields_or_an_answer_name(mapped):
    mail = {"field": {"ref": "mail"}, "type": "email", "email": "ben@example.org"}
    rows = [typeform(), typeform(token="t2", hidden={}, answers=[*typeform()["answers"], mail])]
    found = mapped("typeform", {"r.jsonl": rows})

    assert found.answers("identifiers") == ["email:anna@example.org", "email:ben@example.org"]


def monkey(**changes):
    answer = {"choice_id": "c10"}
    row = {"id": "r1", "response_status": "completed", "date_modified": "2026-03-01T11:00:00+01:00"}
    row |= {"email_address": "anna@example.org", "total_time": 777777, "ip_address": "192.0.2.7"}
    return row | {"pages": [{"questions": [{"id": "q1", "answers": [answer]}]}]} | changes


def surveymonkey(mapped, *responses):
    choices = [{"id": f"c{place}", "position": place, "weight": 0, "is_na": False} for place in range(1, 12)]
    details = {"pages": [{"questions": [{"id": "q1", "answers": {"choices": choices}}]}]}
    files = {"survey_details.json": [details], "responses.jsonl": responses}
    return mapped("surveymonkey", files, set={"score_question": "q1"})


def test_surveymonkey_times_have_their_offset(mapped):
    # The tenth choice is 9: the first is 0.
    assert surveymonkey(mapped, monkey()).answers("value", "answered_at") == [("9", UTC)]


@pytest.mark.parametrize("status", ["partial", "disqualified", "overquota"])
def test_surveymonkey_only_completed_responses_are_answers(mapped, status):
    assert surveymonkey(mapped, monkey(response_status=status)).answers("value") == []


def test_surveymonkey_neither_address_nor_time_spent_is_read(mapped):
    rows = surveymonkey(mapped, monkey()).rows

    assert "192.0.2.7" not in str(rows)
    assert "777777" not in str(rows)


def answer(**changes):
    row = {
        "survey_id": "1",
        "email": "anna@example.org",
        "metric": "nps",
        "value": "9",
        "scale_min": "0",
        "scale_max": "10",
    }
    return row | {"answered_at": "2026-03-01T10:00:00Z"} | changes


def test_survey_csv_a_scale_is_stated_and_a_score_outside_it_is_rejected(mapped):
    rows = [answer(), answer(survey_id="2", scale_min="", scale_max=""), answer(survey_id="3", value="11")]
    found = mapped("survey_csv", {"answers.csv": rows})

    assert found.answers("value") == ["9"]
    assert sorted(found.rejected()) == [
        ("answers", "scale: missing or no range"),
        ("answers", "value: outside its scale"),
    ]


def test_survey_csv_effort_says_its_direction_or_is_refused(mapped):
    with pytest.raises(SpecError, match="lower_is_better"):
        mapped("survey_csv", {"answers.csv": [answer(metric="ces", scale_min="1", scale_max="7", value="6")]})


def test_csv_times_without_zone_need_one_and_a_pattern_is_kept(mapped):
    columns = {"columns": {"time": "when", "activity": "what"}}
    files = {"log.csv": [{"when": "2026-03-01 11:00", "what": "visit"}, {"when": "01.03.2026 11:00", "what": "visit"}]}
    found = mapped("csv", files, timezone="Europe/Berlin", **columns)

    assert found.events("timestamp") == [UTC]
    assert len(found.rejected()) == 1
    with pytest.raises(SpecError, match="timezone"):
        mapped("csv", files, **columns)
