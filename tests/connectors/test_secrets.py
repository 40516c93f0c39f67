"""What addresses and URLs hold besides the page: none of it leaves ``raw/``, whatever the web connector."""

from __future__ import annotations

import json
import logging
import re

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.library import SPEC, connector_folder, shipped_connectors
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector

V4, V6 = "198.51.100.77", "2001:db8:85a3::8a2e:370:7334"
SECRETS = ("tok-3f9c", "hunter2", "sess-8d1", "sess-9e2", "mail1@example.org", "mail2@example.org", "frag-77", V4, V6)
"""A token, a password, two sessions (one behind a semicolon), addresses in query and path, a fragment, and IPs."""

QUERY = "token=tok-3f9c&password=hunter2&PHPSESSID=sess-8d1&mail=mail1%40example.org&m=mail1@example.org"
PATH = "/account/mail2@example.org/orders;jsessionid=sess-9e2"
TARGET = f"{PATH}?{QUERY}&ip={V6}#frag-77"
URL = f"https://mail1%40example.org:hunter2@shop.example{TARGET}"
SEEN = "/account/(email)/orders"

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SHORT = "Firefox/128.0"


def access_log(bad):
    time = "no time" if bad else "01/Mar/2026:11:00:00 +0100"
    return "".join(
        f'{address} - - [{time}] "GET {TARGET} HTTP/1.1" 200 5 "{URL}" "{AGENT}" "v{bad}"\n' for address in (V4, V6)
    )


def nginx_json(bad):
    row = {"msec": "no time" if bad else 1772359200.5, "method": "GET", "uri": TARGET, "status": 200, "ua": AGENT}
    return "".join(json.dumps(row | {"ip": address, "ref": URL}) + "\n" for address in (V4, V6))


def iis_w3c(bad):
    fields = "date time c-ip cs-method cs-uri-stem cs-uri-query cs(Referer) cs(User-Agent) sc-status time-taken"
    day = "no" if bad else "2026-03-01"
    line = f"GET {PATH} {QUERY} {URL} {SHORT} 200 250"
    return f"#Fields: {fields}\n{day} 10:00:00 {V4} {line}\n{day} 10:00:00 {V6} {line}\n"


def cloudfront(bad):
    fields = "date time c-ip cs-method cs-uri-stem cs-uri-query cs(Referer) cs(User-Agent) sc-status time-taken"
    day = "no" if bad else "2026-03-01"
    rows = [
        [day, "10:00:00", address, "GET", PATH.replace("@", "%40"), QUERY, URL, SHORT, "200", "0.2", f"r{bad}{address}"]
        for address in (V4, V6)
    ]
    names = [*fields.split(), "x-edge-request-id"]
    return "\n".join(["#Fields: " + "\t".join(names), *("\t".join(row) for row in rows), ""])


def ga4(bad):
    params = [{"key": key, "value": {"string_value": URL}} for key in ("page_location", "page_referrer")]
    time = "no time" if bad else "1772359200000000"
    row = {"event_name": "page_view", "event_timestamp": time, "user_pseudo_id": "1.1", "platform": "WEB"}
    return json.dumps(row | {"event_params": params, "device": {"ip": V4, "ip6": V6}}) + "\n"


def snowplow(bad):
    names = read_connector(connector_folder("snowplow") / "connector.yaml").streams["events"].names
    known = {"event_id": f"e{bad}", "event": "page_view", "platform": "web", "useragent": AGENT, "page_url": URL}
    known |= {"page_referrer": URL, "page_urlquery": QUERY, "page_urlfragment": "frag-77", "collector_tstamp": "x"}
    known |= {"derived_tstamp": "no time" if bad else "2026-03-01 10:00:00", "refr_urlquery": QUERY, "page_title": V6}
    return "\t".join((known | {"user_ipaddress": V4}).get(name, "") for name in names) + "\n"


def matomo_live(bad):
    action = {"type": "action", "url": URL, "pageId": "1", "serverTimePretty": "no" if bad else "Mar 1, 2026 11:00:00"}
    visit = {"idVisit": f"1{bad}", "visitorId": "a1", "visitIp": V4, "referrerUrl": URL, "location": V6}
    return json.dumps(visit | {"actionDetails": [action]}) + "\n"


def adobe_analytics(bad):
    row = {"hitid_high": "1", "hitid_low": f"{bad}", "exclude_hit": "0", "hit_source": "1", "post_page_event": "0"}
    row |= {"hit_time_gmt": "no time" if bad else "1772359200", "post_page_url": URL, "user_agent": AGENT}
    row |= {"post_referrer": URL, "ip": V4, "ipv6": V6}
    return "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"


def segment(bad):
    page = {"url": URL, "referrer": URL, "search": f"?{QUERY}"}
    row = {"messageId": f"m{bad}", "type": "page", "anonymousId": "a1", "properties": page}
    row |= {"timestamp": "no time" if bad else "2026-03-01T10:00:00Z"}
    return json.dumps(row | {"context": {"ip": V4, "userAgent": AGENT, "page": page, "ip6": V6}}) + "\n"


def posthog(bad):
    properties = {"$current_url": URL, "$referrer": URL, "$ip": V4, "ip6": V6, "$lib": "web", "$raw_user_agent": AGENT}
    row = {"uuid": f"u{bad}", "event": "$pageview", "timestamp": "no time" if bad else "2026-03-01 10:00:00"}
    return json.dumps(row | {"distinct_id": "d1", "properties": properties}) + "\n"


WEB = {
    access_log: "access.log",
    nginx_json: "access.json.log",
    iis_w3c: "u_ex.log",
    cloudfront: "E.txt",
    ga4: "events.jsonl",
    snowplow: "enriched.tsv",
    matomo_live: "visits.jsonl",
    adobe_analytics: "hit_data.tsv",
    segment: "events.jsonl",
    posthog: "events.jsonl",
}


def pulled(base, connector, files, **config):
    for name, text in files.items():
        path = base / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    source = SourceConfig.model_validate({"connector": connector, "path": "data", **config})
    return ingest_sources(
        {"s": source}, timezone="Europe/Berlin", region="DE", key=b"0123456789abcdef", out=base / "out", base=base
    )


def told(folder):
    """Return every text below a folder but for ``raw/``: Parquet read, everything else as it is."""
    texts = []
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "raw" not in file.relative_to(folder).parts:
            rows = pq.read_table(file).to_pylist() if file.suffix == ".parquet" else []
            texts += [str(rows), file.read_bytes().decode(errors="replace"), file.name]
    return "\n".join(texts)


@pytest.mark.parametrize("write", WEB, ids=lambda write: write.__name__)
def test_no_secret_leaves_raw(write, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    name = write.__name__
    good, bad = (f"{number}-{WEB[write]}" for number in (1, 2))

    quality = pulled(tmp_path, name, {good: write(0), bad: write(1)})

    events = pq.read_table(tmp_path / "out/source_events.parquet").to_pylist()
    assert {event["topic"].removeprefix("GET ") for event in events} == {SEEN}
    assert quality["rejected"] == len(events)
    shown = told(tmp_path / "out") + caplog.text + "".join(capfd.readouterr())
    assert [secret for secret in SECRETS if secret in shown] == []


def test_every_connector_that_reads_urls_is_tried():
    reads = {
        path.parent.name
        for path in shipped_connectors().glob(f"*/{SPEC}")
        if re.search(r"convert: \[?(url_path|host_path|request)\b", path.read_text(encoding="utf-8"))
    }

    assert reads == {write.__name__ for write in WEB} | {"matomo"}


def test_matomo_keeps_no_secret_of_its_urls(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    action = "idlink_va\tidsite\tidvisitor\tidvisit\tserver_time\tidaction_url\tlocation_ip\n"
    rows = "".join(f"{place}\t1\tA1\t5\t{time}\t1\t{V4}\n" for place, time in ((1, "2026-03-01 10:00:00"), (2, "no")))
    names = f"idaction\tname\ttype\turl_prefix\n1\tshop.example{TARGET}\t1\t2\n"

    quality = pulled(tmp_path, "matomo", {"log_link_visit_action.tsv": action + rows, "log_action.tsv": names})

    (event,) = pq.read_table(tmp_path / "out/source_events.parquet").to_pylist()
    assert (event["topic"], quality["rejected"]) == (SEEN, 1)
    assert [secret for secret in SECRETS if secret in told(tmp_path / "out") + caplog.text] == []


def test_raw_is_raw_and_rejected_rows_show_their_text_only_when_asked(tmp_path):
    pulled(tmp_path, "access_log", {"access.log": access_log(1)}, rejected_text=True)

    raw = "".join(str(pq.read_table(file).to_pylist()) for file in (tmp_path / "out/raw").rglob("*.parquet"))
    rejected = str(pq.read_table(tmp_path / "out/rejected/s.parquet").to_pylist())
    assert [secret for secret in (*SECRETS, V4, V6) if secret not in raw] == []
    assert "tok-3f9c" in rejected
