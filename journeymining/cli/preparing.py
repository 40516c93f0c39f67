"""Prepare the LOG of a command, with a bar on a terminal: of all that a command does first, it takes longest."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.eventlog.written import AnyLog

memory_option = click.option(
    "--memory-limit",
    metavar="SIZE",
    help="What preparing the log may take, such as 4GB; the rest goes to disk. Half of the machine's by default.",
)


def prepare_shown(log: AnyLog, **settings: Any) -> PreparedLog:
    """Prepare a log as `journeymining.engines.prepared_log.prepare` does, and show how far it is."""
    from journeymining.engines.prepared_log import prepare
    from journeymining.eventlog.written import WrittenLog

    with bar_on_stderr() as tell:
        return prepare(list(log.files) if isinstance(log, WrittenLog) else log, tell=tell, **settings)


@contextmanager
def bar_on_stderr() -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a function that is told what happens, how much is done and how much there is; none where nobody watches."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done)

        yield tell
