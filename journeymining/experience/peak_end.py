"""How a journey was felt, from the scores of its contacts: mean, peak, trough, end, and what they explain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from journeymining.exceptions import InputError

COLUMNS = ["scores", "mean", "peak", "trough", "end", "peak_end", "trend", "contrast", "ends_positive", "duration"]


def peak_end(scores: pd.DataFrame, *, neutral: float) -> pd.DataFrame:
    """Describe the course of the scores of every journey.

    Parameters
    ----------
    scores : DataFrame, one row per scored contact
        ``journey_id``, ``time``, ``value``; rows without a value are left out. Any order; ties in time keep it.
    neutral : float
        The score that is neither good nor bad, such as 5.5 on a scale of 1 to 10.

    Returns
    -------
    DataFrame, one row per journey, by id
        ``journey_id``, ``scores`` (how many), ``mean``, ``peak`` (the score furthest from neutral, of equals the
        later), ``trough`` (lowest), ``end`` (last), ``peak_end`` (mean of peak and end), ``trend`` (slope per contact;
        0 for one), ``contrast`` (how often the scores change side of neutral), ``ends_positive``, ``duration``
        (seconds from the first to the last). That peak and end matter more than the mean is a hypothesis: compare.

    References
    ----------
    B. Alaybek et al., *OBHDP* 170 (2022) 104149 (meta-analysis: peak and end about as good as the mean).

    Examples
    --------
    >>> times = pd.to_datetime(range(5), utc=True)
    >>> contacts = pd.DataFrame({"journey_id": "a", "time": times, "value": [6, 9, 3, 7, 8]})
    >>> peak_end(contacts, neutral=5.5)[["mean", "peak", "trough", "end", "peak_end", "contrast"]].iloc[0].tolist()
    [6.6, 9.0, 3.0, 8.0, 8.5, 2.0]
    """
    for column in ("journey_id", "time", "value"):
        if column not in scores:
            raise InputError.missing_column(column, scores.columns, where="The scores")
    known = scores[scores["value"].notna()].sort_values(["journey_id", "time"], kind="stable")
    rows = []
    for journey, part in known.groupby("journey_id", sort=True):
        values = part["value"].to_numpy(dtype=float)
        away = np.abs(values - neutral)
        peak = float(values[len(values) - 1 - int(np.argmax(away[::-1]))])
        # A score on the neutral point has no side; it does not change sides either.
        sides = np.sign(values - neutral)
        sides = sides[sides != 0]
        trend = float(np.polyfit(np.arange(len(values)), values, 1)[0]) if len(values) > 1 else 0.0
        end = float(values[-1])
        lasted = pd.Timestamp(part["time"].iloc[-1]) - pd.Timestamp(part["time"].iloc[0])
        rows.append(
            (str(journey), len(values), float(values.mean()), peak, float(values.min()), end, (peak + end) / 2, trend,
             int((sides[1:] != sides[:-1]).sum()), end > neutral, lasted.total_seconds())
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["journey_id", *COLUMNS])
