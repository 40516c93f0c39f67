"""What names a customer in the tables of a job, and how to find it in records as their source wrote them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import duckdb

from journeymining.database import connect
from journeymining.exceptions import InputError, UsageError
from journeymining.ingest.distinct import identifier_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_TOKEN = re.compile(r"[^\s\"'|,;=<>(){}\[\]&?]+")
"""A piece of a log line: what stands between blanks, quotes, brackets and separators."""

_TELEPHONE = re.compile(r"[+(]?\d[\d ()./-]{5,23}\d")

_CACHED = 1 << 20


@dataclass(frozen=True)
class Traces:
    """All that leads to one customer in one store.

    Attributes
    ----------
    customers : customer ids: the customer, and anonymous ones that are the same device or cookie before the window
    names : customer, journey, record and survey ids, and the customer's own identifier hashes: a row with one of them
        is the customer's
    own : (kind, hash) of identifiers that no other customer has
    shared : (kind, hash) of identifiers that others have or had as well
    others : (kind, hash) of identifiers that exactly one other customer has
    records : number of the customer's records per source
    """

    customers: frozenset[str]
    names: frozenset[str]
    own: frozenset[tuple[str, str]]
    shared: frozenset[tuple[str, str]]
    others: frozenset[tuple[str, str]]
    records: dict[str, int]


def customers_of(store: Path, kind: str, value_hash: str) -> list[str]:
    """Return the ids of the customers that an identifier belongs or belonged to, anonymous ones left aside."""
    rows = _query(
        store,
        "SELECT DISTINCT customer_id FROM {customers} WHERE kind = ? AND value_hash = ? AND rule <> 'before_window' "
        "ORDER BY customer_id",
        [kind, value_hash],
    )
    return [row[0] for row in rows]


def find_traces(store: Path, customer: str) -> Traces | None:
    """Collect what leads to a customer in the folder of a job; None when it does not know the customer."""
    rows = _query(
        store,
        """
        WITH own AS (SELECT * FROM {customers} WHERE customer_id = $1)
        SELECT $1 WHERE EXISTS (FROM {records} WHERE customer_id = $1)
        UNION SELECT c.customer_id FROM {customers} c JOIN own USING (kind, value_hash) WHERE c.rule = 'before_window'
        """,
        [customer],
    )
    if not rows:
        return None
    ids = sorted({row[0] for row in rows})
    values = _query(
        store,
        """
        SELECT kind, value_hash, bool_and(list_contains($1, customer_id)) AS is_own,
            bool_or(list_contains($1, customer_id)) AS is_shared, count(DISTINCT customer_id) AS users
        FROM {customers} GROUP BY kind, value_hash
        """,
        [ids],
    )
    own = frozenset((kind, value) for kind, value, is_own, _, _ in values if is_own)
    shared = frozenset((kind, value) for kind, value, is_own, is_any, _ in values if is_any and not is_own)
    others = frozenset((kind, value) for kind, value, _, is_any, users in values if not is_any and users == 1)
    records = _query(store, "SELECT source, event_id FROM {records} WHERE list_contains($1, customer_id)", [ids])
    names = {*ids, *(event for _, event in records), *(value for _, value in own)}
    if (store / "journeys.parquet").exists():
        journeys = _query(store, "SELECT journey_id FROM {journeys} WHERE list_contains($1, customer_id)", [ids])
        names |= {row[0] for row in journeys}
    sources = sorted({source for source, _ in records})
    counts = {source: sum(one == source for one, _ in records) for source in sources}
    return Traces(frozenset(ids), frozenset(names), own, shared, others, counts)


def writes_in_clear(store: Path) -> bool:
    """Say whether a job writes identifiers in clear (``pseudonymise: false``): each then begins with its kind."""
    query = "SELECT count(*) FROM (SELECT 1 FROM {customers} WHERE starts_with(value_hash, kind || ':') LIMIT 1)"
    return bool(_query(store, query, [])[0][0])


def record_test(traces: Traces, *, key: bytes | None, region: str | None) -> Callable[[Iterable[str | None]], bool]:
    """Return a function that says whether the texts of one raw record are the customer's.

    They are when one of them is an identifier of the customer that nobody else has; or one that others have too, unless
    the record also carries an identifier of exactly one other customer. A text is looked at as a whole and in its
    pieces (between blanks, quotes, brackets and separators, and what looks like a telephone number), also with percent
    signs decoded.
    """
    kinds = sorted({kind for kind, _ in (*traces.own, *traces.shared)})
    other_kinds = sorted({kind for kind, _ in traces.others})
    wanted = traces.own | traces.shared

    @lru_cache(maxsize=_CACHED)
    def found(piece: str) -> frozenset[tuple[str, str]]:
        return frozenset(hashes(piece, kinds, key=key, region=region)) & wanted

    def is_theirs(texts: Iterable[str | None]) -> bool:
        pieces = {piece for text in texts if text for piece in _pieces(text)}
        hits = set().union(*map(found, pieces)) if pieces else set()
        if hits & traces.own:
            return True
        if not hits:
            return False
        return not any(
            one in traces.others for piece in pieces for one in hashes(piece, other_kinds, key=key, region=region)
        )

    return is_theirs


def hashes(text: str, kinds: Iterable[str], *, key: bytes | None, region: str | None) -> list[tuple[str, str]]:
    """Return (kind, pseudonym) of a text, for every kind that it could be; without a key as jobs in clear write it."""
    found = []
    for kind in kinds:
        if kind == "phone" and not _TELEPHONE.fullmatch(text):
            continue
        if kind == "email" and "@" not in text:
            continue
        if value := identifier_hash(kind, region, key)(text):
            found.append((kind, value))
    return found


def tokens(text: str) -> set[str]:
    """Return the pieces of a text between blanks, quotes, brackets and separators.

    Examples
    --------
    >>> sorted(tokens('calls|ENTERQUEUE||"+49 30 1"'))
    ['+49', '1', '30', 'ENTERQUEUE', 'calls']
    """
    return set(_TOKEN.findall(text))


def name_test(names: frozenset[str]) -> Callable[[str], bool]:
    """Return a function that says whether a text names one of the names, as a whole, as a piece, or spelt for JSON.

    A name that holds a separator itself, such as an identifier in clear with a blank, is looked for anywhere.
    """
    spelt = names | {json.dumps(name)[1:-1] for name in names} | {escape(name) for name in names}
    whole = frozenset(name for name in spelt if _TOKEN.fullmatch(name))
    parts = sorted(spelt - whole)

    def is_named(text: str) -> bool:
        return not whole.isdisjoint(tokens(text)) or any(part in text for part in parts)

    return is_named


def _pieces(text: str) -> set[str]:
    # A telephone number may be written with blanks, so it is looked for as a whole as well.
    pieces = {text.strip(), *tokens(text), *_TELEPHONE.findall(text)}
    return pieces | {unquote(piece) for piece in pieces if "%" in piece}


def is_store(folder: Path) -> bool:
    """Say whether a folder holds the stitched tables of a job."""
    return (folder / "records.parquet").is_file() and (folder / "customers.parquet").is_file()


def only_customer(found: list[str], kind: str) -> str | None:
    """Return the one customer of an identifier; None without any.

    Raises
    ------
    UsageError
        When several have or had it: then their ids are named, so that one can be given.
    """
    if len(found) > 1:
        raise UsageError(f"this {kind} belongs or belonged to {len(found)} customers; give one: {', '.join(found)}.")
    return found[0] if found else None


def _query(store: Path, query: str, parameters: list[object]) -> list[tuple[Any, ...]]:
    files = {
        name: "read_parquet('" + str(store / f"{name}.parquet").replace("'", "''") + "')"
        for name in ("customers", "records", "journeys")
    }
    try:
        with connect() as connection:
            rows: list[tuple[Any, ...]] = connection.execute(query.format(**files), parameters).fetchall()
            return rows
    except duckdb.Error as error:
        raise InputError(f"{store}: not the tables of a job: {str(error).splitlines()[0]}") from None
