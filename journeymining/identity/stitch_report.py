"""After stitching: how much was linked, by what, and what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from journeymining.identity.settings import IdentityConfig

ANONYMOUS = ("device", "cookie")
"""Customers that nothing stronger names are anonymous: a device or cookie, or a single record."""


def stitch_report(
    connection: duckdb.DuckDBPyConnection, steps: Mapping[str, dict[str, Any]], settings: IdentityConfig
) -> dict[str, Any]:
    """Summarise the tables that stitching left in a connection.

    Returns
    -------
    dict
        ``settings``;
        ``records``, ``events`` and ``records_without_event`` (contact rows, survey answers);
        ``customers``: all, anonymous, and by the kind of the identifier that names them (``none``: a single record);
        ``customer_sizes``: how many customers have 1, 2, 3-5, 6-20, 21-100, over 100 records, and the largest;
        ``customer_identifiers``: the same for the identifier values that belong to a customer, also at times (``0``:
        single records without any);
        ``events_with_account``: events whose customer has a unique value, their number and share of all events;
        ``events_of_anonymous``: events of anonymous customers, their number and share;
        ``kinds``: per kind what the rules did: values and uses seen, left out (too common), shared, unresolved, joined
        back to before the log-in, before the window, conflicts and uses held back because of them;
        ``conflicts``: totals of what contradicts itself: records with several accounts, chains between two customers
        that were cut, uses held back because of them, uses of shared values that are nobody's;
        ``left_out``: hashes of the values too common to be used;
        ``links``: rows of the customers table by kind, rule and strength;
        ``sources`` and ``channels``: for each ordered pair, the customers of the first, how many of them are customers
        of the second too, and the share (the match rate). Of a source all records count, also those that are no
        events; of a channel its events.
    """
    with_channel = "channel" in [row[0] for row in connection.execute("DESCRIBE events").fetchall()]
    connection.execute(_EVENT_CUSTOMERS.format(channel="channel" if with_channel else "NULL::VARCHAR"))
    events, of_account, of_anonymous = _row(connection, _COVERAGE, {"unique": settings.keys[0], "anonymous": ANONYMOUS})
    records = _row(connection, "SELECT count(*) FROM record_customers")[0]
    distinct_events = _row(connection, "SELECT count(DISTINCT (source, event_id)) FROM event_customers")[0]
    report = {
        "settings": settings.model_dump(mode="json", exclude={"sensitivity"}),
        "records": records,
        "events": events,
        "records_without_event": records - distinct_events,
        "customers": _customers(connection),
        "customer_sizes": _sizes(connection, _RECORDS_PER_CUSTOMER),
        "customer_identifiers": _sizes(connection, _VALUES_PER_CUSTOMER),
        "events_with_account": {"events": of_account, "share": of_account / events if events else None},
        "events_of_anonymous": {"events": of_anonymous, "share": of_anonymous / events if events else None},
        "kinds": {
            kind: {name: count for name, count in step.items() if name != "left_out"} for kind, step in steps.items()
        },
        "conflicts": {
            "records_with_several_accounts": steps[settings.keys[0]]["records_with_several"],
            "chains": sum(step["conflicts"] for step in steps.values()),
            "uses_held_back": sum(step["uses_held_back"] for step in steps.values()),
            "uses_unresolved": sum(step["uses_unresolved"] for step in steps.values()),
        },
        "left_out": [
            {"kind": kind, "value_hash": value_hash} for kind, step in steps.items() for value_hash in step["left_out"]
        ],
        "links": [
            dict(zip(("kind", "rule", "strength", "links"), row, strict=True))
            for row in connection.execute(
                "SELECT kind, rule, strength, count(*) FROM customers GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        ],
        "sources": _matches(connection, "record_customers", "source"),
        "channels": _matches(connection, "event_customers", "channel"),
    }
    connection.execute("DROP TABLE event_customers")
    return report


def _row(connection: duckdb.DuckDBPyConnection, query: str, parameters: Any = None) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(query, parameters).fetchall()[0]
    return row


def _customers(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    by_name = dict(
        connection.execute(
            "SELECT coalesce(named_by, 'none') AS name, count(*) FROM customer_names GROUP BY name ORDER BY name"
        ).fetchall()
    )
    anonymous = sum(count for name, count in by_name.items() if name in (*ANONYMOUS, "none"))
    return {"all": sum(by_name.values()), "anonymous": anonymous, "named_by": by_name}


def _sizes(connection: duckdb.DuckDBPyConnection, counted: str) -> dict[str, int]:
    names = ("0", "1", "2", "3-5", "6-20", "21-100", "over 100", "largest")
    sizes = dict(zip(names, _row(connection, _SIZES.format(counted=counted)), strict=True))
    return sizes if sizes["0"] else {name: count for name, count in sizes.items() if name != "0"}


def _matches(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> list[dict[str, Any]]:
    """Match every ordered pair of sources or channels; pairs without a common customer are in it with 0."""
    rows = connection.execute(_MATCHES.format(table=table, column=column)).fetchall()
    names = ("first", "second", "customers", "also_second", "share")
    return [dict(zip(names, row, strict=True)) for row in rows]


_EVENT_CUSTOMERS = """
CREATE OR REPLACE TEMP TABLE event_customers AS
SELECT e.source, e.event_id, {channel} AS channel, c.customer_id, n.named_by
FROM events e JOIN record_customers c USING (source, event_id) JOIN customer_names n USING (customer_id)
"""

_COVERAGE = """
SELECT count(*), count(*) FILTER (named_by = $unique),
    count(*) FILTER (named_by IS NULL OR list_contains($anonymous, named_by)) FROM event_customers
"""

_SIZES = """
SELECT count(*) FILTER (n = 0), count(*) FILTER (n = 1), count(*) FILTER (n = 2), count(*) FILTER (n BETWEEN 3 AND 5),
    count(*) FILTER (n BETWEEN 6 AND 20), count(*) FILTER (n BETWEEN 21 AND 100), count(*) FILTER (n > 100),
    coalesce(max(n), 0)
FROM ({counted})
"""

_RECORDS_PER_CUSTOMER = "SELECT records AS n FROM customer_names"

_VALUES_PER_CUSTOMER = """
SELECT count(DISTINCT (c.kind, c.value_hash)) FILTER (c.kind IS NOT NULL) AS n
FROM customer_names LEFT JOIN customers c USING (customer_id) GROUP BY customer_id
"""

_MATCHES = """
WITH seen AS (SELECT DISTINCT {column} AS name, customer_id FROM {table} WHERE {column} IS NOT NULL),
totals AS (SELECT name, count(*) AS customers FROM seen GROUP BY name),
both_seen AS (
    SELECT a.name AS first, b.name AS second, count(*) AS customers
    FROM seen a JOIN seen b USING (customer_id) WHERE a.name <> b.name GROUP BY ALL
)
SELECT a.name, b.name, a.customers, coalesce(both_seen.customers, 0), coalesce(both_seen.customers, 0) / a.customers
FROM totals a JOIN totals b ON a.name <> b.name
LEFT JOIN both_seen ON both_seen.first = a.name AND both_seen.second = b.name
ORDER BY a.name, b.name
"""
