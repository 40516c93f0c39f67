"""How good predictions are: ranking and calibration, and one sentence that sums it up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.outcomes.adjustment import fit_logistic
from journeymining.outcomes.bootstrap import average_precisions, interval, weighted_aucs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class Evaluation:
    """The figures of one model on journeys it has not seen; intervals are 95 %, from resampled customers."""

    name: str
    auc: float
    auc_low: float
    auc_high: float
    weighted_auc: float
    """Mean of the AUC within journeys of equal length, weighted by their number: what length alone cannot earn."""
    lengths_left_out: int
    """Lengths at which only one outcome occurs, so that there is no AUC."""
    ap: float
    brier: float
    brier_skill: float
    """1 - Brier score over that of predicting the training rate for everybody; 0 or less is no better than that."""
    log_loss: float
    slope: float
    intercept: float
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of the figures besides the AUC, by their names."""
    bins: list[dict[str, float]] = field(default_factory=list)


def auc(label: NDArray[np.int8], score: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> float:
    """Return the area under the ROC curve; tied scores count half; NaN if only one outcome occurs.

    Examples
    --------
    >>> auc(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]))
    0.75
    """
    weights = np.ones(len(label)) if weight is None else weight
    return float(weighted_aucs(label, score, weights[None, :])[0])


def weighted_auc(label: NDArray[np.int8], score: NDArray[np.float64], lengths: NDArray[np.int64]) -> tuple[float, int]:
    """Return the mean AUC within journeys of equal length, weighted by their number, and how many lengths had none.

    Lengths at which only one outcome occurs have no AUC: they are left out and counted, not set to 0.

    Examples
    --------
    >>> weighted_auc(np.array([0, 1, 1]), np.array([0.1, 0.9, 0.9]), np.array([1, 1, 2]))
    (1.0, 1)
    """
    total, left_out, size = 0.0, 0, 0
    for _, rows in pd.Series(np.arange(len(label))).groupby(lengths):
        value = auc(label[rows], score[rows])
        if math.isnan(value):
            left_out += 1
        else:
            total, size = total + value * len(rows), size + len(rows)
    return (total / size if size else math.nan), left_out


def average_precision(label: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    """Return the average precision, tied scores taken together; NaN without positives."""
    return float(average_precisions(label, score, np.ones((1, len(label))))[0]) if len(label) else math.nan


def calibration(label: NDArray[np.int8], chance: NDArray[np.float64]) -> tuple[float, float, list[dict[str, float]]]:
    """Return slope and intercept of the outcome on the predicted log-odds (1 and 0 are ideal), and bins of equal size.

    A bin says ``n``, ``predicted`` (mean chance) and ``observed`` (share). Slope and intercept are NaN if the
    predictions or the outcomes do not vary.
    """
    bins = []
    order = np.argsort(chance, kind="stable")
    for rows in np.array_split(order, min(BINS, len(order))) if len(order) else []:
        predicted, observed = float(chance[rows].mean()), float(label[rows].mean())
        bins.append({"n": len(rows), "predicted": predicted, "observed": observed})
    clipped = np.clip(chance, 1e-6, 1 - 1e-6)
    odds = np.log(clipped / (1 - clipped))
    if len(np.unique(label)) < 2 or float(np.ptp(odds)) < 1e-9:
        return math.nan, math.nan, bins
    intercept, slope = fit_logistic(odds[:, None], label.astype(float), ridge=1e-6)
    return float(slope), float(intercept), bins


def evaluate(
    name: str,
    label: NDArray[np.int8],
    chance: NDArray[np.float64],
    *,
    base_rate: float,
    lengths: NDArray[np.int64],
    resampled: Mapping[str, NDArray[np.float64]],
) -> Evaluation:
    """Return all figures of one model.

    Parameters
    ----------
    label, chance : arrays, one entry per held-out journey
        What came of it, and what was predicted.
    base_rate : float
        Rate on the training side: the prediction that skill is measured against.
    lengths : array of int
        Events per journey.
    resampled : mapping
        Figures in bootstrap samples, see `journeymining.outcomes.bootstrap.resampled_figures`; at least ``auc``.
    """
    by_length, left_out = weighted_auc(label, chance, lengths)
    slope, intercept, bins = calibration(label, chance)
    low, high = interval(resampled["auc"])
    brier = float(((chance - label) ** 2).mean())
    reference = float(((base_rate - label) ** 2).mean())
    clipped = np.clip(chance, 1e-12, 1 - 1e-12)
    return Evaluation(
        name=name,
        auc=auc(label, chance),
        auc_low=low,
        auc_high=high,
        weighted_auc=by_length,
        lengths_left_out=left_out,
        ap=average_precision(label, chance),
        brier=brier,
        brier_skill=1 - brier / reference if reference > 0 else math.nan,
        log_loss=float(-(label * np.log(clipped) + (1 - label) * np.log(1 - clipped)).mean()),
        slope=slope,
        intercept=intercept,
        intervals={figure: interval(values) for figure, values in resampled.items() if figure != "auc"},
        bins=bins,
    )


def headline(
    outcome: str,
    model: Evaluation,
    dummies: Mapping[str, Evaluation],
    resampled: Mapping[str, NDArray[np.float64]],
) -> str:
    """Say in one sentence whether the model knows more than the best of the dummies, by the paired interval.

    Parameters
    ----------
    outcome : str
    model : Evaluation
    dummies : mapping from words ("journey length") to the Evaluation of the dummy
        Only those with an AUC count; the best one on the held-out journeys is the opponent.
    resampled : mapping
        AUC in the same bootstrap samples, by `Evaluation.name`.
    """
    words, best = max(dummies.items(), key=lambda item: (item[1].auc, item[0]))
    difference = model.auc - best.auc
    low, high = interval(resampled[model.name] - resampled[best.name])
    span = f"{_signed(difference)} [{_signed(low)}, {_signed(high)}]"
    figures = f"AUC {model.auc:.2f} [{model.auc_low:.2f}, {model.auc_high:.2f}] against {best.auc:.2f}"
    if low > 0:
        return f"Paths tell {outcome} better than {words} alone: by {span} ({figures})."
    if high < 0:
        return f"Paths tell {outcome} worse than {words} alone: by {span} ({figures})."
    return f"What paths tell of {outcome} is not distinguishable from {words}: {span} ({figures})."


def _signed(value: float) -> str:
    return f"{value:+.2f}"
