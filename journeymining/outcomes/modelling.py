"""From two sides of journeys to everything that is said of the models: figures, calibration, importance, reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.outcomes import models
from journeymining.outcomes.bootstrap import resampled_figures
from journeymining.outcomes.dependence import partial_dependence
from journeymining.outcomes.drift import training_reference
from journeymining.outcomes.evaluation import BINS, Evaluation, evaluate, headline
from journeymining.outcomes.importance import grouped_importance
from journeymining.outcomes.shap_values import ShapValues, shap_values
from journeymining.proportions import design_effect, wilson

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

LEAST_IN_BIN = 20
"""Held-out journeys in a bin of the calibration; with fewer, its interval would span everything."""


@dataclass(frozen=True, eq=False)
class Modelled:
    """The fitted models and what is known of them; the first is the default one."""

    models: list[models.Fitted]
    figures: list[Evaluation]
    headline: str
    calibrated: dict[str, Any]
    reliability: list[dict[str, float]]
    importance: pd.DataFrame
    dependence: list[dict[str, Any]]
    reference: dict[str, Any]
    shap: list[ShapValues]


def fit_and_judge(
    outcome: str,
    train: JourneyFrame,
    y: NDArray[np.int8],
    test: JourneyFrame,
    truth: NDArray[np.int8],
    *,
    explain: bool = False,
    seed: int = 0,
    repeats: int = 1000,
) -> Modelled:
    """Fit the models on one side of the journeys and judge them on the other; SHAP values only if ``explain``."""
    first, *others = models.fit_all(train, y, seed=seed)
    first, calibrated = models.calibrated_if_better(first, test, truth)
    fitted = [first, *others]
    figures, sentence = judge_models(
        outcome, fitted, test, truth, base_rate=float(y.mean()), seed=seed, repeats=repeats
    )
    with models.threads_for(len(truth)):
        chance = first.chance(test)
        reference = training_reference(first, train)
        dependence = partial_dependence(first, test)
        shap = [shap_values(one, train, test) for one in fitted[:2]] if explain else []
    return Modelled(
        models=fitted,
        figures=figures,
        headline=sentence,
        calibrated=calibrated,
        reliability=reliability(truth, chance, test.customer_id),
        importance=grouped_importance(first, test, truth, seed=seed),
        dependence=dependence,
        reference=reference,
        shap=shap,
    )


def judge_models(
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
    resampled = resampled_figures(
        label, chances, journeys.customer_id, lengths=journeys.lengths, base_rate=base_rate, repeats=repeats, seed=seed
    )
    figures = [
        evaluate(n, label, chance, base_rate=base_rate, lengths=journeys.lengths, resampled=resampled[n])
        for n, chance in chances.items()
    ]
    dummies = {models.DUMMIES[one.name]: one for one in figures if one.name in models.DUMMIES}
    return figures, headline(outcome, figures[0], dummies, {name: one["auc"] for name, one in resampled.items()})


def reliability(
    label: NDArray[np.int8], chance: NDArray[np.float64], customers: NDArray[Any]
) -> list[dict[str, float]]:
    """Return what came of held-out journeys that were given similar chances: the honest bounds of a chance.

    Returns
    -------
    list of dict, one per bin of about equal size, lowest chances first
        ``n``, ``from`` and ``to`` (chances in the bin), ``predicted`` (mean chance), ``observed`` (share with the
        outcome), ``low``, ``high`` (Wilson, 95 %, widened for customers with several journeys). Ten bins, or fewer so
        that each has 20 journeys.

    Examples
    --------
    >>> found = reliability(np.array([0, 1] * 20), np.repeat([0.2, 0.6], 20), np.arange(40))
    >>> [(one["n"], one["to"], one["observed"]) for one in found]
    [(20, 0.2, 0.5), (20, 0.6, 0.5)]
    """
    order = np.argsort(chance, kind="stable")
    found = []
    for rows in np.array_split(order, max(1, min(BINS, len(order) // LEAST_IN_BIN))) if len(order) else []:
        effect = design_effect(label[rows], customers[rows])
        low, high = wilson(label[rows].sum() / effect, len(rows) / effect)
        found.append(
            {
                "n": len(rows),
                "from": float(chance[rows].min()),
                "to": float(chance[rows].max()),
                "predicted": float(chance[rows].mean()),
                "observed": float(label[rows].mean()),
                "low": float(low),
                "high": float(high),
            }
        )
    return found


def bounds(reliability_bins: list[dict[str, Any]], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, per chance, the interval of the bin that it falls in: low and high."""
    edges = np.array([one["to"] for one in reliability_bins[:-1]])
    places = np.searchsorted(edges, chance, side="left")
    table = np.array([(one["low"], one["high"]) for one in reliability_bins], dtype=float)
    result: NDArray[np.float64] = table[places]
    return result
