"""Conversions that SQL cannot do, done once per distinct text: pseudonyms of identifiers and agents, and bots."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa

from journeymining.ingest.keys import normalise, pseudonym
from journeymining.ingest.values import identifier

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

BATCH = 50_000


def convert_distinct(
    connection: duckdb.DuckDBPyConnection, query: str, convert: Callable[[str], str | None], table: str
) -> None:
    """Fill a table (text, converted) with the distinct texts of a query and what a function makes of them.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where the query runs and the table is made.
    query : str
        SQL whose only column is called ``text``.
    convert : function
        Text in, text or None out. Called once per distinct text.
    table : str
        Name of the new table.
    """
    connection.execute(f"CREATE OR REPLACE TABLE {identifier(table)} (text VARCHAR, converted VARCHAR)")
    reading = connection.cursor()
    reader = reading.sql(f"SELECT DISTINCT text FROM ({query}) WHERE text IS NOT NULL").to_arrow_reader(BATCH)
    for batch in reader or ():
        texts = batch.column(0).to_pylist()
        converted = pa.table({"text": batch.column(0), "converted": pa.array(map(convert, texts), pa.string())})
        connection.register("converted_texts", converted)
        connection.execute(f"INSERT INTO {identifier(table)} SELECT * FROM converted_texts")
        connection.unregister("converted_texts")


def identifier_hash(kind: str, region: str | None, key: bytes | None) -> Callable[[str], str | None]:
    """Return a function from an identifier as written to its pseudonym, or None where it stands for nobody.

    Without a key it returns the normalised identifier itself, after its kind: ``email:anna@example.org``.
    """
    return partial(_hash, kind, region, key)


def _hash(kind: str, region: str | None, key: bytes | None, text: str) -> str | None:
    value = normalise(kind, text, region)
    if value is None:
        return None
    return f"{kind}:{value}" if key is None else pseudonym(kind, value, key)


def agent_hash(key: bytes) -> Callable[[str], str | None]:
    """Return a function from the name of an employee to a pseudonym that is short enough for a table."""
    return lambda name: f"agent-{pseudonym('agent', name.strip(), key)[:12]}"


def bot_mark(agent: str) -> str | None:
    """Return ``bot`` for the user agent of a crawler, monitor or script, None for that of a person's browser or app."""
    import crawleruseragents

    return "bot" if crawleruseragents.is_crawler(agent) else None
