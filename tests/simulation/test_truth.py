"""The raw logs alone must say what truth.json and truth/journeys.csv say was planted, customer by customer."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from journeymining.simulation import Company
from journeymining.simulation.truth import DEVIATIONS, expected_churn, expected_scores, nominal_rates

COMPANY = Company()


def journey_of(events):
    """Return what happened until the modem worked, as names and as a mapping from name to times and channels."""
    times, channels, names = {}, {}, []
    for time, activity, channel in events:
        names.append(activity)
        times.setdefault(activity, []).append(time)
        channels.setdefault(activity, set()).add(channel)
        if activity == "modem_active":
            break
    return names, times, channels


def deviations_of(events):
    names, times, channels = journey_of(events)
    order = times["order_placed"][0]
    shipped_first = "confirmation" in times and times["modem_shipped"][0] < times["confirmation"][0]
    failed_then_phone = any(
        before == "selfservice_failed" and after in {"helpdesk_call", "call_abandoned"}
        for before, after in pairwise(names)
    )
    return {
        "missing_confirmation": "confirmation" not in times,
        "wrong_order": shipped_first,
        "wrong_channel": channels["order_placed"] == {"phone"},
        "late": times["modem_delivered"][0] - order > timedelta(days=3),
        "repeated_delivery": len(times["modem_delivered"]) == 2,
        "forced_switch": failed_then_phone,
        **{
            name: name in times
            for name in (
                *("selfservice_failed", "helpdesk_call", "call_abandoned", "help_page", "complaint"),
                *("welcome_call", "track_parcel"),
            )
        },
    }


def test_every_planted_deviation_is_in_the_raw_logs_and_no_other(observed, journeys):
    complete = {c: row for c, row in journeys.items() if row["complete"] == "1" and c in observed}

    wrong = [
        (customer, name)
        for customer, row in complete.items()
        for name, found in deviations_of(observed[customer]).items()
        if found != (row[name] == "1")
    ]

    assert len(complete) > 2800
    assert not wrong


def test_journeys_that_follow_the_design_follow_it_to_the_letter(observed, journeys):
    deviating = [*DEVIATIONS, "adhoc_call", "forced_switch", "welcome_call", "track_parcel"]
    plain = [c for c, row in journeys.items() if c in observed and row["complete"] == "1"]
    plain = [c for c in plain if not any(journeys[c][name] == "1" for name in deviating)]

    paths = {tuple(journey_of(observed[customer])[0]) for customer in plain}

    assert paths == {("order_placed", "confirmation", "modem_shipped", "modem_delivered", "modem_active")}


def test_open_journeys_have_no_end_in_the_logs(observed, journeys):
    still_open = [c for c, row in journeys.items() if row["complete"] == "0" and c in observed]

    assert still_open
    assert all("modem_active" not in {name for _, name, _ in observed[customer]} for customer in still_open)


def test_what_is_visible_of_open_journeys_is_what_their_logs_hold(observed, journeys, truth):
    names = ("selfservice_failed", "helpdesk_call", "call_abandoned", "help_page", "complaint")
    shared = sum(row["household"] == "1" for row in journeys.values())
    for name in names:
        found = sum(name in journey_of(events)[1] for events in observed.values())

        assert found <= truth["deviations"][name]["visible_in_all_orders"]["count"] <= found + shared


def test_who_left_has_a_cancellation_within_the_follow_up_and_who_did_not_has_none(observed, journeys):
    for customer, row in journeys.items():
        if row["followed_up"] != "1" or customer not in observed:
            continue
        active = datetime.fromisoformat(row["active_time"])
        left = [time for time, name, _ in observed[customer] if name == "contract_cancelled"]
        within = [time for time in left if timedelta(0) < time - active <= timedelta(days=180)]

        assert len(within) == int(row["churned"])


def test_counts_of_the_truth_equal_its_rows(truth, journeys):
    rows = list(journeys.values())
    complete = [row for row in rows if row["complete"] == "1"]

    assert len(rows) == truth["customers"]
    assert len(complete) == truth["journeys"]["complete"]
    assert truth["journeys"]["open"] == len(rows) - len(complete) > 0
    for name, said in truth["deviations"].items():
        assert said["all_orders"] == {"count": sum(row[name] == "1" for row in rows), "of": len(rows)}
        assert (
            said["complete_journeys"]["count"] <= said["visible_in_all_orders"]["count"] <= said["all_orders"]["count"]
        )
        assert said["complete_journeys"] == {"count": sum(row[name] == "1" for row in complete), "of": len(complete)}


def test_realised_effects_equal_those_counted_from_the_rows(truth, journeys):
    rows = [row for row in journeys.values() if row["followed_up"] == "1"]
    for name, said in truth["effects"]["churn"].items():
        shares = []
        for value in ("1", "0"):
            group = [row["churned"] == "1" for row in rows if row[name] == value]
            shares.append(sum(group) / len(group))

        assert said["realised_risk_difference"] == pytest.approx(shares[0] - shares[1])


@pytest.mark.parametrize("name", sorted(nominal_rates(COMPANY)))
def test_realised_rates_lie_within_five_standard_deviations_of_the_nominal_ones(truth, journeys, name):
    nominal = nominal_rates(COMPANY)[name]
    number = len(journeys)
    realised = sum(row[name] == "1" for row in journeys.values()) / number

    assert 0 < nominal < 1
    assert abs(realised - nominal) < 5 * (nominal * (1 - nominal) / number) ** 0.5


def test_churn_lies_within_five_standard_deviations_of_its_nominal_rate(truth):
    churn = truth["churn"]
    spread = (churn["nominal"] * (1 - churn["nominal"]) / churn["followed_up"]) ** 0.5

    assert abs(churn["churned"] / churn["followed_up"] - churn["nominal"]) < 5 * spread


def test_the_expected_churn_adds_up_by_hand():
    # 0.10 + 0.12 * 0.10 (late) + 0.10 * 0.06 (forced switch) - 0.03 * 0.60 (welcome call)
    assert expected_churn(COMPANY) == pytest.approx(0.10)


def test_a_score_is_a_probability_and_a_null_effect_is_none():
    for name in ("late", "forced_switch", "track_parcel"):
        assert expected_scores(COMPANY, name, happened=True).sum() == pytest.approx(1)
    untouched = expected_scores(COMPANY, "track_parcel", happened=True)

    assert untouched == pytest.approx(expected_scores(COMPANY, "track_parcel", happened=False))
