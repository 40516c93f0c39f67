"""Convert an event log between file formats, also into what may leave the house."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.options import emit, force_option, log_argument, log_options, read_log

if TYPE_CHECKING:
    import pyarrow as pa

BUDGET = ".privacy.json"
"""What is added to the name of a file with noise, for what it promises."""


@click.command(context_settings={"show_default": True})
@log_argument
@click.argument("out", type=click.Path(allow_dash=True), metavar="OUT")
@log_options
@click.option("--k", type=click.IntRange(min=2), help="Write no variant that fewer than K customers followed.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="With --k: what stays; channel by default.")
@click.option("--rare", type=click.Choice(["group", "suppress"]), default="group", help="With --k: of rarer variants.")
@click.option("--round", "round_to", metavar="DURATION", default="1 day", help="With --k: how exact times stay.")
@click.option(
    "--epsilon", type=click.FloatRange(0, min_open=True), help="Write variants with noise: the budget of one customer."
)
@force_option
def command(
    out: str,
    k: int | None,
    keep: tuple[str, ...],
    rare: str,
    round_to: str,
    epsilon: float | None,
    force: bool,
    **log: Any,
) -> None:
    """Convert an event log between CSV, Parquet, XES and OCEL 2.0, as the names of the files say.

    For others: --k 5 hides every path of fewer than five customers, all names and exact times. --epsilon 1 writes only
    how many customers followed each variant, with noise (differential privacy; needs the extra "privacy"): as counts if
    OUT is a CSV, else as an event log with that many made-up journeys, and the budget beside it.

    Example: journeymining convert permits.xes.gz permits.parquet --k 5
    """
    from journeymining.eventlog.reading import reading_report
    from journeymining.eventlog.writing import write_event_log
    from journeymining.exceptions import UsageError

    if k and epsilon:
        raise UsageError("Give --k (a log) or --epsilon (counts with noise), not both.")
    if keep and not k:
        raise UsageError("--keep says what stays beside the activity in a log made with --k; give --k as well.")
    table = read_log(**log)
    read = reading_report(table)["rows_in"]
    if epsilon:
        _write_counts(table, epsilon, out, force=force)
        return
    if k:
        table = _anonymous(table, k, keep or ("channel",), rare, round_to)
    write_event_log(table, out, force=force)
    click.echo(f"{read:,} rows read, {table.num_rows:,} events written to {'stdout' if out == '-' else out}.", err=True)


def _anonymous(table: pa.Table, k: int, keep: tuple[str, ...], rare: Any, round_to: str) -> pa.Table:
    """Return the log that may leave the house, and say what became of the rest."""
    from journeymining.durations import parse_duration
    from journeymining.eventlog.anonymity import k_anonymous
    from journeymining.eventlog.reading import reading_report

    safe = k_anonymous(table, k, keep=keep, rare=rare, round_to=parse_duration(round_to))
    report = reading_report(safe)["anonymity"]
    for fate in ("kept", "grouped", "suppressed"):
        counts = ", ".join(f"{report[fate][one]:,} {one}" for one in ("variants", "journeys", "customers", "events"))
        click.echo(f"{fate}: {counts}", err=True)
    click.echo(f"smallest group: {report['smallest_group']:,} customers", err=True)
    if report["dropped_columns"]:
        click.echo(f"dropped columns: {', '.join(report['dropped_columns'])}", err=True)
    return safe


def _write_counts(table: pa.Table, epsilon: float, out: str, *, force: bool) -> None:
    """Write the noisy counts of variants, as CSV or as a log, and beside them what they promise."""
    from journeymining.eventlog.noise import log_of_counts, noisy_variant_counts
    from journeymining.eventlog.writing import write_event_log
    from journeymining.writing import refuse_occupied, whole_file

    if out != "-":
        for place in (out, out + BUDGET):
            refuse_occupied(Path(place), force=force)
    counts = noisy_variant_counts(table, epsilon)
    budget = counts.attrs
    frame = counts.assign(path=[" > ".join(path) for path in counts["path"]])
    if out == "-":
        emit(frame, "csv")
    else:
        if out.endswith(".csv"):
            with whole_file(out, force=force) as work:
                frame.to_csv(work, index=False, lineterminator="\n")
        else:
            write_event_log(log_of_counts(counts), out, force=force)
        with whole_file(out + BUDGET, force=force) as work:
            work.write_text(json.dumps(budget | {"variants": len(frame)}, indent=2) + "\n", encoding="utf-8")
    click.echo(
        f"{len(frame):,} variants written, with epsilon {budget['epsilon']:g} and delta {budget['delta']:.2g} for one "
        f"customer; counts below {budget['threshold']:,} are not shown.",
        err=True,
    )
