"""Conversion keeps the log, says how much it was, and overwrites nothing by accident."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from journeymining.cli import cli
from journeymining.eventlog.reading import read_event_log

LOG = """case_id,activity,time,channel
1,a,2026-01-01T10:00Z,web
1,b,2026-01-01T11:00Z,
2,a,2026-01-02T10:00:00.123456Z,chat
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet", "xes", "xes.gz", "json", "xml", "sqlite"])
def test_a_log_is_converted_to_every_format(log, tmp_path, ending):
    out = tmp_path / "out" / f"log.{ending}"

    result = CliRunner().invoke(cli, ["convert", str(log), str(out)])

    columns = ["event_id", "journey_id", "activity", "timestamp", "channel"]
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"3 rows read, 3 events written to {out}.\n"
    assert read_event_log(out).select(columns).to_pylist() == read_event_log(log).select(columns).to_pylist()


def test_nothing_is_overwritten_without_force(log, tmp_path):
    out = tmp_path / "log.parquet"
    out.write_text("mine", encoding="utf-8")

    refused = CliRunner().invoke(cli, ["convert", str(log), str(out)])
    kept = out.read_text(encoding="utf-8")
    forced = CliRunner().invoke(cli, ["convert", str(log), str(out), "--force"])

    assert "Overwrite it with --force" in str(refused.exception)
    assert kept == "mine"
    assert forced.exit_code == 0
    assert read_event_log(out).num_rows == 3


def test_what_was_left_out_is_said(log, tmp_path, caplog):
    log.write_text(LOG + "3,a,,web\n", encoding="utf-8")

    result = CliRunner().invoke(cli, ["convert", str(log), str(tmp_path / "log.parquet")])

    assert result.stderr.endswith(f"4 rows read, 3 events written to {tmp_path / 'log.parquet'}.\n")
    assert "left out 1 rows, missing timestamp (rows 4)" in caplog.text


def test_options_of_the_log_apply(log, tmp_path):
    out = tmp_path / "log.parquet"

    CliRunner().invoke(cli, ["convert", str(log), str(out), "--resource", "channel", "--customer", "case_id"])

    assert read_event_log(out)["resource"].to_pylist() == ["web", None, "chat"]


def test_a_dash_writes_csv_to_stdout(log):
    result = CliRunner().invoke(cli, ["convert", str(log), "-"])

    assert result.stdout.startswith('"event_id","customer_id","journey_id"')
    assert result.stdout.count("\n") == 4
    assert result.stderr == "3 rows read, 3 events written to stdout.\n"


MANY = "case_id,activity,time,channel,agent\n" + "".join(
    f"{case},{activity},2026-01-0{day}T10:17Z,web,Bert\n"
    for case in range(60)
    for day, activity in enumerate(["order", "pay"] if case < 57 else ["order", f"odd{case}"], 1)
)


def test_a_log_for_others_hides_rare_paths_and_says_what_it_hid(tmp_path):
    source, out = tmp_path / "log.csv", tmp_path / "safe.csv"
    source.write_text(MANY, encoding="utf-8")

    result = CliRunner().invoke(cli, ["convert", str(source), str(out), "--k", "5"])

    assert result.exit_code == 0, result.output
    assert "kept: 1 variants, 57 journeys, 57 customers, 114 events" in result.stderr
    assert "suppressed: 3 variants, 3 journeys, 3 customers, 6 events" in result.stderr
    assert "smallest group: 57 customers" in result.stderr
    assert "dropped columns: agent" in result.stderr
    assert not any(word in out.read_text() for word in ("odd", "Bert", "10:17"))


def test_counts_with_noise_are_written_instead_of_a_log(tmp_path):
    source, out = tmp_path / "log.csv", tmp_path / "counts.csv"
    source.write_text(MANY, encoding="utf-8")

    result = CliRunner().invoke(cli, ["convert", str(source), str(out), "--epsilon", "2"])

    assert result.exit_code == 0, result.output
    head, row = out.read_text().splitlines()
    assert head == "path,customers"
    assert row.startswith("order > pay,")
    # 1 + ceil(ln(1 / (1e-6 (1 + exp(-2)))) / 2) = 1 + ceil(6.84) = 8, and exp(-2 * 7) / (1 + exp(-2)) is its delta.
    assert "with epsilon 2 and delta 7.3e-07 for one customer; counts below 8 are not shown." in result.stderr
    budget = json.loads((tmp_path / "counts.csv.privacy.json").read_text())
    assert (budget["epsilon"], budget["threshold"], budget["scale"], budget["variants"]) == (2, 8, 0.5, 1)
    assert budget["protects"] == "one customer with all journeys and events"
    again = CliRunner().invoke(cli, ["convert", str(source), str(out), "--epsilon", "2"])
    assert "exists" in str(again.exception)


def test_epsilon_writes_a_made_up_log_where_no_table_is_asked_for(tmp_path):
    source, out = tmp_path / "log.csv", tmp_path / "noisy.xes"
    source.write_text(MANY, encoding="utf-8")

    result = CliRunner().invoke(cli, ["convert", str(source), str(out), "--epsilon", "2"])

    assert result.exit_code == 0, result.output
    log = read_event_log(out)
    assert set(log["activity"].to_pylist()) == {"order", "pay"}
    assert log["timestamp"].to_pylist()[0].year == 1970
    assert (tmp_path / "noisy.xes.privacy.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "5", "--epsilon", "1"], "not both"),
        (["--keep", "channel"], "give --k as well"),
    ],
)
def test_options_that_do_not_go_together_are_refused(log, tmp_path, options, message):
    result = CliRunner().invoke(cli, ["convert", str(log), str(tmp_path / "out.xes"), *options])

    assert message in str(result.exception)
    assert not (tmp_path / "out.xes").exists()
