"""Parts of result tables: written in the background, with the schema that the whole table has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor, Future
    from pathlib import Path

_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}

_NO_DICTIONARY = frozenset({"event_id", "survey_id", "source_order", "line"})
"""Columns that are another in every row: looking for equal ones would be in vain."""


def schema_of(columns: Mapping[str, str]) -> pa.Schema:
    """Return the schema of a table: what is null in no row of one part may be null in another."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])


class PartWriter:
    """Writes a part of a table, one portion while the next one is made.

    Parameters
    ----------
    path : Path
        The Parquet file.
    columns : mapping of str to str
        Name -> SQL type of the columns; what else a portion has is left away.
    writers : Executor
        With one thread, so that portions keep their order.
    """

    def __init__(self, path: Path, columns: Mapping[str, str], writers: Executor) -> None:
        self.path, self.rows, self._schema, self._writers = path, 0, schema_of(columns), writers
        repeated = [name for name in columns if name not in _NO_DICTIONARY]
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd", use_dictionary=repeated)
        self._last: Future[None] | None = None

    def write(self, table: pa.Table) -> None:
        """Add a portion; waits until the one before it is written."""
        self._wait()
        self.rows += table.num_rows
        self._last = self._writers.submit(self._write, table)

    def _write(self, table: pa.Table) -> None:
        self._file.write_table(table.select(self._schema.names).cast(self._schema))

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Wait for what is not written yet, and finish the file."""
        self._wait()
        self._file.close()
