"""Durations as people write them: ``30 days``, ``12h``, ``90 min``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

from journeymining.exceptions import UsageError

UNITS = {
    "s": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "second": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "minute": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "hour": timedelta(hours=1),
    "d": timedelta(days=1),
    "day": timedelta(days=1),
    "w": timedelta(weeks=1),
    "week": timedelta(weeks=1),
}
"""Units that may follow the number; each may also carry a plural s (``days``), except the one-letter ones."""

_DURATION = re.compile(r"\s*(\d+)\s*([A-Za-z]+)\s*", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read a whole number and its unit as a duration.

    A month or a year is refused: their length depends on the calendar. A bare number is refused: nobody can tell
    its unit. A day is 24 hours.

    Parameters
    ----------
    text : str
        A whole number, optional spaces, and one of ``s sec second min minute h hour d day w week``, in the singular
        or the plural, in upper or lower case.

    Returns
    -------
    timedelta

    Raises
    ------
    UsageError
        When the text is anything else.

    Examples
    --------
    >>> parse_duration("30 days")
    datetime.timedelta(days=30)
    >>> parse_duration("90min")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(text, str) and (match := _DURATION.fullmatch(text)):
        name = match[2].lower()
        unit = UNITS.get(name) or (UNITS.get(name[:-1]) if len(name) > 3 else None)
        # Beyond 100,000 years a timedelta overflows; nobody means that.
        if unit is not None and len(match[1]) <= 12 and int(match[1]) * (unit / timedelta(days=1)) < 36_500_000:
            return int(match[1]) * unit
    raise UsageError(
        f"Not a duration: {text!r}. Write a whole number and a unit: '30 days', '12h', '90 min', '2 weeks'."
    )


def write_duration(duration: timedelta) -> str:
    """Write a duration in the largest unit that keeps the number whole, as `parse_duration` reads it.

    Examples
    --------
    >>> write_duration(timedelta(hours=36))
    '36 hours'
    >>> write_duration(timedelta(days=1))
    '1 day'
    """
    for unit in ("day", "hour", "minute", "second"):
        if duration % UNITS[unit] == timedelta(0):
            number = duration // UNITS[unit]
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return f"{duration.total_seconds():g} seconds"


Duration = Annotated[
    timedelta, BeforeValidator(lambda given: given if isinstance(given, timedelta) else parse_duration(given))
]
"""The type of a duration in a pydantic model; a bare number is refused there too."""
