"""Which activity comes right after which, how often and after how long a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from journeymining.discovery.quantiles import summarise_values

if TYPE_CHECKING:
    from journeymining.engines.prepared_log import PreparedLog


def directly_follows(log: PreparedLog) -> pd.DataFrame:
    """Count how often one activity comes right after another in the same journey.

    Parameters
    ----------
    log : PreparedLog

    Returns
    -------
    DataFrame, one row per pair that occurs
        ``source``, ``target``, ``events`` (how often), ``journeys`` (in how many journeys), ``median_wait``,
        ``mean_wait`` and ``p95_wait`` (seconds from the earlier event to the later; quantiles are exact, interpolated
        linearly between the two nearest ranks), most frequent pair first, ties in alphabetical order. No row if every
        journey has a single event.

    References
    ----------
    W. van der Aalst, *Process Mining: Data Science in Action*, 2nd ed., 2016, section 5.2.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     directly_follows(log)[["source", "target", "events", "median_wait"]]
      source target  events  median_wait
    0  order   call       1         30.0
    1  order    pay       1         60.0
    """
    width = len(log.activities)

    summary = summarise_values(
        log, lambda bucket: _steps(bucket.events, width), [0.5, 0.95], columns=["journey", "activity", "time"]
    )
    summary = summary.sort(["count", "key"], descending=[True, False])
    names = np.array(log.activities, dtype=object)
    keys = summary["key"].to_numpy()
    return pd.DataFrame(
        {
            "source": pd.Series(names[keys // width], dtype="str"),
            "target": pd.Series(names[keys % width], dtype="str"),
            "events": summary["count"].to_numpy().astype(np.int64),
            "journeys": summary["journeys"].to_numpy().astype(np.int64),
            "median_wait": summary["q0"].to_numpy() / 1e6,
            "mean_wait": summary["mean"].to_numpy() / 1e6,
            "p95_wait": summary["q1"].to_numpy() / 1e6,
        }
    )


def _steps(events: pl.DataFrame, width: int) -> pl.DataFrame:
    """Return one row per event and its successor: the pair as ``key``, ``journey``, and the wait as ``value``."""
    journey, activity, time = (events[name].to_numpy() for name in ("journey", "activity", "time"))
    same = journey[1:] == journey[:-1]
    key = activity[:-1].astype(np.int64)
    key *= width
    key += activity[1:]
    return pl.DataFrame({"journey": journey[1:][same], "key": key[same], "value": np.diff(time)[same]})
