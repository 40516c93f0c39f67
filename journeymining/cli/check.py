"""Say what is wrong with an event log."""

from __future__ import annotations

from typing import Any

import click

from journeymining.cli.options import emit, format_option, log_argument, log_options, read_log


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
def command(format: str, fail_on: str | None, **log: Any) -> None:
    """Say what an event log covers, and what is wrong with it.

    Doubles, ties, clocks, gaps, unknown channels, rows left out: how many, and what would mend it.

    Example: journeymining check permits.xes.gz --channel case:channel
    """
    from journeymining.eventlog.checks import check_event_log
    from journeymining.exceptions import GateFailed

    findings = check_event_log(read_log(**log))
    emit(findings, format)
    failing = {"warning": ["warning", "error"], "error": ["error"]}.get(fail_on or "", [])
    count = int(findings["severity"].isin(failing).sum())
    if count:
        raise GateFailed(f"{count} findings of severity {' or '.join(failing)}, as --fail-on {fail_on} forbids.")
