"""Named conversions: what each makes of a text, of a missing one, and of garbage."""

from __future__ import annotations

import duckdb
import pyarrow.parquet as pq
import pytest

from journeymining.ingest.connection import add_functions
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.values import CONVERSIONS, literal, number_sql, pair_sql


def run(sql, text):
    value = "NULL::VARCHAR" if text is None else literal(text)
    with duckdb.connect() as connection:
        add_functions(connection)
        return connection.execute(f"SELECT {sql} FROM (SELECT {value} AS t)").fetchone()[0]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("adobe_purchase", "1", "purchase"),
        ("adobe_purchase", "200=9.50,1,12", "purchase"),
        ("adobe_purchase", "12,21,200=1", None),
        ("asterisk_epoch", "acme-1795317312.0", "1795317312"),
        ("asterisk_epoch", "1795317312.17", "1795317312"),
        ("asterisk_epoch", "garbage", None),
        ("url_path", "https://shop.example/a/b?q=1#x", "/a/b"),
        ("url_path", "/a/b;jsessionid=1?x", "/a/b"),
        ("url_path", "https://shop.example", "/"),
        ("url_path", "/u/anna@example.org/bill", "/u/(email)/bill"),
        ("url_path", "/u/anna%40example.org", "/u/(email)"),
        ("browser", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox"),
        ("browser", "garbage", None),
        ("device_class", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "computer"),
        ("operating_system", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Linux"),
        ("host_path", "shop.example/a?b=1", "/a"),
        ("host_path", "https://shop.example/a", "/a"),
        ("host_path", "shop.example", "/"),
        ("host_path", "no host/a", None),
        ("request", "GET /a?b=c HTTP/1.1", "GET /a"),
        ("request", "POST https://shop.example/a HTTP/1.1", "POST /a"),
        ("request", "GARBAGE\\x16\\x03", None),
        ("request", "BREW /pot HTTP/1.1", None),
        ("http_status", "200", "ok"),
        ("http_status", "304", "ok"),
        ("http_status", "404", "failed"),
        ("http_status", "503", "failed"),
        ("http_status", "999", None),
        ("http_status", "2000", None),
        ("ip_network", "198.51.100.77", "198.51.100.0/24"),
        ("ip_network", " 198.51.100.0 ", "198.51.100.0/24"),
        ("ip_network", "198.51.100.77:8080", "198.51.100.0/24"),
        ("ip_network", "2001:db8:85a3:8d3:1319:8a2e:370:7334", "2001:db8:85a3::/48"),
        ("ip_network", "2001:0DB8:85A3::1", "2001:db8:85a3::/48"),
        ("ip_network", "[2001:db8:85a3::1]:443", "2001:db8:85a3::/48"),
        ("ip_network", "[2001:db8:85a3::1]", "2001:db8:85a3::/48"),
        ("ip_network", "2001:db8::7", "2001:db8::/48"),
        ("ip_network", "fe80::1%eth0", "fe80::/48"),
        ("ip_network", "::1", "::/48"),
        # An address of IPv4 in one of IPv6: 198.51.100.77 is c633:644d.
        ("ip_network", "::ffff:198.51.100.77", "198.51.100.0/24"),
        ("ip_network", "::FFFF:c633:644d", "198.51.100.0/24"),
        ("ip_network", "[::ffff:198.51.100.77]:443", "198.51.100.0/24"),
        ("ip_network", "2002:c633:644d::1", "198.51.100.0/24"),
        # Of a list the client, who comes first: not the proxies behind it, also where nobody knows the client.
        ("ip_network", "198.51.100.77, 203.0.113.5, 10.0.0.1", "198.51.100.0/24"),
        ("ip_network", "2001:db8:85a3::1,198.51.100.77", "2001:db8:85a3::/48"),
        ("ip_network", "unknown, 203.0.113.5", None),
        *(("ip_network", text, None) for text in ("-", "", "shop.example", "256.1.1.1", "198.51.100", "1.2.3.4.5")),
        *(("ip_network", text, None) for text in ("3325256781", "198.51.100.077", "198.51.100.xxx", "198.51.100.0/24")),
        *(
            ("ip_network", text, None)
            for text in ("2001:db8::1::2", "1:2:3:4:5:6:7:8:9", "[198.51.100.77]", "7f3a", ":80")
        ),
        ("snake_case", "ownerAssignment", "owner_assignment"),
        ("snake_case", "Date Closed ", "date_closed"),
        ("snake_case", "Größe", "größe"),
        ("snake_case", "--", None),
        ("lower", "Web", "web"),
        ("trim", "  a ", "a"),
        ("trim", "   ", None),
        ("sorted_members", '[{"k":"b"},{"k":"a"}]', '{"k":"a"},{"k":"b"}'),
        ("sorted_members", "no json", "no json"),
    ],
)
def test_conversion(name, text, expected):
    assert run(CONVERSIONS[name]("t"), text) == expected


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_missing_text_stays_missing(name):
    assert run(CONVERSIONS[name]("t"), None) is None


VISITS = """\
connector: visits
title: Visits with the address they came from
streams:
  visits:
    format: {type: csv}
    fields: [time, address]
    values:
      network: {field: address, convert: ip_network}
    events:
      - activity: visit
        time: {field: time}
        topic: {field: network}
"""
ADDRESSES = ("198.51.100.77", "198.51.100.9:5060", "2001:db8:85a3::370:7334", "203.0.113.5, 10.0.0.1", "nobody")


def read(base, **source):
    sources = {"web": SourceConfig.model_validate(source)}
    quality = ingest_sources(sources, timezone=None, region=None, key=None, out=base / "out", base=base, threads=1)
    # Whatever is read of addresses, whole ones stand below raw/ only.
    shown = [path for path in (base / "out").rglob("*.parquet") if "raw" not in path.relative_to(base).parts]
    texts = "".join(str(pq.read_table(path).to_pylist()) for path in shown) + str(quality)
    assert [address for address in ("100.77", "100.9", "7334", "113.5", "10.0.0.1") if address in texts] == []
    return quality


def test_a_connector_tells_networks_and_a_job_leaves_its_own_out(tmp_path):
    (tmp_path / "visits").mkdir()
    (tmp_path / "visits/connector.yaml").write_text(VISITS, encoding="utf-8")
    rows = "".join(f'2026-03-01T10:0{place}:00Z,"{address}"\n' for place, address in enumerate(ADDRESSES))
    (tmp_path / "visits.csv").write_text(f"time,address\n{rows}", encoding="utf-8")

    quality = read(tmp_path, connector="./visits", path="visits.csv", drop={"network": "198.51.100.0/24"})

    events = pq.read_table(tmp_path / "out/source_events.parquet").to_pylist()
    assert [event["topic"] for event in events] == ["2001:db8:85a3::/48", "203.0.113.0/24", None]
    assert quality["sources"]["web"]["streams"]["visits"]["left_out"] == {"drop: network": 2}


def test_an_address_that_a_job_takes_for_a_cookie_can_be_cut_short(tmp_path):
    line = '{} - - [01/Mar/2026:11:00:00 +0100] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0 Firefox/128.0" "{}"\n'
    lines = (line.format(address.replace(" ", ""), place) for place, address in enumerate(ADDRESSES))
    (tmp_path / "access.log").write_text("".join(lines), encoding="utf-8")
    change = {"field": "host", "convert": "ip_network"}

    read(tmp_path, connector="access_log", path="access.log", identifiers={"cookie": change})

    links = pq.read_table(tmp_path / "out/identifiers.parquet").column("value_hash").to_pylist()
    networks = ["198.51.100.0/24", "198.51.100.0/24", "2001:db8:85a3::/48", "203.0.113.0/24"]
    assert sorted(links) == [f"cookie:{network}" for network in networks]
    with pytest.raises(ValueError, match=r"unknown conversion 'ip'.*Allowed: .*ip_network"):
        SourceConfig.model_validate({"connector": "a", "path": "b", "identifiers": {"c": {"convert": "ip"}}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("uid=7; theme=dark", "7"), ("a=1; uid=7", "7"), ("xuid=9", None), ("7", "7"), ("uid=", None), (None, None)],
)
def test_a_pair_is_found_by_its_whole_name(text, expected):
    assert run(pair_sql("t", "uid"), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fwAAAVdJabc==", "fwAAAVdJabc=="),
        ("fwAAAVdJab+/c=", "fwAAAVdJab+/c="),
        ("BAh7==--0a1b", "BAh7==--0a1b"),
        ("=7", "=7"),
        ("uid=fwAAAVdJabc==", "fwAAAVdJabc=="),
        ("theme=dark; uid=fwAAAVdJabc==; a=1", "fwAAAVdJabc=="),
        ("consent; uid=7", "7"),
        ("theme=dark", None),
        ("consent; _ga.x-1=GA1.2", None),
        ("theme=; lang=", None),
    ],
)
def test_a_bare_value_may_hold_an_equals_sign(text, expected):
    assert run(pair_sql("t", "uid"), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5.0),
        (" -3.25 ", -3.25),
        ("+1", 1.0),
        ("1,5", None),
        ("1e5", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("1" * 16, None),
        ("soon", None),
        ("5.", 5.0),
    ],
)
def test_a_number_is_a_decimal_number_or_nothing(text, expected):
    assert run(number_sql("t"), text) == expected
