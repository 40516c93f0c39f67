"""``journeymining run``: the whole job."""

from __future__ import annotations

import click

from journeymining.cli.options import engine_options


@click.command("run", context_settings={"show_default": True})
@click.argument("job_file", metavar="JOB.yaml", type=click.Path())
@click.option("--events", type=click.Path(file_okay=False), help="Where events are kept; default event_logs/<job>.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder of the results; default outputs/<job>.")
@click.option("--seed", type=int, default=0, help="Seed of the bootstrap intervals and of the model's inner split.")
@click.option("--memory-limit", default="4GB", help="What the engine may use; beyond it, it spills to disk.")
@click.option("--full-refresh", is_flag=True, help="Read every source again instead of reusing what has not changed.")
@click.option("--sensitivity", is_flag=True, help="Also show the numbers without the weakest kind of identifier.")
@engine_options
@click.option("--force", is_flag=True, help="Replace the folder of results.")
def command(
    job_file: str,
    events: str | None,
    out: str | None,
    seed: int,
    memory_limit: str,
    full_refresh: bool,
    sensitivity: bool,
    engine: str,
    spark_master: str | None,
    force: bool,
) -> None:
    """Run the whole job: pull, stitch, cut, discover, conform, outcomes, experience, report.

    Prints the path of the report; on stderr, which columns and fields of the sources came or went, and which fields no
    record has. Steps whose input and settings have not changed are reused.

    Example: journeymining run journey.yaml --force
    """
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.engines.engine import engine_of
    from journeymining.jobs import read_job, run

    job = read_job(job_file)
    runs_on = engine_of(engine, spark_master=spark_master)
    with steps_on_stderr() as tell:
        report = run(
            job,
            events=events,
            out=out,
            seed=seed,
            memory_limit=memory_limit,
            full_refresh=full_refresh,
            sensitivity=sensitivity,
            engine=runs_on,
            force=force,
            tell=tell,
        )
    click.echo(report)
