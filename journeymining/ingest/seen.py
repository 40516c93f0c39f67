"""Which keys came before: exactly, in any number of portions, with 20 bytes of memory per key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1_000_000
"""Keys of a run that is not merged any more while all are few, so that merging needs little memory beside them."""

RUNS = 8
"""Runs that are merged into one."""

_BITS = 27
_EACH = np.left_shift(1, np.arange(8)).astype(np.uint8)


class Seen:
    """Counts how often each key came before it.

    A key is two numbers, as of a hash of 128 bits. Keys are kept in sorted runs by their first number; the second one
    is compared where the first one is met again.

    Examples
    --------
    >>> one, two = (1, 2), (1, 3)
    >>> seen = Seen()
    >>> seen.add(np.array([one, two, one], np.uint64)).tolist(), seen.add(np.array([one, one], np.uint64)).tolist()
    ([0, 0, 1], [2, 3])
    """

    def __init__(self) -> None:
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]] = []
        # Of the first bits of all keys, once there are several runs: most keys are new, and need no search.
        self._marks: NDArray[np.uint8] | None = None

    def add(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Add keys, and return for each how many equal ones came before it, in this portion and in earlier ones."""
        earlier = np.zeros(len(keys), np.int64)
        if not len(keys):
            return earlier
        high, low = keys[:, 0].copy(), keys[:, 1].copy()
        order = np.argsort(high)
        ranked = high[order]
        again = np.zeros(len(keys), bool)
        same = ranked[1:] == ranked[:-1]
        again[1:] |= same
        again[:-1] |= same
        single = ~again
        maybe = np.arange(len(ranked)) if self._marks is None else np.flatnonzero(self._marked(ranked))
        wanted = ranked[maybe]
        for known, _, _ in self._runs:
            place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            again[maybe[known[place] == wanted]] = True
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
        if len(self._runs) > 1:
            self._mark([run] if self._marks is not None else self._runs)
        # More keys, larger runs: else there would be more and more of them to look into.
        largest = max(LARGEST, sum(len(one[0]) for one in self._runs) // (2 * RUNS))
        small = [one for one in self._runs if len(one[0]) < largest]
        if len(small) >= RUNS:
            large = [one for one in self._runs if len(one[0]) >= largest]
            self._runs = []
            self._runs = [*large, _merged(*small)]

    def _mark(self, runs: list[tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]]) -> None:
        if self._marks is None:
            self._marks = np.zeros(1 << (_BITS - 3), np.uint8)
        for high, _, _ in runs:
            place, bit = _place(high)
            # Runs are sorted: keys of one byte stand together.
            first = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
            self._marks[place[first]] |= np.bitwise_or.reduceat(bit, first)

    def _marked(self, high: NDArray[np.uint64]) -> NDArray[np.bool_]:
        assert self._marks is not None
        place, bit = _place(high)
        found: NDArray[np.bool_] = (self._marks[place] & bit) != 0
        return found


def _place(high: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the byte and the bit that stand for the first bits of keys."""
    first = high >> np.uint64(64 - _BITS)
    return (first >> np.uint64(3)).astype(np.int64), np.left_shift(1, (first & np.uint64(7)).astype(np.uint8)).astype(
        np.uint8
    )


def _groups(high: NDArray[np.uint64], low: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows sorted by key, equal ones as they came, and where each key begins among them."""
    order = np.lexsort((low, high))
    new = np.ones(len(order), bool)
    new[1:] = (high[order][1:] != high[order][:-1]) | (low[order][1:] != low[order][:-1])
    return order, np.flatnonzero(new)


def _merged(
    *runs: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint32]]:
    high, low, times = (np.concatenate(parts) for parts in zip(*runs, strict=True))
    order = np.argsort(high)
    return high[order], low[order], times[order]
