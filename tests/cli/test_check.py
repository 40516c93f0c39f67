"""The command says what is wrong on stdout, everything else on stderr, and ends as its gate says."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli import cli, main

LOG = "case_id,activity,time,channel\n1,a,2026-01-01T10:00Z,web\n1,b,2026-01-01T10:00Z,web\n1,c,,web\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(LOG, encoding="utf-8")
    return path


def test_findings_are_a_table_csv_or_json(log):
    table = CliRunner().invoke(cli, ["check", str(log)])
    csv = CliRunner().invoke(cli, ["check", str(log), "--format", "csv"])
    records = CliRunner().invoke(cli, ["check", str(log), "--format", "json"])

    frame = pd.read_csv(io.StringIO(csv.stdout))
    assert list(frame.columns) == ["check", "severity", "count", "share", "what", "remedy"]
    assert [record["check"] for record in json.loads(records.stdout)] == frame["check"].tolist()
    assert [line.split()[0] for line in table.stdout.splitlines()[1:]] == frame["check"].tolist()
    assert (frame.set_index("check")["count"][["events", "missing_timestamp", "ties_decide_paths"]] == [2, 1, 1]).all()


@pytest.mark.parametrize(("gate", "code"), [([], 0), (["--fail-on", "error"], 3), (["--fail-on", "warning"], 3)])
def test_the_gate_ends_with_code_3_after_the_findings(log, capsys, gate, code):
    with pytest.raises(SystemExit) as ended:
        main(["check", str(log), "--format", "csv", *gate])

    out, err = capsys.readouterr()
    assert ended.value.code == code
    assert out.startswith("check,severity")
    assert ("findings of severity" in err) == (code == 3)


def test_a_log_without_flaws_passes_the_gate(tmp_path):
    path = tmp_path / "log.csv"
    rows = [
        "journey_id,customer_id,activity,timestamp,channel",
        "1,c,a,2026-01-01T10:00Z,web",
        "1,c,b,2026-01-01T11:00Z,web",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")

    assert CliRunner().invoke(cli, ["check", str(path), "--fail-on", "warning"]).exit_code == 0


def test_errors_are_one_line_on_stderr(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("case_id,activity,time\n1,a,2026-01-01 10:00\n", encoding="utf-8")

    with pytest.raises(SystemExit) as ended:
        main(["check", str(path)])

    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    assert err.count("\n") == 1
    assert "--timezone Europe/Amsterdam" in err


def test_a_log_comes_from_stdin_too():
    result = CliRunner().invoke(cli, ["check", "-", "--format", "csv"], input=LOG)

    assert result.exit_code == 0
    assert "missing_timestamp" in result.stdout


def test_data_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("case_id,activity,time\n1,\x1b[31mA x,2026-01-01Z\n1,\x1b[31ma x,2026-01-02Z\n", encoding="utf-8")

    shown = CliRunner().invoke(cli, ["check", str(path)]).stdout

    assert "\x1b" not in shown
    assert r"\x1b[31mA x" in shown


def test_options_of_the_log_reach_the_reader(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("k;w;t;m;c\n1;a;01/02/2026 10:00;web;x\n", encoding="utf-8")
    columns = ["--journey", "k", "--activity", "w", "--timestamp", "t", "--channel", "m", "--customer", "c"]
    options = [*columns, "--timezone", "UTC", "--delimiter", ";"]

    result = CliRunner().invoke(
        cli, ["check", str(path), *options, "--time-format", "%d/%m/%Y %H:%M", "--format", "csv"]
    )

    assert "from 2026-02-01 10:00" in result.stdout
    assert "missing_channel" not in result.stdout


@pytest.mark.parametrize("command", ["check", "convert"])
def test_help_loads_no_heavy_library(command):
    code = (
        "import sys\nfrom journeymining.cli import main\n"
        f"try:\n    main(['{command}', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pandas', 'polars', 'pyarrow', 'duckdb', 'pm4py', 'lxml', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {sorted(heavy)}' if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "Example: journeymining" in done.stdout


def test_a_terminal_gets_a_drawn_table(log, monkeypatch, capsys):
    from journeymining.cli.options import emit

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    emit(pd.DataFrame({"name": ["[bold]x[/bold]", None], "share": [0.123456, float("nan")], "rare": [0.0000012, 7.0]}))

    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "0.1235" in out
    assert "1.2e-06" in out
    assert "nan" not in out
