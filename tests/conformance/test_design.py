"""The design language: what it reads, and how it says what is wrong and where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.design import read_design
from journeymining.conformance.design_file import read_design_file
from journeymining.conformance.draft import draft_design, drafted_flow
from journeymining.conformance.draw import design_dot, draw_design
from journeymining.conformance.flow import flow_net, parse_flow, write_flow
from journeymining.conformance.reachability import reachability_graph
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import InputError, SpecError, UsageError

EXAMPLE = """journey: order-broadband
version: 1
scope: {product: broadband, customer_group: consumer, start: order_placed, end: [modem_active, order_cancelled]}
personas: [starter, mover]
phases: [awareness, orientation, purchase, use, service]
actors: {customer: end_user, shop: provider, carrier: provider}
touchpoints:
  order_placed:    {phase: purchase, from: customer, to: shop, channel: [web, store], kind: functional}
  confirmation:    {phase: purchase, from: shop, to: customer, channel: [email], kind: functional}
  modem_shipped:   {phase: purchase, from: shop, to: customer, channel: [parcel], kind: functional}
  track_parcel:    {phase: purchase, from: customer, to: carrier, channel: [web], optional: true}
  modem_delivered: {phase: use, from: carrier, to: customer, channel: [parcel], moment_of_truth: true}
  welcome_call:    {phase: use, from: shop, to: customer, channel: [phone], kind: emotional, moment_of_truth: true}
  modem_active:    {phase: use, action: customer}
flow: order_placed > confirmation > modem_shipped > modem_delivered > welcome_call? > modem_active   # ? optional
rules:
  - precedence: [confirmation, modem_shipped]      # ship only after confirmation
  - response: [order_placed, confirmation]
  - absence: {activity: call_helpdesk, max: 0, before: modem_active}
  - not_coexist: [modem_active, order_cancelled]
promises:
  - {from: order_placed, to: confirmation, within: 1h}
  - {from: order_placed, to: modem_delivered, within: 3 days, business_days: true}
survey: [{metric: ces, level: contact, after: call_helpdesk}, {metric: csat, level: journey, after: modem_active}]
outcomes: [{type: churn, window: 180d}, {type: nps, level: relation}]
mask_for_prediction: [order_cancelled, exit_survey]
"""


@pytest.fixture
def example(tmp_path):
    file = tmp_path / "journey.yaml"
    file.write_text(EXAMPLE)
    return file


def test_the_example_of_the_language_is_read(example):
    design = read_design(example)

    assert design.name == "order-broadband"
    assert design.anywhere == ["track_parcel"]
    assert design.start == ("order_placed",)
    assert design.touchpoints["modem_active"].sender == "customer"
    assert [promise.text for promise in design.promises] == [
        "within 1 hour after order_placed",
        "within 3 days on business days after order_placed",
    ]
    assert len(design.rules) == 4


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("welcome_call? >", "welcom_call? >", r"journey.yaml:15:1: flow: 'welcom_call' is not among.*'welcome_call'\?"),
        ("confirmation, modem_shipped]", "confirmation, modem_shiped]", r":17:.*modem_shiped.*'modem_shipped'\?"),
        ("phase: use, action", "phase: usage, action", r":14:.*touchpoint 'modem_active': 'usage'.*'use'\?"),
        ("from: carrier, to", "from: carier, to", r":12:.*touchpoint 'modem_delivered': 'carier'.*'carrier'\?"),
        ("carrier: provider", "carrier: provder", r":6:.*actor 'carrier': 'provder'.*'provider'\?"),
        ("within: 1h", "within: soon", r":22:.*Not a duration: 'soon'"),
        ("to: modem_delivered, within", "to: modem_delivred, within", r":23:.*promise: 'modem_delivred'"),
        ("optional: true", "optionl: true", r":11:.*unknown key 'optionl'.*'optional'\?"),
        ("  - response:", "  - respond:", r":18:.*rule 2: unknown template 'respond'.*'response'\?"),
        ("flow: order_placed >", "flow: order_placed > >", r":15:1: flow, character 16: expected a touchpoint"),
        ("journey: order-broadband\n", "", r"key 'journey' is missing"),
        ("flow: order_placed", "model: x.yaml\nflow: order_placed", r":15:1: a design has a flow or a model, not both"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_was_meant(example, old, new, says):
    assert old in EXAMPLE
    example.write_text(EXAMPLE.replace(old, new))

    with pytest.raises(SpecError, match=says):
        read_design_file(example)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a > > b", "character 5: expected a touchpoint, '\\(' or '\\{' after '>', found '>'"),
        ("a > (b | c", "expected '\\)' after 'c', found the end"),
        ("{a, b", "expected '\\}' after 'b', found the end"),
        ("a b", "character 3: expected '>', '\\|' or the end after 'a', found 'b'"),
        ("", "expected a touchpoint, '\\(' or '\\{' after 'the start', found the end"),
        ("a, b", "found ','"),
    ],
)
def test_a_flow_says_where_it_stops_making_sense(text, says):
    with pytest.raises(SpecError, match=says):
        parse_flow(text)


def test_a_calendar_is_checked(make_design):
    with pytest.raises(SpecError, match=r"'Europe/Amsterdm' is no time zone"):
        make_design("journey: x\nflow: a\ncalendar: {timezone: Europe/Amsterdm}\n")
    with pytest.raises(SpecError, match=r"'25-12-2026' is no date"):
        make_design("journey: x\nflow: a\ncalendar: {holidays: ['25-12-2026']}\n")
    with pytest.raises(SpecError, match=r"'Monday' is not among the days"):
        make_design("journey: x\nflow: a\ncalendar: {working_days: [Monday]}\n")
    assert make_design("journey: x\nflow: a\ncalendar: {holidays: [2026-12-25]}\n").calendar.holidays == ("2026-12-25",)


def test_a_design_that_says_nothing_is_refused(make_design):
    with pytest.raises(SpecError, match="says nothing that can be checked"):
        make_design("journey: x\ntouchpoints: {a: {}}\n")


def test_an_unknown_ending_is_refused(tmp_path):
    file = tmp_path / "design.doc"
    file.write_text("x")

    with pytest.raises(InputError, match=r"ends in .yaml, .bpmn"):
        read_design(file)
    with pytest.raises(InputError, match="no such file"):
        read_design(tmp_path / "nothing.yaml")


def test_a_log_without_a_journey_in_scope_says_what_was_looked_for(check):
    with pytest.raises(InputError, match=r"none has order\. The log has: call"):
        check("journey: x\nscope: {start: order}\nflow: order > pay\n", {"1": ["call"]})


def test_what_was_never_observed_is_listed(check):
    found = check("journey: x\nflow: order > pay > ship\n", {"1": ["order", "pey"]})

    assert found.summary["never_observed"] == ["pay", "ship"]
    assert found.summary["not_in_design"] == ["pey"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("abcde", min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_drafted_flow_allows_every_path_it_was_drawn_from(paths):
    net = flow_net(drafted_flow([list(path) for path in paths]))
    number = {label: place for place, label in enumerate(net.alphabet)}

    found = align(
        reachability_graph(net),
        [np.array([number[one] for one in path], dtype=np.int32) for path in paths],
        symbol_labels=np.arange(len(number), dtype=np.int32),
        transition_labels=np.array([number.get(label, -1) for label in net.labels], dtype=np.int32),
        costs=unit_costs(net, len(number)),
    )

    assert not found.cost.any()


def test_a_draft_covers_the_journeys_asked_for(make_table, make_design, check):
    journeys = {f"{number:02d}": ["order", "pay"] if number < 8 else ["order", "call", "pay"] for number in range(10)}
    with prepare(make_table(journeys)) as log:
        some, everything = draft_design(log, coverage=0.8), draft_design(log, coverage=1)
        with pytest.raises(UsageError, match="coverage is 0"):
            draft_design(log, coverage=0)

    assert (some.covered, some.variants, write_flow(some.flow)) == (8, 1, "order > pay")
    assert write_flow(everything.flow) == "order > call? > pay"
    assert check(make_design(everything.text), journeys).summary["fitting"]["journeys"] == 10


def test_a_picture_shows_what_may_follow_what(example):
    dot = design_dot(read_design(example))
    picture = draw_design(read_design(example))

    assert '"modem_delivered" -> "welcome_call";' in dot
    assert '"modem_delivered" -> "modem_active";' in dot
    assert '"order_placed" -> "modem_shipped"' not in dot
    assert picture.startswith(b"<?xml")
    assert b"welcome_call" in picture


def test_names_cannot_break_out_of_a_picture(make_design):
    dot = design_dot(make_design("journey: x\nrules:\n  - init: a\ntouchpoints:\n  'a\"]; evil': {}\n"))

    assert '"a\\"]; evil"' in dot
    assert "evil" not in dot.replace('"a\\"]; evil"', "")


@pytest.mark.parametrize(
    ("promises", "says"),
    [
        ("[a, a]", r"design.yaml:4:5: promise 1: from 'a' to 'a' closes a circle of promises.*leave it out"),
        ("[a, b] [b, c] [c, a]", r"design.yaml:6:5: promise 3: from 'c' to 'a' closes a circle"),
    ],
)
def test_promises_that_lead_back_are_refused(make_design, promises, says):
    pairs = [one.strip("[]").split(", ") for one in promises.split("] [")]
    lines = [f"  - {{from: {one}, to: {other}, within: 1 day}}\n" for one, other in pairs]

    with pytest.raises(SpecError, match=says):
        make_design(f"journey: x\nflow: a > b > c\npromises:\n{''.join(lines)}")


def test_promises_that_meet_again_are_no_circle(make_design):
    text = "journey: x\nflow: a > b > c\npromises:\n"
    pairs = (("a", "b"), ("b", "c"), ("a", "c"))

    design = make_design(text + "".join(f"  - {{from: {one}, to: {to}, within: 1 day}}\n" for one, to in pairs))

    assert len(design.promises) == 3
