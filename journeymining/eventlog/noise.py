"""Counts of variants with noise: differential privacy for customers, and nothing but counts."""

from __future__ import annotations

import importlib.util
import math
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa

from journeymining.eventlog.schema import ORDER, REQUIRED
from journeymining.eventlog.table import to_event_log
from journeymining.exceptions import InputError, MissingDependencyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

DELTA = 1e-6
"""Chance, at most, that a path shows because of one customer: far below one divided by the number of customers."""

NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def noisy_variant_counts(log: pa.Table, epsilon: float, *, delta: float = DELTA) -> pd.DataFrame:
    r"""Count the customers of every variant with Laplace noise, and show only counts that hide each single one.

    Every customer counts once, with the first journey, so that adding or removing one customer with all they did
    changes one count by one: that is the sensitivity, whatever number of journeys and events they have. To each count
    noise of the discrete Laplace distribution with scale 1/epsilon is added, drawn exactly and from the operating
    system's secure source by OpenDP, and only counts of at least ``1 + ceil(ln(1 / (delta (1 + exp(-epsilon)))) /
    epsilon)`` are shown. The result is (epsilon, delta)-differentially private for customers: whatever somebody knows
    besides, it tells almost the same with and without any one of them.

    What it does not do: every further result of the same customers adds its epsilon (and delta) to the first; groups of
    g customers are protected g times less; which activities there are is told wherever a path is shown; and how many
    customers are in no row is not known, as the true total is not told. There is no seed: noise that somebody can
    compute again protects nobody.

    Parameters
    ----------
    log : Table, one row per event
        An event log.
    epsilon : float
        How much one customer may change the result: about 1 is usual, 0.1 strict, 10 hardly a protection.
    delta : float, default one in a million

    Returns
    -------
    DataFrame, one row per variant shown
        ``path`` (list of activities) and ``customers`` (with noise), most first, ties by path. ``attrs`` is the budget:
        ``epsilon`` and ``delta`` of the result, ``threshold`` (the smallest count shown), ``scale`` of the noise,
        ``protects``, ``contribution`` and ``mechanism`` in words.

    Raises
    ------
    MissingDependencyError
        If OpenDP is not installed.
    UsageError
        If epsilon is not above 0, or delta not between 0 and 1.
    InputError
        If the table is no event log.

    References
    ----------
    C. Dwork, F. McSherry, K. Nissim, A. Smith, Calibrating noise to sensitivity in private data analysis, TCC 2006;
    C. Canonne, G. Kamath, T. Steinke, The discrete Gaussian for differential privacy, 2020 (exact sampling);
    A. Korolova et al., Releasing search queries and clicks privately, WWW 2009 (the threshold).

    Examples
    --------
    >>> from journeymining.eventlog.table import to_event_log
    >>> log = to_event_log(pa.table({"journey_id": [str(i) for i in range(200)], "activity": ["a"] * 199 + ["b"],
    ...     "timestamp": ["2026-01-01T10:00Z"] * 200}))
    >>> counts = noisy_variant_counts(log, 1.0)  # doctest: +SKIP
    >>> counts["path"].tolist(), counts.attrs["threshold"]  # doctest: +SKIP
    ([['a']], 15)
    """
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise UsageError(f"epsilon must be above 0, found {epsilon}.")
    if not 0 < delta < 1:
        raise UsageError(f"delta must be between 0 and 1, found {delta}.")
    for column in REQUIRED.names:
        if column not in log.column_names:
            raise InputError.missing_column(column, log.column_names, where="event log")
    add_noise, budget = calibrated(epsilon, delta)
    # In the order of paths, and every one with noise of its own, so that nothing but the noise is random.
    counts = _counts(log)
    noisy = add_noise([count for _, count in counts])
    rows = [(path, int(count)) for (path, _), count in zip(counts, noisy, strict=True) if count >= budget["threshold"]]
    shown = sorted(rows, key=lambda row: (-row[1], row[0]))
    table = pd.DataFrame({"path": [path for path, _ in shown], "customers": [count for _, count in shown]})
    table.attrs |= budget
    return table.astype({"customers": "int64"})


def calibrated(epsilon: float, delta: float) -> tuple[Callable[[list[int]], list[int]], dict[str, Any]]:
    """Return OpenDP's noise for counts of which one customer changes one by one, and the budget with its threshold.

    Raises
    ------
    MissingDependencyError
        If OpenDP is not installed.
    """
    if importlib.util.find_spec("opendp") is None:
        raise MissingDependencyError.extra("opendp", "privacy")
    import opendp.prelude as dp

    dp.enable_features("contrib")
    counts = dp.vector_domain(dp.atom_domain(T="i64"))
    scale = 1 / epsilon
    add_noise: Any = dp.m.make_laplace(counts, dp.l1_distance(T="i64"), scale=scale)
    while add_noise.map(1) > epsilon:
        # One divided by epsilon was rounded down.
        scale = math.nextafter(scale, math.inf)
        add_noise = dp.m.make_laplace(counts, dp.l1_distance(T="i64"), scale=scale)
    # OpenDP's own threshold tells a delta that is too small (opendp issue 2922): a path that only one customer took
    # shows if the noise is at least threshold - 1, the threshold itself included.
    threshold = 1 + math.ceil(math.log(1 / (delta * (1 + math.exp(-epsilon)))) / epsilon)
    threshold = max(threshold, 1)
    return add_noise, {
        "epsilon": add_noise.map(1),
        "delta": math.exp(-epsilon * (threshold - 1)) / (1 + math.exp(-epsilon)),
        "threshold": threshold,
        "scale": scale,
        "protects": "one customer with all journeys and events",
        "contribution": "every customer counts once, with the first journey: one count changes by one",
        "mechanism": f"discrete Laplace noise of OpenDP {version('opendp')}, and a threshold",
    }


def log_of_counts(counts: pd.DataFrame) -> pa.Table:
    """Make an event log in which as many customers follow each path as the counts say; it promises what they promise.

    Names are numbers and times are none: events of a journey are one second apart, from 1970 on.

    Parameters
    ----------
    counts : DataFrame
        What `noisy_variant_counts` returns.

    Returns
    -------
    Table
        An event log.

    Examples
    --------
    >>> log_of_counts(pd.DataFrame({"path": [["a", "b"]], "customers": [2]}))["activity"].to_pylist()
    ['a', 'b', 'a', 'b']
    """
    journeys = [
        path for path, customers in zip(counts["path"], counts["customers"], strict=True) for _ in range(customers)
    ]
    events = [(number, place, name) for number, path in enumerate(journeys, 1) for place, name in enumerate(path)]
    numbers = pa.array([str(number) for number, _, _ in events], pa.string())
    seconds = int(NO_TIME.timestamp())
    return to_event_log(
        pa.table(
            {
                "journey_id": numbers,
                "customer_id": numbers,
                "activity": pa.array([name for _, _, name in events], pa.string()),
                "timestamp": pa.array(
                    [(seconds + place) * 1_000_000 for _, place, _ in events], pa.timestamp("us", "UTC")
                ),
            }
        )
    )


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
