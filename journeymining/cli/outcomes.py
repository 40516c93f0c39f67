"""Say which paths go with an outcome, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
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
from journeymining.cli.scoring import deviations_from, score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.results import OutcomeResult

SHOWN = ["level", "pattern", "n", "rate", "difference", "difference_low", "difference_high", "q", "holdout_n",
         "holdout_difference", "holdout_low", "holdout_high", "verdict"]  # fmt: skip

SECTION = (
    *("silence", "landmark", "window", "gap", "horizon", "explain"),
    *("table", "survey", "promoters", "detractors", "at_least", "once"),
)
"""Options that are keys of the job file's section, besides those that may be repeated."""


FILES = {"outcomes": "table", "surveys": "survey"}
"""Options that name a file, and the option that says what is read from it."""


@dataclass(frozen=True)
class _Answer:
    """What was found: tables, the first of which is shown, the count of all journeys, and what was asked."""

    tables: dict[str, pd.DataFrame]
    counts: dict[str, int]
    settings: dict[str, Any]
    result: OutcomeResult | None = None


class _WithScore(click.Command):
    """A command whose first word may be ``score`` instead of a LOG."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the context of ``score`` where that is asked for; a log of that name is written ./score."""
        if args[:1] == ["score"]:
            return score.make_context(f"{info_name} score", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of the context."""
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command(cls=_WithScore)
@log_argument
@log_options
@click.option("--name", default=None, help="What the outcome is called; default the event or the label column.")
@click.option("--event", multiple=True, metavar="ACTIVITY", help="The outcome: this activity; may be repeated.")
@click.option("--silence", is_flag=True, help="The outcome: no event of the customer within the horizon.")
@click.option("--table", metavar="TYPE", help="The outcome: rows of this type in the file given by --outcomes.")
@click.option("--outcomes", metavar="FILE", help="CSV or Parquet: customer_id, type, time; value, observed_until.")
@click.option("--survey", metavar="METRIC", help="The outcome: answers to this metric in the file given by --surveys.")
@click.option("--surveys", metavar="FILE", help="CSV or Parquet: metric, value, customer_id, sent_at; journey_id.")
@click.option("--promoters", type=float, metavar="MARK", help="Of a survey: the least mark that counts.")
@click.option("--detractors", type=float, metavar="MARK", help="Of a survey: the highest mark that counts.")
@click.option("--at-least", type=float, metavar="SUM", help="The outcome: values that sum to this within the horizon.")
@click.option("--once", is_flag=True, help="Who had it before is not at risk; so anyway for an outcome called churn.")
@click.option("--landmark", metavar="MOMENT", help="From when it is awaited: journey_end, 'event 3' or a date.")
@click.option("--horizon", metavar="DURATION", help="How long it is awaited, such as '180 days'.")
@click.option("--gap", metavar="DURATION", help="Time after the landmark that does not count yet, such as '0 days'.")
@click.option("--window", metavar="DURATION", help="How far back paths reach, or journey: to where it begins.")
@click.option("--mask", multiple=True, metavar="ACTIVITY", help="Gives the outcome away; may be repeated.")
@click.option("--allow-proxy", multiple=True, metavar="FEATURE", help="Looks like the outcome, but may stay.")
@click.option("--scope", multiple=True, metavar="ACTIVITY", help="Only journeys with this activity.")
@open_option
@click.option("--label-column", metavar="COLUMN", help="The log holds the label of a journey in this column.")
@click.option("--positive", metavar="VALUE", help="Value of the label column that is the outcome.")
@click.option("--design", metavar="DESIGN", help="Deviations from this designed journey are patterns, too.")
@click.option("--survival", is_flag=True, help="How long it takes until the event, by variant class, and no model.")
@click.option(
    "--method",
    type=click.Choice(["effects", "posthog"]),
    default="effects",
    show_default=True,
    help="posthog: odds ratios by the formula of PostHog's funnel correlation, with what it leaves out, and no model.",
)
@click.option("--explain", is_flag=True, help="SHAP values of the models on held-out journeys (extra explain).")
@click.option("--attribution", metavar="ACTIVITY", help="What journeys to this activity passed, by six rules.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap and of the inner split.")
@click.option("--top", type=click.IntRange(1), default=15, show_default=True, help="How many effects are shown.")
@format_option
@out_option
@force_option
def command(
    format: str,
    out: Path | None,
    force: bool,
    top: int,
    seed: int,
    attribution: str | None,
    survival: bool,
    method: str,
    design: str | None,
    label_column: str | None,
    positive: str | None,
    name: str | None,
    open_file: str | None,
    **question: Any,
) -> None:
    """Say which paths go with an outcome, and how sure that is.

    The headline and the effects on stdout; with --out also outcome_effects.csv, model_card.json and the model. Apply
    that model to journeys whose outcome is not known yet: journeymining outcomes score --help.

    Example: journeymining outcomes events.parquet --event contract_cancelled --landmark journey_end --window journey
    --gap "0 days" --horizon "180 days" --mask cancel_form
    """
    from journeymining.writing import refuse_occupied

    section = {key: question.pop(key) for key in (*SECTION, "mask", "scope", "event")}
    section["allow_proxies"] = question.pop("allow_proxy")
    files = {key: question.pop(key) for key in ("outcomes", "surveys")}
    _check_question(
        section, label_column, positive, attribution, open_file, survival=survival, posthog=method == "posthog"
    )
    if out is not None:
        refuse_occupied(out, force=force)
    table = read_log(**question)
    called = name or _name(section)
    asks_when = attribution is None and label_column is None
    going_on = open_journeys(question["log"], table, open_file) if asks_when else OpenJourneys()
    if attribution is not None:
        answer = _attributed(table, attribution)
    elif survival:
        answer = _until(section, table, going_on, called, design, seed)
    elif method == "posthog":
        answer = _correlated(section, table, going_on, called, design, seed)
    elif label_column is not None:
        answer = _modelled(_labelled(table, label_column, str(positive), name, seed, explain=section["explain"]))
    else:
        answer = _modelled(_linked(section, table, going_on, called, design, seed, files))
    _show(answer, top, format)
    if out is not None:
        _write(answer, out, table, question, inputs=_inputs({"design": design, **files}) | going_on.inputs(), seed=seed,
            force=force)  # fmt: skip


def _modelled(result: OutcomeResult) -> _Answer:
    card = result.card
    counts = {key: card[key] for key in ("journeys", "labelled", "positives")} | card["left_out"]
    settings = {"outcome": card["outcome"], **card["question"]}
    return _Answer({"effects": result.effects[SHOWN]}, counts, settings, result)


def _write(
    answer: _Answer,
    out: Path,
    table: pa.Table,
    question: Mapping[str, Any],
    *,
    inputs: dict[str, Path],
    seed: int,
    force: bool,
) -> None:
    from journeymining.jobs.account import write_account
    from journeymining.outcomes.results import write
    from journeymining.writing import whole_folder

    with whole_folder(out, force=force) as folder:
        if answer.result is not None:
            write(answer.result, folder)
        else:
            for file, frame in answer.tables.items():
                frame.to_csv(folder / f"{file}.csv", index=False, lineterminator="\n")
        write_account(
            folder, "outcomes", table, question, settings=answer.settings, counts=answer.counts,
            quality={"journeys": answer.counts}, inputs=inputs, seed=seed,
        )  # fmt: skip


def _check_question(
    section: Mapping[str, Any],
    label_column: str | None,
    positive: str | None,
    attribution: str | None,
    open_file: str | None,
    *,
    survival: bool,
    posthog: bool,
) -> None:
    """Raise UsageError unless exactly one thing is asked."""
    from journeymining.exceptions import UsageError

    asked = bool(section["event"] or section["silence"] or section["table"] or section["survey"])
    if open_file is not None and (attribution is not None or label_column is not None):
        raise UsageError("--open-journeys says who is still under way; labels in the log and --attribution do not ask.")
    if attribution is not None:
        if asked or label_column is not None or survival or posthog or section["explain"]:
            raise UsageError("--attribution stands alone: it shares credit and links no outcome.")
        return
    if (label_column is None) == (not asked):
        raise UsageError(
            "Say what the outcome is: --event ACTIVITY, --silence, --table TYPE, --survey METRIC, or --label-column "
            "with --positive."
        )
    if label_column is not None and positive is None:
        raise UsageError("Say which value of the label column is the outcome: --positive VALUE.")
    if posthog and (survival or not (section["event"] or section["silence"])):
        raise UsageError("--method posthog compares customers with and without an --event or --silence, nothing else.")
    if section["explain"] and (survival or posthog):
        raise UsageError("--explain is about a model; --survival and --method posthog fit none.")
    if survival and not section["event"]:
        raise UsageError("--survival needs --event ACTIVITY: how long it takes until what?")


def _name(section: Mapping[str, Any]) -> str:
    """Return what the outcome is called where nobody said it."""
    return str(section["event"][0] if section["event"] else section["table"] or section["survey"] or "silence")


def _stated(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in section.items() if value}


def _config(section: Mapping[str, Any]) -> OutcomeConfig:
    from pydantic import ValidationError

    from journeymining.exceptions import UsageError
    from journeymining.outcomes.config import OutcomeConfig

    try:
        return OutcomeConfig(**_stated(section))
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _inputs(files: Mapping[str, str | None]) -> dict[str, Path]:
    from pathlib import Path

    return {key: Path(file) for key, file in files.items() if file is not None}


def _linked(
    section: Mapping[str, Any],
    table: pa.Table,
    going_on: OpenJourneys,
    name: str,
    design: str | None,
    seed: int,
    files: Mapping[str, str | None],
) -> OutcomeResult:
    from journeymining.engines.prepared_log import prepare
    from journeymining.outcomes.results import outcomes

    config = _config(section)
    read = {key: _read(key, files[key], wanted=section[one]) for key, one in FILES.items()}
    click.echo(going_on.said, err=True)
    with prepare(table, journeys=going_on.marks) as prepared:
        return outcomes(
            prepared,
            config,
            name=name,
            table=read["outcomes"],
            surveys=read["surveys"],
            deviations=deviations_from(design, prepared, seed),
            seed=seed,
        )


def _read(option: str, file: str | None, *, wanted: str | None) -> pd.DataFrame | None:
    """Read the file of an outcome by table or survey; None where the outcome is neither."""
    from journeymining.exceptions import UsageError
    from journeymining.outcomes.tables import read_answers, read_occurrences

    if (file is None) != (wanted is None):
        raise UsageError(f"--{option} FILE goes with {'--table TYPE' if option == 'outcomes' else '--survey METRIC'}.")
    if file is None:
        return None
    return read_occurrences(file) if option == "outcomes" else read_answers(file)


def _journeys(
    table: pa.Table, going_on: OpenJourneys, design: str | None, seed: int
) -> tuple[JourneyFrame, NDArray[np.bool_] | None]:
    """Return the journeys of a log, with their deviations from a design, and which of them are in its scope."""
    from journeymining.engines.prepared_log import prepare
    from journeymining.outcomes.deviations import with_deviations
    from journeymining.outcomes.journey_frame import journeys_for_outcomes

    click.echo(going_on.said, err=True)
    with prepare(table, journeys=going_on.marks) as prepared:
        journeys = journeys_for_outcomes(prepared)
        deviations = deviations_from(design, prepared, seed)
    return (journeys, None) if deviations is None else with_deviations(journeys, deviations)


def _until(
    section: Mapping[str, Any], table: pa.Table, going_on: OpenJourneys, name: str, design: str | None, seed: int
) -> _Answer:
    from journeymining.outcomes.until_outcome import until_outcome

    config = _config(section)
    journeys, in_scope = _journeys(table, going_on, design, seed)
    found = until_outcome(name, config, journeys, in_scope=in_scope)
    click.echo(
        f"{found.counts['outcomes']} of {found.counts['watched']} journeys that were watched have '{name}'; "
        f"{found.counts['journeys'] - found.counts['watched']} of {found.counts['journeys']} are left out.",
        err=True,
    )
    tables = {"survival": found.comparison, "survival_curves": found.curves, "hazards": found.hazards}
    return _Answer(tables, found.counts, {"survival": name, **_stated(section)})


def _correlated(
    section: Mapping[str, Any], table: pa.Table, going_on: OpenJourneys, name: str, design: str | None, seed: int
) -> _Answer:
    from journeymining.outcomes.correlation import posthog_correlation
    from journeymining.outcomes.labels import link

    config = _config(section)
    journeys, in_scope = _journeys(table, going_on, design, seed)
    linked = link(name, config, journeys, in_scope=in_scope)
    click.echo(linked.definition, err=True)
    click.echo("Odds ratios as PostHog gives them say nothing of length, order or chance alone: see q.", err=True)
    tables = {"posthog_correlation": posthog_correlation(linked.journeys, linked.label)}
    return _Answer(tables, linked.counts, {"posthog": name, **_stated(section)})


def _attributed(table: pa.Table, event: str) -> _Answer:
    from journeymining.outcomes.attribution import attribution_of_event
    from journeymining.outcomes.journey_frame import journeys_from_events

    credit = attribution_of_event(journeys_from_events(table), event)
    click.echo("Credit is a convention, not an effect: what everybody passes gets much of it.", err=True)
    return _Answer({"attribution": credit}, {"events": table.num_rows}, {"attribution": event})


def _labelled(
    table: pa.Table, column: str, positive: str, name: str | None, seed: int, *, explain: bool
) -> OutcomeResult:
    from journeymining.eventlog.schema import REQUIRED
    from journeymining.exceptions import InputError
    from journeymining.outcomes.journey_frame import journeys_from_events
    from journeymining.outcomes.labelled import analyse_labelled, link_labels

    if column not in table.column_names:
        raise InputError.missing_column(column, table.column_names, where="The log")
    kept = [one for one in table.column_names if one not in REQUIRED.names and one != "source_order"]
    journeys = journeys_from_events(table, attributes=kept)
    question = {"label_column": column, "positive": positive}
    linked = link_labels(journeys, column, positive, name=name)
    return analyse_labelled(linked, question=question, explain=explain, seed=seed)


def _show(answer: _Answer, top: int, format: str) -> None:
    if answer.result is not None and format == "table":
        card = answer.result.card
        click.echo(card["definition"])
        click.echo(
            f"{card['labelled']} of {card['journeys']} journeys have a known outcome, {card['positives']} have it."
        )
        click.echo(card["headline"])
        for warning in card["warnings"]:
            click.echo(f"Note: {warning}", err=True)
        click.echo()
    emit(next(iter(answer.tables.values())).head(top), format)
