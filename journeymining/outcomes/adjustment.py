"""Adjusted differences: what is left of a difference between journeys once other differences are taken into account."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from journeymining.proportions import Z95

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIP = 0.02
OVERLAP = 0.05


@dataclass(frozen=True)
class Adjusted:
    """An adjusted risk difference with its interval, the share of journeys that are comparable, and its E-value."""

    difference: float
    low: float
    high: float
    overlap: float
    e_value: float


def fit_logistic(
    x: NDArray[np.float64], y: NDArray[np.float64], *, ridge: float = 1.0, steps: int = 50
) -> NDArray[np.float64]:
    """Return the coefficients of a logistic regression with an L2 penalty; the intercept is first and not penalised.

    Newton's method on a handful of columns: many times faster than a general solver, and deterministic.
    """
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 1e-8
    share = float(np.clip(y.mean(), 1e-6, 1 - 1e-6))
    beta = np.zeros(design.shape[1])
    beta[0] = math.log(share / (1 - share))
    for _ in range(steps):
        p = _sigmoid(design @ beta)
        gradient = design.T @ (y - p) - penalty * beta
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-6:
            break
    return beta


def predict_logistic(beta: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probabilities of a fit of `fit_logistic`."""
    return _sigmoid(beta[0] + x @ beta[1:])


def adjusted_difference(
    has: NDArray[np.bool_],
    label: NDArray[np.int8],
    covariates: NDArray[np.float64],
    customers: NDArray[np.int64],
    *,
    folds: int = 2,
    seed: int = 0,
) -> Adjusted:
    """Estimate by how much the outcome differs between comparable journeys with and without a pattern.

    Augmented inverse-probability weighting: one model says how likely a journey has the pattern, another how likely
    it has the outcome; if either is right, so is the estimate. Both are fitted on other customers than they are
    applied to. It removes what the covariates explain and nothing else: an association, not a cause.

    Parameters
    ----------
    has : array of bool
        Which journeys have the pattern.
    label : array of 0 and 1
    covariates : array, one row per journey
        Best scaled to unit variance.
    customers : array of int
        Codes; the interval is clustered on them.
    folds, seed : int
        Cross-fitting; customers are dealt to folds at random.

    Returns
    -------
    Adjusted
        NaN if a fold has no journey with or without the pattern. ``overlap`` is the share of journeys whose chance of
        having the pattern lies within 5 to 95 % of what it could be at the pattern's frequency; ``e_value`` is how
        strong an unmeasured cause had to be (as a risk ratio, with pattern and outcome) to explain the difference.

    References
    ----------
    J. M. Robins, A. Rotnitzky, L. P. Zhao, *JASA* 89 (1994) 846-866; V. Chernozhukov et al., *Econometrics Journal* 21
    (2018) C1-C68 (cross-fitting); T. J. VanderWeele, P. Ding, *Annals of Internal Medicine* 167 (2017) 268-274.
    """
    treated, y = has.astype(float), label.astype(float)
    count = int(customers.max()) + 1
    fold = np.random.default_rng(seed).permutation(count) % folds
    fold = fold[customers]
    chance, with_it, without = (np.empty(len(y)) for _ in range(3))
    for k in range(folds):
        learn, apply = fold != k, fold == k
        if not (has & learn).any() or not (~has & learn).any():
            return Adjusted(*(math.nan,) * 5)
        chance[apply] = predict_logistic(fit_logistic(covariates[learn], treated[learn]), covariates[apply])
        both = np.column_stack([treated[learn], covariates[learn]])
        outcome = fit_logistic(both, y[learn])
        base = covariates[apply]
        with_it[apply] = predict_logistic(outcome, np.column_stack([np.ones(len(base)), base]))
        without[apply] = predict_logistic(outcome, np.column_stack([np.zeros(len(base)), base]))
    # Relative to the frequency of the pattern, so that a rare pattern is not called incomparable for being rare.
    usual = float(treated.mean())
    comparable = float(np.mean((chance >= OVERLAP * usual) & (1 - chance >= OVERLAP * (1 - usual))))
    weight = np.clip(chance, min(CLIP, usual / 5), 1 - min(CLIP, (1 - usual) / 5))
    first = with_it + treated * (y - with_it) / weight
    second = without + (1 - treated) * (y - without) / (1 - weight)
    influence = first - second
    difference = float(influence.mean())
    clusters = np.bincount(customers, weights=influence - difference, minlength=count)
    error = math.sqrt(float((clusters**2).sum())) / len(y)
    return Adjusted(
        difference=difference,
        low=max(-1.0, difference - Z95 * error),
        high=min(1.0, difference + Z95 * error),
        overlap=comparable,
        e_value=e_value(float(first.mean()), float(second.mean())),
    )


def e_value(share: float, other: float) -> float:
    """Return the E-value of a risk ratio: how strong an unmeasured cause had to be to explain it away; 1 is none.

    Examples
    --------
    >>> round(e_value(0.4, 0.2), 3)
    3.414
    """
    low, high = sorted((share, other))
    if low <= 0:
        return math.inf if high > 0 else math.nan
    ratio = high / low
    return ratio + math.sqrt(ratio * (ratio - 1))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(x, -35, 35)
    result: NDArray[np.float64] = 1 / (1 + np.exp(-clipped))
    return result
