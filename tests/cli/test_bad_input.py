"""Bad input ends in one line with place and remedy, exit code 1 or 2, no traceback, and nothing half-written."""

from __future__ import annotations

import subprocess
import sys

import pytest

GOOD = "case_id,activity,timestamp\nj1,order,2026-01-01T10:00:00Z\nj1,deliver,2026-01-02T10:00:00Z\n"

JOB = """\
job: small
timezone: Europe/Amsterdam
sources:
  crm: {connector: salesforce, path: raw/crm}
journeys: {by: customer, cut: {gap: 30 days}}
"""

FILES = {
    "good.csv": GOOD,
    "empty.csv": "",
    "header_only.csv": "case_id,activity,timestamp\n",
    "no_activity.csv": "case_id,timestamp\nj1,2026-01-01T10:00:00Z\n",
    "naive.csv": "case_id,activity,timestamp\nj1,order,2026-01-01 10:00:00\n",
    "broken.xes": "<log><trace><event>",
    "broken.yaml": "job: [unclosed\n",
    "not_a_job.yaml": "- just\n- a list\n",
    "missing_source.yaml": JOB,
    "unknown_connector.yaml": JOB.replace("salesforce", "salesfroce"),
    "unknown_key.yaml": JOB.replace("timezone:", "time_zone:"),
    "unknown_zone.yaml": JOB.replace("Europe/Amsterdam", "Europe/Amsterdm"),
    "bad_gap.yaml": JOB.replace("30 days", "a while"),
    "bad_design.yaml": "journey: small\nversion: 1\ntouchpoints:\n  order: {}\nflow: order > ordre\n",
}

CASES = [
    (["check", "missing.csv"], "missing.csv"),
    (["check", "empty.csv"], "empty.csv"),
    (["discover", "header_only.csv", "--out", "result"], "event"),
    (["discover", "no_activity.csv", "--out", "result"], "activity"),
    (["discover", "naive.csv", "--out", "result"], "--timezone"),
    (["check", "broken.xes"], "broken.xes"),
    (["discover", "good.csv", "--journey", "case", "--out", "result"], "case_id"),
    (["discover", "good.csv", "--timezone", "Mars/Base", "--out", "result"], "Mars/Base"),
    (["conform", "good.csv", "--design", "missing.yaml", "--out", "result"], "missing.yaml"),
    (["conform", "good.csv", "--design", "bad_design.yaml", "--out", "result"], "bad_design.yaml:5"),
    (["conform", "good.csv", "--design", "broken.yaml", "--out", "result"], "broken.yaml:"),
    (["run", "missing.yaml"], "missing.yaml"),
    (["run", "broken.yaml"], "broken.yaml:"),
    (["run", "not_a_job.yaml"], "not_a_job.yaml"),
    (["run", "missing_source.yaml"], "raw/crm"),
    (["run", "unknown_connector.yaml"], "Did you mean 'salesforce'?"),
    (["run", "unknown_key.yaml"], "unknown_key.yaml:2:1: unknown key 'time_zone'. Did you mean 'timezone'?"),
    (["run", "unknown_zone.yaml"], "Europe/Amsterdm"),
    (["run", "bad_gap.yaml"], "bad_gap.yaml:5"),
    (["pull", "unknown_connector.yaml"], "Did you mean 'salesforce'?"),
    (["convert", "missing.csv", "out.parquet"], "missing.csv"),
    (["report", "no_such_run"], "no_such_run"),
    (
        [
            "outcomes",
            "good.csv",
            "--event",
            "no_such_event",
            "--horizon",
            "30 days",
            "--landmark",
            "journey_end",
            "--window",
            "journey",
            "--gap",
            "0 days",
        ],
        "no_such",
    ),
    (["experience", "missing.csv"], "missing.csv"),
    (["connectors", "show", "zendesc"], "zendesc"),
    (["discovr", "good.csv"], "Did you mean 'discover'?"),
    (["discover", "good.csv", "--no-such-option"], "--no-such-option"),
]


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("arguments", "said"), CASES, ids=[" ".join(arguments[:2]) for arguments, _ in CASES])
def test_bad_input_ends_in_one_clear_line_and_leaves_nothing_behind(arguments, said, folder):
    answer = subprocess.run(
        [sys.executable, "-m", "journeymining", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "JOURNEYMINING_KEY": "a key for tests only"},
        check=False,
    )

    last = answer.stderr.strip().splitlines()[-1]
    assert answer.returncode in {1, 2}, answer.stderr
    assert "Traceback" not in answer.stderr
    assert last.startswith("Error: ")
    assert said in last
    assert answer.stdout == ""
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".numba")} == set(FILES)


def test_a_full_disk_is_said_in_one_line(monkeypatch, capsys):
    from journeymining import cli

    def full(**given):
        raise OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device")

    monkeypatch.setattr(cli.cli, "main", full)
    with pytest.raises(SystemExit) as ended:
        cli.main(["pull", "job.yaml"])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("Error: no space is left on the disk.")

    def shut(**given):
        raise PermissionError(13, "Permission denied", "raw/log.csv")

    monkeypatch.setattr(cli.cli, "main", shut)
    with pytest.raises(SystemExit) as ended:
        cli.main(["pull", "job.yaml"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said == "Error: 'raw/log.csv' may not be read or written by whoever runs this (Permission denied).\n"

    monkeypatch.setattr(cli.cli, "main", lambda **given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["pull", "job.yaml"])
