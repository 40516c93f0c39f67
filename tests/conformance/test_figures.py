"""Figures of the whole log, against pm4py's on the running example."""

from __future__ import annotations

import pytest

from journeymining.conformance.conform import conform
from journeymining.conformance.design import read_design
from journeymining.conformance.figures import mean_with_interval
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
