"""``journeymining report``."""

from __future__ import annotations

import json

import pytest

from journeymining.cli import main


def test_prints_the_path_of_the_report(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text(json.dumps({"job": "small"}))

    with pytest.raises(SystemExit) as left:
        main(["report", str(tmp_path), "--title", "Our customers"])

    assert left.value.code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert "<h1>Our customers</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_is_no_run_is_one_line_and_exit_code_1(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        main(["report", str(tmp_path)])

    assert left.value.code == 1
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1
    assert "manifest.json is missing" in shown[0]
