"""Proposals between account records: right ones, as sure as they say, and never more than proposals."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyarrow import csv

from journeymining.cli.propose import command
from journeymining.exceptions import InputError, MissingDependencyError, UsageError
from journeymining.identity import probabilistic
from journeymining.identity.probabilistic import PROPOSALS, propose_links
from journeymining.ingest.keys import pseudonym
from journeymining.simulation.people import FIRST_NAMES, LAST_NAMES

PEOPLE, IN_BOTH = 900, 300


def with_a_slip(text, rng):
    """Return a text with one letter changed."""
    place = int(rng.integers(len(text)))
    return text[:place] + "x" + text[place + 1 :]


@pytest.fixture(scope="module")
def accounts():
    """Two systems that share 300 of 900 people; every third shared record is written with a slip."""
    rng = np.random.default_rng(4)
    rows = []
    for i in range(PEOPLE):
        # Enough names that two people rarely have the same: first and second given name, double family name.
        given = f"{FIRST_NAMES[rng.integers(25)]} {FIRST_NAMES[rng.integers(25)]}"
        family = f"{LAST_NAMES[rng.integers(24)]}-{LAST_NAMES[rng.integers(24)]}"
        address = f"{LAST_NAMES[rng.integers(24)]}weg {rng.integers(1, 200)}"
        birth = f"{rng.integers(1940, 2005)}-{rng.integers(1, 13):02}-{rng.integers(1, 29):02}"
        person = [given, family, address, birth]
        if i < IN_BOTH:
            rows.append(("crm", f"crm{i:04}", f"c{i}", *person))
            twin = list(person)
            if i % 3 == 0:
                twin[i % 2] = with_a_slip(twin[i % 2], rng)
            rows.append(("shop", f"shop{i:04}", f"s{i}", *twin))
        else:
            rows.append((("crm", "shop")[i % 2], f"{('crm', 'shop')[i % 2]}{i:04}", f"x{i}", *person))
    return pa.table(dict(zip(probabilistic.NEEDED, map(list, zip(*rows, strict=True)), strict=True)))


@pytest.fixture(scope="module")
def proposals(accounts):
    pytest.importorskip("splink", reason="Splink is not installed: pip install 'journeymining[splink]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return propose_links(accounts)


def test_people_in_both_systems_are_proposed_and_hardly_anybody_else(proposals):
    pairs = {(row["other_value_hash"], row["value_hash"]) for row in proposals.links.to_pylist()}
    true = {(f"crm{i:04}", f"shop{i:04}") for i in range(IN_BOTH)}

    assert len(pairs & true) / len(true) >= 0.95
    assert len(pairs & true) / len(pairs) >= 0.95


def test_the_expected_precision_is_about_the_true_one(proposals):
    report, rows = proposals.report, proposals.links.to_pylist()
    right = sum(row["value_hash"][4:] == row["other_value_hash"][3:] for row in rows)

    assert report["proposed"] == len(rows)
    assert report["expected_right"] == pytest.approx(sum(row["probability"] for row in rows))
    assert report["expected_precision"] == pytest.approx(right / len(rows), abs=0.05)
    assert all(row["probability"] >= report["threshold"] == 0.95 for row in rows)
    assert report["compared"] > len(rows)


def test_proposals_look_like_links_but_say_that_they_are_none(proposals):
    assert proposals.links.schema == PROPOSALS
    assert set(proposals.links["rule"].to_pylist()) == {"probabilistic"}
    assert set(proposals.links["strength"].to_pylist()) == {"proposed"}
    chances = proposals.links["probability"].to_pylist()
    assert chances == sorted(chances, reverse=True)


def test_the_order_of_records_changes_nothing_and_known_customers_are_not_proposed(accounts, proposals):
    backwards = accounts.take(list(range(accounts.num_rows))[::-1])
    known = [name.replace("s", "c") if name == "s0" else name for name in backwards["customer_id"].to_pylist()]
    same = backwards.set_column(2, "customer_id", pa.array(known))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = propose_links(same)

    before = [row for row in proposals.links.to_pylist() if row["value_hash"] != "shop0000"]
    assert len(before) == proposals.links.num_rows - 1
    assert again.links.to_pylist() == before


def test_what_cannot_be_compared_is_refused(accounts, monkeypatch):
    if probabilistic.importlib.util.find_spec("splink"):
        with pytest.raises(UsageError, match="threshold must be above 0"):
            propose_links(accounts, threshold=0)
        with pytest.raises(InputError, match="'birth_date' is missing"):
            propose_links(accounts.drop(["birth_date"]))
        with pytest.raises(InputError, match="at least two"):
            propose_links(accounts.slice(0, 1))
        with pytest.raises(InputError, match="there twice"):
            propose_links(pa.concat_tables([accounts, accounts.slice(0, 1)]))
    monkeypatch.setattr(probabilistic.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="'splink' is not installed"):
        propose_links(accounts)


def test_the_command_proposes_by_pseudonym_and_says_what_the_threshold_means(accounts, tmp_path, monkeypatch):
    pytest.importorskip("splink", reason="Splink is not installed: pip install 'journeymining[splink]'")
    key = "a key that only tests have"
    monkeypatch.setenv("JOURNEYMINING_KEY", key)
    hashed = [pseudonym("account", account, key.encode()) for account in accounts["value_hash"].to_pylist()]
    known = {"kind": ["account"] * len(hashed), "value_hash": hashed, "customer_id": accounts["customer_id"]}
    pq.write_table(pa.table(known), tmp_path / "customers.parquet")
    clear = accounts.drop(["customer_id"]).rename_columns({"value_hash": "account"})
    stranger = pa.table({name: ["unheard of"] for name in clear.column_names})
    csv.write_csv(pa.concat_tables([clear, stranger]), tmp_path / "accounts.csv")

    arguments = [str(tmp_path / "accounts.csv"), "--events", str(tmp_path), "--format", "json"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CliRunner().invoke(command, arguments)

    assert result.exit_code == 0, result.output
    pairs = {frozenset((row["value_hash"], row["other_value_hash"])) for row in json.loads(result.stdout)}
    number = {
        pseudonym("account", f"{system}{i:04}", key.encode()): i for i in range(PEOPLE) for system in ("crm", "shop")
    }
    right = [pair for pair in pairs if len({number[one] for one in pair}) == 1]
    assert len(right) >= 0.95 * IN_BOTH
    assert f"{len(accounts):,} accounts" in result.stderr
    assert f"{len(pairs):,} proposed at 0.95 or surer" in result.stderr
    assert "1 accounts are not among the events" in result.stderr
