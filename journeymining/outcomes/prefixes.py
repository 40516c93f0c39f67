"""Beginnings of journeys: what was known after each event."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.landmarks import LinkedOutcome

LONGEST = 40
"""Prefixes are not longer than this, nor than nine in ten positive journeys."""


def longest_prefix(linked: LinkedOutcome) -> int:
    """Return the length that nine in ten positive journeys do not exceed, at most 40."""
    lengths = linked.journeys.lengths[linked.label == 1]
    return min(LONGEST, math.ceil(float(np.quantile(lengths, 0.9)))) if len(lengths) else LONGEST


def prefixes(journeys: JourneyFrame, label: NDArray[np.int8], *, longest: int) -> tuple[JourneyFrame, NDArray[np.int8]]:
    """Return every beginning of every journey, from its first event up to ``longest`` events, with its label.

    Prefixes keep the customer of their journey, so that grouped splits keep them together; those of one journey follow
    each other, the shortest first.

    Examples
    --------
    >>> import pandas as pd
    >>> from journeymining.outcomes.journey_frame import journeys_from_events
    >>> log = pd.DataFrame({"journey_id": ["a", "a", "b"], "activity": ["x", "y", "x"],
    ...     "timestamp": pd.to_datetime([1, 2, 3], utc=True)})
    >>> parts, labels = prefixes(journeys_from_events(log), np.array([1, 0]), longest=5)
    >>> parts.lengths.tolist(), labels.tolist()
    ([1, 2, 1], [1, 1, 0])
    """
    counts = np.minimum(journeys.lengths, longest)
    rows = np.repeat(np.arange(len(journeys)), counts)
    within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    whole = journeys[rows]
    place = np.arange(len(whole.time)) - whole.offsets[whole.row]
    return whole.keep_events(place <= within[whole.row]), label[rows]
