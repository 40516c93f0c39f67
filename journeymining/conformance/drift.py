"""Conformance over time: figures per period, and the day a deviation became more or less frequent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from scipy.special import betaln, logsumexp

from journeymining.conformance.temporal import temporal_profile
from journeymining.exceptions import UsageError
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from journeymining.conformance.conform import Conformance
    from journeymining.engines.prepared_log import PreparedLog

PERIODS = {"day": "1d", "week": "1w", "month": "1mo", "quarter": "1q", "year": "1y"}


class Change(NamedTuple):
    """A change of a share.

    ``before`` and ``after`` are the shares on either side of the likeliest ``place``, the first of the new times;
    ``earliest`` to ``latest`` holds it with 95 % probability; ``probability`` is that there is a change at all.
    """

    place: int
    earliest: int
    latest: int
    before: float
    after: float
    probability: float


def change_point(successes: ArrayLike, trials: ArrayLike) -> Change | None:
    """Find where a share changed once, with how sure that is.

    Parameters
    ----------
    successes, trials : one each per time, in order

    Returns
    -------
    Change, or None with fewer than two times
        From the posterior of one change at an unknown time against none (both equally likely beforehand, every time
        equally likely, any share equally likely), in closed form.

    Examples
    --------
    >>> found = change_point([1, 0, 1, 0, 9, 8, 9], [10] * 7)
    >>> found.place, found.earliest, found.latest, found.probability > 0.99
    (4, 4, 4, True)

    References
    ----------
    A. F. M. Smith, *A Bayesian approach to inference about a change-point in a sequence of random variables*,
    Biometrika 62 (1975) 407-416.
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    if len(k) < 2:
        return None
    first_k, first_n = np.cumsum(k)[:-1], np.cumsum(n)[:-1]
    rest_k, rest_n = k.sum() - first_k, n.sum() - first_n
    split = betaln(first_k + 1, first_n - first_k + 1) + betaln(rest_k + 1, rest_n - rest_k + 1)
    one = logsumexp(split) - np.log(len(split))
    none = betaln(k.sum() + 1, n.sum() - k.sum() + 1)
    posterior = np.exp(split - logsumexp(split))
    best = int(np.argmax(posterior))
    # The smallest set of neighbouring times around the likeliest that holds 95 %.
    low = high = best
    while posterior[low : high + 1].sum() < 0.95:
        left = posterior[low - 1] if low else -1.0
        right = posterior[high + 1] if high + 1 < len(posterior) else -1.0
        low, high = (low - 1, high) if left >= right else (low, high + 1)
    with np.errstate(invalid="ignore"):
        before, after = first_k[best] / first_n[best], rest_k[best] / rest_n[best]
    probability = float(1 / (1 + np.exp(np.clip(none - one, -700, 700))))
    return Change(best + 1, low + 1, high + 1, float(before), float(after), probability)


def by_period(log: PreparedLog, conformance: Conformance, *, every: str = "month") -> pd.DataFrame:
    """Say per period how many journeys that began in it follow the design.

    Parameters
    ----------
    log : PreparedLog
    conformance : Conformance of that log
    every : day, week, month, quarter or year, in UTC

    Returns
    -------
    DataFrame, one row per period with journeys
        ``period`` (its first day), ``journeys`` in scope that began in it, ``following`` (cost 0), ``share``,
        ``share_low``, ``share_high`` (Wilson, 95 %), mean ``fitness``. Empty without a model: no cost.
    """
    journeys = period_of_journeys(log, conformance, every).filter(pl.col("cost").is_not_nan()).drop_nulls("cost")
    table = (
        journeys.group_by("period")
        .agg(
            pl.len().cast(pl.Int64).alias("journeys"),
            (pl.col("cost") == 0).sum().cast(pl.Int64).alias("following"),
            pl.col("fitness").mean(),
        )
        .sort("period")
        .to_pandas()
    )
    low, high = wilson(table["following"], table["journeys"])
    table.insert(3, "share", table["following"] / table["journeys"])
    table.insert(4, "share_low", low)
    table.insert(5, "share_high", high)
    return table


def period_of_journeys(log: PreparedLog, conformance: Conformance, every: str) -> pl.DataFrame:
    """Return ``journey_id``, ``cost``, ``fitness``, ``start`` and ``period`` of the journeys in scope.

    Raises
    ------
    UsageError
        If there is no such period.
    """
    if every not in PERIODS:
        raise UsageError(f"Unknown period '{every}'. Known: {', '.join(PERIODS)}.")
    return _starts(log, conformance).with_columns(pl.col("start").dt.truncate(PERIODS[every]).alias("period"))


def drift(log: PreparedLog, conformance: Conformance, *, at_least: int = 10, sure: float = 0.95) -> pd.DataFrame:
    """Say which deviations became more or less frequent, and since when.

    Parameters
    ----------
    log : PreparedLog
    conformance : Conformance of that log
    at_least : int, default 10
        Deviations of fewer journeys are left out.
    sure : float, default 0.95
        Only changes of at least this probability are returned.

    Returns
    -------
    DataFrame, one row per type and touchpoint that changed
        ``type``, ``touchpoint``, ``since`` (likeliest first day of the new share, by the day journeys began, in UTC),
        ``earliest`` and ``latest`` (95 %), shares ``before`` and ``after``, ``probability`` that there is a change;
        most probable first. One change per deviation is looked for.
    """
    journeys = _starts(log, conformance).with_columns(pl.col("start").dt.truncate("1d").alias("day"))
    days = journeys.group_by("day").len().sort("day")
    findings = pl.from_pandas(conformance.findings[["type", "touchpoint", "journey_id"]]).unique()
    counts = (
        findings.join(journeys.select("journey_id", "day"), on="journey_id")
        .group_by("type", "touchpoint", "day")
        .len("with")
        .sort("type", "touchpoint", "day")
    )
    rows = []
    for (kind, touchpoint), group in counts.group_by("type", "touchpoint", maintain_order=True):
        if group["with"].sum() < at_least:
            continue
        daily = days.join(group.select("day", "with"), on="day", how="left", maintain_order="left")
        found = change_point(daily["with"].fill_null(0).to_numpy(), daily["len"].to_numpy())
        if found is not None and found.probability >= sure:
            since, earliest, latest = (daily["day"][place] for place in (found.place, found.earliest, found.latest))
            rows.append([kind, touchpoint, since, earliest, latest, found.before, found.after, found.probability])
    columns = ["type", "touchpoint", "since", "earliest", "latest", "before", "after", "probability"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def write_over_time(log: PreparedLog, conformance: Conformance, folder: Path, *, every: str = "month") -> None:
    """Write ``conformance_periods.csv``, ``_drift.csv`` and ``_temporal.csv`` into a folder that exists."""
    for name, table in (
        ("periods", by_period(log, conformance, every=every)),
        ("drift", drift(log, conformance)),
        ("temporal", temporal_profile(log, conformance.design)),
    ):
        table.to_csv(folder / f"conformance_{name}.csv", index=False, lineterminator="\n")


def _starts(log: PreparedLog, conformance: Conformance) -> pl.DataFrame:
    """Return the journeys in scope with the moment they began."""
    starts = log.run(lambda bucket: bucket.journeys.select("journey_id", "start"), pl.concat, columns=["journey"])
    inside = conformance.journeys[conformance.journeys["in_scope"]][["journey_id", "cost", "fitness"]]
    moment = pl.from_epoch("start", time_unit="us").dt.replace_time_zone("UTC")
    return pl.from_pandas(inside).join(starts, on="journey_id").with_columns(moment)
