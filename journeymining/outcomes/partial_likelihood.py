"""The partial likelihood of a hazard model with rows that start and stop, in time that grows with the rows.

The library that has it walks through the risk set of every outcome, which takes minutes for ten thousand journeys; this
sums from the end instead. Its answers are held against that library in the tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

STEPS = 50
LARGEST = 5.0
"""A step of Newton's method goes no further than this in any coefficient."""


class _Sums(NamedTuple):
    """Per outcome: which moment it is at, the sum of weights at risk, and the mean of the covariates under them."""

    moment: NDArray[np.int64]
    weight: Numbers
    mean: Numbers
    square: Numbers


def fit_cox(
    start: Numbers, stop: Numbers, came: NDArray[np.bool_], x: Numbers, clusters: NDArray[np.int64] | None = None
) -> tuple[Numbers, Numbers]:
    """Return the coefficients of a proportional-hazards model and their covariance; ties by Efron's method.

    Parameters
    ----------
    start, stop, came : arrays, one entry per row
        A row is at risk in (start, stop] and may have the outcome at stop.
    x : array, rows x covariates
    clusters : array of int, optional
        Rows of one cluster may depend on each other: the covariance is then robust to it.

    Raises
    ------
    InputError
        If the covariates say the same, so that there is no single answer.
    """
    moments, at = np.unique(stop[came], return_inverse=True)
    beta = np.zeros(x.shape[1])
    # The same hazard ratios for covariates around zero, and no overflow.
    x = x - x.mean(axis=0)
    for _ in range(STEPS):
        sums = _risk_sums(start, stop, came, x, np.exp(x @ beta), moments, at)
        gradient = x[came].sum(axis=0) - sums.mean.sum(axis=0)
        information = sums.square.sum(axis=0) - sums.mean.T @ sums.mean
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            raise InputError("The covariates of the hazard model say the same; leave one out.") from None
        beta = beta + step * min(1.0, LARGEST / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-9:
            break
    covariance = np.linalg.inv(information)
    if clusters is None:
        return beta, covariance
    residuals = _score_residuals(start, stop, came, x, np.exp(x @ beta), moments, at, sums)
    by_cluster = np.zeros((int(clusters.max()) + 1, x.shape[1]))
    np.add.at(by_cluster, clusters, residuals)
    return beta, covariance @ (by_cluster.T @ by_cluster) @ covariance


def _risk_sums(
    start: Numbers,
    stop: Numbers,
    came: NDArray[np.bool_],
    x: Numbers,
    weight: Numbers,
    moments: Numbers,
    at: NDArray[np.int64],
) -> _Sums:
    count, p = x.shape
    every = np.column_stack([weight, weight[:, None] * x, (weight[:, None, None] * x[:, :, None] * x[:, None, :])
                             .reshape(count, p * p)])  # fmt: skip
    # At risk at t are rows with start < t <= stop: those that stop at t or later, less those that start then or later.
    risk = _from(stop, every, moments) - _from(start, every, moments)
    tied = np.zeros_like(risk)
    np.add.at(tied, at, every[came])
    size = np.bincount(at, minlength=len(moments))
    moment = np.repeat(np.arange(len(moments)), size)
    place = np.arange(len(moment)) - np.repeat(np.cumsum(size) - size, size)
    # Of outcomes at the same time, the first had all of them beside it, the next all but one, on average.
    left = risk[moment] - (place / size[moment])[:, None] * tied[moment]
    total = left[:, 0]
    mean = left[:, 1 : p + 1] / total[:, None]
    return _Sums(moment, total, mean, (left[:, p + 1 :] / total[:, None]).reshape(-1, p, p))


def _from(times: Numbers, values: Numbers, moments: Numbers) -> Numbers:
    """Return, per moment, the sum of the values whose time is that moment or later."""
    order = np.argsort(times, kind="stable")
    sums = np.concatenate([np.cumsum(values[order][::-1], axis=0)[::-1], np.zeros((1, values.shape[1]))])
    result: Numbers = sums[np.searchsorted(times[order], moments, side="left")]
    return result


def _score_residuals(
    start: Numbers,
    stop: Numbers,
    came: NDArray[np.bool_],
    x: Numbers,
    weight: Numbers,
    moments: Numbers,
    at: NDArray[np.int64],
    sums: _Sums,
) -> Numbers:
    """Return what every row adds to the gradient; over all rows it adds up to nothing."""
    size = np.bincount(at, minlength=len(moments))
    hazard = np.bincount(sums.moment, weights=1 / sums.weight, minlength=len(moments))
    middle = np.zeros((len(moments), x.shape[1]))
    np.add.at(middle, sums.moment, sums.mean)
    by_hazard = np.zeros_like(middle)
    np.add.at(by_hazard, sums.moment, sums.mean / sums.weight[:, None])
    rises = np.concatenate([[0.0], np.cumsum(hazard)])
    moves = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(by_hazard, axis=0)])
    first, last = (np.searchsorted(moments, edge, side="right") for edge in (start, stop))
    passed = (rises[last] - rises[first])[:, None]
    residual: Numbers = weight[:, None] * (moves[last] - moves[first] - x * passed)
    residual[came] += x[came] - (middle / size[:, None])[at]
    return residual
