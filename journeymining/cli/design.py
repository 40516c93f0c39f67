"""Draw, draft or convert a designed journey."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.options import force_option, log_argument, log_options, read_log

if TYPE_CHECKING:
    from journeymining.conformance.design import Design

design_argument = click.argument("design", type=click.Path(path_type=Path), metavar="DESIGN")
file_option = click.option(
    "--out", type=click.Path(path_type=Path, allow_dash=True), default=None, help="File for the result; default stdout."
)


@click.group()
def command() -> None:
    """Draw, draft or convert a designed journey.

    DESIGN is a file in the design language (.yaml), BPMN 2.0, PNML, a process tree (.ptml) or Declare (.decl).

    Example: journeymining design draw design.yaml --out design.svg
    """


@command.command()
@design_argument
@file_option
@force_option
def draw(design: Path, out: Path | None, force: bool) -> None:
    """Show a design as a picture (SVG).

    Example: journeymining design draw design.yaml --out design.svg
    """
    from journeymining.conformance.design import read_design
    from journeymining.conformance.draw import draw_design

    _write(draw_design(read_design(design)), out, force)


@command.command("from-log")
@log_argument
@log_options
@click.option("--coverage", type=float, default=0.8, show_default=True, help="Share of journeys the flow must allow.")
@click.option("--name", default="draft", show_default=True, help="Name of the journey.")
@file_option
@force_option
def from_log(coverage: float, name: str, out: Path | None, force: bool, **log: Any) -> None:
    """Draft a design from what customers do.

    Example: journeymining design from-log events.parquet --coverage 0.8 --out design.yaml
    """
    from journeymining.conformance.draft import draft_design
    from journeymining.engines.prepared_log import prepare

    with prepare(read_log(**log)) as prepared:
        drafted = draft_design(prepared, coverage=coverage, name=name)
    _write(drafted.text.encode(), out, force)
    click.echo(
        f"Drafted from {drafted.variants} paths, which {drafted.covered} of {drafted.journeys} journeys follow.",
        err=True,
    )


@command.command("to-pnml")
@design_argument
@file_option
@force_option
def to_pnml(design: Path, out: Path | None, force: bool) -> None:
    """Write the flow of a design as a Petri net (PNML).

    Example: journeymining design to-pnml design.yaml --out design.pnml
    """
    from journeymining.conformance.pnml import pnml_bytes

    designed = _read(design)
    _write(pnml_bytes(_net(designed), name=designed.name), out, force)


def _read(path: Path) -> Design:
    from journeymining.conformance.design import read_design

    designed = read_design(path)
    for reason in designed.unchecked:
        click.echo(f"Not taken over: {reason}.", err=True)
    return designed


def _net(designed: Design) -> Any:
    from journeymining.exceptions import InputError

    if designed.net is None:
        raise InputError(f"The design '{designed.name}' has rules only; a flow or model is needed for this.")
    return designed.net


def _write(content: bytes, out: Path | None, force: bool) -> None:
    """Write to a file as a whole, or to stdout."""
    from journeymining.writing import whole_file

    if out is None or str(out) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    with whole_file(out, force=force) as path:
        path.write_bytes(content)
