"""Writing raw records: batches of one schema go into one Parquet file, however small the files they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

GROUP = 50_000
"""Rows of a row group. Four hundred files of fifty lines each are one row group, not four hundred files."""


class RawWriter:
    """Writes batches of text columns into a folder as ``00000.parquet``, ``00001.parquet``, ...

    A new file begins only where the columns are others than before.

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

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self.files = folder, 0, 0
        self._waiting: list[pa.RecordBatch] = []
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch; it is on disk when the writer is closed."""
        if self._waiting and not self._waiting[0].schema.equals(batch.schema):
            self.finish()
        self._waiting.append(batch)
        self.rows += batch.num_rows
        if sum(one.num_rows for one in self._waiting) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._waiting)
        if self._writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self.folder / f"{self.files:05d}.parquet", table.schema, compression="zstd")
            self.files += 1
        self._writer.write_table(table)
        # The schema is needed to tell whether the next batch fits.
        self._waiting = [self._waiting[-1].slice(0, 0)]

    def finish(self) -> None:
        """Finish the last file; the writer may be used again."""
        if self._waiting:
            self._flush()
        self._waiting = []
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Finish the last file; where the block raised, what was written is the caller's to remove."""
        if kind is None:
            self.finish()
        elif self._writer is not None:
            self._writer.close()
