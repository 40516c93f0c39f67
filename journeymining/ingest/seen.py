"""Which keys came before: exactly, in any number of portions, with 20 bytes of memory per key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

LARGEST = 2_000_000
"""Keys of a run that is not merged any more, so that merging needs little memory."""


class Seen:
    """Counts how often each key came before it.

    Keys are kept in sorted runs by the first half of their 32 hexadecimal digits; the second half is compared where the
    first one is met again.

    Examples
    --------
    >>> import pyarrow as pa
    >>> one, two = "0" * 32, "f" * 32
    >>> seen = Seen()
    >>> seen.add(pa.array([one, two, one])).tolist(), seen.add(pa.array([one, one])).tolist()
    ([0, 0, 1], [2, 3])
    """

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]] = []

    def add(self, keys: pa.Array) -> NDArray[np.int64]:
        """Add keys, and return for each how many equal ones came before it, in this portion and in earlier ones."""
        earlier = np.zeros(len(keys), np.int64)
        if not len(keys):
            return earlier
        high, low = _halves(keys)
        order = np.argsort(high, kind="stable")
        ranked = high[order]
        again = np.zeros(len(keys), bool)
        same = ranked[1:] == ranked[:-1]
        again[1:] |= same
        again[:-1] |= same
        single = ~again
        for known, _, _ in self._runs:
            place = np.minimum(np.searchsorted(known, ranked), len(known) - 1)
            again |= known[place] == ranked
        if again.any():
            rows = np.sort(order[again])
            earlier[rows] = self._before(high[rows], low[rows])
        self._keep(high, low, order, single)
        return earlier

    def _before(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Count exactly, for keys of which the first half was met again."""
        counts = np.zeros(len(high), np.int64)
        for known, rest, times in self._runs:
            first = np.searchsorted(known, high, "left")
            width = np.searchsorted(known, high, "right") - first
            # A key stands once in a portion, so in a run at most as often as portions were merged into it.
            for step in range(int(width.max())):
                at = np.minimum(first + step, len(known) - 1)
                counts += np.where((step < width) & (rest[at] == low), times[at], 0)
        order, starts = _groups(high, low)
        within = np.empty(len(high), np.int64)
        within[order] = np.arange(len(high)) - np.repeat(starts, np.diff(np.append(starts, len(high))))
        return counts + within

    def _keep(
        self,
        high: NDArray[np.uint64],
        low: NDArray[np.uint64],
        order: NDArray[np.int64],
        single: NDArray[np.bool_],
    ) -> None:
        alone, several = order[single], order[~single]
        run = (high[alone], low[alone], np.ones(len(alone), np.uint32))
        if len(several):
            grouped, starts = _groups(high[several], low[several])
            first = several[grouped[starts]]
            times = np.diff(np.append(starts, len(several))).astype(np.uint32)
            run = _merged(run, (high[first], low[first], times))
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            if len(self._runs[-2][0]) + len(self._runs[-1][0]) > LARGEST:
                break
            self._runs[-2:] = [_merged(*self._runs[-2:])]


def _halves(keys: pa.Array) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    _, offsets, data = keys.buffers()
    ends = np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1]
    digits = data.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()
    halves = np.frombuffer(bytes.fromhex(digits.decode("ascii")), ">u8").astype(np.uint64).reshape(-1, 2)
    return halves[:, 0].copy(), halves[:, 1].copy()


def _groups(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows sorted by key, equal ones as they came, and where each key begins among them."""
    order = np.lexsort((low, high))
    new = np.ones(len(order), bool)
    new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    return order, np.flatnonzero(new)


def _merged(
    one: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]],
    other: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
    high, low = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    times = np.concatenate([one[2], other[2]])
    order = np.argsort(high, kind="stable")
    return high[order], low[order], times[order]
