"""Medians of waits and their differences, with intervals that hold where journeys give several waits each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from journeymining.proportions import Z95, design_effect, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_Z = 12.0
"""Beyond this normal quantile nothing can be told apart in double precision."""


class Median:
    """The median of values, and its interval at any level.

    The interval is read off the sorted values where the interval of the share below the median ends (Woodruff): at the
    ranks of Wilson's interval for one half, of as many independent values as the journeys are worth. A rank that the
    values do not reach is infinite: five values have no 95 % interval.

    Parameters
    ----------
    values : array
    journeys : array
        The journey of every value; several of one journey count as what they tell.

    References
    ----------
    R. Woodruff, *JASA* 47 (1952) 635-646.

    Examples
    --------
    >>> Median(np.arange(1.0, 22), np.arange(21)).interval()
    (6.0, 16.0)
    """

    def __init__(self, values: NDArray[np.float64], journeys: NDArray[np.int64]) -> None:
        self.sorted = np.sort(np.asarray(values, dtype=float))
        self.value = float(np.median(self.sorted)) if len(self.sorted) else math.nan
        below = np.asarray(values, dtype=float) <= self.value
        self.effective = len(values) / design_effect(below, journeys) if len(values) else 0.0

    def interval(self, z: float = Z95) -> tuple[float, float]:
        """Return low and high at a normal quantile."""
        if not len(self.sorted):
            return math.nan, math.nan
        low, _ = (float(end) for end in wilson(self.effective / 2, self.effective, z=z))
        count = len(self.sorted)
        # The lower rank is rounded down and the upper one mirrors it, so that the interval is never too narrow.
        rank = math.floor(low * count + 1e-9)
        if rank < 1:
            return -math.inf, math.inf
        return float(self.sorted[rank - 1]), float(self.sorted[count - rank])


def median_difference(first: Median, second: Median, z: float = Z95) -> tuple[float, float, float]:
    """Return first minus second with its interval, from the intervals of both (MOVER).

    References
    ----------
    G. Zou, A. Donner, *Statistics in Medicine* 27 (2008) 1693-1702; for shares it is Newcombe's interval.
    """
    difference = first.value - second.value
    (low1, high1), (low0, high0) = first.interval(z), second.interval(z)
    low = difference - math.hypot(first.value - low1, high0 - second.value)
    high = difference + math.hypot(high1 - first.value, second.value - low0)
    return difference, low, high


def median_p(first: Median, second: Median) -> float:
    """Return the two-sided p-value of both medians being the same: the level at which the interval just excludes 0."""
    if not len(first.sorted) or not len(second.sorted):
        return math.nan

    def excludes(z: float) -> bool:
        _, low, high = median_difference(first, second, z)
        return low > 0 or high < 0

    inside, outside = 0.0, LARGEST_Z
    if not excludes(1e-6):
        return 1.0
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if excludes(middle) else (inside, middle)
    return float(2 * stats.norm.sf(inside))
