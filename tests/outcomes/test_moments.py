"""Moments of truth: hand-made journeys, a planted one, and the published weights of steps."""

from __future__ import annotations

import numpy as np
import pytest

from journeymining.outcomes.labels import link_outcome, occurrences_in_log
from journeymining.outcomes.moments import (
    TOUCHPOINTS,
    chance_before,
    deciding_steps,
    moments_of_truth,
    step_weight,
    touchpoint_moments,
)
from journeymining.outcomes.splitting import Split

from .conftest import journeys_of

QUESTION = {"landmark": "journey_end", "window": "journey", "gap": "0 days", "horizon": "50 days", "mask": ["left"]}


def linked_of(rows):
    """Link journeys to their customers' "left"; a last ping says that everybody was watched long enough."""
    journeys = journeys_of([*rows, ("last", "nobody", "ping", 400.0)])
    return link_outcome(journeys, occurrences_in_log(journeys, ["left"]), **QUESTION)


def halves(linked):
    """Every other journey is held out."""
    places = np.arange(len(linked.label))
    return Split(places[::2], places[1::2], "customers", None, 0, 0)


def company(n, *, effect, seed=0):
    """Everybody asks, half of them complain, then pays; who complained leaves more often, by the effect."""
    rng = np.random.default_rng(seed)
    complains, lucky = rng.random(n) < 0.5, rng.random(n)
    rows = []
    for i in range(n):
        middle = "complaint" if complains[i] else "visit"
        rows += [(f"j{i:05}", f"c{i}", name, float(day)) for day, name in enumerate(["ask", middle, "pay"])]
        if lucky[i] < 0.3 + effect * complains[i]:
            rows.append((f"x{i:05}", f"c{i}", "left", 20.0))
    return linked_of(rows)


@pytest.mark.parametrize(("share", "weight"), [(1, 18), (0.9, 8.62), (0.5, -2), (0.1, -12.62), (0, -22)])
def test_the_weight_of_a_step_is_the_published_one(share, weight):
    assert step_weight(share) == pytest.approx(weight, abs=1e-2)


def test_every_event_moves_the_chance_from_where_the_one_before_left_it():
    before = chance_before(np.array([0.5, 0.6, 0.1, 0.2]), np.array([1, 2, 3, 1]), rate=0.3)

    assert before.tolist() == [0.3, 0.5, 0.6, 0.3]


def test_the_touchpoint_that_was_planted_moves_the_chance_and_the_others_do_not():
    linked = company(1600, effect=0.4)

    found = touchpoint_moments(linked, halves(linked)).set_index("activity")

    # The rate is .5; after a complaint it is .7, after a visit .3, and paying tells nothing new.
    assert found.index[:2].sort_values().tolist() == ["complaint", "visit"]
    assert found.loc["complaint", "shift"] == pytest.approx(0.2, abs=0.06)
    assert found.loc["visit", "shift"] == pytest.approx(-0.2, abs=0.06)
    assert found.loc["complaint", "observed_low"] < 0.2 < found.loc["complaint", "observed_high"]
    assert found.loc["visit", "observed_low"] < -0.2 < found.loc["visit", "observed_high"]
    assert found.loc["complaint", "observed_low"] > 0 > found.loc["visit", "observed_high"]
    # 400 answers: half the interval is about 1.96 times the root of .7 * .3 / 400.
    width = found.loc["complaint", "observed_high"] - found.loc["complaint", "observed_low"]
    assert width / 2 == pytest.approx(1.96 * (0.21 / 400) ** 0.5, rel=0.15)
    assert found.loc["pay", "move"] < 0.05
    assert (found["q"] < 0.05).to_dict() == {"complaint": True, "visit": True, "ask": False, "pay": False}
    assert found.loc["ask", ["events", "journeys", "events_left"]].tolist() == [800, 800, 2]
    assert found.loc["complaint", "journeys"] + found.loc["visit", "journeys"] == 800


def test_where_all_journeys_end_alike_the_interval_is_that_of_their_number():
    rows = []
    for i in range(400):
        middle = "complaint" if i % 10 < 2 else "visit"
        rows += [(f"j{i:05}", f"c{i}", name, float(day)) for day, name in enumerate(["ask", middle])]
        rows += [(f"x{i:05}", f"c{i}", "left", 9.0)] if middle == "visit" and i % 4 < 2 else []
    linked = linked_of(rows)

    row = touchpoint_moments(linked, halves(linked)).set_index("activity").loc["complaint"]

    # None of 40 leaves: Wilson says 8.8 % at most, 160 of 400 journeys leave.
    assert row["journeys"] == 40
    assert row["observed_high"] - row["observed_low"] == pytest.approx(0.0876, abs=1e-3)
    assert row["observed"] == pytest.approx(-0.4, abs=0.02)


def test_where_nothing_was_planted_no_touchpoint_moves_much():
    linked = company(1600, effect=0.0)

    found = touchpoint_moments(linked, halves(linked))

    assert found["move"].max() < 0.06
    assert (found["observed_low"] < 0).all()
    assert (found["observed_high"] > 0).all()
    assert (found["q"] > 0.05).all()
    # Everybody asks: after it the rate is what it is over all, however the two sides differ.
    assert found.set_index("activity").loc["ask", "observed"] == pytest.approx(0, abs=1e-9)


def test_nine_in_ten_intervals_hold_what_was_planted():
    inside = 0
    for seed in range(40):
        linked = company(500, effect=0.3, seed=seed)
        row = touchpoint_moments(linked, halves(linked)).set_index("activity").loc["complaint"]
        inside += row["observed_low"] <= 0.15 <= row["observed_high"]

    assert inside >= 36


def answered(n):
    """The refused leave, the praised stay, the odd ones leave on the first side only, of the even ones half."""
    rows = []
    for i in range(n):
        middle = ("refused", "praised", "odd", "even")[i // 2 % 4]
        leaves = {"refused": True, "praised": False, "odd": i % 2 == 0, "even": i % 16 < 8}[middle]
        rows += [(f"j{i:05}", f"c{i}", name, float(day)) for day, name in enumerate(["ask", middle, "bye"])]
        rows += [(f"x{i:05}", f"c{i}", "left", 9.0)] if leaves else []
    return linked_of(rows)


def test_a_step_decides_only_if_held_out_journeys_agree():
    linked = answered(800)

    found = deciding_steps(linked, halves(linked)).set_index(["source", "target"])

    assert found["decides"].to_dict() == {
        ("ask", "refused"): "outcome", ("refused", "bye"): "outcome", ("ask", "praised"): "no outcome",
        ("praised", "bye"): "no outcome", ("ask", "odd"): "", ("odd", "bye"): "", ("ask", "even"): "",
        ("even", "bye"): "",
    }  # fmt: skip
    assert found.loc[("ask", "odd"), ["rate", "holdout_rate"]].tolist() == [1.0, 0.0]
    assert found.loc[("ask", "refused"), ["n", "weight", "holdout_n", "events_left"]].tolist() == [100, 18.0, 100, 1.0]


def test_fifty_of_fifty_do_not_decide_yet():
    linked = answered(400)

    found = deciding_steps(linked, halves(linked)).set_index(["source", "target"])

    # Wilson: 50 of 50 is .929 at least.
    assert found.loc[("ask", "refused"), ["n", "rate", "decides"]].tolist() == [50, 1.0, ""]
    assert found.loc[("ask", "refused"), "rate_low"] == pytest.approx(0.9287, abs=1e-4)


def test_a_rare_outcome_is_not_decided_by_every_step():
    rows = [(f"j{i:05}", f"c{i}", name, float(day)) for i in range(1000) for day, name in enumerate(["ask", "pay"])]
    rows += [(f"x{i:05}", f"c{i}", "left", 9.0) for i in range(0, 1000, 50)]

    linked = linked_of(rows)

    # Two in a hundred leave, whatever they do: that is the overall rate and no decision.
    assert deciding_steps(linked, halves(linked))["decides"].tolist() == [""]


def test_one_outcome_only_has_no_moments():
    linked = linked_of([(f"j{i}", f"c{i}", "ask", 0.0) for i in range(40)])

    found = moments_of_truth(linked, halves(linked))

    assert found.touchpoints.columns.tolist() == TOUCHPOINTS
    assert found.touchpoints.empty
    assert found.steps.empty


def test_few_journeys_at_a_touchpoint_say_nothing():
    linked = company(60, effect=0.4)
    few = company(40, effect=0.4)

    assert touchpoint_moments(linked, halves(linked))["activity"].tolist() == ["pay", "ask"]
    assert touchpoint_moments(few, halves(few)).columns.tolist() == TOUCHPOINTS
    assert touchpoint_moments(few, halves(few)).empty
