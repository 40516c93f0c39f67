"""Which journeys of a log are still under way, as its commands read it."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.conform import command as conform
from journeymining.cli.discover import command as discover
from journeymining.cli.open_journeys import open_journeys
from journeymining.cli.options import read_log
from journeymining.cli.outcomes import command as outcomes
from journeymining.exceptions import InputError, UsageError

DESIGN = "journey: buy\nscope: {start: order}\ntouchpoints: {order: {}, confirm: {}}\nflow: order > confirm\n"


@pytest.fixture
def log(tmp_path):
    frame = pd.DataFrame(
        {
            "journey_id": ["a", "a", "b", "d"],
            "activity": ["order", "confirm", "order", "order"],
            "timestamp": pd.to_datetime([1, 2, 3, 8], unit="D", utc=True),
        }
    )
    frame.to_parquet(tmp_path / "events.parquet", index=False)
    (tmp_path / "design.yaml").write_text(DESIGN)
    return tmp_path / "events.parquet"


def marks(path, **flags):
    pd.DataFrame({"journey_id": list(flags), "open": list(flags.values())}).to_parquet(path, index=False)
    return path


def found(log, *options):
    arguments = [str(log), "--design", str(log.parent / "design.yaml"), "--table", "journeys", "--format", "json"]
    result = CliRunner().invoke(conform, [*arguments, *map(str, options)])
    if result.exception is not None:
        raise result.exception
    return {row["journey_id"]: row["stands"] for row in json.loads(result.stdout)}, result.stderr


def test_without_marks_all_journeys_count_as_ended_and_that_is_said(log):
    stands, said = found(log)

    assert stands == {"a": "complete", "b": "complete", "d": "complete"}
    assert "No journey is marked as open: all of them count as ended." in said


def test_the_journeys_that_a_run_leaves_beside_its_events_are_used(log, tmp_path):
    marks(tmp_path / "journeys.parquet", a=False, b=False, d=True, gone=True)

    stands, said = found(log, "--out", tmp_path / "out")

    assert (stands["b"], stands["d"]) == ("complete", "open")
    assert f"1 of 3 journeys are open, as {tmp_path / 'journeys.parquet'} says." in said
    inputs = json.loads((tmp_path / "out/manifest.json").read_text())["inputs"]
    assert any(entry["path"].endswith("journeys.parquet") for entry in inputs)


def test_the_folder_of_a_run_is_its_events(log, tmp_path):
    marks(tmp_path / "journeys.parquet", a=False, b=False, d=True)

    assert open_journeys(str(tmp_path), read_log(str(log)), None).file == tmp_path / "journeys.parquet"


def test_a_log_of_another_name_lies_beside_a_run_by_chance(log, tmp_path):
    marks(tmp_path / "journeys.parquet", a=False, b=False, d=True)
    log.rename(tmp_path / "mine.parquet")

    assert "No journey is marked" in found(tmp_path / "mine.parquet")[1]


def test_a_table_of_something_else_beside_the_log_is_not_taken_for_marks(log, tmp_path):
    pd.DataFrame({"journey": ["d"], "length": [1]}).to_parquet(tmp_path / "journeys.parquet", index=False)

    assert "No journey is marked" in found(log)[1]


def test_a_table_of_marks_may_be_given_and_what_it_does_not_know_is_counted(log, tmp_path):
    marks(tmp_path / "journeys.parquet", d=True)
    (tmp_path / "mine.csv").write_text("journey_id,open\nb,True\na,false\n")

    stands, said = found(log, "--open-journeys", tmp_path / "mine.csv")

    assert stands["b"] == "open"
    assert "1 of 3 journeys are open" in said
    assert "of 1 nothing is said." in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("journey_id,open\nb,perhaps\n", "says 'perhaps'; write true, false or nothing"),
        ("journey,open\nb,true\n", "journey_id"),
        ("journey_id,open\nb,true\nb,false\n", "2 rows name a journey that another row names"),
        ("journey_id,open\nx,true\n", "says of no journey of the log"),
        (None, "there is no such file"),
    ],
)
def test_marks_that_cannot_be_read_are_refused(content, message, log, tmp_path):
    if content is not None:
        (tmp_path / "mine.csv").write_text(content)

    with pytest.raises(InputError, match=message):
        open_journeys(str(log), read_log(str(log)), str(tmp_path / "mine.csv"))


def test_discovery_takes_the_marks_too_unless_nobody_is_to_be_told_apart(log, tmp_path):
    marks(tmp_path / "journeys.parquet", a=False, b=False, d=True)

    told = CliRunner().invoke(discover, [str(log), "--out", str(tmp_path / "out")], catch_exceptions=False)
    hidden = CliRunner().invoke(discover, [str(log), "--k", "2"], catch_exceptions=False)

    assert "1 of 3 journeys are open" in told.stderr
    assert pd.read_parquet(tmp_path / "out/journeys.parquet").set_index("journey_id")["open"].to_dict() == {
        "a": False, "b": False, "d": True,
    }  # fmt: skip
    assert "With --k no journey is known as open" in hidden.stderr
    with pytest.raises(UsageError, match="--open-journeys cannot say"):
        CliRunner().invoke(discover, [str(log), "--k", "2", "--open-journeys", "m.csv"], catch_exceptions=False)


def test_two_ways_to_say_it_are_refused(log, tmp_path):
    with pytest.raises(UsageError, match="give one of them"):
        found(log, "--open-journeys", marks(tmp_path / "m.parquet", d=True), "--open-after", "2 days")


def test_an_open_journey_has_no_outcome_yet(log, tmp_path):
    rows = [(f"j{i}", f"c{i}", "order", i / 10) for i in range(200)]
    rows += [(f"x{i}", f"c{i}", "left", i / 10 + 5) for i in range(0, 200, 2)]
    frame = pd.DataFrame([*rows, ("last", "z", "ping", 90.0)], columns=["journey_id", "customer_id", "activity", "day"])
    frame["timestamp"] = pd.to_datetime("2026-01-01", utc=True) + pd.to_timedelta(frame.pop("day"), unit="D")
    frame.to_parquet(log, index=False)
    marks(tmp_path / "journeys.parquet", **{f"j{i}": i < 30 for i in range(200)})
    asked = ["--event", "left", "--scope", "order", "--landmark", "journey_end", "--window", "journey", "--gap",
             "0 days", "--horizon", "30 days", "--customer", "customer_id", "--out", str(tmp_path / "out")]  # fmt: skip

    result = CliRunner().invoke(outcomes, [str(log), *asked])

    assert result.exit_code == 0, result.exception
    card = json.loads((tmp_path / "out/model_card.json").read_text())
    assert card["labelled"] == 170
    assert card["left_out"]["landmark_not_reached"] == 30


def test_marks_do_not_go_with_a_question_that_does_not_ask_for_them(log, tmp_path):
    with pytest.raises(UsageError, match="--attribution do not ask"):
        CliRunner().invoke(
            outcomes, [str(log), "--attribution", "confirm", "--open-journeys", "m.csv"], catch_exceptions=False
        )
