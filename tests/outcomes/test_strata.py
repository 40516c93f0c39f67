"""Simpson's paradox, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from journeymining.outcomes.strata import difference_within, reversed_within


def worked():
    """A difference of +.10 over all journeys and of -.05 in both strata."""
    # stratum, pattern, journeys, with the outcome
    cells = [(0, True, 260, 195), (0, False, 140, 112), (1, True, 140, 35), (1, False, 260, 78)]
    strata = np.concatenate([np.full(n, stratum) for stratum, _, n, _ in cells])
    has = np.concatenate([np.full(n, pattern) for _, pattern, n, _ in cells])
    label = np.concatenate([np.repeat([1, 0], [hits, n - hits]) for _, _, n, hits in cells]).astype(np.int8)
    return has, label, strata


def test_a_difference_that_turns_round_within_strata_is_found():
    has, label, strata = worked()

    assert label[has].mean() - label[~has].mean() == pytest.approx(0.10)
    assert difference_within(has, label, strata) == pytest.approx(-0.05)
    assert reversed_within(has, label, {"segment": strata}) == ["segment"]


def test_a_difference_that_only_shrinks_is_not_called_reversed():
    has, label, strata = worked()
    rng = np.random.default_rng(3)

    assert reversed_within(has, label, {"unrelated": rng.integers(0, 3, len(has))}) == []
    assert reversed_within(has, label, {"all alike": np.zeros(len(has), dtype=int)}) == []
    # Where strata cannot be compared nothing is reversed.
    assert math.isnan(difference_within(has, label, has.astype(int)))
    assert reversed_within(has, label, {"itself": has.astype(int)}) == []
    assert reversed_within(np.ones(5, dtype=bool), label[:5], {"segment": strata[:5]}) == []
