"""Net Promoter Score: worked numbers, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest

from journeymining.exceptions import InputError
from journeymining.experience.nps import nps, nps_difference, nps_table

CLOSE = 0.1  # of a point: 1e-3 as a share


def test_the_worked_example():
    score = nps(pd.Series([10, 9, 9, 8, 7, 7, 6, 3, 10, 9]))

    assert (score["promoters"], score["passives"], score["detractors"]) == (5, 3, 2)
    assert (score["nps"], score["low"], score["high"]) == pytest.approx((30, -19.1, 65.2), abs=CLOSE)


def test_a_thousand_answers():
    score = nps(pd.Series([10] * 500 + [7] * 300 + [0] * 200))

    assert score["nps"] == 30
    assert (score["low"], score["high"]) == pytest.approx((25.08, 34.74), abs=CLOSE)


def test_the_same_score_from_another_mix_is_less_sure():
    calm = nps(pd.Series([10] * 30 + [7] * 60 + [0] * 10))
    torn = nps(pd.Series([10] * 60 + [0] * 40))

    assert calm["nps"] == torn["nps"] == 20
    assert (calm["high"] - calm["low"]) / 2 == pytest.approx(11.7, abs=0.15)
    assert (torn["high"] - torn["low"]) / 2 == pytest.approx(18.8, abs=0.15)


def test_two_segments_are_compared():
    test = nps_difference((45, 20, 100), (30, 30, 100))

    assert test["difference"] == pytest.approx(24.27, abs=CLOSE)
    assert test["z"] == pytest.approx(2.264, abs=1e-3)
    assert test["p"] == pytest.approx(0.0236, abs=1e-3)


def test_repeated_answers_of_a_customer_widen_the_interval():
    answers = pd.Series([10, 10, 10, 10, 0, 0, 0, 0] * 5)
    once = nps(answers)
    clustered = nps(answers, customers=pd.Series([i // 4 for i in range(40)]))

    assert clustered["nps"] == once["nps"]
    assert clustered["high"] - clustered["low"] > 1.5 * (once["high"] - once["low"])


@pytest.mark.parametrize("value", [-1, 11, 100])
def test_an_answer_off_the_scale_is_refused(value):
    with pytest.raises(InputError, match="0 to 10"):
        nps(pd.Series([9, value]))


def test_a_mark_of_one_to_ten_is_no_nps():
    surveys = pd.DataFrame({"metric": ["nps"], "value": [8.0], "scale_min": [1.0], "scale_max": [10.0]})

    with pytest.raises(InputError, match="scale_min = 1"):
        nps_table(surveys)


def test_segments_come_after_all_and_the_unknown_is_named():
    surveys = pd.DataFrame(
        {"metric": "nps", "value": [10, 9, 0, 5, 8, None], "channel": ["web", "web", "phone", None, "web", "web"]}
    )

    table = nps_table(surveys, by="channel")

    assert table["segment"].tolist() == ["all", "web", "(unknown)", "phone"]
    assert table["n"].tolist() == [5, 3, 1, 1]
    assert table["nps"].round(2).tolist() == [0.0, 66.67, -100.0, -100.0]


def test_no_answers_are_no_score():
    table = nps_table(pd.DataFrame({"metric": ["csat"], "value": [5.0]}))

    assert table["n"].tolist() == [0]
    assert table["nps"].isna().all()
