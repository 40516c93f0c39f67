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

_BOUNDED = frozenset({"source", "stream", "timestamp"})
"""Columns by whose least and greatest value a reader may skip rows; to know those of all would cost a tenth more."""


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
        self.path, self.rows, self._columns, self._writers = path, 0, columns, writers
        self._file: pq.ParquetWriter | None = None
        self._last: Future[None] | None = None

    def write(self, portion: Mapping[str, pa.Array]) -> None:
        """Add a portion; waits until the one before it is written."""
        self._wait()
        self.rows += len(next(iter(portion.values())))
        self._last = self._writers.submit(self._write, portion)

    def _write(self, portion: Mapping[str, pa.Array]) -> None:
        if self._file is None:
            self._file = self._opened(portion)
        schema = self._file.schema
        self._file.write_table(pa.table([_fitted(portion[one.name], one.type) for one in schema], schema=schema))

    def _opened(self, portion: Mapping[str, pa.Array]) -> pq.ParquetWriter:
        """Open the file: texts that the first portion has as a dictionary are written as one."""
        schema = pa.schema(
            [
                (name, portion[name].type if pa.types.is_dictionary(portion[name].type) else _TYPES[kind])
                for name, kind in self._columns.items()
            ]
        )
        repeated = [one.name for one in schema if pa.types.is_dictionary(one.type) or pa.types.is_float64(one.type)]
        # Without the schema of Arrow: who reads the file gets texts.
        return pq.ParquetWriter(
            self.path,
            schema,
            compression="zstd",
            use_dictionary=repeated,
            write_statistics=[one.name for one in schema if one.name in _BOUNDED],
            column_encoding={
                one.name: "DELTA_BINARY_PACKED"
                for one in schema
                if pa.types.is_int64(one.type) or pa.types.is_timestamp(one.type)
            },
            store_schema=False,
        )

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """Wait for what is not written yet, and finish the file."""
        self._wait()
        if self._file is not None:
            self._file.close()


def _fitted(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    if column.type == wanted:
        return column
    return column.dictionary_encode() if pa.types.is_dictionary(wanted) else column.cast(wanted)
