"""Compare the actual journeys with the designed one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeymining.cli.open_journeys import open_journeys, open_option
from journeymining.cli.options import (
    emit,
    engine_options,
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

    from journeymining.conformance.conform import Conformance
    from journeymining.engines.prepared_log import PreparedLog

GATES = (
    "fitness", "fitting", "log_fitness", "move_log_fitness", "move_model_fitness", "precision", "generalisation",
    "simplicity", "order_score", "coverage",
)  # fmt: skip
TABLES = (
    "deviations", "variants", "touchpoints", "phases", "channels", "entries", "rules", "promises", "journeys",
    "periods", "drift", "temporal", "fixes", "personas", "segments", "segment_deviations",
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
@click.option(
    "--by", metavar="ATTRIBUTE", help="Any column of the log: the tables 'segments' and 'segment_deviations' per value."
)
@click.option(
    "--outcome-event",
    metavar="ACTIVITY",
    help="What customers did afterwards, such as contract_cancelled: makes the table 'fixes', what to mend first.",
)
@click.option("--horizon", metavar="DURATION", help="How long after its end a journey is watched for that outcome.")
@click.option("--outcome-wanted", is_flag=True, help="That outcome is a good one, such as a renewal.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random draws behind intervals.")
@click.option("--table", type=click.Choice(TABLES), default="deviations", show_default=True, help="What to show.")
@click.option(
    "--fail-under", multiple=True, metavar="FIGURE=NUMBER", help="End with exit code 3 below this, as in fitness=0.9."
)
@open_option
@engine_options
@format_option
@out_option
@force_option
def command(
    design: Path,
    open_after: str | None,
    open_file: str | None,
    silent_cost: int,
    every: str,
    by: str | None,
    outcome_event: str | None,
    horizon: str | None,
    outcome_wanted: bool,
    seed: int,
    table: str,
    fail_under: tuple[str, ...],
    engine: str,
    spark_master: str | None,
    format: str,
    out: Path | None,
    force: bool,
    **log: Any,
) -> None:
    """Compare every journey of a log with a designed one, and say where they depart.

    Example: journeymining conform events.parquet --design design.yaml --fail-under fitness=0.9
    """
    from journeymining.conformance.design import read_design
    from journeymining.conformance.drift import by_period, drift
    from journeymining.conformance.personas import attributes_of, by_segment, conform_personas, segments_of
    from journeymining.conformance.temporal import temporal_profile
    from journeymining.engines.engine import engine_of
    from journeymining.engines.prepared_log import prepare
    from journeymining.exceptions import UsageError
    from journeymining.writing import refuse_occupied, whole_folder

    gates = [_gate(text) for text in fail_under]
    _refuse_incomplete(table, by, outcome_event, horizon)
    if out is not None:
        refuse_occupied(out, force=force)
    designed = read_design(design)
    if table == "personas" and not designed.own_designs:
        raise UsageError(
            f"The design '{designed.name}' gives no persona a rule; write personas: {{NAME: {{where: ...}}}}."
        )
    runs_on = engine_of(engine, spark_master=spark_master)
    events = read_log(**log)
    segments = {name: segments_of(events, name) for name in {*attributes_of(designed), *([by] if by else [])}}
    going_on = open_journeys(log["log"], events, open_file, after=open_after)
    with prepare(events, journeys=going_on.marks, engine=runs_on) as prepared:
        found = conform_personas(prepared, designed, segments, silent_cost=silent_cost, seed=seed)
        more = {
            "periods": by_period(prepared, found, every=every),
            "drift": drift(prepared, found),
            "temporal": temporal_profile(prepared, designed),
        }
        if by is not None:
            more["segments"], more["segment_deviations"] = by_segment(prepared, found, segments[by], every=every)
        if outcome_event is not None:
            more["fixes"] = _fixes(prepared, found, outcome_event, str(horizon), wanted=outcome_wanted)
        digest = str(prepared.manifest["digest"])
    if out is not None:
        settings = {
            "design": str(design),
            "prepared_log": digest,
            "silent_cost": silent_cost,
            "open_after": open_after,
            "every": every,
            "by": by,
            "outcome_event": outcome_event,
            "horizon": horizon,
        }
        with whole_folder(out, force=force) as folder:
            _write(folder, found, more, outcome_event)
            inputs = {"design": Path(str(design).partition("#")[0])} | going_on.inputs()
            _write_account(folder, found, events, log, inputs, settings=settings, seed=seed, engine=engine)
    emit(more[table] if table in more else getattr(found, table), format)
    click.echo(f"{_said(found)} {going_on.said}", err=True)
    _check_gates(found, gates)


def _refuse_incomplete(table: str, by: str | None, outcome_event: str | None, horizon: str | None) -> None:
    """Refuse a table whose options are not given."""
    from journeymining.exceptions import UsageError

    if (outcome_event is None) != (horizon is None):
        raise UsageError("--outcome-event and --horizon go together: an outcome needs a time to show.")
    if table == "fixes" and outcome_event is None:
        raise UsageError("The table 'fixes' needs an outcome: --outcome-event ACTIVITY --horizon \"180 days\".")
    if table in {"segments", "segment_deviations"} and by is None:
        raise UsageError(f"The table '{table}' needs an attribute of the log: --by ATTRIBUTE.")


def _fixes(log: PreparedLog, found: Conformance, event: str, horizon: str, *, wanted: bool) -> pd.DataFrame:
    """Set what customers did after their journeys beside the deviations of these."""
    from pydantic import ValidationError

    from journeymining.conformance.fixes import fix_list
    from journeymining.exceptions import UsageError
    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.journey_frame import journeys_for_outcomes
    from journeymining.outcomes.labels import link

    try:
        config = OutcomeConfig.model_validate(
            {"event": event, "landmark": "journey_end", "window": "journey", "gap": "0 days", "horizon": horizon}
        )
    except ValidationError as error:
        raise UsageError(f"--horizon: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    linked = link(event, config, journeys_for_outcomes(log))
    click.echo(f"{linked.definition} {linked.counts['labelled']} of {linked.counts['journeys']} are known.", err=True)
    labels = zip(linked.journeys.journey_id.tolist(), linked.label.tolist(), strict=True)
    return fix_list(found, {journey: bool(label) for journey, label in labels}, wanted=wanted)


def _write(folder: Path, found: Conformance, more: dict[str, pd.DataFrame], outcome_event: str | None) -> None:
    """Write all tables of a check."""
    from journeymining.conformance.conform import write
    from journeymining.conformance.description import describe_design
    from journeymining.conformance.fixes import write_fix_list
    from journeymining.jobs.manifest import write_json

    write(found, folder)
    write_json(folder / "design.json", describe_design(found.design))
    for name in more.keys() - {"fixes"}:
        more[name].to_csv(folder / f"conformance_{name}.csv", index=False, lineterminator="\n")
    if outcome_event is not None:
        # An activity may be named like a path.
        place = "".join(one if one.isalnum() or one in "-_" else "_" for one in outcome_event)
        write_fix_list(more["fixes"], folder / "outcomes" / place)


def _write_account(
    folder: Path,
    found: Conformance,
    events: pa.Table,
    log: dict[str, Any],
    inputs: dict[str, Path],
    *,
    settings: dict[str, Any],
    seed: int,
    engine: str,
) -> None:
    from journeymining.jobs.account import write_account

    scope, judged = found.summary["journeys"], found.summary["events"]
    write_account(
        folder,
        "conform",
        events,
        log,
        settings={name: one for name, one in settings.items() if one is not None},
        counts={"events": judged["in_log"], "journeys": scope["in_log"], "journeys_in_scope": scope["in_scope"]},
        quality={"conformance": {"journeys": scope, "events": judged, "unchecked": found.summary["unchecked"]}},
        inputs=inputs,
        seed=seed,
        engine=engine,
    )


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
