"""Before stitching: what each kind of identifier would do, so that a shared or broken one is seen first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

COMMON_SHARE = 0.01
"""A value in more than this share of the records of its kind is suspicious..."""

COMMON_RECORDS = 100
"""...once it is in this many records: in a small log every value is in a large share."""

TOP = 10


def cardinality(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str], at_most: Mapping[str, int]
) -> dict[str, dict[str, Any]]:
    """Count per kind of the table ``identifiers`` its values, records and unique values (accounts).

    An account of a value is one that stands in the same record. A value is suspicious when it stands with more accounts
    than ``at_most`` allows, or in over 1 % of the records of its kind and at least 100 of them: a shared device, the
    company's own number, `info@`.

    Returns
    -------
    dict
        Per kind: ``used`` (is it one of ``keys``), ``values``, ``records``, ``records_per_value`` (mean and max),
        ``accounts_per_value`` (mean over values with an account, and max), ``values_with_several_accounts``,
        ``suspicious`` (at most ten: value_hash, records, accounts), most accounts first, then most records, then hash;
        ``suspicious_values`` counts them all.
    """
    connection.execute(_VALUES, {"unique": keys[0]})
    connection.execute("CREATE OR REPLACE TEMP TABLE limits (kind VARCHAR, at_most BIGINT)")
    connection.executemany("INSERT INTO limits VALUES (?, ?)", [[kind, at_most[kind]] for kind in keys])
    connection.execute(_SUSPICIOUS, {"unique": keys[0], "share": COMMON_SHARE, "enough": COMMON_RECORDS})
    report: dict[str, dict[str, Any]] = {}
    kinds = connection.execute(_KINDS).fetchall()
    for kind, values, records, mean, most, accounts_mean, accounts_most, several in kinds:
        report[kind] = {
            "used": kind in keys,
            "values": values,
            "records": records,
            "records_per_value": {"mean": mean, "max": most},
            "accounts_per_value": {"mean": accounts_mean, "max": accounts_most},
            "values_with_several_accounts": several,
            "suspicious_values": 0,
            "suspicious": [],
        }
    for kind, value_hash, records, accounts, place, all_of_kind in connection.execute(
        "SELECT * FROM suspicious WHERE place <= ? ORDER BY kind, place", [TOP]
    ).fetchall():
        del place
        report[kind]["suspicious_values"] = all_of_kind
        report[kind]["suspicious"].append({"value_hash": value_hash, "records": records, "accounts": accounts})
    return report


_VALUES = """
CREATE OR REPLACE TEMP TABLE value_counts AS
WITH uses AS (
    SELECT DISTINCT kind, value_hash, source, event_id FROM identifiers WHERE value_hash IS NOT NULL
), records AS (
    SELECT kind, value_hash, count(*) AS records FROM uses GROUP BY ALL
), accounts AS (
    SELECT u.kind, u.value_hash, count(DISTINCT a.value_hash) AS accounts
    FROM uses u JOIN uses a USING (source, event_id) WHERE a.kind = $unique GROUP BY ALL
)
SELECT kind, value_hash, records, coalesce(accounts, 0) AS accounts
FROM records LEFT JOIN accounts USING (kind, value_hash)
"""

_SUSPICIOUS = """
CREATE OR REPLACE TEMP TABLE suspicious AS
WITH totals AS (SELECT kind, sum(records) AS total FROM value_counts GROUP BY kind),
found AS (
    SELECT kind, value_hash, records, accounts
    FROM value_counts JOIN totals USING (kind) LEFT JOIN limits USING (kind)
    WHERE (kind <> $unique AND accounts > coalesce(at_most, 1e18)) OR (records >= $enough AND records > $share * total)
)
SELECT *, row_number() OVER (PARTITION BY kind ORDER BY accounts DESC, records DESC, value_hash) AS place,
    count(*) OVER (PARTITION BY kind) AS all_of_kind
FROM found
"""

_KINDS = """
SELECT kind, count(*), (SELECT count(DISTINCT (source, event_id)) FROM identifiers i WHERE i.kind = v.kind),
    avg(records), max(records), avg(accounts) FILTER (accounts > 0), max(accounts), count(*) FILTER (accounts > 1)
FROM value_counts v GROUP BY kind ORDER BY kind
"""
