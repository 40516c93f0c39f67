"""Which version of the customers this is, and who became somebody else since the previous stitching."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from journeymining.database import connect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHANGES = ("unchanged", "other_records", "renamed", "merged", "split", "new")
"""What became of a customer; `customer_changes` says when each holds."""

SCHEMA = pa.schema([("customer_id", pa.string()), ("change", pa.string()), ("previous_customer_id", pa.string())])

BATCH = 1 << 16


def customers_version(customers: pa.Table, rules: Mapping[str, Any]) -> str:
    """Return a digest of the table of customers and of the rules it was made by.

    Equal rows, in the order in which `stitch` returns them, and equal rules give the same version, on every machine;
    another key of the pseudonyms gives another one.

    Parameters
    ----------
    customers : pa.Table
        `Stitching.customers`.
    rules : mapping
        The settings in the report of `stitch`.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps([customers.column_names, dict(rules)], sort_keys=True).encode())
    for batch in customers.to_batches(BATCH):
        columns = [_texts(column) for column in batch.columns]
        for row in zip(*columns, strict=True):
            digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()[:32]


def customer_changes(
    previous: pa.Table | str | Path | None, records: pa.Table | str | Path
) -> tuple[dict[str, int] | None, pa.Table]:
    """Say of every customer what became of them since the previous stitching.

    A customer is compared by records, not by name, so that a new name alone is no change of the person. Of these the
    first that holds:

    ``new``
        none of the customer's records was there before;
    ``merged``
        the records were of two or more customers before;
    ``split``
        the records were of one customer before, others of whose records are now somebody else's;
    ``renamed``
        the records were of one customer before, who has another name now (a stronger identifier came or went);
    ``other_records``
        the same customer, with records that came or went;
    ``unchanged``
        the same customer with the same records.

    Parameters
    ----------
    previous, records : pa.Table or path of Parquet, one row per record
        source, event_id, customer_id: `Stitching.events`, then and now. No previous one: nothing can be compared.

    Returns
    -------
    counts : dict or None
        Customers now by change, ``customers`` (their sum), ``previous_customers``, and ``gone``: previous customers of
        whom no record is left. None without a previous stitching.
    changes : pa.Table, one row per customer and previous customer, sorted
        customer_id, change, previous_customer_id (null for new ones); unchanged customers and those with other records
        only are not in it.

    Examples
    --------
    >>> import pyarrow as pa
    >>> before = pa.table({"source": ["s", "s"], "event_id": ["1", "2"], "customer_id": ["a", "b"]})
    >>> now = pa.table({"source": ["s", "s"], "event_id": ["1", "2"], "customer_id": ["a", "a"]})
    >>> counts, changes = customer_changes(before, now)
    >>> counts["merged"], changes.to_pylist()[0]
    (1, {'customer_id': 'a', 'change': 'merged', 'previous_customer_id': 'a'})
    """
    if previous is None:
        return None, SCHEMA.empty_table()
    with connect() as connection:
        for name, table in (("previous", previous), ("present", records)):
            if isinstance(table, pa.Table):
                connection.register(name, table)
            else:
                path = str(table).replace("'", "''")
                connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet('{path}')")
        connection.execute(_CHANGES)
        found = dict(connection.execute("SELECT change, count(*) FROM changes GROUP BY change").fetchall())
        previous_customers, gone = connection.execute(_PREVIOUS).fetchall()[0]
        counts = {change: found.get(change, 0) for change in CHANGES}
        counts |= {"customers": sum(found.values()), "previous_customers": previous_customers, "gone": gone}
        return counts, connection.sql(_ROWS).to_arrow_table().cast(SCHEMA)


def _texts(column: pa.Array) -> list[str | None]:
    """Return a column as texts; a time as microseconds, which read the same everywhere."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    texts: list[str | None] = column.cast(pa.string()).to_pylist()
    return texts


_CHANGES = """
CREATE TEMP TABLE pairs AS
    SELECT p.customer_id AS previous_id, n.customer_id AS present_id, count(*) AS records
    FROM previous p FULL JOIN present n USING (source, event_id) GROUP BY ALL;
CREATE TEMP TABLE successors AS
    SELECT previous_id, count(present_id) AS customers, bool_or(present_id IS NULL) AS lost
    FROM pairs WHERE previous_id IS NOT NULL GROUP BY previous_id;
CREATE TEMP TABLE changes AS
    SELECT present_id AS customer_id, CASE
        WHEN count(previous_id) = 0 THEN 'new'
        WHEN count(previous_id) > 1 THEN 'merged'
        WHEN max(s.customers) > 1 THEN 'split'
        WHEN min(previous_id) <> present_id THEN 'renamed'
        WHEN bool_or(previous_id IS NULL) OR bool_or(s.lost) THEN 'other_records'
        ELSE 'unchanged' END AS change
    FROM pairs LEFT JOIN successors s USING (previous_id) WHERE present_id IS NOT NULL GROUP BY present_id;
"""

_PREVIOUS = "SELECT count(*), count(*) FILTER (customers = 0) FROM successors"

_ROWS = """
SELECT customer_id, change, previous_id AS previous_customer_id
FROM changes JOIN pairs ON present_id = customer_id
WHERE change IN ('merged', 'split', 'renamed') AND previous_id IS NOT NULL OR change = 'new'
ORDER BY customer_id, previous_customer_id
"""
