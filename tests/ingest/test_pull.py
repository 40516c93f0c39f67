"""A job's sources to its tables: whole files, everything counted, nothing personal where it should not be."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.documents import parse_yaml
from journeymining.exceptions import InputError, SpecError
from journeymining.ingest.keys import normalise, pseudonym
from journeymining.ingest.pull import ingest_sources, open_source
from journeymining.ingest.sources import SourceConfig

KEY = b"0123456789abcdef"
TICKETS = """\
id,Datum,what,email,via,secret
1,2026-03-01 10:00,visit,anna@example.org,shop,s1
2,2026-10-25 02:30,visit,bert@example.org,desk,s2
3,,visit,clara@example.org,shop,s3
4,2026-03-01 11:00,,dora@example.org,shop,s4
"""


def pull(base, *, timezone="Europe/Berlin", document=None, out="out", **sources):
    configs = {name: SourceConfig.model_validate(given) for name, given in sources.items()}
    return ingest_sources(
        configs, timezone=timezone, region="DE", key=KEY, out=base / out, base=base, document=document, threads=1
    )


def rows(base, table, out="out"):
    return pq.read_table(base / out / f"{table}.parquet").to_pylist()


@pytest.fixture
def store(tmp_path):
    (tmp_path / "store.csv").write_text(TICKETS, encoding="utf-8")
    return {
        "connector": "csv",
        "path": "store.csv",
        "columns": {"time": "Datum", "activity": "what", "channel": "via"},
    }


def test_the_files_of_a_pull(tmp_path, store):
    quality = pull(tmp_path, store=store)

    out = tmp_path / "out"
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "identifiers.parquet",
        "quality.json",
        "raw/store/rows/00000.parquet",
        "rejected/store.parquet",
        "source_events.parquet",
        "surveys.parquet",
    ]
    assert json.loads((out / "quality.json").read_text()) == quality
    assert pq.read_schema(out / "source_events.parquet").field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert pq.read_schema(out / "surveys.parquet").field("answered_at").type == pa.timestamp("us", tz="UTC")


def test_every_candidate_is_an_event_rejected_or_left_out(tmp_path, store):
    quality = pull(tmp_path, store={**store, "drop": {"channel": ["desk"]}})

    counts = quality["sources"]["store"]["streams"]["rows"]
    assert counts["candidates"] == 4
    assert counts["events"] == 1
    assert counts["rejected"] == {"activity: missing": 1, "time: missing": 1}
    assert counts["left_out"] == {"drop: channel": 1}
    assert [(row["reason"], row["file"], row["line"]) for row in rows(tmp_path, "rejected/store")] == [
        ("time: missing", "store.csv", 4),
        ("activity: missing", "store.csv", 5),
    ]


SURVEY = """\
survey_id,email,level,metric,value,scale_min,scale_max,direction
1,anna@example.org,Relation,NPS,9,0,10,
2,bert@example.org,Contact,nps,3,0,10,
3,clara@example.org,contact,csat,4,1,5,
4,dora@example.org,,ces,2,1,7,lower
"""


@pytest.mark.parametrize(
    ("filters", "left_out", "kept"),
    [
        ({"drop": {"level": ["contact"]}}, {"drop: level": 2}, ["9", "2"]),
        ({"keep": {"level": ["contact"]}}, {"keep: level": 2}, ["3", "4"]),
        ({"keep": {"metric": ["nps"]}, "drop": {"value": ["3"]}}, {"keep: metric": 2, "drop: value": 1}, ["9"]),
        # The direction is that of the table, also where an answer did not say it.
        ({"drop": {"direction": ["higher_is_better"]}}, {"drop: direction": 3}, ["2"]),
        ({"drop": {"email": ["anna@example.org"]}}, {"drop: email": 1}, ["3", "4", "2"]),
        ({"drop": {"stream": ["answers"]}}, {"drop: stream": 4}, []),
    ],
)
def test_answers_are_filtered_with_their_identifiers(tmp_path, filters, left_out, kept):
    (tmp_path / "s.csv").write_text(SURVEY, encoding="utf-8")

    quality = pull(tmp_path, survey={"connector": "survey_csv", "path": "s.csv", **filters})

    counts = quality["sources"]["survey"]["streams"]["answers"]
    assert counts["left_out"] == left_out
    assert (counts["candidates"], counts["surveys"]) == (4, len(kept))
    assert counts["not_filtered_by"] == {}
    answers = rows(tmp_path, "surveys")
    assert [f"{row['value']:g}" for row in answers] == kept
    assert {row["event_id"] for row in rows(tmp_path, "identifiers")} == {row["event_id"] for row in answers}


def test_identifiers_of_records_that_only_link_and_were_exported_twice_count_once(tmp_path):
    folder = tmp_path / "crm"
    folder.mkdir()
    for name in ("Contact-1.csv", "Contact-2.csv"):
        (folder / name).write_text("Id,AccountId,Email\nc1,a1,a@x.org\n", encoding="utf-8")
    crm = {"connector": "salesforce", "path": "crm"}

    (folder / "Contact-3.csv").write_text("Id,AccountId,Email\nc1,a1,b@x.org\n", encoding="utf-8")

    quality = pull(tmp_path, crm=crm)

    # The second file says nothing new; the third links another address to the same contact.
    counts = quality["sources"]["crm"]["streams"]["Contact"]
    assert (counts["candidates"], counts["linking_records"], counts["left_out"]) == (3, 2, {"duplicate": 1})
    assert counts["identifiers"] == quality["identifiers"] == 4
    assert sorted(row["kind"] for row in rows(tmp_path, "identifiers")) == ["account", "contact", "email", "email"]


def test_records_that_only_link_are_filtered(tmp_path):
    folder = tmp_path / "crm"
    folder.mkdir()
    (folder / "Contact.csv").write_text("Id,AccountId,Email\nc1,a1,a@x.org\nc2,a2,b@x.org\n", encoding="utf-8")
    (folder / "Case.csv").write_text(
        "Id,ContactId,Origin,CreatedDate\n1,c1,Web,2026-03-01T10:00:00Z\n2,c2,Phone,2026-03-01T10:00:00Z\n",
        encoding="utf-8",
    )
    crm = {"connector": "salesforce", "path": "crm"}

    def streams(**filters):
        return pull(tmp_path, crm={**crm, **filters})["sources"]["crm"]["streams"]

    by_field = streams(drop={"Email": ["a@x.org"]})
    assert by_field["Contact"]["left_out"] == {"drop: Email": 1}
    assert by_field["Contact"]["linking_records"] == 1
    assert by_field["Case"]["left_out"] == {}
    by_stream = streams(keep={"stream": ["Case"]})
    assert by_stream["Contact"]["left_out"] == {"keep: stream": 2}
    assert by_stream["Contact"]["not_filtered_by"] == {}
    assert by_stream["Case"]["events"] == 2
    # A contact has no channel: it stays, and the counts say that the filter is not about it.
    by_column = streams(keep={"channel": ["web"]})
    assert by_column["Case"]["left_out"] == {"keep: channel": 1}
    assert by_column["Contact"]["linking_records"] == 2
    assert by_column["Contact"]["not_filtered_by"] == {"records": ["keep: channel"]}


@pytest.mark.parametrize("key", ["keep", "drop"])
def test_a_filter_that_applies_to_nothing_is_refused(tmp_path, key):
    (tmp_path / "s.csv").write_text(SURVEY, encoding="utf-8")
    document = parse_yaml(
        f"job: x\nsources:\n  survey:\n    connector: survey_csv\n    path: s.csv\n    {key}: {{channel: web}}\n",
        path="job.yaml",
    )

    # Answers have no channel, and events no metric.
    survey = {"connector": "survey_csv", "path": "s.csv", key: {"channel": ["web"]}}
    with pytest.raises(SpecError, match=rf"^job.yaml:6:5: .*'survey_csv' has no 'channel' for '{key}'"):
        pull(tmp_path, document=document, survey=survey)
    with pytest.raises(SpecError, match=rf"'access_log' has no 'metric' for '{key}'"):
        pull(tmp_path, web={"connector": "access_log", "path": "s.csv", key: {"metric": ["nps"]}})


def test_identifiers_are_pseudonyms_and_linked_to_their_event(tmp_path, store):
    pull(tmp_path, store=store)

    events = {row["event_id"]: row for row in rows(tmp_path, "source_events")}
    links = rows(tmp_path, "identifiers")
    assert [(link["kind"], link["value_hash"]) for link in links if events[link["event_id"]]["channel"] == "shop"] == [
        ("email", pseudonym("email", "anna@example.org", KEY))
    ]
    assert {link["event_id"] for link in links} == set(events)


def test_nothing_personal_leaves_raw(tmp_path, store, caplog):
    caplog.set_level("DEBUG")

    pull(tmp_path, store=store)

    for path in (tmp_path / "out").rglob("*"):
        if path.is_file() and "raw" not in path.parts:
            text = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_text()
            assert "example.org" not in text, path
            assert "s3" not in text, path
            assert str(tmp_path) not in text, path
    assert "example.org" not in caplog.text


def test_rejected_rows_keep_their_text_when_asked(tmp_path, store):
    pull(tmp_path, store={**store, "rejected_text": True})

    assert [json.loads(row["record"])["email"] for row in rows(tmp_path, "rejected/store")] == [
        "clara@example.org",
        "dora@example.org",
    ]


def test_a_file_that_is_there_twice_adds_nothing(tmp_path, store):
    once = pull(tmp_path, store={**store, "path": "*.csv"}, out="once")
    shutil.copy(tmp_path / "store.csv", tmp_path / "copy.csv")

    twice = pull(tmp_path, store={**store, "path": "*.csv"}, out="twice")

    assert twice["events"] == once["events"] == 2
    assert twice["sources"]["store"]["streams"]["rows"]["left_out"] == {"duplicate": 2}
    same = [[row[name] for name in ("event_id", "timestamp")] for row in rows(tmp_path, "source_events", "once")]
    assert [
        [row[name] for name in ("event_id", "timestamp")] for row in rows(tmp_path, "source_events", "twice")
    ] == same
    assert len(rows(tmp_path, "identifiers", "twice")) == len(rows(tmp_path, "identifiers", "once"))


def test_equal_rows_of_one_file_are_different_events(tmp_path, store):
    (tmp_path / "store.csv").write_text(TICKETS + TICKETS.splitlines()[1] + "\n", encoding="utf-8")

    quality = pull(tmp_path, store=store)

    assert quality["events"] == 3
    assert len({row["event_id"] for row in rows(tmp_path, "source_events")}) == 3


def test_the_same_files_give_the_same_bytes(tmp_path, store):
    pull(tmp_path, store=store, out="a")
    pull(tmp_path, store=store, out="b")

    for table in ("source_events", "identifiers", "rejected/store"):
        assert rows(tmp_path, table, "a") == rows(tmp_path, table, "b")


def test_a_source_can_be_looked_at_without_reading_it(tmp_path, store):
    connector, files, ignored = open_source("store", SourceConfig.model_validate(store), base=tmp_path)

    assert connector.connector == "csv"
    assert files == {"rows": [tmp_path / "store.csv"]}
    assert ignored == []


def test_a_second_pull_replaces_the_first(tmp_path, store):
    pull(tmp_path, store=store)
    (tmp_path / "store.csv").write_text("\n".join(TICKETS.splitlines()[:2]) + "\n", encoding="utf-8")

    assert pull(tmp_path, store=store)["events"] == 1
    assert len(rows(tmp_path, "source_events")) == 1


def test_when_a_pull_fails_the_files_are_as_they_were(tmp_path, store):
    pull(tmp_path, store=store)
    before = (tmp_path / "out/source_events.parquet").read_bytes()

    with pytest.raises(InputError):
        pull(tmp_path, store=store, web={"connector": "access_log", "path": "nothing"})

    assert (tmp_path / "out/source_events.parquet").read_bytes() == before
    assert not (tmp_path / "out/.work").exists()


def test_without_a_declared_zone_times_without_offset_are_refused(tmp_path, store):
    with pytest.raises(SpecError, match=r"times of 'rows' carry no zone .*Add `timezone: "):
        pull(tmp_path, timezone=None, store=store)

    assert pull(tmp_path, timezone=None, store={**store, "timezone": "Europe/Paris"})["events"] == 2


def test_a_zone_is_not_needed_where_times_carry_their_offset(tmp_path, store):
    (tmp_path / "store.csv").write_text(TICKETS.replace(":00,", ":00Z,").replace(":30,", ":30Z,"), encoding="utf-8")

    assert pull(tmp_path, timezone=None, store=store)["events"] == 2


def test_errors_name_the_line_of_the_job(tmp_path, store):
    document = parse_yaml(
        "job: x\nsources:\n  store:\n    connector: csv\n    path: nothing.csv\n    keep: {chanel: web}\n",
        path="job.yaml",
    )

    with pytest.raises(InputError, match=r"^job.yaml:5:5: source 'store': 'nothing.csv' does not exist"):
        pull(tmp_path, document=document, store={"connector": "csv", "path": "nothing.csv"})
    with pytest.raises(InputError, match=r"^job.yaml:5:5: source 'store': no file matches 'no\*.csv'"):
        pull(tmp_path, document=document, store={"connector": "csv", "path": "no*.csv"})
    with pytest.raises(SpecError, match=r"^job.yaml:6:5: .*has no 'chanel' for 'keep'. Did you mean 'channel'"):
        pull(tmp_path, document=document, store={**store, "keep": {"chanel": ["web"]}})
    with pytest.raises(SpecError, match=r"^job.yaml:4:5: source 'store': unknown connector 'cvs'. Did you mean 'csv'"):
        pull(tmp_path, document=document, store={**store, "connector": "cvs"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identifiers": {"mail": "email"}}, "has no 'mail' for 'identifiers'. Did you mean 'email'"),
        ({"columns": {"tme": "Datum"}}, "has no 'tme' for 'columns'. Did you mean 'time'"),
        ({"maps": {"topic": {"a": "b"}}}, "has no 'topic' for 'maps'"),
        ({"format": {"delimeter": ";"}}, "'format': unknown key 'delimeter'"),
        ({"time": {"form": "epok"}}, "'time': form: "),
    ],
)
def test_a_change_that_the_connector_does_not_know_is_refused(tmp_path, store, change, message):
    with pytest.raises(SpecError, match=message):
        pull(tmp_path, store={**store, **change})


def test_a_zone_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="unknown time zone 'Europe/Amsterdm'"):
        SourceConfig(connector="csv", path="x", timezone="Europe/Amsterdm")


def test_identifiers_can_change_kind_or_be_left_unread(tmp_path, store):
    pull(tmp_path, store={**store, "identifiers": {"email": "login"}}, out="login")
    pull(tmp_path, store={**store, "identifiers": {"email": None}}, out="none")

    assert {row["kind"] for row in rows(tmp_path, "identifiers", "login")} == {"login"}
    assert rows(tmp_path, "identifiers", "none") == []


def test_agents_are_pseudonyms_unless_their_names_are_asked_for(tmp_path, store):
    given = {**store, "set": {"resource": "Eva"}}
    found = {}
    for agents in ("pseudonym", "name", "drop"):
        pull(tmp_path, store={**given, "agents": agents}, out=agents)
        found[agents] = {row["resource"] for row in rows(tmp_path, "source_events", agents)}

    assert found["name"] == {"Eva"}
    assert found["drop"] == {None}
    (name,) = found["pseudonym"]
    assert name.startswith("agent-")
    assert "Eva" not in name


def test_bots_are_left_out_and_counted_or_kept(tmp_path):
    line = '1.1.1.1 - - [22/Nov/2026:03:41:15 +0100] "GET / HTTP/1.1" 200 3 "-" "%s"\n'
    agents = ["Mozilla/5.0 (X11) Firefox/128.0", "Googlebot/2.1", "curl/8.5.0", "-"]
    (tmp_path / "access.log").write_text("".join(line % agent for agent in agents), encoding="utf-8")
    web = {"connector": "access_log", "path": "access.log"}

    dropped = pull(tmp_path, web=web)
    kept = pull(tmp_path, web={**web, "bots": "keep"})

    assert dropped["sources"]["web"]["streams"]["requests"]["left_out"] == {"bot": 2}
    assert (dropped["events"], kept["events"]) == (2, 4)


def test_the_pair_of_a_cookie_is_named_by_the_job(tmp_path):
    line = '1.1.1.1 - - [22/Nov/2026:03:41:15 +0100] "GET / HTTP/1.1" 200 3 "-" "Firefox" "a=1; sid=77"\n'
    (tmp_path / "access.log").write_text(line, encoding="utf-8")

    pull(tmp_path, web={"connector": "access_log", "path": "access.log", "identifiers": {"cookie": {"pair": "sid"}}})

    assert [row["value_hash"] for row in rows(tmp_path, "identifiers")] == [pseudonym("cookie", "77", KEY)]


def test_effort_without_a_direction_is_refused(tmp_path):
    (tmp_path / "s.csv").write_text("survey_id,metric,value,scale_min,scale_max\n1,CES,2,1,7\n", encoding="utf-8")
    survey = {"connector": "survey_csv", "path": "s.csv"}

    with pytest.raises(SpecError, match=r"customer effort .*set: \{direction: lower_is_better\}"):
        pull(tmp_path, survey=survey)
    pull(tmp_path, survey={**survey, "set": {"direction": "lower_is_better"}})

    assert [row["direction"] for row in rows(tmp_path, "surveys")] == ["lower_is_better"]


def test_without_a_key_identifiers_are_in_clear_after_their_kind(tmp_path, store):
    configs = {"store": SourceConfig.model_validate(store)}

    quality = ingest_sources(configs, timezone="UTC", region="DE", key=None, out=tmp_path / "out", base=tmp_path)

    assert quality["pseudonymised"] is False
    assert {row["value_hash"] for row in rows(tmp_path, "identifiers")} == {
        "email:anna@example.org",
        "email:bert@example.org",
    }


def test_whom_was_asked_and_never_answered_is_a_survey_without_a_value(tmp_path):
    header = "survey_id,email,metric,value,scale_min,scale_max,sent_at\n"
    lines = [
        f"{number},{number}@example.org,nps,{value},,,2026-03-01T10:00Z\n" for number, value in enumerate(["", "8"])
    ]
    (tmp_path / "s.csv").write_text(header + "".join(lines), encoding="utf-8")

    quality = pull(tmp_path, survey={"connector": "survey_csv", "path": "s.csv"})

    # Without a scale an answer says nothing; an invitation needs none.
    counts = quality["sources"]["survey"]["streams"]["answers"]
    assert (counts["surveys"], counts["unanswered"]) == (1, 1)
    assert counts["rejected"] == {"scale: missing or no range": 1}
    assert [(row["value"], row["sent_at"] is not None) for row in rows(tmp_path, "surveys")] == [(None, True)]
    assert len(rows(tmp_path, "identifiers")) == 1


def test_absent_streams_and_files_of_none_are_reported(tmp_path):
    folder = tmp_path / "salesforce"
    folder.mkdir()
    (folder / "Case.csv").write_text("Id,ContactId,CreatedDate\n1,c1,2026-03-01T10:00:00Z\n", encoding="utf-8")
    (folder / "Notes.csv").write_text("Id\n1\n", encoding="utf-8")

    source = pull(tmp_path, crm={"connector": "salesforce", "path": "salesforce"})["sources"]["crm"]

    assert source["absent_streams"][:3] == ["CaseHistory", "Task", "Contact"]
    assert "Case" not in source["absent_streams"]
    assert source["ignored_files"] == ["salesforce/Notes.csv"]
    assert source["events"] == 1
    assert "ClosedDate" in source["streams"]["Case"]["absent_fields"]


def test_maps_are_extended_by_the_job(tmp_path, shared_cdr):
    quality = pull(
        tmp_path,
        calls={
            "connector": "asterisk_cdr",
            "path": shared_cdr,
            "maps": {"direction": {"ivr": "outbound"}},
            "keep": {"direction": ["outbound"]},
        },
    )

    # Four calls came through the menu, two were dialled from inside; one came from an agent's transfer.
    assert quality["events"] == 6
    assert quality["left_out"] == 1


@pytest.fixture
def shared_cdr(tmp_path, checkout):
    shutil.copy(checkout / "connectors/asterisk_cdr/sample/Master.csv", tmp_path / "Master.csv")
    return "Master.csv"


def test_spellings_of_two_sources_meet_in_one_pseudonym(tmp_path):
    (tmp_path / "a.csv").write_text("time,activity,phone\n2026-03-01T10:00Z,a,030 23125 701\n", encoding="utf-8")
    (tmp_path / "queue_log").write_text(
        "1795317313|x-1795317313.0|q|NONE|ENTERQUEUE||+493023125701|1\n", encoding="utf-8"
    )

    pull(
        tmp_path,
        store={"connector": "csv", "path": "a.csv"},
        calls={"connector": "asterisk_queue_log", "path": "queue_log"},
    )

    number = normalise("phone", "+493023125701")
    assert {row["value_hash"] for row in rows(tmp_path, "identifiers")} == {pseudonym("phone", str(number), KEY)}
