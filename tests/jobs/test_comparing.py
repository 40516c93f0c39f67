"""A job that compares groups, collapses loops, counts repeat contacts and shows what other gaps would give."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest

from journeymining.exceptions import SpecError
from journeymining.jobs import read_job, run

JOB = """\
job: shop
sources: {events: {connector: csv, path: events.csv}}
timezone: UTC
identity: {keys: [email], pseudonymise: false}
journeys: {by: customer, cut: {gap: 10 days, end: [delivered]}}
phases: {purchase: [order, pay], use: [delivered, call]}
discovery: {collapse: true, personas: 3, contacts: {activities: [call], window: 2 days}}
compare:
  callers: {first: [contains call], names: [callers, others]}
  returned: {outcome: again}
outcomes:
  again: {event: order, landmark: journey_end, window: journey, gap: 0 days, horizon: 30 days}
report: {language: en, title: Shop}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return a folder with a job and the events of 150 customers over half a year."""
    folder, rng = tmp_path_factory.mktemp("shop"), random.Random(2)
    rows = []
    for number in range(150):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=rng.random() * 170)
        for _ in range(rng.randrange(1, 3)):
            path = ["order", "pay", *["call"] * rng.choice([0, 0, 1, 2]), "delivered"]
            for activity in path[: rng.choice([4, 4, 4, 2])]:
                channel = "phone" if activity == "call" else "web"
                rows.append([at.isoformat(), activity, channel, f"c{number}@example.com"])
                at += timedelta(hours=1 + rng.random() * 20)
            at += timedelta(days=4 + rng.random() * 20)
    with (folder / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["time", "activity", "channel", "email"], *rows])
    (folder / "job.yaml").write_text(JOB)
    return folder


def test_a_run_holds_what_its_job_asks_for(base):
    run(read_job(base / "job.yaml"), events=base / "events", out=base / "out")

    out = base / "out"
    manifest = json.loads((out / "manifest.json").read_text())
    quality = json.loads((out / "quality.json").read_text())
    found = pd.read_csv(out / "comparisons" / "callers.csv", keep_default_na=False)
    summary = json.loads((out / "comparisons" / "callers.json").read_text())
    journeys = pd.read_parquet(base / "events" / "events.parquet").groupby("journey_id")["activity"].agg(list)
    callers = sum("call" in path for path in journeys)
    assert summary["names"] == ["callers", "others"]
    assert summary["journeys"] == [callers, len(journeys) - callers]
    assert found.loc[(found["analysis"] == "channels") & (found["item"] == "phone"), "verdict"].item() == "higher"
    # Whoever calls twice calls by phone both times: equal neighbours are one event.
    repeats = sum(a == b for path in journeys for a, b in pairwise(path))
    assert manifest["settings"]["events_collapsed"] == repeats > 20
    paths = pd.read_parquet(out / "variants.parquet")["path"].map(tuple)
    assert not any(a == b for path in paths for a, b in pairwise(path))
    assert (out / "repeat_contacts.csv").exists()
    assert (out / "found_personas.json").exists()
    gaps = pd.read_csv(out / "gap_sensitivity.csv")
    chosen = gaps[gaps["chosen"]].iloc[0]
    assert gaps["gap"].tolist() == ["60 hours", "5 days", "10 days", "20 days", "40 days"]
    assert gaps["journeys"].is_monotonic_decreasing
    counted = quality["journeys"]
    assert chosen[["journeys", "open", "left_truncated"]].tolist() == [
        counted[name] for name in ("journeys", "open", "left_truncated")
    ]
    compared = [step for step in manifest["steps"] if step["name"].startswith("compare")]
    assert [step["name"] for step in compared] == ["compare callers", "compare returned"]
    for step in compared:
        assert step["rows_in"] == step["rows_out"] + sum(step["left_out"].values())
    assert 'id="comparison"' in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("compare: {a: {first: [contians call]}}", "contians call"),
        ("compare: {a: {outcome: agian}}", "Did you mean 'again'"),
        ("compare: {a: {}}", "first"),
        ("compare: {a: {outcome: again, second: [contains call]}}", "no meaning"),
        ("discovery: {collaps: true}", "collapse"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_runs(base, tmp_path, line, what):
    kept = JOB[: JOB.index("discovery:")] + JOB[JOB.index("outcomes:") :]
    (tmp_path / "job.yaml").write_text(kept + line + "\n")

    with pytest.raises(SpecError, match=what):
        read_job(tmp_path / "job.yaml")
