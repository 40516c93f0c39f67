"""Contact, Case and Task as Salesforce exports them."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from journeymining.simulation.clocks import DAY, HOUR, by_the_clock_of, salesforce_times
from journeymining.simulation.people import salesforce_id, spell

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.random import Generator

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.company import Company
    from journeymining.simulation.people import People

    Columns = dict[str, Sequence[str]]

COLUMNS = {
    "Contact": [
        *("Id", "AccountId", "FirstName", "LastName", "Name", "Email", "Phone", "MobilePhone"),
        *("CreatedDate", "SystemModstamp", "IsDeleted"),
    ],
    "Case": [
        *("Id", "CaseNumber", "ContactId", "AccountId", "SuppliedEmail", "SuppliedPhone", "Type", "Subject"),
        *("Status", "Origin", "Priority", "IsClosed", "CreatedDate", "ClosedDate", "SystemModstamp"),
    ],
    "Task": [
        *("Id", "WhoId", "AccountId", "Subject", "Status", "TaskSubtype", "CallType", "CallDurationInSeconds"),
        *("CallDisposition", "ActivityDate", "CreatedDate", "CompletedDateTime", "SystemModstamp"),
    ],
}
# Touchpoint -> subject (the order number follows it), subtype, type of call.
TASKS = {
    "order_by_phone": ("Order taken by phone", "Call", "Inbound"),
    "confirmation": ("Order confirmation", "Email", ""),
    "modem_shipped": ("Your modem is on its way", "Email", ""),
    "modem_delivered": ("Modem delivered", "Task", ""),
}
# Touchpoint -> type, subject.
CASES = {
    "complaint": ("Complaint", "Modem has not arrived"),
    "contract_cancelled": ("Cancellation", "Contract cancelled"),
}
ORIGINS = ("Phone", "Web", "Email")


def open_salesforce(folder: Path) -> None:
    """Write the three files with nothing but their headers."""
    folder.mkdir(parents=True)
    for name, columns in COLUMNS.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(columns)


def write_salesforce(
    folder: Path, who: People, lives: Lives, company: Company, rng: Generator, counts: Counter[str]
) -> None:
    """Append the records of one chunk, in the order of customers, as an export sorted by account would be."""
    tables: dict[str, list[Columns]] = {
        "Contact": [_contacts(who, lives, rng)],
        "Case": [_cases(who, lives, name, serial, rng) for serial, name in enumerate(CASES)],
        "Task": [_tasks(who, lives, name, serial, rng) for serial, name in enumerate(TASKS)],
    }
    for name, parts in tables.items():
        rows = sorted(row for part in parts for row in zip(*(part[column] for column in COLUMNS[name]), strict=True))
        # An export that is delivered at least once repeats whole rows.
        twice = np.flatnonzero(rng.random(len(rows)) < company.habits.duplicate_rows)
        repeated = [rows[i] for i in twice.tolist()]
        with (folder / f"{name}.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows + repeated)
        counts[f"raw/salesforce/{name}.csv"] += len(rows) + len(repeated)
        counts[f"duplicates raw/salesforce/{name}.csv"] += len(repeated)


def _contacts(who: People, lives: Lives, rng: Generator) -> Columns:
    # Clerks write numbers as they please, and some addresses with capitals.
    styles = rng.integers(1, 5, who.size).tolist()
    capitals = (rng.random(who.size) < 0.1).tolist()
    created = salesforce_times(by_the_clock_of("salesforce", lives.ordered))
    return {
        "Id": who.contact,
        "AccountId": who.account,
        "FirstName": who.given,
        "LastName": who.family,
        "Name": [f"{given} {family}" for given, family in zip(who.given, who.family, strict=True)],
        "Email": [email.title() if big else email for email, big in zip(who.email, capitals, strict=True)],
        "Phone": [spell(number, style) for number, style in zip(who.phone, styles, strict=True)],
        "MobilePhone": [""] * who.size,
        "CreatedDate": created,
        "SystemModstamp": created,
        "IsDeleted": ["false"] * who.size,
    }


def _tasks(who: People, lives: Lives, name: str, serial: int, rng: Generator) -> Columns:
    customers, when = lives.touches[name]
    subject, subtype, call = TASKS[name]
    size, chosen = len(customers), customers.tolist()
    times = salesforce_times(by_the_clock_of("salesforce", when))
    seconds = rng.integers(180, 900, size).tolist()
    # Some integrations never set the time of completion; then the record was created at that moment.
    completed = (rng.random(size) < 0.95).tolist()
    # A repeated delivery needs an id of its own; the first ones of all customers come before the second ones.
    again = (np.arange(size) >= len(np.unique(customers))).tolist()
    ids = ((who.first + i) * 2 * len(TASKS) + 2 * serial + second for i, second in zip(chosen, again, strict=True))
    return {
        "Id": [salesforce_id("00T", number) for number in ids],
        "WhoId": [who.contact[i] for i in chosen],
        "AccountId": [who.account[i] for i in chosen],
        "Subject": [f"{subject} {order_number(who.first + i)}" for i in chosen],
        "Status": ["Completed"] * size,
        "TaskSubtype": [subtype] * size,
        "CallType": [call] * size,
        "CallDurationInSeconds": [str(duration) if call else "" for duration in seconds],
        "CallDisposition": ["Order taken" if call else ""] * size,
        "ActivityDate": [text[:10] for text in times],
        "CreatedDate": times,
        "CompletedDateTime": [text if done else "" for text, done in zip(times, completed, strict=True)],
        "SystemModstamp": times,
    }


def _cases(who: People, lives: Lives, name: str, serial: int, rng: Generator) -> Columns:
    customers, when = lives.touches[name]
    kind, subject = CASES[name]
    size, chosen = len(customers), customers.tolist()
    opened = by_the_clock_of("salesforce", when)
    worked = HOUR + (rng.exponential(12, size) * HOUR).astype(np.int64)
    closed = salesforce_times(opened + np.minimum(worked, 5 * DAY))
    origins = [ORIGINS[i] for i in rng.integers(len(ORIGINS), size=size).tolist()]
    numbers = [(who.first + i) * len(CASES) + serial for i in chosen]
    return {
        "Id": [salesforce_id("500", number) for number in numbers],
        "CaseNumber": [f"{number:08d}" for number in numbers],
        "ContactId": [who.contact[i] for i in chosen],
        "AccountId": [who.account[i] for i in chosen],
        "SuppliedEmail": [who.email[i] if by == "Web" else "" for i, by in zip(chosen, origins, strict=True)],
        "SuppliedPhone": [
            spell(who.phone[i], 1) if by == "Phone" else "" for i, by in zip(chosen, origins, strict=True)
        ],
        "Type": [kind] * size,
        "Subject": [subject] * size,
        "Status": ["Closed"] * size,
        "Origin": origins,
        "Priority": ["Medium"] * size,
        "IsClosed": ["true"] * size,
        "CreatedDate": salesforce_times(opened),
        "ClosedDate": closed,
        "SystemModstamp": closed,
    }


def order_number(customer: int) -> str:
    """Return the number of a customer's order.

    Examples
    --------
    >>> order_number(7)
    'B-10000007'
    """
    return f"B-{10_000_000 + customer}"
