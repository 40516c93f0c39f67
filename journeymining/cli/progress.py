"""What a person sees while a long job runs: one line per step and a bar per stream that is read, on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from journeymining.cli.options import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import Progress, TaskID


class Lines:
    """Steps as lines, for where nobody watches, such as the log of a nightly job."""

    def __call__(self, message: str) -> None:
        """Say what happens now."""
        print(message, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal's side

    def records(self, source: str, stream: str, count: int) -> None:
        """Say nothing: a line per batch would be noise."""

    def note(self, message: str) -> None:
        """Say what a person should know of the data."""
        print(_note(message), file=sys.stderr, flush=True)  # noqa: T201 - as above


class Bars(Lines):
    """Steps on a terminal: the current one turns above a bar per stream, the finished ones stay with their time."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console, self._progress = console, progress
        self._step: tuple[str, float, TaskID] | None = None
        self._streams: dict[tuple[str, str], TaskID] = {}
        self._counts: dict[tuple[str, str], int] = {}

    def __call__(self, message: str) -> None:
        """Say what happens now; what happened before is finished."""
        self.finish()
        self._step = message, time.perf_counter(), self._progress.add_task(message, total=None, told="")

    def records(self, source: str, stream: str, count: int) -> None:
        """Show how many records of a stream have come; how many there will be, nobody knows."""
        key = (source, stream)
        if key not in self._streams:
            self._streams[key] = self._progress.add_task(f"  {stream}", total=None, told="")
        self._counts[key] = count
        self._progress.update(self._streams[key], told=f"{count:,} records")

    def note(self, message: str) -> None:
        """Say what a person should know of the data, below the step that found it; it stays."""
        from rich.text import Text

        self.finish()
        self._console.print(Text(_note(message), style="yellow"), soft_wrap=True)

    def finish(self) -> None:
        """Leave a line of the step with its streams."""
        if self._step is None:
            return
        message, begun, task = self._step
        read = "".join(f" · {stream} {count:,}" for (_, stream), count in self._counts.items())
        self._console.print(f"[green]✓[/] {message}[dim]{read} {time.perf_counter() - begun:.1f} s[/]")
        for one in (task, *self._streams.values()):
            self._progress.remove_task(one)
        self._step, self._streams, self._counts = None, {}, {}


def _note(message: str) -> str:
    return f"Note: {printable(message)}"


@contextmanager
def steps_on_stderr() -> Iterator[Lines]:
    """Give a function that is told what happens now, and whose ``records`` is told how many have been read.

    Its ``note`` is told what a person should know of the data.

    On a terminal the current step turns and the finished ones stay above it with their time; elsewhere, as in the log
    of a nightly job, every step is one plain line when it begins.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield Lines()
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[told]}"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        bars = Bars(console, progress)
        yield bars
        bars.finish()
