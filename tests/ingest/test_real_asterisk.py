"""Recordings of a real Asterisk: outcomes from its queue log, order across the end of summer time.

``JOURNEYMINING_ASTERISK`` names folders with further logs, such as tests/real_systems/asterisk/run_asterisk writes.
"""

from __future__ import annotations

import csv
import os
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

pytestmark = pytest.mark.real_data


FURTHER = [folder for folder in os.environ.get("JOURNEYMINING_ASTERISK", "").split(os.pathsep) if folder]


@pytest.fixture(params=["out", "out_dst", *FURTHER])
def pulled(request, shared_data, tmp_path):
    folder = shared_data / "real_systems/asterisk" / request.param
    if request.param in FURTHER:
        folder = Path(request.param).resolve()
    sources = {
        "calls": SourceConfig(connector="asterisk_queue_log", path="queue_log"),
        "cdr": SourceConfig(connector="asterisk_cdr", path="cdr-csv/Master.csv"),
    }
    quality = ingest_sources(sources, timezone="Europe/Berlin", region="DE", key=None, out=tmp_path, base=folder)
    events = pq.read_table(tmp_path / "source_events.parquet").to_pylist()
    links = pq.read_table(tmp_path / "identifiers.parquet").to_pylist()
    return request.param, folder, quality, events, links


def queue_rows(folder):
    return [line.split("|") for line in (folder / "queue_log").read_text().splitlines()]


def test_abandoned_calls_are_those_of_the_queue_log(pulled):
    _, folder, _, events, _ = pulled

    abandoned = [event for event in events if event["activity"] == "call_abandoned"]

    assert len(abandoned) == sum(row[4] == "ABANDON" for row in queue_rows(folder))
    assert {event["status"] for event in abandoned} == {"failed"}


def test_call_details_alone_would_miss_abandoned_calls(pulled):
    _, folder, quality, events, _ = pulled
    with (folder / "cdr-csv/Master.csv").open(newline="", errors="replace") as text:
        details = list(csv.reader(text))
    failed = sum(event["status"] == "failed" for event in events if event["source"] == "cdr")
    abandoned = sum(event["activity"] == "call_abandoned" for event in events)

    assert quality["sources"]["cdr"]["streams"]["calls"]["records"] == len(details)
    assert quality["sources"]["cdr"]["events"] == len({row[19] for row in details})
    assert failed < abandoned


def test_every_row_of_a_call_has_its_callers_number(pulled):
    _, folder, _, events, links = pulled
    rows = queue_rows(folder)
    callers = {row[1]: row[6] for row in rows if row[4] == "ENTERQUEUE" and row[6] not in {"", "anonymous"}}
    linked = {link["event_id"] for link in links if link["source"] == "calls"}
    lines = {event["source_order"]: event["event_id"] in linked for event in events if event["source"] == "calls"}

    assert lines == {number: row[1] in callers for number, row in enumerate(rows, start=1) if number in lines}
    assert {link["value_hash"] for link in links if link["source"] == "calls"} <= {
        "phone:+49" + number.removeprefix("00").removeprefix("+49").removeprefix("49").removeprefix("0")
        for number in callers.values()
    }


def test_call_details_stay_within_seconds_of_the_epoch_in_their_id(pulled):
    _, folder, _, events, _ = pulled
    lines = (folder / "cdr-csv/Master.csv").read_text(encoding="utf-8", errors="replace").splitlines()

    for event in (event for event in events if event["source"] == "cdr"):
        epoch = int(lines[event["source_order"] - 1].split("acme-")[1].split(".")[0])
        assert abs(event["timestamp"].timestamp() - epoch) < 60


def test_calls_keep_their_order_across_the_end_of_summer_time(pulled):
    name, folder, _, events, _ = pulled
    if not name.endswith("out_dst"):
        assert all(event["time_rule"] == "local Europe/Berlin" for event in events if event["source"] == "cdr")
        return
    lines = (folder / "cdr-csv/Master.csv").read_text(encoding="utf-8", errors="replace").splitlines()
    details = [event for event in events if event["source"] == "cdr"]

    by_time = sorted(details, key=lambda event: event["timestamp"])
    epochs = [int(lines[event["source_order"] - 1].split("acme-")[1].split(".")[0]) for event in by_time]

    assert {event["time_rule"] for event in details} == {"local Europe/Berlin, fold by epoch"}
    assert all(later - earlier > -30 for earlier, later in pairwise(epochs))
    assert by_time[-1]["time_text"] < by_time[0]["time_text"]
