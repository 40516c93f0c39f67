"""How much memory stitching needs, said before it starts: what lies in memory anyway, and what queries get besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.engines.partition import bytes_of
from journeymining.exceptions import UsageError

if TYPE_CHECKING:
    import duckdb

HELD_PER_ROW = 80
"""Bytes per identifier and event in the resulting tables, or before that in the numbers of records and values."""

QUERIED_PER_ROW = 45
"""Bytes per identifier and event with which queries still finish; what goes beyond lies in a temporary folder."""


def limit_queries(connection: duckdb.DuckDBPyConnection, memory_limit: str) -> None:
    """Let the queries of a connection use what a limit leaves beside the tables of stitching.

    Raises
    ------
    UsageError
        If that is too little for ``identifiers`` and ``events``; it says how much is needed.
    """
    count = "SELECT (SELECT count(*) FROM identifiers), (SELECT count(*) FROM events)"
    identifiers, events = connection.execute(count).fetchall()[0]
    rows = identifiers + events
    limit = bytes_of(memory_limit)
    if limit < rows * (HELD_PER_ROW + QUERIED_PER_ROW):
        needed = -(-rows * (HELD_PER_ROW + QUERIED_PER_ROW) // 1_000_000)
        raise UsageError(
            f"Stitching {identifiers:,} identifiers of {events:,} events needs {needed:,} MB of memory, "
            f"and the limit is {memory_limit}. Raise it."
        )
    connection.execute("SET memory_limit = ?", [f"{limit - rows * HELD_PER_ROW} B"])
