"""Recordings of a real Asterisk, Matomo, Odoo and nginx, joined: four customers who call, write and click are four."""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from journeymining.identity.stitching import stitch
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

pytestmark = pytest.mark.real_data

# As they are dialled and typed: in the queue log, in the CDR, in the CRM.
SPELLINGS = {
    "anna": ("+493023125701", "03023125701"),
    "ben": ("+491713920004",),
    "cem": ("+493023125703", "00493023125703"),
    "dora": ("+493023125702",),
}

# The recordings say of no web visitor who it is. A shop knows: its table of accounts is all that is ours here.
ACCOUNTS = "login,email,cookie\ncust-1001,Anna@Example.org,\nben,ben@example.org,v1\ncem,cem@example.org,v2\n"
CONNECTOR = """
connector: accounts
title: Who has which account
streams:
  accounts:
    format: {type: csv}
    fields: [login, email, cookie]
    key: [login]
    identifiers:
      login: {field: login}
      email: {field: email}
      cookie: {field: cookie}
"""


@pytest.fixture(scope="module")
def base(shared_data, tmp_path_factory):
    """Return a folder with all recordings and the table of accounts as events and identifiers."""
    base = tmp_path_factory.mktemp("joined")
    (base / "accounts").mkdir()
    (base / "accounts/connector.yaml").write_text(CONNECTOR, encoding="utf-8")
    (base / "accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
    real = shared_data / "real_systems"
    sources = {
        "calls": {"connector": "asterisk_queue_log", "path": str(real / "asterisk/out/queue_log")},
        "cdr": {"connector": "asterisk_cdr", "path": str(real / "asterisk/out/cdr-csv/Master.csv")},
        "shop": {"connector": "matomo", "path": str(real / "matomo/*.tsv")},
        "web": {"connector": "nginx_json", "path": str(real / "weblog/ng_json.log")},
        "crm": {"connector": "odoo", "path": str(real / "odoo")},
        "accounts": {"connector": "./accounts", "path": "accounts.csv"},
    }
    configs = {name: SourceConfig.model_validate(source) for name, source in sources.items()}
    ingest_sources(configs, timezone="Europe/Berlin", region="DE", key=None, out=base / "out", base=base)
    return base


@pytest.fixture(scope="module")
def links(base):
    """Return the identifiers of all records."""
    return pq.read_table(base / "out/identifiers.parquet").to_pylist()


@pytest.fixture(scope="module")
def customers(base, links):
    """Return the records of every customer, by the e-mail address that the CRM knows: source -> activities."""
    records = stitch(base / "out/identifiers.parquet", base / "out/source_events.parquet").events.to_pylist()
    owner = {(row["source"], row["event_id"]): row["customer_id"] for row in records}
    mails = defaultdict(set)
    for link in links:
        if link["kind"] == "email" and link["source"] == "crm":
            mails[owner[link["source"], link["event_id"]]].add(link["value_hash"])
    found = defaultdict(lambda: defaultdict(Counter))
    for event in pq.read_table(base / "out/source_events.parquet").to_pylist():
        customer = owner[event["source"], event["event_id"]]
        found[customer][event["source"]][event["activity"]] += 1
    return found, mails


def of(customers, name):
    found, mails = customers
    (customer,) = [one for one, values in mails.items() if f"email:{name}@example.org" in values]
    return found[customer]


def test_four_customers_of_the_crm_are_four(customers):
    _, mails = customers

    people = [values for values in mails.values() if any("@example.org" in value for value in values)]

    assert sorted(sorted(values) for values in people) == [[f"email:{name}@example.org"] for name in SPELLINGS]


@pytest.mark.parametrize("name", SPELLINGS)
def test_all_calls_of_a_customer_are_theirs_in_every_spelling(customers, shared_data, name):
    rows = [
        line.split("|")
        for line in (shared_data / "real_systems/asterisk/out/queue_log").read_text(encoding="utf-8").splitlines()
    ]
    calls = [row[1] for row in rows if row[4] == "ENTERQUEUE" and row[6] in SPELLINGS[name]]
    used = {row[6] for row in rows if row[4] == "ENTERQUEUE"}
    answered = sum(row[4] == "CONNECT" and row[1] in calls for row in rows)
    abandoned = sum(row[4] == "ABANDON" and row[1] in calls for row in rows)

    theirs = of(customers, name)["calls"]

    assert set(SPELLINGS[name]) <= used
    assert (theirs["call_queued"], theirs["call_answered"], theirs["call_abandoned"]) == (
        len(calls),
        answered,
        abandoned,
    )
    # What only the call details saw is the same person's, too.
    assert sum(of(customers, name)["cdr"].values()) >= len(set(calls))


def test_visits_to_the_web_and_the_crm_are_theirs(customers):
    assert {name: bool(of(customers, name)["crm"]) for name in SPELLINGS} == dict.fromkeys(SPELLINGS, True)
    # Anna logs in as cust-1001 on two devices, on both sides of the end of summer time, and orders.
    assert of(customers, "anna")["shop"]["order"] == 1
    assert of(customers, "anna")["shop"]["page_view"] >= 5
    # Every visitor with a cookie looked at three pages.
    assert [of(customers, name)["web"]["page_view"] for name in ("ben", "cem")] == [3, 3]
    assert not of(customers, "dora")["web"]


def test_the_recordings_alone_say_of_no_visitor_who_it_is(links):
    """Why a table of accounts is ours: no value that the web knows stands anywhere in the CRM or in the calls."""
    named = defaultdict(set)
    for link in links:
        named[link["source"]].add(link["value_hash"])

    assert {"login:cust-1001", "order:O-9001"} <= named["shop"]
    assert {"cookie:v1", "cookie:v2", "cookie:v3"} <= named["web"]
    assert not (named["shop"] | named["web"]) & (named["crm"] | named["calls"] | named["cdr"])
    assert not named["shop"] & named["web"]
    # Calls and the CRM need nothing of ours: they meet in telephone numbers.
    assert len(named["crm"] & named["calls"]) >= len(SPELLINGS)


def test_who_withheld_the_number_is_nobody_we_know(customers):
    found, mails = customers

    known = sum(sum(sources["calls"].values()) for customer, sources in found.items() if customer in mails)

    assert 0 < known < sum(sum(sources["calls"].values()) for sources in found.values())
