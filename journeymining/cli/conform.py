"""Compare the actual journeys with the designed one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.options import emit, force_option, format_option, log_argument, log_options, out_option, read_log

if TYPE_CHECKING:
    import pyarrow as pa

    from journeymining.conformance.conform import Conformance

GATES = ("fitness", "fitting", "log_fitness", "precision", "generalisation", "simplicity", "order_score", "coverage")
TABLES = (
    "deviations", "variants", "touchpoints", "phases", "channels", "entries", "rules", "promises", "journeys",
    "periods", "drift",
)  # fmt: skip


@click.command()
@log_argument
@log_options
@click.option("--design", type=click.Path(path_type=Path), required=True, help="The design: .yaml, .bpmn, .pnml, ...")
@click.option(
    "--open-after", metavar="DURATION", help="Journeys whose last event is this close to the log's end are open."
)
@click.option("--silent-cost", type=click.IntRange(0, 1000), default=0, help="Cost of a model step no event can show.")
@click.option(
    "--every",
    type=click.Choice(["day", "week", "month", "quarter", "year"]),
    default="month",
    show_default=True,
    help="The periods of the table 'periods'.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random draws behind intervals.")
@click.option("--table", type=click.Choice(TABLES), default="deviations", show_default=True, help="What to show.")
@click.option(
    "--fail-under", multiple=True, metavar="FIGURE=NUMBER", help="End with exit code 3 below this, as in fitness=0.9."
)
@format_option
@out_option
@force_option
def command(
    design: Path,
    open_after: str | None,
    silent_cost: int,
    every: str,
    seed: int,
    table: str,
    fail_under: tuple[str, ...],
    format: str,
    out: Path | None,
    force: bool,
    **log: Any,
) -> None:
    """Compare every journey of a log with a designed one, and say where they depart.

    Example: journeymining conform events.parquet --design design.yaml --fail-under fitness=0.9
    """
    from journeymining.conformance.conform import conform, write
    from journeymining.conformance.design import read_design
    from journeymining.conformance.drift import by_period, drift
    from journeymining.engines.prepared_log import prepare
    from journeymining.writing import whole_folder

    gates = [_gate(text) for text in fail_under]
    designed = read_design(design)
    events = read_log(**log)
    flags = None if open_after is None else _open_journeys(events, open_after)
    with prepare(events, journeys=flags) as prepared:
        found = conform(prepared, designed, silent_cost=silent_cost, seed=seed)
        over_time = {"periods": by_period(prepared, found, every=every), "drift": drift(prepared, found)}
    if out is not None:
        with whole_folder(out, force=force) as folder:
            write(found, folder)
            for name, part in over_time.items():
                part.to_csv(folder / f"conformance_{name}.csv", index=False, lineterminator="\n")
    emit(over_time[table] if table in over_time else getattr(found, table), format)
    click.echo(_said(found), err=True)
    _check_gates(found, gates)


def _gate(text: str) -> tuple[str, float]:
    """Read one ``--fail-under``."""
    from journeymining.exceptions import UsageError, did_you_mean

    name, _, number = text.partition("=")
    if name not in GATES:
        raise UsageError(f"--fail-under {text}: no such figure.{did_you_mean(name, GATES)} Known: {', '.join(GATES)}.")
    try:
        return name, float(number)
    except ValueError:
        raise UsageError(f"--fail-under {text}: '{number}' is no number; write {name}=0.9.") from None


def _open_journeys(events: pa.Table, open_after: str) -> pa.Table:
    """Flag the journeys whose last event is close to the end of the log."""
    import polars as pl

    from journeymining.durations import parse_duration

    ends = (
        pl.DataFrame(events.select(["journey_id", "timestamp"])).group_by("journey_id").agg(pl.col("timestamp").max())
    )
    near = (ends["timestamp"].max() - pl.col("timestamp")) < parse_duration(open_after)
    return ends.select("journey_id", near.alias("open")).to_arrow()


def _figure(found: Conformance, name: str) -> float | None:
    value = found.summary.get(name)
    if isinstance(value, dict):
        value = value.get("mean", value.get("share"))
    return value


def _said(found: Conformance) -> str:
    """Sum a check up in a line."""
    counts = found.summary["journeys"]
    words = f"{counts['in_scope']} of {counts['in_log']} journeys in scope of '{found.design.name}'"
    if "fitness" in found.summary:
        fitness, fitting = found.summary["fitness"], found.summary["fitting"]
        words += (
            f"; {fitting['journeys']} follow it ({fitting['share']:.1%}, 95 % interval {fitting['low']:.1%} to "
            f"{fitting['high']:.1%}); fitness {fitness['mean']:.3f} ({fitness['low']:.3f} to {fitness['high']:.3f})"
        )
    if unchecked := found.summary["unchecked"]:
        words += f"; not checked: {'; '.join(unchecked)}"
    return words + "."


def _check_gates(found: Conformance, gates: list[tuple[str, float]]) -> None:
    from journeymining.exceptions import GateFailed

    failed = []
    for name, least in gates:
        value = _figure(found, name)
        if value is None or not value >= least:
            shown = "does not exist for this design" if value is None else f"is {value:.4f}"
            failed.append(f"{name} {shown}, at least {least:g} was asked for")
    if failed:
        raise GateFailed(f"{'; '.join(failed)}.")
