"""The labelled logs of a public benchmark, split as there: the default model is as good as what was published."""

from __future__ import annotations

import pytest

from journeymining.eventlog.reading import read_event_log
from journeymining.eventlog.schema import REQUIRED
from journeymining.outcomes.evaluation import weighted_auc
from journeymining.outcomes.journey_frame import journeys_from_events
from journeymining.outcomes.labelled import link_labels, strict_split
from journeymining.outcomes.models import features, fit_logistic_model, threads_for
from journeymining.outcomes.prefixes import longest_prefix, prefixes

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


@pytest.mark.parametrize(
    ("name", "journeys", "longest", "least"),
    [
        ("sepsis_cases_2.csv.gz", 782, 13, 0.86),
        ("sepsis_cases_4.csv.gz", 782, 22, 0.72),
        ("Production.csv", 220, 23, 0.62),
    ],
)
def test_the_outcome_is_told_from_prefixes_as_well_as_published(name, journeys, longest, least, shared_data):
    table = read_event_log(shared_data / "outcomes" / name, timezone="UTC")
    kept = [column for column in table.column_names if column not in (*REQUIRED.names, "source_order")]
    linked = link_labels(journeys_from_events(table, attributes=kept), "label", "deviant")
    split, shown = strict_split(linked)
    train, y = prefixes(shown.journeys[split.train], shown.label[split.train], longest=longest)
    test, truth = prefixes(shown.journeys[split.test], shown.label[split.test], longest=longest)

    with threads_for(len(y)):
        model = fit_logistic_model("lr", features(train), train, y, strengths=(1e-3, 1e-2))
    value, _ = weighted_auc(truth, model.chance(test), test.lengths)

    assert linked.counts["labelled"] == journeys
    assert longest_prefix(linked) == longest
    assert value >= least
