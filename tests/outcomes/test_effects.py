"""Effects: planted ones are found and claimed, what is not there is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from journeymining.exceptions import UsageError
from journeymining.outcomes.correlation import posthog_correlation
from journeymining.outcomes.deviations import with_deviations
from journeymining.outcomes.effects import (
    CASE_MIX,
    COLUMNS,
    HIGHER,
    LOWER,
    NOT_CONFIRMED,
    NOT_DISTINGUISHABLE,
    difference_of,
    effects,
    information_gain,
    stratified_p,
    verdict,
)
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.labels import link, link_outcome, occurrences_in_log
from journeymining.outcomes.splitting import split_outcome
from journeymining.outcomes.variants import abstract_paths, memberships, support_report
from journeymining.proportions import benjamini_hochberg

from .conftest import CHURN, journeys_of, log_of, simulated


def table_of(n=4000, **planted):
    events, flags = simulated(n, **planted)
    journeys, scope = with_deviations(journeys_from_events(events), flags)
    linked = link("churn", CHURN, journeys, in_scope=scope)
    return effects(linked, split_outcome(linked)), linked


@pytest.fixture(scope="module")
def table():
    return table_of()[0]


@pytest.mark.parametrize(("pattern", "planted"), [("late", 0.12), ("forced switch", 0.10)])
def test_a_planted_effect_is_in_its_intervals_and_claimed(table, pattern, planted):
    row = table[table["pattern"] == pattern].iloc[0]

    assert row["difference_low"] < planted < row["difference_high"]
    assert row["adjusted_low"] < planted < row["adjusted_high"]
    assert row["holdout_low"] < planted < row["holdout_high"]
    assert row["verdict"] == HIGHER


def test_a_planted_null_is_not_claimed(table):
    rows = table[table["pattern"].str.fullmatch("track_parcel")]

    assert rows["verdict"].tolist() == [NOT_DISTINGUISHABLE]
    assert rows["difference_low"].iloc[0] < 0 < rows["difference_high"].iloc[0]


def test_the_table_has_the_columns_of_the_file(table):
    assert table.columns.tolist() == COLUMNS
    assert table["p"].is_monotonic_increasing
    assert (table["rate_low"] <= table["rate"]).all()
    assert (table["rate"] <= table["rate_high"]).all()
    assert table["q"].to_numpy() == pytest.approx(benjamini_hochberg(table["p"]))


def test_shuffled_rows_of_a_log_change_nothing(table):
    events, flags = simulated(4000)
    mixed = events.sample(frac=1, random_state=1)
    journeys, scope = with_deviations(journeys_from_events(mixed), flags.sample(frac=1, random_state=2))
    linked = link("churn", CHURN, journeys, in_scope=scope)

    again = effects(linked, split_outcome(linked))

    pd.testing.assert_frame_equal(again, table)


def test_labels_that_mean_nothing_are_claimed_in_one_run_of_ten_at_most():
    events, _ = simulated(500)
    linked = link("churn", CHURN, journeys_from_events(events))
    split = split_outcome(linked)
    label, found, claimed = linked.label.copy(), 0, 0
    for seed in range(100):
        linked.label[:] = np.random.default_rng(seed).permutation(label)
        table = effects(linked, split, adjust=0, min_support=0.05)
        found += bool((table["q"] < 0.05).any())
        claimed += bool(table["verdict"].isin([HIGHER, LOWER]).any())

    assert len(table) > 10
    assert found <= 10  # before anything is asked of the held-out side
    assert claimed <= found


def test_a_planted_difference_is_in_nine_of_ten_intervals_of_simulated_logs():
    inside = 0
    for seed in range(100):
        events, flags = simulated(600, seed=seed, forced=-0.15, late=0, base=0.40)
        journeys, scope = with_deviations(journeys_from_events(events), flags)
        linked = link("loyal", CHURN, journeys, in_scope=scope)
        row = effects(linked, split_outcome(linked), adjust=0).set_index("pattern").loc["forced switch"]
        inside += row["difference_low"] <= -0.15 <= row["difference_high"]

    assert inside >= 90


BASE = {"q": 0.01, "difference": 0.1, "holdout_low": 0.02, "holdout_high": 0.2, "overlap": 0.9, "adjusted": 0.1,
        "adjusted_low": 0.02, "adjusted_high": 0.2, "reversed_within": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, HIGHER),
        ({"q": 0.2}, NOT_DISTINGUISHABLE),
        ({"q": float("nan")}, NOT_DISTINGUISHABLE),
        ({"holdout_low": -0.01}, NOT_CONFIRMED),
        ({"holdout_low": -0.3, "holdout_high": -0.1}, NOT_CONFIRMED),
        ({"adjusted_low": -0.01}, CASE_MIX),
        ({"adjusted_low": -0.01, "overlap": 0.2}, HIGHER),
        ({"reversed_within": "segment"}, "not distinguishable: turns round within segment"),
        ({"adjusted_low": float("nan"), "overlap": float("nan")}, HIGHER),
        ({"difference": -0.1, "holdout_low": -0.2, "holdout_high": -0.1, "adjusted_high": -0.1}, LOWER),
    ],
)
def test_a_claim_needs_every_condition(changes, expected):
    assert verdict(BASE | changes) == expected


def test_a_difference_that_turns_round_within_segments_is_not_claimed():
    rng = np.random.default_rng(5)
    n = 6000
    business = rng.random(n) < 0.5
    extra = rng.random(n) < np.where(business, 0.75, 0.25)
    leaves = rng.random(n) < np.where(business, 0.7, 0.2) - 0.08 * extra
    visits = rng.integers(0, 4, n)
    rows = []
    for i in range(n):
        day = i // 20
        path = ["ask", *["visit"] * visits[i], *["extra"] * int(extra[i]), "pay"]
        rows += [(f"j{i:05}", f"c{i}", name, day + k / 10) for k, name in enumerate(path)]
        rows += [(f"x{i:05}", f"c{i}", "left", day + 5)] if leaves[i] else []
    events = log_of([*rows, ("last", "nobody", "ping", 900)])
    who = events["customer_id"].str[1:].where(events["customer_id"] != "nobody", "0").astype(int)
    events["segment"] = np.where(business[who], "business", "private")
    question = {"landmark": "journey_end", "window": "journey", "gap": "0 days", "horizon": "9 days", "mask": ["left"]}

    def found(attributes):
        journeys = journeys_from_events(events, attributes=attributes)
        linked = link_outcome(journeys, occurrences_in_log(journeys, ["left"]), **question)
        table = effects(linked, split_outcome(linked)).query("level == 'activity'")
        return table.set_index("pattern").loc["extra"]

    known, unknown = found(["segment"]), found([])

    # .70 - .08 and .20 - .08 within segments, yet .17 more over all: three in four of the business customers have it.
    assert unknown["verdict"] == HIGHER
    assert known["difference"] == unknown["difference"] == pytest.approx(0.17, abs=0.03)
    assert (known["reversed_within"], unknown["reversed_within"]) == ("segment", "")
    assert known["verdict"] == "not distinguishable: turns round within segment"


def test_the_stratified_test_equals_mantel_and_haenszel():
    from statsmodels.stats.contingency_tables import StratifiedTable

    generator = np.random.default_rng(1)
    strata = generator.integers(0, 4, 800)
    has = generator.random(800) < 0.2 + 0.1 * strata
    label = (generator.random(800) < 0.2 + 0.05 * strata + 0.1 * has).astype(np.int8)
    tables = [
        [[np.sum((strata == k) & (has == h) & (label == y)) for y in (1, 0)] for h in (True, False)] for k in range(4)
    ]

    expected = StratifiedTable([np.array(t, dtype=float) for t in tables]).test_null_odds().pvalue

    assert stratified_p(has, label, strata) == pytest.approx(expected)


def test_few_journeys_are_tested_exactly():
    has = np.array([True] * 6 + [False] * 12)
    label = np.array([1] * 5 + [0] + [1] * 2 + [0] * 10, dtype=np.int8)

    assert stratified_p(has, label, np.zeros(18, dtype=int)) == pytest.approx(0.0128, abs=1e-3)


def test_exact_variants_are_left_alone_where_everyone_has_his_own():
    own = journeys_of([(f"j{i}", f"c{i}", f"a{(i >> bit) & 1}{bit}", bit) for i in range(64) for bit in range(6)])

    report = support_report(own, least=2).set_index("level")

    assert not report.loc["variant", "used"]
    assert "100%" in report.loc["variant", "reason"]


def test_abstract_variants_fold_loops():
    rows = [("j", "c", name, i, channel) for i, (name, channel) in enumerate(
        [("a", "web"), ("a", "web"), ("b", "app"), ("a", "web"), ("b", "app"), ("c", None)]
    )]  # fmt: skip

    number, names = abstract_paths(journeys_of(rows))

    assert names == ["a@web > b@app > c"]
    assert number.tolist() == [0]


def test_two_patterns_of_the_same_journeys_are_one_comparison():
    rows = []
    for i in range(200):
        rows += [(f"j{i}", f"c{i}", "start", 0)]
        rows += [(f"j{i}", f"c{i}", "x", 1), (f"j{i}", f"c{i}", "y", 2)] if i % 2 else []

    found = memberships(journeys_of(rows), np.arange(200))

    assert found.pattern == ["x"]


def test_posthog_correlation_equals_its_worked_number():
    rows = [(f"s{i}", f"s{i}", "seen", 0) for i in range(5)] + [("s9", "s9", "other", 0), ("s8", "s8", "other", 0)]
    rows += [("f0", "f0", "seen", 0)] + [(f"g{i}", f"g{i}", "other", 0) for i in range(10)]
    journeys = journeys_of(rows)
    label = np.array([name[0] == "s" for name in journeys.journey_id], dtype=np.int8)

    table = posthog_correlation(journeys, label).set_index("event")

    assert table.loc["seen", "odds_ratio"] == pytest.approx(11.0)
    assert table.loc["seen", "correlation_type"] == "success"
    assert table.loc["other", "odds_ratio"] == pytest.approx(1 / 11)
    assert table.loc["seen", ["success_count", "failure_count"]].tolist() == [5, 1]


def test_the_correlation_of_posthog_has_its_floor_its_top_and_its_warning():
    rows = [(f"c{i:03d}", f"c{i:03d}", f"a{i % 12}", 0) for i in range(120)]
    rows += [(f"c{i:03d}", f"c{i:03d}", "twice", 1) for i in range(2)]  # 2 of 120 customers: less than 2 %
    rows += [(f"c{i:03d}", f"c{i:03d}", "thrice", 1) for i in range(3)]  # 3 of 120 are more than 2 %
    journeys = journeys_of(rows)

    skewed, even = (posthog_correlation(journeys, (np.arange(120) < n).astype(np.int8)) for n in (10, 11))

    assert {"twice", "thrice"} & set(skewed["event"]) == {"thrice"}
    assert skewed["skewed"].all()  # 110 to 10 is more than ten to one
    assert not even["skewed"].any()
    assert skewed.groupby("correlation_type").size().max() == 10
    assert len(posthog_correlation(journeys, (np.arange(120) < 10).astype(np.int8), top=1)) == 2


def test_effects_by_the_method_of_posthog_are_its_odds_ratios():
    linked = link("churn", CHURN, journeys_from_events(simulated(300)[0]))
    split = split_outcome(linked)

    table = effects(linked, split, method="posthog")

    pd.testing.assert_frame_equal(table, posthog_correlation(linked.journeys, linked.label))
    with pytest.raises(UsageError, match="Allowed: held_out, posthog"):
        effects(linked, split, method="amplitude")


def test_a_moment_of_truth_of_the_worked_example():
    has = np.arange(100) < 20
    label = np.concatenate([np.arange(20) < 16, np.arange(80) < 24]).astype(np.int8)

    assert difference_of(has, label, np.arange(100)) == pytest.approx((0.5, 0.259, 0.649), abs=1e-3)
    assert information_gain(has, label) == pytest.approx(0.1215, abs=1e-3)
    assert label[has].mean() / label[~has].mean() == pytest.approx(2.667, abs=1e-3)


def test_the_table_holds_risk_ratio_and_information_gain(table):
    assert table["risk_ratio"].to_numpy() == pytest.approx(table["rate"] / (table["rate"] - table["difference"]))
    assert ((table["information_gain"] >= 0) & (table["information_gain"] < 1)).all()
    assert table.sort_values("information_gain", ascending=False)["pattern"].iloc[0] in ("late", "forced switch")
