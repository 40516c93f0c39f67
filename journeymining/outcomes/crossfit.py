"""Chances for journeys by models that have not seen their customers: they decide strength and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from journeymining.outcomes.adjustment import fit_logistic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from journeymining.outcomes.journey_frame import JourneyFrame

    Folds = Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]

EDGE = 1e-6
"""Chances are kept this far from 0 and 1 before their odds are taken."""


def grouped_folds(
    label: NDArray[np.int8], groups: NDArray[np.int64], folds: int, *, seed: int = 0
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Deal customers to folds: at random, but customers with and without the outcome evenly.

    Returns
    -------
    list of (positions to learn from, positions to judge), one per fold
        No customer is on both sides of a fold; every journey is judged once.

    Examples
    --------
    >>> folds = grouped_folds(np.array([1, 0, 0, 1]), np.array([0, 0, 1, 2]), 2)
    >>> sorted(len(judged) for _, judged in folds)
    [1, 3]
    """
    count = int(groups.max()) + 1
    positives = np.bincount(groups, weights=label, minlength=count)
    order = np.lexsort((np.random.default_rng(seed).permutation(count), positives > 0))
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % folds
    of_row = fold[groups]
    return [(np.flatnonzero(of_row != k), np.flatnonzero(of_row == k)) for k in range(folds)]


def out_of_fold(
    pipeline: Pipeline, journeys: JourneyFrame, label: NDArray[np.int8], folds: Folds, strengths: Sequence[float]
) -> tuple[float, NDArray[np.float64]]:
    """Choose the strength of a logistic pipeline by log loss on journeys it has not seen; return it and their chances.

    Encoders are fitted once per fold and serve every strength. Chances are NaN for journeys that no fold judges. At
    equal loss the first strength is taken.
    """
    losses: list[list[float]] = [[] for _ in strengths]
    chances = np.full((len(strengths), len(label)), np.nan)
    for learn, judged in folds:
        encode = clone(pipeline[:-1])
        seen, unseen = encode.fit_transform(journeys[learn]), encode.transform(journeys[judged])
        # Every strength starts where the last one ended: a stronger model is near a weaker one.
        model = clone(pipeline[-1]).set_params(warm_start=True)
        for place, strength in enumerate(strengths):
            model.set_params(C=strength).fit(seen, label[learn])
            chance = np.clip(model.predict_proba(unseen)[:, 1], 1e-15, 1 - 1e-15)
            losses[place].append(-float(np.log(np.where(label[judged] == 1, chance, 1 - chance)).mean()))
            chances[place, judged] = chance
    best = int(np.argmin([np.mean(one) for one in losses]))
    return float(strengths[best]), chances[best]


def fit_sigmoid(label: NDArray[np.int8], chance: NDArray[np.float64]) -> tuple[float, float] | None:
    """Fit a sigmoid on the odds of chances for unseen journeys: intercept and slope; None if there is nothing to fit.

    The targets are smoothed, so that few journeys do not make it sure of itself. A slope of zero or less would turn
    the ranking round and is not used.

    References
    ----------
    J. C. Platt, in *Advances in Large Margin Classifiers*, MIT Press 1999, 61-74.

    Examples
    --------
    >>> fit_sigmoid(np.array([0, 0, 0, 1]), np.full(4, 0.5)) is None
    True
    """
    known = ~np.isnan(chance)
    y, odds = label[known], log_odds(chance[known])
    positives, negatives = int((y == 1).sum()), int((y == 0).sum())
    if not positives or not negatives or float(np.ptp(odds)) < EDGE:
        return None
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    intercept, slope = fit_logistic(odds[:, None], targets, ridge=1e-6)
    return (float(intercept), float(slope)) if slope > 0 else None


def apply_sigmoid(sigmoid: tuple[float, float] | None, chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return calibrated chances; the same ones if there is no calibration."""
    if sigmoid is None:
        return chance
    result: NDArray[np.float64] = 1 / (1 + np.exp(-(sigmoid[0] + sigmoid[1] * log_odds(chance))))
    return result


def log_odds(chance: NDArray[np.float64]) -> NDArray[Any]:
    """Return the logarithm of the odds, kept finite."""
    clipped = np.clip(chance, EDGE, 1 - EDGE)
    result: NDArray[np.float64] = np.log(clipped / (1 - clipped))
    return result
