"""Numbers become names again: the customer of each record, and the links that explain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.identity.components import RULES
from journeymining.identity.encoding import UNDATED
from journeymining.identity.settings import STRENGTH

if TYPE_CHECKING:
    import duckdb

    from journeymining.identity.components import Groups
    from journeymining.identity.encoding import IntArray


def name_records(connection: duckdb.DuckDBPyConnection, groups: Groups) -> None:
    """Leave the table ``named_records`` (record, source, event_id, named_by, customer_id) in the connection.

    ``named_by`` is the kind of the identifier that names the customer, null for a record on its own.
    """
    names = groups.name[groups.of_record]
    connection.register("record_names", pa.table({"record": np.arange(len(names)), "name": names}))
    connection.execute(_NAMED_RECORDS)
    connection.unregister("record_names")


def find_links(connection: duckdb.DuckDBPyConnection, links: dict[str, IntArray], *, unique: str) -> None:
    """Leave the customers table of `stitch`, of the uses that hold (record, value, time, rule), in the connection."""
    time = pa.array(links["time"], mask=links["time"] == UNDATED).cast(pa.timestamp("us", "UTC"))
    table = pa.table({"record": links["record"], "value": links["value"], "time": time, "rule": links["rule"]})
    connection.register("link_codes", table)
    connection.register("rules", pa.table({"code": list(range(len(RULES))), "rule": list(RULES)}))
    connection.execute(_LINKS)
    connection.unregister("link_codes")
    connection.execute("DROP TABLE record_codes; DROP TABLE value_codes")
    weak = [kind for kind, strength in STRENGTH.items() if strength == "weak"]
    connection.execute(_CUSTOMERS, {"unique": unique, "weak": weak})
    connection.execute("DROP TABLE links")


def name_all_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave ``record_customers`` (source, event_id, customer_id) of every record in ``events`` or ``identifiers``.

    And ``customer_names`` (customer_id, named_by, records). Takes ``named_records`` away.
    """
    connection.execute(_RECORD_CUSTOMERS)
    connection.execute("DROP TABLE named_records")


def all_records(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the table ``record_customers`` of the connection, sorted, and take it away there."""
    found = connection.sql("SELECT * FROM record_customers ORDER BY source, event_id").to_arrow_table()
    connection.execute("DROP TABLE record_customers; DROP TABLE customer_names")
    return found


def all_links(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the table ``customers`` of the connection in the order of `stitch`."""
    return connection.sql(
        "SELECT * FROM customers ORDER BY kind, value_hash, valid_from NULLS FIRST, customer_id, rule"
    ).to_arrow_table()


_NAMED_RECORDS = """
CREATE OR REPLACE TEMP TABLE named_records AS
    SELECT record, r.source, r.event_id, v.kind AS named_by,
        -- The name of a customer without a joining identifier is that of its only record.
        md5(coalesce(v.kind || ':' || v.value_hash, 'event:' || r.source || ':' || r.event_id)) AS customer_id
    FROM record_names g JOIN record_codes r USING (record) LEFT JOIN value_codes v ON v.value = g.name
"""

_RECORD_CUSTOMERS = """
CREATE OR REPLACE TEMP TABLE record_customers AS
    SELECT source, event_id, customer_id FROM named_records
    UNION ALL
    SELECT DISTINCT source, event_id, md5('event:' || source || ':' || event_id)
    FROM (SELECT source, event_id FROM events UNION ALL SELECT source, event_id FROM identifiers) all_records
    WHERE NOT EXISTS (FROM named_records n WHERE n.source = all_records.source AND n.event_id = all_records.event_id);
CREATE OR REPLACE TEMP TABLE customer_names AS
    SELECT customer_id, min(named_by) AS named_by, count(*) AS records
    FROM record_customers LEFT JOIN named_records USING (source, event_id, customer_id) GROUP BY customer_id;
"""

_LINKS = """
CREATE OR REPLACE TEMP TABLE links AS
    SELECT v.kind, v.value_hash, c.customer_id, l.time, rules.rule
    FROM link_codes l JOIN named_records c USING (record) JOIN value_codes v USING (value)
    JOIN rules ON rules.code = l.rule;
"""

_CUSTOMERS = """
CREATE OR REPLACE TEMP TABLE customers AS
WITH moments AS (
    SELECT kind, value_hash, time, count(DISTINCT customer_id) AS users, min(customer_id) AS customer_id
    FROM links WHERE rule = 'interval' AND time IS NOT NULL GROUP BY ALL
), turns AS (
    -- Where several use a value at once nobody has it: such a moment ends the interval before it.
    SELECT *, users > 1 OR customer_id IS DISTINCT FROM
        lag(CASE WHEN users = 1 THEN customer_id END) OVER (PARTITION BY kind, value_hash ORDER BY time) AS is_turn
    FROM moments
), intervals AS (
    SELECT kind, value_hash, customer_id, users, time AS valid_from,
        lead(time) OVER (PARTITION BY kind, value_hash ORDER BY time) AS valid_to
    FROM turns WHERE is_turn
), rows_of_links AS (
    SELECT kind, value_hash, customer_id, min(time) AS valid_from,
        max(time) FILTER (rule = 'before_window') AS valid_to, rule
    FROM links WHERE rule <> 'interval' GROUP BY ALL
    UNION ALL
    SELECT kind, value_hash, customer_id, valid_from, valid_to, 'interval' FROM intervals WHERE users = 1
    UNION ALL
    SELECT DISTINCT l.kind, l.value_hash, l.customer_id, l.time, l.time, 'tie'
    FROM links l JOIN moments m ON m.kind = l.kind AND m.value_hash = l.value_hash AND m.time = l.time
    WHERE l.rule = 'interval' AND m.users > 1
    UNION ALL
    SELECT DISTINCT kind, value_hash, customer_id, NULL, NULL, 'undated'
    FROM links WHERE rule = 'interval' AND time IS NULL
)
SELECT kind, value_hash, customer_id, valid_from, valid_to, rule,
    CASE WHEN kind = $unique THEN 'unique' WHEN list_contains($weak, kind) THEN 'weak' ELSE 'strong' END AS strength
FROM rows_of_links
"""
