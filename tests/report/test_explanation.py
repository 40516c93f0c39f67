"""Pictures of what a model leans on: every number of the card, in its place."""

from __future__ import annotations

import json
import re

import pytest

from journeymining.report.audit import write_report
from journeymining.report.charts import curve, scale_of
from journeymining.report.explanation import dependence_picture, importance_picture, shap_picture
from journeymining.report.language import read_language


@pytest.fixture
def card(run_folder):
    return json.loads((run_folder / "outcomes/churn/model_card.json").read_text(encoding="utf-8"))


def test_only_what_the_model_leans_on_is_in_the_picture_of_importance(card):
    rows = importance_picture(card, read_language("en"))["rows"]

    assert [(row["label"], row["value"], row["interval"]) for row in rows] == [("Deviation: late", "0.041", "± 0.006")]


def test_single_features_share_one_scale_and_one_value_is_no_curve(card):
    found = dependence_picture(card, read_language("en"))

    assert [one["label"] for one in found] == ["How often: helpdesk call", "Begins with: channel web"]
    assert "from 12.0% at 0 to 22.0% at 3" in found[0]["picture"]
    assert "from 13.0% at no to 14.0% at yes" in found[1]["picture"]
    ticks = [re.findall(r">([\d.]+)%<", one["picture"]) for one in found]
    assert ticks[0] == ticks[1]
    assert float(ticks[0][0]) <= 12 < 22 <= float(ticks[0][-1])


def test_a_curve_rises_where_the_value_does():
    scale = scale_of([0.1, 0.3], zero=False, steps=2)

    picture = curve(scale, [(0, 0.1), (1, 0.2), (4, 0.3)], ticks=["a"] * len(scale.ticks), ends=["0", "4"], title="t")

    heights = [float(y) for _, y in re.findall(r"([\d.]+),([\d.]+)", re.search(r'points="([^"]+)"', picture)[1])]
    places = [float(x) for x, _ in re.findall(r"([\d.]+),([\d.]+)", re.search(r'points="([^"]+)"', picture)[1])]
    assert heights == sorted(heights, reverse=True)  # pixels count downwards
    assert places[1] - places[0] == pytest.approx((places[2] - places[0]) / 4)


def test_shap_values_say_what_they_are_of(card, run_folder):
    found = shap_picture(card, read_language("en"))[0]
    page = write_report(run_folder).read_text(encoding="utf-8")

    assert (found["model"], found["journeys"]) == ("logistic regression", "270")
    assert found["chart"]["rows"][0]["covers"] == "40 and 230 journeys"
    assert found["chart"]["rows"][0]["picture"].count("<circle") == 2
    assert "Association of features with the log-odds of the logistic regression: SHAP values" in page


def test_a_card_without_them_has_no_such_pictures():
    english = read_language("en")

    assert importance_picture({}, english) is None
    assert dependence_picture({}, english) == []
    assert shap_picture({}, english) == []


def test_the_page_says_which_level_of_variants_is_compared_and_why(run_folder):
    page = write_report(run_folder).read_text(encoding="utf-8")

    assert "Exact paths: not compared, 62% of the journeys are a variant of their own kind." in page
    assert "Paths by phase and channel: compared, 9 variants with 30 journeys or more cover 88%." in page
