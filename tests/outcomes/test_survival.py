"""Survival and attribution: worked numbers, and an independent implementation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from journeymining.exceptions import EmptyLogError, InputError, UsageError
from journeymining.outcomes.attribution import attribution, markov_removal, removal_effects, shapley
from journeymining.outcomes.config import OutcomeConfig
from journeymining.outcomes.hazards import compare_hazards, pattern_times, stretches
from journeymining.outcomes.survival import compare_survival, concordance, cox, kaplan_meier, log_rank, survival_at
from journeymining.outcomes.until_outcome import until_outcome

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


def plain_concordance(times, came, risk):
    """Count pairs one by one, each weighted by the Kaplan-Meier estimate of not being censored before."""
    watched = kaplan_meier(times, ~np.asarray(came))
    won = total = 0.0
    for i in range(len(times)):
        for j in range(len(times)):
            if came[i] and times[i] < times[j]:
                before = watched.loc[watched["time"] < times[i], "survival"]
                weight = (float(before.iloc[-1]) if len(before) else 1.0) ** -2
                total += weight
                won += weight * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    return won / total


def test_concordance_of_a_worked_example():
    # Outcomes at 2, 4 and 6, censored at 3 and 5: still watched before 4 are 3/4, before 6 3/8 (nobody outlasts 6).
    # Pairs: 2 against four (weight 1), 4 against two (weight 16/9). Risks 5 3 4 2 4: 2 wins 4, 4 wins 0.
    assert concordance([2, 3, 4, 5, 6], [1, 0, 1, 0, 1], [5, 3, 1, 2, 4]) == pytest.approx(4 / (4 + 2 * 16 / 9))
    assert concordance([2, 3, 4, 5, 6], [1, 0, 1, 0, 1], [5, 3, 4, 2, 4]) == pytest.approx(
        (4 + 1.5 * 16 / 9) / (4 + 2 * 16 / 9)
    )
    assert concordance([2, 3, 4, 5, 6], [1, 0, 1, 0, 1], [5, 3, 1, 2, 4], until=3) == 1


def test_concordance_equals_a_plain_count_of_pairs():
    generator = np.random.default_rng(4)
    times = generator.permutation(500)[:120].astype(float)  # no ties, which the two ways of censoring would tell apart
    came, risk = generator.random(120) < 0.5, generator.integers(0, 6, 120)

    assert concordance(times, came, risk) == pytest.approx(plain_concordance(times, came, risk))
    assert concordance(times, came, risk) == pytest.approx(1 - concordance(times, came, -risk))
    assert np.isnan(concordance([1, 2], [0, 0], [1, 2]))


def test_concordance_does_not_depend_on_how_many_are_censored():
    generator = np.random.default_rng(9)
    risk = generator.normal(0, 1, 3000)
    times = generator.exponential(np.exp(-risk))
    censored = generator.exponential(1.0, 3000)

    whole = concordance(times, np.ones(3000), risk, until=1.5)
    watched = concordance(np.minimum(times, censored), times <= censored, risk, until=1.5)

    assert watched == pytest.approx(whole, abs=0.02)


def test_the_time_to_the_next_purchase_is_the_worked_example():
    rows = [(f"j{i}", f"c{i}", "order", 0.0) for i in range(5)]
    rows += [(f"n{i}", f"c{i}", "purchase", day) for i, day in ((0, 2.0), (2, 4.0), (4, 6.0))]
    rows += [("end", "end", "ping", 6.0)]
    config = OutcomeConfig(
        event="purchase", landmark="journey_end", window="journey", gap="0 days", horizon="30 days", scope=["order"]
    )

    found = until_outcome("repurchase", config, journeys_of(rows))

    # Nobody is censored before day 6: of five customers three have bought again, after 2, 4 and 6 days.
    assert found.curves[["time", "at_risk", "survival"]].to_numpy().tolist() == pytest.approx(
        np.array([[2, 5, 0.8], [4, 4, 0.6], [6, 3, 0.4]])
    )
    assert (found.counts["watched"], found.counts["outcomes"]) == (5, 3)


def test_a_pattern_has_happened_when_its_last_item_has():
    journeys = journeys_of(
        [("a", "a", "x", 0, "web"), ("a", "a", "z", 1, "phone"), ("a", "a", "y", 2, "web"), ("a", "a", "x", 3, "web"),
         ("a", "a", "y", 4, "web"), ("b", "b", "y", 0, "web"), ("b", "b", "x", 1, "web")]
    )  # fmt: skip
    never = np.iinfo(np.int64).max

    def days(level, pattern):
        return [None if t == never else (t - journeys.start[0]) / 86_400e6
                for t in pattern_times(journeys, level, pattern).tolist()]  # fmt: skip

    assert days("activity", "y") == [2, 0]
    assert days("channel", "uses phone") == [1, None]
    assert days("sequence", "x > y") == [4, None]
    assert days("subsequence", "x ... y") == [2, None]
    assert days("sequence", "x > z > y") == [2, None]
    with pytest.raises(UsageError, match="no single moment"):
        pattern_times(journeys, "deviation", "late")


def test_time_is_cut_where_the_pattern_comes():
    table = stretches(
        np.array([0, 0, 0]), np.array([10, 10, 10]) * 86_400_000_000, np.array([True, True, False]),
        np.array([4 * 86_400_000_000, np.iinfo(np.int64).max, 0]),
    )  # fmt: skip

    assert table.to_numpy().tolist() == [
        [0, 0, 4, False, 0], [0, 4, 10, True, 1], [1, 0, 10, True, 0], [2, 0, 10, False, 1]
    ]  # fmt: skip


def test_who_lives_to_be_called_has_no_lower_hazard_but_who_is_warned_has():
    generator = np.random.default_rng(11)
    n = 2500
    called, warned = generator.exponential(60, n), generator.exponential(60, n)
    gone = generator.exponential(100, n)
    gone = np.where(warned < gone, warned + generator.exponential(100 / np.exp(0.7), n), gone)
    rows = [(f"j{i}", f"c{i}", "signed", 0.0) for i in range(n)]
    rows += [(f"j{i}", f"c{i}", "upgrade_call", called[i]) for i in range(n) if called[i] < min(gone[i], 300)]
    rows += [(f"j{i}", f"c{i}", "warning", warned[i]) for i in range(n) if warned[i] < min(gone[i], 300)]
    journeys = journeys_of(rows)
    stop = (
        journeys.start
        + (np.minimum(gone, 300) * 86_400e6).astype(np.int64)[[int(name[1:]) for name in journeys.journey_id]]
    )
    happened = (gone < 300)[[int(name[1:]) for name in journeys.journey_id]]

    table = compare_hazards(journeys, stop, happened, [("activity", "upgrade_call"), ("activity", "warning")])
    table = table.set_index("pattern")

    assert table.loc["upgrade_call", "low"] < 1 < table.loc["upgrade_call", "high"]
    assert table.loc["warning", "low"] < np.exp(0.7) < table.loc["warning", "high"]
    assert table.loc["warning", "q"] < 0.001 < table.loc["upgrade_call", "q"]
    assert table.loc["upgrade_call", "n"] == sum(called < np.minimum(gone, 300))


@pytest.mark.parametrize("digits", [6, 0])
def test_a_hazard_model_equals_statsmodels_with_and_without_ties(digits):
    from statsmodels.duration.hazard_regression import PHReg

    generator = np.random.default_rng(3)
    # No row starts where another stops: statsmodels counts it at risk there already, we and R do not.
    start = np.where(generator.random(300) < 0.4, generator.integers(0, 4, 300) + 0.3, 0)
    stop = np.round(start + 0.6 + generator.exponential(5, 300), digits)
    rows = pd.DataFrame({"start": start, "stop": stop, "happened": generator.random(300) < 0.6})
    rows["x"], rows["y"] = generator.normal(0, 1, 300), generator.random(300) < 0.3
    rows["who"] = generator.integers(0, 90, 300)

    found, robust = cox(rows, ["x", "y"]), cox(rows, ["x", "y"], customers="who")

    model = PHReg(
        rows["stop"].to_numpy(), rows[["x", "y"]].to_numpy(dtype=float), status=rows["happened"].to_numpy(dtype=int),
        entry=rows["start"].to_numpy(), ties="efron",
    )  # fmt: skip
    fit = model.fit()
    assert np.log(found["hazard_ratio"].to_numpy()) == pytest.approx(fit.params, abs=1e-6)
    assert found["p"].to_numpy() == pytest.approx(fit.pvalues, abs=1e-6)
    if digits:  # with ties its residuals are Breslow's, ours Efron's
        parts = np.nan_to_num(fit.score_residuals)
        sums = pd.DataFrame(parts).groupby(rows["who"]).sum().to_numpy()
        error = np.sqrt(np.diag(fit.cov_params() @ sums.T @ sums @ fit.cov_params()))
        width = np.log(robust["high"] / robust["low"]) / 2 / 1.959964
        assert width.to_numpy() == pytest.approx(error, rel=1e-4)


def test_a_row_is_not_at_risk_at_the_moment_it_starts():
    # At 1 the outcome of x = 1 comes among rows 1 and 2; row 3 starts there. At 2, x = 0 among rows 2 and 3; score
    # 1 - e/(e + 1) - e/(e + 1) = 0 has the solution e = 1.
    rows = pd.DataFrame({"start": [0.0, 0, 1], "stop": [1.0, 2, 3], "happened": [True, True, False], "x": [1.0, 0, 1]})

    assert cox(rows, ["x"])["hazard_ratio"].iloc[0] == pytest.approx(1)


def test_rows_of_one_customer_widen_the_interval_of_a_hazard_ratio():
    generator = np.random.default_rng(6)
    rows = pd.DataFrame({"start": 0.0, "stop": generator.exponential(5, 60), "happened": True})
    rows["x"] = (np.arange(60) % 2).astype(float)
    forty = pd.concat([rows.assign(who=np.arange(60))] * 40, ignore_index=True)
    forty["stop"] += np.repeat(np.arange(40), 60) * 1e-6

    alone, together = cox(forty, ["x"]).iloc[0], cox(forty, ["x"], customers="who").iloc[0]

    assert together["hazard_ratio"] == pytest.approx(alone["hazard_ratio"])
    assert np.log(together["high"] / together["low"]) > 4 * np.log(alone["high"] / alone["low"])


def test_covariates_that_say_the_same_are_refused():
    rows = pd.DataFrame({"start": 0.0, "stop": [1.0, 2.0, 3.0, 4.0], "happened": True, "x": [1.0, 0, 1, 0]})

    with pytest.raises(InputError, match="say the same"):
        cox(rows.assign(y=1 - rows["x"]), ["x", "y"])
