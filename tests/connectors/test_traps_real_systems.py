"""Whole recordings of real systems, read by their connectors and counted again in plain Python."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.library import connector_folder
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector


def read(tmp_path, connector, path, **config):
    source = SourceConfig(connector=connector, path=str(path), region="DE", **config)
    quality = ingest_sources({"s": source}, timezone=None, region=None, key=None, out=tmp_path / "out", base=tmp_path)
    events = pq.read_table(tmp_path / "out/source_events.parquet").to_pylist()
    identifiers = pq.read_table(tmp_path / "out/identifiers.parquet").to_pylist()
    return events, identifiers, quality["sources"]["s"]["streams"]


@pytest.mark.real_data
@pytest.mark.parametrize(("run", "calls"), [("out", 27), ("out_dst", 24)])
def test_every_call_of_an_asterisk_starts_and_ends_once_and_no_digit_is_read(shared_data, tmp_path, run, calls):
    file = shared_data / "real_systems/asterisk" / run / "cel-custom/Master.csv"
    with file.open(newline="") as text:
        rows = list(csv.reader(text))
    asked = Counter(row[18].lower() for row in rows if row[10] == "CELGenUserEvent")
    callers = {row[15]: row[3] for row in rows if row[0] == "CHAN_START" and row[14] == row[15]}

    events, identifiers, _ = read(tmp_path, "asterisk_cel", file)

    found = Counter(event["activity"] for event in events)
    assert found["call_started"] == found["call_ended"] == len(callers) == calls
    assert found["call_transferred"] == sum(row[0] == "BLINDTRANSFER" for row in rows)
    assert {name: found[name] for name in asked} == asked
    assert set(found) == {
        "call_started", "call_queued", "call_connected", "call_transferred", "call_ended", *asked
    }  # fmt: skip
    known = {link["event_id"] for link in identifiers}
    started = [event["event_id"] in known for event in events if event["activity"] == "call_started"]
    assert started.count(False) == sum(number in {"", "anonymous"} for number in callers.values())
    numbers = {link["value_hash"] for link in identifiers}
    assert "phone:+493023125000" not in numbers  # our own
    assert "1" not in {event["topic"] for event in events}


@pytest.mark.real_data
def test_the_tables_of_an_odoo_are_read_with_all_their_columns(shared_data, tmp_path):
    folder = shared_data / "real_systems/odoo"

    events, identifiers, streams = read(tmp_path, "odoo", folder)

    with (folder / "mail_message.csv").open(newline="") as text:
        expected = [row for row in csv.DictReader(text) if row["model"] == "crm.lead"]
    assert sorted(event["timestamp"].strftime("%Y-%m-%d %H:%M:%S") for event in events) == sorted(
        row["date"] for row in expected
    )
    assert streams["mail_message"]["rejected"] == {}
    phones = {link["value_hash"] for link in identifiers if link["kind"] == "phone"}
    assert phones == {f"phone:+{number}" for number in (493023125701, 491713920004, 493023125703, 493023125702)}


@pytest.mark.real_data
def test_the_live_api_of_a_matomo_tells_what_its_tables_tell(shared_data, tmp_path):
    folder = shared_data / "real_systems/matomo"
    visits = json.loads((folder / "live_getLastVisitsDetails.json").read_text(encoding="utf-8"))
    (tmp_path / "visits.jsonl").write_text("\n".join(map(json.dumps, visits)), encoding="utf-8")

    live, people, _ = read(tmp_path / "live", "matomo_live", tmp_path / "visits.jsonl", timezone="Europe/Berlin")
    tables, others, _ = read(tmp_path / "tables", "matomo", folder / "*.tsv")

    def told(events):
        return sorted((event["timestamp"], event["activity"], event["topic"] or "", event["value"]) for event in events)

    # Both sides of the end of summer time, where the API's own timestamps are wrong by one and two hours.
    assert told(live) == told(tables)
    assert len(live) == 12
    logins = [{one["value_hash"] for one in links if one["kind"] in {"login", "order"}} for links in (people, others)]
    assert logins[0] == logins[1] == {"login:cust-1001", "order:O-9001"}


@pytest.mark.real_data
def test_an_nginx_log_is_read_to_the_millisecond(shared_data, tmp_path):
    file = shared_data / "real_systems/weblog/ng_json.log"
    records = [json.loads(line) for line in file.read_text().splitlines()]

    events, _, streams = read(tmp_path, "nginx_json", file)

    people = [record for record in records if "Googlebot" not in record["ua"] and record["method"]]
    assert [round(event["timestamp"].timestamp(), 3) for event in events] == [record["msec"] for record in people]
    assert [event["status"] == "failed" for event in events] == [record["status"] >= 400 for record in people]
    assert streams["requests"]["left_out"] == {"bot": 1}
    assert streams["requests"]["rejected"] == {"topic: missing": 1}


@pytest.mark.real_data
def test_call_records_of_another_template_are_rejected_and_counted(shared_data, tmp_path):
    # Fifteen columns of the template that FreeSWITCH comes with, and dates that a spreadsheet has written.
    events, _, streams = read(tmp_path, "freeswitch", shared_data / "calls/freeswitch/Master.csv")

    assert not events
    assert streams["calls"]["rejected"] == {"record: number of fields": 10}


@pytest.mark.real_data
def test_a_reply_of_genesys_gives_each_segment_once(shared_data, tmp_path):
    reply = json.loads((shared_data / "calls/genesys/conversation_details_query_result.json").read_text())
    lines = "\n".join(json.dumps(conversation) for conversation in reply["conversations"])
    (tmp_path / "conversations.jsonl").write_text(lines, encoding="utf-8")
    expected = Counter()
    for conversation in reply["conversations"]:
        expected["contact_ended"] += "conversationEnd" in conversation
        for participant in conversation["participants"]:
            purpose = participant["purpose"]
            expected["contact"] += purpose in {"customer", "external"}
            for session in participant["sessions"]:
                for segment in session["segments"]:
                    expected[purpose, segment["segmentType"]] += 1

    events, _, streams = read(tmp_path, "genesys", tmp_path / "conversations.jsonl")

    found = Counter(event["activity"] for event in events)
    assert found["queued"] == expected["acd", "interact"]
    assert found["agent_connected"] == expected["agent", "interact"]
    assert found["put_on_hold"] == expected["agent", "hold"]
    assert found["wrapped_up"] == expected["agent", "wrapup"]
    assert found["ivr_entered"] == expected["ivr", "ivr"]
    assert found["contact_started"] + found["contact_inbound"] + found["contact_outbound"] == expected["contact"]
    assert found["contact_ended"] == expected["contact_ended"]
    assert streams["conversations"]["records"] == len(reply["conversations"])
    assert streams["conversations"]["rejected"] == {}


def test_snowplow_has_131_columns():
    names = read_connector(connector_folder("snowplow") / "connector.yaml").streams["events"].names

    assert len(names) == len(set(names)) == 131
    assert (names[0], names[3], names[6], names[130]) == ("app_id", "collector_tstamp", "event_id", "true_tstamp")
