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


def convert_distinct(
    connection: duckdb.DuckDBPyConnection, query: str, convert: Callable[[str], str | None], table: str
) -> None:
    """Add to a table (text, converted) the distinct texts of a query that it lacks, and what a function makes of them.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Where the query runs and the table is kept, from one portion of records to the next.
    query : str
        SQL whose only column is called ``text``.
    convert : function
        Text in, text or None out. Called once per distinct text.
    table : str
        Name of the table; made if it is not there.
    """
    name = identifier(table)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} (text VARCHAR, converted VARCHAR)")
    new = f"SELECT DISTINCT text FROM ({query}) WHERE text IS NOT NULL"
    texts = connection.sql(f"SELECT text FROM ({new}) ANTI JOIN {name} USING (text)").to_arrow_table()
    converted = pa.array(map(convert, texts.column(0).to_pylist()), pa.string())
    connection.register("converted_texts", texts.append_column("converted", converted))
    connection.execute(f"INSERT INTO {name} SELECT * FROM converted_texts")
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
