"""Referrals by the mark that was given before; the worked number of 41 in 50."""

from __future__ import annotations

import pandas as pd
import pytest

from journeymining.exceptions import InputError
from journeymining.experience.referrals import referrals_by_mark


def at(*days):
    return pd.to_datetime([f"2026-01-{day:02}" for day in days], utc=True)


def test_forty_one_of_fifty_referrals_come_from_promoters():
    who = [f"c{i}" for i in range(50)]
    said = pd.DataFrame({"metric": "nps", "value": [9] * 41 + [8] * 5 + [6] * 4, "customer_id": who})

    found = referrals_by_mark(
        pd.DataFrame({"customer_id": who, "time": at(*[20] * 50)}), said.assign(answered_at=at(*[3] * 50))
    ).set_index("group")

    assert found["referrals"].to_dict() == {"promoter": 41, "passive": 5, "detractor": 4}
    assert found.loc["promoter", "share"] == pytest.approx(0.82)
    # 80 to 90 % cannot be refused.
    assert found.loc["promoter", ["low", "high"]].tolist() == pytest.approx([0.692, 0.902], abs=1e-3)


def test_only_what_was_said_before_the_referral_counts_and_the_last_of_it():
    said = pd.DataFrame(
        {"metric": ["nps", "nps", "nps", "csat"], "value": [3.0, 9.0, 10.0, 9.0], "customer_id": ["a", "a", "b", "c"],
         "sent_at": at(1, 5, 9, 1), "answered_at": [*at(1, 6), pd.NaT, *at(2)]}
    )  # fmt: skip
    made = pd.DataFrame({"customer_id": ["a", "a", "b", "b", "c"], "time": at(4, 7, 9, 12, 20)})

    found = referrals_by_mark(made, said).set_index("group")

    # a: 3 before day 4, 9 before day 7; b: nothing before day 9 itself, 10 before day 12; c: no NPS.
    assert found["referrals"].to_dict() == {"promoter": 2, "passive": 0, "detractor": 1}
    assert found["unknown"].tolist() == [2, 2, 2]


def test_referrals_of_nobody_who_answered_have_no_share():
    said = pd.DataFrame({"metric": ["nps"], "value": [9.0], "customer_id": ["z"], "answered_at": at(1)})

    found = referrals_by_mark(pd.DataFrame({"customer_id": ["a"], "time": at(4)}), said)

    assert found["share"].isna().all()
    assert found["unknown"].tolist() == [1, 1, 1]


def test_a_table_without_times_is_refused():
    with pytest.raises(InputError, match="time"):
        referrals_by_mark(pd.DataFrame({"customer_id": ["a"]}), pd.DataFrame({"metric": [], "value": []}))
