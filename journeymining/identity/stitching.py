"""One customer across sources: deterministic stitching of records by the identifiers they carry."""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from journeymining.database import connect
from journeymining.engines.spark_engine import Spark
from journeymining.exceptions import InputError, UsageError
from journeymining.identity.cardinality import cardinality
from journeymining.identity.links import all_links, all_records, name_all_records
from journeymining.identity.memory import limit_queries
from journeymining.identity.resolving import limits_of, resolve
from journeymining.identity.settings import DEFAULT_BACK_WINDOW, DEFAULT_KEYS, IdentityConfig
from journeymining.identity.spark_resolving import resolve_on_spark
from journeymining.identity.stitch_report import stitch_report

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import timedelta

    from journeymining.engines.engine import Engine

logger = logging.getLogger(__name__)

IDENTIFIER_COLUMNS = ("source", "event_id", "kind", "value_hash", "timestamp")


@dataclass(frozen=True)
class Stitching:
    """Which customer every record belongs to, and why.

    Attributes
    ----------
    customers : pa.Table, one row per identifier value and customer (and interval)
        kind, value_hash, customer_id, valid_from, valid_to, rule, strength; see `stitch`.
    events : pa.Table, one row per record
        source, event_id, customer_id. Records that are no events (a contact row, a survey answer) are in it as well.
    report : dict
        Coverage and counts, ready for JSON; see `stitch_report`.
    """

    customers: pa.Table
    events: pa.Table
    report: dict[str, Any] = field(repr=False)


def stitch(
    identifiers: pa.Table | str | Path,
    events: pa.Table | str | Path,
    *,
    keys: Sequence[str] = DEFAULT_KEYS,
    at_most: Mapping[str, int] | None = None,
    window: timedelta = DEFAULT_BACK_WINDOW,
    blocked: Collection[str] = (),
    memory_limit: str | None = None,
    engine: Engine | None = None,
) -> Stitching:
    """Give every record a customer, by the identifiers that records share.

    The rules, in the order in which they are used:

    1. Identifiers are linked only where one record carries them both.
    2. The first kind of ``keys`` (``account`` by default) is unique: two of its values are never one customer. A record
       that carries two is left out of stitching and is a customer of its own.
    3. Then one kind after another, strongest first. A strong kind (contact, login, email, order) joins all records with
       the same value, unless that would join two unique values. A weak kind (phone, device, cookie) joins records to at
       most one customer that a stronger kind names: it never joins two of them.
    4. A value that two or more such customers share is split by time: it is a customer's from a use by that customer
       until the next use by another. When two use it at the same moment, what follows is nobody's until the next use.
    5. A value shared by more than ``at_most`` customers says nothing and is left out.
    6. Where records still chain two customers, each goes to the nearer one, and to neither when both are equally near.
    7. A device or cookie used before its first log-in belongs to that customer if it is at most ``window`` earlier
       (90 days by default). Earlier uses stay one anonymous customer per device or cookie.
    8. What has no identifier that joins it to anything is a customer of its own.

    Parameters
    ----------
    identifiers : pa.Table or path of Parquet, one row per identifier of a record
        source, event_id, kind, value_hash, timestamp (UTC; null where the record tells none).
    events : pa.Table or path of Parquet, one row per event
        At least source and event_id; channel where there is one.
    keys : kinds to stitch on, strongest first
    at_most : mapping of kind to number, optional
        Customers that may share one value; 5 for kinds not named.
    window : timedelta
    blocked : hashes of values that stand for nobody
    memory_limit : str, optional
        What stitching may use, such as ``4GB``. Numbers of records and values, and the resulting tables, lie in memory:
        80 bytes per identifier and event. Queries get what is left, and put what they need beyond into a temporary
        folder. The interpreter and its libraries (some 150 MB) and tables that are given come on top.
    engine : Engine, default this process
        On the engine of Spark connected components are found there, and the same rules run on the executors, on each
        part that hangs together; all results are equal. Paths must be readable by Spark; the resulting tables still
        come to this machine.

    Returns
    -------
    Stitching
        ``customers``: rule is ``same_value`` (nobody else has the value), ``interval`` (it was this customer's from
        valid_from until, exclusive, valid_to), ``tie`` (used at the same moment as by another customer), ``undated``
        (shared, and used at an unknown time) or ``before_window`` (anonymous, long before the log-in). valid_from is
        the first use, null when unknown; valid_to is null while nobody else has it (before_window: the last such use).
        strength is unique, strong or weak.
        Customers without any identifier that joins have no row. ``customer_id`` is a hash of the strongest identifier
        (ties: the smallest hash), so the same input gives the same ids whatever the order of rows.

    Raises
    ------
    InputError
        When a column is missing.
    UsageError
        When a kind is unknown, a limit is below one, or the memory is too little: before anything is done.

    Notes
    -----
    One record's identifiers are edges; see `journeymining.identity.connected` for their components.

    Examples
    --------
    >>> import pyarrow as pa
    >>> names = ["source", "event_id", "kind", "value_hash", "timestamp"]
    >>> contact = [("crm", "c1", "account", "A", None), ("crm", "c1", "phone", "P", None)]
    >>> call = [("calls", "q1", "phone", "P", None)]
    >>> identifiers = pa.table(dict(zip(names, zip(*contact, *call))))
    >>> result = stitch(identifiers, pa.table({"source": ["calls"], "event_id": ["q1"]}))
    >>> len(result.events), len(result.events["customer_id"].unique())
    (2, 1)
    """
    settings = _settings(keys, at_most, window, blocked)
    with _tables(identifiers, events, memory_limit) as connection:
        report = {"cardinality": cardinality(connection, settings.keys, limits_of(settings))}
        if isinstance(engine, Spark):
            steps = resolve_on_spark(connection, engine.session, identifiers, settings, memory_limit=memory_limit)
        else:
            steps = resolve(connection, settings)
        name_all_records(connection)
        report |= stitch_report(connection, steps, settings)
        stitched, customers = all_records(connection), all_links(connection)
    logger.info("stitched %d records into %d customers", len(stitched), report["customers"]["all"])
    return Stitching(customers, stitched, report)


@contextmanager
def _tables(
    identifiers: pa.Table | str | Path, events: pa.Table | str | Path, memory_limit: str | None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection that knows both tables, keeps to the limit and spills to a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="journeymining-") as spill, connect() as connection:
        connection.execute("SET temp_directory = ?", [spill])
        _open(connection, "identifiers", identifiers, IDENTIFIER_COLUMNS)
        _open(connection, "events", events, ("source", "event_id"))
        # All that is read back is sorted; without it queries need less memory.
        connection.execute("SET preserve_insertion_order = false")
        if memory_limit:
            limit_queries(connection, memory_limit)
        try:
            yield connection
        except duckdb.OutOfMemoryException:
            raise UsageError(f"Stitching needs more memory than the limit of {memory_limit}. Raise it.") from None


def _settings(
    keys: Sequence[str], at_most: Mapping[str, int] | None, window: timedelta, blocked: Collection[str]
) -> IdentityConfig:
    from pydantic import ValidationError

    try:
        return IdentityConfig(
            keys=tuple(keys), at_most=dict(at_most or {}), back_window=window, blocked=tuple(sorted(blocked))
        )
    except ValidationError as error:
        raise UsageError(f"stitch: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None


def _open(
    connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table | str | Path, needed: Sequence[str]
) -> None:
    """Make a table or a Parquet file known to the connection under a name."""
    if isinstance(table, pa.Table):
        connection.register(name, table)
    else:
        path = str(table).replace("'", "''")
        if not Path(table).exists():
            raise InputError(f"{table}: no such file.")
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
    for column in needed:
        if column not in columns:
            raise InputError.missing_column(column, columns, where=name)
