"""The outcomes command: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.outcomes import command
from journeymining.exceptions import InputError, UsageError


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Write 300 orders of which those with a call are cancelled more often, and a last event long after."""
    generator = np.random.default_rng(0)
    rows = []
    for i in range(300):
        start, calls = generator.random() * 50, generator.random() < 0.4
        rows += [(f"j{i}", f"c{i}", "order", start, "web"), (f"j{i}", f"c{i}", "deliver", start + 3, "post")]
        rows += [(f"j{i}", f"c{i}", "call", start + 1, "phone")] * calls
        if generator.random() < 0.15 + 0.4 * calls:
            rows.append((f"x{i}", f"c{i}", "cancel", start + 10, "web"))
    rows.append(("z", "z", "ping", 120, "web"))
    frame = pd.DataFrame(rows, columns=["journey_id", "customer_id", "activity", "day", "channel"])
    frame["timestamp"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
    frame["label"] = frame["journey_id"].map(lambda name: "good" if hash_of(name) % 2 else "bad")
    path = tmp_path_factory.mktemp("log") / "log.csv"
    frame.to_csv(path, index=False)
    return path


def hash_of(name):
    return sum(map(ord, name))


def run(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


ASKED = ["--event", "cancel", "--landmark", "journey_end", "--horizon", "30 days", "--scope", "order", "--customer",
         "customer_id"]  # fmt: skip


def test_the_headline_and_the_effects_are_printed_and_written(log, tmp_path):
    result = run(log, *ASKED, "--out", tmp_path / "out")

    card = json.loads((tmp_path / "out" / "model_card.json").read_text(encoding="utf-8"))
    effects = pd.read_csv(tmp_path / "out" / "outcome_effects.csv")
    assert card["headline"] in result.stdout
    assert card["labelled"] == 300
    assert "Split by" in result.stderr or card["split"]["kind"] == "temporal"
    assert effects.iloc[0]["verdict"] == "claimed: higher"
    assert "call" in effects.iloc[0]["pattern"] or "phone" in effects.iloc[0]["pattern"]


def test_csv_on_stdout_is_the_table_and_nothing_else(log):
    result = run(log, *ASKED, "--format", "csv", "--top", 3)

    table = pd.read_csv(io.StringIO(result.stdout))

    assert 1 <= len(table) <= 3
    assert {"pattern", "difference", "verdict"} <= set(table)


def test_a_folder_that_is_there_stays_unless_forced(log, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(UsageError, match="exists"):
        run(log, *ASKED, "--out", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what the outcome is"),
        (["--event", "cancel", "--label-column", "label"], "Say what the outcome is"),
        (["--label-column", "label"], "--positive"),
        (["--event", "cancel"], "landmark and horizon must be stated"),
        (["--event", "cancl", "--landmark", "journey_end", "--horizon", "1 day"], "Did you mean 'cancel'"),
    ],
)
def test_a_question_that_is_not_clear_is_refused(arguments, message, log):
    with pytest.raises(UsageError, match=message):
        run(log, *arguments)


def test_a_label_column_that_is_missing_is_named(log):
    with pytest.raises(InputError, match=r"column 'lable' is missing\. Did you mean 'label'"):
        run(log, "--label-column", "lable", "--positive", "good")


def test_a_labelled_log_is_told_prefix_by_prefix(log, tmp_path):
    run(log, "--label-column", "label", "--positive", "good", "--out", tmp_path / "out")

    card = json.loads((tmp_path / "out" / "model_card.json").read_text(encoding="utf-8"))

    assert card["split"]["kind"] == "strict"
    assert card["prefixes"]["longest"] == 3
    assert card["prefixes"]["test"] > card["split"]["test"]
    assert "not distinguishable" in card["headline"]
