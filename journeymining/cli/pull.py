"""``journeymining pull``: the sources of a job into event_logs/."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHANGED = {"new": "is new", "gone": "is gone", "type": "has another type"}


@click.command("pull", context_settings={"show_default": True})
@click.argument("job_file", metavar="JOB.yaml", type=click.Path())
@click.option("--events", type=click.Path(file_okay=False), help="Where events are kept; default event_logs/<job>.")
@click.option("--memory-limit", default="4GB", help="What the engine may use; beyond it, it spills to disk.")
@click.option("--full-refresh", is_flag=True, help="Read every source again, also where nothing changed.")
@click.option("--dry-run", is_flag=True, help="Say what would become of the records, and write nothing.")
def command(job_file: str, events: str | None, memory_limit: str, full_refresh: bool, dry_run: bool) -> None:
    """Read the sources of a job and map their records to events.

    Prints, per source, how many records became events and how many were left out, and which columns are new or gone.

    With --dry-run: per source and stream, how many records there are, the events by activity, the answers, and what
    would be rejected or left out, by reason.

    Example: journeymining pull journey.yaml
    """
    from journeymining.cli.options import emit
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.jobs import pull, pull_summary, read_job
    from journeymining.jobs.running import pull_preview

    job = read_job(job_file)
    if dry_run:
        with steps_on_stderr() as tell:
            preview = pull_preview(job, events=events, full_refresh=full_refresh, tell=tell)
        emit(preview, "table")
        click.echo("Nothing was written.", err=True)
        return
    with steps_on_stderr() as tell:
        folder = pull(job, events=events, memory_limit=memory_limit, full_refresh=full_refresh, tell=tell)
    emit(pull_summary(folder), "table")
    for line in _columns_changed(folder):
        click.echo(line, err=True)
    click.echo(f"Events are in {folder}", err=True)


def _columns_changed(folder: Path) -> Iterator[str]:
    """Say of every stream which columns are others than before: who reads them may find nothing there."""
    sources = json.loads((folder / "quality.json").read_text(encoding="utf-8"))["sources"]
    for source, quality in sources.items():
        for stream, changes in quality["columns_changed"].items():
            told = (f"'{one['column']}' {_CHANGED.get(one['change'], one['change'])}" for one in changes)
            yield f"Columns of {source}, {stream}, changed since an earlier pull: {', '.join(told)}."
