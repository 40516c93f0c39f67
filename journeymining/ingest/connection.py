"""The database that maps records: it spills into a folder, works in UTC, knows the clocks and the conversions."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003  (DuckDB reads the annotations)
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
from duckdb.sqltypes import VARCHAR

from journeymining.ingest.addresses import ip_network
from journeymining.ingest.agents import browser, device_class, operating_system
from journeymining.ingest.clocks import MACROS

if TYPE_CHECKING:
    from pathlib import Path

# A progress bar would be drawn on stdout, among the results.
SESSION = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"


def connect(work: Path, memory: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that spills into a folder, works in UTC and knows the clocks."""
    settings: dict[str, Any] = {"memory_limit": memory, "temp_directory": str(work / "spill")}
    if threads:
        settings["threads"] = threads
    connection = duckdb.connect(config=settings)
    connection.execute(SESSION)
    for macro in MACROS.split(";\n"):
        if macro.strip():
            connection.execute(macro)
    add_functions(connection)
    return connection


def add_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the SQL of a connection call the functions of conversions; they give an empty text instead of None."""
    for function in (device_class, browser, operating_system, ip_network):
        # By its default handling of nulls, DuckDB neither gives nor takes any.
        connection.create_function(function.__name__, partial(_text, function), [VARCHAR], VARCHAR)


def _text(function: Callable[[str], str | None], agent: str) -> str:
    return function(agent) or ""
