"""``journeymining connectors``: what connectors there are, what one reads, and whether its sample still holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def command() -> None:
    """List, show or test the connectors.

    Example: journeymining connectors show salesforce
    """


@command.command("list")
def list_connectors() -> None:
    """List the connectors, one per line: name and what it reads; of those that are not shipped also where they are.

    Besides the shipped ones these are the folders in those that JOURNEYMINING_CONNECTORS names.

    Example: journeymining connectors list
    """
    from journeymining.ingest.library import SPEC, connector_places, shipped_connectors
    from journeymining.ingest.specs import read_connector

    places = connector_places()
    width = max(map(len, places), default=0)
    for name, folder in places.items():
        where = "" if folder.parent == shipped_connectors() else f" ({folder})"
        click.echo(f"{name:{width}}  {read_connector(folder / SPEC).title}{where}")


@command.command("show")
@click.argument("name")
def show_connector(name: str) -> None:
    """Show what a connector reads and what it makes of it.

    NAME is one of the list or a folder with a connector.yaml.

    Example: journeymining connectors show asterisk_queue_log
    """
    from journeymining.ingest.library import SPEC, connector_folder
    from journeymining.ingest.specs import kind_of, read_connector

    folder = connector_folder(name)
    connector = read_connector(folder / SPEC)
    click.echo(f"{connector.connector}: {connector.title}")
    for stream_name, stream in connector.streams.items():
        click.echo(f"\n{stream_name}: {stream.format.type.replace('_', ' ')}, files {', '.join(stream.files)}")
        click.echo(f"  fields       {', '.join(stream.names)}")
        ids = [f"{one} ({kind_of(one, rules)})" for one, rules in stream.identifiers.items()]
        click.echo(f"  identifiers  {', '.join(ids) or 'none'}")
        click.echo(f"  activities   {', '.join(_activities(stream)) or 'none'}")
        if stream.survey:
            click.echo("  answers      to surveys")
    click.echo(f"\nHow to export it, and what is personal in it: {folder / 'README.md'}")


def _activities(stream: object) -> list[str]:
    """Return the names that the events of a stream can have; ``<field>`` stands for what a field says."""
    names: dict[str, None] = {}
    for event in getattr(stream, "events", ()):
        for rule in event.activity:
            if rule.constant is not None:
                names[rule.constant] = None
            elif rule.map is not None:
                found = [becomes for becomes in (*rule.map.values(), rule.otherwise) if becomes is not None]
                names |= dict.fromkeys(found)
            else:
                names[f"{rule.before}<{'|'.join(rule.field)}>{rule.after}"] = None
    return list(names)


@command.command("test")
@click.argument("name", required=False)
@click.option("--write", is_flag=True, help="Write expected.csv from the sample, to be read and corrected by hand.")
@click.option("--force", is_flag=True, help="With --write: replace an expected.csv that is there.")
def test_connectors(name: str | None, write: bool, force: bool) -> None:
    """Map the sample of a connector and compare with its expected.csv; without NAME, of all that are listed.

    NAME is one of the list or a folder with a connector.yaml. Exit code 3 when a row differs.

    Example: journeymining connectors test ./my_crm
    """
    from journeymining.exceptions import GateFailed, UsageError
    from journeymining.ingest.library import connector_folder, connector_names

    if write and name is None:
        raise UsageError("--write needs the NAME of one connector.")
    folders = [connector_folder(one) for one in ([name] if name else connector_names())]
    if write:
        _write(folders[0], force=force)
        return
    failed = [folder for folder in folders if not _holds(folder)]
    if failed:
        raise GateFailed(f"{len(failed)} of {len(folders)} connectors do not give what they should.")


def _holds(folder: Path) -> bool:
    from journeymining.testing.connectors import connector_differences

    differences = connector_differences(folder)
    click.echo(f"{folder.name}: {f'{len(differences)} rows differ' if differences else 'ok'}")
    for difference in differences[:20]:
        click.echo(f"  {difference}")
    return not differences


def _write(folder: Path, *, force: bool) -> None:
    from journeymining.testing.connectors import EXPECTED, expected_text, sample_rows
    from journeymining.writing import whole_file

    text = expected_text(sample_rows(folder))
    with whole_file(folder / EXPECTED, force=force) as file:
        file.write_text(text, encoding="utf-8")
    click.echo(f"{folder / EXPECTED} written: now read it, row by row.", err=True)
