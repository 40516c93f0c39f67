"""Alignments on Spark executors, over variants: the costs and moves of this machine."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from journeymining.conformance import alignment
from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.conform import conform
from journeymining.conformance.design_file import design_of_document
from journeymining.conformance.reachability import reachability_graph
from journeymining.documents import parse_yaml
from journeymining.engines.prepared_log import PreparedLog, prepare

FLOWS = ["a > (b)? > c", "a > (b | c) > (d)* > e", "a > {b, c, d} > e"]
COLUMNS = ("cost", "upper", "state", "offsets", "kind", "position", "transition")


def design(flow):
    return design_of_document(parse_yaml(f"journey: x\nscope: {{start: a}}\nflow: {flow}\n", path="x.yaml"))


@pytest.fixture
def split(monkeypatch):
    """Let even small work be cut into blocks, so that more than one executor has some."""
    monkeypatch.setattr(alignment, "WORK_OF_A_THREAD", 1)


@pytest.mark.parametrize("flow", FLOWS)
def test_costs_and_moves_are_those_of_this_machine(spark_engine, split, flow):
    net, rng = design(flow).net, np.random.default_rng(4)
    number = {label: place for place, label in enumerate(net.alphabet)}
    paths = [rng.integers(0, 6, rng.integers(0, 9)).astype(np.int32) for _ in range(240)]
    asked = {
        "symbol_labels": np.array([number.get(name, -1) for name in "abcdef"], dtype=np.int32),
        "transition_labels": np.array([-1 if one is None else number[one] for one in net.labels], dtype=np.int32),
        "costs": unit_costs(net, 6),
        "unfinished": rng.random(240) < 0.3,
    }
    graph = reachability_graph(net, limit=1000)

    here = align(graph, paths, threads=1, **asked)
    there = align(graph, paths, engine=spark_engine, **asked)

    for name in COLUMNS:
        assert np.array_equal(getattr(here, name), getattr(there, name)), name
    assert here.cost.max() >= 3
    assert (here.cost == 0).any()


@pytest.mark.parametrize("state_limit", [100_000, 1], ids=["listed states", "states on demand"])
def test_a_whole_comparison_is_that_of_this_machine(spark_engine, split, event_log, state_limit):
    rng = random.Random(8)
    events = [
        {"journey_id": f"j{number}", "activity": rng.choice("abcdef"), "channel": rng.choice(["web", None])}
        for number in range(150)
        for _ in range(rng.randrange(2, 8))
    ]
    with prepare(event_log(events), buckets=2) as log:
        spark = PreparedLog.open(log.directory, engine=spark_engine)
        here, there = (conform(one, design(FLOWS[1]), state_limit=state_limit, samples=50) for one in (log, spark))

    assert len(here.variants) > 60
    for name in ("variants", "deviations", "journeys", "findings", "touchpoints", "channels", "entries"):
        assert getattr(there, name).equals(getattr(here, name)), name
    # As text, because what is not known is NaN, which equals nothing.
    assert json.dumps(there.summary, default=str) == json.dumps(here.summary, default=str)
