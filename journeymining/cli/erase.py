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
@click.option("--region", metavar="CC", help="Country of telephone numbers without a country code, as in the job.")
@click.option("--reference", metavar="TEXT", help="What the proof is filed under, such as a ticket number.")
@click.option("--proof", type=click.Path(dir_okay=False), help="Write the proof to this file as well.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Overwrite an earlier proof.")
def command(
    customer: str | None,
    events: Path,
    outputs: Path,
    region: str | None,
    reference: str | None,
    proof: str | None,
    yes: bool,
    force: bool,
    **identifiers: str | None,
) -> None:
    """Remove a customer from the events of all jobs, and the runs that hold them.

    CUSTOMER is a customer_id; or give one identifier in clear, which is hashed with the key in JOURNEYMINING_KEY. Every
    file is read back afterwards. The proof on stdout counts what was removed, file by file, without personal data.
    The systems the records came from are not touched: erase the customer there first, or the next pull brings them
    back.

    Example: journeymining erase --email anna@example.org --region DE --reference T-1027 --proof erased-T-1027.json
    """
    from journeymining import __version__
    from journeymining.exceptions import UsageError
    from journeymining.identity.erasure import erase_customer, runs_with
    from journeymining.ingest.keys import key_from_environment
    from journeymining.writing import refuse_occupied, whole_file

    given = {kind: value for kind, value in identifiers.items() if value}
    if (customer is not None) + len(given) != 1:
        raise UsageError("Give a CUSTOMER or one identifier, such as --email anna@example.org.")
    if proof:
        refuse_occupied(Path(proof), force=force)
    key = key_from_environment()
    traces = _find(events, customer, given, key, region)
    names = frozenset().union(*(one.names for one in traces.values()))
    runs = runs_with(outputs, names) if outputs.is_dir() else []
    if not yes:
        where = ", ".join(map(str, traces))
        click.confirm(f"Erase one customer from {where} and delete {len(runs)} runs for good?", abort=True, err=True)
    # Runs first: what names them is looked up in the events, which must still be there if this is interrupted.
    deleted = [_delete_run(run) for run in runs]
    erased = [
        {"folder": str(store), **erase_customer(store, one, key=key, region=region)} for store, one in traces.items()
    ]
    account = {
        "version": __version__,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "reference": reference,
        "events": erased,
        "runs": deleted,
        "read_back": "nothing of the customer found",
    }
    text = json.dumps(account, indent=2, ensure_ascii=False)
    if proof:
        with whole_file(proof, force=force) as work:
            work.write_text(text + "\n", encoding="utf-8")
    click.echo(text)
    _warn(erased)


def _find(
    events: Path, customer: str | None, given: dict[str, str], key: bytes, region: str | None
) -> dict[Path, Traces]:
    """Return what leads to the customer, per folder of events that knows them."""
    from journeymining.exceptions import InputError, UsageError
    from journeymining.identity.erasure import stores_below
    from journeymining.identity.traces import customers_of, find_traces, hashes, only_customer

    stores = stores_below(events)
    if not stores:
        raise InputError(f"{events}: no events of a job here. Say where they are with --events DIR.")
    found = dict.fromkeys(stores, customer)
    for kind, value in given.items():
        hashed = hashes(value, [kind], key=key, region=region)
        if not hashed:
            raise UsageError(f"--{kind}: this is nobody's {kind}. A telephone number may need --region, such as DE.")
        found = {store: only_customer(customers_of(store, *hashed[0]), kind) for store in stores}
    traces = {store: one for store, name in found.items() if name and (one := find_traces(store, name))}
    if not traces:
        raise InputError(f"No job below {events} knows this customer.")
    return traces


def _delete_run(run: Path) -> dict[str, Any]:
    """Delete the results of a run; say which command makes them again."""
    job = json.loads((run / "manifest.json").read_text(encoding="utf-8")).get("job", "")
    files = sum(path.is_file() for path in run.rglob("*"))
    shutil.rmtree(run)
    again = f"journeymining run JOB.yaml --out {run}"
    return {"folder": str(run), "job": job, "files": files, "again": again}


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
