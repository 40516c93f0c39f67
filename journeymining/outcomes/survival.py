"""When an outcome comes, with everyone counted for as long as they were watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.exceptions import EmptyLogError, InputError
from journeymining.outcomes.partial_likelihood import fit_cox
from journeymining.proportions import Z95, benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

CELLS = 4_000_000
"""Pairs of journeys that are compared at a time."""


def kaplan_meier(durations: ArrayLike, happened: ArrayLike) -> pd.DataFrame:
    """Estimate the share that is still without the outcome as time goes by.

    Parameters
    ----------
    durations : array-like
        How long each journey or customer was watched, in any unit.
    happened : array-like of bool
        Whether the outcome came at the end of it; otherwise the watching ended.

    Returns
    -------
    DataFrame, one row per time at which an outcome came
        ``time``, ``at_risk``, ``events``, ``survival``, ``low``, ``high`` (95 %, log-log; NaN where survival is 0 or
        1), ``hazard`` (cumulative, Nelson and Aalen). Empty without outcomes. At equal times outcomes come first.

    References
    ----------
    E. L. Kaplan, P. Meier, *JASA* 53 (1958) 457-481.

    Examples
    --------
    >>> kaplan_meier([2, 3, 4, 5, 6], [1, 0, 1, 0, 1])["survival"].round(4).tolist()
    [0.8, 0.5333, 0.0]
    """
    times, came = np.asarray(durations, dtype=float), np.asarray(happened, dtype=bool)
    if np.isnan(times).any() or (times < 0).any():
        raise InputError("Durations must be numbers of 0 or more.")
    moments, events = np.unique(times[came], return_counts=True)
    at_risk = len(times) - np.searchsorted(np.sort(times), moments, side="left")
    survival = np.cumprod(1 - events / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(events / (at_risk * (at_risk - events)))
        half = Z95 * np.sqrt(variance) / np.log(survival)
        low, high = survival ** np.exp(-half), survival ** np.exp(half)
    unknown = (survival <= 0) | (survival >= 1)
    return pd.DataFrame(
        {
            "time": moments,
            "at_risk": at_risk,
            "events": events,
            "survival": survival,
            "low": np.where(unknown, np.nan, np.minimum(low, high)),
            "high": np.where(unknown, np.nan, np.maximum(low, high)),
            "hazard": np.cumsum(events / at_risk),
        }
    )


def survival_at(curve: pd.DataFrame, time: float) -> float:
    """Return the survival of a curve of `kaplan_meier` at a time."""
    before = curve.loc[curve["time"] <= time, "survival"]
    return float(before.iloc[-1]) if len(before) else 1.0


def log_rank(durations: ArrayLike, happened: ArrayLike, groups: ArrayLike) -> float:
    """Return the p-value of all groups having the same survival; NaN if there is one group or nothing happened."""
    from statsmodels.duration.survfunc import survdiff

    times, came, names = np.asarray(durations, dtype=float), np.asarray(happened, dtype=int), np.asarray(groups)
    if len(np.unique(names)) < 2 or not came.any():
        return float("nan")
    _, p = survdiff(times, came, names)
    return float(p)


def compare_survival(durations: ArrayLike, happened: ArrayLike, has: pd.DataFrame) -> pd.DataFrame:
    """Compare, for every pattern, how long journeys with it and without it stay without the outcome.

    A pattern must be known when the watching begins (at the landmark): a pattern that only those who stay can still
    get would seem to make them stay (immortal time). For such patterns use `cox` with rows that change.

    Parameters
    ----------
    durations, happened : array-like, one entry per journey
    has : DataFrame of bool, one column per pattern

    Returns
    -------
    DataFrame, one row per pattern
        ``pattern``, ``n``, ``median_with``, ``median_without`` (NaN if not reached), ``p`` (log-rank), ``q``
        (Benjamini-Hochberg); smallest p first.
    """
    times, came = np.asarray(durations, dtype=float), np.asarray(happened, dtype=bool)
    rows = []
    for name in has:
        inside = has[name].to_numpy(dtype=bool)
        medians = [_median(kaplan_meier(times[part], came[part])) for part in (inside, ~inside)]
        rows.append((str(name), int(inside.sum()), *medians, log_rank(times, came, inside)))
    table = pd.DataFrame(rows, columns=["pattern", "n", "median_with", "median_without", "p"])
    table["pattern"] = table["pattern"].astype("str")
    table["q"] = benjamini_hochberg(table["p"])
    return table.sort_values(["p", "pattern"], kind="stable", ignore_index=True)


def cox(rows: pd.DataFrame, covariates: Sequence[str], *, customers: str | None = None) -> pd.DataFrame:
    """Fit a proportional-hazards model whose covariates may change over time.

    Parameters
    ----------
    rows : DataFrame, one row per stretch of time in which nothing changes
        ``start``, ``stop`` (later than start), ``happened`` (whether the outcome came at stop) and the covariates as
        they were from start on.
    covariates : sequence of str
    customers : str, optional
        Column by which rows belong together; errors are then robust to it.

    Returns
    -------
    DataFrame, one row per covariate
        ``covariate``, ``hazard_ratio``, ``low``, ``high`` (95 %), ``p``.

    References
    ----------
    D. R. Cox, *JRSS B* 34 (1972) 187-220. Ties by Efron's method; robust errors by D. Y. Lin, L. J. Wei, *JASA* 84
    (1989) 1074-1078.
    """
    for column in ("start", "stop", "happened", *covariates):
        if column not in rows:
            raise InputError.missing_column(column, rows.columns, where="The rows of the hazard model")
    if not (rows["stop"] > rows["start"]).all():
        raise InputError(f"{int((rows['stop'] <= rows['start']).sum())} rows do not stop after they start.")
    if not rows["happened"].astype(bool).any():
        raise EmptyLogError("The outcome never came: there is no hazard to explain.")
    x = rows[list(covariates)].to_numpy(dtype=float)
    start, stop = (rows[name].to_numpy(dtype=float) for name in ("start", "stop"))
    clusters = None if customers is None else pd.factorize(rows[customers])[0]
    beta, covariance = fit_cox(start, stop, rows["happened"].to_numpy(dtype=bool), x, clusters)
    error = np.sqrt(np.diag(covariance))
    return pd.DataFrame(
        {
            "covariate": list(covariates),
            "hazard_ratio": np.exp(beta),
            "low": np.exp(beta - Z95 * error),
            "high": np.exp(beta + Z95 * error),
            "p": 2 * stats.norm.sf(np.abs(beta / error)),
        }
    )


def concordance(durations: ArrayLike, happened: ArrayLike, risk: ArrayLike, *, until: float = np.inf) -> float:
    """Return how often, of two journeys, the one with the higher risk has the outcome first: 0.5 is a coin.

    Pairs are weighted by the inverse chance of not having been censored by then (IPCW), so that it does not depend on
    how long the log watches. Equal risks count half.

    Parameters
    ----------
    durations, happened : array-like
        As for `kaplan_meier`.
    risk : array-like
        Higher means sooner.
    until : float
        Only outcomes before this time count; choose one at which journeys are still watched.

    Returns
    -------
    float
        NaN if no pair can be compared. Cost grows with outcomes times journeys.

    References
    ----------
    H. Uno et al., *Statistics in Medicine* 30 (2011) 1105-1117.

    Examples
    --------
    >>> concordance([1, 2, 3, 4], [1, 1, 1, 1], [4, 3, 1, 2])
    0.8333333333333334
    """
    times, came = np.asarray(durations, dtype=float), np.asarray(happened, dtype=bool)
    scores, weights = np.asarray(risk, dtype=float), _censoring_weights(times, came)
    won = total = 0.0
    for rows in np.array_split(np.flatnonzero(came & (times < until)), max(1, int(came.sum()) * len(times) // CELLS)):
        later = times[rows, None] < times
        better = (scores[rows, None] > scores) + 0.5 * (scores[rows, None] == scores)
        won += float(((later * better).sum(axis=1) * weights[rows]).sum())
        total += float((later.sum(axis=1) * weights[rows]).sum())
    return won / total if total else float("nan")


def _censoring_weights(times: NDArray[np.float64], came: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return, per journey, one over the squared chance of still being watched just before its time."""
    # At equal times outcomes come first, so those who had theirs are no longer there to be censored.
    moments, lost = np.unique(times[~came], return_counts=True)
    left = len(times) - np.searchsorted(np.sort(times), moments, side="left")
    left -= np.searchsorted(np.sort(times[came]), moments, side="right")
    left += np.searchsorted(np.sort(times[came]), moments, side="left")
    watched = np.concatenate([[1.0], np.cumprod(1 - lost / left)])
    chance = watched[np.searchsorted(moments, times, side="left")]
    weights: NDArray[np.float64] = np.divide(1.0, chance**2, out=np.zeros_like(chance), where=chance > 0)
    return weights


def _median(curve: pd.DataFrame) -> float:
    reached: NDArray[np.float64] = curve.loc[curve["survival"] <= 0.5, "time"].to_numpy(dtype=float)
    return float(reached[0]) if len(reached) else float("nan")
