"""Peak and end, and who answered: worked numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from journeymining.exceptions import InputError
from journeymining.experience.peak_end import peak_end
from journeymining.experience.response import post_stratified


def contacts(values, journey="a"):
    times = pd.to_datetime([f"2026-01-{day + 1:02d}" for day in range(len(values))], utc=True)
    return pd.DataFrame({"journey_id": journey, "time": times, "value": values})


def test_the_course_of_the_worked_example():
    course = peak_end(contacts([6, 9, 3, 7, 8]), neutral=5.5).iloc[0]

    assert course[["mean", "peak", "trough", "end", "peak_end"]].tolist() == pytest.approx([6.6, 9, 3, 8, 8.5])
    assert course["contrast"] == 2
    assert course["ends_positive"]
    assert course["trend"] == pytest.approx(0.2)
    assert course["duration"] == 4 * 86400


def test_of_two_equal_peaks_the_later_counts():
    assert peak_end(contacts([10, 1, 6]), neutral=5.5)["peak"].iloc[0] == 1


def test_scores_are_read_in_the_order_of_time_and_missing_ones_are_left_out():
    course = peak_end(contacts([6, 9, None, 8]).iloc[::-1], neutral=5).iloc[0]

    assert course["scores"] == 3
    assert course["end"] == 8


def test_a_column_that_is_missing_is_named():
    with pytest.raises(InputError, match="'value' is missing"):
        peak_end(contacts([1]).drop(columns="value"), neutral=5)


def test_who_answered_of_the_worked_example():
    value = [8] * 40 + [np.nan] * 40 + [4] * 2 + [np.nan] * 18
    asked = pd.DataFrame({"went": ["well"] * 80 + ["wrong"] * 20, "value": value})

    summary, strata = post_stratified(asked, by="went")

    assert summary["raw"] == pytest.approx(328 / 42)
    assert summary["post_stratified"] == pytest.approx(7.2)
    assert strata["rate"].tolist() == [0.5, 0.1]
    assert (strata["weight"] * strata["answered"]).sum() == pytest.approx(summary["answered"])


def test_a_stratum_that_never_answers_is_counted_as_uncovered():
    asked = pd.DataFrame({"went": ["well", "well", "wrong"], "value": [8.0, None, None]})

    summary, _ = post_stratified(asked, by="went")

    assert summary["post_stratified"] == 8
    assert summary["uncovered"] == pytest.approx(1 / 3)
