"""What a check of an event log says: one sentence, how many it concerns and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import datetime as dt

    import polars as pl

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One row of the result; `share` is of what `what` names (events, journeys, ...), null where that has no sense."""

    check: str
    severity: Severity
    count: int
    share: float | None
    what: str
    remedy: str


@dataclass(frozen=True)
class Checked:
    """What checks look at: the events in their order, how they were read, and what time it is."""

    events: pl.DataFrame
    report: dict[str, Any]
    now: dt.datetime


def share(count: int, total: int) -> float | None:
    """Return a proportion, or nothing where there is nothing to divide by."""
    return count / total if total else None


def percent(count: int, total: int) -> str:
    """Return a proportion for a sentence.

    Examples
    --------
    >>> percent(1, 3)
    '33.3 %'
    """
    return f"{100 * count / total:.1f} %" if total else "0 %"


def some(names: list[str], most: int = 3) -> str:
    """Return the first of some names for a sentence, in quotes.

    Examples
    --------
    >>> some(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    text = ", ".join(f"'{name}'" for name in names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
