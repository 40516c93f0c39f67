"""SHAP values against their closed form, and what is said where the extra is missing."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from journeymining.exceptions import MissingDependencyError
from journeymining.outcomes.importance import linear_weights
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.results import outcomes, write
from journeymining.outcomes.shap_values import shap_summary

from .conftest import CHURN, simulated

EXPLAINED = CHURN.model_copy(update={"explain": True})


@pytest.fixture(scope="module")
def explained():
    pytest.importorskip("shap")
    events, flags = simulated(900)
    return outcomes(journeys_from_events(events), EXPLAINED, name="churn", deviations=flags, repeats=5)


def held_out(result, values):
    place = {name: row for row, name in enumerate(result.linked.journeys.journey_id)}
    return result.linked.journeys[np.array([place[name] for name in values.journey_id])]


def test_values_of_the_logistic_model_are_weight_times_distance_from_the_mean(explained):
    model, values = explained.models[0], explained.shap[0]
    tested = held_out(explained, values)
    split = set(values.journey_id)
    training = explained.linked.journeys[~np.isin(explained.linked.journeys.journey_id, list(split))]
    usual = model.pipeline[0].transform(training).toarray().mean(axis=0)
    encoded = model.pipeline[0].transform(tested).toarray()

    assert len(values.journey_id) == explained.card["split"]["test"]
    assert values.values == pytest.approx((encoded - usual) * linear_weights(model), abs=1e-9)


@pytest.mark.parametrize("place", [0, 1])
def test_base_and_values_add_up_to_the_log_odds(explained, place):
    model, values = explained.models[place], explained.shap[place]

    chance = model.pipeline.predict_proba(held_out(explained, values))[:, 1]

    assert values.model == model.name
    assert values.base + values.values.sum(axis=1) == pytest.approx(np.log(chance / (1 - chance)), abs=1e-6)


def test_the_card_tells_the_strongest_features_and_in_which_units(explained, tmp_path):
    told = explained.card["shap"][0]
    values = explained.shap[0]
    sizes = pd.Series(np.abs(values.values).mean(axis=0), index=values.features)

    assert told["units"] == "log-odds of the model before calibration"
    assert told["features"][0]["feature"] == sizes.idxmax()
    assert told["features"][0]["mean_size"] == pytest.approx(sizes.max())
    first = values.features.index(told["features"][0]["feature"])
    above = values.encoded[:, first] > values.encoded[:, first].mean()
    assert told["features"][0]["above"]["n"] == above.sum()
    assert told["features"][0]["above"]["mean"] == pytest.approx(values.values[above, first].mean())
    assert len(shap_summary(values, top=3)["features"]) == 3

    files = {path.name for path in write(explained, tmp_path)}
    table = pd.read_parquet(tmp_path / "shap_values.parquet")

    assert "shap_values.parquet" in files
    assert table["journey_id"].tolist() == list(values.journey_id)
    assert table[values.features].to_numpy() == pytest.approx(values.values)


def test_without_the_extra_it_is_said_before_anything_is_computed(monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    events, _ = simulated(60)

    with pytest.raises(MissingDependencyError, match=r"'shap' is not installed.*journeymining\[explain\]"):
        outcomes(journeys_from_events(events), EXPLAINED, name="churn")


def test_nobody_who_does_not_ask_gets_values():
    events, _ = simulated(400)

    result = outcomes(journeys_from_events(events), CHURN.model_copy(update={"explain": False}), name="c", repeats=5)

    assert result.shap == []
    assert result.card["shap"] == []
