"""Proposals, not links: which account records may be one person, by name, address and birth date, and how sure that is.

Needs the extra ``splink``. Nothing here changes who is a customer: a person looks at the proposals and decides.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.database import connect
from journeymining.exceptions import InputError, MissingDependencyError, UsageError
from journeymining.ingest.distinct import identifier_hash

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NEEDED = ("source", "value_hash", "customer_id", "given_name", "family_name", "address", "birth_date")

PROPOSALS = pa.schema(
    [
        ("kind", pa.string()),
        ("value_hash", pa.string()),
        ("customer_id", pa.string()),
        ("valid_from", pa.timestamp("us", "UTC")),
        ("valid_to", pa.timestamp("us", "UTC")),
        ("rule", pa.string()),
        ("strength", pa.string()),
        ("other_value_hash", pa.string()),
        ("probability", pa.float64()),
    ]
)
"""The columns of the table of customers, then the account that the other one was compared with, and how sure it is."""

COMPARED = ("given_name", "family_name", "address")
SAME_PERSON = ("given_name", "family_name", "birth_date")
"""Two records that agree in all of these count as one person when the share of such pairs is estimated."""


@dataclass(frozen=True)
class Proposals:
    """What may belong together; see `propose_links`."""

    links: pa.Table
    report: dict[str, Any] = field(repr=False)


def propose_links(
    accounts: pa.Table, *, threshold: float = 0.95, exact_recall: float = 0.7, seed: int = 0
) -> Proposals:
    """Propose which account records are one person, with a probability for each pair.

    The Fellegi-Sunter model of Splink, trained without labels: how often each field agrees by chance is sampled, how
    often it agrees for one person is estimated by expectation maximisation. Records of several sources are compared
    between sources, records of one source among themselves. Compared are pairs with an equal birth date, an equal
    address, or an equal given and family name; other pairs are never proposed. Give hundreds of records at least: fewer
    tell the model nothing.

    Parameters
    ----------
    accounts : pa.Table, one row per account record
        ``source``, ``value_hash`` (the account's pseudonym), ``customer_id`` (of `stitch`), ``given_name``,
        ``family_name``, ``address``, ``birth_date`` (text, YYYY-MM-DD) in clear; null or empty where unknown. Names are
        compared in lower case and in one form of Unicode.
    threshold : float
        Pairs of at least this probability are proposed.
    exact_recall : float
        Which share of the true pairs agrees exactly in name and birth date, as far as one knows: it sets how likely two
        records are to be one person before they are compared. The one assumption; a wrong one shifts all probabilities.
    seed : int
        Of the sample of pairs by chance.

    Returns
    -------
    Proposals
        ``links``: one row per pair, surest first, ties by account. ``value_hash`` may be an account of the customer
        ``customer_id``, who is known by ``other_value_hash``; ``kind`` is account, ``rule`` probabilistic, ``strength``
        proposed. Accounts of one customer already are not proposed. ``report``: ``records``, ``compared`` (pairs),
        ``threshold``, ``proposed``, ``expected_right`` (the sum of their probabilities), ``expected_precision`` (that
        sum over their number; null without any), ``expected_missed`` (the sum of the probabilities of compared pairs
        below the threshold), ``exact_recall``.

    Raises
    ------
    MissingDependencyError
        When Splink is not installed.
    InputError
        When a column is missing, an account is there twice, or there are fewer than two records.
    UsageError
        When the threshold or the recall is not between 0 and 1.

    References
    ----------
    I. Fellegi, A. Sunter, A theory for record linkage, JASA 64, 1969.
    """
    if importlib.util.find_spec("splink") is None:
        raise MissingDependencyError.extra("splink", "splink")
    for name, value in (("threshold", threshold), ("exact_recall", exact_recall)):
        if not 0 < value <= 1:
            raise UsageError(f"{name} must be above 0 and at most 1, found {value}.")
    records = _records(accounts)
    with connect() as connection:
        # One thread: with several, sums of probabilities would differ in their last digits from run to run.
        connection.execute("SET threads = 1")
        compared = _probabilities(connection, records, exact_recall, seed)
        connection.register("compared_pairs", compared)
        connection.register("account_records", records)
        found = connection.sql(_PROPOSED, params={"threshold": threshold}).to_arrow_table().cast(PROPOSALS)
        count, missed = connection.execute(_COMPARED, {"threshold": threshold}).fetchall()[0]
    right = float(pc.sum(found["probability"]).as_py() or 0)
    report = {
        "records": records.num_rows,
        "compared": count,
        "threshold": threshold,
        "proposed": found.num_rows,
        "expected_right": right,
        "expected_precision": right / found.num_rows if found.num_rows else None,
        "expected_missed": missed,
        "exact_recall": exact_recall,
    }
    return Proposals(found, report)


def known_accounts(table: Path, store: Path, *, key: bytes | None) -> tuple[pa.Table, int]:
    """Read account records in clear, and give each its pseudonym and its customer in a job.

    Parameters
    ----------
    table : path of CSV or Parquet, one row per account record
        ``source``, ``account``, ``given_name``, ``family_name``, ``address``, ``birth_date``.
    store : Path
        The folder of the job's events.
    key : bytes or None
        Of the job's pseudonyms; None where it writes identifiers in clear.

    Returns
    -------
    records : pa.Table
        What `propose_links` takes; accounts that the job does not know are left out.
    unknown : int
        How many those are.

    Raises
    ------
    InputError
        When the file is not there or no table, or a column is missing.
    """
    if not table.is_file():
        raise InputError(f"{table}: there is no such file.")
    reader = "read_parquet(?)" if table.suffix.lower() in {".parquet", ".pq"} else "read_csv(?, all_varchar = true)"
    with connect() as connection:
        try:
            rows = connection.sql(f"FROM {reader}", params=[str(table)]).to_arrow_table()
        except duckdb.Error as error:
            raise InputError(f"{table}: not a table of accounts ({type(error).__name__}).") from None
        for column in ("source", "account", *COMPARED, "birth_date"):
            if column not in rows.column_names:
                raise InputError.missing_column(column, rows.column_names, where=str(table))
        hashed = identifier_hash("account", None, key)
        names = [hashed(text) if text else None for text in rows["account"].cast(pa.string()).to_pylist()]
        connection.register("given", rows.append_column("value_hash", pa.array(names, pa.string())))
        customers = str(store / "customers.parquet")
        known = connection.sql(_KNOWN, params={"customers": customers}).to_arrow_table()
    return known, rows.num_rows - known.num_rows


def _records(accounts: pa.Table) -> pa.Table:
    """Check the records and bring them to the spelling in which they are compared."""
    for column in NEEDED:
        if column not in accounts.column_names:
            raise InputError.missing_column(column, accounts.column_names, where="account records")
    if accounts.num_rows < 2:
        raise InputError(f"{accounts.num_rows} account records: at least two are needed to compare any.")
    if len(pc.unique(accounts["value_hash"])) < accounts.num_rows:
        raise InputError("account records: an account is there twice. Give one row per account, the newest.")
    columns = {name: accounts[name].cast(pa.string()) for name in ("source", "value_hash", "customer_id")}
    columns |= {name: _plain(accounts[name].cast(pa.string()).to_pylist()) for name in (*COMPARED, "birth_date")}
    # In one order, so that the order of rows changes nothing.
    return pa.table(columns).sort_by("value_hash")


def _plain(texts: Iterable[str | None]) -> pa.Array:
    plain = [" ".join(unicodedata.normalize("NFKC", text).casefold().split()) if text else None for text in texts]
    return pa.array([text or None for text in plain], pa.string())


def _probabilities(
    connection: duckdb.DuckDBPyConnection, records: pa.Table, exact_recall: float, seed: int
) -> pa.Table:
    """Return left and right account and the probability that they are one person, of every compared pair."""
    import splink.comparison_library as fields
    from splink import Linker, SettingsCreator, block_on
    from splink.internals.duckdb.database_api import DuckDBAPI

    sources = sorted(pc.unique(records["source"]).to_pylist())
    settings = SettingsCreator(
        link_type="link_only" if len(sources) > 1 else "dedupe_only",
        unique_id_column_name="value_hash",
        comparisons=[
            *(fields.JaroWinklerAtThresholds(name, [0.92, 0.8]) for name in COMPARED),
            fields.DateOfBirthComparison("birth_date", input_is_string=True),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("birth_date"),
            block_on("address"),
            block_on("given_name", "family_name"),
        ],
    )
    api = DuckDBAPI(connection)
    tables = []
    for number, source in enumerate(sources):
        connection.register(f"given_{number}", records.filter(pc.equal(records["source"], source)).drop(["source"]))
        connection.execute(f"CREATE TABLE source_{number} AS FROM given_{number}")
        tables.append(api.register(f"source_{number}"))
    linker = Linker(tables, settings, log_level="ERROR")
    training = linker.training
    training.estimate_probability_two_random_records_match([block_on(*SAME_PERSON)], recall=exact_recall)
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=seed)
    for rule in (block_on("birth_date"), block_on("given_name", "family_name")):
        training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict()
    columns = "value_hash_l AS one, value_hash_r AS other, match_probability AS probability"
    return connection.sql(f"SELECT {columns} FROM {pairs.physical_name}").to_arrow_table()


_KNOWN = """
SELECT g.source, g.value_hash, c.customer_id, given_name, family_name, address, birth_date
FROM given g JOIN (SELECT DISTINCT value_hash, customer_id FROM read_parquet($customers) WHERE kind = 'account') c
    USING (value_hash)
ORDER BY g.value_hash
"""

_PROPOSED = """
SELECT 'account' AS kind, b.value_hash, a.customer_id, NULL AS valid_from, NULL AS valid_to,
    'probabilistic' AS rule, 'proposed' AS strength, a.value_hash AS other_value_hash, p.probability
FROM compared_pairs p
JOIN account_records a ON a.value_hash = least(p.one, p.other)
JOIN account_records b ON b.value_hash = greatest(p.one, p.other)
WHERE p.probability >= $threshold AND a.customer_id <> b.customer_id
ORDER BY p.probability DESC, other_value_hash, b.value_hash
"""

_COMPARED = "SELECT count(*), coalesce(sum(probability) FILTER (probability < $threshold), 0) FROM compared_pairs"
"""Pairs that are one customer already are compared as well: the model learns from them."""
