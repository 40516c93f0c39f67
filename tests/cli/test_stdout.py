"""Results on stdout and nothing else; help at once."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time

import pytest

from journeymining.cli import COMMANDS

LOG = """case_id,activity,timestamp,channel
j1,order,2026-01-01T10:00:00Z,web
j1,deliver,2026-01-02T10:00:00Z,post
j2,order,2026-01-01T11:00:00Z,web
j2,call,2026-01-03T11:00:00Z,phone
"""


def journeymining(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "journeymining", *arguments], capture_output=True, text=True, check=True, **settings
    )


@pytest.mark.parametrize("arguments", [["discover", "log.csv", "--out", "result"], ["check", "log.csv"]])
def test_stdout_is_json_and_csv_that_others_can_read(tmp_path, arguments):
    (tmp_path / "log.csv").write_text(LOG)

    as_json = journeymining(*arguments, "--format", "json", cwd=tmp_path).stdout
    as_csv = journeymining(*arguments, "--format", "csv", *(["--force"] if "--out" in arguments else []), cwd=tmp_path)

    assert len(json.loads(as_json)) > 0
    rows = list(csv.reader(io.StringIO(as_csv.stdout)))
    assert len({len(row) for row in rows}) == 1


def test_a_log_may_come_from_a_pipe():
    answer = journeymining("check", "-", "--format", "json", input=LOG)

    assert json.loads(answer.stdout)


def test_help_imports_no_heavy_library():
    listing = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "journeymining", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.split("|")[-1].strip() for line in listing.stderr.splitlines() if "|" in line}

    assert not imported & {"pandas", "pyarrow", "polars", "duckdb", "numpy", "sklearn", "pm4py", "pydantic", "rich"}
    assert all(name in listing.stdout for name in COMMANDS)


def test_help_answers_at_once():
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    bare = time.perf_counter() - begun
    fastest = min(_seconds_of_help() for _ in range(3))

    # 0.3 s on an idle machine; a busy one also starts bare Python more slowly.
    assert fastest < max(0.3, 6 * bare)


def _seconds_of_help():
    begun = time.perf_counter()
    journeymining("--help")
    return time.perf_counter() - begun


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    answer = journeymining(name, "--help").stdout

    assert "Example: journeymining " + name in answer
