"""One simulated company for all tests, and its raw logs read with nothing but the standard library."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from journeymining.simulation import simulate

CUSTOMERS = 3000
SEED = 11
ACCESS_LINE = re.compile(
    r"(?P<host>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    r'"(?P<method>[A-Z]+) (?P<path>[^" ?]+)(?:\?(?P<query>[^" ]*))? HTTP/1\.1" '
    r'(?P<status>\d{3}) (?P<size>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)" "(?P<cookie>[^"]*)"'
)


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("company") / "demo", customers=CUSTOMERS, seed=SEED)


@pytest.fixture(scope="session")
def truth(company):
    return json.loads((company / "truth.json").read_text(encoding="utf-8"))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def journeys(company):
    return {row["customer"]: row for row in rows_of(company / "truth" / "journeys.csv")}


@pytest.fixture(scope="session")
def known(company):
    """Return the customers of every identifier; a shared telephone has two."""
    customers = defaultdict(list)
    for row in rows_of(company / "truth" / "identifiers.csv"):
        customers[row["kind"], row["value"]].append(row["customer"])
    return dict(customers)


@pytest.fixture(scope="session")
def access_lines(company):
    texts = [
        gzip.decompress((company / "raw/web/access.log.1.gz").read_bytes()).decode("ascii"),
        (company / "raw/web/access.log").read_text(encoding="ascii"),
    ]
    return [ACCESS_LINE.fullmatch(line) for text in texts for line in text.splitlines()]


@pytest.fixture(scope="session")
def app_rows(company):
    paths = sorted((company / "raw/ga4").glob("*.jsonl"))
    return [(path, json.loads(line)) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def queue_lines(company):
    return [line.split("|") for line in (company / "raw/asterisk/queue_log").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def legs(company):
    with (company / "raw/asterisk/Master.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def access_time(text):
    return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z").astimezone(UTC)


def national(number):
    """Undo every spelling that the simulation uses."""
    digits = re.sub(r"[^0-9+]", "", number)
    return re.sub(r"^(\+49|0049|0)", "+49", digits)


@pytest.fixture(scope="session")
def observed(company, known, access_lines, app_rows, queue_lines, legs):
    """Return the touchpoints of each customer as the raw logs tell them: (time, activity), in order of time.

    Telephones that two customers share are left out, with their customers.
    """
    events = defaultdict(set)

    def add(kind, value, time, activity, channel):
        customers = known[kind, value]
        if len(customers) == 1:
            events[customers[0]].add((time, activity, channel))

    tasks = {
        "Order taken by phone": ("order_placed", "phone"),
        "Order confirmation": ("confirmation", "email"),
        "Your modem is on its way": ("modem_shipped", "email"),
        "Modem delivered": ("modem_delivered", "parcel"),
    }
    for row in rows_of(company / "raw/salesforce/Task.csv"):
        time = datetime.strptime(row["CompletedDateTime"] or row["CreatedDate"], "%Y-%m-%dT%H:%M:%S.000%z")
        add("account", row["AccountId"], time, *tasks[row["Subject"].rsplit(" ", 1)[0]])
    for row in rows_of(company / "raw/salesforce/Case.csv"):
        time = datetime.strptime(row["CreatedDate"], "%Y-%m-%dT%H:%M:%S.000%z")
        activity = {"Complaint": "complaint", "Cancellation": "contract_cancelled"}[row["Type"]]
        add("contact", row["ContactId"], time, activity, row["Origin"].lower())
    pages = {("POST", "/order/confirm"): "order_placed", ("GET", "/track"): "track_parcel"}
    pages["GET", "/help/modem-does-not-start"] = "help_page"
    for line in access_lines:
        if line["user"] != "-" and (activity := pages.get((line["method"], line["path"]))):
            add("email", line["user"], access_time(line["time"]), activity, "web")
    for _, row in app_rows:
        if row["event_name"] in {"modem_active", "selfservice_failed"}:
            time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(row["event_timestamp"]))
            add("account", row["user_id"], time, row["event_name"], "app")
    callers = {line[1]: line[6] for line in queue_lines if line[4] == "ENTERQUEUE"}
    names = {"CONNECT": "helpdesk_call", "ABANDON": "call_abandoned"}
    for line in queue_lines:
        if line[4] in names and callers[line[1]] != "anonymous":
            time = datetime.fromtimestamp(int(line[0]), UTC)
            add("phone", national(callers[line[1]]), time, names[line[4]], "phone")
    for leg in legs:
        if leg[3] == "outbound" and leg[7] == "Dial" and leg[14] == "ANSWERED":
            time = datetime.fromtimestamp(int(leg[16].split("-")[1].split(".")[0]), UTC)
            add("phone", national(leg[2]), time, "welcome_call", "phone")
    shared = {
        customer for (kind, _), owners in known.items() if kind == "phone" and len(owners) > 1 for customer in owners
    }
    return {customer: sorted(found) for customer, found in events.items() if customer not in shared}
