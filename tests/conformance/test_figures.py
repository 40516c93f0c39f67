"""Figures of the whole log, against pm4py's on the running example."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.conform import conform
from journeymining.conformance.design import read_design
from journeymining.conformance.figures import intervals, mean_with_interval, prefix_tree, share_with_interval
from journeymining.conformance.flow import flow_net, parse_flow
from journeymining.conformance.reachability import reachability_graph
from journeymining.conformance.resampling import Resamples
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.reading import read_event_log


@pytest.mark.real_data
def test_precision_generalisation_and_simplicity_equal_pm4pys(shared_data):
    """pm4py 2.7.23: precision_alignments, generalization_tbr and simplicity_petri_net of the same log and net."""
    folder = shared_data / "event_logs"
    with prepare(read_event_log(folder / "running-example.csv")) as log:
        summary = conform(log, read_design(folder / "running-example.pnml")).summary

    assert summary["precision"] == pytest.approx(0.7530864197530864, abs=1e-12)
    assert summary["generalisation"] == pytest.approx(0.5465854051849908, abs=1e-12)
    assert summary["simplicity"] == pytest.approx(0.76, abs=1e-12)


def test_an_interval_is_the_same_from_the_same_seed_and_wider_by_customer():
    values = [1.0, 0.0] * 50
    alone, paired = list(range(100)), [place // 10 for place in range(100)]
    together = [place % 2 for place in range(100)]

    assert mean_with_interval(values, alone, seed=3) == mean_with_interval(values, alone, seed=3)
    assert mean_with_interval(values, paired)[:1] == (0.5,)
    low, high = mean_with_interval(values, together)[1:]
    assert (low, high) == (0.0, 1.0)


def compared(flow, paths):
    """Align paths of letters with a flow; return what figures need of the comparison."""
    net = flow_net(parse_flow(flow))
    graph, labels = reachability_graph(net), net.alphabet
    names = sorted({*labels, *"".join(paths)})
    found = align(
        graph,
        [np.array([names.index(one) for one in path], dtype=np.int32) for path in paths],
        symbol_labels=np.array([labels.index(one) if one in labels else -1 for one in names], dtype=np.int32),
        transition_labels=np.array([-1 if one is None else labels.index(one) for one in net.labels], dtype=np.int32),
        costs=unit_costs(net, len(names)),
    )
    worst = np.array([len(path) for path in paths], dtype=np.int64) + 2
    return SimpleNamespace(net=net, graph=graph, labels=labels, alignments=found, worst=worst)


def test_precision_of_a_weighting_by_hand():
    """Of a > (b | c | d): after a three steps are allowed; how many are taken depends on who is drawn."""
    tree = prefix_tree(compared("a > (b | c | d)", ["ab", "ac"]))

    drawn = tree.precision(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 0.0]]))

    # Start: 1 of 1 step, after a: 2 (or 1) of 3 steps; both count once per journey.
    assert drawn[:2].tolist() == [(2 * 1 + 2 * 2) / (2 * 1 + 2 * 3), (2 * 1 + 2 * 1) / (2 * 1 + 2 * 3)]
    assert np.isnan(drawn[2])


def test_intervals_hold_the_figure_of_all_customers_as_often_as_they_say():
    """Logs of 300 journeys from a made-up company, whose own figures are known: 95 % of the intervals hold them."""
    paths = ["abd", "acd", "abcd", "ad", "abbd", "d", "xacd"]
    likely = np.array([0.35, 0.25, 0.15, 0.1, 0.07, 0.05, 0.03])
    model, generator, journeys, logs = compared("a > (b | c) > d", paths), np.random.default_rng(8), 300, 200
    fitness = {"fitness": 1 - model.alignments.cost / model.worst}

    def of(counts, seed):
        everyone = np.repeat(np.arange(len(paths)), counts)
        draws = Resamples.of(everyone, np.arange(len(everyone)), paths=len(paths), seed=seed, samples=200)
        return intervals(model, SimpleNamespace(journeys=counts), draws, fitness)

    weights = likely[None, :] * journeys
    truth = {
        "log_fitness": 1 - (likely @ model.alignments.cost) / (likely @ model.worst),
        "precision": prefix_tree(model).precision(weights)[0],
        "fitness": likely @ fitness["fitness"],
    }
    found = [of(generator.multinomial(journeys, likely), seed) for seed in range(logs)]

    for name, value in truth.items():
        held = np.mean([one[name][0] - 1e-12 <= value <= one[name][1] + 1e-12 for one in found])
        # Twice the standard error of 200 logs lies three points below 95 %; percentiles of 200 draws cost some more.
        assert held >= 0.9, (name, held)
        assert all(one[name][0] < one[name][1] or truth[name] == 1 for one in found)


def test_intervals_of_journeys_of_one_customer_are_wider():
    paths = ["ab", "b"]
    model, counts = compared("a > b", paths), np.array([50, 50])
    path = np.repeat([0, 1], 50)

    def width(customers):
        draws = Resamples.of(path, customers, paths=2, seed=0, samples=300)
        low, high = intervals(model, SimpleNamespace(journeys=counts), draws, {})["log_fitness"]
        return high - low

    assert width(np.arange(100) // 10) > 2 * width(np.arange(100))


def test_a_share_is_resampled_by_customer_and_never_certain():
    alike = share_with_interval([True] * 20, [True] * 20, range(20))

    assert alike[0] == 1.0
    assert 0.8 < alike[1] < 0.85  # Wilson of 20 in 20
    assert share_with_interval([True, False] * 10, [True] * 20, [0, 1] * 10)[1:] == (0.0, 1.0)
    assert np.isnan(share_with_interval([False], [False], [0])[0])


def test_the_summary_says_what_its_intervals_cover(check):
    design = "journey: x\nflow: a > b? > c\nrules:\n  - response: [a, b]\n"
    journeys = {f"{number:02d}": ["a", "b", "c"] if number % 3 else ["a", "c", "c"] for number in range(60)}
    first, again = (check(design, journeys, samples=100) for _ in range(2))

    said = first.summary["intervals"]
    assert said == again.summary["intervals"]
    assert (said["journeys"], said["customers"], said["samples"]) == (60, 60, 100)
    for name in ("log_fitness", "precision", "generalisation", "move_log_fitness", "move_model_fitness"):
        low, high = said[name]
        assert 0 <= low <= first.summary[name] <= high <= 1
    assert said["move_log_fitness"][0] < said["move_log_fitness"][1]
    rule = first.rules.iloc[0]
    assert rule["support"] == rule["confidence"] == pytest.approx(2 / 3)
    assert rule["support_low"] < rule["support"] < rule["support_high"]
    assert rule["confidence_low"] < rule["confidence"] < rule["confidence_high"]
