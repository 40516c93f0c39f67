"""``journeymining report``: the audit report of a run again, from its tables."""

from __future__ import annotations

import click


@click.command("report", context_settings={"show_default": True})
@click.argument("run_dir", metavar="RUN_DIR", type=click.Path())
@click.option("--title", help="Title of the report; that of the job by default.")
@click.option("--language", default="en", help="Language of the report.")
def command(run_dir: str, title: str | None, language: str) -> None:
    """Write the audit report of a run again, from its tables.

    Replaces report.html and journey_map.svg in the folder of the run and prints the path of the report.

    Example: journeymining report outputs/demo
    """
    from pathlib import Path

    from journeymining.report.audit import write_report

    click.echo(write_report(Path(run_dir), language=language, title=title))
