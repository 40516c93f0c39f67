"""HTTP APIs: every way of paging, throttling, cut connections, repeated pages, tokens; against a server here."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from journeymining.documents import parse_yaml
from journeymining.exceptions import InputError, SpecError
from journeymining.ingest import apis, batches
from journeymining.ingest.pull import ingest_sources, pull_source
from journeymining.ingest.sources import SourceConfig
from journeymining.jobs import pull as pull_job
from journeymining.jobs import read_job

pytestmark = pytest.mark.usefixtures("impatient")

SIZE = 7
"""Records of a page."""


class Service:
    """A server with records that answers page by page, and misbehaves when told to."""

    def __init__(self, count):
        self.records = [
            {
                "id": number,
                "time": f"2026-03-01T10:{number % 60:02d}:00Z",
                "activity": "visit",
                "who": {"n": f"n{number}"},
            }
            for number in range(count)
        ]
        self.asked = Counter()
        self.requests = []
        self.trouble = {}  # where -> list of what goes wrong, one per request
        self.tokens, self.expired = 0, set()

    def answer(self, handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if handler.command == "POST" and "form" in handler.headers.get("Content-Type", ""):
            query |= {name: values[0] for name, values in parse_qs(handler.body).items()}
        self.requests.append((parts.path, query, dict(handler.headers)))
        if parts.path == "/token":
            self.requests.append(("body", handler.body, {}))
            self.tokens += 1
            return handler.reply({"access_token": f"t-{self.tokens}"})
        if handler.headers["Authorization"] in self.expired:
            return handler.reply({}, status=401)
        since = int(query.get("since", 0))
        records = [record for record in self.records if not since or int(record["id"]) >= since]
        way = parts.path.strip("/")
        start = {
            "page": lambda: (int(query["page"]) - 1) * SIZE,
            "offset": lambda: int(query["offset"]),
        }.get(way, lambda: int(query.get("after", 0)))()
        wrong = self.trouble.get(start, [])
        what = wrong.pop(0) if wrong else None
        if what == "throttle":
            return handler.reply({}, status=429, headers={"Retry-After": "0"})
        if isinstance(what, str) and what.startswith("wait "):
            return handler.reply({}, status=429, headers={"Retry-After": what.removeprefix("wait ")})
        if what in {"proxy", "closed"}:
            # Nothing tells how many bytes there should have been.
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"<html>back soon</html>" if what == "proxy" else b'{"results": [{"id": 1')
            handler.close_connection = True
            return None
        if isinstance(what, int):
            return handler.reply({"error": "secret detail"}, status=what)
        if what == "repeat":
            start = max(0, start - SIZE)
        page = records[start : start + SIZE]
        here = f"http://{handler.headers['Host']}/{way}"
        more = start + SIZE < len(records)
        link = f"{here}?after={start + SIZE}"
        if way == "link":
            return handler.reply(page, headers={"Link": f'<{link}>; rel="next"'} if more else {}, cut=what == "cut")
        body = {"results": page, "paging": {"after": str(start + SIZE), "link": link} if more else {}}
        if what == "elsewhere":
            body["paging"]["link"] = "http://example.org/steal"
        if what == "circle":
            body["paging"]["after"] = str(start)
        return handler.reply(body, cut=what == "cut")


@pytest.fixture
def service():
    return Service(30)


@pytest.fixture
def base(service, serve):
    return serve(service.answer)


WAYS = {
    "page": {"records": "results", "page": {"by": "page"}},
    "offset": {"records": "results", "page": {"by": "offset"}},
    "link": {"page": {"by": "link"}},
    "next": {"records": "results", "page": {"by": "link", "next": "paging.link"}},
    "cursor": {"records": "results", "page": {"by": "cursor", "parameter": "after", "next": "paging.after"}},
}


@pytest.fixture(scope="module")
def connector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("visits")
    (folder / "connector.yaml").write_text(
        "connector: visits\ntitle: Visits\nstreams:\n  visits:\n    format: {type: json_lines}\n"
        "    fields: {id: id, time: time, activity: activity, who: who.n}\n    key: [id]\n"
        "    identifiers: {account: {field: who}}\n    events:\n      - activity: {field: activity}\n"
        "        time: {field: time}\n",
        encoding="utf-8",
    )
    return str(folder)


def source(connector, base, way, **http):
    path = "/" + ("cursor" if way == "next" else way)
    settings = {**WAYS[way], "attempts": 4, "timeout": 10, **http}
    return SourceConfig.model_validate({"connector": connector, "url": base + path, "http": settings})


def pulled(folder, config, **options):
    pull_source("s", config, raw_dir=folder / "raw", **options)
    ingest_sources({"s": config}, timezone=None, region=None, key=None, out=folder, pull=False)
    events = pq.read_table(folder / "source_events.parquet").to_pylist()
    links = {row["event_id"]: row["value_hash"] for row in pq.read_table(folder / "identifiers.parquet").to_pylist()}
    return sorted(int(links[event["event_id"]].partition(":n")[2]) for event in events)


@pytest.mark.parametrize("way", WAYS)
def test_every_page_is_read_once(tmp_path, service, base, connector, way):
    assert pulled(tmp_path, source(connector, base, way)) == list(range(30))
    assert len(service.requests) == (6 if way in {"page", "offset"} else 5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trouble", ["throttle", 408, 500, 503, 522, "cut", "closed", "proxy"])
def test_trouble_that_passes_changes_nothing(tmp_path, service, base, connector, way, trouble, monkeypatch):
    monkeypatch.setattr(apis.time, "sleep", lambda seconds: None)
    service.trouble = {0: [trouble], 14: [trouble, trouble]}

    assert pulled(tmp_path, source(connector, base, way)) == list(range(30))


@pytest.mark.parametrize(
    ("told", "waited"),
    [("2", [2]), ("1.5", [1.5]), ("soon", []), ("Sun, 01 Mar 2020 10:00:00 GMT", []), ("-1", []), ("900", [900])],
)
def test_a_server_says_in_its_own_way_how_long_to_wait(tmp_path, service, base, connector, told, waited, monkeypatch):
    slept = []
    monkeypatch.setattr(apis.time, "sleep", lambda seconds: slept.append(seconds) if seconds else None)
    service.trouble = {14: [f"wait {told}"]}

    assert pulled(tmp_path, source(connector, base, "page")) == list(range(30))
    assert slept == waited


def test_who_asks_to_wait_for_a_day_is_asked_again_by_the_next_pull(tmp_path, service, base, connector):
    config = source(connector, base, "cursor")
    service.trouble = {14: ["wait 86400"]}
    with pytest.raises(InputError, match=r"asks to wait for 86400 seconds \(Retry-After\). Pull again after that"):
        pull_source("s", config, raw_dir=tmp_path / "raw")
    service.requests = []

    assert pulled(tmp_path, config) == list(range(30))
    assert [query["after"] for _, query, _ in service.requests] == ["14", "21", "28"]


def test_a_form_is_posted_with_the_place_of_the_page(tmp_path, service, base, connector):
    service.trouble = {14: ["cut", 500]}
    config = source(connector, base, "offset", body={"token_auth": "geheim", "idSite": 1}, form=True)

    assert pulled(tmp_path, config) == list(range(30))
    sent = [(query["offset"], query["token_auth"], query["idSite"]) for path, query, _ in service.requests]
    assert [place for place, _, _ in sent] == ["0", "7", "14", "14", "14", "21", "28", "30"]
    assert {one[1:] for one in sent} == {("geheim", "1")}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]


def test_a_page_that_comes_twice_is_counted_once(tmp_path, service, base, connector):
    service.records += service.records[5:9]

    assert pulled(tmp_path, source(connector, base, "cursor")) == list(range(30))


def test_a_pull_that_is_cut_goes_on_where_it_was(tmp_path, service, base, connector):
    service.trouble = {14: ["cut"] * 10}
    config = source(connector, base, "cursor")
    with pytest.raises(InputError, match="the server could not be read"):
        pull_source("s", config, raw_dir=tmp_path / "raw")
    assert batches.read_state(tmp_path / "raw/s")["visits"]["batches"] == []
    service.trouble, service.requests = {}, []

    assert pulled(tmp_path, config) == list(range(30))
    assert [query["after"] for _, query, _ in service.requests] == ["14", "21", "28"]


def test_a_cursor_asks_only_for_what_is_new(tmp_path, service, base, connector):
    config = source(connector, base, "cursor", cursor="id", since="since", overlap="2")
    assert pulled(tmp_path, config) == list(range(30))
    service.records += Service(33).records[30:]
    service.requests = []

    assert pulled(tmp_path, config) == list(range(33))
    assert [query.get("since") for _, query, _ in service.requests] == ["27"]

    state = batches.read_state(tmp_path / "raw/s")["visits"]
    assert (state["batches"], state["cursor"]) == (["000001", "000002"], "32")
    assert pulled(tmp_path, config) == list(range(33))
    assert batches.read_state(tmp_path / "raw/s")["visits"] == state


def test_a_cursor_never_goes_back(tmp_path, service, base, connector):
    config = source(connector, base, "cursor", cursor="id", since="since", overlap="10")
    late = service.records[22:24]
    del service.records[22:24]
    assert pulled(tmp_path, config) == [number for number in range(30) if number not in {22, 23}]

    # The server was set back to a backup: what it has now ends earlier.
    everything, service.records = [*service.records, *late], service.records[:21]
    assert len(pulled(tmp_path, config)) == 28
    assert batches.read_state(tmp_path / "raw/s")["visits"]["cursor"] == "29"

    service.records = [*everything, *Service(33).records[30:]]
    assert pulled(tmp_path, config) == list(range(33))
    assert batches.read_state(tmp_path / "raw/s")["visits"]["cursor"] == "32"


def test_a_record_that_changed_counts_in_its_newest_version(tmp_path, service, base, connector):
    config = source(connector, base, "cursor", cursor="id", since="since", overlap="10")
    pulled(tmp_path, config)
    service.records[25]["activity"] = "call"

    assert pulled(tmp_path, config) == list(range(30))
    events = pq.read_table(tmp_path / "source_events.parquet").to_pylist()
    assert Counter(event["activity"] for event in events) == {"visit": 29, "call": 1}


def test_the_newest_version_is_that_of_the_later_moment_however_it_is_written(tmp_path, service, base, connector):
    # A whole second is often written without its zeros, and an hour may be that of another zone.
    moments = {"old": "2026-03-01T10:00:00Z", "new": "2026-03-01T10:00:00.5Z", "older": "2026-03-01T10:30:00+01:00"}
    service.records = [
        {"id": 1, "time": "2026-03-01T09:00:00Z", "activity": name, "who": {"n": "n1"}, "changed": moment}
        for name, moment in {**moments, "oldest": None}.items()
    ]

    assert pulled(tmp_path, source(connector, base, "page", cursor="changed")) == [1]
    events = pq.read_table(tmp_path / "source_events.parquet").to_pylist()
    assert [event["activity"] for event in events] == ["new"]


def test_records_whose_key_is_not_whole_are_each_their_own(tmp_path, service, base, connector):
    pair = tmp_path / "pair"
    shutil.copytree(connector, pair)
    spec = pair / "connector.yaml"
    spec.write_text(spec.read_text().replace("key: [id]", "key: [id, activity]").replace("{field: activity}", "visit"))
    service.records = [
        {"id": "0", "time": "2026-03-01T10:00:00Z", "who": {"n": "n1"}},
        {"id": "0", "activity": "0", "time": "2026-03-01T10:01:00Z", "who": {"n": "n2"}},
        {"id": "", "activity": "0", "time": "2026-03-01T10:02:00Z", "who": {"n": "n3"}},
        {"id": "", "time": "2026-03-01T10:03:00Z", "who": {"n": "n4"}},
        {"id": "", "time": "2026-03-01T10:04:00Z", "who": {"n": "n5"}},
    ]

    assert pulled(tmp_path, source(str(pair), base, "page")) == [1, 2, 3]
    quality = json.loads((tmp_path / "quality.json").read_text())
    assert quality["sources"]["s"]["streams"]["visits"]["rejected"] == {"key: missing": 2}


def test_a_full_refresh_forgets_what_is_gone(tmp_path, service, base, connector):
    config = source(connector, base, "cursor", cursor="id", since="since")
    pulled(tmp_path, config)
    del service.records[3]

    assert pulled(tmp_path, config) == list(range(30))
    assert pulled(tmp_path, config, full_refresh=True) == [number for number in range(30) if number != 3]


def test_columns_that_come_go_and_change_are_told(tmp_path, service, base, connector):
    config = source(connector, base, "page")
    pulled(tmp_path, config)
    service.records = [{**record, "id": str(record["id"]), "lang": "de"} for record in service.records]
    for record in service.records:
        del record["activity"]
    pulled(tmp_path, config)

    quality = json.loads((tmp_path / "quality.json").read_text())
    assert quality["sources"]["s"]["columns_changed"]["visits"] == [
        {"column": "lang", "change": "new", "now": "VARCHAR"},
        {"column": "activity", "change": "gone", "before": "VARCHAR"},
        {"column": "id", "change": "type", "before": "BIGINT", "now": "VARCHAR"},
    ]


@pytest.mark.parametrize(
    ("trouble", "way", "message"),
    [
        ([503] * 9, "cursor", "the server answered 503 to /cursor"),
        ([404], "cursor", "the server answered 404 to /cursor"),
        ([403], "cursor", "answered 403 to /cursor. Are the credentials right"),
        (["elsewhere"], "next", r"the next page is on another server \(http://example.org\): not followed"),
        (["proxy"] * 9, "cursor", "the answer to /cursor is no JSON"),
        (["circle"], "cursor", "the pages go in a circle"),
    ],
)
def test_trouble_that_stays_is_one_line(tmp_path, service, base, connector, trouble, way, message):
    service.trouble = {0: trouble, 7: list(trouble)}
    document = parse_yaml("sources:\n  s:\n    connector: x\n    url: x\n", path="job.yaml")

    with pytest.raises(InputError, match=message) as caught:
        pull_source("s", source(connector, base, way), raw_dir=tmp_path, document=document)

    assert str(caught.value).startswith("job.yaml:4:5: source 's': ")
    assert "secret detail" not in str(caught.value)
    assert "back soon" not in str(caught.value)


def test_secrets_are_sent_and_never_written(tmp_path, service, base, connector, caplog):
    caplog.set_level("DEBUG")
    service.trouble = {14: [500] * 9}
    auth = {"oauth2": {"token_url": f"{base}/token", "client_id": "me", "client_secret": "geheim", "scope": "all"}}
    config = source(connector, base, "cursor", auth=auth, parameters={"api_key": "geheim"}, headers={"X-Key": "geheim"})
    with pytest.raises(InputError, match="answered 500"):
        pull_source("s", config, raw_dir=tmp_path)
    service.trouble = {}
    pull_source("s", config, raw_dir=tmp_path)

    sent = [
        (query["api_key"], head["X-Key"], head["Authorization"])
        for path, query, head in service.requests
        if path == "/cursor"
    ]
    assert set(sent) == {("geheim", "geheim", f"Bearer t-{pull}") for pull in (1, 2)}
    assert ("body", "grant_type=client_credentials&client_id=me&client_secret=geheim&scope=all", {}) in service.requests
    assert "geheim" not in repr(config)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]
    assert "geheim" not in caplog.text


def test_secrets_of_a_url_are_sent_and_never_written(tmp_path, service, base, connector):
    service.trouble = {14: [404]}
    settings = {**WAYS["cursor"], "paths": {"visits": "/cursor?lang=de"}}
    config = SourceConfig.model_validate({"connector": connector, "url": f"{base}/?token=geheim", "http": settings})
    with pytest.raises(InputError, match="answered 404 to /cursor"):
        pull_source("s", config, raw_dir=tmp_path / "raw")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]

    assert pulled(tmp_path, config) == list(range(30))
    assert {(path, query["token"], query["lang"]) for path, query, _ in service.requests} == {
        ("/cursor", "geheim", "de")
    }

    refused = SourceConfig.model_validate({"connector": connector, "url": base.replace("//", "//anna:geheim@")})
    with pytest.raises(InputError, match="user and password in a url are not sent") as caught:
        pull_source("s", refused, raw_dir=tmp_path)
    assert "geheim" not in str(caught.value)


def test_a_parameter_that_the_next_page_has_otherwise_is_kept_for_a_pull_that_goes_on(
    tmp_path, service, base, connector
):
    # The first page is that after 0, and every answer names the next one: as an export by time does.
    service.trouble = {14: [404]}
    config = source(connector, base, "next", parameters={"after": "0"})
    with pytest.raises(InputError, match="answered 404"):
        pull_source("s", config, raw_dir=tmp_path / "raw")
    service.requests = []

    assert pulled(tmp_path, config) == list(range(30))
    assert [query["after"] for _, query, _ in service.requests] == ["14", "21", "28"]


def test_another_server_is_not_told_what_headers_tell_this_one(tmp_path, service, base, connector, serve):
    moved = serve(lambda handler: handler.reply({}, status=302, headers={"Location": base + handler.path}))
    config = source(connector, moved, "page", headers={"X-Key": "geheim"}, auth={"bearer": "geheim"})

    assert pulled(tmp_path, config) == list(range(30))
    assert "geheim" not in str([head for _, _, head in service.requests])


def test_a_token_that_expires_is_fetched_again_and_a_wrong_one_is_said(tmp_path, service, base, connector):
    auth = {"oauth2": {"token_url": f"{base}/token", "client_id": "me", "client_secret": "geheim"}}
    service.expired = {"Bearer t-1"}

    assert pulled(tmp_path, source(connector, base, "cursor", auth=auth)) == list(range(30))
    assert service.tokens == 2

    service.expired = {f"Bearer t-{number}" for number in range(9)}
    with pytest.raises(InputError, match=r"answered 401 to /cursor\. Are the credentials right"):
        pull_source("s", source(connector, base, "cursor", auth=auth), raw_dir=tmp_path / "other")


def test_a_token_comes_from_the_environment(tmp_path, service, base, connector, monkeypatch):
    (tmp_path / "job.yaml").write_text(
        "job: visits\nidentity: {pseudonymise: false}\njourneys: {cut: {gap: 1 day}}\n"
        f"sources:\n  s:\n    connector: {connector}\n"
        f"    url: {base}/cursor\n    http:\n      records: results\n"
        "      page: {by: cursor, parameter: after, next: paging.after}\n      auth: {bearer: '${VISITS_TOKEN}'}\n",
        encoding="utf-8",
    )
    monkeypatch.delenv("VISITS_TOKEN", raising=False)
    with pytest.raises(SpecError, match="VISITS_TOKEN"):
        read_job(tmp_path / "job.yaml")
    monkeypatch.setenv("VISITS_TOKEN", "geheim")

    pull_job(read_job(tmp_path / "job.yaml"), events=tmp_path / "events")

    assert {head["Authorization"] for _, _, head in service.requests} == {"Bearer geheim"}
    assert not [path for path in tmp_path.rglob("*.*") if path.is_file() and b"geheim" in path.read_bytes()]


def test_streams_need_paths(tmp_path, base):
    config = SourceConfig.model_validate({"connector": "salesforce", "url": base})

    with pytest.raises(InputError, match="say with 'http: paths' where the streams are: Case, "):
        pull_source("s", config, raw_dir=tmp_path)
    with pytest.raises(SpecError, match=r"has no stream 'Cas'\. Did you mean 'Case'"):
        pull_source(
            "s",
            SourceConfig.model_validate({"connector": "salesforce", "url": base, "http": {"paths": {"Cas": "/a"}}}),
            raw_dir=tmp_path,
        )
