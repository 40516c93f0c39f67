"""Stitching of 20,000 made-up customers against what is true of them, with what goes wrong in life planted on top."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from math import comb

import numpy as np
import pyarrow as pa
import pytest

from journeymining.identity.stitching import stitch
from journeymining.simulation.company import Habits
from journeymining.simulation.people import people

from .conftest import DAY_ZERO, SCHEMA

CUSTOMERS = 20_000
SEED = 17
CHANGED_NUMBERS = 0.03
LOGINS_AT_THE_KIOSK = 250
CONTACTS_OF_INFO = 300
PERIOD = 360

pytestmark = pytest.mark.slow


class Records:
    """Records as they come in, each with the customer it truly is of (or nobody)."""

    def __init__(self):
        self.rows, self.truth, self.handed_on = [], [], set()

    def add(self, source, day, customer, **identifiers):
        event = f"{len(self.truth):07d}"
        time = DAY_ZERO + timedelta(days=float(day))
        self.rows += [(source, event, kind, f"{kind}:{value}", time) for kind, value in identifiers.items() if value]
        self.truth.append((source, event, customer))


@pytest.fixture(scope="module")
def planted():
    """Return identifiers, events, the true customer of each record, and the true links (kind, value, customer)."""
    rng = np.random.default_rng(SEED)
    known = people(0, CUSTOMERS, Habits(), rng)
    names, links, records = known.names(), set(), Records()
    changes = rng.permutation(CUSTOMERS)[: int(CUSTOMERS * CHANGED_NUMBERS)]
    changed = {int(i) for i in changes if not known.household[i]}
    for kind, value, customer in known.identifiers():
        links.add((kind, f"{kind}:{value.removeprefix('+49')}", customer))
    for i, name in enumerate(names):
        account, email, phone = known.account[i], known.email[i], known.phone[i]
        joined = rng.uniform(0, 60)
        records.add("crm", joined, name, account=account, contact=known.contact[i], email=email, phone=phone)
        for cookie in {known.cookie[i], known.earlier_cookie[i], known.second_cookie[i]} - {""}:
            login = rng.uniform(joined, PERIOD)
            # Half of the cookies that were cleared were never logged in with: nothing says whose they were.
            if cookie in {known.cookie[i], known.second_cookie[i]} or rng.random() < 0.5:
                records.add("web", login, name, email=email, cookie=cookie)
            for _ in range(rng.poisson(2)):
                records.add("web", login + rng.uniform(-60, 60), name, cookie=cookie)
        for device in {known.phone_app[i], known.second_phone_app[i]} - {""}:
            records.add("app", joined + 1, name, account=account, device=device)
            records.add("app", rng.uniform(joined, PERIOD), name, device=device)
        # Who changes the number tells so on day 200; calls before come from the old one, calls after from the new one.
        for day in rng.uniform(joined, PERIOD, rng.poisson(1.5)):
            number = f"new{i}" if i in changed and day > 200 else phone
            records.add("calls", day, name, phone=number)
    _change_numbers(records, links, known, sorted(changed), rng)
    _giants(records, known, rng)
    return records, links


def _change_numbers(records, links, known, changed, rng):
    """Give each changed number to the next customer who changes as well, after thirty days."""
    names = known.names()
    for place, i in enumerate(changed):
        records.add("crm", 200, names[i], account=known.account[i], phone=f"new{i}")
        links.add(("phone", f"phone:new{i}", names[i]))
        heir = changed[(place + 1) % len(changed)]
        records.add("crm", 230, names[heir], account=known.account[heir], phone=known.phone[i])
        links.add(("phone", f"phone:{known.phone[i]}", names[heir]))
        records.handed_on.add(f"phone:{known.phone[i]}")
        records.add("calls", rng.uniform(231, PERIOD), names[heir], phone=known.phone[i])


def _giants(records, known, rng):
    """Let an address be that of hundreds of contacts, and hundreds log in at one kiosk; both are nobody's link."""
    names = known.names()
    for i in rng.permutation(CUSTOMERS)[:CONTACTS_OF_INFO]:
        records.add("crm", rng.uniform(61, PERIOD), names[i], account=known.account[i], email="info@example.org")
        records.add("shop", rng.uniform(61, PERIOD), names[i], email="info@example.org")
    for i in rng.permutation(CUSTOMERS)[:LOGINS_AT_THE_KIOSK]:
        day = rng.uniform(61, PERIOD)
        records.add("app", day, names[i], account=known.account[i], device="kiosk")
        records.add("app", day + 0.01, names[i], device="kiosk")


@pytest.fixture(scope="module")
def stitched(planted):
    records, _ = planted
    identifiers = pa.table(list(zip(*records.rows, strict=True)), schema=SCHEMA)
    events = pa.table(
        {
            "source": [source for source, _, _ in records.truth],
            "event_id": [event for _, event, _ in records.truth],
        }
    )
    return stitch(identifiers, events)


def test_of_two_records_given_to_one_customer_99_percent_are(planted, stitched):
    records, _ = planted
    found = {(row["source"], row["event_id"]): row["customer_id"] for row in stitched.events.to_pylist()}
    together = Counter(found.values())
    truly = Counter((found[source, event], customer) for source, event, customer in records.truth)

    pairs = sum(comb(size, 2) for size in together.values())
    right = sum(comb(size, 2) for size in truly.values())

    assert len(records.truth) > 150_000
    assert right / pairs >= 0.99


def test_95_percent_of_the_links_are_found(planted, stitched):
    _, links = planted
    rows = stitched.customers.to_pylist()
    name = {row["value_hash"]: row["customer_id"] for row in rows if row["kind"] == "account"}
    account = {customer: value for kind, value, customer in links if kind == "account"}
    of_value = defaultdict(set)
    for row in rows:
        of_value[row["value_hash"]].add(row["customer_id"])

    found = [link for link in links if name[account[link[2]]] in of_value[link[1]]]

    assert len(name) == CUSTOMERS
    assert len(found) / len(links) >= 0.95


def test_no_giant_grows(stitched):
    assert stitched.report["customers"]["named_by"]["account"] == CUSTOMERS
    assert stitched.report["customer_sizes"]["largest"] < 60
    left_out = {row["value_hash"] for row in stitched.report["left_out"]}
    assert left_out == {"email:info@example.org", "device:kiosk"}


def test_a_number_that_changed_hands_goes_with_its_owner(planted, stitched):
    records, _ = planted
    found = {(row["source"], row["event_id"]): row["customer_id"] for row in stitched.events.to_pylist()}
    of_customer = {customer: found[source, event] for source, event, customer in records.truth if source == "crm"}
    number = {event: value for source, event, _, value, _ in records.rows if source == "calls"}
    calls = [(event, customer) for source, event, customer in records.truth if source == "calls"]

    handed_on = [(event, customer) for event, customer in calls if number[event] in records.handed_on]

    assert len({number[event] for event, _ in handed_on}) > 500
    assert all(found["calls", event] == of_customer[customer] for event, customer in handed_on)
