"""Apply the model of an outcome to journeys whose outcome is not known yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.open_journeys import OpenJourneys, open_journeys, open_option
from journeymining.cli.options import (
    emit,
    force_option,
    format_option,
    log_argument,
    log_options,
    out_option,
    read_log,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.outcomes.scoring import Scores

GATE_FAILED = 3


@click.command("score")
@click.argument("model", metavar="MODEL", type=click.Path())
@log_argument
@log_options
@click.option("--design", metavar="DESIGN", help="The designed journey, if the model uses deviations from it.")
@open_option
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="How many journeys are shown.")
@click.option("--fail-on-drift", is_flag=True, help="Exit with code 3 if the log differs too much from the training.")
@format_option
@out_option
@force_option
def score(
    model: str,
    design: str | None,
    open_file: str | None,
    top: int,
    fail_on_drift: bool,
    format: str,
    out: Path | None,
    force: bool,
    **log: Any,
) -> None:
    """Say which journeys that wait for an outcome are likely to have it: whom to call first, and how sure that is.

    MODEL is the folder that 'journeymining outcomes --out' or a run wrote. The likeliest journeys on stdout; with
    --out all of them in scores.csv, and drift.csv. low and high are what came of held-out journeys with such a chance.

    Example: journeymining outcomes score outputs/demo/outcomes/churn events.parquet --top 50
    """
    from journeymining.outcomes.scoring import read_scorer
    from journeymining.outcomes.scoring import score as score_journeys
    from journeymining.writing import refuse_occupied

    if out is not None:
        refuse_occupied(out, force=force)
    fitted, card = read_scorer(model)
    table = read_log(**log)
    going_on = open_journeys(log["log"], table, open_file)
    journeys, deviations = _journeys(card, table, going_on, design)
    found = score_journeys(fitted, card, journeys, deviations=deviations)
    click.echo(card["definition"], err=True)
    click.echo(f"{found.counts['scored']} of {found.counts['journeys']} journeys wait for it.", err=True)
    click.echo(found.sentence, err=True)
    emit(found.table.head(top), format)
    if out is not None:
        inputs = ({"design": Path(design)} if design else {}) | going_on.inputs()
        _write(found, out, table, log, model, inputs, force=force)
    if fail_on_drift and found.drifted:
        raise click.exceptions.Exit(GATE_FAILED)


def _journeys(card: dict[str, Any], table: pa.Table, going_on: OpenJourneys, design: str | None) -> tuple[Any, Any]:
    """Return the journeys as the model was trained on them, and their deviations where there is a design."""
    from journeymining.engines.prepared_log import prepare
    from journeymining.eventlog.schema import REQUIRED
    from journeymining.outcomes.journey_frame import journeys_for_outcomes, journeys_from_events

    if "label_column" in card["question"]:
        left_out = {*REQUIRED.names, "source_order", card["question"]["label_column"]}
        attributes = [one for one in table.column_names if one not in left_out]
        return journeys_from_events(table, attributes=attributes), None
    click.echo(going_on.said, err=True)
    with prepare(table, journeys=going_on.marks) as prepared:
        return journeys_for_outcomes(prepared), deviations_from(design, prepared)


def deviations_from(design: str | None, log: PreparedLog, seed: int = 0) -> pd.DataFrame | None:
    """Return the deviations of every journey from a designed one; None without a design."""
    if design is None:
        return None
    from journeymining.conformance.conform import conform
    from journeymining.conformance.design import read_design

    return conform(log, read_design(design), seed=seed).journeys


def _write(
    found: Scores, out: Path, table: pa.Table, log: dict[str, Any], model: str, inputs: dict[str, Path], *, force: bool
) -> None:
    from journeymining.jobs.account import write_account
    from journeymining.writing import whole_folder

    file = Path(model) / "model.skops" if Path(model).is_dir() else Path(model)
    inputs = {"model": file, "card": file.parent / "model_card.json"} | inputs
    with whole_folder(out, force=force) as folder:
        found.table.to_csv(folder / "scores.csv", index=False, lineterminator="\n")
        found.drift.to_csv(folder / "drift.csv", index=False, lineterminator="\n")
        write_account(
            folder,
            "outcomes score",
            table,
            log,
            counts=found.counts,
            quality={"journeys": found.counts, "drift": {"too_much": found.drifted, "sentence": found.sentence}},
            inputs=inputs,
        )
