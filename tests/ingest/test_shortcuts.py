"""A shortcut gives what the pattern gives, on every line that it takes, and it takes the usual ones."""

from __future__ import annotations

import random
import re
from functools import partial

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.shortcuts import SHORTCUTS
from journeymining.ingest.sources import SourceConfig
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


def taken(first, lines):
    """Return line -> the fields that the shortcut gives, of the lines that it takes after a first one."""
    split = SHORTCUTS[STREAM.format.shortcut].split("\n".join([first, *lines]).encode(), frozenset())
    columns = {name: split.fields[name].to_pylist() for name in STREAM.names}
    found = {
        [first, *lines][place]: {name: column[row] or "" for name, column in columns.items()}
        for row, place in enumerate(split.places.tolist())
        if place
    }
    assert 0 in split.places
    return found


def by_pattern(line):
    found = re.match(STREAM.format.pattern, line, re.ASCII)
    return found and {name: text or "" for name, text in found.groupdict().items()}


def line_of(draw):
    part = {name: draw(texts) for name, texts in PARTS.items()}
    return '{host} {identity} {user} [{time}] "{request}" {status} {bytes} "{referer}" "{agent}"{end}'.format(**part)


USUAL = line_of(lambda texts: texts[0])


@pytest.mark.parametrize("seed", range(5))
def test_random_lines_are_split_as_by_the_pattern(seed):
    drawn = random.Random(seed)
    # Mostly the usual text of a part, which stands first, so that odd parts meet usual ones.
    lines = {line_of(lambda texts: texts[0] if drawn.random() < 0.7 else drawn.choice(texts)) for _ in range(200)}

    found = taken(USUAL, sorted(lines))

    assert len(found) > 20
    for line, fields in found.items():
        assert fields == by_pattern(line), line


@pytest.mark.parametrize("cookie", ["", ' "uid=7"'])
def test_usual_lines_are_taken_and_others_left_to_the_pattern(cookie):
    usual = USUAL + cookie
    other = usual.replace("192.0.2.1", "192.0.2.2")
    left = [f"shop.example.org:443 {usual}", usual.replace("GET /", r"GET /\x22"), USUAL.partition(' "-"')[0], ""]

    assert set(taken(usual, [other, *left, usual])) == {other, usual}


def test_a_block_that_does_not_begin_as_usual_is_left_to_the_pattern():
    split = partial(SHORTCUTS[STREAM.format.shortcut].split, differ=frozenset())

    assert split(f"{USUAL}\n{USUAL}\n".encode()) is not None
    for block in (f"nonsense\n{USUAL}", f"{USUAL}\rx\n", f"{USUAL}\0\n", ""):
        assert split(block.encode()) is None


def test_a_line_that_was_cut_does_not_keep_the_others_from_being_split():
    cut = '192.0.2.1 - - [x y] "GET'

    assert set(taken(USUAL, [cut, USUAL + " ", USUAL.replace("GET", "PUT"), cut])) == {USUAL.replace("GET", "PUT")}


@pytest.mark.parametrize("seed", range(5))
def test_events_of_mixed_lines_are_those_of_the_pattern(tmp_path, seed):
    """Landed split or as a line, a record becomes the same event, with the same id."""
    drawn = random.Random(seed)
    lines = [
        USUAL,
        *(line_of(lambda texts: texts[0] if drawn.random() < 0.9 else drawn.choice(texts)) for _ in range(60)),
    ]
    tables = []
    # Without an usual line at its beginning, nothing of a file is split before it is mapped.
    for name, text in (("split", lines), ("whole", ["nonsense", *lines])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "access.log").write_text("\n".join(text) + "\n")
        config = SourceConfig.model_validate({"connector": "access_log", "path": f"{name}/access.log", "bots": "keep"})
        out = tmp_path / f"{name}.out"
        ingest_sources({"s": config}, timezone=None, region=None, key=None, out=out, base=tmp_path, threads=1)
        events = pq.read_table(out / "source_events.parquet").drop_columns(["source_order"])
        raw = pq.read_table(out / "raw/s/requests/00000.parquet")
        tables.append((sorted(map(str, events.to_pylist())), raw.column("line").null_count))

    assert tables[0][0] == tables[1][0]
    assert tables[0][1] > 10
    assert tables[1][1] == 0
