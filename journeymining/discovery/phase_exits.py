"""When journeys move on from a phase, and when they end in it, with the journeys counted that may still go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from journeymining.discovery.phases import USUAL_ORDER, phase_places
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import Bucket, PreparedLog

MOVED_ON, ENDED, OPEN = 0, 1, 2

MOST_MOMENTS = 200
"""Moments that a curve is written at, at most; the estimate itself uses every one."""


def phase_exits(log: PreparedLog, *, order: Sequence[str] = USUAL_ORDER) -> pd.DataFrame:
    """Say per phase how many journeys move on from it, how many end in it, and when: drop-off with open journeys.

    A journey is followed from its first event in the phase: until its first event in any later phase (it moved on),
    or else until its last event (it ended without getting further; an open journey was only watched until then, and
    is censored). Falling back to an earlier phase ends nothing. The last phase has nothing to move on to.

    Parameters
    ----------
    log : PreparedLog
    order : sequence of str
        The phases from first to last.

    Returns
    -------
    DataFrame, one row per moment at which a journey moves on or ends, by phase and time
        ``phase``, ``time`` (seconds since entering it), ``at_risk`` (journeys still followed just before), ``exits``
        (moved on then), ``ends`` (ended then), ``still`` (share not yet gone: Kaplan and Meier), ``moved_on`` and
        ``ended`` (share that has gone this way by then: Aalen and Johansen), each with ``_low`` and ``_high`` (95 %),
        and ``ended_worth`` (fully followed journeys that the interval of ``ended`` is worth).
        ``still + moved_on + ended`` is 1. Journeys of which nobody told whether they are open count as ended.

    Raises
    ------
    UsageError
        If the log has a phase that the order does not name.

    Notes
    -----
    Without open journeys the shares are the plain ones and their intervals Wilson's. With open ones, the interval is
    Wilson's for the number of fully followed journeys that would give the same variance (Rothman). Memory grows with
    the number of distinct times.

    References
    ----------
    O. Aalen, S. Johansen, *Scandinavian Journal of Statistics* 5 (1978) 141-150; E. Marubini, M. Valsecchi, *Analysing
    Survival Data*, 1995, section 10.2 (variance); K. Rothman, *Journal of Chronic Diseases* 31 (1978) 557-560.
    """
    times = _exit_times(log, order)
    frames = [
        exit_curves(*(part[name].to_numpy() for name in ("seconds", "how", "journeys"))).assign(phase=order[place])
        for (place,), part in times.group_by("place", maintain_order=True)
    ]
    columns = ["phase", *(name for name in CURVE if name != "phase")]
    if not frames:
        return pd.DataFrame({name: pd.Series(dtype="str" if name == "phase" else "float64") for name in columns})
    return pd.concat(frames, ignore_index=True)[columns].astype({"phase": "str"})


CURVE = (
    "time", "at_risk", "exits", "ends", "still", "still_low", "still_high",
    "moved_on", "moved_on_low", "moved_on_high", "ended", "ended_low", "ended_high", "ended_worth",
)  # fmt: skip


def exit_curves(seconds: NDArray[np.float64], how: NDArray[np.int64], journeys: NDArray[np.int64]) -> pd.DataFrame:
    """Estimate the shares that moved on, ended and are still there as time goes by; see `phase_exits`.

    Parameters
    ----------
    seconds, how, journeys : arrays, one entry per distinct time and way
        ``how`` is 0 (moved on), 1 (ended) or 2 (open: not followed any longer); ``journeys`` how many.

    Examples
    --------
    >>> found = exit_curves(np.array([1.0, 2, 3]), np.array([0, 2, 1]), np.array([2, 1, 1]))
    >>> found[["time", "at_risk", "still", "moved_on", "ended"]]
       time  at_risk  still  moved_on  ended
    0   1.0        4    0.5       0.5    0.0
    1   3.0        1    0.0       0.5    0.5
    """
    moments = np.unique(seconds[how != OPEN])
    moved, ended = (_at(moments, seconds, journeys, how == way) for way in (MOVED_ON, ENDED))
    latest = np.argsort(seconds, kind="stable")
    gone = np.concatenate([[0], np.cumsum(journeys[latest])])
    at_risk = gone[-1] - gone[np.searchsorted(seconds[latest], moments, side="left")]
    left = moved + ended
    still = np.cumprod(1 - left / at_risk)
    before = np.concatenate([[1.0], still[:-1]])
    fates = float(journeys[how != OPEN].sum())
    table = {"time": moments, "at_risk": at_risk, "exits": moved, "ends": ended}
    shares = {"still": still, "moved_on": np.cumsum(before * moved / at_risk)}
    shares["ended"] = np.cumsum(before * ended / at_risk)
    variances = {
        # Who is still there is who did not leave: as the incidence of leaving in any way.
        "still": _variance(left, left, at_risk, before),
        "moved_on": _variance(moved, left, at_risk, before),
        "ended": _variance(ended, left, at_risk, before),
    }
    for name, share in shares.items():
        exact, worth = _effective(share, variances[name], fates)
        low, high = wilson(exact * worth, worth)
        table |= {name: share, f"{name}_low": low, f"{name}_high": high, f"{name}_worth": worth}
    return pd.DataFrame(table)[list(CURVE)]


def phase_dropoff(log: PreparedLog, exits: pd.DataFrame, *, order: Sequence[str] = USUAL_ORDER) -> pd.DataFrame:
    """Summarise `phase_exits`: one row per phase that journeys could have moved on from.

    Returns
    -------
    DataFrame, in the order of the phases, without the last one
        ``phase``, ``journeys`` (that reach it), ``moved_on``, ``ended``, ``open`` (how many of them, counted),
        ``drop_off`` (estimated share that ends without getting further, open journeys followed as far as they go)
        with ``drop_off_low``, ``drop_off_high`` and ``drop_off_worth`` (see `phase_exits`), ``followed`` (seconds:
        what the estimate reaches to) and ``median_time`` (seconds after which half are gone, in either way; missing
        if fewer ever go).
    """
    counts = _exit_times(log, order).group_by("place", "how").agg(pl.col("journeys").sum())
    counted = {(place, how): journeys for place, how, journeys in counts.iter_rows()}
    rows = []
    for place, phase in enumerate(order[:-1]):
        curve = exits[exits["phase"] == phase]
        moved, ended, still_open = (counted.get((place, how), 0) for how in (MOVED_ON, ENDED, OPEN))
        last = curve.iloc[-1] if len(curve) else dict.fromkeys(CURVE, float("nan"))
        half = curve.loc[curve["still"] <= 0.5 + 1e-12, "time"]
        rows.append(
            {
                "phase": phase,
                "journeys": moved + ended + still_open,
                "moved_on": moved,
                "ended": ended,
                "open": still_open,
                "drop_off": last["ended"],
                "drop_off_low": last["ended_low"],
                "drop_off_high": last["ended_high"],
                "drop_off_worth": last["ended_worth"],
                "followed": last["time"],
                "median_time": half.iloc[0] if len(half) else float("nan"),
            }
        )
    frame = pd.DataFrame(rows, columns=[*_DROPOFF])
    return frame.astype({"phase": "str"} | dict.fromkeys(("journeys", "moved_on", "ended", "open"), "int64"))


_DROPOFF = (
    "phase", "journeys", "moved_on", "ended", "open", "drop_off", "drop_off_low", "drop_off_high",
    "drop_off_worth", "followed", "median_time",
)  # fmt: skip


def thinned(exits: pd.DataFrame, most: int = MOST_MOMENTS) -> pd.DataFrame:
    """Keep at most so many moments of every curve, evenly spread over its rows, the first and last among them."""
    parts = []
    for _, curve in exits.groupby("phase", sort=False):
        rows = np.unique(np.linspace(0, len(curve) - 1, min(most, len(curve))).round().astype(int))
        parts.append(curve.iloc[rows])
    return pd.concat(parts, ignore_index=True) if parts else exits


def _exit_times(log: PreparedLog, order: Sequence[str]) -> pl.DataFrame:
    """Count journeys by the phase they are in, how they leave it, and after how many seconds."""
    places = phase_places(log, order)
    last = len(order) - 1

    def kernel(bucket: Bucket) -> pl.DataFrame:
        codes = list(range(len(places)))
        place = pl.col("phase").replace_strict(codes, places, default=None, return_dtype=pl.Int64)
        known = bucket.events.filter(pl.col("phase") >= 0).select("journey", "time", place.alias("place"))
        ends = bucket.journeys.select("journey", "end", pl.col("open").fill_null(False))
        parts = []
        for here in range(last):
            entered = (
                known.filter(pl.col("place") == here).group_by("journey").agg(pl.col("time").first().alias("entered"))
            )
            # In the order of events, so a later phase at the same moment but before the entry does not count.
            after = known.with_columns((pl.col("place") == here).cum_sum().over("journey").alias("entries"))
            onward = (
                after.filter((pl.col("place") > here) & (pl.col("entries") > 0))
                .group_by("journey")
                .agg(pl.col("time").first().alias("onward"))
            )
            way = pl.when(pl.col("onward").is_not_null()).then(MOVED_ON).when("open").then(OPEN).otherwise(ENDED)
            parts.append(
                entered.join(onward, on="journey", how="left")
                .join(ends, on="journey")
                .select(
                    pl.lit(here, pl.Int64).alias("place"),
                    way.cast(pl.Int64).alias("how"),
                    (pl.coalesce("onward", "end") - pl.col("entered")).alias("micros"),
                )
                .group_by("place", "how", "micros")
                .agg(pl.len().cast(pl.Int64).alias("journeys"))
            )
        return pl.concat(parts) if parts else _NO_TIMES

    def merge(parts: list[pl.DataFrame]) -> pl.DataFrame:
        return pl.concat(parts).group_by("place", "how", "micros").agg(pl.col("journeys").sum())

    found = log.run(kernel, merge, columns=["journey", "phase", "time"]).sort("place", "micros", "how")
    return found.with_columns((pl.col("micros") / 1e6).alias("seconds"))


_NO_TIMES = pl.DataFrame(schema={"place": pl.Int64, "how": pl.Int64, "micros": pl.Int64, "journeys": pl.Int64})


def _at(
    moments: NDArray[np.float64], seconds: NDArray[np.float64], journeys: NDArray[np.int64], those: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how many journeys have each moment."""
    found = np.zeros(len(moments), dtype=np.int64)
    np.add.at(found, np.searchsorted(moments, seconds[those]), journeys[those])
    return found


def _variance(
    mine: NDArray[np.int64], left: NDArray[np.int64], at_risk: NDArray[np.int64], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the variance of the cumulative incidence of one way of leaving, in one pass of running sums."""
    n = at_risk.astype(float)
    incidence = np.cumsum(before * mine / n)
    # Where everybody leaves at once the incidence does not change any more, and the first term is nothing.
    rest = n - left
    greenwood = np.divide(left, n * rest, out=np.zeros(len(n)), where=rest > 0)
    own = before**2 * mine * (n - mine) / n**3
    cross = before * mine / n**2
    sums = [np.cumsum(one) for one in (greenwood, greenwood * incidence, greenwood * incidence**2, own)]
    crossed, weighted = np.cumsum(cross), np.cumsum(cross * incidence)
    variance = incidence**2 * sums[0] - 2 * incidence * sums[1] + sums[2] + sums[3]
    total: NDArray[np.float64] = np.maximum(variance - 2 * (incidence * crossed - weighted), 0.0)
    return total


def _effective(
    share: NDArray[np.float64], variance: NDArray[np.float64], fates: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share, and how many journeys would give it this variance; where it is 0 or 1, all with a fate."""
    exact = np.where(share <= 1e-12, 0.0, np.where(share >= 1 - 1e-12, 1.0, share))
    inside = (exact > 0) & (exact < 1) & (variance > 0)
    return exact, np.divide(share * (1 - share), variance, out=np.full(len(share), fates), where=inside)
