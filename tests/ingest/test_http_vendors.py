"""How vendors page: each as its documentation says, by a server of ten lines; every record comes once, and it ends."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from journeymining.ingest.pull import pull_source
from journeymining.ingest.sources import SourceConfig

pytestmark = pytest.mark.usefixtures("impatient")

RECORDS = [{"id": f"n{number}", "token": f"t{number}", "at": 1772359200 + number} for number in range(7)]
SIZE = 3


def part(start):
    start = int(start)
    return RECORDS[start : start + SIZE], start + SIZE, start + SIZE < len(RECORDS)


def salesforce(path, query, body, host):
    found, after, more = part(path.rpartition("-")[2] if "-" in path else 0)
    following = {"nextRecordsUrl": f"/services/data/v62.0/query/01g-{after}"} if more else {}
    return {"records": found, "done": not more, **following}


def hubspot(path, query, body, host):
    found, after, more = part(query.get("after", 0))
    return {"results": found, **({"paging": {"next": {"after": str(after)}}} if more else {})}


def hubspot_search(path, query, body, host):
    assert body["limit"] == SIZE
    found, after, more = part(body.get("after", 0))
    return {"results": found, **({"paging": {"next": {"after": str(after)}}} if more else {})}


def dynamics(path, query, body, host):
    found, after, more = part(query.get("$skiptoken", 0))
    here = f"http://{host}{path}"
    link = {"@odata.nextLink": f"{here}?$skiptoken={after}"} if more else {"@odata.deltaLink": f"{here}?$deltatoken=x"}
    return {"value": found, **link}


def zendesk_talk(path, query, body, host):
    # There is always a next page; the one after the last has no records.
    found, _, _ = part(query["start_time"])
    after = int(query["start_time"]) + len(found)
    return {"calls": found, "count": len(found), "next_page": f"http://{host}{path}?start_time={after}"}


def zendesk_chat(path, query, body, host):
    # There is always a next page, and the one after the last has the last record again.
    found, _, _ = part(query["start_time"])
    after = int(query["start_time"]) + (len(found) if len(found) == SIZE else len(found) - 1)
    return {"chats": found, "count": len(found), "next_page": f"http://{host}{path}?start_time={after}"}


def genesys_query(path, query, body, host):
    found, _, _ = part((body["paging"]["pageNumber"] - 1) * SIZE)
    # After the last page the list is left away.
    return {"conversations": found} if found else {}


def genesys_job(path, query, body, host):
    found, after, more = part(query.get("cursor", 0))
    return {"conversations": found, **({"cursor": str(after)} if more else {})}


def twilio(path, query, body, host):
    found, after, more = part(query.get("Page", 0))
    return {"calls": found, "next_page_uri": f"{path}?Page={after}" if more else None}


def intercom(path, query, body, host):
    found, after, more = part(body["pagination"].get("starting_after", 0))
    return {"conversations": found, "pages": {"next": {"starting_after": str(after)} if more else None}}


def typeform(path, query, body, host):
    # What comes after a response is asked for by its token.
    places = {record["token"]: number + 1 for number, record in enumerate(RECORDS)}
    found, _, _ = part(places[query["before"]] if "before" in query else 0)
    return {"items": found}


def surveymonkey(path, query, body, host):
    found, _, more = part((int(query.get("page", 1)) - 1) * SIZE)
    following = {"next": f"http://{host}{path}?page={int(query.get('page', 1)) + 1}"} if more else {}
    return {"data": found, "links": {"self": f"http://{host}{path}", **following}}


def woocommerce(path, query, body, host):
    return part((int(query["page"]) - 1) * SIZE)[0]


def servicenow(path, query, body, host):
    return {"result": part(query["sysparm_offset"])[0]}


WAYS = {
    salesforce: {"records": "records", "page": {"by": "link", "next": "nextRecordsUrl"}},
    hubspot: {"records": "results", "page": {"by": "cursor", "parameter": "after", "next": "paging.next.after"}},
    hubspot_search: {
        "records": "results",
        "body": {"limit": SIZE},
        "page": {"by": "cursor", "parameter": "after", "next": "paging.next.after"},
    },
    dynamics: {"records": "value", "page": {"by": "link", "next": "@odata.nextLink"}},
    zendesk_talk: {
        "records": "calls",
        "parameters": {"start_time": "0"},
        "page": {"by": "link", "next": "next_page", "more": "count"},
    },
    zendesk_chat: {
        "records": "chats",
        "parameters": {"start_time": "0"},
        "page": {"by": "link", "next": "next_page", "size": SIZE},
    },
    genesys_query: {
        "records": "conversations",
        "body": {"paging": {"pageSize": SIZE}},
        "page": {"by": "page", "parameter": "paging.pageNumber"},
    },
    genesys_job: {"records": "conversations", "page": {"by": "cursor", "next": "cursor"}},
    twilio: {"records": "calls", "page": {"by": "link", "next": "next_page_uri"}},
    intercom: {
        "records": "conversations",
        "body": {"pagination": {"per_page": SIZE}},
        "page": {"by": "cursor", "parameter": "pagination.starting_after", "next": "pages.next.starting_after"},
    },
    typeform: {"records": "items", "page": {"by": "cursor", "parameter": "before", "next": "items.-1.token"}},
    surveymonkey: {"records": "data", "page": {"by": "link", "next": "links.next"}},
    woocommerce: {"page": {"by": "page"}},
    servicenow: {"records": "result", "page": {"by": "offset", "parameter": "sysparm_offset"}},
}


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("things")
    (folder / "connector.yaml").write_text(
        "connector: things\ntitle: Things\nstreams:\n  things:\n    format: {type: json_lines}\n"
        "    fields: {id: id, at: at}\n    key: [id]\n    events:\n      - activity: thing\n"
        "        time: {field: at, form: epoch}\n",
        encoding="utf-8",
    )
    return str(folder)


@pytest.mark.parametrize("vendor", WAYS, ids=lambda vendor: vendor.__name__)
def test_pages_are_those_of_the_vendor(vendor, connector, serve, tmp_path):
    asked = []

    def answer(handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        asked.append((parts.path, handler.command, query, handler.body))
        assert len(asked) < 9
        handler.reply(vendor(parts.path, query, json.loads(handler.body or "null"), handler.headers["Host"]))

    url = serve(answer) + "/services/data/v62.0/query/all"
    config = SourceConfig.model_validate({"connector": connector, "url": url, "http": {**WAYS[vendor], "attempts": 1}})

    state = pull_source("s", config, raw_dir=tmp_path)

    assert state["things"]["records"] == len(RECORDS)
    assert {command for _, command, _, _ in asked} == {"POST" if "body" in WAYS[vendor] else "GET"}
