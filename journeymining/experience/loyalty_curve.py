"""Loyalty by satisfaction: whether the customers who give a nine stay more than a straight line would say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.exceptions import InputError
from journeymining.proportions import newcombe, wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.05


def loyalty_curve(scores: ArrayLike, loyal: ArrayLike) -> pd.DataFrame:
    """Return the share of loyal customers per score, and how much it differs from the score below.

    Loyalty is best what customers did after they answered: an intention asked in the same survey goes with the score
    anyway.

    Parameters
    ----------
    scores : array-like, one entry per answer
        Missing ones are left out.
    loyal : array-like of bool
        Whether the customer had the outcome.

    Returns
    -------
    DataFrame, one row per score that was given, lowest first
        ``score``, ``n``, ``loyal``, ``rate`` with its Wilson interval ``low``, ``high``; ``step`` (rate minus that of
        the next lower score given; NaN for the lowest) with its Newcombe interval ``step_low``, ``step_high``.

    Examples
    --------
    >>> loyalty_curve([7, 7, 8, 8], [False, True, True, True])[["score", "n", "rate", "step"]].values.tolist()
    [[7.0, 2.0, 0.5, nan], [8.0, 2.0, 1.0, 0.5]]
    """
    frame = pd.DataFrame({"score": np.asarray(scores, dtype=float), "loyal": np.asarray(loyal, dtype=bool)})
    table = frame.dropna().groupby("score")["loyal"].agg(n="size", loyal="sum").reset_index()
    table["rate"] = table["loyal"] / table["n"]
    table["low"], table["high"] = wilson(table["loyal"], table["n"])
    steps = [(math.nan,) * 3]
    hits, sizes = table["loyal"].tolist(), table["n"].tolist()
    for place in range(1, len(table)):
        found = newcombe(hits[place], sizes[place], hits[place - 1], sizes[place - 1])
        steps.append((float(found[0]), float(found[1]), float(found[2])))
    columns = ("step", "step_low", "step_high")
    return table.assign(**{name: [step[place] for step in steps[: len(table)]] for place, name in enumerate(columns)})


def bend(curve: pd.DataFrame, at: float) -> dict[str, float | str]:
    """Say whether loyalty rises faster above a score than below it.

    Parameters
    ----------
    curve : DataFrame
        Of `loyalty_curve`.
    at : float
        The score in the middle; the next lower and the next higher one must have answers.

    Returns
    -------
    dict
        ``bend`` (rate above - 2 x rate at + rate below), ``error``, ``z``, ``p`` and ``verdict``: *convex*, *concave*
        or *undecided on shape* (p of 5 % or more). One bend is not the whole curve.

    Raises
    ------
    InputError
        If one of the three scores has no answers.
    """
    known = curve.set_index("score")
    wanted = (at - 1, at, at + 1)
    missing = [f"{score:g}" for score in wanted if score not in known.index]
    if missing:
        raise InputError(f"The bend at {at:g} needs answers of {wanted[0]:g}, {at:g} and {wanted[2]:g}; "
                         f"there are none of {' and '.join(missing)}.")  # fmt: skip
    three = known.loc[list(wanted)]
    below, middle, above = three["rate"].to_numpy(dtype=float)
    variances = (three["rate"] * (1 - three["rate"]) / three["n"]).to_numpy(dtype=float)
    value, error = float(above - 2 * middle + below), math.sqrt(variances[0] + 4 * variances[1] + variances[2])
    z = value / error if error else math.nan
    p = float(2 * stats.norm.sf(abs(z)))
    verdict = "undecided on shape" if not p < LEVEL else "convex" if value > 0 else "concave"
    return {"bend": value, "error": error, "z": z, "p": p, "verdict": verdict}
