"""Net Promoter Score, with an interval and with what it must not be computed from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.exceptions import InputError
from journeymining.proportions import Z95, design_effect

if TYPE_CHECKING:
    from collections.abc import Hashable

PROMOTER, PASSIVE = 9, 7
"""Least answer of a promoter and of a passive; anything below is a detractor."""

COLUMNS = ["segment", "n", "promoters", "passives", "detractors", "nps", "low", "high"]


def adjusted_wald(promoters: float, detractors: float, n: float) -> tuple[float, float]:
    """Return the adjusted share of promoters minus detractors and its variance.

    Three answers are added, one of each kind weighted 3/4, so that small samples do not look surer than they are.

    References
    ----------
    B. Rocks, *The American Statistician* 70 (2016) 365-372.

    Examples
    --------
    >>> score, variance = adjusted_wald(5, 2, 10)
    >>> round(score, 4), round(score - 1.96 * variance**0.5, 3), round(score + 1.96 * variance**0.5, 3)
    (0.2308, -0.191, 0.652)
    """
    total = n + 3
    up, down = (promoters + 0.75) / total, (detractors + 0.75) / total
    score = up - down
    return score, (up + down - score**2) / total


def nps(answers: pd.Series, *, customers: pd.Series | None = None) -> dict[str, float]:
    """Return one Net Promoter Score, in points from -100 to 100, with its 95 % interval.

    Parameters
    ----------
    answers : Series
        Answers to the recommend question on its scale of 0 to 10. Missing answers are left out.
    customers : Series, optional
        Who answered. Several answers of one customer widen the interval (they say less than as many customers).

    Returns
    -------
    dict
        ``n``, ``promoters`` (9-10), ``passives`` (7-8, they count in n), ``detractors`` (0-6), ``nps`` (the plain
        score) and ``low``, ``high`` (adjusted Wald). NaN without answers.

    Raises
    ------
    InputError
        If an answer lies outside 0 to 10.

    Examples
    --------
    >>> score = nps(pd.Series([10, 9, 9, 8, 7, 7, 6, 3, 10, 9]))
    >>> score["n"], score["nps"], round(score["low"], 1), round(score["high"], 1)
    (10, 30.0, -19.1, 65.2)
    """
    known = answers.notna()
    values = answers[known].astype(float)
    if ((values < 0) | (values > 10)).any():
        raise InputError(
            f"The recommend question has answers from 0 to 10; found {values.min():g} to {values.max():g}. "
            "Scales are not converted: an answer on another scale is no NPS."
        )
    n = len(values)
    up, down = int((values >= PROMOTER).sum()), int((values < PASSIVE).sum())
    result: dict[str, float] = {"n": n, "promoters": up, "passives": n - up - down, "detractors": down}
    if n == 0:
        return result | {"nps": math.nan, "low": math.nan, "high": math.nan}
    effect = 1.0
    if customers is not None:
        sign = np.where(values >= PROMOTER, 1.0, np.where(values < PASSIVE, -1.0, 0.0))
        effect = design_effect(sign, customers[known].to_numpy())
    score, variance = adjusted_wald(up / effect, down / effect, n / effect)
    half = Z95 * math.sqrt(variance)
    low, high = max(-1.0, score - half), min(1.0, score + half)
    return result | {"nps": 100 * (up - down) / n, "low": 100 * low, "high": 100 * high}


def nps_difference(first: tuple[int, int, int], second: tuple[int, int, int]) -> dict[str, float]:
    """Test whether two groups differ in NPS; each is (promoters, detractors, n).

    Returns
    -------
    dict
        ``difference`` of the adjusted scores in points, ``low``, ``high``, ``z`` and two-sided ``p``.

    Examples
    --------
    >>> test = nps_difference((45, 20, 100), (30, 30, 100))
    >>> round(test["difference"], 2), round(test["z"], 3), round(test["p"], 4)
    (24.27, 2.264, 0.0236)
    """
    (score1, variance1), (score2, variance2) = adjusted_wald(*first), adjusted_wald(*second)
    difference, error = score1 - score2, math.sqrt(variance1 + variance2)
    z = difference / error
    return {
        "difference": 100 * difference,
        "low": 100 * (difference - Z95 * error),
        "high": 100 * (difference + Z95 * error),
        "z": z,
        "p": float(2 * stats.norm.sf(abs(z))),
    }


def nps_table(surveys: pd.DataFrame, *, by: str | None = None, metric: str = "nps") -> pd.DataFrame:
    """Return the NPS of all answers, and of every segment.

    Parameters
    ----------
    surveys : DataFrame, one row per answer
        Columns ``metric`` and ``value``; optionally ``customer_id`` (clusters the interval), ``scale_min`` and
        ``scale_max`` (refused unless 0 and 10).
    by : str, optional
        Column that names the segment of an answer; answers without one are the segment ``(unknown)``.
    metric : str, default "nps"
        Which answers count.

    Returns
    -------
    DataFrame, one row per segment
        ``segment``, ``n``, ``promoters``, ``passives``, ``detractors``, ``nps``, ``low``, ``high`` (points). First
        ``all``, then segments by n descending, ties by name. Without answers only ``all`` with n = 0.
    """
    answers = recommend_answers(surveys, metric=metric)
    if by is not None and by not in answers:
        raise InputError.missing_column(by, answers.columns, where="The surveys")
    rows: list[dict[str, Hashable | float]] = [{"segment": "all", **_score(answers)}]
    if by is not None and len(answers):
        segments = answers[by].astype("object").where(answers[by].notna(), "(unknown)").astype(str)
        parts = [{"segment": name, **_score(part)} for name, part in answers.groupby(segments, sort=True)]
        rows += sorted(parts, key=lambda row: (-int(str(row["n"])), str(row["segment"])))
    return pd.DataFrame(rows, columns=COLUMNS)


def recommend_answers(surveys: pd.DataFrame, *, metric: str = "nps") -> pd.DataFrame:
    """Return the answers of one metric that have a value, after checking that their scale is 0 to 10."""
    for column in ("metric", "value"):
        if column not in surveys:
            raise InputError.missing_column(column, surveys.columns, where="The surveys")
    answers = surveys[(surveys["metric"] == metric) & surveys["value"].notna()]
    for column, expected in (("scale_min", 0), ("scale_max", 10)):
        if column in answers:
            other = answers.loc[answers[column].notna() & (answers[column] != expected), column]
            if len(other):
                raise InputError(
                    f"NPS needs a scale of 0 to 10; {len(other)} answers say {column} = {other.iloc[0]:g}. "
                    "Scales are not converted: read these answers as satisfaction."
                )
    return answers


def _score(answers: pd.DataFrame) -> dict[str, float]:
    return nps(answers["value"], customers=answers.get("customer_id"))
