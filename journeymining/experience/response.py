"""Who answered: response rates, and the mean as it would be had everyone answered as often."""

from __future__ import annotations

import pandas as pd

from journeymining.exceptions import InputError
from journeymining.proportions import wilson


def post_stratified(asked: pd.DataFrame, *, by: str) -> tuple[dict[str, float], pd.DataFrame]:
    """Return the mean answer as given and weighted to everyone who was asked.

    Parameters
    ----------
    asked : DataFrame, one row per customer or journey that was asked
        ``value`` (missing: no answer) and the stratum.
    by : str
        Column of the stratum, such as whether the journey went as designed. Those who answer are taken to speak for
        the others of their stratum.

    Returns
    -------
    summary : dict
        ``asked``, ``answered``, ``raw`` mean, ``post_stratified`` mean, ``uncovered`` (share of those asked in strata
        without any answer, which the weighted mean leaves out).
    strata : DataFrame, one row per stratum, by name
        ``segment``, ``asked``, ``answered``, ``rate`` with its Wilson interval ``low``, ``high``, ``mean``, ``weight``
        (of one answer).

    Examples
    --------
    >>> asked = pd.DataFrame({"went": ["well"] * 80 + ["wrong"] * 20,
    ...     "value": [8] * 40 + [None] * 40 + [4] * 2 + [None] * 18})
    >>> summary, _ = post_stratified(asked, by="went")
    >>> round(summary["raw"], 2), round(summary["post_stratified"], 2)
    (7.81, 7.2)
    """
    for column in ("value", by):
        if column not in asked:
            raise InputError.missing_column(column, asked.columns, where="Those who were asked")
    values = pd.to_numeric(asked["value"])
    strata = values.groupby(asked[by].astype("str")).agg(asked="size", answered="count", mean="mean").reset_index()
    strata = strata.rename(columns={by: "segment"})
    strata["rate"] = strata["answered"] / strata["asked"]
    strata["low"], strata["high"] = wilson(strata["answered"], strata["asked"])
    covered = strata[strata["answered"] > 0]
    people, answers = int(strata["asked"].sum()), int(strata["answered"].sum())
    reached = int(covered["asked"].sum())
    weighted = float((covered["mean"] * covered["asked"]).sum() / reached) if reached else float("nan")
    strata["weight"] = (strata["asked"] / people / (strata["answered"] / answers)).where(strata["answered"] > 0)
    summary = {
        "asked": people,
        "answered": answers,
        "raw": float(values.mean()),
        "post_stratified": weighted,
        "uncovered": 1 - reached / people if people else float("nan"),
    }
    return summary, strata[["segment", "asked", "answered", "rate", "low", "high", "mean", "weight"]]
