"""From journeys to numbers: encoders that are fitted inside a scikit-learn pipeline, never on the test side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin

from journeymining.outcomes.variants import channel_switches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

RARE = 5
"""Values that fewer training journeys have are one value, ``(rare)``: their own column would only be noise."""


CHANGING = frozenset({"activity", "channel", "status", "phase", "value"})
"""Columns that belong to events by what they mean."""

MOST_CHANGED = 0.1


class JourneyEncoder(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn is untyped
    """What all encoders share: they take a `JourneyFrame` and give a sparse matrix with named columns."""

    names_: list[str]

    @abstractmethod
    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn the columns from journeys of the training side."""

    @abstractmethod
    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return one row per journey."""

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the names of the columns."""
        del input_features
        return np.array(self.names_, dtype=object)


class AggregateEncoder(JourneyEncoder):
    """How often everything happens in a journey, how long it takes, and summaries of its numbers.

    Parameters
    ----------
    texts : sequence of str, optional
        Coded columns to count; default all that change within journeys. The activity is always counted.
    numbers : bool
        Whether mean, highest, lowest, sum and spread of number columns are taken.
    """

    def __init__(self, texts: Sequence[str] | None = None, *, numbers: bool = True) -> None:
        self.texts = texts
        self.numbers = numbers

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn the values that occur."""
        del y
        constant = set() if self.texts is not None else constant_columns(journeys)
        chosen = self.texts if self.texts is not None else [n for n in journeys.coded if n not in constant]
        self.levels_ = {name: _levels(journeys, name) for name in dict.fromkeys(["activity", *chosen])}
        self.numbers_ = [n for n in journeys.numbers if n not in constant] if self.numbers else []
        self.names_ = [f"count {name} {level}" for name, levels in self.levels_.items() for level in levels]
        self.names_ += ["events", "duration days", "mean wait days", "longest wait days"]
        for name in self.numbers_:
            self.names_ += [f"{how} {name}" for how in ("mean", "highest", "lowest", "sum", "spread")]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return counts, durations and summaries per journey."""
        blocks = [_counts(journeys, name, levels) for name, levels in self.levels_.items()]
        blocks.append(sparse.csr_array(_times(journeys)))
        blocks += [sparse.csr_array(_summaries(journeys, name)) for name in self.numbers_]
        return sparse.hstack(blocks, format="csr")


class StaticEncoder(JourneyEncoder):
    """What is known when a journey begins: its first event, weekday and hour, and everything that never changes."""

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn which columns are constant within journeys, and their values."""
        del y
        constant = constant_columns(journeys)
        self.levels_ = {
            n: _levels(journeys, n) for n in journeys.coded if n in constant or n in ("activity", "channel")
        }
        self.numbers_ = [name for name in journeys.numbers if name in constant]
        self.names_ = [f"first {name} {level}" for name, levels in self.levels_.items() for level in levels]
        self.names_ += [f"first {name}" for name in self.numbers_] + ["start weekday", "start hour"]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return the first values per journey."""
        first = np.minimum(journeys.offsets[:-1], max(len(journeys.time) - 1, 0))
        blocks = [_state(journeys, name, levels, first) for name, levels in self.levels_.items()]
        some = journeys.lengths > 0
        numbers = [np.where(some, np.nan_to_num(journeys.numbers[name][first]), 0.0) for name in self.numbers_]
        start = pd.to_datetime(np.where(some, journeys.start, 0), unit="us", utc=True)
        numbers += [start.day_of_week.to_numpy().astype(float), start.hour.to_numpy().astype(float)]
        return sparse.hstack([*blocks, sparse.csr_array(np.column_stack(numbers))], format="csr")


class LastStateEncoder(JourneyEncoder):
    """Where a journey stands: the values of its last event.

    Parameters
    ----------
    texts : sequence of str, optional
        Coded columns to take; default all.
    numbers : bool
        Whether number columns are taken.
    """

    def __init__(self, texts: Sequence[str] | None = None, *, numbers: bool = True) -> None:
        self.texts = texts
        self.numbers = numbers

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn the values that occur."""
        del y
        chosen = list(journeys.coded) if self.texts is None else self.texts
        self.levels_ = {name: _levels(journeys, name) for name in chosen if name in journeys.coded}
        self.numbers_ = list(journeys.numbers) if self.numbers else []
        self.names_ = [f"last {name} {level}" for name, levels in self.levels_.items() for level in levels]
        self.names_ += [f"last {name}" for name in self.numbers_]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return the last values per journey."""
        last = np.maximum(journeys.offsets[1:] - 1, 0)
        blocks = [_state(journeys, name, levels, last) for name, levels in self.levels_.items()]
        some = journeys.lengths > 0
        for name in self.numbers_:
            values = np.where(some, np.nan_to_num(journeys.numbers[name][last]), 0.0)
            blocks.append(sparse.csr_array(values[:, None]))
        return sparse.hstack(blocks, format="csr")


class LengthEncoder(JourneyEncoder):
    """How long a journey is, and nothing else: what any other finding must beat."""

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn nothing."""
        del journeys, y
        self.names_ = ["events", "log events", "duration days"]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return events and duration per journey."""
        events = journeys.lengths.astype(float)
        return sparse.csr_array(np.column_stack([events, np.log1p(events), _times(journeys)[:, 1]]))


class ChannelEncoder(JourneyEncoder):
    """How a journey moves between channels: how many, switches, forced switches, back and forth, entropy in bits."""

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn nothing."""
        del journeys, y
        self.names_ = ["channels", "switches", "switch rate", "forced switches", "back and forth", "channel entropy"]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return the figures per journey."""
        return sparse.csr_array(channel_figures(journeys).to_numpy(dtype=float))


def channel_figures(journeys: JourneyFrame) -> pd.DataFrame:
    """Return per journey how it moves between channels.

    Returns
    -------
    DataFrame, one row per journey
        ``channels`` (distinct), ``switches``, ``switch_rate`` (switches over events - 1), ``forced`` (switches after a
        failure), ``ping_pong`` (A, B, A), ``entropy`` (bits of the shares of the channels). Events without a channel
        do not count as one.

    Examples
    --------
    >>> from journeymining.outcomes.journey_frame import journeys_from_events
    >>> log = pd.DataFrame({"journey_id": "a", "activity": "x", "timestamp": pd.to_datetime(range(5), utc=True),
    ...     "channel": ["web", "web", "phone", "phone", "chat"]})
    >>> channel_figures(journeys_from_events(log)).round(3).to_dict("records")[0]
    {'channels': 3, 'switches': 2, 'switch_rate': 0.5, 'forced': 0, 'ping_pong': 0, 'entropy': 1.522}
    """
    n, row = len(journeys), journeys.row
    columns = ["channels", "switches", "switch_rate", "forced", "ping_pong", "entropy"]
    if "channel" not in journeys.coded:
        return pd.DataFrame(0.0, index=range(n), columns=columns)
    channel = journeys.coded["channel"]
    counts = _counts(journeys, "channel", channel.levels)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    shares = counts.tocoo()
    p = shares.data / totals[shares.row]
    entropy = np.abs(np.bincount(shares.row, weights=p * np.log2(p), minlength=n))
    switch, forced = channel_switches(journeys)
    codes = channel.codes
    # Three events in a row, the first and the last on the same channel and the middle one on another.
    back = (row[2:] == row[:-2]) & (codes[2:] == codes[:-2]) & (codes[1:-1] != codes[:-2])
    back &= (codes[:-2] >= 0) & (codes[1:-1] >= 0)
    switches = np.bincount(row[1:][switch], minlength=n)
    figures = [
        np.diff(counts.indptr),
        switches,
        switches / np.maximum(journeys.lengths - 1, 1),
        np.bincount(row[1:][forced], minlength=n),
        np.bincount(row[2:][back], minlength=n),
        entropy,
    ]
    return pd.DataFrame(dict(zip(columns, figures, strict=True)))


def constant_columns(journeys: JourneyFrame) -> set[str]:
    """Return the columns (other than activity, channel and status) whose value hardly ever changes within a journey.

    A column counts as an attribute of the journey if at most one in ten journeys of two events or more changes it: a
    value that arrives late in a few journeys does not make it an attribute of events.
    """
    same, owner = journeys.row[1:] == journeys.row[:-1], journeys.row[1:]
    longer = int((journeys.lengths > 1).sum())
    found = set()
    changes = {n: c.codes[1:] != c.codes[:-1] for n, c in journeys.coded.items() if n not in CHANGING}
    for name, values in journeys.numbers.items():
        if name not in CHANGING:
            both_missing = np.isnan(values[1:]) & np.isnan(values[:-1])
            changes[name] = (values[1:] != values[:-1]) & ~both_missing
    for name, change in changes.items():
        if int((np.bincount(owner[change & same], minlength=1) > 0).sum()) <= MOST_CHANGED * longer:
            found.add(name)
    return found


def _levels(journeys: JourneyFrame, name: str) -> list[str]:
    """Return the values that enough journeys have, in the order of their codes, and one for the others."""
    column = journeys.coded[name]
    sizes = np.bincount(_counts(journeys, name, column.levels).indices, minlength=len(column.levels))
    return [level for level, size in zip(column.levels, sizes, strict=True) if size >= RARE] + ["(rare)"]


def _codes(journeys: JourneyFrame, name: str, levels: Sequence[str]) -> NDArray[np.int32]:
    if name not in journeys.coded:
        return np.full(len(journeys.time), -1, dtype=np.int32)
    column = journeys.coded[name]
    codes = column.recode(levels)
    if levels and levels[-1] == "(rare)":
        codes = np.where((codes < 0) & (column.codes >= 0), len(levels) - 1, codes)
    return codes


def _counts(journeys: JourneyFrame, name: str, levels: Sequence[str]) -> sparse.csr_array:
    codes, width = _codes(journeys, name, levels), max(len(levels), 1)
    known = codes >= 0
    # One sorted number per cell: that is the sparse table already, in order and without doubles.
    cells = np.sort(journeys.row[known] * width + codes[known])
    first = np.flatnonzero(np.diff(cells, prepend=-1))
    often = np.diff(first, append=len(cells)).astype(float)
    row, column = np.divmod(cells[first], width)
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(journeys)))])
    return sparse.csr_array((often, column, ends), shape=(len(journeys), len(levels)))


def _state(journeys: JourneyFrame, name: str, levels: Sequence[str], events: NDArray[np.int64]) -> sparse.csr_array:
    codes = _codes(journeys, name, levels)[events] if len(journeys.time) else np.full(len(journeys), -1)
    rows = np.flatnonzero((codes >= 0) & (journeys.lengths > 0))
    return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=(len(journeys), len(levels)))


def _times(journeys: JourneyFrame) -> NDArray[np.float64]:
    """Return events, duration, mean and longest wait (days) per journey."""
    n, row = len(journeys), journeys.row
    same = row[1:] == row[:-1]
    waits = np.diff(journeys.time)[same] / 86_400e6
    owner = row[1:][same]
    total = np.bincount(owner, weights=waits, minlength=n)
    longest = np.zeros(n)
    np.maximum.at(longest, owner, waits)
    return np.column_stack([journeys.lengths, total, total / np.maximum(journeys.lengths - 1, 1), longest])


def _summaries(journeys: JourneyFrame, name: str) -> NDArray[np.float64]:
    """Return mean, highest, lowest, sum and sample spread of a number per journey; 0 where there is none."""
    values = journeys.numbers.get(name, np.full(len(journeys.time), np.nan))
    known = ~np.isnan(values)
    n, row, numbers = len(journeys), journeys.row[known], values[known]
    count = np.bincount(row, minlength=n)
    total = np.bincount(row, weights=numbers, minlength=n)
    mean = total / np.maximum(count, 1)
    high, low = np.full(n, -np.inf), np.full(n, np.inf)
    np.maximum.at(high, row, numbers)
    np.minimum.at(low, row, numbers)
    squares = np.bincount(row, weights=(numbers - mean[row]) ** 2, minlength=n)
    spread = np.sqrt(squares / np.maximum(count - 1, 1))
    return np.where((count > 0)[:, None], np.column_stack([mean, high, low, total, spread]), 0.0)
