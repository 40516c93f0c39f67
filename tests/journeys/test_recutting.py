"""Cutting again only what changed gives what cutting everything gives, and touches nobody else."""

from __future__ import annotations

import json
import random

import pyarrow.parquet as pq
import pytest

from journeymining.journeys.cutting import JourneyConfig
from journeymining.journeys.event_log import make_event_log
from journeymining.journeys.touchpoints import TouchpointConfig

CUTS = {
    "nothing cuts": {},
    "gap": {"cut": {"gap": "5 days"}},
    "start and end": {"cut": {"gap": "9 days", "start": ["look"], "end": ["pay"], "goal": ["pay"]}},
    "case": {"by": "topic", "cut": {"end": ["pay"]}},
}
RULES = TouchpointConfig.model_validate(
    {"rules": [{"activity": "^ping", "drop": True}, {"activity": "buy", "is": "pay"}]}
)
ACTIVITIES = ("look", "order", "call", "pay", "ping", "buy")


def someone(draw, number):
    """Draw an event of one of thirty customers."""
    return {
        "event_id": f"e{number:04d}",
        "source": "shop",
        "customer_id": f"c{draw.randrange(30):02d}",
        "day": draw.choice([None, *range(40)]),
        "activity": draw.choice(ACTIVITIES),
        "topic": draw.choice([None, "x", "y"]),
        "source_order": draw.choice([None, 1, 2]),
    }


def cut(events, config, folder, last):
    """Cut a table of events; return the counts and both tables."""
    customers = events.select(["source", "event_id", "customer_id"])
    given = events.drop_columns(["customer_id"])
    counts = make_event_log(
        given, customers, RULES, {"sale": ["order", "pay"]}, JourneyConfig.model_validate(config), out=folder, last=last
    )
    return counts, pq.read_table(folder / "events.parquet"), pq.read_table(folder / "journeys.parquet")


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("seed", range(3))
def test_a_next_day_gives_what_cutting_everything_gives(name, seed, make_events, tmp_path):
    draw = random.Random(seed)
    rows = [someone(draw, number) for number in range(150)]
    kept = tmp_path / "kept"
    cut(make_events(*rows), CUTS[name], kept, last=kept)
    for day in range(4):
        # New and late events, one that is gone, one that is another, and one that is another customer's.
        before = {row["event_id"]: dict(row) for row in rows}
        rows += [someone(draw, len(rows) + 1000 * (day + 1) + extra) for extra in range(draw.randrange(4))]
        rows.pop(draw.randrange(len(rows)))
        draw.choice(rows)["activity"] = draw.choice(ACTIVITIES)
        draw.choice(rows)["customer_id"] = f"c{draw.randrange(30):02d}"
        now = {row["event_id"]: row for row in rows}
        touched = {
            row["customer_id"]
            for one, other in ((before, now), (now, before))
            for event_id, row in one.items()
            if row != other.get(event_id)
        }
        draw.shuffle(rows)

        again, events, journeys = cut(make_events(*rows), CUTS[name], kept, last=kept)

        fresh, all_events, all_journeys = cut(make_events(*rows), CUTS[name], tmp_path / f"fresh{day}", last=None)
        there = {row["customer_id"] for row in rows}
        assert len(touched & there) < len(there)
        assert again.pop("cut_again") == {"customers": len(touched & there), "of": len(there)}
        assert fresh.pop("cut_again") == {"customers": len(there), "of": len(there)}
        assert again == fresh
        assert events.equals(all_events)
        assert journeys.equals(all_journeys)


def test_changed_journeys_are_those_that_came_went_or_have_other_marks(make_events, tmp_path):
    first = [("A", 0, "look"), ("A", 1, "order"), ("B", 0, "look"), ("C", 30, "look")]
    config = {"cut": {"gap": "20 days"}}
    _, _, before = cut(make_events(*first), config, tmp_path, last=tmp_path)
    first_state = json.loads((tmp_path / "cut" / "state.json").read_text())

    _, _, now = cut(make_events(*first, ("B", 45, "pay")), config, tmp_path, last=tmp_path)

    state = json.loads((tmp_path / "cut" / "state.json").read_text())
    changed = set(pq.read_table(tmp_path / "cut" / "changed.parquet")["journey_id"].to_pylist())
    of_b = {row["journey_id"] for row in now.to_pylist() if row["customer_id"] == "B"}
    assert changed == of_b
    assert len(of_b) == 2
    assert state["since"] == first_state["version"] != state["version"]

    # Day 60 ends the observation: the journeys of C (day 30) and of B (day 45) are not both open any more.
    _, _, later = cut(make_events(*first, ("B", 45, "pay"), ("D", 60, "look")), config, tmp_path, last=tmp_path)
    changed = set(pq.read_table(tmp_path / "cut" / "changed.parquet")["journey_id"].to_pylist())
    opened = {row["journey_id"]: row["open"] for row in now.to_pylist()}
    closed = {
        row["journey_id"] for row in later.to_pylist() if opened.get(row["journey_id"], row["open"]) != row["open"]
    }
    new = {row["journey_id"] for row in later.to_pylist() if row["customer_id"] == "D"}
    assert closed == {row["journey_id"] for row in now.to_pylist() if row["customer_id"] == "C"}
    assert changed == closed | new
    assert before.num_rows == 3


def test_other_settings_or_files_that_were_touched_cut_everybody_again(make_events, tmp_path):
    events = make_events(("A", 0, "look"), ("B", 1, "order"))
    assert cut(events, CUTS["gap"], tmp_path, last=tmp_path)[0]["cut_again"]["customers"] == 2
    assert cut(events, CUTS["gap"], tmp_path, last=tmp_path)[0]["cut_again"]["customers"] == 0
    assert cut(events, CUTS["start and end"], tmp_path, last=tmp_path)[0]["cut_again"]["customers"] == 2

    path = tmp_path / "events.parquet"
    pq.write_table(pq.read_table(path).slice(0, 1), path)
    counts, found, _ = cut(events, CUTS["start and end"], tmp_path, last=tmp_path)
    assert counts["cut_again"]["customers"] == 2
    assert found.num_rows == 2


def test_a_cut_that_was_not_finished_is_not_built_upon(make_events, tmp_path):
    events = make_events(("A", 0, "look"), ("B", 1, "order"))
    cut(events, CUTS["gap"], tmp_path, last=tmp_path)
    (tmp_path / "cut" / "state.json").unlink()

    assert cut(events, CUTS["gap"], tmp_path, last=tmp_path)[0]["cut_again"]["customers"] == 2


def test_the_hash_of_a_row_depends_on_every_column(make_events, tmp_path):
    given = {"customer_id": "A", "day": 0, "activity": "look", "source_order": 1, "channel": "web", "status": "done"}
    cut(make_events(given), CUTS["gap"], tmp_path, last=tmp_path)
    for name, value in (("day", 1), ("source_order", 2), ("channel", None), ("status", "failed"), ("time_text", "t")):
        given[name] = value
        events = make_events(given)
        for changed in (1, 0):
            counts, _, _ = cut(events, CUTS["gap"], tmp_path, last=tmp_path)
            assert counts["cut_again"]["customers"] == changed, name
