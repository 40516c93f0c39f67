"""Hashes of 128 bits: of records, by those of their fields, and the ids of events that are made of them.

The hash of a record is that of its fields, each under its name, added bit by bit: so every distinct text is hashed
once. Ids are MD5 sums of such hashes, after a secret where there is a key. They are the same on every machine, whatever
the number of threads.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.ingest.coded import Coded, one_chunk, queried

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb
    from numpy.typing import NDArray


def row_hashes(db: duckdb.DuckDBPyConnection, columns: Mapping[str, Coded], rows: int) -> NDArray[np.uint64]:
    """Return a hash of each row of some columns, as two numbers; what is null or empty adds nothing to it.

    Examples
    --------
    >>> from journeymining.database import connect
    >>> column = Coded.of(pa.array(["a", "b", "a"]))
    >>> with connect() as db:
    ...     one, two, three = row_hashes(db, {"letter": column}, 3).tolist()
    >>> one == three, one == two
    (True, False)
    """
    found = np.zeros((rows, 2), np.uint64)
    if not columns:
        return found
    values = [one.values for one in columns.values()]
    places = np.repeat(np.arange(len(values), dtype=np.int32), list(map(len, values)))
    names = pa.DictionaryArray.from_arrays(pa.array(places), pa.array(list(columns), pa.string()))
    table = pa.table({"name": names, "text": pa.concat_arrays(values)})
    # The sum as a number of 128 bits: its bytes are those of the sum.
    query = "SELECT md5_number(name || chr(31) || nullif(text, '')) AS hash FROM given_rows"
    hashes = one_chunk(queried(db, table, query).column("hash"))
    halves = np.frombuffer(hashes.buffers()[1], np.uint64)[2 * hashes.offset :][: 2 * len(hashes)].reshape(-1, 2).copy()
    halves[hashes.is_null().to_numpy(zero_copy_only=False)] = 0
    place = 0
    for one in columns.values():
        theirs = halves[place : place + len(one.values)]
        found ^= theirs[one.codes[:1]] if one.constant else theirs.take(one.codes, axis=0)
        place += len(one.values)
    return found


def text_hash(*texts: str) -> NDArray[np.uint64]:
    """Return the hash of a few texts in their order."""
    one: NDArray[np.uint64] = text_hashes(["\x1f".join(texts)])[0]
    return one


def text_hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return the hashes of texts."""
    digests = b"".join([hashlib.md5(text.encode(), usedforsecurity=False).digest() for text in texts])
    return np.frombuffer(digests, np.uint64).reshape(-1, 2)


def number_hashes(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return hashes of the numbers of equal records; the first one adds nothing."""
    found = np.zeros((len(numbers), 2), np.uint64)
    further = np.flatnonzero(numbers > 1)
    if len(further):
        distinct, place = np.unique(numbers[further], return_inverse=True)
        found[further] = text_hashes(f"#\x1f{number}" for number in distinct.tolist())[place]
    return found


def ids(db: duckdb.DuckDBPyConnection, hashes: NDArray[np.uint64], key: bytes | None) -> pa.Array:
    """Return hashes as ids: 32 hexadecimal digits, from which the hash does not come back.

    With a key, ids are others under another key, and nobody without it can try out what a record said: a hash is made
    of all fields, and who knows all but an address would need a list of addresses only.
    """
    given = hashes
    if key is not None:
        salt = np.frombuffer(hmac.digest(key, b"event", hashlib.sha256)[:16], np.uint64)
        given = np.hstack([np.broadcast_to(salt, hashes.shape), hashes])
    width = 8 * given.shape[1]
    packed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(width), len(given), [None, pa.py_buffer(np.ascontiguousarray(given))]
    )
    return one_chunk(queried(db, pa.table({"hash": packed}), "SELECT md5(hash) AS id FROM given_rows").column("id"))
