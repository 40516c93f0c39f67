"""Personas with designs of their own, and figures per segment and period: hand-made cases."""

from __future__ import annotations

import pyarrow as pa
import pytest

from journeymining.conformance.conform import conform
from journeymining.conformance.flow import write_flow
from journeymining.conformance.personas import EVERYONE_ELSE, by_segment, conform_personas, segments_of
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import InputError, SpecError

DESIGN = """journey: x
touchpoints: {order: {}, call: {optional: true}, deliver: {}, survey: {}}
flow: order > call? > deliver > survey
promises:
  - {from: order, to: deliver, within: 10 h}
personas:
  mover:
    where: {kind: mover}
    touchpoints: {call: {optional: false}, survey: {optional: true}}
    promises:
      - {from: order, to: deliver, within: 1 h}
  expert: {where: {kind: expert}, flow: order > survey}
"""

ALL = ["order", "call", "deliver", "survey"]
JOURNEYS = {
    "m1": ALL,
    "m2": ["order", "deliver", "survey"],
    "m3": ["order", "call", "deliver"],
    "e1": ["order", "survey"],
    "e2": ["order", "deliver", "survey"],
    "o1": ["order", "deliver", "survey"],
    "o2": ["order", "deliver"],
    "n1": ["order", "call", "deliver", "survey"],
}
KINDS = {"m": "mover", "e": "expert", "o": "other", "n": None}


@pytest.fixture
def judged(make_table, make_design):
    """Judge `JOURNEYS` by a design, told apart by their kind; return what was found and by segment."""

    def run(text=DESIGN, buckets=None):
        events = make_table(JOURNEYS)
        kinds = [KINDS[name[0]] for name in events["journey_id"].to_pylist()]
        events = events.append_column("kind", pa.array(kinds, pa.string()))
        segments = segments_of(events, "kind")
        with prepare(events, buckets=buckets) as log:
            found = conform_personas(log, make_design(text), {"kind": segments})
            return found, by_segment(log, found, segments)

    return run


def test_journeys_are_judged_by_the_design_of_their_persona(judged):
    found, _ = judged()

    costs = dict(zip(found.journeys["journey_id"], found.journeys["cost"], strict=True))
    personas = dict(zip(found.journeys["journey_id"], found.journeys["persona"], strict=True))
    assert costs == {"m1": 0, "m2": 1, "m3": 0, "e1": 0, "e2": 1, "o1": 0, "o2": 1, "n1": 0}
    assert {name: personas[name] for name in ("m1", "e1", "o1", "n1")} == {
        "m1": "mover", "e1": "expert", "o1": EVERYONE_ELSE, "n1": EVERYONE_ELSE,
    }  # fmt: skip
    findings = sorted(found.findings[["journey_id", "type", "touchpoint"]].itertuples(index=False, name=None))
    # Movers are promised delivery within an hour: with the call before, it takes two.
    assert findings == [
        ("e2", "ad_hoc", "deliver"),
        ("m1", "late", "deliver"),
        ("m2", "missing", "call"),
        ("m3", "late", "deliver"),
        ("o2", "dead_end", "deliver"),
        ("o2", "missing", "survey"),
    ]


def test_counts_per_persona_add_up_to_the_whole(judged):
    found, _ = judged()

    rows = found.personas[["persona", "journeys", "following", "deviating"]].values.tolist()
    assert rows == [["everyone else", 3, 2, 1], ["expert", 2, 1, 1], ["mover", 3, 2, 3]]
    assert found.summary["journeys"] == {"in_log": 8, "in_scope": 8, "outside": 0, "open": 0, "ended_otherwise": 0}
    assert found.summary["fitting"]["journeys"] == 5
    assert found.summary["events"]["judged"] == sum(map(len, JOURNEYS.values()))
    assert found.summary["events"]["outside"] == 0
    worst = sum(one["worst_cost"] for one in found.summary["personas"].values())
    assert found.summary["log_fitness"] == pytest.approx(1 - 3 / worst)
    assert found.variants["journeys"].sum() == 8
    late = found.deviations[found.deviations["type"] == "late"].iloc[0]
    assert (late["journeys"], late["share"]) == (2, 0.25)


def test_a_design_without_personas_of_its_own_gives_what_conform_gives(make_table, make_design, judged):
    text = DESIGN[: DESIGN.index("personas")]
    found, _ = judged(text)

    with prepare(make_table(JOURNEYS)) as log:
        alone = conform(log, make_design(text))

    assert found.journeys.equals(alone.journeys)
    assert found.summary == alone.summary
    assert found.personas is None


def test_buckets_change_nothing(judged):
    one, many = judged(buckets=1)[0], judged(buckets=8)[0]

    assert one.deviations.equals(many.deviations)
    assert one.journeys.equals(many.journeys)
    assert one.summary == many.summary


def test_a_persona_that_nobody_is_has_no_row(judged):
    found, _ = judged(DESIGN.replace("{kind: expert}", "{kind: nobody}"))

    assert found.personas["persona"].tolist() == ["everyone else", "mover"]
    assert found.summary["journeys"]["in_scope"] == 8


def test_deviations_per_segment_and_period(judged):
    _, (shares, deviations) = judged()

    assert shares[["segment", "journeys", "following"]].values.tolist() == [
        ["", 1, 1], ["expert", 2, 1], ["mover", 3, 2], ["other", 2, 1],
    ]  # fmt: skip
    assert {str(one.date()) for one in shares["period"]} == {"2026-03-01"}
    rows = deviations[["segment", "type", "touchpoint", "journeys", "of"]].values.tolist()
    assert rows == [
        ["expert", "ad_hoc", "deliver", 1, 2],
        ["mover", "late", "deliver", 2, 3],
        ["mover", "missing", "call", 1, 3],
        ["other", "dead_end", "deliver", 1, 2],
        ["other", "missing", "survey", 1, 2],
    ]
    assert (deviations["share_low"] < deviations["share"]).all()


def test_a_persona_changes_the_common_design(make_design):
    mover, expert = make_design(DESIGN).own_designs

    assert write_flow(mover.design.flow) == "order > call > deliver > survey"
    assert write_flow(expert.design.flow) == "order > survey"
    assert [one.text for one in mover.design.promises] == ["within 1 hour after order"]
    assert expert.design.promises == make_design(DESIGN).promises
    assert (mover.attribute, mover.value) == ("kind", "mover")


def test_names_of_personas_alone_change_nothing(make_design):
    assert make_design("journey: x\nflow: a\npersonas: [starter, mover]\n").own_designs == ()


@pytest.mark.parametrize(
    ("persona", "says"),
    [
        ("{flow: a}", "where"),
        ("{where: {kind: x, size: y}}", "where"),
        ("{where: {kind: x}, flow: a > }", "design.yaml:4"),
        ("{where: {kind: x}, flow: a > d}", "'d' is not among the touchpoints"),
        ("{where: {kind: x}, touchpoints: {d: {optional: true}}}", "persona 'mover': 'd' is not among"),
        ("{where: {kind: x}, touchpoints: {a: {phase: use}}}", "phase"),
    ],
)
def test_a_wrong_persona_is_refused(make_design, persona, says):
    with pytest.raises(SpecError) as refusal:
        make_design(f"journey: x\ntouchpoints: {{a: {{}}}}\nflow: a\npersonas: {{mover: {persona}}}\n")

    assert says in str(refusal.value)


def test_an_attribute_that_the_log_lacks_is_named(make_table):
    with pytest.raises(InputError, match="kind"):
        segments_of(make_table(JOURNEYS), "kind")
