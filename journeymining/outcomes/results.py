"""One outcome from the log to the tables of a run: labels, audit, effects, models, and the card that says it all."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining import __version__
from journeymining.outcomes import models
from journeymining.outcomes.audit import audit, refuse_proxies
from journeymining.outcomes.effects import effects
from journeymining.outcomes.evaluation import Evaluation, evaluate, headline, resampled_aucs
from journeymining.outcomes.importance import grouped_importance
from journeymining.outcomes.journey_frame import JourneyFrame, journeys_for_outcomes
from journeymining.outcomes.labels import link
from journeymining.outcomes.splitting import Split, split_outcome
from journeymining.outcomes.variants import support_report
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.landmarks import LinkedOutcome

logger = logging.getLogger(__name__)

DEVIATIONS = (
    *("missing", "ad_hoc", "wrong_order", "repeated", "wrong_channel", "wrong_actor"),
    *("failing", "late", "bounced_back", "dead_end"),
)
"""Columns of the journeys table of conformance that become patterns."""

FEW_POSITIVES = 100
"""Below so many positives (or negatives), figures of models are mostly noise, and the card says so."""


@dataclass(frozen=True, eq=False)
class OutcomeResult:
    """What is known of one outcome: the tables, the card and the fitted models."""

    effects: pd.DataFrame
    card: dict[str, Any]
    linked: LinkedOutcome
    models: list[models.Fitted]


def outcomes(
    log: PreparedLog | JourneyFrame,
    config: OutcomeConfig,
    *,
    name: str,
    surveys: pd.DataFrame | None = None,
    table: pd.DataFrame | None = None,
    deviations: pd.DataFrame | None = None,
    seed: int = 0,
    repeats: int = 1000,
) -> OutcomeResult:
    """Say which paths go with an outcome, how sure that is, and whether a model tells more than journey length.

    Parameters
    ----------
    log : PreparedLog or JourneyFrame
    config : OutcomeConfig
        The section of the job file.
    name : str
        What the outcome is called, such as ``churn``.
    surveys : DataFrame, one row per answer, optional
        For outcomes by survey.
    table : DataFrame, one row per occurrence, optional
        ``customer_id``, ``type``, ``time``, ``value``, ``observed_until``: for outcomes by table.
    deviations : DataFrame, one row per journey, optional
        Journeys of a conformance check: ``journey_id``, ``in_scope`` and a count or boolean per type of deviation.
        Journeys out of the design's scope are then left out, and counted.
    seed, repeats : int
        Of the bootstrap, the inner cross-validation and the split by customers.

    Raises
    ------
    EmptyLogError
        If too few journeys have a known outcome.
    InputError
        If something gives the outcome away and was not allowed.
    """
    journeys = log if isinstance(log, JourneyFrame) else journeys_for_outcomes(log)
    in_scope = None
    if deviations is not None:
        journeys, in_scope = with_deviations(journeys, deviations)
    linked = link(name, config, journeys, surveys=surveys, table=table, in_scope=in_scope)
    return analyse(linked, allow=config.allow_proxies, seed=seed, repeats=repeats)


def analyse(
    linked: LinkedOutcome, *, allow: list[str] | None = None, seed: int = 0, repeats: int = 1000
) -> OutcomeResult:
    """Audit, split, compare and model journeys that have their labels."""
    suspects = audit(linked, allow=allow or [])
    refuse_proxies(suspects, linked.name)
    split = split_outcome(linked, seed=seed)
    with models.threads_for(len(linked.label)):
        table = effects(linked, split, seed=seed)
    train, test = linked.journeys[split.train], linked.journeys[split.test]
    y, truth = linked.label[split.train], linked.label[split.test]
    fitted = models.fit_all(train, y, seed=seed)
    figures, sentence = judge(linked.name, fitted, test, truth, base_rate=float(y.mean()), seed=seed, repeats=repeats)
    importance = grouped_importance(fitted[0], test, truth, seed=seed)
    card = model_card(linked, split, fitted, figures, sentence, importance, suspects, seed=seed)
    return OutcomeResult(effects=table, card=card, linked=linked, models=fitted)


def model_card(
    linked: LinkedOutcome,
    split: Split,
    fitted: list[models.Fitted],
    figures: list[Evaluation],
    sentence: str,
    importance: pd.DataFrame,
    suspects: pd.DataFrame,
    *,
    seed: int,
) -> dict[str, Any]:
    """Return what must be known to trust, or not trust, the figures of an outcome."""
    return {
        "outcome": linked.name,
        "definition": linked.definition,
        "journeymining": __version__,
        "seed": seed,
        **_counts(linked),
        "split": split.describe() | _periods(linked, split),
        "headline": sentence,
        "models": [_figures(one, model) for one, model in zip(figures, fitted, strict=True)],
        "calibration": _with_intervals(figures[0].bins),
        "importance": importance.head(20).to_dict("records"),
        "variants": support_report(linked.journeys[split.train]).to_dict("records"),
        "audit": suspects.to_dict("records"),
        "warnings": _warnings(linked, split, figures, suspects),
        "note": "Associations between paths and outcomes; none of it says that a path causes an outcome.",
    }


def judge(
    outcome: str,
    fitted: list[models.Fitted],
    journeys: JourneyFrame,
    label: NDArray[np.int8],
    *,
    base_rate: float,
    seed: int = 0,
    repeats: int = 1000,
) -> tuple[list[Evaluation], str]:
    """Return the figures of every model on journeys it has not seen, and the sentence that sums them up."""
    with models.threads_for(len(label)):
        chances = {model.name: model.chance(journeys) for model in fitted}
    resampled = resampled_aucs(label, chances, journeys.customer_id, repeats=repeats, seed=seed)
    figures = [
        evaluate(n, label, chance, base_rate=base_rate, lengths=journeys.lengths, resampled=resampled[n])
        for n, chance in chances.items()
    ]
    dummies = {models.DUMMIES[one.name]: one for one in figures if one.name in models.DUMMIES}
    return figures, headline(outcome, figures[0], dummies, resampled)


def with_deviations(journeys: JourneyFrame, deviations: pd.DataFrame) -> tuple[JourneyFrame, NDArray[np.bool_] | None]:
    """Give journeys the deviations of a conformance check as flags; return also which are in the design's scope."""
    known = [column for column in DEVIATIONS if column in deviations]
    flags = deviations[["journey_id", *known]].copy()
    for column in known:
        flags[column] = flags[column].fillna(0).astype(float) > 0
    flagged = journeys.with_flags(flags)
    if "in_scope" not in deviations:
        return flagged, None
    scope = deviations.set_index("journey_id")["in_scope"].astype("boolean").reindex(journeys.journey_id)
    return flagged, scope.fillna(value=False).to_numpy(dtype=bool)


def write(result: OutcomeResult, folder: str | Path) -> list[Path]:
    """Write ``outcome_effects.csv`` and ``model_card.json`` of one outcome into a folder; return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    effects_file, card_file = folder / "outcome_effects.csv", folder / "model_card.json"
    result.effects.to_csv(effects_file, index=False, lineterminator="\n")
    card_file.write_text(json.dumps(_plain(result.card), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [effects_file, card_file]


def _counts(linked: LinkedOutcome) -> dict[str, Any]:
    counts = linked.counts
    low, high = wilson(counts["positives"], counts["labelled"])
    return {
        "journeys": counts["journeys"],
        "labelled": counts["labelled"],
        "positives": counts["positives"],
        "rate": counts["positives"] / counts["labelled"],
        "rate_low": float(low),
        "rate_high": float(high),
        "censored": counts["censored"],
        "left_out": {key: n for key, n in counts.items() if key not in ("journeys", "labelled", "positives")},
        "customers": int(pd.Series(linked.journeys.customer_id).nunique()),
        "masked": linked.masked,
    }


def _periods(linked: LinkedOutcome, split: Split) -> dict[str, list[str]]:
    periods = {}
    for name, rows in (("train_dates", split.train), ("test_dates", split.test)):
        edges = pd.to_datetime([linked.landmark[rows].min(), linked.landmark[rows].max()], unit="us", utc=True)
        periods[name] = [edge.isoformat() for edge in edges]
    return periods


def _figures(one: Evaluation, model: models.Fitted) -> dict[str, Any]:
    figures = asdict(one)
    figures.pop("bins")
    return figures | {"trained": model.trained, "chosen": model.chosen}


def _with_intervals(bins: list[dict[str, float]]) -> list[dict[str, float]]:
    result = []
    for one in bins:
        low, high = wilson(one["observed"] * one["n"], one["n"])
        result.append(one | {"low": float(low), "high": float(high)})
    return result


def _warnings(linked: LinkedOutcome, split: Split, figures: list[Evaluation], suspects: pd.DataFrame) -> list[str]:
    found = []
    if split.kind == "customers":
        found.append(
            "Split by customers, not by time: with the time the outcome takes to show, too few earlier journeys are "
            "left to learn from. How well the past tells the future is not measured."
        )
    positives = linked.counts["positives"]
    fewer = min(positives, linked.counts["labelled"] - positives)
    if fewer < FEW_POSITIVES:
        found.append(f"Only {fewer} journeys have the rarer outcome: intervals are wide, and rankings of models noise.")
    if linked.counts["censored"] > linked.counts["labelled"]:
        found.append(f"More journeys are not observed long enough ({linked.counts['censored']}) than are.")
    if figures[0].brier_skill <= 0:
        found.append("The probabilities are no better than the overall rate for everybody: use the ranking only.")
    if len(suspects):
        found.append("In the features although it may give the outcome away: " + ", ".join(suspects["feature"]) + ".")
    return found


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NaN as null, numpy's numbers as Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
