"""Say what is wrong with an event log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.options import (
    emit,
    force_option,
    format_option,
    log_argument,
    log_options,
    out_option,
    read_log,
)

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@log_argument
@log_options
@format_option
@click.option(
    "--fail-on",
    type=click.Choice(["warning", "error"]),
    default=None,
    help="End with exit code 3 if there is a finding of this severity or worse.",
)
@out_option
@force_option
def command(format: str, fail_on: str | None, out: Path | None, force: bool, **log: Any) -> None:
    """Say what an event log covers, and what is wrong with it.

    Doubles, ties, clocks, gaps, unknown channels, rows left out: how many, and what would mend it.

    Example: journeymining check permits.xes.gz --channel case:channel
    """
    from journeymining.eventlog.checks import check_event_log
    from journeymining.exceptions import GateFailed
    from journeymining.jobs.account import write_account
    from journeymining.writing import refuse_occupied, whole_folder

    if out is not None:
        refuse_occupied(out, force=force)
    table = read_log(**log)
    findings = check_event_log(table)
    if out is not None:
        with whole_folder(out, force=force) as folder:
            findings.to_csv(folder / "findings.csv", index=False, lineterminator="\n")
            write_account(folder, "check", table, log)
    emit(findings, format)
    failing = {"warning": ["warning", "error"], "error": ["error"]}.get(fail_on or "", [])
    count = int(findings["severity"].isin(failing).sum())
    if count:
        raise GateFailed(f"{count} findings of severity {' or '.join(failing)}, as --fail-on {fail_on} forbids.")
