"""``journeymining pull``: the sources of a job into event_logs/."""

from __future__ import annotations

import click


@click.command("pull", context_settings={"show_default": True})
@click.argument("job_file", metavar="JOB.yaml", type=click.Path())
@click.option("--events", type=click.Path(file_okay=False), help="Where events are kept; default event_logs/<job>.")
@click.option("--memory-limit", default="4GB", help="What the engine may use; beyond it, it spills to disk.")
@click.option("--full-refresh", is_flag=True, help="Read every source again, also where nothing changed.")
@click.option("--dry-run", is_flag=True, help="Say what would become of the records, and write nothing.")
def command(job_file: str, events: str | None, memory_limit: str, full_refresh: bool, dry_run: bool) -> None:
    """Read the sources of a job and map their records to events.

    Prints, per source, how many records became events and how many were left out; on stderr, which columns and fields
    came or went since the sources were read before, and which fields no record has.

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
    click.echo(f"Events are in {folder}", err=True)
