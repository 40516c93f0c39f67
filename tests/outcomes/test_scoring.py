"""Scoring journeys that wait for their outcome, the check for drift, and what is said of single journeys."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from journeymining.exceptions import EmptyLogError, InputError
from journeymining.outcomes.dependence import contributions, in_words, partial_dependence
from journeymining.outcomes.drift import CHANCE, compare_with_training, drift_sentence, stability_index
from journeymining.outcomes.importance import linear_weights
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.modelling import bounds, reliability
from journeymining.outcomes.results import outcomes, write
from journeymining.outcomes.scoring import read_scorer, score

from .conftest import CHURN, simulated


def cut_at(events, day):
    return events[events["timestamp"] < pd.Timestamp("2025-03-01", tz="UTC") + pd.Timedelta(days=day)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the folder of a model fitted without flags, and its result."""
    events, _ = simulated(1500)
    result = outcomes(journeys_from_events(events), CHURN, name="churn", repeats=100)
    folder = tmp_path_factory.mktemp("model")
    write(result, folder)
    return folder, result


def test_only_journeys_that_wait_are_scored_and_all_are_counted(trained):
    folder, _ = trained
    events = cut_at(simulated(800, seed=1)[0], 260)
    left = set(events.loc[events["activity"] == "contract_cancelled", "customer_id"])

    found = score(*read_scorer(folder), journeys_from_events(events))

    known = events[events["customer_id"] != "c800"].groupby("journey_id")["timestamp"].max()
    waiting = known[known + pd.Timedelta(days=180) > events["timestamp"].max()]
    expected = {j for j in waiting.index if j.startswith("j") and f"c{j[1:]}" not in left}
    assert set(found.table["journey_id"]) == expected
    assert found.counts["scored"] == len(expected)
    assert found.counts["journeys"] == sum(n for text, n in found.counts.items() if text != "journeys")
    assert (np.diff(found.table["probability"]) <= 0).all()
    assert (found.table["low"] < found.table["high"]).all()


def test_a_file_gives_the_chances_that_the_model_gave(trained):
    folder, result = trained
    model, card = read_scorer(folder)

    assert model.chance(result.linked.journeys).tolist() == result.models[0].chance(result.linked.journeys).tolist()
    assert model.calibrated == card["calibrated"]["used"]
    assert card["question"] == CHURN.section()
    if card["calibrated"]["used"]:
        assert card["calibrated"]["brier_after"] <= card["calibrated"]["brier_before"]


def test_a_model_whose_question_left_something_open_is_refused(trained):
    folder, result = trained
    model, card = read_scorer(folder)
    question = {key: value for key, value in card["question"].items() if key != "gap"}

    with pytest.raises(InputError, match=r"gap must be stated.*fit the model again"):
        score(model, card | {"question": question}, result.linked.journeys)


def test_the_same_company_has_not_drifted_and_another_one_has(trained):
    folder, _ = trained
    model, card = read_scorer(folder)
    same = journeys_from_events(cut_at(simulated(800, seed=1)[0], 260))
    other = simulated(800, seed=1, forced=0.1)[0]
    other.loc[other["channel"] == "web", "channel"] = "shop"
    other.loc[other["channel"] == "parcel", "channel"] = "courier"
    other.loc[other["activity"] == "offer_viewed", "activity"] = "track_parcel"

    alike, far = score(model, card, same), score(model, card, journeys_from_events(cut_at(other, 260)))

    assert not alike.drifted
    assert alike.drift["feature"].iloc[0] == CHANCE
    assert far.drifted
    assert "differ too much" in far.sentence
    assert "track_parcel" in " ".join(far.drift.loc[far.drift["verdict"] == "differs too much", "feature"])


def test_the_training_side_is_like_itself(trained):
    _, result = trained
    journeys = result.linked.journeys
    table = compare_with_training(result.models[0], result.card["reference"], journeys)

    assert set(table["verdict"]) == {"alike"}
    assert not drift_sentence(table, len(journeys))[0]
    assert table["weight"].iloc[1:].sum() == pytest.approx(1)


def test_the_stability_index_of_a_worked_example():
    # Shares .5/.5 against .8/.2: .3 ln 1.6 + (-.3) ln .4 = .4159 without the half journeys.
    assert stability_index(np.array([0.5, 0.5]), np.array([8_000_000, 2_000_000]), 10_000_000) == pytest.approx(
        0.4159, abs=1e-4
    )


def test_few_journeys_are_scored_but_not_called_drifted(trained):
    folder, _ = trained
    events = simulated(800, seed=1)[0]
    few = events[events["customer_id"].isin([f"c{i}" for i in range(12)])]

    found = score(*read_scorer(folder), journeys_from_events(few))

    assert not found.drifted
    assert "too few" in found.sentence


def test_nobody_who_waits_is_said(trained):
    folder, _ = trained

    with pytest.raises(EmptyLogError, match="no journey is waiting"):
        score(*read_scorer(folder), journeys_from_events(simulated(300)[0]))


def test_a_model_of_deviations_wants_the_design():
    events, flags = simulated(600)
    result = outcomes(journeys_from_events(events), CHURN, name="churn", deviations=flags, repeats=20)

    with pytest.raises(InputError, match="the design is needed"):
        score(result.models[0], result.card, journeys_from_events(cut_at(events, 260)))

    assert (
        score(result.models[0], result.card, journeys_from_events(cut_at(events, 260)), deviations=flags).counts[
            "scored"
        ]
        > 30
    )


@pytest.mark.parametrize("name", ["model.skops", "model_card.json"])
def test_a_folder_without_model_or_card_is_refused(name, trained, tmp_path):
    for file in trained[0].iterdir():
        if file.name != name:
            (tmp_path / file.name).write_bytes(file.read_bytes())

    with pytest.raises(InputError, match=f"{name}: there is no such file"):
        read_scorer(tmp_path)


def test_a_card_of_something_else_is_refused(trained, tmp_path):
    (tmp_path / "model.skops").write_bytes((trained[0] / "model.skops").read_bytes())
    (tmp_path / "model_card.json").write_text(json.dumps({"outcome": "churn"}))

    with pytest.raises(InputError, match="the card lacks what scoring needs"):
        read_scorer(tmp_path)


def test_bounds_are_those_of_the_bin_and_wider_for_repeated_customers():
    label = np.tile([0, 1, 0, 0], 50).astype(np.int8)
    chance = np.repeat([0.1, 0.3], 100)

    once, again = reliability(label, chance, np.arange(200)), reliability(label, chance, np.repeat(np.arange(50), 4))
    paired = reliability(np.repeat([0, 1], 100).astype(np.int8), chance, np.arange(200) // 2)

    assert [one["n"] for one in once] == [20] * 10
    assert again[0]["observed"] == 0.25
    assert bounds(once, np.array([0.05, 0.3, 0.9])).tolist() == [
        [once[0]["low"], once[0]["high"]], [once[5]["low"], once[5]["high"]], [once[9]["low"], once[9]["high"]],
    ]  # fmt: skip
    assert paired[0]["high"] == pytest.approx(
        reliability(np.zeros(20, dtype=np.int8), chance[:20], np.arange(20))[0]["high"]
    )


def test_contributions_add_up_to_the_log_odds(trained):
    _, result = trained
    model, journeys = result.models[0], result.linked.journeys[:5]
    usual = {one["feature"]: one["mean"] for one in result.card["reference"]["features"]}
    encoded = model.pipeline[0].transform(journeys).toarray()
    names = [str(name) for name in model.pipeline[0].get_feature_names_out()]
    parts = (encoded - [usual.get(name, np.nan) for name in names]) * linear_weights(model)
    strongest = names[int(np.nanargmax(np.abs(parts[0])))]

    said = contributions(model, usual, journeys)

    assert len(said) == 5
    assert in_words(strongest, encoded[0, names.index(strongest)], usual[strongest]) in said[0]
    assert said[0].startswith(("higher: ", "lower: "))


def test_partial_dependence_is_the_mean_chance_with_the_value_set(trained):
    _, result = trained
    model, journeys = result.models[0], result.linked.journeys[:300]

    found = partial_dependence(model, journeys)

    assert len(found) == 5
    encoder, rest = model.pipeline[0], model.pipeline[1:]
    encoded = encoder.transform(journeys).toarray()
    place = [str(name) for name in encoder.get_feature_names_out()].index(found[0]["feature"])
    encoded[:, place] = found[0]["points"][-1]["value"]
    raw = rest.predict_proba(encoded)[:, 1]
    if model.calibrated:
        raw = 1 / (1 + np.exp(-(model.sigmoid[0] + model.sigmoid[1] * np.log(raw / (1 - raw)))))
    assert found[0]["points"][-1]["chance"] == pytest.approx(raw.mean())


def test_how_long_it_takes_is_said_by_pattern(telecom):
    from journeymining.outcomes.until_outcome import until_outcome

    journeys, _ = telecom
    found = until_outcome("churn", CHURN, journeys)
    label = outcomes(journeys, CHURN, name="churn", repeats=10).linked

    whole = found.curves[found.curves["group"] == "all"]
    # Everybody is observed for the whole horizon, so the curve ends where the plain share does.
    assert 1 - whole["survival"].iloc[-1] == pytest.approx(label.label.mean(), abs=0.01)
    assert found.counts["watched"] == found.counts["journeys"] - sum(
        n for text, n in found.counts.items() if text.startswith("journeys ")
    )
    assert (found.comparison["p"].diff().dropna() >= 0).all()
    assert whole["time"].max() < 180
    assert set(found.curves["group"]) > {"all"}
