"""The sentence that says what the numbers of a run cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def scope_sentence(journeys: Mapping[str, Any], counts: Mapping[str, int], *, sources: int) -> str:
    """Say in one sentence what a run looked at.

    Examples
    --------
    >>> seen = {"observed_from": "2026-01-01T00:00:00Z", "observed_until": "2026-03-31T12:00:00Z", "left_truncated": 3}
    >>> scope_sentence(seen, {"customers": 10, "journeys": 12, "events": 1200, "open_journeys": 1}, sources=2)
    '1,200 events in 12 journeys of 10 customers, from 2 sources, 2026-01-01 to 2026-03-31 (UTC); 1 journey is still \
open, 3 may have begun before the first day.'
    """
    still_open, cut_off = counts["open_journeys"], journeys["left_truncated"]
    return (
        f"{_many(counts['events'], 'event')} in {_many(counts['journeys'], 'journey')} of "
        f"{_many(counts['customers'], 'customer')}, from {_many(sources, 'source')}, "
        f"{journeys['observed_from'][:10]} to {journeys['observed_until'][:10]} (UTC); "
        f"{_many(still_open, 'journey')} {'is' if still_open == 1 else 'are'} still open, "
        f"{cut_off:,} may have begun before the first day."
    )


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
