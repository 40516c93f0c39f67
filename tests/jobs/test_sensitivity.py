"""The headline numbers of a run with and without the weakest kind of identifier, counted by hand."""

from __future__ import annotations

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
outcomes: {churn: {event: cancel, scope: order, landmark: journey_end, gap: 0 days, horizon: 10 days}}
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
    assert list(found.index) == [*list(expected)[:6], "log fitness", *list(expected)[6:]]
    for measure, numbers in expected.items():
        assert tuple(found.loc[measure, ["with_all", "without_weakest"]]) == pytest.approx(numbers), measure
    # A's order without a payment departs from the design by one step.
    assert found.loc["log fitness", "with_all"] == 1
    assert 0 < found.loc["log fitness", "without_weakest"] < 1
    assert found["difference"].tolist() == pytest.approx((found["without_weakest"] - found["with_all"]).tolist())
    # No record carries a device, so that the cookie is the weakest kind there is.
    assert set(found["weakest"]) == {"cookie"}
    assert manifest.settings["sensitivity"] == {"left_out": "cookie"}


def test_one_kind_of_identifier_cannot_be_left_out_and_the_run_says_so(tmp_path):
    lines = [line for line in SHOP.splitlines() if ",,k1" not in line]

    manifest = computed(tmp_path, "\n".join(lines).replace(",k1", ",") + "\n")

    assert not (tmp_path / "stitch_sensitivity.csv").exists()
    assert "fewer than two kinds" in manifest.settings["sensitivity"]["not_computed"]


def test_the_command_line_asks_for_it(tmp_path, monkeypatch):
    (tmp_path / "design.yaml").write_text(DESIGN, encoding="utf-8")
    (tmp_path / "job.yaml").write_text(JOB.replace("sensitivity: true", "sensitivity: false"), encoding="utf-8")
    asked = []
    monkeypatch.setattr("journeymining.jobs.run", lambda job, **options: asked.append((job.name, options)) or "report")

    for options in ([], ["--sensitivity"]):
        assert CliRunner().invoke(command, [str(tmp_path / "job.yaml"), *options]).exit_code == 0

    assert [(name, options["sensitivity"]) for name, options in asked] == [("shop", False), ("shop", True)]
