"""What commands that take a LOG share: its options, how it is read and how a table is shown.

A command is put together like this; the options of the log stay in one dictionary::

    @click.command()
    @log_argument
    @log_options
    @format_option
    def command(format: str, **log: Any) -> None:
        table = read_log(**log)
        emit(analyse(table), format)
"""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    import pyarrow as pa

    from journeymining.eventlog.written import AnyLog

Command = TypeVar("Command", bound="Callable[..., Any]")

ROLES = ("journey", "activity", "timestamp", "customer", "channel", "resource")

log_argument = click.argument("log", type=click.Path(allow_dash=True), metavar="LOG")
"""The event log: a file (CSV, Parquet, XES, XES.gz, OCEL 2.0), a folder of Parquet, or ``-`` for CSV on stdin."""

format_option = click.option(
    "--format",
    "format",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How the result is written to stdout.",
)

out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for the results as files; none by default."
)

force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")


def log_options(function: Command) -> Command:
    """Add the options that say what the columns of a LOG mean; they reach the command as one ``**log``."""
    options = [
        click.option("--journey", metavar="COLUMN", help="Column that says which journey (case) an event belongs to."),
        click.option("--activity", metavar="COLUMN", help="Column that says what happened."),
        click.option("--timestamp", metavar="COLUMN", help="Column that says when it happened (or was completed)."),
        click.option("--start-timestamp", metavar="COLUMN", help="Column that says when it began, for durations."),
        click.option("--customer", metavar="COLUMN", help="Column of the customer; without one a journey is one."),
        click.option("--channel", metavar="COLUMN", help="Column of the channel, such as case:channel."),
        click.option("--resource", metavar="COLUMN", help="Column of who did it."),
        click.option("--timezone", metavar="ZONE", help="Zone of times without one, such as Europe/Amsterdam."),
        click.option("--time-format", metavar="FORMAT", help="Form of the times, such as '%d/%m/%Y %H:%M'."),
        click.option(
            "--lifecycle",
            type=click.Choice(["complete", "start", "all"]),
            default="complete",
            show_default=True,
            help="Of activities with a start and an end: one event at the end, one at the start, or both.",
        ),
        click.option(
            "--delimiter", metavar="CHARACTER", help="Between the fields of a CSV; found by itself if omitted."
        ),
        click.option(
            "--filter",
            "filters",
            metavar="TEXT",
            multiple=True,
            help="Only journeys that meet this, such as 'contains complaint'; may be repeated.",
        ),
        click.option(
            "--touchpoints",
            type=click.Path(exists=True, dir_okay=False),
            metavar="FILE",
            help="YAML file of touchpoint rules (the touchpoints: section of a job): rename, drop, first match wins.",
        ),
        click.option(
            "--phase",
            "phases",
            metavar="TEXT",
            multiple=True,
            help="A phase and its activities, such as 'purchase=order_placed,paid'; repeated, from first to last.",
        ),
        click.option(
            "--object-type", metavar="TYPE", help="Of an OCEL log: the type of object whose journeys to take."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def engine_options(function: Command) -> Command:
    """Add the options that say where analyses run; they reach the command as ``engine`` and ``spark_master``."""
    options = [
        click.option(
            "--engine",
            type=click.Choice(["threads", "spark"]),
            default="threads",
            show_default=True,
            help="Where analyses run: on threads of this machine, or on Spark.",
        ),
        click.option(
            "--spark-master",
            metavar="URL",
            help="With --engine spark: the cluster, such as spark://host:7077; by default Spark on this machine.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def read_log(
    log: str,
    *,
    timezone: str | None = None,
    time_format: str | None = None,
    lifecycle: str = "complete",
    delimiter: str | None = None,
    object_type: str | None = None,
    filters: Sequence[str] = (),
    touchpoints: str | None = None,
    phases: Sequence[str] = (),
    **columns: str | None,
) -> pa.Table:
    """Read the LOG of a command as its options say; takes what `log_argument` and `log_options` give.

    Touchpoint rules come first, then phases, then filters. What rules match and what filters leave is said on stderr
    and in the reading report, as ``touchpoints`` and ``scope``.
    """
    from journeymining.eventlog.reading import read_event_log

    table = read_event_log(
        log,
        columns={role: column for role, column in columns.items() if column is not None},
        timezone=timezone,
        time_format=time_format,
        lifecycle=lifecycle,
        delimiter=delimiter,
        object_type=object_type,
    )
    if touchpoints is not None:
        table = _ruled(table, touchpoints)
    if phases:
        from journeymining.eventlog.report import reading_report, with_report
        from journeymining.journeys.phases import parse_phases, put_into_phases

        table = with_report(put_into_phases(table, parse_phases(phases)), reading_report(table))
    return _filtered(table, filters) if filters else table


def read_unless_written(log: str, **options: Any) -> AnyLog:
    """Read the LOG of a command, but for one whose files hold an event log and of which no option changes anything."""
    from journeymining.eventlog.written import written_log

    changing = {name: value for name, value in options.items() if value and (name, value) != ("lifecycle", "complete")}
    found = None if changing else written_log(log)
    return read_log(log, **options) if found is None else found


def _ruled(table: pa.Table, path: str) -> pa.Table:
    from journeymining.documents import load_yaml, validate
    from journeymining.eventlog.report import add_left_out, reading_report, with_report
    from journeymining.exceptions import EmptyLogError
    from journeymining.journeys.touchpoints import TouchpointConfig, apply_rules

    report = reading_report(table)
    kept, counts = apply_rules(table, validate(TouchpointConfig, load_yaml(path)))
    add_left_out(report, "dropped by a touchpoint rule", len(table) - len(kept))
    matched = sum(rule["events"] for rule in counts["rules"])
    click.echo(
        f"{path}: rules match {matched:,} of {len(table):,} events; {counts['unmatched_events']:,} match none and are "
        f"{counts['unmatched_are']}.",
        err=True,
    )
    if never := counts["never_matched"]:
        click.echo(f"{path}: rules that never match: {', '.join(map(str, never))}.", err=True)
    if not len(kept):
        raise EmptyLogError(f"{path}: the rules leave none of {len(table):,} events.")
    return with_report(kept, report | {"touchpoints": counts})


def _filtered(table: pa.Table, filters: Sequence[str]) -> pa.Table:
    from journeymining.eventlog.report import add_left_out, reading_report, with_report
    from journeymining.journeys.filters import filter_log

    report = reading_report(table)
    kept, scope = filter_log(table, filters)
    add_left_out(report, "filtered", scope.all_events - scope.events)
    click.echo(scope.sentence, err=True)
    return with_report(kept, report | {"scope": scope.sentence})


def emit(frame: pd.DataFrame, format: str = "table") -> None:
    """Write a table to stdout: as a person reads it, as CSV or as JSON records.

    A terminal gets a drawn table, a pipe gets plain columns. No row is cut off. Control characters of the data
    are shown as escapes, so that data cannot steer the terminal; CSV and JSON carry the data as it is.
    """
    if format == "csv":
        click.echo(frame.to_csv(index=False, lineterminator="\n"), nl=False)
    elif format == "json":
        text = frame.to_json(orient="records", date_format="iso", force_ascii=False, indent=2, double_precision=15)
        click.echo(text)
    elif sys.stdout.isatty():
        _draw(frame)
    else:
        _plain(frame)


def _draw(frame: pd.DataFrame) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in frame.columns:
        table.add_column(Text(_shown(name)), justify="right" if _is_number(frame, name) else "left", overflow="fold")
    for row in frame.itertuples(index=False, name=None):
        table.add_row(*(Text(_shown(value)) for value in row))
    Console().print(table)


def _plain(frame: pd.DataFrame) -> None:
    names = list(frame.columns)
    rows = [[_shown(name) for name in names]]
    rows += [[_shown(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(names))]
    right = [_is_number(frame, name) for name in names]
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        line = "  ".join(cell.rjust(width) if number else cell.ljust(width) for cell, width, number in cells)
        click.echo(line.rstrip())


def _is_number(frame: pd.DataFrame, name: str) -> bool:
    return frame[name].dtype.kind in "iuf"


def _shown(value: Any) -> str:
    """Return a cell as text for a person: four decimals, empty for missing, no control characters."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float):
        # A share of one in a million is small, but it is not nothing.
        text = f"{value:.2g}" if 0 < abs(value) < 0.0001 else f"{value:.4f}".rstrip("0").rstrip(".")
    else:
        text = str(value)
    return printable(text)


def printable(text: str) -> str:
    r"""Return a text of the data without control characters, so that it cannot steer the terminal.

    Examples
    --------
    >>> printable("red" + chr(27) + "[31m")
    'red\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character).startswith("C") else character
        for character in text
    )
