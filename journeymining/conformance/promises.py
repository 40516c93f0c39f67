"""Promises: deadlines between touchpoints, kept, broken or not yet decided."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from journeymining.conformance.scope import OUTSIDE
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.conformance.design import Calendar, Promise

NOT_MADE, KEPT, BROKEN, UNDECIDED = 0, 1, 2, 3

DAY = 86_400_000_000
WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Deadlines(NamedTuple):
    """How one promise fared, per journey: the verdict, how long it took (us, -1 unknown), and the deciding row."""

    verdict: NDArray[np.int8]
    took: NDArray[np.int64]
    row: NDArray[np.int64]


def judge_promise(
    promise: Promise,
    calendar: Calendar,
    *,
    journey: NDArray[np.int32],
    time: NDArray[np.int64],
    is_start: NDArray[np.bool_],
    is_to: NDArray[np.bool_],
    stands: NDArray[np.int8],
    ended: NDArray[np.int64],
) -> Deadlines:
    """Judge a promise in every journey, from its first start to the first ``to`` after that.

    Parameters
    ----------
    promise : Promise
    calendar : Calendar
        Used for business days: time on days off does not count.
    journey, time : per event, sorted
    is_start, is_to : per event
    stands : per journey, see `journeymining.conformance.scope`
    ended : per journey, until when it was watched (us)
        A journey that is still without ``to`` has broken the promise once the deadline lies behind this moment, and
        is undecided before.

    Examples
    --------
    >>> from journeymining.conformance.design import Calendar, Promise
    >>> hour = 3_600_000_000
    >>> found = judge_promise(
    ...     Promise("order", "delivery", timedelta(hours=24)), Calendar(),
    ...     journey=np.array([0, 0, 1, 2]), time=np.array([0, 20, 0, 0]) * hour,
    ...     is_start=np.array([1, 0, 1, 1], dtype=bool), is_to=np.array([0, 1, 0, 0], dtype=bool),
    ...     stands=np.zeros(3, dtype=np.int8), ended=np.array([20, 10, 40]) * hour,
    ... )
    >>> found.verdict.tolist()  # kept, undecided after 10 hours, broken after 40
    [1, 3, 2]
    """
    journeys, rows = len(stands), np.arange(len(journey))
    started = np.full(journeys, len(rows))
    np.minimum.at(started, journey[is_start], rows[is_start])
    done = np.full(journeys, len(rows))
    answers = is_to & (rows > started[journey])
    np.minimum.at(done, journey[answers], rows[answers])
    made = (started < len(rows)) & (stands != OUTSIDE)
    found = made & (done < len(rows))

    begin = np.zeros(journeys, dtype=np.int64)
    begin[made] = time[started[made]]
    until = np.where(made, ended, 0)
    until[found] = time[done[found]]
    took = _business(begin, until, calendar) if promise.business_days else until - begin
    within = took <= int(promise.within / timedelta(microseconds=1))
    verdict = np.full(journeys, NOT_MADE, dtype=np.int8)
    verdict[made] = np.where(within[made], np.where(found[made], KEPT, UNDECIDED), BROKEN)
    return Deadlines(verdict, np.where(found, took, -1), np.where(found, done, -1))


def _business(begin: NDArray[np.int64], until: NDArray[np.int64], calendar: Calendar) -> NDArray[np.int64]:
    """Return the time between moments that lies on working days (us), a day being 24 hours."""
    return _business_clock(until, calendar) - _business_clock(begin, calendar)


def _business_clock(moments: NDArray[np.int64], calendar: Calendar) -> NDArray[np.int64]:
    """Return what a clock shows that stands still on days off."""
    local = pd.DatetimeIndex(pd.to_datetime(moments, unit="us", utc=True)).tz_convert(calendar.timezone)
    wall = local.tz_localize(None).as_unit("us").to_numpy().astype("datetime64[us]").astype(np.int64)
    day = np.floor_divide(wall, DAY)
    mask = [name in calendar.working_days for name in WEEK]
    holidays = [np.datetime64(date.fromisoformat(one)) for one in calendar.holidays]
    days = day.astype("datetime64[D]")
    working = np.is_busday(days, weekmask=mask, holidays=holidays)
    before = np.busday_count(np.datetime64("1970-01-01"), days, weekmask=mask, holidays=holidays)
    clock: NDArray[np.int64] = before * DAY + np.where(working, wall - day * DAY, 0)
    return clock


def promise_table(promises: Sequence[Promise], verdicts: NDArray[np.int8], took: NDArray[np.int64]) -> pd.DataFrame:
    """Count kept, broken and undecided promises.

    Parameters
    ----------
    promises : as in the design
    verdicts, took : one row per promise, one column per journey, see `judge_promise`

    Returns
    -------
    DataFrame, one row per promise
        ``promise``, ``touchpoint``, ``made``, ``kept``, ``broken``, ``undecided``, ``share_kept`` of the decided ones
        with its interval ``share_low``, ``share_high`` (Wilson, 95 %), ``lowest`` and ``highest``: the share of all
        if every undecided one were broken, or kept; ``median_time`` in seconds of those that were fulfilled.
    """
    rows = []
    for number, promise in enumerate(promises):
        kept, broken, undecided = (int((verdicts[number] == one).sum()) for one in (KEPT, BROKEN, UNDECIDED))
        made, decided = kept + broken + undecided, kept + broken
        low, high = wilson(kept, decided)
        times = took[number][took[number] >= 0]
        rows.append(
            {
                "promise": promise.text,
                "touchpoint": promise.to,
                "made": made,
                "kept": kept,
                "broken": broken,
                "undecided": undecided,
                "share_kept": kept / decided if decided else np.nan,
                "share_low": float(low),
                "share_high": float(high),
                "lowest": kept / made if made else np.nan,
                "highest": (kept + undecided) / made if made else np.nan,
                "median_time": float(np.median(times)) / 1e6 if len(times) else np.nan,
            }
        )
    columns = [
        "promise", "touchpoint", "made", "kept", "broken", "undecided", "share_kept", "share_low", "share_high",
        "lowest", "highest", "median_time",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
