"""What a comparison with the designed journey gives to the models, and where it must keep quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.pipeline import Pipeline

from journeymining.conformance.conform import conform
from journeymining.conformance.design_file import design_of_document
from journeymining.documents import parse_yaml
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.table import to_event_log
from journeymining.outcomes.config import OutcomeConfig
from journeymining.outcomes.deviations import ConformanceEncoder, with_deviations
from journeymining.outcomes.importance import feature_group
from journeymining.outcomes.journey_frame import journeys_for_outcomes, journeys_from_events
from journeymining.outcomes.labels import link
from journeymining.outcomes.landmarks import at_landmark
from journeymining.outcomes.models import features, fit_logistic_model
from journeymining.outcomes.results import outcomes
from journeymining.outcomes.variants import memberships

from .conftest import day, journeys_of, log_of, simulated

DESIGN = """
journey: order
flow: order > pay > ship
promises:
  - {from: order, to: ship, within: 2 days}
rules:
  - precedence: [pay, ship]
"""

ROWS = [
    ("good", "a", "order", 0), ("good", "a", "pay", 1), ("good", "a", "ship", 2),
    ("late", "b", "order", 0), ("late", "b", "pay", 1), ("late", "b", "ship", 3.5),
    ("bad", "c", "order", 0), ("bad", "c", "call", 0.5), ("bad", "c", "ship", 1),
    ("out", "d", "ping", 9),
]  # fmt: skip


def compared():
    """Return hand-made journeys with what a real comparison with a design says of them, and which are in scope."""
    table = to_event_log(log_of(ROWS), journey="journey_id", customer="customer_id", activity="activity",
                         timestamp="timestamp")  # fmt: skip
    design = design_of_document(parse_yaml(DESIGN, path="order.yaml"))
    with prepare(table) as log:
        return with_deviations(journeys_for_outcomes(log), conform(log, design).journeys)


def rows_by_name(encoder, journeys):
    matrix = pd.DataFrame(encoder.transform(journeys).toarray(), columns=encoder.get_feature_names_out())
    return matrix.set_index(journeys.journey_id).to_dict("index")


def test_deviations_alignment_and_lateness_of_a_checked_log_are_features():
    journeys, scope = compared()

    rows = rows_by_name(ConformanceEncoder().fit(journeys), journeys)

    assert dict(zip(journeys.journey_id, scope, strict=True)) == {"good": True, "late": True, "bad": True, "out": False}
    assert set(rows["good"].values()) == {0}
    assert rows["late"]["hours late"] == 36  # shipped after 3.5 days, promised within 2
    assert (rows["late"]["count deviation late"], rows["late"]["breaks promise_0"]) == (1, 1)
    assert (rows["late"]["alignment cost"], rows["late"]["1 - fitness"]) == (0, 0)
    assert (rows["bad"]["count deviation missing"], rows["bad"]["count deviation ad_hoc"]) == (1, 1)
    assert (rows["bad"]["alignment cost"], rows["bad"]["breaks rule_0"]) == (2, 1)  # pay is missing, call is too much
    assert rows["bad"]["1 - fitness"] == pytest.approx(2 / 6)  # of three events and three steps of the design
    assert rows["bad"]["hours late"] == 0


def test_a_journey_that_was_not_compared_says_so():
    table = pd.DataFrame({"journey_id": ["j1"], "late": [2]})
    journeys, scope = with_deviations(journeys_of([("j1", "a", "x", 0), ("j2", "b", "x", 0)]), table)

    rows = rows_by_name(ConformanceEncoder().fit(journeys), journeys)

    assert scope is None
    assert rows["j1"]["count deviation late"] == 2
    assert rows["j1"]["not compared with the design"] == 0
    assert rows["j2"] == {"count deviation late": 0, "not compared with the design": 1}


def test_the_encoder_is_fitted_within_the_pipeline_and_gives_a_sparse_matrix():
    journeys, _ = compared()
    encoder = ConformanceEncoder()

    inside = Pipeline([("encode", encoder)]).fit(journeys)[0].transform(journeys)
    without = encoder.transform(journeys_of([("j", "a", "x", 0)]))

    assert sparse.issparse(inside)
    assert inside.nnz < inside.shape[0] * inside.shape[1] / 2
    assert without.shape == (1, inside.shape[1])
    assert without.nnz == 0  # no comparison at hand: as designed as far as anyone knows
    assert features(journeys).fit(journeys).get_feature_names_out().tolist().count("hours late") == 1
    assert feature_group("hours late") == "deviation late" == feature_group("count deviation late")


def test_lateness_that_drives_an_outcome_is_learnt():
    events, flags = simulated(1200)
    generator = np.random.default_rng(0)
    hours = np.where(flags["late"], generator.exponential(20, len(flags)), np.nan)
    journeys, scope = with_deviations(journeys_from_events(events), flags.assign(late_by=hours * 3600))
    journeys = journeys[scope]
    late = np.nan_to_num(hours[[int(name[1:]) for name in journeys.journey_id]])
    label = (generator.random(len(journeys)) < 0.1 + np.minimum(late / 50, 0.8)).astype(np.int8)

    model = fit_logistic_model("m", ConformanceEncoder(), journeys, label)

    names = model.pipeline[0].get_feature_names_out().tolist()
    assert model.pipeline[-1].coef_[0][names.index("hours late")] > 0.1


def test_deviations_of_whole_journeys_are_not_known_at_an_earlier_landmark():
    journeys, _ = compared()

    by_event, by_date, by_end = (
        at_landmark(journeys, moment, "journey", [], None)[0]
        for moment in ("event 2", str(day(1).date()), "journey_end")
    )

    assert by_event.conformance is None
    assert by_date.conformance is None
    assert by_end.conformance is not None
    assert "deviation" not in memberships(by_event, np.arange(4), least=1).level
    assert "deviation" in memberships(by_end, np.arange(4), least=1).level


def test_a_deviation_after_the_question_was_asked_is_no_feature():
    journeys, scope = compared()
    surveys = pd.DataFrame(
        {"metric": "nps", "journey_id": ["late", "bad"], "value": [3.0, 9.0], "sent_at": [day(2), day(5)]}
    )

    linked = link(
        "nps",
        OutcomeConfig(survey="nps", promoters=9, landmark="journey_end", window="journey", horizon="90 days"),
        journeys,
        surveys=surveys,
        in_scope=scope,
    )
    late = dict(zip(linked.journeys.journey_id, linked.journeys.conformance["late"], strict=True))

    assert np.isnan(late["late"])  # it came late on day 3.5, after the question
    assert late["bad"] == 0


def test_the_card_says_that_deviations_come_too_late_or_stand_on_masked_events():
    events, flags = simulated(900)
    question = {"event": "contract_cancelled", "window": "journey", "gap": "0 days", "horizon": "180 days",
                "scope": ["order_placed"]}  # fmt: skip
    journeys = journeys_from_events(events)

    early = outcomes(journeys, OutcomeConfig(landmark="event 2", **question), name="churn", deviations=flags, repeats=5)
    masked = outcomes(
        journeys, OutcomeConfig(landmark="journey_end", mask=["track_parcel"], **question), name="churn",
        deviations=flags, repeats=5,
    )  # fmt: skip

    assert any("Deviations from the design are not used" in text for text in early.card["warnings"])
    assert early.card["by_design"]
    tracking = events.loc[events["activity"] == "track_parcel", "journey_id"].nunique()
    assert any(text.startswith(f"In {tracking} journeys deviations were judged") for text in masked.card["warnings"])
