"""The connectors command: lists, shows, tests and writes what a connector gives."""

from __future__ import annotations

import shutil

import pytest
from click.testing import CliRunner

from journeymining.cli.connectors import command
from journeymining.exceptions import GateFailed, SpecError, UsageError


def run(*arguments):
    result = CliRunner().invoke(command, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.fixture
def copy(tmp_path, checkout):
    return shutil.copytree(checkout / "connectors/survey_csv", tmp_path / "mine")


def test_list_names_each_connector_and_what_it_reads():
    lines = run("list").splitlines()

    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert any(line.startswith("ga4 ") and "Google Analytics" in line for line in lines)


def test_show_says_streams_fields_identifiers_and_activities():
    output = run("show", "salesforce")

    assert "Case: csv, files Case.csv*" in output
    assert "mobile (phone)" in output
    assert "case_opened, case_closed" in output
    assert "case_<Field>_changed" in output
    assert "task_call, task_email, task_other" in output


def test_test_says_ok_for_a_folder_of_ones_own(copy):
    assert run("test", str(copy)) == "mine: ok\n"


def test_a_difference_fails_the_gate_and_is_shown(copy, capsys):
    expected = copy / "expected.csv"
    expected.write_text(expected.read_text(encoding="utf-8").replace(",nps,9,", ",nps,8,"), encoding="utf-8")

    with pytest.raises(GateFailed, match="1 of 1 connectors"):
        run("test", str(copy))


def test_expectations_are_written_but_not_over_others(copy):
    before = (copy / "expected.csv").read_text(encoding="utf-8")

    with pytest.raises(UsageError, match="--force"):
        run("test", str(copy), "--write")
    (copy / "expected.csv").unlink()
    run("test", str(copy), "--write")

    assert (copy / "expected.csv").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("timezone: Europe/Amsterdm", "8:3: unknown time zone 'Europe/Amsterdm'; zones are named like"),
        ("time_zone: UTC", "8:3: unknown key 'time_zone'. Did you mean 'timezone'? Allowed: agents, bots, "),
        ("bots: maybe", "8:3: 'bots': input should be 'drop' or 'keep', found 'maybe'."),
        ("set: {metrik: nps}", "8:3: source 'sample': connector 'survey_csv' has no 'metrik' for 'set'."),
    ],
)
def test_what_is_wrong_with_a_sample_is_said_with_its_place(copy, sample, message):
    spec = copy / "connector.yaml"
    lines = spec.read_text(encoding="utf-8").splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("sample:"))
    spec.write_text("\n".join([*lines[:place], *lines[place + 1 :]]), encoding="utf-8")
    before = spec.read_text(encoding="utf-8")
    spec.write_text("#\n" * 5 + f"sample:\n  path: sample\n  {sample}\n" + before, encoding="utf-8")

    with pytest.raises(SpecError) as caught:
        run("test", str(copy))

    assert str(caught.value).startswith(f"{spec}:{message}")


def test_write_needs_a_name():
    with pytest.raises(UsageError, match="NAME"):
        run("test", "--write")


def test_an_unknown_connector_is_answered_with_the_closest():
    with pytest.raises(UsageError, match="Did you mean 'matomo'"):
        run("show", "motomo")
