"""Columns of the Parquet files of a run, or an error that names the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


def read_columns(path: Path, columns: list[str]) -> pa.Table:
    """Read some columns of a file.

    Raises
    ------
    InputError
        If the file has no such column.
    """
    available = pq.read_schema(path).names
    for name in columns:
        if name not in available:
            raise InputError.missing_column(name, available, where=str(path))
    return pq.read_table(path, columns=columns)
