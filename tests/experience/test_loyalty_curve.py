"""Loyalty by score: the worked example, in which the eye sees a jump that 320 answers do not prove."""

from __future__ import annotations

import numpy as np
import pytest

from journeymining.exceptions import InputError
from journeymining.experience.loyalty_curve import bend, loyalty_curve

COUNTS = {7: 20, 8: 21, 9: 40, 10: 52}


def answers(counts, n=80):
    scores = np.repeat(list(counts), n)
    return scores, np.concatenate([np.arange(n) < hits for hits in counts.values()])


def test_the_curve_of_the_worked_example():
    curve = loyalty_curve(*answers(COUNTS)).set_index("score")

    assert curve["rate"].tolist() == [0.25, 0.2625, 0.5, 0.65]
    assert curve.loc[8, ["step", "step_low", "step_high"]].tolist() == pytest.approx([0.0125, -0.122, 0.146], abs=1e-3)
    assert np.isnan(curve.loc[7, "step"])
    assert (curve.loc[7, "low"], curve.loc[7, "high"]) == pytest.approx((0.168, 0.355), abs=1e-3)


def test_the_bend_of_the_worked_example_is_undecided():
    found = bend(loyalty_curve(*answers(COUNTS)), 8)

    assert [found[name] for name in ("bend", "error", "z")] == pytest.approx([0.225, 0.123, 1.83], abs=5e-3)
    assert found["bend"] == pytest.approx(0.225, abs=1e-3)
    assert found["verdict"] == "undecided on shape"


def test_with_ten_times_as_many_answers_the_same_jump_is_a_bend():
    counts = {score: 10 * hits for score, hits in COUNTS.items()}

    assert bend(loyalty_curve(*answers(counts, 800)), 8)["verdict"] == "convex"
    assert bend(loyalty_curve(*answers({7: 250, 8: 600, 9: 650}, 800)), 8)["verdict"] == "concave"


def test_scores_that_are_missing_are_left_out_and_those_that_nobody_gave_are_named():
    curve = loyalty_curve([7, 9, np.nan], [True, False, True])

    assert curve["n"].tolist() == [1, 1]
    with pytest.raises(InputError, match="there are none of 8"):
        bend(curve, 8)
    assert loyalty_curve([], []).empty
