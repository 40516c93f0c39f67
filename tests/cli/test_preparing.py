"""A bar while a log is prepared: for a person at a terminal only."""

from __future__ import annotations

from journeymining.cli.preparing import bar_on_stderr, prepare_shown
from journeymining.engines.prepared_log import example_log


def test_a_terminal_sees_what_is_done(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")

    with bar_on_stderr() as tell:
        tell("Sorting", 1, 4)

    seen = capsys.readouterr()
    assert "Sorting" in seen.err
    assert "25 %" in seen.err
    assert seen.out == ""


def test_where_nobody_watches_nothing_is_drawn(capsys):
    with bar_on_stderr() as tell:
        assert tell is None
    with prepare_shown(example_log(), memory_limit="1GB") as log:
        assert log.event_count == 4

    assert capsys.readouterr() == ("", "")
