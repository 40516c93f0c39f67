"""The card of a model: the question, who was counted, how good it is, what to beware of, what it learnt from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining import __version__
from journeymining.outcomes.audit import LEAST, auditable
from journeymining.outcomes.shap_values import shap_summary
from journeymining.outcomes.variants import support_report
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journeymining.outcomes.evaluation import Evaluation
    from journeymining.outcomes.landmarks import LinkedOutcome
    from journeymining.outcomes.modelling import Modelled
    from journeymining.outcomes.models import Fitted
    from journeymining.outcomes.splitting import Split

FEW_POSITIVES = 100
"""Below so many positives (or negatives), figures of models are mostly noise, and the card says so."""


def model_card(
    linked: LinkedOutcome,
    split: Split,
    modelled: Modelled,
    suspects: pd.DataFrame,
    *,
    question: dict[str, Any],
    seed: int,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what must be known to trust, or not trust, the figures of an outcome, and to score with its model.

    Parameters
    ----------
    linked : LinkedOutcome
    split : Split
    modelled : Modelled
    suspects : DataFrame
        See `journeymining.outcomes.audit.audit`.
    question : dict
        The section of the job file, or ``label_column`` and ``positive``.
    seed : int
    notes : sequence of str
        Further warnings.
    """
    both = zip(modelled.figures, modelled.models, strict=True)
    return {
        "outcome": linked.name,
        "definition": linked.definition,
        "question": question,
        "journeymining": __version__,
        "seed": seed,
        **_counts(linked),
        "split": split.describe() | _periods(linked, split),
        "headline": modelled.headline,
        "models": [_figures(one, model) for one, model in both],
        "calibrated": modelled.calibrated,
        "calibration": modelled.reliability,
        "importance": modelled.importance.head(20).to_dict("records"),
        "dependence": modelled.dependence,
        "shap": [shap_summary(one) for one in modelled.shap],
        "variants": support_report(linked.journeys[split.train]).to_dict("records"),
        "audit": suspects.to_dict("records"),
        "warnings": [*_warnings(linked, split, modelled, suspects), *notes],
        "note": "Associations between paths and outcomes; none of it says that a path causes an outcome.",
        "reference": modelled.reference,
    }


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


def _figures(one: Evaluation, model: Fitted) -> dict[str, Any]:
    figures = asdict(one)
    figures.pop("bins")
    return figures | {"trained": model.trained, "chosen": model.chosen}


def _warnings(linked: LinkedOutcome, split: Split, modelled: Modelled, suspects: pd.DataFrame) -> list[str]:
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
    if modelled.figures[0].brier_skill <= 0:
        found.append("The probabilities are no better than the overall rate for everybody: use the ranking only.")
    if not auditable(linked):
        found.append(
            f"Nothing was looked for that gives the outcome away: fewer than {LEAST} journeys have the rarer outcome."
        )
    if len(suspects):
        found.append("In the features although it may give the outcome away: " + ", ".join(suspects["feature"]) + ".")
    return found
