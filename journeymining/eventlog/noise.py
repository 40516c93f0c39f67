"""Counts of variants with noise: differential privacy for customers, and nothing but counts."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

from journeymining.eventlog.schema import ORDER, REQUIRED
from journeymining.exceptions import InputError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

DELTA = Fraction(1, 1_000_000)
"""Chance, at most, that a path shows because of one customer: far below one divided by the number of customers."""


def noisy_variant_counts(
    log: pa.Table, epsilon: float, *, delta: float | Fraction = DELTA, seed: int | None = None
) -> pd.DataFrame:
    r"""Count the customers of every variant with Laplace noise, and show only counts that hide each single one.

    Every customer counts once, with the first journey. To each count noise of the discrete Laplace distribution with
    scale 1/epsilon is added, and only those of at least ``1 + ceil(ln(1 / (delta * (1 + exp(-epsilon)))) / epsilon)``
    are shown. The result is (epsilon, delta)-differentially private for adding or removing one customer with all they
    did: whatever somebody knows besides, it tells almost the same with and without that customer.

    What it does not do: every further result of the same customers adds its epsilon (and delta) to the first; groups of
    g customers are protected g times less; which activities there are is told wherever a path is shown; and how many
    customers are in no row is not known, as the true total is not told.

    Parameters
    ----------
    log : Table, one row per event
        An event log.
    epsilon : float
        How much one customer may change the result: about 1 is usual, 0.1 strict, 10 hardly a protection.
    delta : float, default one in a million
    seed : int, optional
        For tests only: noise that somebody can compute again protects nobody. Without it the noise comes from the
        operating system.

    Returns
    -------
    DataFrame, one row per variant shown
        ``path`` (list of activities) and ``customers`` (with noise), most first, ties by path. ``attrs`` has
        ``epsilon``, ``delta`` and ``threshold``.

    Raises
    ------
    UsageError
        If epsilon is not above 0, or delta not between 0 and 1.
    InputError
        If the table is no event log.

    References
    ----------
    C. Canonne, G. Kamath, T. Steinke, The discrete Gaussian for differential privacy, 2020, algorithm 2 (sampling);
    A. Korolova et al., Releasing search queries and clicks privately, WWW 2009 (the threshold).

    Examples
    --------
    >>> import pyarrow as pa
    >>> from journeymining.eventlog.table import to_event_log
    >>> log = to_event_log(pa.table({"journey_id": [str(i) for i in range(200)], "activity": ["a"] * 199 + ["b"],
    ...     "timestamp": ["2026-01-01T10:00Z"] * 200}))
    >>> counts = noisy_variant_counts(log, 1.0, seed=1)
    >>> counts["path"].tolist(), 180 < int(counts["customers"][0]) < 220, counts.attrs["threshold"]
    ([['a']], True, 15)
    """
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise UsageError(f"epsilon must be above 0, found {epsilon}.")
    if not 0 < delta < 1:
        raise UsageError(f"delta must be between 0 and 1, found {delta}.")
    for column in REQUIRED.names:
        if column not in log.column_names:
            raise InputError.missing_column(column, log.column_names, where="event log")
    chance = random.SystemRandom() if seed is None else random.Random(seed)
    threshold = 1 + math.ceil(math.log(1 / (float(delta) * (1 + math.exp(-epsilon)))) / epsilon)
    scale = 1 / Fraction(str(epsilon))
    # In the order of paths, so that nothing but the noise is random.
    noisy = [(path, count + discrete_laplace(scale, chance)) for path, count in _counts(log)]
    shown = sorted((row for row in noisy if row[1] >= threshold), key=lambda row: (-row[1], row[0]))
    table = pd.DataFrame({"path": [path for path, _ in shown], "customers": [count for _, count in shown]})
    table.attrs |= {"epsilon": epsilon, "delta": float(delta), "threshold": threshold}
    return table.astype({"customers": "int64"})


def discrete_laplace(scale: Fraction, chance: random.Random) -> int:
    """Draw a whole number x with probability proportional to exp(-abs(x) / scale), exactly.

    In whole numbers throughout: rounding of floating-point noise has been shown to give away what it should hide
    (I. Mironov, On significance of the least significant bits for differential privacy, CCS 2012).
    """
    top, bottom = scale.numerator, scale.denominator
    while True:
        part = chance.randrange(top)
        if not _with_chance_exp(Fraction(-part, top), chance):
            continue
        whole = 0
        while _with_chance_exp(Fraction(-1), chance):
            whole += 1
        size = (part + top * whole) // bottom
        negative = chance.randrange(2) == 1
        if not (negative and size == 0):
            return -size if negative else size


def _with_chance_exp(exponent: Fraction, chance: random.Random) -> bool:
    """Say yes with probability exp(exponent), for an exponent from -1 to 0."""
    tries = 1
    while chance.randrange(exponent.denominator * tries) < -exponent.numerator:
        tries += 1
    return tries % 2 == 1


def _counts(log: pa.Table) -> list[tuple[list[str], int]]:
    """Count the customers by the path of their first journey, sorted by path."""
    order = [name for name in ORDER if name in log.column_names]
    frame = pl.DataFrame(pl.from_arrow(log.select([*dict.fromkeys([*REQUIRED.names, *order])])))
    journeys = (
        frame.sort(order, nulls_last=True)
        .group_by("journey_id")
        .agg(pl.first("customer_id"), pl.min("timestamp").alias("start"), pl.col("activity").alias("path"))
    )
    first = journeys.sort("start", "journey_id").unique("customer_id", keep="first", maintain_order=True)
    counts = first.group_by("path").len().rows()
    return sorted((list(path), int(count)) for path, count in counts)
