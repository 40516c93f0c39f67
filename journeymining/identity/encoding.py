"""Identifiers in integers: which record carries which value, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import duckdb

IntArray = npt.NDArray[np.signedinteger[Any]]
"""Numbers of records and values have 32 bits, times 64."""

BoolArray = npt.NDArray[np.bool_]

UNDATED = np.iinfo(np.int64).min
"""The time of a use whose record tells no time."""


@dataclass(frozen=True)
class Uses:
    """Which record carries which value, when; each pair once, sorted by value and record.

    Values are numbered by kind, strongest first, then by hash, so the smallest number of a customer is its strongest
    identifier. Records are numbered by source and event id. So no number depends on the order of rows.
    """

    record: IntArray
    value: IntArray
    time: IntArray
    kind: tuple[str, ...]
    first_value: IntArray
    records: int

    def of_kind(self, rank: int) -> slice:
        """Return where the uses of the kind with this place in ``kind`` stand."""
        first, last = np.searchsorted(self.value, self.first_value[rank : rank + 2])
        return slice(int(first), int(last))

    def rank_of(self, value: IntArray) -> IntArray:
        """Return the place in ``kind`` of values; -1 for -1."""
        return np.searchsorted(self.first_value, value, side="right") - 1


def encode(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], blocked: Collection[str]) -> Uses:
    """Give numbers to the records and values of the table or view ``identifiers`` of a connection.

    Leaves the temporary tables ``record_codes`` (record, source, event_id) and ``value_codes`` (value, kind, rank,
    value_hash) behind, which turn numbers into names again. Kinds outside ``keys``, blocked values and null values take
    no part.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE key_ranks (kind VARCHAR, rank INTEGER)")
    connection.executemany("INSERT INTO key_ranks VALUES (?, ?)", [[kind, rank] for rank, kind in enumerate(keys)])
    connection.execute("CREATE OR REPLACE TEMP TABLE blocked_values (value_hash VARCHAR)")
    if blocked:
        connection.executemany("INSERT INTO blocked_values VALUES (?)", [[value] for value in sorted(set(blocked))])
    connection.execute(_ENCODE)
    arrays = connection.execute(
        """
        SELECT r.record, v.value, coalesce(epoch_us(u.time), ?)::BIGINT AS time
        FROM use_texts u JOIN record_codes r USING (source, event_id) JOIN value_codes v USING (rank, value_hash)
        ORDER BY value, record
        """,
        [UNDATED],
    ).fetchnumpy()
    counts = dict(connection.execute("SELECT rank, count(*) FROM value_codes GROUP BY rank").fetchall())
    first = np.cumsum([0, *(counts.get(rank, 0) for rank in range(len(keys)))], dtype=np.int64)
    records = connection.execute("SELECT count(*) FROM record_codes").fetchall()[0][0]
    connection.execute("DROP TABLE use_texts")
    return Uses(
        record=np.asarray(arrays["record"], dtype=np.int32),
        value=np.asarray(arrays["value"], dtype=np.int32),
        time=np.asarray(arrays["time"], dtype=np.int64),
        kind=tuple(keys),
        first_value=first,
        records=int(records),
    )


_ENCODE = """
CREATE OR REPLACE TEMP TABLE use_texts AS
    SELECT source, event_id, rank, value_hash, min(timestamp::TIMESTAMPTZ) AS time
    FROM identifiers JOIN key_ranks USING (kind)
    WHERE value_hash IS NOT NULL AND value_hash NOT IN (SELECT value_hash FROM blocked_values)
    GROUP BY source, event_id, rank, value_hash;
CREATE OR REPLACE TEMP TABLE record_codes AS
    SELECT (row_number() OVER (ORDER BY source, event_id) - 1)::INTEGER AS record, source, event_id
    FROM (SELECT DISTINCT source, event_id FROM use_texts);
CREATE OR REPLACE TEMP TABLE value_codes AS
    SELECT (row_number() OVER (ORDER BY rank, value_hash) - 1)::INTEGER AS value, kind, rank, value_hash
    FROM (SELECT DISTINCT rank, value_hash FROM use_texts) JOIN key_ranks USING (rank);
"""
