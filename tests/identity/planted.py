"""Records of made-up customers with what goes wrong in life planted on top, what is true of them, and what is found.

The customers are those of `journeymining.simulation.people`; chunk by chunk, so that a million fit.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.identity.connected import connected
from journeymining.identity.settings import DEFAULT_AT_MOST
from journeymining.simulation.company import CUSTOMERS_PER_CHUNK, Habits
from journeymining.simulation.people import people

DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = 360
CHANGED_NUMBERS = 0.03
AT_THE_KIOSK = 0.0125
CONTACTS_OF_INFO = 0.015
CALLS_BY_HOTLINE = 0.02
INFO, KIOSK, HOTLINE = "email:info@example.org", "device:kiosk", "phone:hotline"
"""An address of many contacts, a device at which many log in, and the company's own number, shown for some calls."""

NO_CHAIN = "no chain of identifiers leads to the account: "
OTHER = "given to another customer who has it too: "
MISSED = "not joined although a chain leads to the account: "
"""Why a record is not with its customer's account; followed by the kinds of its identifiers."""

IDENTIFIERS = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "event_id", "kind", "value_hash")),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
RECORDS = pa.schema([(name, pa.string()) for name in ("source", "event_id", "customer")])
LINKS = pa.schema([(name, pa.string()) for name in ("kind", "value_hash", "customer")])


class Chunk:
    """Records as they come in, each with the customer it truly is of, and the links that are true."""

    def __init__(self, first):
        self.first, self.rows, self.truth, self.links = first, [], [], []

    def add(self, source, day, customer, **identifiers):
        event = f"{self.first:07d}-{len(self.truth):06d}"
        time = DAY_ZERO + timedelta(days=float(day))
        self.rows += [(source, event, kind, f"{kind}:{value}", time) for kind, value in identifiers.items() if value]
        self.truth.append((source, event, customer))

    def link(self, kind, value, customer):
        self.links.append((kind, f"{kind}:{value}", customer))


def plant(folder, *, customers, seed):
    """Write identifiers.parquet, events.parquet (all records), records.parquet and links.parquet (the truth)."""
    tables = {"identifiers": IDENTIFIERS, "records": RECORDS, "links": LINKS}
    writers = {name: pq.ParquetWriter(folder / f"{name}.parquet", schema) for name, schema in tables.items()}
    for first in range(0, customers, CUSTOMERS_PER_CHUNK):
        rng = np.random.default_rng((seed, first))
        chunk = _live(first, min(CUSTOMERS_PER_CHUNK, customers - first), rng)
        for name, rows in (("identifiers", chunk.rows), ("records", chunk.truth), ("links", chunk.links)):
            writers[name].write_table(pa.table(list(zip(*rows, strict=True)), schema=tables[name]))
    for writer in writers.values():
        writer.close()
    pq.write_table(pq.read_table(folder / "records.parquet", columns=["source", "event_id"]), folder / "events.parquet")


def _live(first, size, rng):
    known, chunk = people(first, size, Habits(), rng), Chunk(first)
    names = known.names()
    changes = rng.permutation(size)[: int(size * CHANGED_NUMBERS)]
    changed = {int(i) for i in changes if not known.household[i]}
    for kind, value, customer in known.identifiers():
        chunk.link(kind, value.removeprefix("+49"), customer)
    for i, name in enumerate(names):
        account, email, phone = known.account[i], known.email[i], known.phone[i]
        joined = rng.uniform(0, 60)
        chunk.add("crm", joined, name, account=account, contact=known.contact[i], email=email, phone=phone)
        for cookie in sorted({known.cookie[i], known.earlier_cookie[i], known.second_cookie[i]} - {""}):
            login = rng.uniform(joined, PERIOD)
            # Half of the cookies that were cleared were never logged in with: nothing says whose they were.
            if cookie in {known.cookie[i], known.second_cookie[i]} or rng.random() < 0.5:
                chunk.add("web", login, name, email=email, cookie=cookie)
            for _ in range(rng.poisson(2)):
                chunk.add("web", login + rng.uniform(-60, 60), name, cookie=cookie)
        for device in sorted({known.phone_app[i], known.second_phone_app[i]} - {""}):
            chunk.add("app", joined + 1, name, account=account, device=device)
            chunk.add("app", rng.uniform(joined, PERIOD), name, device=device)
        # Who changes the number tells so on day 200; calls before come from the old one, calls after from the new one.
        for day in rng.uniform(joined, PERIOD, rng.poisson(1.5)):
            number = f"new{first + i}" if i in changed and day > 200 else phone
            chunk.add("calls", day, name, phone="hotline" if rng.random() < CALLS_BY_HOTLINE else number)
    _change_numbers(chunk, known, sorted(changed), rng)
    _giants(chunk, known, rng)
    return chunk


def _change_numbers(chunk, known, changed, rng):
    """Give each changed number to the next customer who changes as well, after thirty days."""
    names = known.names()
    for place, i in enumerate(changed):
        new = f"new{known.first + i}"
        chunk.add("crm", 200, names[i], account=known.account[i], phone=new)
        chunk.link("phone", new, names[i])
        heir = changed[(place + 1) % len(changed)]
        chunk.add("crm", 230, names[heir], account=known.account[heir], phone=known.phone[i])
        chunk.link("phone", known.phone[i], names[heir])
        chunk.add("heirs", rng.uniform(231, PERIOD), names[heir], phone=known.phone[i])


def _giants(chunk, known, rng):
    """Let an address be that of many contacts, and many log in at one kiosk; both are nobody's link."""
    names = known.names()
    for i in rng.permutation(known.size)[: int(known.size * CONTACTS_OF_INFO)]:
        chunk.add("crm", rng.uniform(61, PERIOD), names[i], account=known.account[i], email="info@example.org")
        chunk.add("shop", rng.uniform(61, PERIOD), names[i], email="info@example.org")
    for i in rng.permutation(known.size)[: int(known.size * AT_THE_KIOSK)]:
        day = rng.uniform(61, PERIOD)
        chunk.add("app", day, names[i], account=known.account[i], device="kiosk")
        chunk.add("app", day + 0.01, names[i], device="kiosk")


def accuracy(folder, found):
    """Return how much of the truth a stitching found, and what it missed, by cause.

    A pair of records is two records of one customer; a pair of identifiers two identifiers that a customer has in
    common (a telephone may be of several); a link an identifier of a customer, who is known by the account. Over all:
    identifiers that are in no record count as well. The ceiling is what somebody finds who knows whose every record is,
    and joins those of a customer that a chain of identifiers leads to, of values that no more than `DEFAULT_AT_MOST`
    customers carry: no rule on identifiers finds more without joining records that have none in common.

    Returns
    -------
    figures : dict
    missed : dict, cause to (records, pairs, share of the true pairs of records)
        Of records that are not with their customer's account, and true pairs that they are in. ``two causes``: pairs of
        two such records.
    """
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '4GB'")
        connection.execute("SET temp_directory = ?", [str(folder / "spill")])
        connection.register("found_records", found.events)
        connection.register("found_links", found.customers)
        for name in ("identifiers", "records", "links"):
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{folder / name}.parquet')")
        connection.execute(_PAIRS)
        _ask_oracle(connection)
        connection.execute(_CAUSES, {"other": OTHER, "none": NO_CHAIN, "missed": MISSED})
        names, *rows = [column[0] for column in connection.execute(_ACCURACY).description], *connection.fetchall()
        missed = {cause: tuple(counts) for cause, *counts in connection.execute(_MISSED).fetchall()}
    return dict(zip(names, rows[0], strict=True)), missed


def _ask_oracle(connection):
    """Leave the table oracle (record, label): records of one true customer with a chain of identifiers between them."""
    connection.execute(_EVIDENCE, {"at_most": DEFAULT_AT_MOST})
    uses = connection.execute("SELECT record, value FROM evidence").fetchnumpy()
    (records,) = connection.execute("SELECT count(*) FROM numbered").fetchall()[0]
    label = connected(uses["record"], uses["value"], records)
    connection.register("labels", pa.table({"record": np.arange(records), "label": label}))
    connection.execute("CREATE TABLE oracle AS FROM labels")


_PAIRS = """
CREATE TABLE codes AS
    SELECT value_hash, row_number() OVER () AS code, bool_or(is_logged) AS is_logged
    FROM (SELECT value_hash, true AS is_logged FROM identifiers UNION ALL SELECT value_hash, false FROM links)
    GROUP BY value_hash;
CREATE TABLE true_of AS
    SELECT DISTINCT code, is_logged, customer FROM links JOIN codes USING (value_hash);
CREATE TABLE found_of AS
    SELECT DISTINCT code, customer_id FROM found_links JOIN codes USING (value_hash) WHERE rule <> 'before_window';
CREATE TABLE true_pairs AS
    SELECT DISTINCT a.code AS one, b.code AS other, a.is_logged AND b.is_logged AS is_logged
    FROM true_of a JOIN true_of b USING (customer) WHERE a.code < b.code;
CREATE TABLE found_pairs AS
    SELECT DISTINCT a.code AS one, b.code AS other
    FROM found_of a JOIN found_of b USING (customer_id) WHERE a.code < b.code;
CREATE TABLE account_of AS
    SELECT l.customer, any_value(f.customer_id) AS customer_id
    FROM links l JOIN found_links f USING (kind, value_hash) WHERE l.kind = 'account' GROUP BY l.customer;
CREATE TABLE record_pairs AS
    SELECT customer, customer_id, count(*)::HUGEINT AS size
    FROM records JOIN found_records USING (source, event_id) GROUP BY ALL;
"""

_EVIDENCE = """
CREATE TABLE numbered AS
    SELECT row_number() OVER () - 1 AS record, source, event_id, customer FROM records;
CREATE TABLE uses AS
    SELECT record, customer, kind, code FROM numbered JOIN identifiers USING (source, event_id)
    JOIN codes USING (value_hash);
CREATE TABLE evidence AS
    SELECT record::INTEGER AS record, (dense_rank() OVER (ORDER BY customer, code) - 1)::INTEGER AS value
    FROM uses WHERE code IN (SELECT code FROM uses GROUP BY code HAVING count(DISTINCT customer) <= $at_most);
"""

_CAUSES = """
CREATE TABLE fates AS
WITH reached AS (
    SELECT DISTINCT label FROM oracle JOIN uses USING (record) WHERE kind = 'account'
), carried AS (
    SELECT record, string_agg(DISTINCT kind, ', ' ORDER BY kind) AS kinds FROM uses GROUP BY record
)
SELECT n.customer, f.customer_id, CASE
        WHEN f.customer_id = a.customer_id THEN NULL
        WHEN label NOT IN (FROM reached) THEN $none || kinds
        WHEN f.customer_id IN (SELECT customer_id FROM account_of) THEN $other || kinds
        ELSE $missed || kinds END AS cause
FROM numbered n JOIN found_records f USING (source, event_id) JOIN account_of a USING (customer)
JOIN oracle USING (record) JOIN carried USING (record);
"""

_MISSED = """
WITH parts AS (
    SELECT customer, customer_id, cause, count(*)::HUGEINT AS size FROM fates GROUP BY ALL
), apart AS (
    SELECT CASE WHEN a.cause <> b.cause THEN 'two causes' ELSE coalesce(a.cause, b.cause) END AS cause,
        sum(a.size * b.size) // 2 AS pairs
    FROM parts a JOIN parts b USING (customer) WHERE a.customer_id <> b.customer_id GROUP BY ALL
), truly AS (
    SELECT sum(n * (n - 1) // 2) AS pairs FROM (SELECT sum(size) AS n FROM parts GROUP BY customer)
)
SELECT cause, (SELECT count(*) FROM fates f WHERE f.cause = apart.cause), apart.pairs::BIGINT,
    (apart.pairs / truly.pairs)::DOUBLE
FROM apart, truly ORDER BY apart.pairs DESC
"""

_ACCURACY = """
WITH records_of AS (
    SELECT sum(size * (size - 1) // 2) AS both FROM record_pairs
), records_found AS (
    SELECT sum(n * (n - 1) // 2) AS pairs FROM (SELECT sum(size) AS n FROM record_pairs GROUP BY customer_id)
), records_true AS (
    SELECT sum(n * (n - 1) // 2) AS pairs FROM (SELECT sum(size) AS n FROM record_pairs GROUP BY customer)
), records_linked AS (
    SELECT sum(n * (n - 1) // 2) AS pairs
    FROM (SELECT count(*)::HUGEINT AS n FROM numbered JOIN oracle USING (record) GROUP BY customer, label)
), pairs AS (
    SELECT count(*) FILTER (t.one IS NOT NULL) AS truly, count(*) FILTER (t.is_logged) AS truly_logged,
        count(*) FILTER (f.one IS NOT NULL) AS found, count(*) FILTER (t.one IS NOT NULL AND f.one IS NOT NULL) AS both
    FROM true_pairs t FULL JOIN found_pairs f USING (one, other)
), linked AS (
    SELECT count(*) AS truly, count(*) FILTER (t.is_logged) AS truly_logged, count(f.code) AS both
    FROM true_of t JOIN account_of USING (customer) LEFT JOIN found_of f USING (code, customer_id)
)
SELECT (SELECT count(DISTINCT customer) FROM links) AS customers,
    (SELECT count(*) FROM records) AS records,
    (SELECT count(*) FROM identifiers) AS "identifiers of records",
    pairs.found AS "pairs of identifiers given to one customer",
    pairs.both / pairs.found AS "precision of pairs of identifiers",
    pairs.truly_logged AS "true pairs of identifiers that occur",
    pairs.both / pairs.truly_logged AS "recall of pairs of identifiers that occur",
    pairs.both / pairs.truly AS "recall of pairs of identifiers over all",
    linked.truly_logged AS "true links of identifiers that occur",
    linked.both / linked.truly_logged AS "recall of links of identifiers that occur",
    linked.both / linked.truly AS "recall of links over all",
    (records_of.both / records_found.pairs)::DOUBLE AS "precision of pairs of records",
    (records_of.both / records_true.pairs)::DOUBLE AS "recall of pairs of records",
    (records_linked.pairs / records_true.pairs)::DOUBLE AS "recall of pairs of records, ceiling"
FROM pairs, linked, records_of, records_found, records_true, records_linked
"""
