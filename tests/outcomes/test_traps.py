"""The traps of linking paths to outcomes, one test each: leaks, censoring, length, repetition, luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, KFold

from journeymining.exceptions import InputError, UsageError
from journeymining.outcomes.adjustment import adjusted_difference
from journeymining.outcomes.audit import audit, refuse_proxies
from journeymining.outcomes.bootstrap import interval, resampled_figures
from journeymining.outcomes.effects import difference_of, effects, length_strata, stratified_p
from journeymining.outcomes.encoders import AggregateEncoder
from journeymining.outcomes.evaluation import auc, weighted_auc
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.labels import link, link_outcome, occurrences_in_log
from journeymining.outcomes.models import fit_logistic_model
from journeymining.outcomes.prefixes import prefixes
from journeymining.outcomes.splitting import check_disjoint, customer_split, split_outcome, temporal_split

from .conftest import CHURN, DAY, day, journeys_of, simulated

# T1: the same case on both sides


def test_prefixes_of_a_journey_stay_on_one_side(telecom):
    journeys, _ = telecom
    parts, label = prefixes(journeys, np.arange(len(journeys)) % 2, longest=4)

    split = customer_split(parts.customer_id)

    assert not set(parts.customer_id[split.train]) & set(parts.customer_id[split.test])
    with pytest.raises(UsageError, match="on both sides"):
        check_disjoint(np.array([0]), np.array([1]), parts.customer_id)  # two prefixes of the first journey
    assert len(label) == len(parts)


def test_a_plain_kfold_is_refused(telecom):
    journeys, _ = telecom
    label = (np.arange(len(journeys)) % 2).astype(np.int8)

    with pytest.raises(UsageError, match=r"KFold may put journeys of one customer on both sides\. Use GroupKFold"):
        fit_logistic_model("x", AggregateEncoder(), journeys, label, splitter=KFold(3))
    fit_logistic_model("x", AggregateEncoder(), journeys, label, splitter=GroupKFold(3), strengths=(0.01, 0.1))


# T2: the outcome inside the window


def leaking():
    events, _ = simulated(300)
    gone = events[events["activity"] == "contract_cancelled"]
    owner = gone["customer_id"].str.replace("c", "j", n=1)
    # The day before they leave, everybody who leaves opens a form; it belongs to the journey before.
    form = gone.assign(activity="exit_form", journey_id=owner, timestamp=gone["timestamp"] - pd.Timedelta(days=1))
    return journeys_from_events(pd.concat([events, form], ignore_index=True))


def test_a_proxy_that_the_user_forgot_is_named_and_refused():
    linked = link("churn", CHURN, leaking())

    found = audit(linked)

    assert found["feature"].iloc[0] == "exit_form"
    assert found["auc"].iloc[0] == 1.0
    with pytest.raises(InputError, match=r"exit_form.*mask: \[\.\.\.\] or allow_proxies"):
        refuse_proxies(found, "churn")


def test_a_proxy_may_stay_if_it_is_allowed_by_name_and_goes_if_it_is_masked():
    named = audit(link("churn", CHURN, leaking()), allow=["exit_form"])
    masked = audit(link("churn", CHURN.model_copy(update={"mask": ["exit_form"]}), leaking()))

    assert named.loc[named["feature"] == "exit_form", "allowed"].all()
    assert "exit_form" not in set(masked["feature"])


def test_an_activity_of_both_outcomes_is_no_proxy(telecom):
    assert audit(link("churn", CHURN, telecom[0])).empty


def test_two_journeys_of_an_outcome_prove_no_proxy_and_ten_do():
    rows = [(f"j{i}", f"c{i}", "order", i / 100) for i in range(40)]
    rows += [(f"j{i}", f"c{i}", "form", 1 + i / 100) for i in range(10)]

    def found(outcomes):
        left = [(f"x{i}", f"c{i}", "left", 3) for i in range(outcomes)]
        journeys = journeys_of([*rows, *left, ("end", "end", "ping", 99)])
        question = {
            "landmark": "journey_end",
            "window": "journey",
            "gap": "0 days",
            "horizon": "9 days",
            "mask": ["left", "ping"],
        }
        linked = link_outcome(journeys, occurrences_in_log(journeys, ["left"]), **question)
        assert linked.counts["positives"] == outcomes
        return audit(linked)

    assert found(2).empty
    assert found(9).empty
    assert found(10)["feature"].tolist()[0] == "form"
    assert "occurs only in journeys with the outcome" in found(10)["reason"].iloc[0]


# T3: the label lies in the future of the training period


def test_training_journeys_had_their_outcome_before_the_test_began():
    landmark = np.arange(100) * DAY
    known_at = landmark + 20 * DAY

    split = temporal_split(landmark, known_at, np.arange(100).astype(str), test_share=0.3)

    assert known_at[split.train].max() < landmark[split.test].min()
    assert split.embargo == 20
    assert (len(split.train), len(split.test)) == (50, 30)


def test_customers_of_the_test_side_do_not_train():
    customers = np.array(["a", "b", "c", "a"])

    split = temporal_split(np.arange(4), np.arange(4), customers, test_share=0.25)

    assert split.test.tolist() == [3]
    assert split.train.tolist() == [1, 2]
    assert split.same_customer == 1


def test_when_the_embargo_leaves_nothing_the_split_is_by_customers_and_says_so(telecom):
    split = split_outcome(link("churn", CHURN, telecom[0]))

    assert split.describe()["kind"] == "customers"


# T4 (censoring): tests/outcomes/test_survival.py and test_labels.py


# T5: immortal time


def test_who_lives_to_be_called_is_not_saved_by_the_call():
    generator = np.random.default_rng(11)
    n = 3000
    gone, called = generator.exponential(100, n), generator.exponential(60, n)
    rows = [(f"j{i}", f"c{i}", "signed", 0.0) for i in range(n)]
    rows += [(f"j{i}", f"c{i}", "upgrade_call", called[i]) for i in range(n) if called[i] < gone[i]]
    rows += [(f"x{i}", f"c{i}", "left", gone[i]) for i in range(n)]
    journeys = journeys_of([*rows, ("last", "nobody", "ping", 2000.0)])

    naive = difference_of(called < gone, (gone < 100).astype(np.int8), np.arange(n))
    linked = link_outcome(
        journeys, occurrences_in_log(journeys, ["left"]), landmark=str(day(40).date()), window="journey", gap="0 days",
        horizon="100 days", mask=["left"], once=True,
    )  # fmt: skip
    calls = linked.journeys.row[linked.journeys.is_activity(["upgrade_call"])]
    has = np.bincount(calls, minlength=len(linked.label)) > 0
    honest = difference_of(has, linked.label, np.arange(len(has)))

    assert naive[2] < -0.2  # the naive comparison "saves" customers
    assert honest[1] < 0 < honest[2]


# T6: length


def lengthy(n=4000, seed=1):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 40, n)
    has = generator.random(n) < 1 - 0.97**lengths  # one more event, one more chance for the pattern
    label = (generator.random(n) < lengths / 60).astype(np.int8)  # the outcome depends on length alone
    return lengths, has, label


def test_a_pattern_that_only_takes_time_to_come_is_not_claimed():
    lengths, has, label = lengthy()
    edges = np.quantile(lengths, np.linspace(0, 1, 21)[1:-1])

    raw = stratified_p(has, label, np.zeros(len(has), dtype=int))
    by_length = stratified_p(has, label, length_strata(lengths, edges))

    assert raw < 1e-6
    assert by_length > 0.05


# T7 (a question is no feature): test_labels.py


# T8: encoders see the training side only


def test_a_value_of_the_test_side_has_no_column():
    train = journeys_of([(f"j{i}", f"c{i}", "order", i) for i in range(10)])
    test = journeys_of([("t", "t", "order", 20), ("t", "t", "teleport", 21)])
    encoder = AggregateEncoder().fit(train)

    names = encoder.get_feature_names_out().tolist()

    assert "count activity teleport" not in names
    assert encoder.transform(test).toarray()[0, names.index("count activity (rare)")] == 1


# T9: the winner's curse


def test_what_wins_by_luck_shrinks_on_the_other_side():
    events, _ = simulated(800, late=0, forced=0)
    linked = link("churn", CHURN, journeys_from_events(events))
    split = split_outcome(linked)
    winners, elsewhere = [], []
    for seed in range(20):
        linked.label[:] = np.random.default_rng(seed).permutation(linked.label)
        best = effects(linked, split, adjust=0).iloc[0]
        winners.append(abs(best["difference"]))
        elsewhere.append(best["holdout_difference"] * np.sign(best["difference"]))

    assert np.mean(winners) > 0.05
    assert abs(np.mean(elsewhere)) < 0.5 * np.mean(winners)


# T10: hard cases get the pattern


def test_an_adjusted_difference_removes_the_severity_of_the_case():
    generator = np.random.default_rng(2)
    n = 4000
    severe = generator.random(n)
    has = generator.random(n) < 0.1 + 0.6 * severe
    label = (generator.random(n) < 0.1 + 0.5 * severe).astype(np.int8)

    raw = difference_of(has, label, np.arange(n))
    adjusted = adjusted_difference(has, label, ((severe - 0.5) * 3.5)[:, None], np.arange(n))

    assert raw[1] > 0.05
    assert adjusted.low < 0 < adjusted.high
    assert adjusted.overlap > 0.95


def test_an_adjusted_difference_recovers_what_was_planted():
    inside = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        severe = generator.random(1500)
        has = generator.random(1500) < 0.2 + 0.4 * severe
        label = (generator.random(1500) < 0.1 + 0.3 * severe + 0.15 * has).astype(np.int8)
        adjusted = adjusted_difference(has, label, severe[:, None] * 3.5, np.arange(1500))
        inside += adjusted.low <= 0.15 <= adjusted.high

    assert inside >= 35


# T11: one customer with forty journeys


def test_forty_journeys_of_a_customer_do_not_make_forty_customers():
    generator = np.random.default_rng(4)
    label = np.repeat(generator.random(30) < 0.4, 40).astype(np.int8)
    score = label + np.repeat(generator.normal(0, 1.5, 30), 40)
    once, clustered = np.arange(len(label)), np.repeat(np.arange(30), 40)

    chance = 1 / (1 + np.exp(-score))

    def spread(who):
        same = np.ones(len(label), dtype=int)
        found = resampled_figures(label, {"m": chance}, who, lengths=same, base_rate=0.4, repeats=300)
        return interval(found["m"]["auc"])

    narrow, wide = spread(once), spread(clustered)
    has = np.repeat(np.arange(30) % 2 == 0, 40)
    alone, together = difference_of(has, label, once), difference_of(has, label, clustered)

    assert wide[1] - wide[0] > 3 * (narrow[1] - narrow[0])
    assert together[2] - together[1] > 4 * (alone[2] - alone[1])


# T12: lengths with one outcome


def test_a_length_with_one_outcome_has_no_auc_and_is_counted():
    label = np.array([0, 1, 1, 1, 0, 1])
    score = np.array([0.1, 0.9, 0.5, 0.5, 0.2, 0.1])

    value, left_out = weighted_auc(label, score, np.array([1, 1, 2, 2, 3, 3]))

    assert left_out == 1
    assert value == pytest.approx(0.5)  # lengths 1 (AUC 1) and 3 (AUC 0), two journeys each
    assert np.isnan(auc(np.array([1, 1]), np.array([0.1, 0.2])))
