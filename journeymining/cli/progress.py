"""What a person sees while a long job runs: one line per step, on stderr."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def steps_on_stderr() -> Iterator[Callable[[str], None]]:
    """Give a function that is told what happens now.

    On a terminal the current step turns and the finished ones stay above it with their time; elsewhere, as in the log
    of a nightly job, every step is one plain line when it begins.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda message: print(message, file=sys.stderr, flush=True)  # noqa: T201 - this is the terminal's side
        return
    current: list[tuple[str, float]] = []
    with console.status("Starting") as status:

        def finish() -> None:
            if current:
                message, begun = current.pop()
                console.print(f"[green]✓[/] {message} [dim]{time.perf_counter() - begun:.1f} s[/]")

        def tell(message: str) -> None:
            finish()
            current.append((message, time.perf_counter()))
            status.update(message)

        yield tell
        finish()
