"""What a pull tells besides its table."""

from __future__ import annotations

from click.testing import CliRunner

from journeymining.cli import cli

JOB = """
job: shop
identity: {pseudonymise: false}
journeys: {by: customer, cut: {gap: 30 days}}
sources:
  store: {connector: csv, path: visits.csv}
"""


def test_columns_that_are_new_or_gone_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "job.yaml").write_text(JOB)
    file = tmp_path / "visits.csv"
    file.write_text("time,activity,email\n2026-03-01T10:00:00Z,visit,anna@example.org\n")
    first = CliRunner().invoke(cli, ["pull", "job.yaml"], catch_exceptions=False)
    file.write_text("time,activity,mail\n2026-03-01T10:00:00Z,visit,anna@example.org\n")
    second = CliRunner().invoke(cli, ["pull", "job.yaml"], catch_exceptions=False)

    assert "changed since" not in first.stderr
    told = "Note: source 'store', rows: columns changed since an earlier pull: mail is new, email is gone."
    assert told in second.stderr.splitlines()
    assert "changed since" not in second.stdout
