"""Satisfaction marks in bands, as a whole and per segment."""

from __future__ import annotations

import pandas as pd

from journeymining.exceptions import InputError
from journeymining.proportions import wilson

BANDS = {"fail": (1, 5), "6": (6, 6), "7-8": (7, 8), "9+": (9, 10)}
"""Marks of 1 to 10: failed, sufficient, the zone in which loyalty is said not to move (a hypothesis), delighted."""


def satisfaction_bands(answers: pd.Series) -> pd.DataFrame:
    """Return how many marks of 1 to 10 fall in each band, with Wilson intervals.

    Half marks belong to the band they round down to (8.5 is 7-8: 9+ means nine or more). Missing answers are left out.

    Returns
    -------
    DataFrame, one row per band
        ``band``, ``n``, ``share``, ``low``, ``high``; shares are of all answers. Bands without answers are listed.

    Raises
    ------
    InputError
        If a mark lies outside 1 to 10.

    Examples
    --------
    >>> satisfaction_bands(pd.Series([7, 8, 9, 10, 6]))[["band", "n", "share"]].to_dict("list")
    {'band': ['fail', '6', '7-8', '9+'], 'n': [0, 1, 2, 2], 'share': [0.0, 0.2, 0.4, 0.4]}
    """
    values = answers.dropna().astype(float)
    if len(values) and not (values.ge(1) & values.le(10)).all():
        raise InputError(
            f"Satisfaction marks run from 1 to 10; found {values.min():g} to {values.max():g}. "
            "Scales are not converted."
        )
    # Each band reaches up to the next one, so that a half mark falls in exactly one.
    lower = [low for low, _ in BANDS.values()]
    edges = [*lower, 11]
    counts = [int(((values >= edges[i]) & (values < edges[i + 1])).sum()) for i in range(len(lower))]
    low, high = wilson(counts, [len(values)] * len(counts))
    shares = [count / len(values) if len(values) else float("nan") for count in counts]
    return pd.DataFrame({"band": list(BANDS), "n": counts, "share": shares, "low": low, "high": high})


def top_two_box(answers: pd.Series, *, scale_max: float) -> dict[str, float]:
    """Return the share of answers in the two highest marks of the scale, with its Wilson interval.

    Examples
    --------
    >>> round(top_two_box(pd.Series([7, 8, 9, 10, 6]), scale_max=10)["share"], 2)
    0.4
    """
    values = answers.dropna().astype(float)
    count = int((values >= scale_max - 1).sum())
    low, high = wilson(count, len(values))
    share = count / len(values) if len(values) else float("nan")
    return {"n": len(values), "top": count, "share": share, "low": float(low), "high": float(high)}


def satisfaction_table(surveys: pd.DataFrame, *, by: str | None = None, metric: str = "csat") -> pd.DataFrame:
    """Return the satisfaction of all answers, and of every segment, in bands.

    Parameters
    ----------
    surveys : DataFrame, one row per answer
        Columns ``metric`` and ``value`` (marks of 1 to 10); optionally ``scale_min`` and ``scale_max``, refused unless
        1 and 10.
    by : str, optional
        Column that names the segment of an answer; answers without one are the segment ``(unknown)``.

    Returns
    -------
    DataFrame, one row per segment and band
        ``segment``, ``answers`` (of the segment), ``mean``, then what `satisfaction_bands` returns; first ``all``.
    """
    for column in ("metric", "value", *([by] if by else [])):
        if column not in surveys:
            raise InputError.missing_column(column, surveys.columns, where="The surveys")
    answers = surveys[(surveys["metric"] == metric) & surveys["value"].notna()]
    for column, expected in (("scale_min", 1), ("scale_max", 10)):
        if column in answers and (answers[column].dropna() != expected).any():
            found = answers.loc[answers[column].notna() & (answers[column] != expected), column].iloc[0]
            raise InputError(
                f"Bands are for marks of 1 to 10; {column} = {found:g} was found. Scales are not converted."
            )
    parts = [("all", answers)]
    if by:
        names = answers[by].astype("object").where(answers[by].notna(), "(unknown)").astype(str)
        parts += [(str(name), part) for name, part in answers.groupby(names, sort=True)]
    return pd.concat(
        [_bands(name, part["value"]) for name, part in parts],
        ignore_index=True,
    )


def _bands(name: str, values: pd.Series) -> pd.DataFrame:
    bands = satisfaction_bands(values)
    bands.insert(0, "segment", name)
    bands.insert(1, "answers", len(values))
    bands.insert(2, "mean", float(values.mean()) if len(values) else float("nan"))
    return bands
