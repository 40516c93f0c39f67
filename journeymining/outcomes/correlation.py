"""PostHog's funnel correlation: its formula, and what it does not say about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.proportions import benjamini_hochberg, odds_ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

SKEWED = 10
"""From this ratio of successes to failures on, either way, the odds are told with a warning."""


def posthog_correlation(journeys: JourneyFrame, label: NDArray[np.int8], *, top: int = 10) -> pd.DataFrame:
    """Rank activities by the odds ratio between customers who had the outcome and those who did not.

    The odds ratio is that of PostHog, ((s + 1) (F - f + 1)) / ((S - s + 1) (f + 1)), with S and F the customers with
    and without the outcome and s and f those of them who did it; activities of fewer than 25 customers, or 2 % if that
    is less, are left out; the ``top`` of each direction are kept. Added to it: an interval and a q-value.

    Parameters
    ----------
    journeys : JourneyFrame
        A customer counts once, with all journeys together.
    label : array of 0 and 1
        A customer had the outcome if any journey has.

    Returns
    -------
    DataFrame, one row per activity
        ``event``, ``success_count``, ``failure_count``, ``odds_ratio``, ``low``, ``high``, ``q``,
        ``correlation_type`` (success or failure), ``skewed`` (whether one outcome is over ten times as frequent); the
        most pronounced first, ties by name. Nothing here accounts for length, order or who the customers are: use
        `journeymining.outcomes.effects.effects` to claim anything.

    References
    ----------
    PostHog, ``funnel_correlation_query_runner.py``.
    """
    customer, names = pd.factorize(journeys.customer_id)
    won = np.bincount(customer, weights=label, minlength=len(names)) > 0
    pairs = np.unique(np.stack([customer[journeys.row], journeys.activity]), axis=1)
    size = len(journeys.activities)
    success = np.bincount(pairs[1][won[pairs[0]]], minlength=size)
    failure = np.bincount(pairs[1][~won[pairs[0]]], minlength=size)
    successes, failures = int(won.sum()), int((~won).sum())
    floor = min(25, 0.02 * len(names))
    rows = []
    for code in np.flatnonzero((success + failure >= floor) & (success + failure > 0)):
        s, f = float(success[code]), float(failure[code])
        ratio, low, high = odds_ratio(s, successes - s, f, failures - f, prior=1)
        rows.append((journeys.activities[code], int(s), int(f), ratio, low, high))
    table = pd.DataFrame(rows, columns=["event", "success_count", "failure_count", "odds_ratio", "low", "high"])
    table["q"] = benjamini_hochberg(_p_values(table, successes, failures))
    table["correlation_type"] = np.where(table["odds_ratio"] > 1, "success", "failure")
    table["skewed"] = max(successes, failures) > SKEWED * max(1, min(successes, failures))
    strength = np.abs(np.log(table["odds_ratio"].to_numpy(dtype=float)))
    table = table.assign(strength=strength).sort_values(["strength", "event"], ascending=[False, True], kind="stable")
    return table.groupby("correlation_type").head(top).drop(columns="strength").reset_index(drop=True)


def _p_values(table: pd.DataFrame, successes: int, failures: int) -> list[float]:
    return [
        float(stats.fisher_exact([[s, successes - s], [f, failures - f]])[1])
        for s, f in zip(table["success_count"], table["failure_count"], strict=True)
    ]
