"""Times between touchpoints, deviations over time, and what to mend first."""

from __future__ import annotations

import numpy as np
import pytest

from journeymining.conformance.conform import conform
from journeymining.conformance.drift import by_period, change_point, drift
from journeymining.conformance.fixes import fix_list
from journeymining.conformance.temporal import temporal_profile
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import InputError, UsageError

DESIGN = "journey: x\nflow: a > b > c\n"


@pytest.fixture
def prepared(make_table):
    """Prepared logs that are removed at the end."""
    logs = []

    def run(journeys):
        logs.append(prepare(make_table(journeys)))
        return logs[-1]

    yield run
    for log in logs:
        log.close()


def test_the_worked_example_of_a_temporal_profile(prepared, make_design):
    """A to B in 2, 4 and 6 days: 8 days are more than two standard deviations off."""
    days = {str(number): [{"activity": "a", "hour": 0}, {"activity": "b", "hour": 24 * number}] for number in (2, 4, 6)}
    design = make_design(DESIGN)

    usual = temporal_profile(prepared(days), design, zeta=2)
    row = usual.iloc[0]
    late = prepared({"8": [{"activity": "a", "hour": 0}, {"activity": "b", "hour": 24 * 8}]})

    assert (row["source"], row["target"], row["journeys"], row["outside"]) == ("a", "b", 3, 0)
    assert row["mean"] / 86400 == 4
    assert row["sd"] / 86400 == pytest.approx(1.633, abs=5e-4)
    assert (row["low"] / 86400, row["high"] / 86400) == pytest.approx((0.734, 7.266), abs=5e-4)
    assert temporal_profile(late, design, zeta=2, reference=usual)["outside"].tolist() == [1]


def many(skipped):
    """One journey a day for 100 days; from day 60 on ``skipped`` of ten leave out b."""
    journeys = {}
    for number in range(400):
        day = number // 4
        path = ["a", "c"] if day >= 60 and number % 10 < skipped else ["a", "b", "c"]
        journeys[f"{number:03d}"] = [{"activity": one, "hour": 24 * day + place} for place, one in enumerate(path)]
    return journeys


def test_the_day_a_deviation_began_is_found(prepared, make_design):
    log = prepared(many(skipped=6))
    found = conform(log, make_design(DESIGN))

    changed = drift(log, found)

    assert changed[["type", "touchpoint"]].values.tolist() == [["missing", "b"]]
    row = changed.iloc[0]
    assert str(row["since"].date()) == "2026-05-01"
    assert row["earliest"] <= row["since"] <= row["latest"]
    assert row["before"] == 0
    assert row["after"] == pytest.approx(0.6, abs=0.01)
    periods = by_period(log, found, every="month")
    assert periods["journeys"].sum() == 400
    assert periods["following"].sum() == found.summary["fitting"]["journeys"]
    with pytest.raises(UsageError, match="Unknown period"):
        by_period(log, found, every="fortnight")


def test_no_change_is_found_where_there_is_none():
    chance = np.random.default_rng(1)
    steady = chance.binomial(20, 0.3, size=100)

    assert change_point(steady, np.full(100, 20)).probability < 0.5
    assert change_point([1], [2]) is None


def test_the_fix_list_sets_outcomes_beside_deviations(check):
    journeys = {f"{number:02d}": ["a", "c"] if number < 20 else ["a", "b", "c"] for number in range(100)}
    found = check(DESIGN, journeys)
    # 16 of 20 with the deviation churn, 24 of 80 without it.
    outcome = {name: int(name) < 16 or 20 <= int(name) < 44 for name in journeys}

    row = fix_list(found, outcome).iloc[0]

    assert (row["type"], row["touchpoint"], row["journeys"]) == ("missing", "b", 20)
    assert (row["rate_with"], row["rate_without"], row["difference"]) == pytest.approx((0.8, 0.3, 0.5))
    assert (round(row["difference_low"], 3), round(row["difference_high"], 3)) == (0.259, 0.649)
    assert row["worth"] == pytest.approx(10)
    assert (row["worth_low"], row["worth_high"]) == pytest.approx(
        (20 * row["difference_low"], 20 * row["difference_high"])
    )
    assert (row["journeys"], row["known"], row["wanted"]) == (20, 20, False)
    with pytest.raises(InputError, match="known outcome"):
        fix_list(found, {"another": True})


def test_mending_what_goes_with_fewer_wanted_outcomes_is_worth_more_of_them(check):
    journeys = {f"{number:02d}": ["a", "c"] if number < 20 else ["a", "b", "c"] for number in range(100)}
    found = check(DESIGN, journeys)
    # Of 16 known with the deviation 4 renew, of 80 without it 48; four more have the deviation and no known outcome.
    outcome = {name: int(name) < 4 or 20 <= int(name) < 68 for name in journeys if not 16 <= int(name) < 20}

    row = fix_list(found, outcome, wanted=True).iloc[0]

    assert (row["journeys"], row["known"]) == (20, 16)
    assert row["difference"] == pytest.approx(0.25 - 0.6)
    assert row["worth"] == pytest.approx(20 * 0.35)
    assert 0 < row["worth_low"] < row["worth"] < row["worth_high"]


def test_a_design_of_rules_only_has_no_share_that_follows_a_flow(prepared, make_design):
    log = prepared({"1": ["a", "b"], "2": ["a"]})
    found = conform(log, make_design("journey: x\nrules:\n  - response: [a, b]\n"))

    assert found.entries.empty
    assert by_period(log, found).empty
    assert "fitness" not in found.summary
    assert found.rules[["satisfied", "violated"]].values.tolist() == [[1, 1]]
