from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.discover import command
from journeymining.exceptions import UsageError

LOG = """case_id,activity,timestamp,channel
1,order,2026-01-01T10:00:00Z,web
1,complaint,2026-01-02T10:00:00Z,phone
2,order,2026-01-01T10:00:00Z,web
2,deliver,2026-01-02T10:00:00Z,post
"""


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path / "log.csv"


def test_a_filter_keeps_whole_journeys_and_says_what_is_left(log, tmp_path):
    out = tmp_path / "out"

    answer = CliRunner().invoke(
        command,
        [str(log), "--filter", "contains complaint", "--format", "csv", "--out", str(out)],
        catch_exceptions=False,
    )

    scope = "1 of 2 journeys (50.0 %) with 2 of 4 events: journeys that contain complaint."
    assert scope in answer.stderr
    assert json.loads((out / "manifest.json").read_text())["scope"] == scope
    assert pd.read_parquet(out / "variants.parquet")["path"].map(list).tolist() == [["order", "complaint"]]


def test_a_filter_that_names_what_no_event_has_is_refused(log):
    with pytest.raises(UsageError, match="complaint"):
        CliRunner().invoke(command, [str(log), "--filter", "contains complant"], catch_exceptions=False)
