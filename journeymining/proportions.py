"""Shares and their differences: intervals, shrinkage, multiplicity and power, the arithmetic under every comparison."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import optimize, stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Z95 = float(stats.norm.ppf(0.975))
Z80 = float(stats.norm.ppf(0.80))


def wilson(successes: ArrayLike, n: ArrayLike, *, z: float = Z95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Wilson score interval of a share.

    Parameters
    ----------
    successes, n : array-like
        Successes and trials; both may be fractional (an effective sample size). ``n`` of 0 gives NaN.
    z : float, default 1.96
        Quantile of the normal distribution.

    Returns
    -------
    low, high : arrays

    References
    ----------
    E. B. Wilson, *JASA* 22 (1927) 209-212.

    Examples
    --------
    >>> low, high = wilson(4, 10)
    >>> print(round(float(low), 3), round(float(high), 3))
    0.168 0.687
    """
    k, total = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / total
        centre = (share + z * z / (2 * total)) / (1 + z * z / total)
        half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # The bounds are exact at 0 and n; rounding must not push them outside.
    low = np.where(k <= 0, np.where(total > 0, 0.0, np.nan), centre - half)
    high = np.where(k >= total, np.where(total > 0, 1.0, np.nan), centre + half)
    return low, high


def newcombe(
    k1: ArrayLike, n1: ArrayLike, k0: ArrayLike, n0: ArrayLike, *, z: float = Z95
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the difference of two shares, k1/n1 - k0/n0, with Newcombe's hybrid score interval.

    References
    ----------
    R. G. Newcombe, *Statistics in Medicine* 17 (1998) 873-890, method 10.

    Examples
    --------
    >>> print(*(round(float(x), 3) for x in newcombe(16, 20, 24, 80)))
    0.5 0.259 0.649
    """
    a1, b1, a0, b0 = (np.asarray(x, dtype=float) for x in (k1, n1, k0, n0))
    with np.errstate(invalid="ignore", divide="ignore"):
        p1, p0 = a1 / b1, a0 / b0
    (low1, high1), (low0, high0) = wilson(a1, b1, z=z), wilson(a0, b0, z=z)
    difference = p1 - p0
    low = difference - np.sqrt((p1 - low1) ** 2 + (high0 - p0) ** 2)
    high = difference + np.sqrt((high1 - p1) ** 2 + (p0 - low0) ** 2)
    return difference, low, high


def benjamini_hochberg(p: ArrayLike, *, dependent: bool = False) -> NDArray[np.float64]:
    """Return q-values: the false discovery rate if everything with this p-value or a smaller one were claimed.

    NaN stays NaN and does not count as a test. With ``dependent`` the bound of Benjamini and Yekutieli is used, which
    holds whatever the dependence between the tests.

    Examples
    --------
    >>> benjamini_hochberg([0.001, 0.008, 0.039]).round(4).tolist()
    [0.003, 0.012, 0.039]
    """
    values = np.asarray(p, dtype=float)
    q = np.full(values.shape, np.nan)
    known = ~np.isnan(values)
    if known.any():
        q[known] = stats.false_discovery_control(values[known], method="by" if dependent else "bh")
    return q


def beta_prior(successes: ArrayLike, n: ArrayLike) -> tuple[float, float]:
    """Estimate the beta prior of a family of shares by moments, so that small groups borrow from the family.

    The spread between the shares beyond what chance explains sets its strength; without such spread the prior is as
    strong as all groups together (every group then gets nearly the common share).

    Parameters
    ----------
    successes, n : array-like
        One entry per group; groups without journeys are ignored.

    Returns
    -------
    a, b : float
        Parameters of the beta distribution; ``a / (a + b)`` is the common share.

    References
    ----------
    J. C. Kleinman, *JASA* 68 (1973) 46-54 (moment estimator).
    """
    k, total = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    k, total = k[total > 0], total[total > 0]
    if not len(k):
        return 1.0, 1.0
    everything = float(total.sum())
    # A common share of 0 or 1 would make a degenerate prior.
    mean = float(np.clip(k.sum() / everything, 0.5 / (everything + 1), 1 - 0.5 / (everything + 1)))
    strength = everything
    scale = everything - float((total**2).sum()) / everything
    if len(k) > 1 and scale > 0:
        between = float((total * (k / total - mean) ** 2).sum())
        within = mean * (1 - mean)
        spread = (between - within * (len(k) - 1)) / scale
        if spread > 0:
            strength = float(np.clip(within / spread - 1, 1.0, everything))
    return mean * strength, (1 - mean) * strength


def shrunken_share(
    successes: ArrayLike, n: ArrayLike, *, a: float, b: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the empirical-Bayes share (k + a) / (n + a + b) with its 95 % credible interval.

    Examples
    --------
    >>> print(*(round(float(x), 4) for x in shrunken_share(2, 2, a=6, b=14)))
    0.3636 0.1811 0.5697
    """
    k, total = np.asarray(successes, dtype=float), np.asarray(n, dtype=float)
    first, second = k + a, total - k + b
    return first / (first + second), stats.beta.ppf(0.025, first, second), stats.beta.ppf(0.975, first, second)


def odds_ratio(k1: float, m1: float, k0: float, m0: float, *, prior: float = 0.5) -> tuple[float, float, float]:
    """Return the odds ratio of successes (k) against failures (m) with its interval.

    ``prior`` is added to each of the four cells: 0.5 is Haldane's correction, 1 PostHog's prior, 0 none.

    Examples
    --------
    >>> print(*(round(x, 2) for x in odds_ratio(5, 1, 2, 10)))
    15.4 1.59 149.36
    """
    cells = [float(x) + prior for x in (k1, m1, k0, m0)]
    if min(cells) == 0:
        return math.nan, math.nan, math.nan
    ratio = cells[0] * cells[3] / (cells[1] * cells[2])
    half = Z95 * math.sqrt(sum(1 / c for c in cells))
    return ratio, ratio * math.exp(-half), ratio * math.exp(half)


def journeys_needed(share: float, other: float) -> int:
    """Return how many journeys per group are needed to tell two shares apart (80 % power, 5 % two-sided).

    Examples
    --------
    >>> journeys_needed(0.30, 0.40), journeys_needed(0.30, 0.35)
    (356, 1377)
    """
    mean = (share + other) / 2
    top = Z95 * math.sqrt(2 * mean * (1 - mean)) + Z80 * math.sqrt(share * (1 - share) + other * (1 - other))
    return math.ceil(top**2 / (share - other) ** 2)


def smallest_detectable(n1: float, n0: float, share: float) -> float:
    """Return the smallest rise above ``share`` that groups of n1 and n0 journeys would reveal (80 % power, 5 %).

    NaN if a group is empty or no rise is large enough.

    Examples
    --------
    >>> round(smallest_detectable(356, 356, 0.30), 3)
    0.1
    """
    if min(n1, n0) <= 0 or not 0 <= share < 1:
        return math.nan

    def missing(rise: float) -> float:
        above = share + rise
        pooled = (n1 * above + n0 * share) / (n1 + n0)
        noise = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
        spread = math.sqrt(above * (1 - above) / n1 + share * (1 - share) / n0)
        return rise - Z95 * noise - Z80 * spread

    top = 1 - share
    if missing(top) <= 0:
        return math.nan
    return float(optimize.brentq(missing, 1e-12, top))


def design_effect(values: ArrayLike, clusters: ArrayLike) -> float:
    """Return by how much repeated answers or journeys of one customer inflate the variance of a mean (at least 1).

    The variance of the mean between customers over its variance if all rows were independent. Divide n by it to get
    the number of rows that count. 1 if no customer comes twice.

    Examples
    --------
    >>> design_effect([1, 1, 0, 0], ["a", "a", "b", "b"])
    2.0
    """
    y = np.asarray(values, dtype=float)
    codes, names = pd.factorize(np.asarray(clusters))
    count = len(names)
    if count == len(y) or count < 2:
        return 1.0
    residual = y - y.mean()
    independent = float((residual**2).sum())
    if independent == 0:
        return 1.0
    clustered = float((np.bincount(codes, weights=residual) ** 2).sum())
    return max(1.0, clustered / independent)
