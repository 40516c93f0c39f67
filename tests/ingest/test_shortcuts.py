"""A shortcut gives what the pattern gives, on every line that it takes, and it takes the usual ones."""

from __future__ import annotations

import random
import re

import duckdb
import pytest

from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.shortcuts import SHORTCUTS
from journeymining.ingest.specs import read_connector

STREAM = read_connector(connector_folder("access_log") / SPEC).streams["requests"]

PARTS = {
    "host": ["192.0.2.1", "2001:db8::1", "shop.example.org", "", "a\tb", 'a"b', "h:80"],
    "identity": ["-", "-", "x", "", "a:1"],
    "user": ["-", "anna@example.org", "", "[x", "x]", "two words", '"', "a b [c]"],
    "time": ["29/Mar/2026:01:59:59 +0100", "29/Mar/2026:01:59:59", "", "a b c", "x] [y z"],
    "request": ["GET / HTTP/1.1", "", "-", r"GET /\x22 HTTP/1.1", 'GET /"a" HTTP/1.1', "GET /ü"],
    "status": ["200", "404", "20", "abc", "2000"],
    "bytes": ["5120", "-", "", "1 2", "5\t1", "\u00fc"],
    "referer": ["-", "https://example.org/?a=b", "", "\\"],
    "agent": ["Mozilla/5.0 (X11; Linux)", "-", "", 'a"b'],
    "end": ["", "", "", ' "uid=7"', ' 12 "uid=7"', ' "a" "b"', " ", " x", '"'],
}


def taken(lines):
    """Return line -> the fields that the shortcut gives, of the lines that it takes."""
    table, takes, fields = SHORTCUTS[STREAM.format.shortcut]("line", "lines")
    items = ", ".join(f'{sql} AS "{name}"' for name, sql in fields.items())
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE lines (line VARCHAR)")
        connection.executemany("INSERT INTO lines VALUES (?)", [[line] for line in lines])
        rows = connection.execute(f"SELECT line, {items} FROM {table} WHERE {takes}").fetchall()
    return {row[0]: dict(zip(fields, row[1:], strict=True)) for row in rows}


def by_pattern(line):
    found = re.match(STREAM.format.pattern, line, re.ASCII)
    return found and {name: text or "" for name, text in found.groupdict().items()}


def line_of(draw):
    part = {name: draw(texts) for name, texts in PARTS.items()}
    return '{host} {identity} {user} [{time}] "{request}" {status} {bytes} "{referer}" "{agent}"{end}'.format(**part)


@pytest.mark.parametrize("seed", range(5))
def test_random_lines_are_split_as_by_the_pattern(seed):
    drawn = random.Random(seed)
    # Mostly the usual text of a part, which stands first, so that odd parts meet usual ones.
    lines = {line_of(lambda texts: texts[0] if drawn.random() < 0.7 else drawn.choice(texts)) for _ in range(200)}

    found = taken(sorted(lines))

    assert len(found) > 20
    for line, fields in found.items():
        assert fields == by_pattern(line), line


def test_usual_lines_are_taken_and_others_left_to_the_pattern():
    usual = line_of(lambda texts: texts[0])
    cookie = f'{usual} "uid=7"'
    others = [f"shop.example.org:443 {usual}", usual.replace("GET /", r"GET /\x22"), usual.partition(' "-"')[0], ""]

    assert set(taken([usual, cookie, *others])) == {usual, cookie}
