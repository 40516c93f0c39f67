"""`journeymining discover`: what it prints, what it writes, what it refuses."""

from __future__ import annotations

import csv
import hashlib
import io
import json

import pandas as pd
import pyarrow.parquet
import pytest
from click.testing import CliRunner

from journeymining.cli.discover import command
from journeymining.eventlog.reading import read_event_log
from journeymining.exceptions import UsageError

LOG = """case_id,activity,timestamp,channel
j1,order,2026-01-01T10:00:00Z,web
j1,deliver,2026-01-02T10:00:00Z,post
j2,order,2026-01-01T11:00:00Z,web
j2,deliver,2026-01-03T11:00:00Z,post
j3,order,2026-01-01T11:00:00Z,web
j3,call,2026-01-03T11:00:00Z,phone
j4,call,2026-01-03T11:00:00Z,phone
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs the command in a folder with a log and returns its stdout."""
    (tmp_path / "log.csv").write_text(LOG)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        result = CliRunner().invoke(command, list(arguments))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


def test_the_most_frequent_variants_and_all_others_add_up_to_the_log(run):
    rows = list(csv.DictReader(io.StringIO(run("log.csv", "--format", "csv", "--top", "1").stdout)))

    assert [row["path"] for row in rows] == ["order > deliver", "(2 other variants)"]
    assert sum(int(row["journeys"]) for row in rows) == 4
    assert sum(int(row["events"]) for row in rows) == 7
    assert float(rows[0]["median_duration"]) == 1.5 * 86400


def test_json_holds_one_record_per_variant(run):
    found = json.loads(run("log.csv", "--format", "json").stdout)

    assert [(row["path"], row["journeys"], row["share"]) for row in found] == [
        ("order > deliver", 2, 0.5),
        ("call", 1, 0.25),
        ("order > call", 1, 0.25),
    ]


def test_the_table_begins_with_what_it_covers(run):
    text = run("log.csv").stdout

    lines = [line.split() for line in text.splitlines()]
    assert ["events", "7"] in lines
    assert ["journeys", "4"] in lines
    assert "order > deliver" in text
    assert "of 4 of 4 journeys" in text


def test_a_folder_of_results_is_whole_and_says_what_it_was_made_of(run, tmp_path):
    run("log.csv", "--out", "result", "--miner", "heuristics", "--noise", "0.1")

    written = {path.name for path in (tmp_path / "result").iterdir()}
    manifest = json.loads((tmp_path / "result" / "manifest.json").read_text())
    quality = json.loads((tmp_path / "result" / "quality.json").read_text())
    assert {
        "directly_follows.csv",
        "variants.parquet",
        "journeys.parquet",
        "touchpoints.csv",
        "channel_switches.csv",
        "process_model.bpmn",
        "process_model.pnml",
        "manifest.json",
        "quality.json",
    } <= written
    assert ("process_model.svg" in written) != bool(manifest["settings"]["files_left_out"])
    assert manifest["inputs"][0]["sha256"] == hashlib.sha256(LOG.encode()).hexdigest()
    assert manifest["counts"]["events"] == 7
    assert (manifest["settings"]["miner"], manifest["settings"]["noise"]) == ("heuristics", 0.1)
    assert manifest["steps"][0]["rows_in"] == 7
    assert quality["coverage"]["journeys"] == 4
    assert quality["process_model"]["quality"]["all_journeys"] == 4
    pairs = pd.read_csv(tmp_path / "result" / "directly_follows.csv")
    assert pairs[["source", "target", "events"]].to_numpy().tolist() == [
        ["order", "deliver", 2],
        ["order", "call", 1],
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"log.csv", "result"}


def test_results_are_not_overwritten_without_force(run, tmp_path):
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="--force"):
        run("log.csv", "--out", "result")
    assert (tmp_path / "result" / "mine.txt").exists()

    run("log.csv", "--out", "result", "--force")
    assert not (tmp_path / "result" / "mine.txt").exists()
    assert (tmp_path / "result" / "manifest.json").exists()


def test_rows_that_were_left_out_are_in_the_account(run, tmp_path):
    with (tmp_path / "log.csv").open("a") as file:
        file.write("j5,,2026-01-03T11:00:00Z,web\n")

    run("log.csv", "--out", "result")

    (step,) = json.loads((tmp_path / "result" / "manifest.json").read_text())["steps"]
    assert (step["rows_in"], step["rows_out"]) == (8, 7)
    assert sum(step["left_out"].values()) == 1


def test_paths_of_fewer_than_k_customers_are_grouped(tmp_path):
    rows = [f"{number},order,2026-01-01T10:00:00Z\n{number},pay,2026-01-02T10:00:00Z" for number in range(3)]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["case_id,activity,timestamp", *rows, "9,secret,2026-01-01T10:00:00Z", ""]))

    answer = CliRunner().invoke(
        command, [str(log), "--k", "2", "--format", "csv", "--out", str(tmp_path / "out")], catch_exceptions=False
    )

    assert "order > pay" in answer.stdout
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"secret" not in everything


def test_a_log_in_files_is_shown_as_one_that_is_read(tmp_path):
    rows = [(f"j{i % 7}", "abc"[i * 5 % 3], f"2026-03-{1 + i // 4:02}T10:00:00Z") for i in range(60)]
    text = "journey_id,activity,timestamp\n" + "".join(",".join(row) + "\n" for row in rows)
    (tmp_path / "log.csv").write_text(text)
    pyarrow.parquet.write_table(read_event_log(tmp_path / "log.csv"), tmp_path / "log.parquet")

    shown = {}
    for name in ("log.csv", "log.parquet"):
        result = CliRunner().invoke(command, [str(tmp_path / name), "--out", str(tmp_path / name[4:])])
        assert result.exit_code == 0, result.exception
        shown[name] = result.stdout

    assert shown["log.csv"] == shown["log.parquet"]
    manifests = [json.loads((tmp_path / kind / "manifest.json").read_text()) for kind in ("csv", "parquet")]
    assert [one["steps"][0]["rows_out"] for one in manifests] == [60, 60]
    assert manifests[0]["settings"]["prepared_log"] == manifests[1]["settings"]["prepared_log"]
    assert json.loads((tmp_path / "parquet/quality.json").read_text())["read"]["parquet"] == {"files": 1}
