"""The first rule that matches decides; what no rule matches is counted."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.documents import parse_yaml, validate
from journeymining.exceptions import SpecError, UsageError
from journeymining.journeys.phases import parse_phases, phase_of_activity, put_into_phases
from journeymining.journeys.touchpoints import (
    TouchpointConfig,
    apply_rules,
    matching_rule,
    sql_name,
    sql_text,
    touchpoint_counts,
)

RULES = """\
rules:
  - {source: web, topic: "^GET /(offers|products)", is: offer_viewed}
  - {source: web, drop: true}
  - {source: crm, activity: task_email, topic: "^Order confirmation", is: confirmation, set: {channel: email}}
  - {status: failed, set: {phase: service}}
unmatched: drop
"""


def match(config, **event):
    """Return the number of the rule that decides on an event."""
    names = ("source", "stream", "activity", "channel", "status", "topic")
    columns = ", ".join(
        f"{'NULL' if event.get(name) is None else sql_text(event[name])}::VARCHAR AS {name}" for name in names
    )
    return duckdb.execute(f"SELECT {matching_rule(config)} FROM (SELECT {columns})").fetchall()[0][0]


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        ({"source": "web", "topic": "GET /offers/fibre"}, 1),
        ({"source": "web", "topic": "see GET /offers"}, 2),
        ({"source": "web", "topic": None, "status": "failed"}, 2),
        ({"source": "crm", "activity": "task_email", "topic": "Order confirmation 12"}, 3),
        ({"source": "crm", "activity": "task_call", "topic": "Order confirmation 12"}, 0),
        ({"source": "app", "status": "failed"}, 4),
        ({"source": None, "status": None}, 0),
    ],
)
def test_the_first_rule_of_which_all_keys_match_decides(event, rule):
    config = validate(TouchpointConfig, parse_yaml(RULES, path="job.yaml"))

    assert match(config, **event) == rule


def test_counts_say_what_never_matched_and_what_no_rule_matched():
    config = validate(TouchpointConfig, parse_yaml(RULES, path="job.yaml"))
    rows = [(1, "web", "page_view", 5), (0, "app", "b", 2), (0, "app", "a", 2), (2, "web", "page_view", 9)]

    counts = touchpoint_counts(config, rows)

    assert [row["events"] for row in counts["rules"]] == [5, 9, 0, 0]
    assert counts["never_matched"] == [3, 4]
    assert [row["activity"] for row in counts["unmatched"]] == ["a", "b"]
    assert (counts["unmatched_events"], counts["unmatched_are"]) == (4, "dropped")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('{source: web, topic: "(", is: a}', "job.yaml:2:19: topic '(' is not a regular expression"),
        ('{source: web, topic: "(?=a)", is: a}', "is not a regular expression as RE2 reads them"),
        ("{is: a}", "matches every event"),
        ("{source: web}", "the rule does nothing"),
        ("{source: web, drop: true, is: a}", "leave out one of them"),
        ("{source: web, name: a}", "unknown key 'name'"),
        ("{source: web, is: ''}", "at least 1 character"),
        ("{source: web, set: {status: bad}}", "'ok' or 'failed'"),
        ("{source: web, set: {chanel: x}}", "Did you mean 'channel'"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused_with_its_line(rule, message):
    with pytest.raises(SpecError) as caught:
        validate(TouchpointConfig, parse_yaml(f"rules:\n  - {rule}\n", path="job.yaml"))

    assert message in str(caught.value)
    assert "job.yaml:2:" in str(caught.value)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1).filter(lambda text: "\x00" not in text))
def test_any_text_is_matched_as_it_is_and_cannot_leave_its_literal(text):
    config = TouchpointConfig.model_validate(
        {"rules": [{"activity": text, "is": "x"}, {"topic": re.escape("é' OR 1"), "is": "y"}]}
    )

    assert match(config, activity=text) == 1
    assert match(config, activity=text + "'") == 0
    assert match(config, activity="other", topic="é' OR 1=1") == 2


def test_a_column_name_cannot_leave_its_quotes():
    assert sql_name('a" FROM x; --') == '"a"" FROM x; --"'


def test_an_activity_in_two_phases_is_refused():
    with pytest.raises(UsageError, match="'a' is in phase 'use' and again in 'service'"):
        phase_of_activity({"use": ["a", "b"], "service": ["a"]})


def test_rules_rename_set_drop_and_count_the_events_of_a_log(make_events):
    config = validate(TouchpointConfig, parse_yaml(RULES, path="rules.yaml"))
    log = make_events(
        {"customer_id": "ann", "day": 0, "activity": "request", "source": "web", "topic": "GET /offers/1"},
        {"customer_id": "ann", "day": 1, "activity": "request", "source": "web", "topic": "GET /style.css"},
        {"customer_id": "bob", "day": 2, "activity": "task_email", "topic": "Order confirmation 17"},
        {"customer_id": "bob", "day": 3, "activity": "task_email", "topic": "Newsletter"},
        {"customer_id": "bob", "day": 4, "activity": "call", "status": "failed", "channel": "phone"},
    )

    found, counts = apply_rules(log, config)

    assert found["event_id"].to_pylist() == ["e000", "e002", "e004"]
    assert found["activity"].to_pylist() == ["offer_viewed", "confirmation", "call"]
    assert found["channel"].to_pylist() == [None, "email", "phone"]
    assert found["phase"].to_pylist() == [None, None, "service"]
    assert [rule["events"] for rule in counts["rules"]] == [1, 1, 1, 1]
    assert counts["unmatched"] == [{"source": "crm", "activity": "task_email", "events": 1}]
    assert (counts["unmatched_events"], counts["unmatched_are"]) == (1, "dropped")


def test_rules_on_a_log_that_lacks_what_they_read_match_nothing(make_events):
    log = make_events(("ann", 0, "request")).drop_columns(["topic", "stream", "status"])
    config = TouchpointConfig.model_validate({"rules": [{"topic": "GET", "is": "page"}]})

    found, counts = apply_rules(log, config)

    assert found.equals(log)
    assert counts["never_matched"] == [1]


def test_activities_are_put_into_phases_in_the_order_given(make_events):
    log = make_events(("ann", 0, "order"), ("ann", 1, "pay"), ("ann", 2, "call"))
    phases = parse_phases(["purchase=order, pay", "use=call"])

    assert list(phases) == ["purchase", "use"]
    assert put_into_phases(log, phases)["phase"].to_pylist() == ["purchase", "purchase", "use"]
    assert put_into_phases(put_into_phases(log, phases), {"x": ["pay"]})["phase"].to_pylist() == [None, "x", None]
    with pytest.raises(UsageError, match="Did you mean 'call'"):
        put_into_phases(log, {"use": ["cal"]})


@pytest.mark.parametrize("texts", [["purchase"], ["=order"], ["purchase=order,,pay"], ["a=x", "a=y"], ["a=x", "b=x"]])
def test_phases_that_cannot_be_meant_are_refused(texts):
    with pytest.raises(UsageError, match=r"phase"):
        parse_phases(texts)
