"""The first rule that matches decides; what no rule matches is counted."""

from __future__ import annotations

import re

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.documents import parse_yaml, validate
from journeymining.exceptions import SpecError, UsageError
from journeymining.journeys.phases import phase_of_activity
from journeymining.journeys.touchpoints import TouchpointConfig, matching_rule, sql_name, sql_text, touchpoint_counts

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
