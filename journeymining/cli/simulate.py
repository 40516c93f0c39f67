"""``journeymining simulate``: the raw logs of a made-up company, with the truth beside them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("simulate", context_settings={"show_default": True})
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False))
@click.option("--customers", type=int, default=2000, help="How many customers the company has, each with one order.")
@click.option("--seed", type=int, default=7, help="The same seed gives the same bytes.")
@click.option("--force", is_flag=True, help="Replace DIR if it holds anything.")
def command(directory: str, customers: int, seed: int, force: bool) -> None:
    """Write the raw logs of a made-up company, with the truth beside them.

    DIR gets raw logs in the formats of Salesforce, a web server, Google Analytics 4, Asterisk and a survey tool, a job
    file and a designed journey that fit them, and truth.json: what was planted, and how often it really happened.

    Example: journeymining simulate event_logs/demo --customers 2000 --seed 7
    """
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.simulation import simulate

    with steps_on_stderr() as tell:
        written = 0

        def progress(more: int) -> None:
            nonlocal written
            written += more
            tell(f"{written:,} of {customers:,} customers")

        folder = simulate(Path(directory), customers=customers, seed=seed, force=force, progress=progress)
    click.echo(folder)
