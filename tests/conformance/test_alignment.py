"""Alignments against ProM's published optima, against pm4py, and against the model itself."""

from __future__ import annotations

import csv
import gzip
import io
import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from journeymining.conformance.alignment import BOTH, LOG, MODEL, Costs, align, unit_costs
from journeymining.conformance.flow import Block, Step, flow_net, parse_flow
from journeymining.conformance.petri import fires
from journeymining.conformance.pnml import read_pnml, write_pnml
from journeymining.conformance.reachability import reachability_graph
from journeymining.conformance.search import search
from journeymining.exceptions import InputError

PAIRS = {
    "BPIC2013-OpenProblems": 966,
    "BPIC2013-ClosedProblems": 2173,
    "BPIC2013-incidents": 6336,
    "BPIC2020-DomesticDeclarations": 4591,
    "BPIC2020-PrepaidTravelCost": 2452,
    "BPIC2020-RequestForPayment": 4251,
    "M1": 2886,
    "M2": 5156,
    "M4": 11325,
    "M8": 3658,
}
FREE = {"M1": 2585, "M2": 4656, "M4": 9910, "M8": 3658}


def paths_of(file):
    """Read the activities of every trace of an XES file."""
    paths = {}
    with gzip.open(file) as stream:
        for _, trace in etree.iterparse(stream, tag="{*}trace"):
            keyed = {child.get("key"): child.get("value") for child in trace if child.get("key")}
            events = [child for child in trace if etree.QName(child).localname == "event"]
            named = [{one.get("key"): one.get("value") for one in event}["concept:name"] for event in events]
            paths[keyed["concept:name"]] = tuple(named)
            trace.clear()
    return paths


def published(file):
    """Read ProM's cost per case."""
    with gzip.open(file, "rt") as stream:
        lines = stream.read().split("\n")[2:]
    costs = {}
    for row in csv.DictReader(io.StringIO("\n".join(lines))):
        if row["Index"].isdigit():
            costs |= dict.fromkeys(row["Case IDs"].split("|"), float(row["Raw Fitness Cost"].replace(",", ".")))
    return costs


def aligned(net, paths, *, silent=0, unfinished=None, costs=None):
    """Align paths of activity names, costs 1."""
    number = {label: place for place, label in enumerate(net.alphabet)}
    names = sorted({name for path in paths for name in path})
    code = {name: place for place, name in enumerate(names)}
    return align(
        reachability_graph(net),
        [np.array([code[name] for name in path], dtype=np.int32) for path in paths],
        symbol_labels=np.array([number.get(name, -1) for name in names], dtype=np.int32),
        transition_labels=np.array([number.get(label, -1) for label in net.labels], dtype=np.int32),
        costs=costs or unit_costs(net, len(names), silent=silent),
        unfinished=unfinished,
        threads=2,
    )


def replayed(net, path, moves, *, silent=0, to_the_end=True):
    """Walk the moves through net and path; return what they cost, or a word on where they do not fit."""
    marking, place, paid = net.initial, 0, 0
    for move in moves:
        if move.kind != MODEL:
            if move.position != place:
                return f"event {move.position} at place {place}"
            place += 1
        if move.kind == BOTH and net.labels[move.transition] != path[move.position]:
            return f"event {move.position} is not what the model does"
        if move.kind != LOG:
            marking = fires(net, marking, move.transition)
            if marking is None:
                return f"transition {move.transition} cannot fire"
        hidden = move.kind == MODEL and net.labels[move.transition] is None
        paid += silent if hidden else move.kind != BOTH
    if place != len(path):
        return f"{len(path) - place} events are left"
    if to_the_end and not any((marking == final).all() for final in net.finals):
        return "the model is not at an end"
    return paid


@pytest.mark.real_data
@pytest.mark.parametrize("name", PAIRS)
def test_costs_equal_proms_for_every_variant(shared_data, name):
    folder = shared_data / "conformance"
    file = folder / f"logs/{name}.xes.gz"
    if not file.exists():
        file = shared_data / f"event_logs/BPI_2020_{name.removeprefix('BPIC2020-')}.xes.gz"
    net, log = read_pnml(folder / f"models/{name}.pnml"), paths_of(file)
    costs = published(folder / f"costs/{name}.csv.gz")
    variants = sorted(set(log.values()))
    silent = 1 if name in FREE else 0

    found = aligned(net, variants, silent=silent)

    cost = dict(zip(variants, found.cost.tolist(), strict=True))
    differing = [case for case in log if cost[log[case]] != costs[case]]
    assert set(log) == set(costs)
    assert differing == []
    assert sum(cost[path] for path in log.values()) == PAIRS[name]
    for place, path in enumerate(variants):
        assert replayed(net, path, found.moves(place), silent=silent) == found.cost[place]
    if name in FREE:
        free = dict(zip(variants, aligned(net, variants).cost.tolist(), strict=True))
        assert sum(free[path] for path in log.values()) == FREE[name]


FLOWS = st.recursive(
    st.sampled_from("abcdef").map(Step),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["sequence", "choice", "any_order"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: Block(pair[0], tuple(pair[1]))
        ),
        st.tuples(st.sampled_from(["optional", "repeat", "repeat_once"]), inner).map(
            lambda pair: Block(pair[0], (pair[1],))
        ),
    ),
    max_leaves=7,
)


def played(flow, chance):
    """Play a flow out once."""
    if isinstance(flow, Step):
        return [flow.name]
    parts = list(flow.parts)
    if flow.kind == "choice":
        return played(chance.choice(parts), chance)
    if flow.kind == "optional":
        return played(parts[0], chance) if chance.random() < 0.5 else []
    if flow.kind in {"repeat", "repeat_once"}:
        times = chance.choice([0, 1, 2]) if flow.kind == "repeat" else chance.choice([1, 2])
        return [name for _ in range(times) for name in played(parts[0], chance)]
    if flow.kind == "sequence":
        return [name for part in parts for name in played(part, chance)]
    runs = [played(part, chance) for part in parts]
    mixed = []
    while any(runs):
        run = chance.choice([one for one in runs if one])
        mixed.append(run.pop(0))
    return mixed


def disturbed(path, chance):
    """Leave out, repeat, swap or add a few events."""
    path = list(path)
    for _ in range(chance.choice([0, 1, 2, 3])):
        place = chance.randrange(len(path) + 1)
        kind = chance.choice(["drop", "add", "swap"])
        if kind == "add":
            path.insert(place, chance.choice("abcdefxy"))
        elif kind == "drop" and place < len(path):
            path.pop(place)
        elif kind == "swap" and place + 1 < len(path):
            path[place], path[place + 1] = path[place + 1], path[place]
    return tuple(path)


@settings(max_examples=60, deadline=None)
@given(FLOWS, st.integers(0, 10**6))
def test_a_played_out_path_costs_nothing(flow, seed):
    chance = random.Random(seed)
    paths = sorted({tuple(played(flow, chance)) for _ in range(5)})

    found = aligned(flow_net(flow), paths)

    assert found.cost.tolist() == [0] * len(paths)


@settings(max_examples=60, deadline=None)
@given(FLOWS, st.integers(0, 10**6))
def test_moves_walk_through_model_and_path_and_cost_the_optimum(flow, seed):
    chance, net = random.Random(seed), flow_net(flow)
    paths = sorted({disturbed(played(flow, chance), chance) for _ in range(8)})

    for silent in (0, 1):
        found = aligned(net, paths, silent=silent)
        for place, path in enumerate(paths):
            assert replayed(net, path, found.moves(place), silent=silent) == found.cost[place]
    found = aligned(net, paths, unfinished=np.ones(len(paths), dtype=bool))
    for place, path in enumerate(paths):
        assert replayed(net, path, found.moves(place), to_the_end=False) == found.cost[place]


@settings(max_examples=40, deadline=None)
@given(FLOWS, st.integers(0, 10**6))
def test_costs_equal_pm4pys(tmp_path_factory, flow, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pm4py.algo.conformance.alignments.petri_net import algorithm
        from pm4py.objects.log.obj import Event, Trace
        from pm4py.objects.petri_net.importer import importer
    chance, net = random.Random(seed), flow_net(flow)
    paths = sorted({disturbed(played(flow, chance), chance) for _ in range(3)})
    file = tmp_path_factory.mktemp("net") / "net.pnml"
    write_pnml(net, file, name="net")

    found = aligned(net, paths)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, initial, final = importer.apply(str(file))
        traces = [Trace([Event({"concept:name": name}) for name in path]) for path in paths]
        # pm4py counts 10,000 for a deviation and 1 for a silent step.
        costs = [algorithm.apply(trace, theirs, initial, final)["cost"] // 10_000 for trace in traces]
    assert found.cost.tolist() == costs


def searched(net, paths, *, budget=20_000, silent=0, unfinished=None):
    """Align paths by searching states on demand."""
    number = {label: place for place, label in enumerate(net.alphabet)}
    names = sorted({name for path in paths for name in path})
    return search(
        net,
        [np.array([names.index(name) for name in path], dtype=np.int32) for path in paths],
        symbol_labels=np.array([number.get(name, -1) for name in names], dtype=np.int32),
        transition_labels=np.array([number.get(label, -1) for label in net.labels], dtype=np.int32),
        costs=unit_costs(net, len(names), silent=silent),
        unfinished=unfinished,
        budget=budget,
    )


@settings(max_examples=60, deadline=None)
@given(FLOWS, st.integers(0, 10**6))
def test_searching_on_demand_finds_the_same_costs(flow, seed):
    chance, net = random.Random(seed), flow_net(flow)
    paths = sorted({disturbed(played(flow, chance), chance) for _ in range(6)})
    every = np.ones(len(paths), dtype=bool)

    for silent in (0, 1):
        found = searched(net, paths, silent=silent)
        assert found.cost.tolist() == found.upper.tolist() == aligned(net, paths, silent=silent).cost.tolist()
        for place, path in enumerate(paths):
            assert replayed(net, path, found.moves(place), silent=silent) == found.cost[place]
    assert searched(net, paths, unfinished=every).cost.tolist() == aligned(net, paths, unfinished=every).cost.tolist()


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["08_receipt", "13_SEPSIS_1t_per_variant", "14_Billing_1t_per_variant"])
def test_models_too_large_to_list_are_aligned_exactly(shared_data, name):
    """The inductive miner without a filter allows every journey it was mined from: the optimum is 0."""
    folder = shared_data / "conformance"
    variants = sorted(set(paths_of(folder / f"logs/{name}.xes.gz").values()))
    large, small = (read_pnml(folder / f"models/{name}-{miner}.pnml") for miner in ("im", "imf"))

    found, filtered = searched(large, variants), searched(small, variants)

    assert found.upper.tolist() == [0] * len(variants)
    for place, path in enumerate(variants):
        assert replayed(large, path, found.moves(place)) == 0
    exact = aligned(small, variants).cost
    proven = filtered.cost == filtered.upper
    assert (filtered.cost <= exact).all()
    assert (exact <= filtered.upper).all()
    assert (filtered.cost[proven] == exact[proven]).all()


def test_a_spent_budget_leaves_proven_bounds():
    net = flow_net(parse_flow("{a, b, c, d, e, f} > {g, h, i}"))
    path = tuple("ihgfedcba")

    found = searched(net, [path], budget=25)
    exact = aligned(net, [path]).cost[0]

    assert found.cost[0] < exact <= found.upper[0] == 18
    assert replayed(net, path, found.moves(0)) == found.upper[0]


def test_a_model_without_an_end_in_reach_is_refused():
    net = flow_net(parse_flow("{a, b, c, d, e, f}"))

    with pytest.raises(InputError, match="not found within 5 states"):
        searched(net, [("a",)], budget=5)


def test_costs_of_touchpoints_are_used():
    net = flow_net(parse_flow("a > b"))
    costs = Costs(np.array([1, 5, 1], dtype=np.int32), np.array([1, 7], dtype=np.int32), np.zeros(3, dtype=np.int32))

    assert aligned(net, [("a", "b", "b")], costs=None).cost.tolist() == [1]
    assert aligned(net, [("a", "b", "c"), ("a",), ("a", "b", "b")], costs=costs).cost.tolist() == [1, 7, 5]


def test_events_are_matched_as_early_as_they_can_be():
    net = flow_net(parse_flow("a > b"))

    moves = aligned(net, [("a", "b", "b")]).moves(0)

    assert [(move.kind, move.position) for move in moves] == [(BOTH, 0), (BOTH, 1), (LOG, 2)]


def test_threads_change_nothing(monkeypatch):
    flow, chance = parse_flow("a > {b, c} > (d | e)* > f?"), random.Random(3)
    net, paths = flow_net(flow), sorted({disturbed(played(flow, chance), chance) for _ in range(400)})
    alone = aligned(net, paths)
    monkeypatch.setattr("journeymining.conformance.alignment.WORK_OF_A_THREAD", 1)

    beside = aligned(net, paths)

    assert len(paths) > 100
    for column in ("cost", "state", "offsets", "kind", "position", "transition"):
        assert getattr(beside, column).tolist() == getattr(alone, column).tolist()


def test_no_paths_are_no_alignments():
    assert len(aligned(flow_net(parse_flow("a")), []).cost) == 0


def test_an_empty_path_costs_the_shortest_way():
    assert aligned(flow_net(parse_flow("a > (b | c > d) > e?")), [()]).cost.tolist() == [2]
