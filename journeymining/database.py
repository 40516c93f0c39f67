"""A DuckDB connection that keeps to the rules of the house: UTC, and nothing of its own on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from pathlib import Path


def connect(database: str | Path = ":memory:") -> duckdb.DuckDBPyConnection:
    """Open a DuckDB database.

    Times are read and shown in UTC, whatever the machine's zone. DuckDB draws a progress bar on stdout when a query
    takes long; results go there, so it is off.

    Examples
    --------
    >>> with connect() as connection:
    ...     connection.execute("SELECT current_setting('TimeZone'), current_setting('enable_progress_bar')").fetchone()
    ('UTC', False)
    """
    connection = duckdb.connect(database)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection
