"""Declare models (.decl): rules of a design, read and written."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from journeymining.conformance.design import Design, Touchpoint
from journeymining.conformance.reachability import obligatory, reachability_graph
from journeymining.conformance.rules import BINARY, OTHER_NAMES, UNARY, Condition, Rule
from journeymining.exceptions import InputError, SpecError, did_you_mean

if TYPE_CHECKING:
    from journeymining.conformance.petri import PetriNet

_CONSTRAINT = re.compile(
    r"(?P<template>[A-Za-z][A-Za-z _-]*?)\s*(?P<number>\d*)\s*\[(?P<names>[^\]]*)\]\s*(?P<rest>.*)"
)
_VALUE = re.compile(r"\(?\s*[AT]\.(?P<attribute>[\w:]+)\s+is\s+(?P<value>[^()]+?)\s*\)?", re.IGNORECASE)
_WINDOW = re.compile(r"\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*,\s*([smhd])\s*")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ATTRIBUTES = {
    "channel": "channels", "cx:channel": "channels", "org:resource": "resources", "resource": "resources",
    "status": "statuses", "cx:status": "statuses",
}  # fmt: skip


def read_decl(path: str | Path) -> Design:
    """Read a Declare model as a design of rules.

    ``Template[A, B] | activation condition | target condition | time condition`` as RuM and Declare4Py write it. Data
    declarations are skipped. A rule with a condition on anything but channel, resource or status is not checked at
    all, and listed.

    Raises
    ------
    SpecError
        For a template that is not known, with its line.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}).") from None
    touchpoints: dict[str, Touchpoint] = {}
    rules, unchecked = [], []
    for number, line in enumerate(lines, start=1):
        if line.startswith("activity "):
            name = line.removeprefix("activity ").strip()
            touchpoints[name] = Touchpoint(name)
        elif match := _CONSTRAINT.fullmatch(line.strip()):
            rule = _rule(match, str(path), number)
            if isinstance(rule, Rule):
                rules.append(rule)
            else:
                unchecked.append(f"line {number}, {line.split('|')[0].strip()}: {rule}")
    if not rules and not unchecked:
        raise InputError(f"{path}: no Declare rule found; one looks like Response[A, B] | | |.")
    return Design(name=file.stem, touchpoints=touchpoints, rules=tuple(rules), unchecked=tuple(unchecked))


def _rule(match: re.Match[str], path: str, line: int) -> Rule | str:
    """Return the rule of a line, or the reason why it cannot be checked."""
    template = re.sub(r"[\s-]+", "_", match["template"].strip().lower())
    template = OTHER_NAMES.get(template, template)
    if template not in UNARY + BINARY:
        guess = did_you_mean(template, UNARY + BINARY)
        raise SpecError.at(f"unknown template '{match['template'].strip()}'.{guess}", path=path, line=line)
    names = [name.strip() for name in match["names"].split(",")]
    wanted = 2 if template in BINARY else 1
    if len(names) != wanted or not all(names):
        raise SpecError.at(f"{template} takes {wanted} activities, found {len(names)}.", path=path, line=line)
    conditions = [part.strip() for part in match["rest"].split("|")][1:]
    conditions += [""] * (3 - len(conditions))
    # A template of one activity has no target: its second condition is the time.
    activation, target, time = conditions[:3] if wanted == 2 else (conditions[0], "", conditions[1] or conditions[2])
    when, then = _condition(activation), _condition(target)
    for text, found in ((activation, when), (target, then)):
        if found is None:
            return f"the condition '{text[:60]}' is on data that a prepared log does not keep"
    assert when is not None  # both were looked at above
    assert then is not None
    within, not_before = None, timedelta(0)
    if time:
        window = _WINDOW.fullmatch(time)
        if window is None:
            return f"the time condition '{time[:60]}' is not from,to,unit"
        unit = _UNITS[window[3]]
        not_before, within = timedelta(**{unit: float(window[1])}), timedelta(**{unit: float(window[2])})
    times = int(match["number"] or 1)
    times = times - 1 if template == "absence" else times
    second = names[1] if wanted == 2 else None
    return Rule(template, names[0], second, times, None, within, not_before, when, then)


def _condition(text: str) -> Condition | None:
    """Return a condition, or None where it is on something else than channel, resource or status."""
    if not text:
        return Condition()
    values: dict[str, tuple[str, ...]] = {}
    for part in re.split(r"\s+and\s+", text, flags=re.IGNORECASE):
        match = _VALUE.fullmatch(part.strip())
        attribute = _ATTRIBUTES.get(match["attribute"].lower()) if match else None
        if match is None or attribute is None or attribute in values:
            return None
        values[attribute] = (match["value"],)
    return Condition(**values)


def decl_text(design: Design) -> tuple[str, list[str]]:
    """Return the rules of a design as a Declare model, and what could not be written.

    Of a flow, the rules that it implies are written: which touchpoints must happen, which one begins and ends, and
    response and precedence of touchpoints that may come right after each other.
    """
    rules, left_out = [], []
    for rule in [*design.rules, *(implied_rules(design.net) if design.net is not None else [])]:
        if rule.before is not None or any(len(one) > 1 for one in _values(rule)):
            left_out.append(f"{rule.text}: Declare has no such condition")
        elif (line := _line(rule)) not in rules:
            rules.append(line)
    left_out += [f"{promise.text}: a promise is no Declare rule" for promise in design.promises]
    names = list(dict.fromkeys([*design.touchpoints, *(name for rule in design.rules for name in rule.names)]))
    return "\n".join([*(f"activity {name}" for name in names), *rules]) + "\n", left_out


def _values(rule: Rule) -> list[tuple[str, ...]]:
    return [values for one in (rule.when, rule.then) for values in (one.channels, one.statuses, one.resources)]


def _line(rule: Rule) -> str:
    words = "Not " + rule.template[4:] if rule.template.startswith("not_") else rule.template
    words = {"not_coexist": "Not Co-Existence", "coexistence": "Co-Existence"}.get(
        rule.template, words.replace("_", " ").title()
    )
    if rule.template in {"existence", "exactly"}:
        words += str(rule.times)
    elif rule.template == "absence":
        words += str(rule.times + 1)
    names = [rule.first] if rule.second is None else [rule.first, rule.second]
    time = ""
    if rule.within is not None:
        time = f"{rule.not_before.total_seconds():g},{rule.within.total_seconds():.0f},s"
    sides = [_said("A", rule.when), *([_said("T", rule.then)] if rule.second is not None else [])]
    return f"{words}[{', '.join(names)}] |{' |'.join([*sides, time])}".rstrip()


def _said(side: str, condition: Condition) -> str:
    named = (("channel", condition.channels), ("status", condition.statuses), ("org:resource", condition.resources))
    return " AND ".join(f"{side}.{name} is {values[0]}" for name, values in named if values)


def implied_rules(net: PetriNet) -> list[Rule]:
    """Return Declare rules that every journey of a model satisfies.

    Examples
    --------
    >>> from journeymining.conformance.flow import flow_net, parse_flow
    >>> [rule.text for rule in implied_rules(flow_net(parse_flow("a > b?")))]
    ['existence(a, 1)', 'init(a)', 'precedence(a, b)']
    """
    from journeymining.conformance.draw import follows

    graph, labels = reachability_graph(net), net.alphabet
    number = {label: place for place, label in enumerate(labels)}
    coded = np.array([-1 if one is None else number[one] for one in net.labels], dtype=np.int32)
    must = {label: obligatory(graph, coded, number[label]) for label in labels}
    step = coded[graph.transition]
    first, pairs, last = follows(net)
    rules = [Rule("existence", label) for label in labels if must[label][0]]
    rules += [Rule("init", next(iter(first)))] if len(first) == 1 and must[next(iter(first))][0] else []
    rules += [Rule("end", next(iter(last)))] if len(last) == 1 and must[next(iter(last))][0] else []
    for one, other in sorted(pairs):
        if one == other:
            continue
        if must[other][graph.target[step == number[one]]].all():
            rules.append(Rule("response", one, other))
        if not _reachable_without(graph.source, graph.target, step, number[one])[
            graph.source[step == number[other]]
        ].any():
            rules.append(Rule("precedence", one, other))
    return rules


def _reachable_without(source: np.ndarray, target: np.ndarray, step: np.ndarray, label: int) -> np.ndarray:
    """Mark the states that can be reached without a label."""
    states = int(max(source.max(initial=0), target.max(initial=0))) + 1
    reached = np.zeros(states, dtype=np.bool_)
    reached[0], grew = True, True
    keep = step != label
    while grew:
        new = target[keep & reached[source]]
        grew = not reached[new].all()
        reached[new] = True
    return reached
