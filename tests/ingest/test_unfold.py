"""Records inside records, versions of records, fields that belong together, and files that name their fields."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeymining.exceptions import SpecError
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.readers import _objects
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector
from journeymining.testing.connectors import sample_rows

TIME = "2026-03-01T10:00:00Z"


def connector(tmp_path, stream, sample="", name="data.jsonl"):
    """Write a connector with one stream, and its sample."""
    spec = {"connector": "own", "title": "Own", "streams": {"records": stream}, "sample": {"path": f"sample/{name}"}}
    (tmp_path / "connector.yaml").write_text(json.dumps(spec), encoding="utf-8")
    (tmp_path / "sample").mkdir(exist_ok=True)
    (tmp_path / "sample" / name).write_text(sample, encoding="utf-8")
    return tmp_path


def lines(*records):
    return "\n".join(json.dumps(record) for record in records) + "\n"


def legs(**changes):
    return {
        "format": {"type": "json_lines"},
        "unfold": {"call": "calls", "leg": "call.legs"},
        "fields": {"day": "day", "call": "call.id", "place": "leg.#", "kind": "leg.kind", "first": "call.legs.0.kind"},
        "key": ["call", "place"],
        "events": [
            {"activity": {"field": "kind"}, "present": "kind", "time": {"field": "day"}, "topic": {"field": "first"}}
        ],
        **changes,
    }


def quality(folder):
    config = SourceConfig(connector=str(folder), path="sample/data.jsonl")
    return ingest_sources(
        {"s": config}, timezone=None, region=None, key=None, out=folder / "out", base=folder, threads=1
    )


def test_members_of_nested_lists_are_records_and_empty_lists_are_counted(tmp_path):
    calls = [{"id": 1, "legs": [{"kind": "ivr"}, {"kind": "agent"}]}, {"id": 2, "legs": []}, {"id": 3}]
    sample = lines({"day": TIME, "calls": calls}, {"day": TIME, "calls": None}, {"day": TIME, "calls": "none"})
    folder = connector(tmp_path, legs(), sample)

    assert [(row["activity"], row["topic"]) for row in sample_rows(folder)] == [("ivr", "ivr"), ("agent", "ivr")]
    counts = quality(folder)["sources"]["s"]["streams"]["records"]
    assert (counts["records"], counts["events"], counts["records_without_event"]) == (3, 2, 2)


def test_two_members_of_one_line_with_one_key_are_one_event_and_a_duplicate(tmp_path):
    calls = [{"id": 1, "legs": [{"kind": "agent"}, {"kind": "agent"}, {"kind": "ivr"}]}]
    folder = connector(tmp_path, legs(key=["call", "kind"]), lines({"day": TIME, "calls": calls}))

    assert [row["activity"] for row in sample_rows(folder)] == ["agent", "ivr"]
    counts = quality(folder)["sources"]["s"]["streams"]["records"]
    assert counts["left_out"] == {"duplicate": 1}
    assert counts["candidates"] == counts["events"] + 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": "content"}, "'unfold' needs a 'key'"),
        ({"format": {"type": "csv"}}, "'unfold' is for lists inside JSON"),
        ({"values": {"x": {"field": "day", "join": "-"}}}, "'join' says what stands between several fields"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, changes, reason):
    folder = connector(tmp_path, legs(**changes))

    with pytest.raises(SpecError, match=reason):
        read_connector(folder / "connector.yaml")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize(
    ("versions", "newest", "oldest"),
    [
        (["2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z", "2026-02-27T10:00:00Z"], 1, 2),
        (["2026-03-01T10:00:00Z", "2026-03-01T10:00:00.5Z", "2026-03-01T11:59:59+02:00"], 1, 2),
        ([9, 10, 2], 1, 2),
        ([None, "5", "40"], 2, 1),
    ],
)
def test_the_newest_or_the_oldest_version_of_a_record_counts(tmp_path, versions, newest, oldest, order):
    stream = {
        "format": {"type": "json_lines"},
        "fields": {"id": "id", "at": "at", "version": "version", "place": "place"},
        "key": ["id"],
        "events": [{"activity": "changed", "time": {"field": "at"}, "topic": {"field": "place"}}],
    }
    records = [
        {"id": 1, "at": TIME, "version": version, "place": f"p{place}"} for place, version in enumerate(versions)
    ]
    sample = lines(*(records[place] for place in order))
    for rule, place in (("last_by", newest), ("first_by", oldest)):
        stream["collapse"] = {"by": {"field": "id"}, rule: "version"}

        assert [row["topic"] for row in sample_rows(connector(tmp_path, stream, sample))] == [f"p{place}"]


def test_fields_that_belong_together_are_joined_or_nothing(tmp_path):
    stream = {
        "format": {"type": "csv"},
        "fields": ["day", "hour", "high", "low"],
        "events": [
            {
                "activity": "hit",
                "time": {"field": ["day", "hour"], "join": "T", "zone": "UTC"},
                "topic": {"field": ["high", "low"], "join": "-"},
            }
        ],
    }
    sample = "day,hour,high,low\n2026-03-01,10:00:00,1,2\n2026-03-01,11:00:00,1,\n2026-03-01,,1,2\n"

    rows = sample_rows(connector(tmp_path, stream, sample, "data.csv"))

    assert [(row["timestamp"][11:16], row["topic"], row["reason"]) for row in rows] == [
        ("10:00", "1-2", ""),
        ("11:00", "", ""),
        ("", "", "time: missing"),
    ]


def test_a_path_leads_into_json_and_into_a_text_that_is_json(tmp_path):
    stream = {
        "format": {"type": "json_lines"},
        "fields": {"at": "at", "more": "more"},
        "key": "content",
        "events": [{"activity": "seen", "time": {"field": "at"}, "topic": {"field": "more", "path": "$page.urls.1"}}],
    }
    more = {"$page": {"urls": ["/a", "/b"]}}
    sample = lines(*({"at": TIME, "more": text} for text in (more, json.dumps(more), "{no", None)))

    assert [row["topic"] for row in sample_rows(connector(tmp_path, stream, sample))] == ["/b", "/b", "", ""]


def test_a_line_of_field_names_holds_until_the_next_one(tmp_path):
    stream = {
        "format": {"type": "w3c", "delimiter": " ", "nulls": ["-"]},
        "fields": ["time", "cs-method", "sc-status"],
        "events": [{"activity": "hit", "time": {"field": "time"}, "topic": {"field": "cs-method"}}],
    }
    sample = (
        f"{TIME} GET 200\n#Fields: time cs-method sc-status\n{TIME} GET 200\n\n"
        f"#Fields: sc-status x time\r\n404 y {TIME}\r\n404 {TIME}\n"
    )

    rows = sample_rows(connector(tmp_path, stream, sample, "data.log"))

    assert [(row["topic"], row["reason"], row["place"][-2:]) for row in rows] == [
        ("GET", "", ""),
        ("", "", ""),
        ("", "record: no #Fields line before it", ":1"),
        ("", "record: number of fields", ":7"),
    ]


@given(st.lists(st.dictionaries(st.text(), st.text(alphabet='{}"\\ a\n') | st.integers()), min_size=1, max_size=4))
def test_objects_on_one_line_are_told_apart_whatever_they_hold(records):
    line = "".join(json.dumps(record) for record in records)

    assert [json.loads(text) for _, text in _objects([(1, line)])] == records
    assert [number for number, _ in _objects([(1, line), (2, "{}")])] == list(range(1, len(records) + 2))


def test_what_is_no_object_stays_one_line():
    assert list(_objects([(1, '{"a": 1} {"b"'), (2, "x} {y")])) == [(1, '{"a": 1}'), (2, '{"b"'), (3, "x} {y")]


def test_who_was_not_asked_is_no_answer_but_counted(tmp_path):
    stream = {
        "format": {"type": "json_lines"},
        "fields": {"id": "id", "test": "test", "score": "score"},
        "key": ["id"],
        "survey": {
            "when": {"test": "false"},
            "metric": "nps",
            "value": {"field": "score"},
            "scale_min": 0,
            "scale_max": 10,
        },
    }
    sample = lines(
        {"id": 1, "test": False, "score": 9}, {"id": 2, "test": True, "score": 0}, {"id": 3, "test": False}, {"id": 4}
    )
    folder = connector(tmp_path, stream, sample)

    assert [(row["table"], row["value"]) for row in sample_rows(folder)] == [("survey", "9"), ("survey", "")]
    counts = quality(folder)["sources"]["s"]["streams"]["records"]
    assert (counts["candidates"], counts["unanswered"], counts["records_without_question"]) == (2, 1, 2)
