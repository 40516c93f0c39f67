"""Say which paths go with an outcome, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

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
    from pathlib import Path

    import pyarrow as pa

    from journeymining.outcomes.results import OutcomeResult

SHOWN = ["level", "pattern", "n", "rate", "difference", "difference_low", "difference_high", "q", "holdout_n",
         "holdout_difference", "holdout_low", "holdout_high", "verdict"]  # fmt: skip


@click.command()
@log_argument
@log_options
@click.option("--name", default=None, help="What the outcome is called; default the event or the label column.")
@click.option("--event", multiple=True, metavar="ACTIVITY", help="The outcome: this activity; may be repeated.")
@click.option("--silence", is_flag=True, help="The outcome: no event of the customer within the horizon.")
@click.option("--landmark", metavar="MOMENT", help="From when it is awaited: journey_end, 'event 3' or a date.")
@click.option("--horizon", metavar="DURATION", help="How long it is awaited, such as '180 days'.")
@click.option("--gap", metavar="DURATION", default="0 days", show_default=True, help="Time that does not count yet.")
@click.option("--window", metavar="DURATION", help="How far back paths reach; default to the journey's start.")
@click.option("--mask", multiple=True, metavar="ACTIVITY", help="Gives the outcome away; may be repeated.")
@click.option("--allow-proxy", multiple=True, metavar="FEATURE", help="Looks like the outcome, but may stay.")
@click.option("--scope", multiple=True, metavar="ACTIVITY", help="Only journeys with this activity.")
@click.option("--label-column", metavar="COLUMN", help="The log holds the label of a journey in this column.")
@click.option("--positive", metavar="VALUE", help="Value of the label column that is the outcome.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap and of the inner split.")
@click.option("--top", type=click.IntRange(1), default=15, show_default=True, help="How many effects are shown.")
@format_option
@out_option
@force_option
def command(
    top: int,
    seed: int,
    format: str,
    out: Path | None,
    force: bool,
    label_column: str | None,
    positive: str | None,
    name: str | None,
    event: tuple[str, ...],
    silence: bool,
    landmark: str | None,
    horizon: str | None,
    gap: str,
    window: str | None,
    mask: tuple[str, ...],
    allow_proxy: tuple[str, ...],
    scope: tuple[str, ...],
    **log: Any,
) -> None:
    """Say which paths go with an outcome, and how sure that is.

    The headline and the effects on stdout; with --out also outcome_effects.csv and model_card.json.

    Example: journeymining outcomes events.parquet --event contract_cancelled --horizon "180 days" --landmark
    journey_end --mask cancel_form
    """
    from journeymining.exceptions import UsageError
    from journeymining.writing import refuse_occupied

    if (label_column is None) == (not event and not silence):
        raise UsageError("Say what the outcome is: --event ACTIVITY, --silence, or --label-column with --positive.")
    if label_column is not None and positive is None:
        raise UsageError("Say which value of the label column is the outcome: --positive VALUE.")
    if out is not None:
        refuse_occupied(out, force=force)
    if label_column is not None:
        result = _labelled(read_log(**log), label_column, str(positive), name, seed)
    else:
        section = {
            "event": list(event),
            "silence": silence,
            "landmark": landmark,
            "horizon": horizon,
            "gap": gap,
            "window": window,
            "mask": list(mask),
            "allow_proxies": list(allow_proxy),
            "scope": list(scope),
        }
        result = _linked(section, log, name or (event[0] if event else "silence"), seed)
    _show(result, top, format)
    if out is not None:
        from journeymining.outcomes.results import write
        from journeymining.writing import whole_folder

        with whole_folder(out, force=force) as folder:
            write(result, folder)


def _linked(section: dict[str, Any], log: dict[str, Any], name: str, seed: int) -> OutcomeResult:
    from pydantic import ValidationError

    from journeymining.engines.prepared_log import prepare
    from journeymining.exceptions import UsageError
    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.results import outcomes

    try:
        config = OutcomeConfig(**{key: value for key, value in section.items() if value is not None})
    except ValidationError as error:
        raise UsageError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    with prepare(read_log(**log)) as prepared:
        return outcomes(prepared, config, name=name, seed=seed)


def _labelled(table: pa.Table, column: str, positive: str, name: str | None, seed: int) -> OutcomeResult:
    from journeymining.eventlog.schema import REQUIRED
    from journeymining.exceptions import InputError
    from journeymining.outcomes.journey_frame import journeys_from_events
    from journeymining.outcomes.labelled import analyse_labelled, link_labels

    if column not in table.column_names:
        raise InputError.missing_column(column, table.column_names, where="The log")
    kept = [one for one in table.column_names if one not in REQUIRED.names and one != "source_order"]
    journeys = journeys_from_events(table, attributes=kept)
    return analyse_labelled(link_labels(journeys, column, positive, name=name), seed=seed)


def _show(result: OutcomeResult, top: int, format: str) -> None:
    card = result.card
    if format == "table":
        click.echo(card["definition"])
        click.echo(
            f"{card['labelled']} of {card['journeys']} journeys have a known outcome, {card['positives']} have it."
        )
        click.echo(card["headline"])
        for warning in card["warnings"]:
            click.echo(f"Note: {warning}", err=True)
        click.echo()
    emit(result.effects[SHOWN].head(top), format)
