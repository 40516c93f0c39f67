"""Which journeys satisfy the rules of a design: Declare templates on all journeys of a bucket at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.conformance.figures import share_with_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from journeymining.conformance.rules import Condition, Rule

VACUOUS, SATISFIED, VIOLATED, PENDING = 0, 1, 2, 3
"""A rule that nothing activated; that held; that did not; that an open journey may still satisfy."""

RULE_WORDS = {VACUOUS: "vacuous", SATISFIED: "satisfied", VIOLATED: "violated", PENDING: "pending"}

COUNTED = ("existence", "absence", "exactly", "init", "end", "choice", "exclusive_choice")


@dataclass(frozen=True)
class Events:
    """The events of a bucket in scope, sorted by journey and order; ``names`` turns codes into names, per column."""

    journey: NDArray[np.int32]
    time: NDArray[np.int64]
    columns: dict[str, NDArray[np.int32]]
    names: dict[str, list[str]]
    journeys: int

    def mask(self, activity: str, condition: Condition) -> NDArray[np.bool_]:
        """Mark the events of an activity that meet a condition."""
        found = self._is("activity", (activity,))
        for column, wanted in (
            ("channel", condition.channels), ("status", condition.statuses), ("resource", condition.resources),
        ):  # fmt: skip
            if wanted:
                found &= self._is(column, wanted)
        return found

    def _is(self, column: str, wanted: Sequence[str]) -> NDArray[np.bool_]:
        codes = [self.names[column].index(name) for name in wanted if name in self.names[column]]
        return np.isin(self.columns[column], codes)

    def following(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Row of the next marked event of the same journey after each event, -1 where there is none."""
        rows = len(mask)
        place = np.append(np.where(mask, np.arange(rows), rows), rows)
        after = np.minimum.accumulate(place[::-1])[::-1][1:]
        same = (after < rows) & (self.journey[np.minimum(after, rows - 1)] == self.journey)
        return np.where(same, after, -1)

    def preceding(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Row of the last marked event of the same journey before each event, -1 where there is none."""
        place = np.append(-1, np.where(mask, np.arange(len(mask)), -1))
        before = np.maximum.accumulate(place)[:-1]
        same = (before >= 0) & (self.journey[np.maximum(before, 0)] == self.journey)
        return np.where(same, before, -1)


def judge_rule(rule: Rule, events: Events, unfinished: NDArray[np.bool_]) -> tuple[NDArray[np.int8], int, int]:
    """Judge a rule in every journey.

    Returns
    -------
    verdicts : per journey
    activations, fulfilled : int
        Over all journeys; a template that counts is activated once per journey.
    """
    if not len(events.journey):
        return np.zeros(events.journeys, dtype=np.int8), 0, 0
    here = np.bincount(events.journey, minlength=events.journeys) > 0
    if rule.template in COUNTED:
        holds, may_come = _counted(rule, events)
        holds, activated = holds & here, here
        activations, fulfilled = int(here.sum()), int(holds.sum())
    else:
        active, met, may_come = _answered(rule, events)
        count = np.bincount(events.journey[active], minlength=events.journeys)
        good = np.bincount(events.journey[active & met], minlength=events.journeys)
        activated, holds = count > 0, good == count
        activations, fulfilled = int(count.sum()), int(good.sum())
    verdict = np.where(activated, np.where(holds, SATISFIED, VIOLATED), VACUOUS).astype(np.int8)
    verdict[(verdict == VIOLATED) & unfinished & may_come] = PENDING
    return verdict, activations, fulfilled


def _counted(rule: Rule, events: Events) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Judge templates on the number or place of events; tell where more events could still satisfy them."""
    mask = events.mask(rule.first, rule.when)
    if rule.before is not None:
        from journeymining.conformance.rules import Condition

        stop = events.mask(rule.before, Condition())
        mask &= (events.preceding(stop) == -1) & ~stop
    count = np.bincount(events.journey[mask], minlength=events.journeys)
    if rule.template == "existence":
        return count >= rule.times, np.ones(events.journeys, dtype=np.bool_)
    if rule.template == "absence":
        return count <= rule.times, np.zeros(events.journeys, dtype=np.bool_)
    if rule.template == "exactly":
        return count == rule.times, count < rule.times
    edge = np.append(True, events.journey[1:] != events.journey[:-1])
    if rule.template == "init":
        return np.bincount(events.journey[mask & edge], minlength=events.journeys) > 0, count < 0
    if rule.template == "end":
        edge = np.append(edge[1:], True)
        return np.bincount(events.journey[mask & edge], minlength=events.journeys) > 0, count >= 0
    assert rule.second is not None  # every template left has two sides
    other = np.bincount(events.journey[events.mask(rule.second, rule.then)], minlength=events.journeys)
    both, either = (count > 0) & (other > 0), (count > 0) | (other > 0)
    return (either & ~both if rule.template == "exclusive_choice" else either), ~either


def _answered(rule: Rule, events: Events) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Judge templates in which one event asks for (or forbids) another: activating events, which are answered."""
    assert rule.second is not None  # every template here has two sides
    never, always = np.zeros(events.journeys, dtype=np.bool_), np.ones(events.journeys, dtype=np.bool_)
    base, negated = rule.template.removeprefix("not_"), rule.template.startswith("not_")
    base = {"coexist": "coexistence"}.get(base, base)
    if base in {"succession", "alternate_succession", "chain_succession", "coexistence"}:
        left, right = {
            "succession": ("response", "precedence"),
            "alternate_succession": ("alternate_response", "alternate_precedence"),
            "chain_succession": ("chain_response", "chain_precedence"),
            "coexistence": ("responded_existence", "responded_existence"),
        }[base]
        first = _side(rule, events, left, forward=True)
        second = _side(rule, events, right, forward=False)
        # An event may be on both sides (a template of a touchpoint with itself): then both must hold.
        active = first[0] | second[0]
        met = (~first[0] | (first[1] ^ negated)) & (~second[0] | (second[1] ^ negated))
        return active, met, (never if negated else always)
    forward = base.removeprefix("alternate_").removeprefix("chain_") != "precedence"
    active, met = _side(rule, events, base, forward=forward)
    return active, met ^ negated, (always if forward and not negated else never)


def _side(rule: Rule, events: Events, base: str, *, forward: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Judge one direction: the first side asks for the second, or (backward) the second for the first."""
    assert rule.second is not None  # see _answered
    asking, answering = (rule.first, rule.second) if forward else (rule.second, rule.first)
    active, answer = events.mask(asking, rule.when), events.mask(answering, rule.then)
    if base == "responded_existence":
        return active, _near(rule, events, answer, events.following) | _near(rule, events, answer, events.preceding)
    seek = events.following if base.endswith("response") else events.preceding
    met = _near(rule, events, answer, seek)
    found = seek(answer)
    if base.startswith("chain_"):
        step = 1 if base.endswith("response") else -1
        met &= found == np.arange(len(found)) + step
    elif base.startswith("alternate_"):
        again = seek(active)
        between = (again > found) if _looks_back(base) else ((again >= 0) & (again < found))
        met &= ~between
    return active, met


def _looks_back(base: str) -> bool:
    """Say whether a template looks back in time."""
    return base.endswith("precedence")


def _near(
    rule: Rule, events: Events, answer: NDArray[np.bool_], seek: Callable[[NDArray[np.bool_]], NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """Mark the events that have an answer in this direction, within the window of the rule."""
    found = seek(answer)
    if rule.within is None:
        return found >= 0
    most = int(rule.within / timedelta(microseconds=1))
    least = int(rule.not_before / timedelta(microseconds=1))
    apart = np.abs(events.time[found] - events.time)
    met: NDArray[np.bool_] = (found >= 0) & (apart <= most) & (apart >= least)
    too_near = np.flatnonzero((found >= 0) & (apart < least))
    for row in too_near.tolist():
        # The nearest answer came too early for the window; a later one may do.
        other = int(found[row])
        while other >= 0 and abs(events.time[other] - events.time[row]) < least:
            other = int(found[other])
        met[row] = other >= 0 and least <= abs(events.time[other] - events.time[row]) <= most
    return met


def rule_intervals(journeys: pd.DataFrame, rules: int, *, seed: int, samples: int) -> list[tuple[float, ...]]:
    """Return per rule the intervals of its support and its confidence, by customer.

    Parameters
    ----------
    journeys : DataFrame, one row per journey
        With ``customer_id``, ``in_scope`` and the verdict on each rule, see `journeymining.conformance.tables`.
    rules : int
    seed, samples
        See `journeymining.conformance.figures.share_with_interval`.

    Returns
    -------
    list of (support low, support high, confidence low, confidence high)
    """
    inside = journeys[journeys["in_scope"]]
    customers = inside["customer_id"].factorize()[0]
    found: list[tuple[float, ...]] = []
    for number in range(rules):
        verdict = inside[f"rule_{number}"]
        satisfied = (verdict == RULE_WORDS[SATISFIED]).to_numpy()
        decided = satisfied | (verdict == RULE_WORDS[VIOLATED]).to_numpy()
        bounds = [
            share_with_interval(satisfied, whole, customers, seed=seed, samples=samples)[1:]
            for whole in (np.ones(len(inside), dtype=np.bool_), decided)
        ]
        found.append((*bounds[0], *bounds[1]))
    return found


def rule_table(
    rules: Sequence[Rule], counts: NDArray[np.int64], intervals: Sequence[tuple[float, ...]]
) -> pd.DataFrame:
    """Count how journeys stand to the rules.

    Parameters
    ----------
    rules : as in the design
    counts : per rule (row) the journeys in scope by verdict (vacuous, satisfied, violated, pending), then the events
        that activate it and those of them that are fulfilled
    intervals : per rule, see `rule_intervals`

    Returns
    -------
    DataFrame, one row per rule
        ``rule``, ``journeys`` in scope, ``satisfied``, ``violated``, ``pending``, ``vacuous`` (nothing activated it),
        ``support`` (satisfied of all journeys) and ``confidence`` (satisfied of satisfied and violated), each with its
        interval (95 %, bootstrap by customer; Wilson where all journeys are alike), ``activations`` and ``fulfilled``
        (events).
    """
    rows = []
    for rule, row, bounds in zip(rules, counts.tolist(), intervals, strict=True):
        vacuous, satisfied, violated, pending, activations, fulfilled = row
        journeys, decided = vacuous + satisfied + violated + pending, satisfied + violated
        support = satisfied / journeys if journeys else np.nan
        confidence = satisfied / decided if decided else np.nan
        rows.append(
            [rule.text, journeys, satisfied, violated, pending, vacuous, support, *bounds[:2], confidence, *bounds[2:],
             activations, fulfilled]
        )  # fmt: skip
    columns = [
        "rule", "journeys", "satisfied", "violated", "pending", "vacuous", "support", "support_low", "support_high",
        "confidence", "confidence_low", "confidence_high", "activations", "fulfilled",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
