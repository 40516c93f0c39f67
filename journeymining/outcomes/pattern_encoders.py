"""Encoders of what is in the order of things: frequent sequences, and how scored contacts rise, fall and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy import sparse

from journeymining.outcomes.encoders import RARE, JourneyEncoder
from journeymining.outcomes.sequences import closed, contains_sequences, mine_sequences
from journeymining.outcomes.variants import GAP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

LEAST_SCORED = 3
"""Scored contacts a journey needs for a peak and an end that are not the same thing."""

FIGURES = ("mean", "peak", "lowest", "end", "peak-end", "trend", "changes of side")


class SequenceEncoder(JourneyEncoder):
    """Which frequent sequences a journey contains.

    Parameters
    ----------
    lengths : sequence of int
        Items of a sequence, 2 or 3.
    max_gap : int
        Events that may lie between two items: 0 for n-grams, 2 for subsequences.
    min_support : float
        Share of training journeys that must contain it.
    only_closed : bool
        Leave out what a longer sequence of the same journeys says too.
    limit : int
        At most so many per length.
    """

    def __init__(
        self,
        lengths: Sequence[int] = (2, 3),
        *,
        max_gap: int = 0,
        min_support: float = 0.02,
        only_closed: bool = True,
        limit: int = 200,
    ) -> None:
        self.lengths = lengths
        self.max_gap = max_gap
        self.min_support = min_support
        self.only_closed = only_closed
        self.limit = limit

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Find the frequent sequences."""
        del y
        self.activities_ = journeys.activities
        number, paths = journeys.variants
        floor = max(RARE, int(np.ceil(self.min_support * len(journeys))))
        self.sequences_: list[tuple[int, ...]] = []
        for length in self.lengths:
            self.sequences_ += mine_sequences(
                paths, np.bincount(number), length=length, max_gap=self.max_gap, min_count=floor, limit=self.limit
            )
        if self.only_closed and self.sequences_:
            keep = closed(self.sequences_, self._contains(paths))
            self.sequences_ = [s for s, good in zip(self.sequences_, keep, strict=True) if good]
        between = " ... " if self.max_gap else " > "
        self.names_ = [between.join(self.activities_[code] for code in s) for s in self.sequences_]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return 1 where a journey contains the sequence."""
        number, paths = journeys.variants
        # Codes of another log are translated; an activity that was never seen matches nothing.
        table = journeys.coded["activity"].places(self.activities_).tolist()
        unknown = len(self.activities_)
        translated = [tuple(table[code] if table[code] >= 0 else unknown for code in path) for path in paths]
        return self._contains(translated)[number].astype(float)

    def _contains(self, paths: list[tuple[int, ...]]) -> sparse.csr_array:
        blocks = []
        for length in self.lengths:
            wanted = [s for s in self.sequences_ if len(s) == length]
            blocks.append(contains_sequences(paths, wanted, max_gap=self.max_gap))
        return sparse.hstack(blocks, format="csr")


def subsequences(**choices: Any) -> SequenceEncoder:
    """Return the encoder of gapped subsequences: up to two events between two items."""
    return SequenceEncoder(max_gap=GAP, **choices)


class PeakEndEncoder(JourneyEncoder):
    """How the scored contacts of a journey went: peak, lowest, end, their mean, trend and changes of side.

    A journey with fewer than three scores has zeros and says so in ``scored``: how many journeys are covered is
    `coverage`.

    Parameters
    ----------
    column : str
        Number column with the scores; default ``value``.
    neutral : float
        The point that is neither good nor bad, such as 5.5 on a scale from 1 to 10.

    References
    ----------
    B. Alaybek et al., *OBHDP* 170 (2022) 104149: over 174 effects, peak and end tell about as much as the mean.
    That they tell more is a hypothesis to be tested.
    """

    def __init__(self, column: str = "value", *, neutral: float = 5.5) -> None:
        self.column = column
        self.neutral = neutral

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn nothing."""
        del journeys, y
        self.names_ = [f"{name} of {self.column}" for name in (*FIGURES, "scored")]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return the figures per journey."""
        scores = journeys.numbers.get(self.column, np.full(len(journeys.time), np.nan))
        known, n = ~np.isnan(scores), len(journeys)
        counts = np.bincount(journeys.row[known], minlength=n)
        known &= (counts >= LEAST_SCORED)[journeys.row]
        rows, row, values = np.flatnonzero(counts >= LEAST_SCORED), journeys.row[known], scores[known]
        result = np.zeros((n, len(FIGURES) + 1))
        if len(rows):
            sizes = counts[rows]
            first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
            result[rows, :-1] = _course(values - self.neutral, row, first, sizes, self.neutral)
            result[rows, -1] = 1
        return sparse.csr_array(result)

    def coverage(self, journeys: JourneyFrame) -> float:
        """Return the share of journeys with enough scores."""
        scored = self.transform(journeys)[:, [len(FIGURES)]]
        return float(scored.sum()) / len(journeys) if len(journeys) else 0.0


def _course(
    away: NDArray[np.float64],
    row: NDArray[np.int64],
    first: NDArray[np.int64],
    sizes: NDArray[np.int64],
    neutral: float,
) -> NDArray[np.float64]:
    """Return `FIGURES` of runs of scores, given as their distance from neutral."""
    place = np.arange(len(away)) - np.repeat(first, sizes)
    # Of scores that are equally far away the later one is the peak.
    order = np.lexsort((place, np.abs(away), row))
    peak, end = away[order][first + sizes - 1], away[first + sizes - 1]
    mean = np.add.reduceat(away, first) / sizes
    lowest = np.minimum.reduceat(away, first)
    middle = np.repeat((sizes - 1) / 2, sizes)
    trend = np.add.reduceat((place - middle) * away, first) / np.add.reduceat((place - middle) ** 2, first)
    # A score on the neutral point has no side; it does not change sides either.
    sided = np.flatnonzero(away != 0)
    changed = (np.sign(away[sided][1:]) != np.sign(away[sided][:-1])) & (row[sided][1:] == row[sided][:-1])
    contrast = np.bincount(row[sided][1:][changed], minlength=int(row.max()) + 1)[row[first]]
    return np.column_stack(
        [mean + neutral, peak + neutral, lowest + neutral, end + neutral, (peak + end) / 2 + neutral, trend, contrast]
    )
