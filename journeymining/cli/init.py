"""``journeymining init``: a first job and a first design."""

from __future__ import annotations

import sys

import click


@click.command("init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False))
@click.option("--scope", metavar="TEXT", help="The journey: 'order: order_placed > modem_active'.")
@click.option("--customers", metavar="TEXT", help="Groups of customers: 'starter, mover'.")
@click.option("--promises", metavar="TEXT", help="Deadlines: 'order_placed > confirmation: 1 hour; ...'.")
@click.option("--touchpoints", metavar="TEXT", help="What lies between: 'confirmation@email, welcome_call@phone?'.")
@click.option("--peak", metavar="TEXT", help="Moments of truth: 'welcome_call, modem_active'.")
@click.option("--force", is_flag=True, help="Replace journey.yaml and design.yaml.")
def command(
    directory: str,
    scope: str | None,
    customers: str | None,
    promises: str | None,
    touchpoints: str | None,
    peak: str | None,
    force: bool,
) -> None:
    """Ask five questions, write a job file, a designed journey and the folders.

    What is given as an option is not asked; on a machine without a terminal only --scope is needed.

    Example: journeymining init shop --scope "order: order_placed > delivered" --touchpoints "confirmation@email"
    """
    from journeymining.jobs.starting import QUESTIONS, read_answers, start_job

    given = {"customers": customers, "promises": promises, "touchpoints": touchpoints, "peak": peak}
    if scope is None and not sys.stdin.isatty():
        raise click.UsageError("--scope is needed where nobody can be asked: 'order: order_placed > modem_active'.")
    ask = sys.stdin.isatty()
    scope = scope or click.prompt(QUESTIONS["scope"], err=True)
    told = {
        name: value if value is not None else click.prompt(QUESTIONS[name], default="", show_default=False, err=True)
        for name, value in given.items()
        if value is not None or ask
    }
    for path in start_job(directory, read_answers(str(scope), **told), force=force):
        click.echo(path)
