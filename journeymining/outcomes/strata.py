"""Simpson's paradox: differences that turn round once like is compared with like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def difference_within(has: NDArray[np.bool_], label: NDArray[np.int8], strata: NDArray[np.int64]) -> float:
    """Return the difference in rate between journeys with and without a pattern, compared within strata only.

    The Mantel-Haenszel risk difference: differences within strata, each weighted by how much it can tell. NaN if no
    stratum has journeys of both kinds.

    Parameters
    ----------
    has : array of bool, one entry per journey
        Whether it has the pattern.
    label : array of 0 and 1
    strata : array of int
        The stratum of each journey, 0 or more.

    References
    ----------
    S. Greenland, J. M. Robins, *Biometrics* 41 (1985) 55-68.

    Examples
    --------
    >>> difference_within(np.array([True, False, True, False]), np.array([1, 0, 1, 1]), np.array([0, 0, 1, 1]))
    0.5
    """
    count = int(strata.max()) + 1 if len(strata) else 0
    cells = np.bincount(strata * 4 + has * 2 + label, minlength=4 * count).reshape(count, 4).astype(float)
    without, with_it, total = cells[:, 0] + cells[:, 1], cells[:, 2] + cells[:, 3], cells.sum(axis=1)
    usable = (without > 0) & (with_it > 0)
    if not usable.any():
        return math.nan
    hits, others = cells[usable, 3] * without[usable], cells[usable, 1] * with_it[usable]
    return float(((hits - others) / total[usable]).sum() / (without * with_it)[usable].dot(1 / total[usable]))


def reversed_within(
    has: NDArray[np.bool_], label: NDArray[np.int8], attributes: Mapping[str, NDArray[np.int64]]
) -> list[str]:
    """Return the attributes within whose values the difference has the other sign than over all journeys.

    Examples
    --------
    >>> has = np.repeat([True, False, True, False], [4, 1, 1, 4])
    >>> label = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 0])
    >>> reversed_within(has, label, {"size": np.repeat([1, 0], [5, 5])})
    ['size']
    """
    # +.2 over all journeys in the example, -.25 in either size.
    overall = label[has].mean() - label[~has].mean() if 0 < has.sum() < len(has) else 0.0
    return [name for name, strata in attributes.items() if difference_within(has, label, strata) * overall < 0]
