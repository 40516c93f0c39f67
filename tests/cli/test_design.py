"""``journeymining design``: pictures, drafts, conversions."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from journeymining.cli.design import command
from journeymining.conformance.design import read_design
from journeymining.exceptions import InputError, UsageError

DESIGN = "journey: buy\ntouchpoints: {order: {channel: web}, call: {}, pay: {}}\nflow: order > call? > pay\n"


@pytest.fixture
def design(tmp_path):
    file = tmp_path / "design.yaml"
    file.write_text(DESIGN)
    return file


def run(*arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments])


def test_a_design_is_drawn(design, tmp_path):
    assert run("draw", design, "--out", tmp_path / "x.svg").exit_code == 0

    assert "order" in (tmp_path / "x.svg").read_text()
    assert isinstance(run("draw", design, "--out", tmp_path / "x.svg").exception, UsageError)
    assert run("draw", design).stdout_bytes.startswith(b"<?xml")


@pytest.mark.parametrize("ending", ["pnml", "bpmn"])
def test_what_is_converted_is_read_again(design, tmp_path, ending):
    out = tmp_path / f"x.{ending}"

    result = run(f"to-{ending}", design, "--out", out)

    assert result.exit_code == 0, result.exception
    assert read_design(out).net.alphabet == ["call", "order", "pay"]


def test_rules_are_written_as_declare(design, tmp_path):
    assert run("to-decl", design, "--out", tmp_path / "x.decl").exit_code == 0

    assert "precedence(order, call)" in [rule.text for rule in read_design(tmp_path / "x.decl").rules]


def test_touchpoints_are_written_as_cjml(design):
    result = run("to-cjml", design)

    assert b"<plannedJourney>" in result.stdout_bytes
    assert b"<channelName>web</channelName>" in result.stdout_bytes


def test_a_design_on_a_diagram_has_its_flow(design, tmp_path):
    run("to-bpmn", design, "--out", tmp_path / "x.bpmn")

    result = run("from-bpmn", tmp_path / "x.bpmn", "--out", tmp_path / "on.yaml")

    assert result.exit_code == 0, result.exception
    read = read_design(tmp_path / "on.yaml")
    assert read.net.alphabet == ["call", "order", "pay"]
    assert 'model: "x.bpmn"' in (tmp_path / "on.yaml").read_text()


def test_a_design_is_drafted_from_a_log(tmp_path):
    log = tmp_path / "log.csv"
    rows = [
        f"{number},{activity},2026-03-0{day}T10:00:00Z,web"
        for number in range(3)
        for day, activity in enumerate(["order", "pay"], 1)
    ]
    log.write_text("\n".join(["journey_id,activity,timestamp,channel", *rows]) + "\n")

    result = run("from-log", log, "--coverage", "1", "--out", tmp_path / "draft.yaml")

    assert result.exit_code == 0, result.exception
    drafted = read_design(tmp_path / "draft.yaml")
    assert drafted.touchpoints["order"].channels == ("web",)
    assert "3 of 3 journeys" in result.stderr


def test_a_model_without_a_flow_cannot_be_written_as_bpmn(design, tmp_path):
    run("to-pnml", design, "--out", tmp_path / "x.pnml")

    assert isinstance(run("to-bpmn", tmp_path / "x.pnml").exception, InputError)
