"""The experience command: what it prints, writes and refuses."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from click.testing import CliRunner

from journeymining.cli.experience import command
from journeymining.exceptions import InputError, UsageError

ANSWERS = """\
customer_id,metric,value,channel,direction
a,nps,10,web,
b,nps,9,web,
c,nps,3,phone,
a,csat,8,web,
b,csat,9,phone,
a,ces,7,web,higher_is_better
b,ces,3,web,higher_is_better
"""


def run(*arguments):
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return pd.read_csv(io.StringIO(result.stdout)) if "csv" in arguments else result


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(ANSWERS)
    return path


def test_nps_by_segment(answers):
    table = run(answers, "--by", "channel", "--format", "csv").set_index("segment")

    assert table["n"].to_dict() == {"all": 3, "web": 2, "phone": 1}
    assert table.loc["all", "nps"] == pytest.approx(100 / 3)


def test_satisfaction_in_bands(answers):
    table = run(answers, "--metric", "csat", "--format", "csv").set_index("band")

    assert table["n"].to_dict() == {"fail": 0, "6": 0, "7-8": 1, "9+": 1}
    assert table["mean"].tolist() == [8.5] * 4


def test_effort_with_its_direction(answers):
    table = run(answers, "--metric", "ces", "--format", "csv")

    assert table[["direction", "n", "mean", "share"]].values.tolist() == [["higher_is_better", 2, 5, 0.5]]


def test_the_table_is_written_and_not_overwritten(answers, tmp_path):
    run(answers, "--out", tmp_path / "nps.csv")

    assert pd.read_csv(tmp_path / "nps.csv")["n"].tolist() == [3]
    with pytest.raises(UsageError, match="exists"):
        run(answers, "--out", tmp_path / "nps.csv")


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "empty.csv").write_text("")

    with pytest.raises(InputError, match="not a table of answers"):
        run(tmp_path / "empty.csv")
    with pytest.raises(InputError, match="no such file"):
        run(tmp_path / "missing.csv")
