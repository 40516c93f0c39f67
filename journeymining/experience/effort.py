"""Customer effort: what customers said it took, and never without saying which end of the scale is good."""

from __future__ import annotations

import pandas as pd

from journeymining.exceptions import InputError
from journeymining.proportions import wilson

GOOD = {"higher_is_better": (5.0, 7.0, 1.0, 7.0), "lower_is_better": (1.0, 2.0, 1.0, 5.0)}
"""Per direction: the answers that count as easy (from, to) and the scale (from, to)."""


def customer_effort(answers: pd.Series, *, direction: str | None) -> dict[str, float]:
    """Return mean effort score and the share of customers who found it easy.

    There are two questions in use and they point in opposite directions, so the direction must be said:
    ``higher_is_better`` is "the company made it easy to handle my issue", 1 to 7, easy from 5 (CES 2.0);
    ``lower_is_better`` is "how much effort did you personally have to put forth", 1 to 5, easy up to 2 (CES 1.0).

    Returns
    -------
    dict
        ``n``, ``mean``, ``easy`` (answers), ``share``, ``low``, ``high`` (Wilson). NaN without answers.

    Raises
    ------
    InputError
        If the direction is missing or unknown, or an answer lies outside the scale.

    Examples
    --------
    >>> score = customer_effort(pd.Series([7, 6, 5, 3, 2]), direction="higher_is_better")
    >>> round(score["mean"], 2), score["share"]
    (4.6, 0.6)
    """
    if direction not in GOOD:
        raise InputError(
            f"Effort scores need the direction of their scale; found {direction!r}. Say higher_is_better (easy = high, "
            "1 to 7) or lower_is_better (effort = high, 1 to 5)."
        )
    first, last, scale_min, scale_max = GOOD[direction]
    values = answers.dropna().astype(float)
    if len(values) and not values.between(scale_min, scale_max).all():
        raise InputError(
            f"Effort answers that are {direction} run from {scale_min:g} to {scale_max:g}; "
            f"found {values.min():g} to {values.max():g}."
        )
    easy = int(values.between(first, last).sum())
    low, high = wilson(easy, len(values))
    mean = float(values.mean()) if len(values) else float("nan")
    share = easy / len(values) if len(values) else float("nan")
    return {"n": len(values), "mean": mean, "easy": easy, "share": share, "low": float(low), "high": float(high)}


def effort_table(surveys: pd.DataFrame, *, metric: str = "ces", by: str | None = None) -> pd.DataFrame:
    """Return the effort score of all answers and per segment.

    Parameters
    ----------
    surveys : DataFrame, one row per answer
        Columns ``metric``, ``value`` and ``direction`` (demanded on every answer of the metric).

    Returns
    -------
    DataFrame, one row per segment and direction
        ``segment``, ``direction``, then what `customer_effort` returns. Directions are never mixed in one number.
    """
    for column in ("metric", "value", "direction", *([by] if by else [])):
        if column not in surveys:
            raise InputError.missing_column(column, surveys.columns, where="The surveys (effort)")
    answers = surveys[(surveys["metric"] == metric) & surveys["value"].notna()]
    if answers["direction"].isna().any():
        missing = int(answers["direction"].isna().sum())
        raise InputError(f"{missing} of {len(answers)} effort answers do not say their direction (column 'direction').")
    rows = []
    for key, part in answers.groupby("direction", sort=True):
        direction = str(key)
        rows.append({"segment": "all", "direction": direction, **customer_effort(part["value"], direction=direction)})
        if by:
            rows += [
                {"segment": str(name), "direction": direction, **customer_effort(group["value"], direction=direction)}
                for name, group in part.groupby(by, sort=True)
            ]
    columns = ["segment", "direction", "n", "mean", "easy", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
