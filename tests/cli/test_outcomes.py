"""The outcomes command: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.outcomes import command
from journeymining.exceptions import EmptyLogError, InputError, MissingDependencyError, UsageError


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


WITHIN = ["--landmark", "journey_end", "--window", "journey", "--gap", "0 days", "--horizon"]
SENT_WITHIN = ["--landmark", "journey_end", "--window", "journey", "--horizon", "30 days"]
ASKED = ["--event", "cancel", *WITHIN, "30 days", "--scope", "order", "--customer",
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
        (["--event", "cancel"], "landmark, window, gap and horizon must be stated"),
        (
            ["--event", "cancl", *WITHIN, "1 day"],
            "Did you mean 'cancel'",
        ),
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


def test_the_results_come_with_an_account_of_the_log(log, tmp_path):
    run(log, *ASKED, "--out", tmp_path / "out")

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    quality = json.loads((tmp_path / "out" / "quality.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["horizon"] == "30 days"
    assert manifest["counts"]["labelled"] == 300
    assert manifest["inputs"][0]["path"].endswith("log.csv")
    assert quality["journeys"]["journeys"] == 300 + quality["journeys"]["outside_scope"]


@pytest.fixture(scope="module")
def early(log, tmp_path_factory):
    """Write the log as it was on its 45th day: some orders still wait for their cancellation."""
    frame = pd.read_csv(log)
    frame = frame[pd.to_datetime(frame["timestamp"], format="ISO8601") < pd.Timestamp("2026-02-15", tz="UTC")]
    path = tmp_path_factory.mktemp("early") / "log.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_model_is_applied_to_journeys_that_wait(log, early, tmp_path):
    run(log, *ASKED, "--out", tmp_path / "model")

    result = run(
        "score", tmp_path / "model", early, "--customer", "customer_id", "--format", "csv", "--top", 3,
        "--out", tmp_path / "scores",
    )  # fmt: skip

    shown = pd.read_csv(io.StringIO(result.stdout))
    every = pd.read_csv(tmp_path / "scores" / "scores.csv")
    quality = json.loads((tmp_path / "scores" / "quality.json").read_text(encoding="utf-8"))
    assert shown["journey_id"].tolist() == every["journey_id"].tolist()[:3]
    assert shown["probability"].is_monotonic_decreasing
    assert shown["because"].str.match("(higher|lower): ").all()
    assert quality["journeys"]["scored"] == len(every)
    assert f"{len(every)} of" in result.stderr


def test_a_log_that_differs_too_much_fails_only_if_asked(log, early, tmp_path):
    run(log, *ASKED, "--out", tmp_path / "model")
    frame = pd.read_csv(early)
    frame["channel"] = "shop"
    frame["activity"] = frame["activity"].replace({"deliver": "call"})
    frame.to_csv(tmp_path / "other.csv", index=False)
    arguments = [
        "score",
        tmp_path / "model",
        tmp_path / "other.csv",
        "--customer",
        "customer_id",
        "--channel",
        "channel",
    ]

    told, gated = run(*arguments), run(*arguments, "--fail-on-drift")

    assert "differ too much" in told.stderr
    assert (told.exit_code, gated.exit_code) == (0, 3)


def test_how_long_it_takes_is_shown_without_a_model(log, tmp_path):
    result = run(log, *ASKED, "--survival", "--format", "csv", "--out", tmp_path / "out")

    table = pd.read_csv(io.StringIO(result.stdout))
    curves = pd.read_csv(tmp_path / "out" / "survival_curves.csv")
    assert {"call", "uses phone"} & set(table["pattern"].head(3))
    assert table["q"].iloc[0] < 0.05
    assert curves["survival"].between(0, 1).all()
    assert not (tmp_path / "out" / "model.skops").exists()


def test_credit_for_an_event_is_shared_by_six_rules(log):
    result = run(
        log, "--customer", "customer_id", "--channel", "channel", "--attribution", "deliver", "--format", "csv"
    )

    table = pd.read_csv(io.StringIO(result.stdout)).set_index("touchpoint")
    assert table[["first", "last", "linear", "time_decay", "markov", "shapley"]].sum().tolist() == pytest.approx(
        [300] * 6
    )
    assert table.loc["web", "first"] == 300


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attribution", "deliver", "--event", "cancel"], "stands alone"),
        (
            ["--silence", "--survival", *WITHIN, "1 day"],
            "--survival needs --event",
        ),
    ],
)
def test_two_questions_at_once_are_refused(arguments, message, log):
    with pytest.raises(UsageError, match=message):
        run(log, *arguments)


def test_both_commands_tell_how_they_are_used():
    assert "Usage: command [OPTIONS] LOG" in run("--help").stdout
    assert "score [OPTIONS] MODEL LOG" in run("score", "--help").stdout


def test_odds_ratios_of_posthog_are_those_of_a_plain_count(log, tmp_path):
    result = run(log, *ASKED, "--method", "posthog", "--format", "csv", "--out", tmp_path / "out")

    events = pd.read_csv(log)
    left = set(events.loc[events["activity"] == "cancel", "customer_id"])
    called = set(events.loc[events["activity"] == "call", "customer_id"])
    everyone = {f"c{i}" for i in range(300)}
    s, f = len(called & left), len(called - left)
    odds = (s + 1) * (len(everyone - left) - f + 1) / ((len(left) - s + 1) * (f + 1))
    table = pd.read_csv(io.StringIO(result.stdout)).set_index("event")
    written = pd.read_csv(tmp_path / "out/posthog_correlation.csv")
    assert table.loc["call", "odds_ratio"] == pytest.approx(odds)
    assert table.loc["call", ["success_count", "failure_count"]].tolist() == [s, f]
    assert written["event"].tolist() == table.index.tolist()
    assert "say nothing of length" in result.stderr


def test_shap_values_are_written_if_asked(log, tmp_path):
    pytest.importorskip("shap")

    run(log, *ASKED, "--explain", "--out", tmp_path / "out")

    card = json.loads((tmp_path / "out/model_card.json").read_text(encoding="utf-8"))
    table = pd.read_parquet(tmp_path / "out/shap_values.parquet")
    assert [one["model"] for one in card["shap"]] == ["logistic regression", "gradient boosting"]
    assert len(table) == card["split"]["test"] == card["shap"][0]["journeys"]
    assert card["question"]["explain"] is True


def test_without_the_extra_the_error_names_it(log, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)

    with pytest.raises(MissingDependencyError, match=r"journeymining\[explain\]"):
        run(log, *ASKED, "--explain")


@pytest.fixture
def leaking(log, tmp_path):
    """Write the log with a form, the day after delivery, that everybody who cancels fills in."""
    events = pd.read_csv(log)
    left = events.loc[events["activity"] == "cancel", "customer_id"]
    form = events[(events["activity"] == "deliver") & events["customer_id"].isin(left)].assign(activity="exit_form")
    form["timestamp"] = (pd.to_datetime(form["timestamp"], format="ISO8601") + pd.Timedelta(days=1)).astype(str)
    pd.concat([events, form]).to_csv(tmp_path / "leaking.csv", index=False)
    return tmp_path / "leaking.csv"


def test_a_proxy_is_refused_unless_it_is_allowed_by_name_and_the_card_keeps_that(leaking, tmp_path):
    with pytest.raises(InputError, match=r"features give it away: exit_form.*--allow-proxy"):
        run(leaking, *ASKED)
    with pytest.raises(InputError, match="features give it away"):
        run(leaking, *ASKED, "--allow-proxy", "something_else")
    named = ["exit_form", "last activity deliver", "count channel post", "duration days"]

    run(leaking, *ASKED, *(word for name in named for word in ("--allow-proxy", name)), "--out", tmp_path / "out")

    card = json.loads((tmp_path / "out/model_card.json").read_text(encoding="utf-8"))
    assert card["question"]["allow_proxies"] == named
    assert {one["feature"]: one["allowed"] for one in card["audit"]}["exit_form"] is True
    assert any("may give the outcome away: exit_form" in text for text in card["warnings"])


@pytest.fixture
def beside(log, tmp_path):
    """Write what the log's cancellations and its parity say of customers as a table of outcomes and as answers."""
    events = pd.read_csv(log)
    gone = events[events["activity"] == "cancel"]
    table = pd.DataFrame({"customer_id": gone["customer_id"], "type": "left", "time": gone["timestamp"], "value": 7.5})
    table.to_csv(tmp_path / "left.csv", index=False)
    ends = events[events["activity"] == "deliver"]
    sent = pd.to_datetime(ends["timestamp"], format="ISO8601") + pd.Timedelta(days=1)
    called = ends["customer_id"].isin(events.loc[events["activity"] == "call", "customer_id"])
    answers = pd.DataFrame({"metric": "nps", "customer_id": ends["customer_id"], "sent_at": sent,
                            "value": np.where(called ^ (np.arange(300) % 5 == 0), 3, 9)})  # fmt: skip
    answers[:250].to_csv(tmp_path / "answers.csv", index=False)
    return tmp_path


def test_an_outcome_in_a_table_is_that_of_the_events_it_was_made_from(log, beside):
    where = [*WITHIN, "30 days", "--scope", "order", "--customer", "customer_id"]
    run(log, "--table", "left", "--outcomes", beside / "left.csv", *where, "--mask", "cancel", "--out", beside / "a")
    run(log, "--event", "cancel", *where, "--out", beside / "b")

    one, other = (json.loads((beside / name / "model_card.json").read_text(encoding="utf-8")) for name in "ab")
    assert (one["labelled"], one["positives"]) == (other["labelled"], other["positives"])
    assert one["models"][0]["auc"] == other["models"][0]["auc"]
    manifest = json.loads((beside / "a/manifest.json").read_text(encoding="utf-8"))
    assert any(entry["path"].endswith("left.csv") for entry in manifest["inputs"])


def test_spend_is_a_sum_within_the_horizon(log, beside):
    where = [*WITHIN, "30 days", "--scope", "order", "--customer", "customer_id",
             "--mask", "cancel", "--table", "left", "--outcomes", beside / "left.csv"]  # fmt: skip

    run(log, *where, "--at-least", 7.5, "--out", beside / "enough")

    card = json.loads((beside / "enough/model_card.json").read_text(encoding="utf-8"))
    assert card["positives"] == len(pd.read_csv(beside / "left.csv"))
    with pytest.raises(EmptyLogError, match="both outcomes are needed"):
        run(log, *where, "--at-least", 8)


def test_answers_in_a_file_are_an_outcome(log, beside):
    run(log, "--survey", "nps", "--promoters", 9, "--surveys", beside / "answers.csv", *SENT_WITHIN, "--scope", "order",
        "--customer", "customer_id", "--out", beside / "nps")  # fmt: skip

    card = json.loads((beside / "nps/model_card.json").read_text(encoding="utf-8"))
    answers = pd.read_csv(beside / "answers.csv")
    assert (card["labelled"], card["positives"]) == (250, (answers["value"] == 9).sum())
    assert card["left_out"]["no_answer"] == 50


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("customer_id,type\nc1,left\n", "column 'time' is missing"),
        ("customer_id,type,time\nc1,left,yesterday\n", "1 values of 'time' are no times"),
        (None, "there is no such file"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_what_would_do(content, message, log, tmp_path):
    if content is not None:
        (tmp_path / "t.csv").write_text(content)

    with pytest.raises(InputError, match=message):
        run(log, "--table", "left", "--outcomes", tmp_path / "t.csv", *WITHIN, "9 days")
    with pytest.raises(UsageError, match="--outcomes FILE goes with --table TYPE"):
        run(log, "--table", "left", *WITHIN, "9 days")
