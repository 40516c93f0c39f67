"""True time, and how each system would write it down. Times are whole microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np

from journeymining.simulation.company import CLOCK_OFFSETS, OBSERVED_FROM, OBSERVED_UNTIL, ZONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
_MARGIN = timedelta(days=40)  # a visit before the first order, a call that ends after the last day


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970.

    Examples
    --------
    >>> micros(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
    True
    """
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def by_the_clock_of(system: str, true_time: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what the clock of a system shows at a true time."""
    return true_time + CLOCK_OFFSETS[system] * SECOND


@cache
def _utc_offsets() -> tuple[int, NDArray[np.int64]]:
    # Summer time starts and ends at a full hour UTC, so one offset per hour is exact.
    start = OBSERVED_FROM - _MARGIN
    hours = (OBSERVED_UNTIL + _MARGIN - start) // timedelta(hours=1)
    zone = ZoneInfo(ZONE)
    moments = (start + timedelta(hours=hour) for hour in range(hours))
    seconds = [int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds()) for moment in moments]
    return micros(start), np.array(seconds, dtype=np.int64)


@cache
def _clock_texts() -> list[str]:
    return [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)]


@cache
def _day_texts(pattern: str) -> list[str]:
    # The day's month name must not depend on the locale of the machine, so %b is ours.
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    first = _first_day()
    days = (first + timedelta(days=day) for day in range((OBSERVED_UNTIL + _MARGIN - first).days + 1))
    return [day.strftime(pattern.replace("%b", months[day.month - 1])) for day in days]


def _first_day() -> datetime:
    return OBSERVED_FROM - _MARGIN


def offset_seconds(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the seconds by which local wall-clock time is ahead of UTC at each moment."""
    start, offsets = _utc_offsets()
    return offsets[(times - start) // HOUR]


def day_texts(seconds: NDArray[np.int64], pattern: str) -> list[str]:
    """Write the day of each moment (seconds since 1970, already in the wanted zone) by a strftime pattern."""
    texts = _day_texts(pattern)
    first = micros(_first_day()) // DAY
    return [texts[day] for day in (seconds // 86_400 - first).tolist()]


def _day_and_clock(seconds: NDArray[np.int64], pattern: str, between: str) -> list[str]:
    clock = _clock_texts()
    days = day_texts(seconds, pattern)
    return [f"{day}{between}{clock[second]}" for day, second in zip(days, (seconds % 86_400).tolist(), strict=True)]


def local_seconds(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return local wall-clock time as seconds since 1970, the fraction cut off."""
    return times // SECOND + offset_seconds(times)


def salesforce_times(times: NDArray[np.int64]) -> list[str]:
    """Write times as Salesforce does: ``2025-10-26T00:30:00.000+0000``."""
    texts = _day_and_clock(times // SECOND, "%Y-%m-%d", "T")
    return [f"{text}.000+0000" for text in texts]


def iso_times(times: NDArray[np.int64]) -> list[str]:
    """Write times as ISO 8601 in UTC: ``2025-10-26T00:30:00Z``."""
    return [f"{text}Z" for text in _day_and_clock(times // SECOND, "%Y-%m-%d", "T")]


def access_log_times(times: NDArray[np.int64]) -> list[str]:
    """Write times as a web server does: ``26/Oct/2025:02:30:00 +0200``."""
    texts = _day_and_clock(local_seconds(times), "%d/%b/%Y", ":")
    offsets = (offset_seconds(times) // 3600).tolist()
    return [f"{text} +{hours:02d}00" for text, hours in zip(texts, offsets, strict=True)]


def wall_clock_times(times: NDArray[np.int64]) -> list[str]:
    """Write local times without an offset, as Asterisk does: ``2025-10-26 02:30:00``, twice a year ambiguous."""
    return _day_and_clock(local_seconds(times), "%Y-%m-%d", " ")
