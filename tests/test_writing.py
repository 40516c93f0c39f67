from __future__ import annotations

import pytest

from journeymining.exceptions import UsageError
from journeymining.writing import whole_file, whole_folder


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "deep" / "run"

    with whole_folder(target) as work:
        (work / "a.txt").write_text("a")
        assert not target.exists()

    assert [path.name for path in target.parent.iterdir()] == ["run"]
    assert (target / "a.txt").read_text() == "a"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    target = tmp_path / "run"
    target.mkdir()
    (target / "old.txt").write_text("old")

    with pytest.raises(RuntimeError), whole_folder(target, force=True) as work:
        (work / "new.txt").write_text("new")
        raise RuntimeError

    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in target.iterdir()] == ["old.txt"]


def test_nothing_is_overwritten_without_force(tmp_path):
    (tmp_path / "result.csv").write_text("old")

    with pytest.raises(UsageError, match="--force"), whole_file(tmp_path / "result.csv"):
        pass
    with whole_file(tmp_path / "result.csv", force=True) as work:
        work.write_text("new")

    assert (tmp_path / "result.csv").read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "run").mkdir()

    with whole_folder(tmp_path / "run") as work:
        (work / "a").touch()

    assert (tmp_path / "run" / "a").exists()
