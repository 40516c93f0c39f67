"""A field that was renamed or left out is said to be, in every format; one that is empty by chance is not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.ingest.drift import compare_fields, drift_notes
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

CONNECTOR = """
connector: desk
title: Complaints
streams:
  complaints:
    format: {format}
    fields: {fields}
    key: [id]
    identifiers: {{email: {{field: mail}}}}
    events: [{{activity: complaint, time: {{field: at}}}}]
"""
DAY = "2026-03-01T10:00:00Z"


def connect(folder, format_, fields, more=""):
    place = folder / "desk"
    place.mkdir(exist_ok=True)
    (place / "connector.yaml").write_text(CONNECTOR.format(format=format_, fields=fields) + more, encoding="utf-8")


def pull(folder, **source):
    given = {"connector": "./desk", "path": "in", "timezone": "UTC"} | source
    config = {"desk": SourceConfig.model_validate(given)}
    return ingest_sources(config, timezone=None, region=None, key=None, out=folder / "out", base=folder, threads=1)


def stream(quality):
    return quality["sources"]["desk"]["streams"]["complaints"]


def in_json(folder, records):
    connect(folder, "{type: json_lines}", "{id: id, at: at, mail: by.mail, kind: kind}")
    (folder / "in").write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")


def records(first, last, *, mail="mail", **more):
    return [{"id": one, "at": DAY, "by": {mail: f"c{one}@example.org"}, **more} for one in range(first, last)]


def test_a_renamed_field_of_json_is_gone_and_the_way_back_is_seen(tmp_path):
    in_json(tmp_path, [*records(0, 4, kind="late"), {"id": 9, "at": DAY}])
    assert stream(pull(tmp_path))["fields_changed"] == {}
    in_json(tmp_path, records(0, 7, mail="email", kind="late"))
    gone = pull(tmp_path)
    in_json(tmp_path, records(0, 9, kind="late"))
    back = pull(tmp_path)

    assert stream(gone)["absent_fields"] == ["mail"]
    assert stream(gone)["fields_changed"] == {"mail": "gone"}
    assert stream(gone)["field_values"]["mail"] == {"with": 0, "without": 7, "before": {"with": 4, "without": 1}}
    assert stream(gone)["field_values"]["kind"] == {"with": 7, "without": 0, "before": {"with": 4, "without": 1}}
    assert list(drift_notes(gone)) == ["source 'desk', complaints: mail is in none of 7 records (before: in 4 of 5)."]
    # That nine with it are by chance none of the seven, but all of the nine others: one of 16! / (9! 7!) = 11,440.
    assert stream(back)["fields_changed"] == {"mail": "new"}
    assert list(drift_notes(back)) == ["source 'desk', complaints: mail is in 9 of 9 records (before: in none of 7)."]


def test_what_is_gone_is_said_as_long_as_it_is(tmp_path):
    in_json(tmp_path, records(0, 5))
    pull(tmp_path)
    for last in (6, 8):
        in_json(tmp_path, records(0, last, mail="email"))
        found = stream(pull(tmp_path))

    assert found["fields_changed"] == {"mail": "gone"}
    assert found["field_values"]["mail"] == {"with": 0, "without": 8, "before": {"with": 5, "without": 0}}


def test_records_that_came_and_lack_a_field_add_up_until_it_is_no_chance(tmp_path):
    said = []
    for further in (0, 1, 1, 2, 3):
        in_json(tmp_path, [*records(0, 20), *records(20, 20 + further, mail="email")])
        said.append(stream(pull(tmp_path))["fields_changed"])

    # The one of 21 that lacks it is the last one: 1 in 21. The two of 22: 1 in 231.
    assert said == [{}, {}, {}, {"mail": "stopped"}, {"mail": "stopped"}]
    assert list(drift_notes(pull(tmp_path))) == [
        "source 'desk', complaints: mail is in 20 of 23 records (before: in 20 of 20)."
    ]


def test_a_field_that_few_records_have_is_no_alarm(tmp_path):
    in_json(tmp_path, [*records(0, 38), *records(38, 40, kind="late")])
    pull(tmp_path)
    in_json(tmp_path, [*records(0, 38), *records(38, 40, kind="late"), *records(40, 60)])
    more = pull(tmp_path)
    in_json(tmp_path, records(0, 60))
    none = pull(tmp_path)
    in_json(tmp_path, [*records(0, 60), *records(60, 61, kind="late")])
    again = pull(tmp_path)

    # Of 60 records two have it: that both are among the first 40 is 40 * 39 / (60 * 59) = 0.44.
    assert (stream(more)["fields_changed"], list(drift_notes(more))) == ({}, [])
    # None at all has it: with the numbers, so that everybody sees how little that says.
    assert list(drift_notes(none)) == ["source 'desk', complaints: kind is in none of 60 records (before: in 2 of 60)."]
    assert stream(again)["fields_changed"] == {}


def test_reading_the_same_again_says_what_was_said(tmp_path):
    in_json(tmp_path, records(0, 5))
    first, second = pull(tmp_path), pull(tmp_path)
    in_json(tmp_path, records(0, 5, mail="email"))
    third, fourth = pull(tmp_path), pull(tmp_path)

    assert stream(second) == stream(first)
    assert stream(third)["fields_changed"] == stream(fourth)["fields_changed"] == {"mail": "gone"}
    assert stream(fourth) == stream(third)


def test_what_an_earlier_version_counted_is_not_compared(tmp_path):
    in_json(tmp_path, records(0, 5))
    pull(tmp_path)
    file = tmp_path / "out/quality.json"
    quality = json.loads(file.read_text(encoding="utf-8"))
    del stream(quality)["field_values"], stream(quality)["fields_changed"]
    file.write_text(json.dumps(quality), encoding="utf-8")

    assert list(drift_notes(quality)) == []
    assert stream(pull(tmp_path))["fields_changed"] == {}


def csv(place, rows):
    place.write_text("id,at,mail\n" + "".join(f"{','.join(row)}\n" for row in rows), encoding="utf-8")


def tabs(place, rows):
    place.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def w3c(place, rows):
    lines = [" ".join(text or "-" for text in row) + "\n" for row in rows]
    place.write_text("#Fields: id at mail\n" + "".join(lines), encoding="utf-8")


def parquet(place, rows):
    columns = {name: [row[place] or None for row in rows] for place, name in enumerate(("id", "at", "mail"))}
    pq.write_table(pa.table(columns), place)


FORMATS = {
    "csv": (csv, "{type: csv}"),
    "separated lines": (tabs, '{type: lines, separator: "\\t"}'),
    "lines of a pattern": (tabs, r"{type: lines, pattern: '^(?P<id>\w*)\t(?P<at>\S*)\t(?P<mail>\S*)$'}"),
    "w3c": (w3c, '{type: w3c, delimiter: " ", nulls: ["-"]}'),
    "parquet": (parquet, "{type: parquet}"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_in_how_many_records_a_field_is(tmp_path, name):
    write, format_ = FORMATS[name]
    connect(tmp_path, format_, "[id, at, mail]")
    write(tmp_path / "in", [["1", DAY, "a@example.org"], ["2", DAY, ""], ["3", DAY, "c@example.org"]])
    first = stream(pull(tmp_path))
    write(tmp_path / "in", [["1", DAY, ""], ["2", DAY, ""]])
    second = stream(pull(tmp_path))

    assert first["field_values"] == {
        "id": {"with": 3, "without": 0}, "at": {"with": 3, "without": 0}, "mail": {"with": 2, "without": 1}
    }  # fmt: skip
    assert (first["absent_fields"], second["absent_fields"]) == ([], ["mail"])
    assert second["fields_changed"] == {"mail": "gone"}


def test_a_column_that_is_not_there_is_in_no_record_and_what_the_job_sets_is_in_all(tmp_path):
    connect(tmp_path, "{type: csv}", "[id, at, mail, kind, via]")
    csv(tmp_path / "in", [["1", DAY, "a@example.org"]])

    found = stream(pull(tmp_path, set={"via": "desk"}))

    assert found["absent_fields"] == ["kind"]
    assert found["field_values"]["via"] == {"with": 1, "without": 0}


def test_records_that_cannot_be_read_say_nothing_of_fields(tmp_path):
    in_json(tmp_path, records(0, 2))
    with (tmp_path / "in").open("a", encoding="utf-8") as file:
        file.write("not JSON\n" * 3)

    assert stream(pull(tmp_path))["field_values"]["mail"] == {"with": 2, "without": 0}

    (tmp_path / "in").write_text("not JSON\n", encoding="utf-8")
    nothing = stream(pull(tmp_path))
    assert (nothing["absent_fields"], nothing["fields_changed"], nothing["rejected"]["record: not a JSON object"]) == (
        [], {}, 1
    )  # fmt: skip


@pytest.mark.parametrize("made_of_several", ["", "    collapse: {by: {field: id}, first_by: at}\n"])
def test_what_stands_in_a_record_that_cannot_be_read_is_no_value(tmp_path, made_of_several):
    connect(tmp_path, "{type: csv}", "[id, at, mail]", made_of_several)
    csv(tmp_path / "in", [["1", DAY, ""], ["2", DAY, "b@example.org", "one field too many"]])

    found = stream(pull(tmp_path))

    assert found["rejected"] == {"record: number of fields": 1}
    assert found["field_values"]["mail"] == {"with": 0, "without": 1}
    assert found["absent_fields"] == ["mail"]


def test_fields_count_in_records_and_not_in_what_is_made_of_several(tmp_path):
    # Of legs that are one call the first one's fields count: that only the second has the mail is not that none has.
    connect(tmp_path, "{type: csv}", "[id, at, mail, leg]", "    collapse: {by: {field: id}, first_by: leg}\n")
    (tmp_path / "in").write_text(f"id,at,mail,leg\n1,{DAY},,1\n1,{DAY},a@example.org,2\n", encoding="utf-8")

    found = stream(pull(tmp_path))

    assert (found["events"], found["absent_fields"]) == (1, [])
    assert found["field_values"]["mail"] == {"with": 1, "without": 1}


def test_members_of_lists_are_counted(tmp_path):
    connect(
        tmp_path, "{type: json_lines}", "{id: leg.id, at: leg.at, mail: leg.mail, desk: desk}",
        "    unfold: {leg: legs}\n",
    )  # fmt: skip
    legs = [{"id": one, "at": DAY, "mail": "a@example.org" if one == 2 else None} for one in range(3)]
    (tmp_path / "in").write_text(json.dumps({"legs": legs}) + "\n", encoding="utf-8")

    found = stream(pull(tmp_path))

    assert found["field_values"]["mail"] == {"with": 1, "without": 2}
    assert found["absent_fields"] == ["desk"]


def test_all_portions_of_a_large_file_count(tmp_path, portions_of):
    portions_of(100)
    in_json(tmp_path, [*records(0, 250, mail="email"), *records(250, 260)])

    assert stream(pull(tmp_path))["field_values"]["mail"] == {"with": 10, "without": 250}


def test_a_column_of_a_database_that_is_emptied_is_gone(tmp_path):
    connect(tmp_path, "{type: csv}", "[id, at, mail]")
    source = {"path": "", "url": "sqlite:///desk.db", "tables": {"complaints": {"table": "complaints", "cursor": "id"}}}
    with closing(sqlite3.connect(tmp_path / "desk.db")) as db, db:
        db.execute("CREATE TABLE complaints (id INTEGER, at TEXT, mail TEXT)")
        db.executemany("INSERT INTO complaints VALUES (?, ?, 'a@example.org')", [(one, DAY) for one in range(20)])
    pull(tmp_path, **source)
    with closing(sqlite3.connect(tmp_path / "desk.db")) as db, db:
        db.executemany("INSERT INTO complaints VALUES (?, ?, NULL)", [(one, DAY) for one in range(20, 40)])

    found = stream(pull(tmp_path, **source))

    assert found["fields_changed"] == {"mail": "stopped"}
    now = found["field_values"]["mail"]
    # The record at the cursor came again, and has it.
    assert (now["with"], now["without"], now["before"], now["last"]) == (
        20, 20, {"with": 20, "without": 0}, {"with": 1, "without": 20}
    )  # fmt: skip


@pytest.fixture
def crm(tmp_path):
    """A table of twenty complaints, pulled by the time of their last change."""
    connect(tmp_path, "{type: csv}", "[id, at, mail, note]")
    with closing(sqlite3.connect(tmp_path / "desk.db")) as db, db:
        db.execute("CREATE TABLE complaints (id INTEGER PRIMARY KEY, at TEXT, mail TEXT, note TEXT, changed INTEGER)")
        rows = [(one, DAY, "a@example.org", "late" if one < 4 else None, one) for one in range(20)]
        db.executemany("INSERT INTO complaints VALUES (?, ?, ?, ?, ?)", rows)
    table = {"table": "complaints", "cursor": "changed"}
    source = {"path": "", "url": "sqlite:///desk.db", "tables": {"complaints": table}}
    pull(tmp_path, **source)

    def change(*rows):
        with closing(sqlite3.connect(tmp_path / "desk.db")) as db, db:
            db.executemany("INSERT OR REPLACE INTO complaints VALUES (?, ?, ?, NULL, ?)", rows)
        return pull(tmp_path, **source)

    return change


def test_newer_versions_that_lack_a_field_are_told_from_the_older_ones(crm):
    found = crm(*((one, DAY, None, 100 + one) for one in (5, 6, 19, 30)))

    # 21 records, 17 with a mail; of the four that came last, three in a newer version, none: 1 in 21!/(17! 4!) = 5,985.
    assert stream(found)["fields_changed"] == {"mail": "stopped"}
    assert stream(found)["field_values"]["mail"]["last"] == {"with": 0, "without": 4}
    # Four of 21 have a note, none of those that came: 17! 17! / (13! 21!) = 0.40.
    assert list(drift_notes(found)) == [
        "source 'desk', complaints: mail is in none of 4 records that came last (in 17 of 21 of all)."
    ]


def test_batches_of_one_record_add_up(crm):
    said = [stream(crm((one, DAY, None, 100 + one)))["fields_changed"] for one in (20, 21, 22)]

    # The first batch has the record at the cursor as well, with its mail; then 1 in 231 and less, as in files.
    assert said == [{}, {"mail": "stopped"}, {"mail": "stopped"}]


def test_newer_versions_that_have_a_field_are_no_change(crm):
    found = crm(*((one, DAY, "b@example.org", 100 + one) for one in (5, 6, 19, 30)))

    assert stream(found)["fields_changed"] == {}
    assert stream(found)["field_values"]["mail"]["last"] == {"with": 4, "without": 0}


@pytest.mark.parametrize(
    ("has", "lacks", "last", "changed"),
    [
        # One record came three times over the pages of one pull: 1 in 21.
        (20, 1, {"with": 0, "without": 3}, {}),
        # Two did: 1 in 231.
        (20, 2, {"with": 0, "without": 3}, {"mail": "stopped"}),
        # All that lack it came last, but with one that has it.
        (15, 5, {"with": 1, "without": 5}, {}),
    ],
)
def test_only_a_last_batch_without_any_tells_and_only_by_the_records_it_has(has, lacks, last, changed):
    found = {"s": {"streams": {"rows": {"field_values": {"mail": {"with": has, "without": lacks, "last": last}}}}}}

    compare_fields(found, {})

    assert found["s"]["streams"]["rows"]["fields_changed"] == changed


def test_columns_that_changed_are_said_and_long_lists_are_cut():
    changes = [{"column": f"c{one}", "change": "new"} for one in range(9)]
    changes.insert(0, {"column": "id", "change": "type", "before": "BIGINT", "now": "VARCHAR"})

    (note,) = drift_notes({"sources": {"s": {"columns_changed": {"rows": changes}, "streams": {}}}})

    assert note == (
        "source 's', rows: columns changed since an earlier pull: id is VARCHAR (before: BIGINT), c0 is new, "
        "c1 is new, c2 is new, c3 is new, c4 is new, c5 is new, c6 is new and 2 more."
    )


def test_a_stream_that_lost_its_records_is_named_as_long_as_it_has_none(tmp_path):
    in_json(tmp_path, records(0, 5))
    pull(tmp_path)
    in_json(tmp_path, [])
    empty, still = pull(tmp_path), pull(tmp_path)
    in_json(tmp_path, records(0, 2))
    back = pull(tmp_path)

    assert empty["sources"]["desk"]["streams_emptied"] == {"complaints": 5}
    assert list(drift_notes(empty)) == list(drift_notes(still)) == ["source 'desk', complaints: no record (before: 5)."]
    assert back["sources"]["desk"]["streams_emptied"] == {}
    assert list(drift_notes(back)) == ["source 'desk': in no record: kind (complaints, 2 records)."]


def test_a_stream_that_the_connector_no_longer_has_is_not_missed():
    before = {"desk": {"streams": {"calls": {"records": 3}, "mails": {"records": 4}}, "streams_emptied": {"chats": 5}}}
    now = {"desk": {"streams": {}, "files": {}, "absent_streams": ["mails", "chats"]}}

    compare_fields(now, before)

    assert now["desk"]["streams_emptied"] == {"mails": 4, "chats": 5}
