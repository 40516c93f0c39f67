"""Named conversions: what each makes of a text, of a missing one, and of garbage."""

from __future__ import annotations

import duckdb
import pytest

from journeymining.ingest.agents import add_functions
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
