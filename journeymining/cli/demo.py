"""``journeymining demo``: from nothing to a report, on a made-up company."""

from __future__ import annotations

from pathlib import Path

import click

# Pseudonyms need a key; nobody needs protection here, and a fixed one keeps the demo the same everywhere.
MADE_UP_KEY = b"the people of the demo do not exist"


@click.command("demo", context_settings={"show_default": True})
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@click.option("--customers", type=click.IntRange(min=200), default=12000, help="How many customers the company has.")
@click.option("--seed", type=int, default=7, help="The same seed gives the same company and the same report.")
@click.option("--force", is_flag=True, help="Replace an earlier demo.")
def command(directory: str, customers: int, seed: int, force: bool) -> None:
    """Simulate a company's raw logs, run the whole job on them, say where the report is.

    Writes DIR/event_logs/demo (the raw logs in the vendors' formats, with the truth beside them) and DIR/outputs/demo.

    Example: journeymining demo
    """
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.exceptions import UsageError
    from journeymining.jobs import read_job, run
    from journeymining.simulation import simulate

    company = Path(directory) / "event_logs" / "demo"
    results = Path(directory) / "outputs" / "demo"
    if not force and (taken := [str(path) for path in (company, results) if path.exists()]):
        raise UsageError(f"{' and '.join(taken)} exist. Give another DIR, or --force to replace them.")
    with steps_on_stderr() as tell:
        tell(f"Simulating the raw logs of a telecom with {customers:,} customers")
        simulate(company, customers=customers, seed=seed, force=True)
        report = run(
            read_job(company / "job.yaml"),
            events=company / "events",
            out=results,
            key=MADE_UP_KEY,
            force=True,
            tell=tell,
        )
    click.echo(report)
