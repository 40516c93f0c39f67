"""Every type of deviation on hand-made journeys, and the worked examples."""

from __future__ import annotations

import math

import pytest

from journeymining.conformance.design import read_design

BROADBAND = """
journey: order-broadband
phases: [purchase, use]
touchpoints:
  order: {phase: purchase}
  confirm: {phase: purchase}
  ship: {phase: purchase}
  track: {phase: purchase, optional: true}
  deliver: {phase: use}
flow: order > confirm > ship > deliver
rules:
  - response: [order, confirm]
  - precedence: [confirm, ship]
"""


def test_the_worked_example_of_one_journey(check, said):
    events = ["order", "call_helpdesk", "ship", "confirm", {"activity": "deliver", "status": "failed"}, "deliver"]
    found = check(BROADBAND, {"j": events})

    assert said(found) == [("ad_hoc", "call_helpdesk", 1), ("failing", "deliver", 1), ("wrong_order", "confirm", 1)]
    row = found.journeys.iloc[0]
    assert row["missing"] == 0
    assert row["order_score"] == pytest.approx(2 / 3)
    assert row["coverage"] == 1.0
    assert found.rules.set_index("rule")["violated"].to_dict() == {
        "response(order, confirm)": 0,
        "precedence(confirm, ship)": 1,
    }


def test_a_journey_as_designed_has_no_deviation(check):
    found = check(BROADBAND, {"j": ["order", "confirm", "ship", "deliver"]})

    assert found.deviations.empty
    assert found.summary["fitness"]["mean"] == 1.0
    assert found.summary["fitting"]["journeys"] == 1


def test_an_optional_touchpoint_outside_the_flow_may_happen_anywhere(check):
    found = check(BROADBAND, {"j": ["order", "track", "confirm", "ship", "track", "track", "deliver"]})

    assert found.deviations.empty
    assert found.variants["cost"].tolist() == [0]


def test_a_left_out_touchpoint_is_missing(check, said):
    found = check(BROADBAND, {"j": ["order", "ship", "deliver"]})

    assert said(found) == [("missing", "confirm", 1)]


def test_an_event_the_flow_does_not_place_is_ad_hoc(check, said):
    found = check(BROADBAND, {"j": ["order", "confirm", "call", "ship", "deliver"]})

    assert said(found, "type", "touchpoint", "expected") == [("ad_hoc", "call", "not in the flow")]


def test_a_touchpoint_of_the_way_not_taken_is_ad_hoc(check, said):
    found = check("journey: x\nflow: a > (b | c) > d", {"j": ["a", "b", "c", "d"]})

    assert said(found, "type", "touchpoint", "expected") == [("ad_hoc", "c", "not on this way")]


def test_a_touchpoint_at_another_place_is_one_deviation_not_two(check, said):
    found = check(BROADBAND, {"j": ["order", "ship", "confirm", "deliver"]})

    assert said(found, "type", "touchpoint", "expected", "observed") == [
        ("wrong_order", "confirm", "after order", "after ship")
    ]
    assert found.variants["cost"].tolist() == [2]


def test_a_touchpoint_once_more_is_repeated(check, said):
    found = check(BROADBAND, {"j": ["order", "confirm", "confirm", "ship", "deliver"]})

    assert said(found) == [("repeated", "confirm", 1)]
    assert found.findings["event_id"].tolist() == ["j-002"]


def test_any_order_is_any_order(check):
    found = check("journey: x\nflow: 'a > {b, c} > d'", {"1": ["a", "b", "c", "d"], "2": ["a", "c", "b", "d"]})

    assert found.deviations.empty


def test_a_loop_may_run_any_number_of_times(check, said):
    journeys = {"1": ["b"], "2": ["a", "b"], "3": ["a", "a", "a", "b"]}

    assert check("journey: x\nflow: a* > b", journeys).deviations.empty
    assert said(check("journey: x\nflow: a+ > b", journeys)) == [("missing", "a", 1)]


def test_falling_back_to_an_earlier_phase_is_bounced_back(check, said):
    found = check(BROADBAND, {"j": ["order", "confirm", "ship", "deliver", "confirm"]})

    assert said(found, "type", "touchpoint", "expected", "observed") == [
        ("bounced_back", "confirm", "no way back from use", "back to purchase"),
        ("repeated", "confirm", "not again", "again"),
    ]


def test_what_may_happen_at_any_time_is_no_way_back(check):
    found = check(BROADBAND, {"j": ["order", "confirm", "ship", "deliver", "track"]})

    assert found.deviations.empty


def test_stopping_early_is_a_dead_end(check, said):
    found = check(BROADBAND, {"j": ["order", "confirm", "ship"]})

    assert said(found, "type", "touchpoint", "expected") == [
        ("dead_end", "ship", "goes on to deliver"),
        ("missing", "deliver", "happens"),
    ]


def test_an_open_journey_has_pending_touchpoints_not_missing_ones(check):
    found = check(BROADBAND, {"j": ["order", "confirm"]}, flags={"j": True})

    assert found.deviations.empty
    assert found.journeys["pending"].tolist() == ["deliver; ship"]
    assert found.journeys["fitness"].tolist() == [1.0]
    assert found.summary["journeys"]["open"] == 1


def test_an_open_journey_has_missed_what_it_passed(check, said):
    found = check(BROADBAND, {"j": ["order", "ship"]}, flags={"j": True})

    assert said(found) == [("missing", "confirm", 1)]
    assert found.journeys["pending"].tolist() == ["deliver"]


def test_events_of_one_moment_are_never_in_the_wrong_order(check):
    moment = {"hour": 1}
    events = [
        "order",
        {"activity": "ship", **moment},
        {"activity": "confirm", **moment},
        {"activity": "deliver", "hour": 2},
    ]
    found = check(BROADBAND, {"j": events})

    assert found.deviations.empty
    assert found.summary["events"]["order_within_tolerance"] == 1


def test_a_tolerance_lets_late_logging_pass(check, said):
    events = {"j": ["order", "ship", "confirm", "deliver"]}

    assert check(BROADBAND + "order_tolerance: 1h\n", events).deviations.empty
    assert said(check(BROADBAND + "order_tolerance: 59 min\n", events)) == [("wrong_order", "confirm", 1)]


CHANNELS = """
journey: x
actors: {customer: end_user, shop: provider}
touchpoints:
  order: {channel: [web, store], from: customer}
  confirm: {channel: email, from: shop}
flow: order > confirm
"""


def test_another_channel_than_designed(check, said):
    journeys = {
        "1": [{"activity": "order", "channel": "web"}, {"activity": "confirm", "channel": "email"}],
        "2": [{"activity": "order", "channel": "phone"}, {"activity": "confirm"}],
    }
    found = check(CHANNELS, journeys)

    assert said(found, "type", "touchpoint", "expected", "observed", "journeys") == [
        ("wrong_channel", "order", "web or store", "phone", 1)
    ]
    assert found.summary["events"]["channel_unknown"] == 1
    assert found.channels[["channel", "type", "journeys"]].values.tolist() == [["phone", "wrong_channel", 1]]


def test_another_actor_than_designed(check, said):
    journeys = {
        "1": [{"activity": "order", "initiator": "organisation"}, {"activity": "confirm", "initiator": "system"}],
        "2": [{"activity": "order", "resource": "customer"}, {"activity": "confirm", "resource": "customer"}],
        "3": ["order", "confirm"],
    }
    found = check(CHANNELS, journeys)

    assert said(found, "type", "touchpoint", "expected", "observed") == [
        ("wrong_actor", "confirm", "shop", "customer"),
        ("wrong_actor", "order", "customer", "organisation"),
    ]
    assert found.summary["events"]["actor_unknown"] == 2


def test_shares_are_of_the_journeys_in_scope_with_wilson_intervals(check):
    journeys = {f"{number}": ["order", "ship", "deliver"] for number in range(4)}
    journeys |= {f"good {number}": ["order", "confirm", "ship", "deliver"] for number in range(6)}
    found = check(BROADBAND + "scope: {start: order}\n", {**journeys, "other": ["newsletter"]})

    row = found.deviations.iloc[0]
    assert (row["journeys"], row["share"]) == (4, 0.4)
    assert (round(row["share_low"], 3), round(row["share_high"], 3)) == (0.168, 0.687)
    assert found.summary["journeys"] == {"in_log": 11, "in_scope": 10, "outside": 1, "open": 0, "ended_otherwise": 0}


SCOPED = """
journey: x
scope: {start: order, end: [active, cancelled]}
ignore: [page_view]
flow: offer* > order > ship > active
"""


def test_the_scope_says_which_events_count(check):
    events = ["newsletter", "offer", "page_view", "order", "ship", "active", "call"]
    found = check(SCOPED, {"j": events})

    assert found.deviations.empty
    assert found.summary["events"]["ignored"] == 1
    assert found.summary["events"]["outside"] == 2
    assert found.summary["events"]["judged"] == 4


def test_a_journey_that_ends_otherwise_misses_nothing_behind_its_end(check):
    found = check(SCOPED, {"j": ["order", "cancelled"]})

    assert found.deviations.empty
    assert found.journeys["stands"].tolist() == ["ended otherwise"]
    assert found.journeys["pending"].tolist() == [""]


def test_nothing_depends_on_the_number_of_buckets(check):
    journeys = {
        f"j{number}": ["order", *(["confirm"] * (number % 3)), "ship", *(["deliver"] if number % 5 else [])]
        for number in range(60)
    }
    one, many = (check(BROADBAND, journeys, buckets=buckets) for buckets in (1, 8))

    for name in ("variants", "deviations", "journeys", "touchpoints", "rules"):
        assert getattr(one, name).equals(getattr(many, name)), name
    assert {k: v for k, v in one.summary.items() if not isinstance(v, float) or not math.isnan(v)} == many.summary


def test_a_model_too_large_to_list_is_searched(check, said):
    events = {"j": ["order", "ship", "deliver"], "k": ["order", "confirm", "call", "ship", "deliver"]}

    listed, searched = check(BROADBAND, events), check(BROADBAND, events, state_limit=2)

    assert said(searched) == said(listed)
    assert searched.journeys["cost"].tolist() == listed.journeys["cost"].tolist()
    assert searched.summary["states"] is None
    assert math.isnan(searched.summary["precision"])


def test_costs_per_touchpoint_and_channel_count(check):
    design = "journey: x\nflow: a > b > c\ncosts: {missing: {b: 3}, unexpected: {call: 0}, channel: {phone: 5}}\n"
    journeys = {
        "1": ["a", "c"],
        "2": ["a", "b", "call", "c"],
        "3": ["a", "b", {"activity": "visit", "channel": "phone"}, "c"],
        "4": ["a", "b", {"activity": "visit", "channel": "store"}, "c"],
    }

    found = check(design, journeys)

    assert found.journeys["cost"].tolist() == [3, 0, 5, 1]
    # The dearest would be all events alone and the shortest way through the model, 1 + 3 + 1.
    assert found.journeys["fitness"].tolist() == pytest.approx([1 - 3 / 7, 1, 1 - 5 / 13, 1 - 1 / 9])


def test_a_model_that_may_get_stuck_is_held_to_its_ways_to_the_end(check, tmp_path):
    """After a, b leads to the end, and c to a place that nothing leaves."""
    arcs = [("p", "a"), ("a", "q"), ("q", "b"), ("b", "end"), ("q", "c"), ("c", "stuck")]
    names = "".join(f'<transition id="{one}"><name><text>{one}</text></name></transition>' for one in "abc")
    places = "".join(f'<place id="{one}"/>' for one in ("q", "end", "stuck"))
    links = "".join(f'<arc id="{n}" source="{one}" target="{to}"/>' for n, (one, to) in enumerate(arcs))
    file = tmp_path / "stuck.pnml"
    file.write_text(
        f"<pnml><net id='n'><place id='p'><initialMarking><text>1</text></initialMarking></place>{places}{names}{links}"
        "<finalmarkings><marking><place idref='end'/></marking></finalmarkings></net></pnml>"
    )

    found = check(read_design(file), {"1": ["a", "b"], "2": ["a", "c"]})

    assert found.journeys["cost"].tolist() == [0, 2]
    assert found.summary["dead_ends_of_model"] == 1


def test_where_a_budget_is_spent_the_optimum_lies_between_bounds(check):
    design = "journey: x\nflow: '{a, b, c, d, e, f} > {g, h, i}'\n"
    journeys = {"1": list("ihgfedcba"), "2": list("abcdefghi")}

    exact, spent = check(design, journeys), check(design, journeys, state_limit=2, budget=40)

    assert spent.summary["bounded_only"] == 1
    row, best = (one.variants.set_index("path").loc["i > h > g > f > e > d > c > b > a"] for one in (spent, exact))
    assert row["cost"] < row["cost_at_most"]
    assert row["cost"] <= best["cost"] <= row["cost_at_most"]
    assert best["cost"] == best["cost_at_most"]
