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


@command.command("from-bpmn")
@design_argument
@click.option("--process", metavar="ID", help="Which process, where the file has several: its id or its pool's name.")
@click.option("--lanes", type=click.Choice(["actor", "channel"]), default="actor", show_default=True)
@file_option
@force_option
def from_bpmn(design: Path, process: str | None, lanes: str, out: Path | None, force: bool) -> None:
    """Write a design whose flow is a BPMN diagram, to add channels, rules and promises to.

    Example: journeymining design from-bpmn order.bpmn --lanes channel --out design.yaml
    """
    from journeymining.conformance.bpmn import read_bpmn
    from journeymining.conformance.draft import design_on_model

    read = read_bpmn(design, process=process, lanes=lanes)
    for reason in read.unchecked:
        click.echo(f"Not taken over: {reason}.", err=True)
    folder = Path() if out is None or str(out) == "-" else out.parent
    _write(design_on_model(read, design, process, folder).encode(), out, force)


@command.command("to-bpmn")
@design_argument
@file_option
@force_option
def to_bpmn(design: Path, out: Path | None, force: bool) -> None:
    """Write the flow of a design as a BPMN 2.0 diagram.

    Example: journeymining design to-bpmn design.yaml --out design.bpmn
    """
    from journeymining.conformance.bpmn_write import bpmn_bytes

    _write(bpmn_bytes(_read(design)), out, force)


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


@command.command("to-decl")
@design_argument
@file_option
@force_option
def to_decl(design: Path, out: Path | None, force: bool) -> None:
    """Write the rules of a design, and those its flow implies, as a Declare model (.decl).

    Example: journeymining design to-decl design.yaml --out design.decl
    """
    from journeymining.conformance.decl import decl_text

    text, left_out = decl_text(_read(design))
    for reason in left_out:
        click.echo(f"Not written: {reason}.", err=True)
    _write(text.encode(), out, force)


@command.command("to-cjml")
@design_argument
@file_option
@force_option
def to_cjml(design: Path, out: Path | None, force: bool) -> None:
    """Write the touchpoints of a design as a planned journey in CJML.

    Example: journeymining design to-cjml design.yaml --out design.cjml
    """
    from journeymining.conformance.cjml import cjml_bytes

    _write(cjml_bytes(_read(design)), out, force)


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
