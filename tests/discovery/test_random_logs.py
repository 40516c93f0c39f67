"""Every analysis against a count in plain Python, on random logs, over several buckets."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.discovery.channels import (
    channel_reach,
    channel_returns,
    channel_switches,
    channel_use,
    containment,
    repeat_contacts,
)
from journeymining.discovery.directly_follows import directly_follows
from journeymining.discovery.journeys import journeys
from journeymining.discovery.phases import phase_progress, phase_transitions
from journeymining.discovery.rework import rework
from journeymining.discovery.touchpoints import end_activities, start_activities, touchpoints
from journeymining.discovery.variants import variant_coverage, variants
from journeymining.engines.prepared_log import prepare
from journeymining.proportions import wilson

PHASES = ["orientation", "purchase", "use"]

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "journey_id": st.sampled_from([f"j{number}" for number in range(7)]),
            "activity": st.sampled_from(["order", "pay", "call", "Éclair"]),
            "seconds": st.sampled_from([0, 1, 1.000001, 2.5, 60, 86400, 40 * 86400]),
            "channel": st.sampled_from([None, "web", "phone", "chat"]),
            "phase": st.sampled_from([None, *PHASES]),
            "status": st.sampled_from([None, "ok", "failed"]),
            "source_order": st.sampled_from([None, 1, 2]),
        }
    ),
    min_size=1,
    max_size=60,
)


@st.composite
def logs(draw):
    """Return events with ids, and the journeys they make: lists of events in order, by journey."""
    events = [{**event, "event_id": f"e{number:04d}"} for number, event in enumerate(draw(EVENTS))]
    order = sorted(
        events,
        key=lambda e: (
            e["journey_id"],
            e["seconds"],
            e["source_order"] is None,
            e["source_order"] or 0,
            e["event_id"],
        ),
    )
    return events, {key: list(group) for key, group in groupby(order, key=lambda e: e["journey_id"])}


@pytest.fixture(scope="session")
def compare(event_log):
    """Return a function that prepares a log in two buckets and holds analyses to their expected rows."""

    def check(events, *analyses):
        with prepare(event_log(events), buckets=2, threads=2) as log:
            for analysis, expected in analyses:
                rows = [tuple(row) for row in analysis(log).itertuples(index=False)]
                assert len(rows) == len(expected)
                for row, wanted in zip(rows, expected, strict=True):
                    assert len(row) == len(wanted)
                    for value, target in zip(row, wanted, strict=True):
                        same(value, target)

    return check


def same(value, target):
    if isinstance(target, float) and not math.isnan(target):
        assert value == pytest.approx(target, rel=1e-12, abs=1e-9)
    elif target is None or target != target:
        assert pd.isna(value)
    else:
        assert value == target


def microseconds(event):
    return round(event["seconds"] * 1_000_000)


def wait(a, b):
    return (microseconds(b) - microseconds(a)) / 1e6


def moment(event):
    return pd.Timestamp(microseconds(event), unit="us", tz="UTC")


random_logs = settings(max_examples=25, deadline=None)


@random_logs
@given(drawn=logs())
def test_directly_follows(compare, drawn):
    events, by_journey = drawn
    waits, inside = defaultdict(list), defaultdict(set)
    for journey, steps in by_journey.items():
        for a, b in pairwise(steps):
            waits[a["activity"], b["activity"]].append(wait(a, b))
            inside[a["activity"], b["activity"]].add(journey)

    expected = [
        (
            *pair,
            len(found),
            len(inside[pair]),
            float(np.median(found)),
            math.fsum(found) / len(found),
            quantile95(found),
        )
        for pair, found in sorted(waits.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    compare(events, (directly_follows, expected))


def median(values):
    return float(np.quantile(values, 0.5, method="linear"))


def quantile95(values):
    return float(np.quantile(values, 0.95, method="linear"))


@random_logs
@given(drawn=logs())
def test_variants_and_their_coverage(compare, drawn):
    events, by_journey = drawn
    groups = defaultdict(list)
    for steps in by_journey.values():
        groups[tuple(step["activity"] for step in steps)].append(steps)
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))

    expected = [
        (
            variant_id(path),
            list(path),
            len(found),
            len(found) * len(path),
            min(moment(steps[0]) for steps in found),
            max(moment(steps[0]) for steps in found),
            float(np.median([wait(steps[0], steps[-1]) for steps in found])),
        )
        for path, found in ranked
    ]
    sizes = np.cumsum([len(found) for _, found in ranked])
    coverage = [(n, n / len(sizes), int(sum_), sum_ / sizes[-1]) for n, sum_ in enumerate(sizes, start=1)]
    compare(events, (variants, expected), (lambda log: variant_coverage(variants(log)), coverage))


def variant_id(path):
    return hashlib.md5("\x1f".join(path).encode()).hexdigest()[:12]


@random_logs
@given(drawn=logs())
def test_journeys(compare, drawn):
    events, by_journey = drawn

    expected = []
    for journey, steps in sorted(by_journey.items()):
        known = [step["channel"] for step in steps if step["channel"]]
        expected.append(
            (
                journey,
                f"customer of {journey}",
                variant_id([step["activity"] for step in steps]),
                moment(steps[0]),
                moment(steps[-1]),
                len(steps),
                len(set(known)),
                sum(a != b for a, b in pairwise(known)),
                None,
            )
        )
    compare(events, (journeys, expected))


@random_logs
@given(drawn=logs())
def test_touchpoints_and_where_journeys_start_and_end(compare, drawn):
    events, by_journey = drawn
    counts, inside = defaultdict(Counter), defaultdict(set)
    for journey, steps in by_journey.items():
        for place, step in enumerate(steps):
            key = (step["activity"], step["channel"], step["phase"])
            inside[key].add(journey)
            counts[key]["events"] += 1
            counts[key]["starts"] += place == 0
            counts[key]["ends"] += place == len(steps) - 1
            counts[key]["failed"] += step["status"] == "failed"

    expected = [
        (*key, found["events"], len(inside[key]), found["starts"], found["ends"], found["failed"])
        for key, found in sorted(
            counts.items(), key=lambda item: (-item[1]["events"], *((name is not None, name or "") for name in item[0]))
        )
    ]
    checks = [(touchpoints, expected)]
    for place, analysis in ((0, start_activities), (-1, end_activities)):
        edges = Counter(steps[place]["activity"] for steps in by_journey.values())
        ranked = sorted(edges.items(), key=lambda item: (-item[1], item[0]))
        checks.append((analysis, [(name, n, n / len(by_journey), 0) for name, n in ranked]))
    compare(events, *checks)


@random_logs
@given(drawn=logs())
def test_rework(compare, drawn):
    events, by_journey = drawn
    expected = []
    for activity in {event["activity"] for event in events}:
        per_journey = [sum(step["activity"] == activity for step in steps) for steps in by_journey.values()]
        loops = sum(
            a["activity"] == b["activity"] == activity for steps in by_journey.values() for a, b in pairwise(steps)
        )
        having, repeating = sum(n > 0 for n in per_journey), sum(n > 1 for n in per_journey)
        repeats = sum(n - 1 for n in per_journey if n)
        expected.append((activity, sum(per_journey), having, repeating, repeating / having, repeats, loops))

    compare(events, (rework, sorted(expected, key=lambda row: (-row[5], row[0]))))


@random_logs
@given(drawn=logs())
def test_channel_switches_and_returns(compare, drawn):
    events, by_journey = drawn
    waits, inside, forced = defaultdict(list), defaultdict(set), Counter()
    chosen, forcing = Counter(), defaultdict(set)
    returns, returning = Counter(), defaultdict(set)
    for journey, steps in by_journey.items():
        known = [step for step in steps if step["channel"]]
        for a, b in pairwise(known):
            pair = (a["channel"], b["channel"])
            if a["channel"] != b["channel"]:
                waits[pair].append(wait(a, b))
                inside[pair].add(journey)
                forced[pair] += a["status"] == "failed"
                chosen[pair] += a["status"] == "ok"
                if a["status"] == "failed":
                    forcing[pair].add(journey)
        visits = [channel for channel, _ in groupby(step["channel"] for step in known)]
        for a, b, c in zip(visits, visits[1:], visits[2:], strict=False):
            if a == c:
                returns[a, b] += 1
                returning[a, b].add(journey)

    ranked = sorted(waits.items(), key=lambda item: (-len(item[1]), item[0]))
    switches = [
        (
            *p, len(w), len(inside[p]), median(w), forced[p], math.fsum(w) / len(w), quantile95(w), chosen[p],
            len(forcing[p]),
        )
        for p, w in ranked
    ]  # fmt: skip
    expected = [
        (*pair, n, len(returning[pair])) for pair, n in sorted(returns.items(), key=lambda item: (-item[1], item[0]))
    ]
    compare(events, (channel_switches, switches), (channel_returns, expected))


@random_logs
@given(drawn=logs())
def test_channel_use_and_containment(compare, drawn):
    events, by_journey = drawn
    use, starting, contained = [], Counter(), Counter()
    for journey, steps in sorted(by_journey.items()):
        known = [step["channel"] for step in steps if step["channel"]]
        visits = [channel for channel, _ in groupby(known)]
        shares = [n / len(known) for n in Counter(known).values()]
        entropy = math.fsum(-share * math.log2(share) for share in shares) if known else None
        switches = max(len(visits) - 1, 0)
        rate = switches / (len(known) - 1) if len(known) > 1 else None
        back = sum(a == c for a, c in zip(visits, visits[2:], strict=False))
        use.append((journey, len(known), len(steps) - len(known), len(set(known)), switches, rate, entropy, back))
        if known:
            starting[known[0]] += 1
            contained[known[0]] += len(set(known)) == 1

    ranked = sorted(starting.items(), key=lambda item: (-item[1], item[0]))
    expected = [(c, n, contained[c], contained[c] / n, 0) for c, n in ranked]
    used = Counter(event["channel"] for event in events if event["channel"])
    inside = {c: sum(any(step["channel"] == c for step in steps) for steps in by_journey.values()) for c in used}
    reach = [(c, used[c], n, n / len(by_journey)) for c, n in sorted(inside.items(), key=lambda one: (-one[1], one[0]))]
    compare(events, (channel_use, use), (containment, expected), (channel_reach, reach))


@random_logs
@given(drawn=logs())
def test_repeat_contacts(compare, drawn):
    events, by_journey = drawn
    names = sorted({event["activity"] for event in events})[:2]
    last = max(event["seconds"] for event in events)
    counts = {name: Counter() for name in names}
    for steps in by_journey.values():
        contacts = [step for step in steps if step["activity"] in names]
        for place, contact in enumerate(contacts):
            observed = contact["seconds"] + 60 <= last
            later = contacts[place + 1 : place + 2]
            counts[contact["activity"]]["contacts"] += 1
            counts[contact["activity"]]["observed"] += observed
            counts[contact["activity"]]["repeated"] += observed and any(wait(contact, b) <= 60 for b in later)

    expected = [
        (name, n["contacts"], n["observed"], n["repeated"], n["repeated"] / n["observed"] if n["observed"] else None)
        for name, n in counts.items()
    ]
    compare(events, (lambda log: repeat_contacts(log, activities=names, window=pd.Timedelta(seconds=60)), expected))


@random_logs
@given(drawn=logs())
def test_phases(compare, drawn):
    events, by_journey = drawn
    transitions, moving = Counter(), defaultdict(set)
    counts, stays = {phase: Counter() for phase in PHASES}, defaultdict(list)
    total = 0
    for journey, steps in by_journey.items():
        visits = [next(group) for _, group in groupby((s for s in steps if s["phase"]), key=lambda s: s["phase"])]
        total += bool(visits)
        for phase in {visit["phase"] for visit in visits}:
            counts[phase]["journeys"] += 1
        if visits:
            counts[visits[0]["phase"]]["starts"] += 1
            counts[max((visit["phase"] for visit in visits), key=PHASES.index)]["furthest"] += 1
        for a, b in pairwise(visits):
            pair = (PHASES.index(a["phase"]), PHASES.index(b["phase"]))
            transitions[pair] += 1
            moving[pair].add(journey)
            stays[a["phase"]].append(wait(a, b))
            counts[a["phase"]]["back_flows"] += pair[1] < pair[0]
        for phase in {a["phase"] for a, b in pairwise(visits) if PHASES.index(b["phase"]) < PHASES.index(a["phase"])}:
            counts[phase]["back_journeys"] += 1

    moves = [
        (PHASES[p[0]], PHASES[p[1]], "back" if p[1] < p[0] else "forward", n, len(moving[p]))
        for p, n in sorted(transitions.items(), key=lambda item: (-item[1], item[0]))
    ]
    expected = [
        (
            phase,
            n["journeys"],
            n["journeys"] / total if total else None,
            *(float(end) if total else None for end in wilson(n["journeys"], total)),
            n["starts"],
            n["furthest"],
            0,
            n["back_flows"],
            n["back_journeys"],
            float(np.median(stays[phase])) if stays[phase] else None,
        )
        for phase, n in counts.items()
    ]
    compare(
        events,
        (lambda log: phase_transitions(log, order=PHASES), moves),
        (lambda log: phase_progress(log, order=PHASES), expected),
    )
