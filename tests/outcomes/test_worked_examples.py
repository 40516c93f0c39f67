"""The worked examples of the how-to pages, on the real files: the numbers printed there are those we get."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.outcomes import command
from journeymining.exceptions import InputError

pytestmark = [pytest.mark.real_data, pytest.mark.slow]


def run(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_who_buys_again(shared_data, tmp_path):
    lines = (shared_data / "surveys_orders/cdnow_purchases.txt").read_text().splitlines()[1:]
    rows = [line.split() for line in lines if line.strip()]
    log = pd.DataFrame(rows, columns=["journey_id", "day", "cds", "value"])
    log["activity"] = ("order_month_" + log["day"].str[4:6]).where(log["day"] < "19970701", "repurchase")
    log["timestamp"] = log["day"].str[:4] + "-" + log["day"].str[4:6] + "-" + log["day"].str[6:]
    log[["journey_id", "activity", "timestamp", "value"]].to_csv(tmp_path / "orders.csv", index=False)

    run(tmp_path / "orders.csv", "--timezone", "UTC", "--event", "repurchase", "--landmark", "1997-07-01",
        "--window", "journey", "--gap", "0 days",
        "--horizon", "180 days", "--out", tmp_path / "out")  # fmt: skip

    card = json.loads((tmp_path / "out/model_card.json").read_text(encoding="utf-8"))
    effects = pd.read_csv(tmp_path / "out/outcome_effects.csv")
    effects = effects[effects["level"] == "activity"].set_index("pattern")
    assert (len(log), card["labelled"], card["positives"]) == (69_659, 23_570, 6_359)
    assert card["headline"].startswith(
        "Paths tell repurchase better than journey length alone: by +0.02 [+0.01, +0.03]"
    )
    assert card["models"][0]["auc"] == pytest.approx(0.72, abs=0.01)
    assert effects.loc["order_month_06", "n"] == 1_615
    assert effects.loc["order_month_06", "difference"] == pytest.approx(0.46, abs=0.005)
    assert effects.loc["order_month_06", "holdout_difference"] == pytest.approx(0.44, abs=0.005)
    assert effects.loc["order_month_02", "difference"] == pytest.approx(0.04, abs=0.005)


def test_nothing_can_be_said_of_33_journeys(shared_data, tmp_path):
    with (shared_data / "outcomes/greps_journeys/greps_io_traces.csv").open(newline="") as file:
        rows = [(int(row["journey"]), int(row["pos"]), row["item"]) for row in csv.DictReader(file)]
    log = pd.DataFrame(
        {
            "journey_id": [str(journey) for journey, _, _ in rows] + ["end"],
            "activity": [item for _, _, item in rows] + ["end"],
            "timestamp": [
                pd.Timestamp(2020, 1 + j // 28, 1 + j % 28, p // 60, p % 60, tz="UTC").isoformat() for j, p, _ in rows
            ]
            + ["2020-12-31T00:00:00Z"],
        }
    )
    log.to_csv(tmp_path / "greps.csv", index=False)
    asked = [tmp_path / "greps.csv", "--event", "user|negative", "--mask", "positive|positive", "--mask", "end"]

    with pytest.raises(InputError, match="3 features give it away"):
        run(*asked, "--landmark", "journey_end", "--window", "journey", "--gap", "0 days", "--horizon", "1 hour")
    run(
        *asked,
        "--landmark",
        "event 20",
        "--window",
        "journey",
        "--gap",
        "0 days",
        "--horizon",
        "1 day",
        "--out",
        tmp_path / "out",
    )

    card = json.loads((tmp_path / "out/model_card.json").read_text(encoding="utf-8"))
    assert (card["labelled"], card["positives"]) == (33, 16)
    assert "is not distinguishable from" in card["headline"]
    assert card["models"][0]["auc_high"] - card["models"][0]["auc_low"] > 0.5
    assert pd.read_csv(tmp_path / "out/outcome_effects.csv").empty
