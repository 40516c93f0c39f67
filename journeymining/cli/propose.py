"""Propose which accounts may be one person."""

from __future__ import annotations

from pathlib import Path

import click

from journeymining.cli.options import emit, force_option, format_option


@click.command("propose", context_settings={"show_default": True})
@click.argument("accounts", metavar="ACCOUNTS", type=click.Path(path_type=Path))
@click.option(
    "--events",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where events of the job are kept, such as event_logs/shop.",
)
@click.option("--threshold", type=click.FloatRange(0, 1, min_open=True), default=0.95, help="Propose pairs this sure.")
@click.option("--exact-recall", type=float, default=0.7, help="Share of true pairs that agree exactly, as one knows.")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="File for the proposals as CSV.")
@format_option
@force_option
def command(
    accounts: Path, events: Path, threshold: float, exact_recall: float, out: Path | None, format: str, force: bool
) -> None:
    """Propose which accounts of a job may be one person, by name, address and birth date; needs the extra "splink".

    ACCOUNTS is CSV or Parquet with the columns source, account, given_name, family_name, address and birth_date
    (YYYY-MM-DD), in clear. Proposals have pseudonyms only. Nothing is joined: who accepts a pair gives both records a
    common identifier, at their source.

    Example: journeymining propose accounts.csv --events event_logs/shop --threshold 0.98
    """
    from journeymining.identity.probabilistic import known_accounts, propose_links
    from journeymining.identity.traces import writes_in_clear
    from journeymining.ingest.keys import key_from_environment
    from journeymining.writing import refuse_occupied, whole_file

    if out is not None:
        refuse_occupied(out, force=force)
    key = None if writes_in_clear(events) else key_from_environment()
    known, unknown = known_accounts(accounts, events, key=key)
    found = propose_links(known, threshold=threshold, exact_recall=exact_recall)
    table = found.links.to_pandas()
    emit(table, format)
    if out is not None:
        with whole_file(out, force=force) as file:
            table.to_csv(file, index=False, lineterminator="\n")
    told = found.report
    precision = "" if told["expected_precision"] is None else f" (precision {told['expected_precision']:.3f})"
    click.echo(
        f"{told['records']:,} accounts, {told['compared']:,} pairs compared, {told['proposed']:,} proposed at "
        f"{threshold:g} or surer; of these {told['expected_right']:,.1f} are expected to be right{precision}, and "
        f"{told['expected_missed']:,.1f} right ones below. {unknown:,} accounts are not among the events.",
        err=True,
    )
