"""The headline numbers of a run with and without the weakest kind of identifier, counted by hand."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.run import command
from journeymining.jobs import read_job
from journeymining.jobs.analyses import sensitivity_step
from journeymining.jobs.events import Builder, cut_journeys, prepare_log, pull_events, stitch_customers
from journeymining.jobs.manifest import Manifest
from journeymining.jobs.store import Store

KEY = b"a key that only tests have"

# A is known by the account when ordering, by the cookie only when paying and cancelling; B and C always by the account.
SHOP = """time,activity,channel,account,cookie
2026-01-01T10:00:00Z,order,web,A,k1
2026-01-02T10:00:00Z,pay,app,,k1
2026-01-05T10:00:00Z,cancel,web,,k1
2026-01-01T10:00:00Z,order,web,B,
2026-01-02T10:00:00Z,pay,web,B,
2026-12-01T10:00:00Z,order,web,C,
2026-12-02T10:00:00Z,pay,web,C,
"""
JOB = """
job: shop
timezone: UTC
sources: {shop: {connector: csv, path: shop.csv}}
identity: {keys: [account, email, cookie, device], sensitivity: true}
journeys: {by: customer, cut: {gap: 30 days, end: [pay]}}
design: design.yaml
outcomes: {churn: {event: cancel, scope: order, landmark: journey_end, window: journey, gap: 0 days, horizon: 10 days}}
"""
DESIGN = "journey: shop\nscope: {start: order, end: [pay]}\nflow: order > pay\n"


def computed(folder, shop=SHOP):
    """Build the log of the job, do the step, and return the manifest; the step writes into the folder."""
    (folder / "shop.csv").write_text(shop, encoding="utf-8")
    (folder / "design.yaml").write_text(DESIGN, encoding="utf-8")
    (folder / "job.yaml").write_text(JOB, encoding="utf-8")
    job = read_job(folder / "job.yaml")
    builder = Builder(job=job, store=Store(folder / "events"), manifest=Manifest("shop", "shop"), key=KEY)
    pull_events(builder)
    stitch_customers(builder)
    cut_journeys(builder)
    sensitivity_step(builder, prepare_log(builder), folder, conformance=None)
    return builder.manifest


def test_a_run_shows_its_numbers_without_the_weakest_kind_of_identifier(tmp_path):
    manifest = computed(tmp_path)

    found = pd.read_csv(tmp_path / "stitch_sensitivity.csv").set_index("measure")
    expected = {
        "customers": (3, 5),
        "journeys": (4, 5),
        "events with an account (share)": (1, 5 / 7),
        "journeys with several channels (share)": (1 / 4, 0),
        "journeys in scope of the design": (3, 3),
        "journeys following the design (share)": (1, 2 / 3),
        "churn: journeys with a known outcome": (2, 2),
        "churn: rate": (0.5, 0),
    }
    for measure, numbers in expected.items():
        assert tuple(found.loc[measure, ["with_all", "without_weakest"]]) == pytest.approx(numbers), measure
    # A's order without a payment departs from the design by one step.
    assert found.loc["log fitness", "with_all"] == 1
    assert 0 < found.loc["log fitness", "without_weakest"] < 1
    difference = (found["without_weakest"] - found["with_all"]).tolist()
    assert found["difference"].tolist() == pytest.approx(difference, nan_ok=True)
    # No record carries a device, so that the cookie is the weakest kind there is.
    assert set(found["weakest"]) == {"cookie"}
    assert manifest.settings["sensitivity"] == {"left_out": "cookie"}


def test_one_kind_of_identifier_cannot_be_left_out_and_the_run_says_so(tmp_path):
    lines = [line for line in SHOP.splitlines() if ",,k1" not in line]

    manifest = computed(tmp_path, "\n".join(lines).replace(",k1", ",") + "\n")

    assert not (tmp_path / "stitch_sensitivity.csv").exists()
    assert "fewer than two kinds" in manifest.settings["sensitivity"]["not_computed"]


ASKED = """time,activity,channel,status,account,phone,cookie
2026-01-01T10:00:00Z,order,web,failed,A,,k1
2026-01-02T10:00:00Z,pay,app,,,+49 30 23125701,k1
2026-01-05T10:00:00Z,cancel,web,,,,k1
2026-01-01T10:00:00Z,order,web,,B,,
2026-01-02T10:00:00Z,pay,web,,B,,
2026-12-01T10:00:00Z,order,web,,C,,k2
2026-12-02T10:00:00Z,pay,web,,,,k2
"""
ANSWERS = """survey_id,phone,account,level,metric,value,scale_min,scale_max,sent_at,answered_at
1,+49 30 23125701,,relation,nps,9,0,10,2026-01-03T10:00:00Z,2026-01-03T11:00:00Z
2,,B,relation,nps,3,0,10,2026-01-03T10:00:00Z,2026-01-03T11:00:00Z
"""
BY_HAND = {
    # Without the cookie four records are on their own: two payments, a cancellation, and C's order, which stays open.
    "customers": (3, 6),
    "journeys": (4, 6),
    "open journeys": (0, 1),
    "events with an account (share)": (1, 4 / 7),
    "events of anonymous customers (share)": (0, 2 / 7),
    "journeys with several channels (share)": (1 / 4, 0),
    # A's order failed before A went to the app; without the cookie nobody changes the channel.
    "forced channel switches (share)": (1, float("nan")),
    # A's order lacks its payment: one step of three at worst; B's is as designed, and so is C's, which is open, so far.
    "journeys in scope of the design": (3, 3),
    "journeys following the design (share)": (1, 2 / 3),
    "mean fitness of a journey": (1, (2 / 3 + 1 + 1) / 3),
    "log fitness": (1, 1 - 1 / (3 + 4 + 1)),
    "Net Promoter Score": (0, 0),
    # The payment's telephone is a customer of its own, without a journey that begins with an order.
    "answers about a journey (share)": (1, 1 / 2),
    "churn: journeys with a known outcome": (2, 2),
    "churn: rate": (1 / 2, 0),
}


@pytest.mark.parametrize("asked", [True, False])
def test_a_whole_run_asked_for_it_shows_every_number_twice_in_file_and_report(asked, tmp_path):
    (tmp_path / "shop.csv").write_text(ASKED, encoding="utf-8")
    (tmp_path / "answers.csv").write_text(ANSWERS, encoding="utf-8")
    (tmp_path / "design.yaml").write_text(DESIGN, encoding="utf-8")
    with_answers = "path: shop.csv}, asked: {connector: survey_csv, path: answers.csv}}"
    job = JOB.replace("path: shop.csv}}", with_answers).replace("sensitivity: true", "sensitivity: false")
    job = job.replace("account, email", "account, phone")
    (tmp_path / "job.yaml").write_text(job, encoding="utf-8")
    options = ["--events", str(tmp_path / "events"), "--out", str(tmp_path / "out"), *["--sensitivity"] * asked]

    result = CliRunner().invoke(
        command, [str(tmp_path / "job.yaml"), *options], env={"JOURNEYMINING_KEY": KEY.decode()}
    )

    assert result.exit_code == 0, result.output
    report = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    heading = "the same numbers if cookie linked nobody"
    if not asked:
        assert not (tmp_path / "out/stitch_sensitivity.csv").exists()
        assert heading not in report
        return
    found = pd.read_csv(tmp_path / "out/stitch_sensitivity.csv").set_index("measure")
    assert list(found.index) == list(BY_HAND)
    for measure, numbers in BY_HAND.items():
        assert list(found.loc[measure, ["with_all", "without_weakest"]]) == pytest.approx(numbers, nan_ok=True), measure
    table = report[report.index(heading) :]
    shown = [
        re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", table)[1 : 1 + len(found)]
    ]
    assert [row[0].lower() for row in shown] == [measure.lower() for measure in BY_HAND]
    assert shown[0][1:] == ["3", "6", "+3"]
    assert shown[3][1:3] == ["100.0%", "57.1%"]
