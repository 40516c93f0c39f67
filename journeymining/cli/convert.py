"""Convert an event log between file formats."""

from __future__ import annotations

from typing import Any

import click

from journeymining.cli.options import force_option, log_argument, log_options, read_log


@click.command()
@log_argument
@click.argument("out", type=click.Path(allow_dash=True), metavar="OUT")
@log_options
@force_option
def command(out: str, force: bool, **log: Any) -> None:
    """Convert an event log between CSV, Parquet, XES and OCEL 2.0, as the names of the files say.

    Example: journeymining convert permits.xes.gz permits.parquet
    """
    from journeymining.eventlog.reading import reading_report
    from journeymining.eventlog.writing import write_event_log

    table = read_log(**log)
    write_event_log(table, out, force=force)
    read = reading_report(table)["rows_in"]
    click.echo(f"{read:,} rows read, {table.num_rows:,} events written to {'stdout' if out == '-' else out}.", err=True)
