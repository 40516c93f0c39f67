from __future__ import annotations

import pytest
from click.testing import CliRunner

from journeymining.cli.init import command
from journeymining.conformance.design import read_design
from journeymining.exceptions import UsageError
from journeymining.jobs import read_job, run
from journeymining.jobs.starting import read_answers

ANSWERS = [
    *("--scope", "broadband order: order_placed > modem_active", "--customers", "starter, mover"),
    *("--promises", "order_placed > confirmation: 1 hour", "--touchpoints", "confirmation@email, welcome_call@phone?"),
    *("--peak", "welcome_call, modem_active"),
]
EVENTS = """time,activity,channel,email
2026-01-01T10:00:00Z,order_placed,web,a@example.org
2026-01-01T10:30:00Z,confirmation,email,a@example.org
2026-01-02T10:00:00Z,modem_active,app,a@example.org
2026-01-01T10:00:00Z,order_placed,web,b@example.org
2026-01-01T12:30:00Z,confirmation,email,b@example.org
2026-01-02T10:00:00Z,modem_active,app,b@example.org
"""


def test_what_init_writes_is_read_and_runs(tmp_path):
    answer = CliRunner().invoke(command, [str(tmp_path), *ANSWERS], catch_exceptions=False)
    (tmp_path / "raw" / "events.csv").write_text(EVENTS)

    design = read_design(tmp_path / "design.yaml")
    report = run(
        read_job(tmp_path / "journey.yaml"),
        events=tmp_path / "events",
        out=tmp_path / "out",
        key=b"a key for tests only",
    )

    assert answer.output.split() == [str(tmp_path / "journey.yaml"), str(tmp_path / "design.yaml")]
    assert list(design.touchpoints) == ["order_placed", "confirmation", "welcome_call", "modem_active"]
    assert [name for name, one in design.touchpoints.items() if one.moment_of_truth] == ["welcome_call", "modem_active"]
    assert design.personas == ("starter", "mover")
    assert "late,confirmation" in (tmp_path / "out" / "deviations.csv").read_text()
    assert report.is_file()
    assert (tmp_path / "out" / "rejected" / "events.parquet").is_file()


def test_nothing_is_overwritten_without_force(tmp_path):
    CliRunner().invoke(command, [str(tmp_path), *ANSWERS], catch_exceptions=False)

    with pytest.raises(UsageError, match="--force"):
        CliRunner().invoke(command, [str(tmp_path), *ANSWERS], catch_exceptions=False)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"scope": "order_placed"}, "two activities"),
        ({"scope": "a > b", "promises": "a > c: 1 hour"}, "'c' is no touchpoint"),
        ({"scope": "a > b", "promises": "a > b: soon"}, "Not a duration"),
        ({"scope": "a > b", "touchpoints": "order placed"}, "order_placed"),
        ({"scope": "a > b", "touchpoints": "a"}, "named twice"),
        ({"scope": "a > b", "peak": "c"}, "Touchpoints: a, b"),
    ],
)
def test_an_answer_that_cannot_be_read_is_told_how_it_could(answers, said):
    with pytest.raises(UsageError, match=said):
        read_answers(answers.pop("scope"), **answers)
