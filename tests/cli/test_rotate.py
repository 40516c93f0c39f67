"""The command that replaces the key, from the environment to what it says."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from journeymining.cli.pull import command as pull
from journeymining.cli.rotate import command as rotate

OLD = {"JOURNEYMINING_KEY": "the key of last year, 2025"}
NEW = {"JOURNEYMINING_NEW_KEY": "the key of this year, 2026"}


@pytest.fixture
def job(tmp_path):
    (tmp_path / "shop.csv").write_text("time,activity,email\n2026-01-01T10:00:00Z,order,a@example.org\n")
    (tmp_path / "job.yaml").write_text(
        "job: shop\ntimezone: UTC\nsources: {shop: {connector: csv, path: shop.csv}}\njourneys: {by: customer}\n"
    )
    result = CliRunner().invoke(pull, [str(tmp_path / "job.yaml"), "--events", str(tmp_path / "events")], env=OLD)
    assert result.exit_code == 0, result.output
    return tmp_path


def hashes(folder):
    import pyarrow.parquet as pq

    return pq.read_table(folder / "events/identifiers.parquet")["value_hash"].to_pylist()


def test_the_key_is_replaced_and_the_next_step_is_said(job):
    before = hashes(job)

    result = CliRunner().invoke(
        rotate, [str(job / "job.yaml"), "--events", str(job / "events"), "--yes"], env=OLD | NEW
    )

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{job / 'events'}\n"
    assert "export JOURNEYMINING_KEY=$JOURNEYMINING_NEW_KEY" in result.stderr
    assert len(hashes(job)) == len(before) == 1
    assert hashes(job) != before
    assert json.loads((job / "events/quality.json").read_text())["events"] == 1


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (OLD | {"JOURNEYMINING_NEW_KEY": ""}, "JOURNEYMINING_NEW_KEY is not set"),
        (OLD | {"JOURNEYMINING_NEW_KEY": "short"}, "has 5 bytes"),
        (NEW | {"JOURNEYMINING_KEY": ""}, "JOURNEYMINING_KEY is not set"),
    ],
)
def test_a_missing_key_is_refused_before_anything_happens(job, env, message):
    before = hashes(job)

    result = CliRunner().invoke(rotate, [str(job / "job.yaml"), "--events", str(job / "events"), "--yes"], env=env)

    assert message in str(result.exception)
    assert hashes(job) == before


def test_a_no_changes_nothing(job):
    before = hashes(job)

    result = CliRunner().invoke(
        rotate, [str(job / "job.yaml"), "--events", str(job / "events")], env=OLD | NEW, input="n\n"
    )

    assert result.exit_code == 1
    assert hashes(job) == before
