"""One outcome from the log to the tables of a run: labels, audit, effects, models, and the card that says it all."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.outcomes import models
from journeymining.outcomes.audit import audit, refuse_proxies
from journeymining.outcomes.card import model_card
from journeymining.outcomes.deviations import with_deviations
from journeymining.outcomes.effects import effects
from journeymining.outcomes.journey_frame import JourneyFrame, journeys_for_outcomes
from journeymining.outcomes.labels import link
from journeymining.outcomes.model_file import write_model
from journeymining.outcomes.modelling import fit_and_judge
from journeymining.outcomes.moments import Moments, moments_of_truth
from journeymining.outcomes.shap_values import ShapValues, require_shap
from journeymining.outcomes.splitting import split_outcome

if TYPE_CHECKING:
    import pandas as pd

    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.landmarks import LinkedOutcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class OutcomeResult:
    """What is known of one outcome: the tables, the card and the fitted models."""

    effects: pd.DataFrame
    card: dict[str, Any]
    linked: LinkedOutcome
    models: list[models.Fitted]
    shap: list[ShapValues] = field(default_factory=list)
    moments: Moments | None = None


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
    MissingDependencyError
        If SHAP values are asked for (``explain``) and the extra is not installed.
    """
    if config.explain:
        require_shap()
    journeys = log if isinstance(log, JourneyFrame) else journeys_for_outcomes(log)
    in_scope = None
    if deviations is not None:
        journeys, in_scope = with_deviations(journeys, deviations)
    linked = link(name, config, journeys, surveys=surveys, table=table, in_scope=in_scope)
    return analyse(
        linked,
        allow=config.allow_proxies,
        question=config.section(),
        explain=config.explain,
        notes=_notes_on_design(journeys, linked),
        by_design=in_scope is not None,
        seed=seed,
        repeats=repeats,
    )


def analyse(
    linked: LinkedOutcome,
    *,
    allow: list[str] | None = None,
    question: dict[str, Any] | None = None,
    explain: bool = False,
    notes: list[str] | None = None,
    by_design: bool = False,
    seed: int = 0,
    repeats: int = 1000,
) -> OutcomeResult:
    """Audit, split, compare and model journeys that have their labels; the question goes into the card.

    ``notes`` join the warnings of the card; ``by_design`` says that journeys were chosen by a designed journey, which
    scoring then needs, too.
    """
    suspects = audit(linked, allow=allow or [])
    refuse_proxies(suspects, linked.name)
    split = split_outcome(linked, seed=seed)
    with models.threads_for(len(linked.label)):
        table = effects(linked, split, seed=seed)
    modelled = fit_and_judge(
        linked.name,
        linked.journeys[split.train],
        linked.label[split.train],
        linked.journeys[split.test],
        linked.label[split.test],
        explain=explain,
        seed=seed,
        repeats=repeats,
    )
    card = model_card(linked, split, modelled, suspects, question=question or {}, seed=seed, notes=notes or [])
    card["by_design"] = by_design
    moments = moments_of_truth(linked, split, seed=seed)
    return OutcomeResult(table, card, linked, modelled.models, modelled.shap, moments)


def _notes_on_design(journeys: JourneyFrame, linked: LinkedOutcome) -> list[str]:
    """Say what a reader must know of deviations as features: when they were judged, and on which events."""
    if journeys.conformance is None:
        return []
    if linked.journeys.conformance is None:
        return [
            "Deviations from the design are not used: they are judged on whole journeys, and this landmark comes "
            "before their end."
        ]
    masked = np.bincount(journeys.row[journeys.is_activity(linked.masked)], minlength=len(journeys)) > 0
    count = int(np.isin(linked.journeys.journey_id, journeys.journey_id[masked]).sum())
    if not count:
        return []
    return [f"In {count} journeys deviations were judged on events that are masked elsewhere: compare with a design "
            "that does not know them, or read deviations with care."]  # fmt: skip


def write(result: OutcomeResult, folder: str | Path) -> list[Path]:
    """Write all that was found of one outcome; return the paths.

    ``outcome_effects.csv``, ``model_card.json``, ``model.skops``, and ``outcome_touchpoints.csv`` and
    ``outcome_steps.csv`` (see `journeymining.outcomes.moments`). With SHAP values also ``shap_values.parquet`` of the
    default model, one row per held-out journey.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    effects_file, card_file = folder / "outcome_effects.csv", folder / "model_card.json"
    result.effects.to_csv(effects_file, index=False, lineterminator="\n")
    card_file.write_text(json.dumps(_plain(result.card), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    model_file = folder / "model.skops"
    write_model(result.models[0], model_file)
    files = [effects_file, card_file, model_file]
    if result.moments is not None:
        for name, found in (("touchpoints", result.moments.touchpoints), ("steps", result.moments.steps)):
            files.append(folder / f"outcome_{name}.csv")
            found.to_csv(files[-1], index=False, lineterminator="\n")
    if result.shap:
        files.append(folder / "shap_values.parquet")
        result.shap[0].table().to_parquet(files[-1], index=False)
    return files


def _plain(value: Any) -> Any:
    """Return what JSON can hold: NaN as null, numpy's numbers as Python's."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
