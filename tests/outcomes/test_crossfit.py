"""Folds, the strength that is chosen on them, calibration, and importance without refitting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import Pipeline

from journeymining.outcomes.crossfit import apply_sigmoid, fit_sigmoid, grouped_folds, out_of_fold
from journeymining.outcomes.evaluation import auc, calibration
from journeymining.outcomes.importance import grouped_importance, linear_weights
from journeymining.outcomes.models import (
    STRENGTHS,
    calibrated_if_better,
    features,
    fit_logistic_model,
)


def labelled(telecom, count=600):
    journeys, _ = telecom
    journeys = journeys[np.char.startswith(journeys.journey_id.astype(str), "j")][:count]
    late = journeys.lengths > np.median(journeys.lengths)
    return journeys, (np.random.default_rng(0).random(count) < 0.2 + 0.3 * late).astype(np.int8)


def test_a_customer_is_in_one_fold_and_every_journey_is_judged_once():
    generator = np.random.default_rng(0)
    groups, label = generator.integers(0, 80, 400), (generator.random(400) < 0.1).astype(np.int8)
    groups = pd.factorize(groups)[0]

    folds = grouped_folds(label, groups, 3)

    assert sorted(np.concatenate([judged for _, judged in folds]).tolist()) == list(range(400))
    for learn, judged in folds:
        assert not set(groups[learn]) & set(groups[judged])
        assert abs(len(np.unique(groups[judged])) - 80 / 3) < 1


def test_folds_have_customers_with_the_outcome_evenly():
    label = np.array([1] * 9 + [0] * 91, dtype=np.int8)

    assert [int(label[judged].sum()) for _, judged in grouped_folds(label, np.arange(100), 3)] == [3, 3, 3]


def test_the_strength_is_the_one_that_grid_search_chooses(telecom):
    journeys, label = labelled(telecom)
    groups = pd.factorize(journeys.customer_id)[0]
    folds = grouped_folds(label, groups, 3)
    fold = np.zeros(len(label), dtype=int)
    for number, (_, judged) in enumerate(folds):
        fold[judged] = number
    model = fit_logistic_model("m", features(journeys), journeys, label, strengths=(1.0,)).pipeline
    search = GridSearchCV(
        model, {"model__C": list(STRENGTHS)}, scoring="neg_log_loss", cv=PredefinedSplit(fold), refit=False
    ).fit(journeys, label)

    strength, chance = out_of_fold(model, journeys, label, folds, STRENGTHS)

    assert strength == search.best_params_["model__C"]
    losses = [-np.log(np.where(label[judged] == 1, chance[judged], 1 - chance[judged])).mean() for _, judged in folds]
    assert np.mean(losses) == pytest.approx(-search.best_score_, abs=1e-4)


def test_a_boastful_model_is_toned_down():
    generator = np.random.default_rng(2)
    odds = generator.normal(0, 1, 20000)
    label = (generator.random(20000) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    boastful = 1 / (1 + np.exp(-2 * odds))

    sigmoid = fit_sigmoid(label, boastful)

    assert sigmoid == pytest.approx((0, 0.5), abs=0.05)
    assert calibration(label, apply_sigmoid(sigmoid, boastful))[0] == pytest.approx(1, abs=0.02)


def test_what_ranks_the_wrong_way_round_or_knows_one_outcome_is_not_calibrated():
    label = np.array([1, 1, 0, 0] * 5, dtype=np.int8)

    assert fit_sigmoid(label, np.where(label == 1, 0.2, 0.8)) is None
    assert fit_sigmoid(np.zeros(4, dtype=np.int8), np.array([0.1, 0.2, 0.3, 0.4])) is None


def test_a_calibration_that_makes_it_worse_is_not_used(telecom):
    journeys, label = labelled(telecom)
    model = fit_logistic_model("m", features(journeys), journeys, label)

    worse, found = calibrated_if_better(replace(model, sigmoid=(3.0, 1.0)), journeys, label)
    better, told = calibrated_if_better(replace(model, sigmoid=(0.0, 1.0)), journeys, label)

    assert not worse.calibrated
    assert found["brier_after"] > found["brier_before"]
    assert better.calibrated
    assert told["brier_after"] == pytest.approx(told["brier_before"], abs=1e-9)


def test_importance_of_a_linear_model_is_that_of_predicting_anew(telecom):
    journeys, label = labelled(telecom)
    model = fit_logistic_model("m", features(journeys), journeys, label)
    weights = linear_weights(model)
    encoded = model.pipeline[0].transform(journeys)
    renamed = replace(model, pipeline=Pipeline([("e", model.pipeline[0]), ("s", model.pipeline[1]),
                                                ("model", model.pipeline[2])]))  # fmt: skip

    quick, slow = (grouped_importance(one, journeys, label, repeats=2) for one in (model, renamed))

    assert auc(label, encoded @ weights) == pytest.approx(auc(label, model.chance(journeys)))
    assert linear_weights(renamed) is None
    pd.testing.assert_frame_equal(quick, slow, check_exact=False, atol=1e-4)
