"""``journeymining conform``: tables, files, gates."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli import main
from journeymining.cli.conform import command
from journeymining.cli.discover import command as discover
from journeymining.exceptions import GateFailed, JourneyMiningError, UsageError
from journeymining.report.audit import write_report

LOG = "journey_id,activity,timestamp,channel\n" + "".join(
    f"{journey},{activity},2026-03-0{day}T10:00:00Z,{channel}\n"
    for journey, day, activity, channel in [
        ("a", 1, "order", "web"),
        ("a", 2, "confirm", "email"),
        ("b", 3, "order", "phone"),
        ("c", 4, "newsletter", "email"),
        ("d", 8, "order", "web"),
    ]
)
DESIGN = (
    "journey: buy\nscope: {start: order}\ntouchpoints: {order: {channel: web}, confirm: {}}\nflow: order > confirm\n"
)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    (tmp_path / "design.yaml").write_text(DESIGN)
    return tmp_path


def run(files, *options):
    arguments = [str(files / "log.csv"), "--design", str(files / "design.yaml"), *options]
    return CliRunner().invoke(command, arguments)


def test_deviations_are_written_to_stdout_and_the_sum_to_stderr(files):
    result = run(files, "--format", "json")

    assert result.exit_code == 0, result.exception
    rows = {(row["type"], row["touchpoint"]): row["journeys"] for row in json.loads(result.stdout)}
    assert rows == {("dead_end", "order"): 2, ("missing", "confirm"): 2, ("wrong_channel", "order"): 1}
    assert "3 of 4 journeys in scope of 'buy'; 1 follow it (33.3%" in result.stderr


def test_recent_journeys_are_open(files):
    result = run(files, "--format", "json", "--open-after", "2 days", "--table", "journeys")

    rows = {row["journey_id"]: (row["stands"], row["pending"]) for row in json.loads(result.stdout)}
    assert rows["d"] == ("open", "confirm")
    assert rows["b"][0] == "complete"
    assert rows["c"][0] == "outside"


def test_the_files_of_a_check(files):
    out = files / "out"

    result = run(files, "--out", str(out))

    assert result.exit_code == 0, result.exception
    names = {path.name for path in out.iterdir()}
    assert {"conformance.csv", "deviations.csv", "conformance.json", "conformance_journeys.parquet"} <= names
    deviations = pd.read_csv(out / "deviations.csv")
    assert list(deviations)[:8] == [
        "type", "touchpoint", "expected", "observed", "journeys", "share", "share_low", "share_high",
    ]  # fmt: skip
    summary = json.loads((out / "conformance.json").read_text())
    assert summary["journeys"]["in_scope"] == 3
    assert pd.read_csv(out / "conformance.csv")["journeys"].sum() == 3
    again = run(files, "--out", str(out))
    assert isinstance(again.exception, UsageError)
    assert run(files, "--out", str(out), "--force").exit_code == 0


def test_a_gate_that_is_not_met_fails_after_the_results_are_written(files):
    result = run(files, "--out", str(files / "out"), "--fail-under", "fitness=0.9")

    assert isinstance(result.exception, GateFailed)
    assert result.exception.exit_code == 3
    assert "fitness is 0.7778, at least 0.9 was asked for" in str(result.exception)
    assert (files / "out" / "deviations.csv").exists()
    assert run(files, "--fail-under", "fitness=0.5", "--fail-under", "fitting=0.3").exit_code == 0


@pytest.mark.parametrize(
    ("gate", "says"), [("fitnes=1", "Did you mean 'fitness'?"), ("fitness=high", "'high' is no number")]
)
def test_a_wrong_gate_is_refused_before_anything_runs(files, gate, says):
    result = run(files, "--fail-under", gate)

    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


def later(files, journeys=60):
    """Write a log in which orders without confirmation are cancelled more often, ten days after their end."""
    rows = ["journey_id,activity,timestamp,customer_id"]
    for number in range(journeys):
        late, cancelled = number % 3 == 0, (number % 3 == 0 and number % 2 == 0) or number % 15 == 1
        rows.append(f"j{number},order,2026-01-01T10:00:00Z,c{number}")
        if not late:
            rows.append(f"j{number},confirm,2026-01-02T10:00:00Z,c{number}")
        if cancelled:
            rows.append(f"x{number},cancel,2026-01-12T10:00:00Z,c{number}")
    rows.append("end,newsletter,2026-06-01T10:00:00Z,last")
    (files / "log.csv").write_text("\n".join(rows) + "\n")


def test_what_to_mend_first_is_said_with_an_outcome(files):
    later(files)

    result = run(
        files, "--outcome-event", "cancel", "--horizon", "30 days", "--table", "fixes", "--format", "json", "--out",
        str(files / "out"),
    )  # fmt: skip

    assert result.exit_code == 0, result.exception
    rows = {(row["type"], row["touchpoint"]): row for row in json.loads(result.stdout)}
    row = rows["missing", "confirm"]
    # 10 of 20 without confirmation are cancelled, 4 of the other 40.
    assert (row["journeys"], row["rate_with"], row["rate_without"]) == (20, 0.5, 0.1)
    assert row["worth"] == pytest.approx(8)
    assert row["worth_low"] < 8 < row["worth_high"]
    written = pd.read_csv(files / "out" / "outcomes" / "cancel" / "fix_list.csv")
    assert written["worth"].tolist() == pytest.approx([row["worth"] for row in rows.values()])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--outcome-event", "cancel"), "go together"),
        (("--table", "fixes"), "needs an outcome"),
        (("--outcome-event", "order", "--horizon", "soon"), "--horizon"),
        (("--outcome-event", "cancelled", "--horizon", "3 days"), "cancelled"),
    ],
)
def test_an_outcome_that_cannot_be_is_refused(files, options, says):
    result = run(files, *options)

    assert isinstance(result.exception, JourneyMiningError)
    assert says in str(result.exception)


def test_segments_of_any_attribute_and_personas(files):
    (files / "design.yaml").write_text(
        DESIGN + "personas: {caller: {where: {channel: phone}, touchpoints: {confirm: {optional: true}}}}\n"
    )
    out = files / "out"

    by = run(files, "--by", "channel", "--table", "segment_deviations", "--format", "json", "--out", str(out))
    personas = run(files, "--table", "personas", "--format", "json")

    assert by.exit_code == 0, by.exception
    rows = [(row["segment"], row["type"], row["journeys"], row["of"]) for row in json.loads(by.stdout)]
    assert rows == [("phone", "wrong_channel", 1, 1), ("web", "dead_end", 1, 2), ("web", "missing", 1, 2)]
    told = {row["persona"]: (row["journeys"], row["following"]) for row in json.loads(personas.stdout)}
    assert told == {"caller": (1, 1), "everyone else": (2, 1)}
    names = {path.name for path in out.iterdir()}
    assert {"conformance_segments.csv", "conformance_segment_deviations.csv", "conformance_personas.csv"} <= names
    assert '<section id="designed"' in write_report(out).read_text(encoding="utf-8")


@pytest.mark.parametrize(("table", "says"), [("segments", "--by ATTRIBUTE"), ("personas", "gives no persona a rule")])
def test_a_table_without_what_it_needs_is_refused(files, table, says):
    result = run(files, "--table", table)

    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


def test_the_folder_of_a_check_is_a_run_with_a_report(files):
    later(files)
    out = files / "out"
    assert run(files, "--outcome-event", "cancel", "--horizon", "30 days", "--out", str(out)).exit_code == 0

    page = write_report(out).read_text(encoding="utf-8")

    manifest = json.loads((out / "manifest.json").read_text())
    assert sorted(one["source"] for one in manifest["inputs"]) == ["design", "log"]
    assert manifest["counts"]["journeys_in_scope"] == 60
    assert json.loads((out / "design.json").read_text())["flow"] == "order > confirm"
    assert json.loads((out / "quality.json").read_text())["conformance"]["journeys"]["in_scope"] == 60
    assert '<section id="designed"' in page
    assert "What to mend first" in page
    assert '<section id="map"' not in page


def test_the_files_of_discover_and_conform_make_one_report(files):
    main = CliRunner().invoke(discover, [str(files / "log.csv"), "--out", str(files / "found")])
    assert main.exit_code == 0, main.exception
    assert run(files, "--out", str(files / "checked")).exit_code == 0
    for path in (files / "checked").iterdir():
        path.replace(files / "found" / path.name)

    page = write_report(files / "found").read_text(encoding="utf-8")

    assert '<section id="map"' in page
    assert '<section id="designed"' in page


NET = (
    "<pnml><net id='n'><place id='p'><initialMarking><text>1</text></initialMarking></place><place id='q'/>"
    "<transition id='t'><name><text>order</text></name></transition>"
    "<transition id='u'><name><text>confirm</text></name></transition>{}</net></pnml>"
)
END = "<finalmarkings><marking><place idref='p'><text>1</text></place></marking></finalmarkings>"


def arcs(*pairs):
    return "".join(f"<arc id='a{n}' source='{one}' target='{other}'/>" for n, (one, other) in enumerate(pairs))


REFUSED = {
    "unbounded.pnml": (NET.format(arcs("pt", "tp", "tq", "qu") + END), "'unbounded'", "pile up in place 'q'", "Let"),
    "endless.pnml": (NET.format(arcs("pt", "tq", "qu", "up")), "'endless'", "no final marking", "<finalmarkings>"),
    "circle.yaml": (
        "journey: x\nflow: order > confirm\npromises:\n  - {from: order, to: order, within: 1h}\n",
        "circle.yaml:4:5", "circle of promises", "turn it around",
    ),
    "unknown.yaml": (DESIGN.replace("flow: order > confirm", "flow: order > confrim"), "unknown.yaml:4:1", "'confrim'",
                     "Did you mean 'confirm'?"),
    "startless.bpmn": (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p"><task id="a"/><task id="b"/>'
        '<sequenceFlow id="f" sourceRef="a" targetRef="b"/><sequenceFlow id="g" sourceRef="b" targetRef="a"/>'
        "</process></definitions>",
        "startless.bpmn: process 'p'", "no start event", "add a start event",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_design_that_cannot_be_checked_is_refused_with_place_and_remedy(files, capsys, name):
    content, *says = REFUSED[name]
    (files / name).write_text(content)

    with pytest.raises(SystemExit) as ended:
        main(["conform", str(files / "log.csv"), "--design", str(files / name), "--out", str(files / "out")])

    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("\n") == 1
    assert said.startswith("Error: ")
    assert all(one in said for one in says), said
    assert not (files / "out").exists()


def test_how_long_it_takes_from_one_touchpoint_to_another(files):
    result = run(files, "--table", "temporal", "--format", "json", "--out", str(files / "out"))

    rows = json.loads(result.stdout)
    assert [(row["source"], row["target"], row["journeys"], row["mean"]) for row in rows] == [
        ("order", "confirm", 1, 86400.0)
    ]
    assert pd.read_csv(files / "out" / "conformance_temporal.csv")["outside"].tolist() == [0]


def test_a_gate_ends_with_exit_code_3(files, capsys):
    arguments = ["conform", str(files / "log.csv"), "--design", str(files / "design.yaml")]

    codes = []
    for gate in ("fitness=0.99", "move_log_fitness=0.1"):
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--fail-under", gate])
        codes.append(ended.value.code)

    assert codes == [3, 0]
    assert "at least 0.99 was asked for" in capsys.readouterr().err
