"""How sure figures of models are: the same figures in samples of customers, who are drawn with all their journeys."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

BLOCK = 8_000_000
"""Cells of the table of bootstrap weights that are held in memory at a time."""

STEPS = 20

FEWER = 5
"""Slope and intercept of the calibration are fitted anew in one of so many samples: each takes a model of its own."""


def resampled_figures(
    label: NDArray[np.int8],
    chances: Mapping[str, NDArray[np.float64]],
    customers: NDArray[Any],
    *,
    lengths: NDArray[np.int64],
    base_rate: float,
    repeats: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return every figure of every model in the same bootstrap samples of customers.

    Returns
    -------
    dict of dict
        Per model ``auc``, ``weighted_auc``, ``ap``, ``brier``, ``brier_skill`` (one value per sample), ``slope`` and
        ``intercept`` (one per fifth sample); what they are says `journeymining.outcomes.evaluation.Evaluation`.
    """
    parts: dict[str, list[dict[str, NDArray[np.float64]]]] = {name: [] for name in chances}
    groups = [rows.to_numpy() for _, rows in pd.Series(np.arange(len(label))).groupby(lengths)]
    reference = (base_rate - label) ** 2
    for weights in _samples(customers, repeats, seed):
        for name, chance in chances.items():
            error = weights @ ((chance - label) ** 2)
            with np.errstate(invalid="ignore", divide="ignore"):
                skill = 1 - error / (weights @ reference)
            intercept, slope = _recalibrated(label, chance, weights[::FEWER])
            parts[name].append(
                {
                    "auc": weighted_aucs(label, chance, weights),
                    "weighted_auc": _by_length(label, chance, weights, groups),
                    "ap": average_precisions(label, chance, weights),
                    "brier": error / weights.sum(axis=1),
                    "brier_skill": skill,
                    "slope": slope,
                    "intercept": intercept,
                }
            )
    return {name: {key: np.concatenate([one[key] for one in many]) for key in many[0]} for name, many in parts.items()}


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % quantiles of bootstrap values; NaN if there are none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def weighted_aucs(label: NDArray[np.int8], score: NDArray[np.float64], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Return one AUC per row of weights: the chance that a positive scores above a negative, ties half."""
    order = np.argsort(score, kind="stable")
    ranked, positive = score[order], label[order] == 1
    first = np.flatnonzero(np.concatenate([[True], np.diff(ranked) != 0])) if len(ranked) else np.zeros(0, dtype=int)
    if not len(first):
        return np.full(len(weights), math.nan)
    w = weights[:, order]
    up = np.add.reduceat(np.where(positive, w, 0.0), first, axis=1)
    down = np.add.reduceat(np.where(positive, 0.0, w), first, axis=1)
    below = np.cumsum(down, axis=1) - down
    won = (up * (below + 0.5 * down)).sum(axis=1)
    pairs = up.sum(axis=1) * down.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: NDArray[np.float64] = np.where(pairs > 0, won / pairs, math.nan)
    return result


def average_precisions(
    label: NDArray[np.int8], score: NDArray[np.float64], weights: NDArray[Any]
) -> NDArray[np.float64]:
    """Return one average precision per row of weights, tied scores taken together; NaN without positives."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    w = weights[:, order]
    hits, taken = np.cumsum(w * label[order], axis=1)[:, last], np.cumsum(w, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(taken > 0, hits / taken, 0.0)
        result: NDArray[np.float64] = (gained * precision).sum(axis=1) / hits[:, -1]
    return result


def _samples(customers: NDArray[Any], repeats: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often every journey is in every sample, as many samples at a time as fit in memory."""
    codes, names = pd.factorize(customers)
    generator = np.random.default_rng(seed)
    step = max(1, BLOCK // max(len(customers), 1))
    for start in range(0, repeats, step):
        count = min(step, repeats - start)
        drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
        yield drawn[:, codes].astype(np.float64)


def _by_length(
    label: NDArray[np.int8], score: NDArray[np.float64], weights: NDArray[Any], groups: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    total, size = np.zeros(len(weights)), np.zeros(len(weights))
    for rows in groups:
        values, w = weighted_aucs(label[rows], score[rows], weights[:, rows]), weights[:, rows].sum(axis=1)
        known = ~np.isnan(values)
        total[known] += values[known] * w[known]
        size[known] += w[known]
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = np.where(size > 0, total / size, math.nan)
    return result


def _recalibrated(
    label: NDArray[np.int8], chance: NDArray[np.float64], weights: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intercept and slope of the outcome on the predicted log-odds, per row of weights, by Newton's method."""
    clipped = np.clip(chance, 1e-6, 1 - 1e-6)
    odds = np.log(clipped / (1 - clipped))
    intercept, slope = np.zeros(len(weights)), np.ones(len(weights))
    if len(np.unique(label)) < 2 or float(np.ptp(odds)) < 1e-9:
        return intercept * math.nan, slope * math.nan
    # Samples with one outcome only, or without any spread of the chances, have no answer: theirs turns into NaN.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _ in range(STEPS):
            p = 1 / (1 + np.exp(-np.clip(intercept[:, None] + slope[:, None] * odds, -35, 35)))
            left, spread = weights * (label - p), weights * p * (1 - p)
            g0, g1 = left.sum(axis=1), left @ odds
            a, b, c = spread.sum(axis=1), spread @ odds, spread @ odds**2
            determinant = a * c - b**2
            moves = (c * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant
            limit = 1 / np.maximum(np.abs(moves).max(axis=0) / 5, 1)
            intercept, slope = intercept + moves[0] * limit, slope + moves[1] * limit
            if not (np.abs(moves) > 1e-8).any():
                break
    positives = weights @ label
    unknown = (positives == 0) | (positives == weights.sum(axis=1))
    return np.where(unknown, math.nan, intercept), np.where(unknown, math.nan, slope)
