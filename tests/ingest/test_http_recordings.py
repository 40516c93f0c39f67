"""Recorded replies of HubSpot, Zendesk and Genesys, served as the vendors page, by a server that misbehaves.

Whatever goes wrong on the way, a pull gives exactly what an undisturbed one gives, and that is counted in plain Python.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from journeymining.exceptions import InputError
from journeymining.ingest.pull import ingest_sources, pull_source
from journeymining.ingest.sources import SourceConfig

pytestmark = [pytest.mark.real_data, pytest.mark.usefixtures("impatient")]

WRONG = ("throttled", "error", "cut", "gone", "repeated")


class Vendor:
    """Answers from records, page by page; every page goes wrong first in as many ways as a seed says."""

    def __init__(self, pages, seed=None):
        self.pages = pages
        self.chance = random.Random(seed) if seed is not None else None
        self.wrong = Counter()
        self.left = {}
        self.seen = set()
        self.dead = None  # the address from which on nothing is answered

    def answer(self, handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked = (parts.path, tuple(sorted(query.items())), handler.body)
        if self.dead and self.dead in str(asked):
            handler.close_connection = True
            return None
        body, before = self.pages(parts.path, query, json.loads(handler.body or "null"), handler)
        if asked not in self.left:
            count = self.chance.choice((0, 0, 1, 2)) if self.chance else 0
            self.left[asked] = [self.chance.choice(WRONG) for _ in range(count)]
        what = self.left[asked].pop() if self.left[asked] else None
        self.wrong[what] += 1
        if what == "throttled":
            return handler.reply({"error": "slow down"}, status=429, headers={"Retry-After": "0"})
        if what == "error":
            return handler.reply({"error": "ours"}, status=self.chance.choice((500, 502, 503, 504)))
        if what == "cut":
            return handler.reply(body, cut=True)
        if what == "gone":
            handler.close_connection = True
            return None
        if what == "repeated":
            # Records that moved while somebody paged: the end of the page before comes once more.
            (name,) = [name for name, value in body.items() if isinstance(value, list)]
            body = {**body, name: before + body[name]}
        return handler.reply(body)


def paged(records, start, size):
    """Return a page of records, the last ones before it, and whether there are more."""
    return records[start : start + size], records[max(0, start - 3) : start], start + size < len(records)


def zendesk_recording(shared_data, name, key):
    """Return the records of the largest recorded reply that has some."""
    recorded = json.loads((shared_data / "crm_api/zendesk" / name).read_text(encoding="utf-8"))
    replies = []
    for one in recorded["http_interactions"]:
        data = base64.b64decode(one["response"]["body"]["base64_string"])
        replies.append(json.loads(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data))
    return max((reply[key] for reply in replies if key in reply), key=len)


@pytest.fixture(scope="module")
def zendesk(shared_data):
    tickets = zendesk_recording(shared_data, "TicketsIncrementalTest.test_pagination.json", "tickets")
    users = zendesk_recording(shared_data, "UsersIncrementalTest.test_get_values.json", "users")

    def pages(path, query, body, handler):
        if path.endswith("tickets/cursor.json"):
            assert ("cursor" in query) != ("start_time" in query)
            start = int(query.get("cursor", 0))
            found, before, more = paged(tickets, start, 150)
            after = f"http://{handler.headers['Host']}{path}?cursor={start + len(found)}"
            return {"tickets": found, "after_url": after, "end_of_stream": not more}, before
        # By time: the last page names a next one as well, which has its last record again.
        start = int(query["start_time"])
        found, before, more = paged(users, start, 130)
        following = min(start + 130, len(users) - 1)
        link = f"http://{handler.headers['Host']}{path}?start_time={following}"
        return {"users": found, "next_page": link, "count": len(found), "end_of_stream": not more}, before

    def source(url):
        by_cursor = {"by": "link", "next": "after_url", "last": "end_of_stream"}
        by_time = {"by": "link", "next": "next_page", "last": "end_of_stream"}
        paths = {
            "tickets": {"path": "/incremental/tickets/cursor.json", "records": "tickets", "page": by_cursor},
            "users": {"path": "/incremental/users.json", "records": "users", "page": by_time},
        }
        http = {"paths": paths, "parameters": {"start_time": "0"}, "attempts": 5}
        return {"connector": "zendesk", "url": f"{url}/api/v2", "http": http}

    states = {"new", "open", "pending", "hold", "solved", "closed"}
    events = {ticket["id"] for ticket in tickets if ticket["status"] in states}
    return pages, source, Counter(ticket_created=len(events))


CONTACTS = """
connector: contacts
title: Contacts of HubSpot's first API
streams:
  contacts:
    format: {type: json_lines}
    fields: {id: vid, email: properties.email.value, created: properties.createdate.value, city: properties.city.value}
    key: [id]
    identifiers:
      contact: {field: id}
      email: {field: email}
    events:
      - activity: contact_created
        time: {field: created, form: epoch, unit: ms}
        topic: {field: city}
"""


@pytest.fixture(scope="module")
def hubspot(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contacts")
    (folder / "connector.yaml").write_text(CONTACTS, encoding="utf-8")
    yaml = YAML(typ="safe", pure=True)
    yaml.constructor.add_constructor("tag:yaml.org,2002:binary", lambda loader, node: base64.b64decode(node.value))
    recorded = yaml.load((shared_data / "crm_api/hubspot/contact_search.yml").read_text(encoding="utf-8"))
    texts = [one["response"]["body"]["string"] for one in recorded["http_interactions"]]
    contacts = max((json.loads(text)["contacts"] for text in texts), key=len)

    def pages(path, query, body, handler):
        start = int(query.get("vidOffset", 0))
        found, before, more = paged(contacts, start, 9)
        # There is an offset after the last page, too.
        return {"contacts": found, "has-more": more, "vid-offset": start + len(found)}, before

    def source(url):
        page = {"by": "cursor", "parameter": "vidOffset", "next": "vid-offset", "more": "has-more"}
        http = {"records": "contacts", "page": page, "parameters": {"hapikey": "demo"}, "attempts": 5}
        return {"connector": str(folder), "url": f"{url}/contacts/v1/lists/all/contacts/all", "http": http}

    made = {one["vid"] for one in contacts if one["properties"].get("createdate", {}).get("value")}
    return pages, source, Counter(contact_created=len(made))


def genesys(shared_data, way):
    file = shared_data / "calls/genesys/conversation_details_query_result.json"
    conversations = json.loads(file.read_text(encoding="utf-8"))["conversations"]

    def pages(path, query, body, handler):
        if way == "query":
            assert body["interval"] == "2016-09-05T00:00Z/2016-09-07T00:00Z"
            start = (body["paging"]["pageNumber"] - 1) * body["paging"]["pageSize"]
            found, before, _ = paged(conversations, start, body["paging"]["pageSize"])
            return ({"conversations": found} if found else {}), before
        start = int(query.get("cursor", 0))
        found, before, more = paged(conversations, start, 4)
        return {"conversations": found, **({"cursor": str(start + 4)} if more else {})}, before

    def source(url):
        if way == "query":
            asked = {"interval": "2016-09-05T00:00Z/2016-09-07T00:00Z", "paging": {"pageSize": 4}}
            page = {"by": "page", "parameter": "paging.pageNumber"}
            http = {"records": "conversations", "body": asked, "page": page, "attempts": 5}
            return {"connector": "genesys", "url": f"{url}/api/v2/analytics/conversations/details/query", "http": http}
        http = {"records": "conversations", "page": {"by": "cursor", "next": "cursor"}, "attempts": 5}
        return {
            "connector": "genesys",
            "url": f"{url}/api/v2/analytics/conversations/details/jobs/1/results",
            "http": http,
        }

    people = [(one, person) for one in conversations for person in one["participants"]]
    segments = Counter(
        (person["purpose"], segment["segmentType"])
        for _, person in people
        for session in person["sessions"]
        for segment in session["segments"]
    )
    return pages, source, Counter(queued=segments["acd", "interact"], agent_connected=segments["agent", "interact"])


@pytest.fixture(scope="module")
def genesys_query(shared_data):
    return genesys(shared_data, "query")


@pytest.fixture(scope="module")
def genesys_job(shared_data):
    return genesys(shared_data, "job")


@pytest.fixture(params=["zendesk", "hubspot", "genesys_query", "genesys_job"])
def vendor(request):
    return request.getfixturevalue(request.param)


def log(folder, source, **options):
    """Return what a pull makes of a source: rows of every table, sorted, and how often each thing happened."""
    config = {"s": SourceConfig.model_validate(source)}
    ingest_sources(config, timezone=None, region="DE", key=b"0123456789abcdef", out=folder, threads=1, **options)
    tables = [pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("source_events", "identifiers")]
    return [sorted(map(str, rows)) for rows in tables], Counter(row["activity"] for row in tables[0])


@pytest.fixture
def whole(vendor, serve, tmp_path):
    pages, source, expected = vendor
    undisturbed, counted = log(tmp_path / "whole", source(serve(Vendor(pages).answer)))
    assert {name: counted[name] for name in expected} == expected
    return undisturbed


def test_a_server_that_misbehaves_changes_nothing(vendor, serve, whole, tmp_path):
    pages, source, _ = vendor
    wrong = Counter()

    for seed in range(3):
        server = Vendor(pages, seed)
        assert log(tmp_path / str(seed), source(serve(server.answer)))[0] == whole
        wrong += server.wrong

    assert all(wrong[what] for what in WRONG)


def test_a_server_that_is_gone_in_the_middle_is_asked_again_from_there(vendor, serve, whole, tmp_path):
    pages, source, _ = vendor
    server = Vendor(pages)
    url = serve(server.answer)
    log(tmp_path / "counted", source(url))
    asked = [one for one in server.left if "users" not in one[0]]
    server.dead = str(asked[2])

    with pytest.raises(InputError, match="the server could not be read"):
        pull_source("s", SourceConfig.model_validate(source(url)), raw_dir=tmp_path / "again/raw")
    server.dead, server.left = None, {}

    assert log(tmp_path / "again", source(url))[0] == whole
    assert asked[0] not in server.left
    assert asked[2] in server.left
