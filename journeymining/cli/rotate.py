"""``journeymining rotate``: another key for the pseudonyms of a job."""

from __future__ import annotations

import click


@click.command("rotate", context_settings={"show_default": True})
@click.argument("job_file", metavar="JOB.yaml", type=click.Path())
@click.option("--events", type=click.Path(file_okay=False), help="Where events are kept; default event_logs/<job>.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(job_file: str, events: str | None, yes: bool) -> None:
    """Replace all pseudonyms of a job by those of another key.

    The old key is in JOURNEYMINING_KEY, the new one in JOURNEYMINING_NEW_KEY. Works from the raw records that were
    pulled; no source is read again. Customers and journeys get new names, and nothing says which was which.

    Example: journeymining rotate journey.yaml
    """
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.ingest.keys import KEY_VARIABLE, key_from_environment
    from journeymining.jobs import read_job
    from journeymining.jobs.rotation import NEW_KEY_VARIABLE, new_key_from_environment, rotate_key

    job = read_job(job_file)
    old_key, new_key = key_from_environment(), new_key_from_environment()
    if not yes:
        click.confirm("Earlier results will no longer fit to these events. Rotate the key?", abort=True, err=True)
    with steps_on_stderr() as tell:
        folder = rotate_key(job, old_key=old_key, new_key=new_key, events=events, tell=tell)
    click.echo(folder)
    click.echo(
        f"From now on {KEY_VARIABLE} must be the new key: export {KEY_VARIABLE}=${NEW_KEY_VARIABLE}\n"
        "Make the results again with: journeymining run JOB.yaml --force",
        err=True,
    )
