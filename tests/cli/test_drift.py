"""What came or went in the sources is said on stderr, by every command that reads them, and steers no terminal."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from journeymining.cli import cli
from journeymining.cli.progress import steps_on_stderr

CONNECTOR = """\
connector: desk
title: Complaints
streams:
  complaints:
    format: {type: json_lines}
    fields: {id: id, at: at, mail: by.mail, fax: by.fax}
    key: [id]
    identifiers: {email: {field: mail}}
    events: [{activity: complaint, time: {field: at}}]
"""
JOB = """\
job: desk
sources:
  desk: {connector: ./desk, path: complaints.jsonl}
journeys: {by: customer, cut: {gap: 30 days}}
identity: {pseudonymise: false}
"""
NOTE = "Note: source 'desk', complaints: mail is in none of 3 records (before: in 4 of 4).\n"
ABSENT = "Note: source 'desk': in no record: fax (complaints, 4 records).\n"


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk/connector.yaml").write_text(CONNECTOR, encoding="utf-8")
    (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
    write(tmp_path, 4)
    return tmp_path


def write(folder, count, *, mail="mail", at="at"):
    lines = [{"id": one, at: "2026-03-01T10:00:00Z", "by": {mail: f"c{one}@example.org"}} for one in range(count)]
    (folder / "complaints.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def notes(*command):
    result = CliRunner().invoke(cli, list(command))
    return "".join(line for line in result.stderr.splitlines(keepends=True) if line.startswith("Note: ")), result


def test_pull_run_and_a_dry_run_say_what_went(job):
    assert notes("pull", "job.yaml")[0] == ABSENT
    write(job, 3, mail="email")

    assert notes("pull", "job.yaml", "--dry-run")[0] == NOTE
    assert notes("pull", "job.yaml")[0] == NOTE
    said, result = notes("run", "job.yaml", "--force")
    assert (said, result.exit_code) == (NOTE, 0)
    assert "Note" not in result.stdout


def test_a_run_that_then_fails_has_said_why(job):
    notes("pull", "job.yaml")
    write(job, 3, at="time")

    said, result = notes("run", "job.yaml", "--force")

    assert result.exit_code != 0
    assert "at is in none of 3 records (before: in 4 of 4)" in said


def test_the_report_of_a_run_shows_it(job):
    notes("run", "job.yaml")
    write(job, 3, mail="email")
    notes("run", "job.yaml", "--force")

    page = (job / "outputs/desk/report.html").read_text(encoding="utf-8")
    assert "<code>mail</code></td><td>in none of 3 records</td><td>in 4 of 4 records</td>" in page


def test_names_of_columns_do_not_steer_the_terminal(job):
    (job / "desk/connector.yaml").write_text(
        CONNECTOR.replace("type: json_lines", "type: csv").replace("by.", ""), encoding="utf-8"
    )
    for more in ("", ",red\x1b[31m"):
        (job / "complaints.jsonl").write_text(
            f"id,at,mail{more}\n1,2026-03-01T10:00:00Z,a@example.org{',' if more else ''}\n", encoding="utf-8"
        )
        said, _ = notes("pull", "job.yaml")

    assert "Note: source 'desk', complaints: columns changed since an earlier pull: red\\x1b[31m is new.\n" in said
    assert "\x1b" not in said


def test_on_a_terminal_a_note_stands_below_the_step_that_found_it(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")

    with steps_on_stderr() as tell:
        tell("Reading source 'desk'")
        tell.note("mail is\x1b[31m gone")

    seen = capsys.readouterr()
    read, _, after = seen.err.rpartition("✓")
    assert "Reading source 'desk'" in after
    assert "Note" not in read
    assert "Note: mail is\\x1b[31m gone" in after
    assert seen.out == ""
