"""Worked numbers of the arithmetic under every comparison."""

from __future__ import annotations

import numpy as np
import pytest

from journeymining.proportions import (
    benjamini_hochberg,
    beta_prior,
    design_effect,
    journeys_needed,
    newcombe,
    odds_ratio,
    shrunken_share,
    smallest_detectable,
    wilson,
)

CLOSE = 1e-3


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        (4, 10, (0.168, 0.687)),
        (300, 1000, (0.272, 0.329)),
        (0, 5, (0, 0.434)),
        (3, 3, (0.439, 1)),
        (41, 50, (0.692, 0.902)),
        (120, 1000, (0.101, 0.142)),
    ],
)
def test_wilson_intervals_equal_the_hand_computed_ones(k, n, expected):
    low, high = wilson(k, n)

    assert (float(low), float(high)) == pytest.approx(expected, abs=CLOSE)


def test_a_share_of_nothing_has_no_interval():
    low, high = wilson([0], [0])

    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_newcombe_equals_the_hand_computed_one():
    assert [float(x) for x in newcombe(16, 20, 24, 80)] == pytest.approx([0.5, 0.259, 0.649], abs=CLOSE)
    assert [float(x) for x in newcombe(92, 160, 41, 160)] == pytest.approx([0.319, 0.212, 0.415], abs=CLOSE)
    assert [float(x) for x in newcombe(21, 80, 20, 80)] == pytest.approx([0.0125, -0.122, 0.146], abs=CLOSE)


def test_q_values_equal_the_hand_computed_ones():
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]

    q = benjamini_hochberg(p)

    assert q == pytest.approx([0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216], abs=CLOSE)
    assert (q < 0.05).sum() == 2


def test_what_was_not_tested_does_not_count_as_a_test():
    q = benjamini_hochberg([0.01, np.nan, 0.5])

    assert q[0] == pytest.approx(0.02)
    assert np.isnan(q[1])


@pytest.mark.parametrize(("k", "n", "expected"), [(2, 2, 0.3636), (8, 20, 0.35), (30, 100, 0.30), (1, 10, 0.2333)])
def test_shrunken_shares_equal_the_hand_computed_ones(k, n, expected):
    share, _, _ = shrunken_share(k, n, a=6, b=14)

    assert float(share) == pytest.approx(expected, abs=CLOSE)


def test_the_credible_interval_equals_the_hand_computed_one():
    _, low, high = shrunken_share(2, 2, a=6, b=14)

    assert (float(low), float(high)) == pytest.approx((0.181, 0.570), abs=CLOSE)


def test_the_prior_recovers_the_family_it_was_drawn_from():
    generator = np.random.default_rng(1)
    n = np.full(2000, 50)

    a, b = beta_prior(generator.binomial(n, generator.beta(6, 14, len(n))), n)

    assert a / (a + b) == pytest.approx(0.3, abs=0.01)
    assert a + b == pytest.approx(20, rel=0.15)


def test_groups_without_spread_get_the_common_share():
    a, b = beta_prior([3, 3, 3], [10, 10, 10])
    share, _, _ = shrunken_share(3, 10, a=a, b=b)

    assert float(share) == pytest.approx(0.3)


@pytest.mark.parametrize(("prior", "expected"), [(0, 25.0), (1, 11.0), (0.5, 15.4)])
def test_odds_ratios_equal_the_hand_computed_ones(prior, expected):
    ratio, low, high = odds_ratio(5, 1, 2, 10, prior=prior)

    assert ratio == pytest.approx(expected, abs=CLOSE)
    if prior == 0.5:
        assert (low, high) == pytest.approx((1.59, 149), abs=0.5)


def test_power_equals_the_hand_computed_one():
    assert journeys_needed(0.30, 0.40) == 356
    assert journeys_needed(0.30, 0.35) == 1377
    assert smallest_detectable(1377, 1377, 0.30) == pytest.approx(0.05, abs=CLOSE)


def test_a_group_of_nobody_reveals_nothing():
    assert np.isnan(smallest_detectable(0, 100, 0.3))


def test_forty_copies_of_a_journey_count_once():
    values = np.repeat([1, 0, 1, 0], 40)
    customers = np.repeat(["a", "b", "c", "d"], 40)

    assert design_effect(values, customers) == pytest.approx(40)
    assert design_effect(values, np.arange(160)) == 1.0
