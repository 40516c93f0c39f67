"""`journeymining discover` with rules, phases, contacts, collapsed loops, filters and two groups to compare."""

from __future__ import annotations

import csv
import io
import json
import random

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.discover import command
from journeymining.exceptions import EmptyLogError, SpecError, UsageError

START = pd.Timestamp("2026-01-01T10:00:00Z")


@pytest.fixture
def log(tmp_path):
    """Write 120 journeys: half of the segment b2b, which call after their order and wait three times as long."""
    rng = random.Random(1)
    rows = []
    for number in range(120):
        segment = "b2b" if number % 2 else "b2c"
        at = START + pd.Timedelta(days=number % 30)
        steps = [
            ("order", "web"),
            *([("call", "phone")] * (1 + number % 3) if segment == "b2b" else []),
            ("pay", "web"),
        ]
        for activity, channel in steps:
            rows.append((number, activity, at.isoformat(), channel, segment))
            at += pd.Timedelta(hours=rng.expovariate(1.0))
    frame = pd.DataFrame(rows, columns=["case_id", "activity", "timestamp", "channel", "segment"])
    frame.to_csv(tmp_path / "log.csv", index=False)
    return tmp_path / "log.csv"


def discover(*arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)


def test_two_groups_by_filters_on_stdout_and_as_files(log, tmp_path):
    out = tmp_path / "out"

    answer = discover(
        log, "--compare", "attribute segment=b2b", "attribute segment=b2c", "--format", "csv", "--out", out
    )

    rows = {(row["analysis"], row["item"]): row for row in csv.DictReader(io.StringIO(answer.stdout))}
    call = rows["touchpoints", "call"]
    assert (float(call["first"]), float(call["second"]), call["verdict"]) == (1.0, 0.0, "higher")
    assert rows["directly follows", "order > pay"]["verdict"] == "lower"
    summary = json.loads((out / "comparisons" / "comparison.json").read_text())
    assert summary["journeys"] == [60, 60]
    assert summary["sentence"].startswith(
        "60 journeys that have an event with segment b2b against 60 that have an event with segment b2c: "
    )
    table = pd.read_csv(out / "comparisons" / "comparison.csv", keep_default_na=False)
    assert (table["verdict"] == "higher").sum() >= 5


def test_several_filters_make_one_group(log):
    answer = discover(log, "--compare", "attribute segment=b2b ; begun .. 2026-01-16", "not channel phone")

    # Odd journeys that begin on the first 15 of 30 days: 7 of every 30.
    assert answer.stdout.startswith("28 journeys that have an event with segment b2b, and begin before 2026-01-16 ")


def test_a_group_without_journeys_of_its_own_is_an_error(log):
    with pytest.raises(EmptyLogError, match="alone"):
        discover(log, "--compare", "channel phone", "channel web")
    with pytest.raises(UsageError, match="Did you mean 'phone'"):
        discover(log, "--compare", "channel phon", "channel web")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("begun 2026-01-01 .. 2026-01-02", 4),
        ("channel phone", 60),
        ("attribute segment=b2c", 60),
        ("contains call, pay", 60),
        ("follows order, call", 60),
        ("variants 50%", 60),
        ("reaches call", 60),
        ("not contains call", 60),
        ("ends with pay", 120),
        ("starts with order", 120),
    ],
)
def test_every_filter_says_what_it_leaves(log, tmp_path, text, kept):
    answer = discover(log, "--filter", text, "--format", "json", "--personas", 0, "--out", tmp_path / "out")

    assert f"{kept} of 120 journeys" in answer.stderr
    assert sum(row["journeys"] for row in json.loads(answer.stdout)) == kept
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["scope"].startswith(f"{kept} of 120 journeys")


def test_collapsed_loops_phases_and_repeat_contacts(log, tmp_path):
    out = tmp_path / "out"
    discover(
        log, "--collapse", "--contact", "order", "--window", "1 day", "--phase", "purchase=order, pay", "--phase",
        "service=call", "--out", out,
    )  # fmt: skip

    paths = {tuple(path) for path in pd.read_parquet(out / "variants.parquet")["path"]}
    assert paths == {("order", "call", "pay"), ("order", "pay")}
    quality = json.loads((out / "quality.json").read_text())
    assert quality["coverage"]["events_collapsed"] == 20 * 1 + 20 * 2
    progress = pd.read_csv(out / "phase_progress.csv").set_index("phase")
    assert progress.index.tolist() == ["purchase", "service"]
    assert progress.loc["service", ["journeys", "back_journeys"]].tolist() == [60, 60]
    contacts = pd.read_csv(out / "repeat_contacts.csv")
    assert contacts[["activity", "contacts", "repeated", "window"]].to_numpy().tolist() == [["order", 120, 0, 86400.0]]
    assert (out / "phase_dropoff.csv").exists()
    models = pd.read_csv(out / "process_models.csv")
    assert models["miner"].tolist() == ["inductive", "heuristics", "split"]
    assert models[["fitness", "precision", "simplicity"]].notna().all(axis=None)
    for miner in ("heuristics", "split"):
        assert (out / f"process_model_{miner}.bpmn").read_text().lstrip().startswith("<?xml")
        assert (out / f"process_model_{miner}.pnml").exists()


def test_touchpoint_rules_from_a_file(log, tmp_path):
    rules = tmp_path / "rules.yaml"
    lines = ("{activity: call, is: helpdesk}", "{channel: web, activity: pay, drop: true}", "{activity: cal, is: x}")
    rules.write_text("rules:\n" + "".join(f"- {line}\n" for line in lines))

    answer = discover(log, "--touchpoints", rules, "--format", "json", "--out", tmp_path / "out")

    assert {row["path"].split(" > ")[-1] for row in json.loads(answer.stdout)} == {"helpdesk", "order"}
    assert "rules match 240 of 360 events; 120 match none and are kept." in answer.stderr
    assert "rules that never match: 3." in answer.stderr
    (step,) = json.loads((tmp_path / "out" / "manifest.json").read_text())["steps"]
    assert (step["rows_in"], step["rows_out"]) == (360, 240)
    assert step["left_out"] == {"dropped by a touchpoint rule": 120}
    rules.write_text("rules:\n- {activity: call, iss: helpdesk}\n")
    with pytest.raises(SpecError, match="iss"):
        discover(log, "--touchpoints", rules)
