"""Survival and attribution: worked numbers, and an independent implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from journeymining.exceptions import EmptyLogError, InputError
from journeymining.outcomes.attribution import attribution, markov_removal, removal_effects, shapley
from journeymining.outcomes.survival import compare_survival, cox, kaplan_meier, log_rank, survival_at

from .conftest import journeys_of


def test_survival_of_the_worked_example_is_not_the_naive_share():
    curve = kaplan_meier([2, 3, 4, 5, 6], [1, 0, 1, 0, 1])

    assert curve["survival"].to_numpy() == pytest.approx([0.8, 0.5333, 0], abs=1e-3)
    assert survival_at(curve, 5) == pytest.approx(0.5333, abs=1e-3)  # the naive share at 5 would be 3 of 5
    assert survival_at(curve, 1) == 1.0


def test_survival_equals_statsmodels():
    generator = np.random.default_rng(3)
    times, came = generator.integers(1, 30, 200), generator.random(200) < 0.6

    curve = kaplan_meier(times, came)
    other = SurvfuncRight(times, came.astype(int))

    assert curve["time"].tolist() == other.surv_times.tolist()
    assert curve["survival"].to_numpy() == pytest.approx(other.surv_prob)
    assert curve["at_risk"].tolist() == other.n_risk.tolist()


def test_nobody_who_left_is_a_curve_without_steps():
    assert kaplan_meier([1, 2], [0, 0]).empty
    assert np.isnan(log_rank([1, 2], [0, 0], ["a", "b"]))


def test_a_pattern_that_hastens_the_outcome_is_found_and_another_is_not():
    generator = np.random.default_rng(5)
    has = pd.DataFrame({"fast": generator.random(600) < 0.5, "nothing": generator.random(600) < 0.5})
    times = generator.exponential(np.where(has["fast"], 5, 10))

    table = compare_survival(np.minimum(times, 15), times < 15, has).set_index("pattern")

    assert table.loc["fast", "q"] < 0.001
    assert table.loc["nothing", "q"] > 0.05
    assert table.loc["fast", "median_with"] < table.loc["fast", "median_without"]


def test_a_hazard_ratio_is_recovered_from_rows_that_change():
    generator = np.random.default_rng(7)
    rows = []
    for _ in range(1500):
        change = generator.exponential(5)
        before, after = generator.exponential(10), generator.exponential(10 / np.exp(0.7))
        end = min(before if before < change else change + after, 20)
        happened = (before if before < change else change + after) < 20
        if end <= change:
            rows.append((0.0, end, happened, 0.0))
        else:
            rows += [(0.0, change, False, 0.0), (change, end, happened, 1.0)]
    table = pd.DataFrame(rows, columns=["start", "stop", "happened", "exposed"])

    result = cox(table, ["exposed"]).iloc[0]

    assert result["low"] < np.exp(0.7) < result["high"]
    assert result["low"] > 1.5


def test_a_hazard_without_outcomes_or_time_is_refused():
    rows = pd.DataFrame({"start": [0.0, 1.0], "stop": [1.0, 2.0], "happened": [False, False], "x": [0, 1]})

    with pytest.raises(EmptyLogError, match="never came"):
        cox(rows, ["x"])
    with pytest.raises(InputError, match="1 rows do not stop"):
        cox(rows.assign(stop=[1.0, 1.0]), ["x"])


EXAMPLE = {("g",): (2, 1), ("m",): (1, 0), ("g", "m"): (1, 0)}


def test_removal_effects_and_credits_of_the_worked_example():
    assert removal_effects(EXAMPLE) == pytest.approx({"g": 0.75, "m": 0.5})
    assert markov_removal(EXAMPLE) == pytest.approx({"g": 2.4, "m": 1.6})
    assert shapley(EXAMPLE) == pytest.approx({"g": 2.5, "m": 1.5})


def test_every_rule_shares_all_conversions():
    rows, label = [], []
    for number, (path, won) in enumerate([("g", 1), ("g", 1), ("m", 1), ("gm", 1), ("g", 0), ("gmg", 1)]):
        rows += [(f"j{number}", f"c{number}", "touch", 7.0 * place, name) for place, name in enumerate(path)]
        label.append(won)

    table = attribution(journeys_of(rows), np.array(label), half_life="7 days").set_index("touchpoint")

    rules = ["first", "last", "linear", "time_decay", "markov", "shapley"]
    assert table[rules].sum().to_numpy() == pytest.approx([5] * 6)
    assert table.loc["m", "first"] == 1
    assert table.loc["m", "last"] == 2
    assert table.loc["m", "linear"] == pytest.approx(1 + 1 / 2 + 1 / 3)
    assert table.loc["m", "time_decay"] == pytest.approx(1 + 1 / 1.5 + 0.5 / 1.75)
    assert table.loc["g", "journeys"] == 5


def test_without_conversions_nobody_gets_credit():
    assert markov_removal({("a", "b"): (0, 3)}) == {"a": 0, "b": 0}
