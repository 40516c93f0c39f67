"""``journeymining erase``: forget a customer, and prove it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from journeymining.identity.traces import Traces
    from journeymining.jobs import Job

KINDS = ("account", "contact", "login", "email", "order", "phone", "device", "cookie")
FOLDER = click.Path(file_okay=False, path_type=Path)


def _identifier_options(function: Any) -> Any:
    for kind in reversed(KINDS):
        option = click.option(f"--{kind}", metavar="VALUE", help=f"The customer with this {kind}, in clear.")
        function = option(function)
    return function


@click.command("erase", context_settings={"show_default": True})
@click.argument("customer", required=False)
@_identifier_options
@click.option("--events", type=FOLDER, default="event_logs", help="Where events of jobs are kept.")
@click.option("--outputs", type=FOLDER, default="outputs", help="Where results of runs are.")
@click.option("--job", "job_file", metavar="JOB.yaml", type=click.Path(), help="Compute the deleted runs of it again.")
@click.option("--region", metavar="CC", help="Country of telephone numbers without a country code, as in the job.")
@click.option("--reference", metavar="TEXT", help="What the proof is filed under, such as a ticket number.")
@click.option("--proof", type=click.Path(dir_okay=False), help="Write the proof to this file as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Overwrite an earlier proof.")
def command(
    customer: str | None,
    events: Path,
    outputs: Path,
    job_file: str | None,
    region: str | None,
    reference: str | None,
    proof: str | None,
    yes: bool,
    force: bool,
    **identifiers: str | None,
) -> None:
    """Remove a customer from the events of all jobs, and the runs that hold them.

    CUSTOMER is a customer_id; or give one identifier in clear, which is hashed with the key in JOURNEYMINING_KEY (no
    key is needed where jobs write identifiers in clear). Every file is read back afterwards. The proof on stdout counts
    what was removed, file by file, without personal data. With --job the runs of that job that were deleted are
    computed again from what is left. The systems the records came from are not touched: erase the customer there first,
    or the next pull brings them back.

    Example: journeymining erase --email anna@example.org --region DE --job journey.yaml --proof erased-T-1027.json
    """
    from journeymining.exceptions import UsageError
    from journeymining.identity.erasure import erase_customer, runs_with
    from journeymining.identity.traces import record_test
    from journeymining.jobs import read_job
    from journeymining.writing import refuse_occupied, whole_file

    given = {kind: value for kind, value in identifiers.items() if value}
    if (customer is not None) + len(given) != 1:
        raise UsageError("Give a CUSTOMER or one identifier, such as --email anna@example.org.")
    if proof:
        refuse_occupied(Path(proof), force=force)
    job = read_job(job_file) if job_file else None
    keys = _keys(events)
    traces = _find(events, customer, given, keys, region)
    names = frozenset().union(*(one.names for one in traces.values()))
    tests = [record_test(one, key=keys[store], region=region) for store, one in traces.items()]
    runs = runs_with(outputs, names, tests) if outputs.is_dir() else []
    if not yes:
        where = ", ".join(map(str, traces))
        click.confirm(f"Erase one customer from {where} and delete {len(runs)} runs for good?", abort=True, err=True)
    # Runs first: what names them is looked up in the events, which must still be there if this is interrupted.
    deleted = [_delete_run(run) for run in runs]
    erased = [
        {"folder": str(store), **erase_customer(store, one, key=keys[store], region=region)}
        for store, one in traces.items()
    ]
    if job:
        _run_again(job, deleted, list(traces))
        if runs_with(outputs, names, tests):
            raise UsageError(
                "A source still has the customer, and computing the runs again brought them back. Erase the customer "
                "there, then do this again."
            )
    text = json.dumps(_account(reference, erased, deleted), indent=2, ensure_ascii=False)
    if proof:
        with whole_file(proof, force=force) as work:
            work.write_text(text + "\n", encoding="utf-8")
    click.echo(text)
    _warn(erased)


def _keys(events: Path) -> dict[Path, bytes | None]:
    """Return per folder of a job the key of its pseudonyms; None where it writes identifiers in clear."""
    from journeymining.exceptions import InputError
    from journeymining.identity.erasure import stores_below
    from journeymining.identity.traces import writes_in_clear
    from journeymining.ingest.keys import key_from_environment

    stores = stores_below(events)
    if not stores:
        raise InputError(f"{events}: no events of a job here. Say where they are with --events DIR.")
    return {store: None if writes_in_clear(store) else key_from_environment() for store in stores}


def _find(
    events: Path, customer: str | None, given: dict[str, str], keys: dict[Path, bytes | None], region: str | None
) -> dict[Path, Traces]:
    """Return what leads to the customer, per folder of events that knows them."""
    from journeymining.exceptions import InputError, UsageError
    from journeymining.identity.traces import customers_of, find_traces, hashes, only_customer

    found: dict[Path, str | None] = dict.fromkeys(keys, customer)
    for kind, value in given.items():
        for store, key in keys.items():
            hashed = hashes(value, [kind], key=key, region=region)
            if not hashed:
                raise UsageError(f"--{kind}: this is nobody's {kind}. A telephone number may need --region, as DE.")
            found[store] = only_customer(customers_of(store, *hashed[0]), kind)
    traces = {store: one for store, name in found.items() if name and (one := find_traces(store, name))}
    if not traces:
        raise InputError(f"No job below {events} knows this customer.")
    return traces


def _delete_run(run: Path) -> dict[str, Any]:
    """Delete the results of a run; say which command makes them again."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    files = sum(path.is_file() for path in run.rglob("*"))
    shutil.rmtree(run)
    job, seed, again = manifest.get("job", ""), manifest.get("seed", 0), f"journeymining run JOB.yaml --out {run}"
    return {"folder": str(run), "job": job, "files": files, "seed": seed, "again": again, "computed_again": False} | {
        "sensitivity": "sensitivity" in manifest.get("settings", {})
    }


def _run_again(job: Job, deleted: list[dict[str, Any]], stores: list[Path]) -> None:
    """Compute the deleted runs of a job again, from the events that are left."""
    from journeymining.cli.progress import steps_on_stderr
    from journeymining.jobs import run

    # The events of a job are in a folder of its name, or in one within that.
    own = [store for store in stores if job.name in (store.name, store.parent.name)] or stores[:1]
    for one in deleted:
        if one["job"] == job.name:
            with steps_on_stderr() as tell:
                run(job, events=own[0], out=one["folder"], seed=one["seed"], sensitivity=one["sensitivity"], tell=tell)
            one["computed_again"] = True


def _account(reference: str | None, erased: list[dict[str, Any]], deleted: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the proof."""
    from journeymining import __version__

    return {
        "version": __version__,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "reference": reference,
        "events": erased,
        "runs": deleted,
        "read_back": "nothing of the customer found",
    }


def _warn(erased: list[dict[str, Any]]) -> None:
    """Point at raw records that were kept although the customer had records from their source."""
    for one in erased:
        for source, counts in one["records"].items():
            raw = Path(one["folder"]) / "raw" / source
            if counts["records"] and not counts["raw_removed"] and raw.is_dir():
                click.echo(
                    f"Look into {raw}: the customer had {counts['records']} records from there, and no raw record of "
                    "theirs was recognised (wrong --region?). Delete the folder if in doubt.",
                    err=True,
                )
