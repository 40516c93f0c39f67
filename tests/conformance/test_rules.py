"""Rules: each template on hand-made journeys and against a plain reading of its definition."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.conformance.rules import Condition, Rule, parse_rule
from journeymining.conformance.satisfaction import SATISFIED, VACUOUS, VIOLATED, Events, judge_rule
from journeymining.exceptions import SpecError

HOUR = 3_600_000_000


def verdicts(rule, paths, *, hours=None, channels=None, unfinished=False):
    """Judge a rule on paths of one-letter activities."""
    names = sorted({name for path in paths for name in path})
    journey = np.array([number for number, path in enumerate(paths) for _ in path], dtype=np.int32)
    activity = np.array([names.index(name) for path in paths for name in path], dtype=np.int32)
    time = np.array([place for path in paths for place, _ in enumerate(path)] if hours is None else hours) * HOUR
    channel = np.full(len(journey), -1) if channels is None else np.array(["ab".index(one) for one in channels])
    events = Events(
        journey,
        time.astype(np.int64),
        {"activity": activity, "channel": channel, "status": np.full(len(journey), -1), "resource": channel},
        {"activity": names, "channel": ["a", "b"], "status": [], "resource": []},
        len(paths),
    )
    return judge_rule(rule, events, np.full(len(paths), unfinished))[0].tolist()


def plainly(template, path, times):
    """Judge a template on a path of letters by its definition, a and b: None where nothing activates it."""
    first = [place for place, name in enumerate(path) if name == "a"]
    second = [place for place, name in enumerate(path) if name == "b"]
    counted = {
        "existence": len(first) >= times,
        "absence": len(first) <= times,
        "exactly": len(first) == times,
        "init": path[:1] == "a",
        "end": path[-1:] == "a",
        "choice": bool(first or second),
        "exclusive_choice": bool(first) != bool(second),
    }
    if template in counted:
        return counted[template]
    response = [any(b > a for b in second) for a in first]
    precedence = [any(a < b for a in first) for b in second]
    after = {place: path[place + 1 : place + 2] for place in range(len(path))}
    chain_response = [after[a] == "b" for a in first]
    chain_precedence = [b > 0 and path[b - 1] == "a" for b in second]
    alternate_response = [any(b > a and not any(a < other < b for other in first) for b in second) for a in first]
    alternate_precedence = [any(a < b and not any(a < other < b for other in second) for a in first) for b in second]
    exists, answered = [bool(second)] * len(first), [bool(first)] * len(second)
    asked = {
        "responded_existence": exists,
        "response": response,
        "precedence": precedence,
        "chain_response": chain_response,
        "chain_precedence": chain_precedence,
        "alternate_response": alternate_response,
        "alternate_precedence": alternate_precedence,
        "succession": response + precedence,
        "chain_succession": chain_response + chain_precedence,
        "alternate_succession": alternate_response + alternate_precedence,
        "coexistence": exists + answered,
    }
    base = {"not_coexist": "coexistence"}.get(template, template.removeprefix("not_"))
    found = asked[base]
    if not found:
        return None
    return not any(found) if template.startswith("not_") else all(found)


TEMPLATES = [
    "existence", "absence", "exactly", "init", "end", "choice", "exclusive_choice", "responded_existence", "response",
    "precedence", "chain_response", "chain_precedence", "alternate_response", "alternate_precedence", "succession",
    "chain_succession", "alternate_succession", "coexistence", "not_coexist", "not_response", "not_precedence",
    "not_succession", "not_chain_succession", "not_chain_response", "not_chain_precedence", "not_responded_existence",
]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
@settings(max_examples=60, deadline=None)
@given(paths=st.lists(st.text("abc", min_size=1, max_size=7), min_size=1, max_size=6), times=st.integers(0, 3))
def test_a_template_means_what_its_definition_says(template, paths, times):
    rule = Rule(template, "a", "b", times=times)

    expected = [plainly(template, path, times) for path in paths]

    words = {None: VACUOUS, True: SATISFIED, False: VIOLATED}
    assert verdicts(rule, paths) == [words[one] for one in expected]


def test_a_window_limits_how_late_an_answer_may_be():
    rule = Rule("response", "a", "b", within=timedelta(hours=2))

    assert verdicts(rule, ["ab", "ab"], hours=[0, 2, 0, 3]) == [SATISFIED, VIOLATED]


def test_a_window_may_begin_later():
    rule = Rule("response", "a", "b", within=timedelta(hours=9), not_before=timedelta(hours=5))

    assert verdicts(rule, ["abb", "ab"], hours=[0, 1, 6, 0, 1]) == [SATISFIED, VIOLATED]


def test_a_condition_limits_which_events_count():
    rule = Rule("response", "a", "b", then=Condition(channels=("b",)))

    assert verdicts(rule, ["ab", "ab"], channels="aaab") == [VIOLATED, SATISFIED]


def test_only_events_before_another_are_counted():
    rule = Rule("absence", "a", times=0, before="b")

    assert verdicts(rule, ["ba", "ab"]) == [SATISFIED, VIOLATED]


def test_what_may_still_come_is_pending(check):
    design = "journey: x\nrules:\n  - response: [a, b]\n  - absence: c\n"
    found = check(design, {"1": ["a"], "2": ["a", "c"]}, flags={"1": True, "2": True})

    assert found.journeys["rule_0"].tolist() == ["pending", "pending"]
    assert found.journeys["rule_1"].tolist() == ["satisfied", "violated"]
    assert found.rules["pending"].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"respnse": ["a", "b"]}, "unknown template 'respnse'. Did you mean 'response'?"),
        ({"response": ["a"]}, "response takes two touchpoints"),
        ({"response": ["a", "b"], "precedence": ["a", "b"]}, "one template is needed"),
        ({"absence": {"activity": "a", "most": 1}}, "absence takes a touchpoint"),
        ({"absence": {"activity": "a", "max": -1}}, "whole number"),
        ({"response": ["a", "b"], "when": {"place": "x"}}, "a condition is a mapping"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(entry, says):
    with pytest.raises(SpecError, match=says.replace("?", r"\?")):
        parse_rule(entry)
