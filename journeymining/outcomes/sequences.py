"""Patterns in paths: runs of activities and gapped subsequences, counted on distinct paths."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Paths = list[tuple[int, ...]]


def mine_sequences(
    paths: Paths,
    weights: NDArray[np.int64],
    *,
    length: int,
    max_gap: int = 0,
    min_count: int,
    limit: int = 200,
) -> list[tuple[int, ...]]:
    """Find the sequences of a length that enough journeys contain.

    Parameters
    ----------
    paths : list of tuples
        Distinct paths as activity codes of 0 or more.
    weights : array
        Journeys per path.
    length : int
        Items of a sequence, 2 or 3.
    max_gap : int, default 0
        How many events may lie between two items; 0 means that they follow each other directly.
    min_count : int
        Least number of journeys, each counted once.
    limit : int
        At most this many, the most frequent ones; ties by code.

    Returns
    -------
    list of tuples
        The most frequent first.

    Examples
    --------
    >>> mine_sequences([(0, 1, 2), (0, 2)], np.array([3, 2]), length=2, max_gap=1, min_count=5)
    [(0, 2)]
    """
    codes, row = _flat(paths)
    base = int(codes.max(initial=0)) + 1
    found = list(_occurrences(codes, row, length, max_gap, base))
    rows, keys = (np.concatenate(part) for part in zip(*found, strict=True))
    # A journey counts once, however often it contains the sequence.
    pairs = np.unique(np.stack([keys, rows]), axis=1)
    values, inverse = np.unique(pairs[0], return_inverse=True)
    support = np.bincount(inverse, weights=weights[pairs[1]], minlength=len(values))
    order = [place for place in np.lexsort((values, -support)) if support[place] >= min_count][:limit]
    return [_items(int(values[place]), length, base) for place in order]


def contains_sequences(paths: Paths, sequences: Sequence[tuple[int, ...]], *, max_gap: int = 0) -> sparse.csr_array:
    """Return which path contains which sequence (of one common length): a sparse matrix of zeros and ones."""
    shape = (len(paths), len(sequences))
    if not sequences or not paths:
        return sparse.csr_array(shape, dtype=np.int8)
    codes, row = _flat(paths)
    base = max(int(codes.max(initial=0)), max(map(max, sequences))) + 1
    length = len(sequences[0])
    wanted = np.array([_key(sequence, base) for sequence in sequences])
    order = np.argsort(wanted)
    cells = []
    for rows, keys in _occurrences(codes, row, length, max_gap, base):
        place = np.minimum(np.searchsorted(wanted[order], keys), len(wanted) - 1)
        hit = wanted[order][place] == keys
        cells.append(np.stack([rows[hit], order[place[hit]]]))
    where = np.unique(np.concatenate(cells, axis=1), axis=1)
    ones = np.ones(where.shape[1], dtype=np.int8)
    return sparse.csr_array((ones, (where[0], where[1])), shape=shape)


def closed(sequences: Sequence[tuple[int, ...]], contains: sparse.csr_array) -> NDArray[np.bool_]:
    """Return which sequences are closed: no longer one among them occurs in exactly the same paths.

    ``sequences`` may be of different lengths; column j of ``contains`` belongs to sequence j.
    """
    columns = contains.tocsc()
    longest: dict[bytes, int] = {}
    keys = []
    for place, sequence in enumerate(sequences):
        inside = np.sort(columns.indices[columns.indptr[place] : columns.indptr[place + 1]]).tobytes()
        keys.append(inside)
        longest[inside] = max(longest.get(inside, 0), len(sequence))
    return np.array([len(s) == longest[key] for s, key in zip(sequences, keys, strict=True)], dtype=bool)


def collapse_loops(path: tuple[int, ...], *, longest: int = 3) -> tuple[int, ...]:
    """Return the path with immediately repeated blocks of up to ``longest`` items written once.

    Examples
    --------
    >>> collapse_loops((1, 1, 2, 3, 2, 3, 4))
    (1, 2, 3, 4)
    """
    items = list(path)
    for size in range(1, longest + 1):
        kept: list[int] = []
        for item in items:
            kept.append(item)
            if len(kept) >= 2 * size and kept[-size:] == kept[-2 * size : -size]:
                del kept[-size:]
        items = kept
    return tuple(items)


def _flat(paths: Paths) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lengths = [len(path) for path in paths]
    codes = np.fromiter((code for path in paths for code in path), dtype=np.int64, count=sum(lengths))
    return codes, np.repeat(np.arange(len(paths)), lengths)


def _occurrences(
    codes: NDArray[np.int64], row: NDArray[np.int64], length: int, max_gap: int, base: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows and keys of all occurrences, one way of leaving gaps at a time."""
    for steps in product(range(1, max_gap + 2), repeat=length - 1):
        places = np.concatenate([[0], np.cumsum(steps)])
        count = max(0, len(codes) - int(places[-1]))
        same = row[:count] == row[places[-1] : places[-1] + count]
        key = np.zeros(count, dtype=np.int64)
        for place in places:
            key = key * base + codes[place : place + count]
        yield row[:count][same], key[same]


def _key(sequence: tuple[int, ...], base: int) -> int:
    key = 0
    for item in sequence:
        key = key * base + item
    return key


def _items(key: int, length: int, base: int) -> tuple[int, ...]:
    items = []
    for _ in range(length):
        key, item = divmod(key, base)
        items.append(item)
    return tuple(reversed(items))
