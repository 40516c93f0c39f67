"""``journeymining conform``: tables, files, gates."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.conform import command
from journeymining.exceptions import GateFailed, UsageError

LOG = "journey_id,activity,timestamp,channel\n" + "".join(
    f"{journey},{activity},2026-03-0{day}T10:00:00Z,{channel}\n"
    for journey, day, activity, channel in [
        ("a", 1, "order", "web"),
        ("a", 2, "confirm", "email"),
        ("b", 3, "order", "phone"),
        ("c", 4, "newsletter", "email"),
        ("d", 8, "order", "web"),
    ]
)
DESIGN = (
    "journey: buy\nscope: {start: order}\ntouchpoints: {order: {channel: web}, confirm: {}}\nflow: order > confirm\n"
)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "design.yaml").write_text(DESIGN)
    return tmp_path


def run(files, *options):
    arguments = [str(files / "log.csv"), "--design", str(files / "design.yaml"), *options]
    return CliRunner().invoke(command, arguments)


def test_deviations_are_written_to_stdout_and_the_sum_to_stderr(files):
    result = run(files, "--format", "json")

    assert result.exit_code == 0, result.exception
    rows = {(row["type"], row["touchpoint"]): row["journeys"] for row in json.loads(result.stdout)}
    assert rows == {("dead_end", "order"): 2, ("missing", "confirm"): 2, ("wrong_channel", "order"): 1}
    assert "3 of 4 journeys in scope of 'buy'; 1 follow it (33.3%" in result.stderr


def test_recent_journeys_are_open(files):
    result = run(files, "--format", "json", "--open-after", "2 days", "--table", "journeys")

    rows = {row["journey_id"]: (row["stands"], row["pending"]) for row in json.loads(result.stdout)}
    assert rows["d"] == ("open", "confirm")
    assert rows["b"][0] == "complete"
    assert rows["c"][0] == "outside"


def test_the_files_of_a_check(files):
    out = files / "out"

    result = run(files, "--out", str(out))

    assert result.exit_code == 0, result.exception
    names = {path.name for path in out.iterdir()}
    assert {"conformance.csv", "deviations.csv", "conformance.json", "conformance_journeys.parquet"} <= names
    deviations = pd.read_csv(out / "deviations.csv")
    assert list(deviations)[:8] == [
        "type", "touchpoint", "expected", "observed", "journeys", "share", "share_low", "share_high",
    ]  # fmt: skip
    summary = json.loads((out / "conformance.json").read_text())
    assert summary["journeys"]["in_scope"] == 3
    assert pd.read_csv(out / "conformance.csv")["journeys"].sum() == 3
    again = run(files, "--out", str(out))
    assert isinstance(again.exception, UsageError)
    assert run(files, "--out", str(out), "--force").exit_code == 0


def test_a_gate_that_is_not_met_fails_after_the_results_are_written(files):
    result = run(files, "--out", str(files / "out"), "--fail-under", "fitness=0.9")

    assert isinstance(result.exception, GateFailed)
    assert result.exception.exit_code == 3
    assert "fitness is 0.7778, at least 0.9 was asked for" in str(result.exception)
    assert (files / "out" / "deviations.csv").exists()
    assert run(files, "--fail-under", "fitness=0.5", "--fail-under", "fitting=0.3").exit_code == 0


@pytest.mark.parametrize(
    ("gate", "says"), [("fitnes=1", "Did you mean 'fitness'?"), ("fitness=high", "'high' is no number")]
)
def test_a_wrong_gate_is_refused_before_anything_runs(files, gate, says):
    result = run(files, "--fail-under", gate)

    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)
