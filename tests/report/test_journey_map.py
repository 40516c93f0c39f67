"""The map counts what the tables count, and says what of it follows the design."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from journeymining.report.journey_map import all_moves, all_touchpoints, map_content
from journeymining.report.run_files import read_run
from journeymining.report.run_paths import END, START


@pytest.fixture
def run(run_folder):
    return read_run(run_folder)


def kinds(run):
    return {(move.source, move.target): move.kind for move in all_moves(run)}


def test_moves_that_follow_the_design_are_told_from_those_that_do_not(run):
    found = kinds(run)

    assert found["order_placed", "confirmation"] == "designed"
    assert found[START, "order_placed"] == "designed"  # what comes before it is optional
    assert found["modem_delivered", "modem_active"] == "designed"  # the welcome call is optional
    assert found["offer_viewed", "offer_viewed"] == "designed"  # the design lets it repeat
    assert found["modem_delivered", "modem_delivered"] == "departs"  # but not this
    assert found["order_placed", "modem_shipped"] == "departs"  # the confirmation is skipped
    assert found["modem_shipped", "confirmation"] == "departs"
    assert found["helpdesk_call", "modem_active"] == "departs"
    assert found["modem_shipped", END] == "departs"


def test_without_a_design_no_move_departs_from_it(run):
    assert set(kinds(replace(run, design=None)).values()) == {"neutral"}


def test_starts_and_ends_add_up_to_the_journeys(run):
    moves = all_moves(run)

    assert sum(move.events for move in moves if move.source == START) == 1000
    assert sum(move.events for move in moves if move.target == END) == 1000


def test_what_is_drawn_and_what_is_left_to_the_table_add_up(run):
    content = map_content(run, most_touchpoints=4, most_moves=5)

    moves = all_moves(run)
    assert (
        content.all_events == sum(move.events for move in moves) == 6350 + 1000
    )  # a journey of n events makes n + 1 moves
    assert content.shown_events == sum(move.events for move in content.moves)
    assert content.all_moves == len(moves)
    assert 0 < content.covered < 1


def test_every_touchpoint_shown_keeps_its_most_frequent_way_in_and_out(run):
    content = map_content(run, most_moves=1)

    for point in content.touchpoints:
        assert any(move.target == point.name != move.source for move in content.moves), point.name
        assert any(move.source == point.name != move.target for move in content.moves), point.name


def test_a_journey_in_two_channels_counts_once(run):
    order = next(point for point in all_touchpoints(run) if point.name == "order_placed")

    assert order.journeys == 1000
    assert order.channels == {"web": 900, "phone": 100}
    assert order.channel == "web"


def test_a_designed_touchpoint_that_never_occurs_is_shown_as_such(run_folder):
    design = json.loads((run_folder / "design.json").read_text())
    design["touchpoints"].append({"name": "thank_you_card", "phase": "use", "channels": ["post"]})
    design["order"].append("thank_you_card")
    (run_folder / "design.json").write_text(json.dumps(design))

    content = map_content(read_run(run_folder))

    card = next(point for point in content.touchpoints if point.name == "thank_you_card")
    assert (card.journeys, card.number, card.channel) == (0, 8, "post")


def test_what_only_journeys_outside_the_scope_do_departs_from_nothing(partly_judged_folder):
    run = read_run(partly_judged_folder)

    assert run.in_scope.journeys == 970
    assert kinds(run)["confirmation", "help_page"] == "neutral"
    assert kinds(run)["modem_delivered", "help_page"] == "departs"
    scoped, everything = map_content(run, in_scope=True), map_content(run)
    assert (scoped.journeys, everything.journeys) == (970, 1000)
    assert everything.all_events - scoped.all_events == 30 * 7  # six events, a start and an end: seven moves


def test_paths_that_do_not_add_up_to_the_scope_are_not_taken_for_it(run_folder):
    summary = json.loads((run_folder / "conformance.json").read_text())
    summary["journeys"]["in_scope"] = 999
    (run_folder / "conformance.json").write_text(json.dumps(summary))

    assert read_run(run_folder).in_scope is None


def test_a_design_of_branches_has_no_main_order_and_its_fitting_paths_say_what_follows_it(run_folder):
    design = json.loads((run_folder / "design.json").read_text())
    design["order"] = ["welcome_call"]
    (run_folder / "design.json").write_text(json.dumps(design))

    run = read_run(run_folder)

    assert all(point.number is None for point in all_touchpoints(run))
    found = kinds(run)
    assert found["order_placed", "confirmation"] == "designed"  # a path without cost makes it
    assert found[START, "order_placed"] == "designed"
    assert found["modem_shipped", "confirmation"] == "neutral"  # the order does not say
    assert found["helpdesk_call", "modem_active"] == "departs"  # the helpdesk is not in the design
