"""Satisfaction and effort: worked numbers, and what is refused."""

from __future__ import annotations

import pandas as pd
import pytest

from journeymining.exceptions import InputError
from journeymining.experience.effort import customer_effort, effort_table
from journeymining.experience.satisfaction import satisfaction_bands, top_two_box


def test_bands_of_the_worked_example():
    bands = satisfaction_bands(pd.Series([7, 8, 9, 10, 6])).set_index("band")

    assert bands["n"].to_dict() == {"fail": 0, "6": 1, "7-8": 2, "9+": 2}
    assert bands.loc["9+", "share"] == pytest.approx(0.4)


def test_a_half_mark_is_not_rounded_up_to_delight():
    bands = satisfaction_bands(pd.Series([8.5, 5.5])).set_index("band")["n"]

    assert bands["7-8"] == 1
    assert bands["fail"] == 1


def test_marks_off_the_scale_are_refused():
    with pytest.raises(InputError, match="1 to 10"):
        satisfaction_bands(pd.Series([0, 7]))


def test_top_two_box_has_an_interval():
    box = top_two_box(pd.Series([5, 5, 4, 4, 1, 1, 2, 3, 3, 3]), scale_max=5)

    assert (box["share"], box["low"], box["high"]) == pytest.approx((0.4, 0.168, 0.687), abs=1e-3)


def test_effort_of_the_worked_example():
    score = customer_effort(pd.Series([7, 6, 5, 3, 2]), direction="higher_is_better")

    assert score["mean"] == pytest.approx(4.6)
    assert score["share"] == pytest.approx(0.6)


def test_effort_counts_the_other_end_when_lower_is_better():
    assert customer_effort(pd.Series([1, 2, 5]), direction="lower_is_better")["easy"] == 2


def test_effort_without_a_direction_is_refused():
    with pytest.raises(InputError, match="direction"):
        customer_effort(pd.Series([7, 6]), direction=None)
    with pytest.raises(InputError, match="1 of 2 effort answers"):
        effort_table(pd.DataFrame({"metric": "ces", "value": [5, 6], "direction": ["higher_is_better", None]}))
    with pytest.raises(InputError, match="direction"):
        effort_table(pd.DataFrame({"metric": ["ces"], "value": [5]}))


def test_directions_are_never_mixed_in_one_number():
    surveys = pd.DataFrame(
        {"metric": "ces", "value": [7, 5, 1], "direction": ["higher_is_better", "higher_is_better", "lower_is_better"]}
    )

    table = effort_table(surveys)

    rows = table[["direction", "n", "mean"]].values.tolist()
    assert rows == [["higher_is_better", 2, 6.0], ["lower_is_better", 1, 1.0]]
