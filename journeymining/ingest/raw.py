"""Writing raw records: batches of one schema go into one Parquet file, however small the files they came from."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GROUP = 200_000
"""Rows of a row group, or more, which are mapped together. Four hundred files of fifty lines each are one."""

BYTES = 32 << 20
"""Bytes of a row group, or a little more: a conversation in JSON may be as long as a thousand calls."""

_ONCE = frozenset({"line", "_line"})
"""Columns of which no two values are equal, mostly: no dictionary is tried."""


class RawWriter:
    """Writes batches of text columns into a folder as ``00000.parquet``, ``00001.parquet``, ...

    A new file begins only where the columns are others than before.

    Parameters
    ----------
    folder : Path
        Where to write.
    grouped : function, optional
        Is given every row group, when it is about to be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> batch = pa.record_batch({"id": ["1", "2"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RawWriter(Path(folder)) as writer:
    ...         writer.write(batch)
    ...         writer.write(batch)
    ...     [(path.name, pq.read_metadata(path).num_rows) for path in Path(folder).iterdir()]
    [('00000.parquet', 4)]
    """

    def __init__(self, folder: Path, grouped: Callable[[pa.Table], object] | None = None) -> None:
        self.folder, self.rows, self.files = folder, 0, 0
        self._grouped = grouped
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None
        self._path: Path | None = None
        # Packing goes on while the next records are read.
        self._packing = ThreadPoolExecutor(max_workers=1)
        self._packed: Future[None] | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch; it is on disk when the writer is closed."""
        if self._waiting and not self._waiting[0].schema.equals(batch.schema):
            self.finish()
        self._waiting.append(batch)
        self.rows += batch.num_rows
        if sum(one.num_rows for one in self._waiting) >= GROUP or sum(one.nbytes for one in self._waiting) >= BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._waiting)
        # Batches have dictionaries of their own, but a row group has one.
        table = table.unify_dictionaries() if len(self._waiting) > 1 else table
        if self._writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / f"{self.files:05d}.parquet"
            coded = any(pa.types.is_dictionary(one.type) for one in table.schema if one.name != "_file")
            repeated = [
                one.name
                for one in table.schema
                if one.name not in _ONCE and (not coded or pa.types.is_dictionary(one.type))
            ]
            # Without the schema of Arrow: who reads the file gets texts.
            self._writer = pq.ParquetWriter(
                self._path,
                table.schema,
                compression="zstd",
                use_dictionary=repeated,
                write_statistics=[one for one in ("_file", "_line") if one in table.column_names],
                column_encoding=dict.fromkeys({"_line"} & set(table.column_names), "DELTA_BINARY_PACKED"),
                store_schema=False,
            )
            self.files += 1
        self._wait()
        if table.num_rows:
            self._packed = self._packing.submit(self._writer.write_table, table, row_group_size=table.num_rows)
            if self._grouped:
                self._grouped(table)
        # The schema is needed to tell whether the next batch fits.
        self._waiting = [self._waiting[-1].slice(0, 0)]

    def _wait(self) -> None:
        if self._packed is not None:
            self._packed.result()
            self._packed = None

    def finish(self) -> None:
        """Finish the last file, down to the disk; the writer may be used again."""
        if self._waiting:
            self._flush()
        self._waiting = []
        self._wait()
        if self._writer is not None and self._path is not None:
            self._writer.close()
            self._writer = None
            # What names the file comes after it; a machine that stops between must not have kept the name only.
            sync(self._path)
            sync(self.folder)
            sync(self.folder.parent)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Finish the last file; where the block raised, what was written is the caller's to remove."""
        try:
            if kind is None:
                self.finish()
            else:
                self._abandon()
        finally:
            self._packing.shutdown()

    def _abandon(self) -> None:
        with suppress(Exception):  # the error that led here is the one to be seen
            self._wait()
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()


def sync(path: Path) -> None:
    """Have a file or folder written down to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
