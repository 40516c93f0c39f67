from __future__ import annotations

import json

import pytest

from journeymining.cli import main


def test_simulate_writes_a_company_and_says_where(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(tmp_path / "demo"), "--customers", "60", "--seed", "4"])

    assert stopped.value.code == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "demo")
    assert "60 of 60 customers" in err
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text(encoding="utf-8"))
    assert (truth["customers"], truth["seed"]) == (60, 4)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--customers", "0"], "must be from 1 to"), (["--seed", "-1"], "must be 0 or more")],
)
def test_simulate_refuses_impossible_numbers_in_one_line(tmp_path, capsys, arguments, sentence):
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(tmp_path / "demo"), *arguments])

    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1


def test_simulate_leaves_a_full_folder_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep me", encoding="utf-8")

    with pytest.raises(SystemExit) as stopped:
        main(["simulate", str(tmp_path)])

    assert stopped.value.code == 2
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").exists()
