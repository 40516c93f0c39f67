"""The temporal profile: how long it usually takes from one touchpoint to another, and which journeys are far off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.conformance.scope import Codes, scope_bucket

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import Bucket, PreparedLog

COLUMNS = ["source", "target", "journeys", "mean", "sd", "low", "high", "outside"]


def temporal_profile(
    log: PreparedLog, design: Design, *, zeta: float = 2.0, reference: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Measure the time between every two touchpoints of a design, and count the journeys far from the usual.

    Parameters
    ----------
    log : PreparedLog
    design : Design
        Says which journeys and events are in scope.
    zeta : float, default 2
        How many standard deviations from the mean are still usual.
    reference : DataFrame, optional
        The profile of another log, as this function returns it: its means and deviations are then what is usual. By
        default the log is compared with itself.

    Returns
    -------
    DataFrame, one row per pair of touchpoints that follow each other in some journey
        ``source``, ``target``, ``journeys`` that have both in this order, ``mean`` and ``sd`` (population) of the
        seconds from the first source to the first target, ``low`` and ``high`` = mean -/+ zeta * sd of what is usual,
        and ``outside``: journeys beyond these. By source, target.

    References
    ----------
    F. Stertz, J. Mangler, S. Rinderle-Ma, *Temporal conformance checking at runtime based on time-infused process
    models*, 2020; here with first occurrences only, one value per journey.
    """
    codes = Codes.of(log, design)
    names = [log.activities[code] for code in codes.designed.tolist()]

    def kernel(bucket: Bucket) -> NDArray[np.float64]:
        scoped = scope_bucket(bucket, codes, design)
        events = bucket.events[scoped.scoped]
        activity = events["activity"].to_numpy()
        place = np.searchsorted(codes.designed, activity).clip(max=max(len(names) - 1, 0))
        known = codes.designed[place] == activity if len(names) else np.zeros(len(activity), dtype=np.bool_)
        first = np.full((bucket.journeys.height, len(names)), np.nan)
        # Backwards, so that the first occurrence is the one that stays.
        rows = np.flatnonzero(known)[::-1]
        first[events["journey"].to_numpy()[rows], place[rows]] = events["time"].to_numpy()[rows] / 1e6
        return first

    first = log.run(kernel, np.concatenate, columns=["journey", "time", "activity", "channel"])
    rows = []
    for source, name in enumerate(names):
        for target, other in enumerate(names):
            apart = first[:, target] - first[:, source]
            apart = apart[apart >= 0] if source != target else apart[:0]
            if len(apart):
                rows.append(_row(name, other, apart, zeta, reference))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(
    source: str, target: str, apart: NDArray[np.float64], zeta: float, reference: pd.DataFrame | None
) -> list[object]:
    """Summarise the times of one pair."""
    mean, sd = float(apart.mean()), float(apart.std())
    usual_mean, usual_sd = mean, sd
    if reference is not None:
        same = reference[(reference["source"] == source) & (reference["target"] == target)]
        usual_mean, usual_sd = same[["mean", "sd"]].to_numpy()[0].tolist() if len(same) else (np.nan, np.nan)
    low, high = usual_mean - zeta * usual_sd, usual_mean + zeta * usual_sd
    outside = int(((apart < low) | (apart > high)).sum())
    return [source, target, len(apart), mean, sd, low, high, outside]
