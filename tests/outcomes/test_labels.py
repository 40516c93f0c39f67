"""Labels: yes, no, or not known; hand-made journeys."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from journeymining.exceptions import EmptyLogError, InputError, UsageError
from journeymining.jobs.spec import JobConfig
from journeymining.outcomes.config import OutcomeConfig
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.labels import link, link_outcome, occurrences_in_log
from journeymining.outcomes.surveys import link_survey

from .conftest import day, journeys_of, log_of

ASKED = {"landmark": "journey_end", "window": "journey", "horizon": "30 days"}
STATED = {**ASKED, "gap": "0 days"}

ROWS = [
    ("j1", "ann", "order", 0),
    ("j1", "ann", "active", 2),
    ("j2", "bob", "order", 0),
    ("j2", "bob", "active", 5),
    ("j3", "eve", "order", 50),
    ("j4", "ann", "cancel", 30),
    ("j5", "eve", "ping", 100),
]


def outcome(**choices):
    return link_outcome(
        journeys_of(ROWS),
        occurrences_in_log(journeys_of(ROWS), ["cancel"]),
        **STATED | {"horizon": "60 days", "mask": ["cancel"]} | choices,
    )


def labels(linked):
    return dict(zip(linked.journeys.journey_id, linked.label.tolist(), strict=True))


def test_an_outcome_within_the_horizon_is_yes_and_no_outcome_is_no():
    linked = outcome()

    assert labels(linked) == {"j1": 1, "j2": 0}


def test_what_was_not_observed_long_enough_is_never_no():
    linked = outcome()

    assert "j3" not in labels(linked)
    assert linked.counts["censored"] == 2  # eve's journeys end on days 50 and 100; the log ends on day 100
    assert linked.counts["nothing_left"] == 1  # j4 is the cancellation only
    assert linked.counts["journeys"] == 5 == linked.counts["labelled"] + len(linked.excluded)


def test_an_early_yes_of_a_censored_journey_does_not_count_either():
    linked = outcome(horizon="90 days")

    assert labels(linked) == {"j1": 1, "j2": 0}
    with pytest.raises(EmptyLogError, match="4 journeys not observed long enough"):
        outcome(horizon="99 days", gap="0 days")


def test_the_gap_moves_the_window():
    assert labels(outcome(gap="10 days"))["j1"] == 1
    assert labels(outcome(gap="28 days", horizon="30 days"))["j1"] == 0
    assert labels(outcome(gap="27 days", horizon="30 days"))["j1"] == 1


def test_who_had_it_before_is_not_at_risk():
    late = journeys_of([*ROWS, ("j6", "ann", "order", 31)])

    linked = link_outcome(
        late, occurrences_in_log(late, ["cancel"]), **STATED | {"horizon": "60 days"}, mask=["cancel"], once=True
    )

    assert "j6" not in labels(linked)
    assert linked.counts["already"] == 1


def test_the_landmark_ends_what_may_be_known():
    first = outcome(landmark="event 1")
    by_date = outcome(landmark="2025-03-04")

    assert first.journeys.lengths.tolist() == [1, 1]
    assert labels(by_date) == {"j1": 1, "j2": 0}
    assert by_date.journeys.lengths.tolist() == [2, 1]  # bob's second event comes on day 5
    assert by_date.counts["landmark_not_reached"] == 2


def test_the_window_drops_what_is_too_old():
    linked = outcome(window="1 day")

    assert linked.journeys.lengths.tolist() == [1, 1]


def test_an_open_journey_has_not_reached_its_end():
    journeys = journeys_of(ROWS, journeys=pd.DataFrame({"journey_id": ["j2"], "open": [True]}))

    linked = link_outcome(journeys, occurrences_in_log(journeys, ["cancel"]), **STATED | {"horizon": "60 days"})

    assert "j2" not in labels(linked)
    assert linked.counts["landmark_not_reached"] == 1


def test_silence_is_churn_only_if_the_window_was_watched():
    config = OutcomeConfig(silence=True, landmark="journey_end", window="journey", gap="0 days", horizon="40 days")

    linked = link("churn", config, journeys_of(ROWS))

    assert labels(linked) == {"j1": 0, "j2": 1, "j3": 1, "j4": 1}  # eve is back after 50 days, too late for 40


def test_a_table_of_outcomes_brings_its_own_horizon_of_observation():
    table = pd.DataFrame(
        {
            "customer_id": ["ann", "bob", "eve", "ann"],
            "type": "renewal",
            "time": [day(20), None, None, None],
            "value": [1.0, None, None, None],
            "observed_until": [None, day(300), day(51), day(40)],
        }
    )

    config = OutcomeConfig(table="renewal", landmark="journey_end", window="journey", gap="0 days", horizon="30 days")

    linked = link("renewal", config, journeys_of(ROWS), table=table)

    assert labels(linked) == {"j1": 1, "j2": 0}


def test_spend_adds_up():
    table = pd.DataFrame(
        {"customer_id": ["ann", "ann", "bob"], "time": [day(3), day(4), day(6)], "value": [30, 30, 50]}
    )

    linked = outcome_by_value(table)

    assert labels(linked) == {"j1": 1, "j2": 0}


def outcome_by_value(table):
    return link_outcome(
        journeys_of(ROWS), table, **STATED | {"horizon": "20 days"}, at_least=60, mask=["cancel"],
        in_scope=np.array([True, True, False, False, False]),
    )  # fmt: skip


def test_a_promoter_is_yes_and_silence_of_a_customer_is_not_no():
    surveys = pd.DataFrame(
        {
            "metric": "nps",
            "customer_id": ["ann", "bob", "bob"],
            "value": [9, 3, 10],
            "sent_at": [day(3), day(6), day(20)],
        }
    )

    linked = link("nps", OutcomeConfig(survey="nps", promoters=9, **ASKED), journeys_of(ROWS), surveys=surveys)

    assert labels(linked) == {"j1": 1, "j2": 0}  # bob's first answer counts
    assert linked.counts["no_answer"] == 3


def test_what_happened_after_the_question_is_no_feature():
    surveys = pd.DataFrame({"metric": ["nps"], "journey_id": ["j2"], "value": [2.0], "sent_at": [day(1)]})

    linked = link_survey(journeys_of(ROWS), surveys, metric="nps", promoters=9, **ASKED)

    assert linked.journeys.journey_id.tolist() == ["j2"]
    assert linked.journeys.lengths.tolist() == [1]  # "active" came on day 5


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"event": "cancel"}, "landmark, window, gap and horizon must be stated"),
        ({"event": "cancel", **ASKED}, "gap must be stated: .*for instance gap: 0 days"),
        ({"silence": True, **STATED, "window": None}, "window must be stated: .*for instance window: journey"),
        ({"survey": "nps", "promoters": 9}, "landmark, window and horizon must be stated"),
        ({"survey": "nps", "promoters": 9, **STATED}, "a survey has no gap"),
        ({"event": "cancel", **ASKED, "gab": "0 days"}, "gab"),
        ({"event": "cancel", **STATED, "window": "0 days"}, "window must be longer than nothing"),
        ({"event": "cancel", "survey": "nps", **ASKED}, "found event and survey"),
        (STATED, "found none"),
        ({"survey": "nps", **ASKED}, "promoters"),
        ({"event": "cancel", **STATED, "horizon": "0 days"}, "longer than nothing"),
    ],
)
def test_a_section_that_leaves_the_question_open_is_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        OutcomeConfig(**section)


def test_a_landmark_nobody_understands_is_refused():
    with pytest.raises(UsageError, match="Not a landmark: 'end'"):
        outcome(landmark="end")


def test_an_activity_that_does_not_occur_is_named():
    config = OutcomeConfig(event="cancle", landmark="journey_end", window="journey", gap="0 days", horizon="1 day")

    with pytest.raises(UsageError, match="Did you mean 'cancel'"):
        link("churn", config, journeys_of(ROWS))


def test_a_metric_that_nobody_asked_is_named():
    surveys = pd.DataFrame({"metric": ["csat"], "customer_id": ["ann"], "value": [2.0], "sent_at": [day(1)]})

    with pytest.raises(InputError, match="Metrics found: csat"):
        link_survey(journeys_of(ROWS), surveys, metric="nps", promoters=9, **ASKED)


def test_the_definition_says_what_is_counted():
    config = OutcomeConfig(event="cancel", landmark="journey_end", window="journey", gap="2 days", horizon="60 days")

    assert config.definition("churn") == (
        "churn = cancel within 60 days after the end of the journey, counted after a gap of 2 days; paths hold the "
        "whole journey up to that landmark; journeys not observed that long are left out, never counted as 'no'."
    )
    assert "counted without a gap;" in OutcomeConfig(event="cancel", **STATED).definition("churn")
    survey = OutcomeConfig(survey="nps", detractors=6, landmark="event 3", window="30 days", horizon="2 weeks")
    assert survey.definition("unhappy") == (
        "unhappy = 6 or less on the survey 'nps', asked within 14 days after event 3 of the journey; paths hold the "
        "last 30 days up to that landmark or the question; journeys without an answer are left out."
    )


def test_what_was_stated_is_the_question_again():
    stated = {"event": ["cancel"], **STATED, "gap": "0 days", "window": "30 days"}

    assert OutcomeConfig(**stated).section() == stated


def test_a_survey_looks_back_as_far_as_its_window():
    surveys = pd.DataFrame({"metric": ["nps"], "journey_id": ["j2"], "value": [2.0], "sent_at": [day(9)]})

    whole = link_survey(journeys_of(ROWS), surveys, metric="nps", promoters=9, **ASKED)
    last = link_survey(journeys_of(ROWS), surveys, metric="nps", promoters=9, **ASKED | {"window": "1 day"})

    assert whole.journeys.lengths.tolist() == [2]
    assert last.journeys.lengths.tolist() == [1]


def test_a_journey_without_an_event_in_the_window_is_left_out_and_counted():
    linked = outcome(landmark="2025-03-04", window="2 days")

    # Of the two that had begun, ann's second event (day 2) is in the window, bob's order (day 0) is not; j4 is masked.
    assert labels(linked) == {"j1": 1}
    assert linked.journeys.lengths.tolist() == [1]
    assert linked.counts["nothing_left"] == 2


def test_a_text_that_is_a_number_throughout_is_a_number_and_a_code_is_not():
    events = log_of(ROWS).assign(amount="12.5", postcode="0123", mixed=["1"] * 6 + ["many"], flag=True)
    events.loc[0, "amount"] = None

    journeys = journeys_from_events(events, attributes=["amount", "postcode", "mixed", "flag"])

    assert set(journeys.numbers) == {"amount"}
    assert np.isnan(journeys.numbers["amount"]).sum() == 1
    assert journeys.coded["postcode"].levels == ("0123",)
    assert {"mixed", "flag"} <= set(journeys.coded)


@pytest.mark.parametrize(
    ("name", "section", "wanted"),
    [
        ("churn", {"event": "cancel"}, False),
        ("complaint", {"event": "complain"}, False),
        ("repurchase", {"event": "order"}, True),
        ("again", {"event": "order"}, False),
        ("again", {"event": "order", "wanted": True}, True),
        ("repurchase", {"event": "order", "wanted": False}, False),
        ("renewal", {"silence": True}, False),
        ("nps", {"survey": "nps", "promoters": 9}, True),
        ("nps", {"survey": "nps", "detractors": 6}, False),
        ("spend", {"table": "spend", "at_least": 50}, True),
    ],
)
def test_whether_an_outcome_is_good_news_is_said_or_follows_from_its_kind(name, section, wanted):
    stated = ASKED if "survey" in section else STATED

    config = OutcomeConfig(**section, **stated)

    assert config.is_wanted(name) is wanted
    assert config.section().get("wanted") == section.get("wanted")
    with pytest.raises(ValidationError, match="wanted"):
        OutcomeConfig(**section | {"wanted": "perhaps"}, **stated)


def test_a_table_is_no_outcome_of_a_job():
    job = {
        "job": "j", "sources": {"crm": {"connector": "salesforce", "path": "x"}}, "journeys": {"by": "customer"},
        "outcomes": {"renewal": {"table": "renewal", **STATED}},
    }  # fmt: skip

    with pytest.raises(ValidationError, match="let a connector make events of it"):
        JobConfig.model_validate(job)
    job["outcomes"]["renewal"] = {"event": "renewed", **STATED, "wanted": True}
    assert JobConfig.model_validate(job).outcomes["renewal"].is_wanted("renewal")
