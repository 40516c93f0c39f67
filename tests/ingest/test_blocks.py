"""Blocks of simple lines and records become columns, exactly as Python's own readers have them; others are refused."""

from __future__ import annotations

import csv
import gzip
import io
import random
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from journeymining.ingest import blocks
from journeymining.ingest.formats import Format
from journeymining.ingest.raw import RawWriter
from journeymining.ingest.readers import land

NAMES = ["id", "b", "c"]


def landed(folder, data, **format_):
    file, out = folder / "file", folder / f"raw{len(list(folder.iterdir()))}"
    file.write_bytes(data)
    with RawWriter(out) as writer:
        land(file, writer, stream=SimpleNamespace(format=Format(**format_)), name="file", columns=NAMES)
    return [row for path in sorted(out.glob("*")) for row in pq.read_table(path).to_pylist()]


def table(drawn, quote, delimiter, end):
    """Return a table as people write it, and as careless programs do."""
    plain = ["a", "", "x y", "é", " "]
    quoted = [f"{quote}b{delimiter}c{quote}", quote * 2, f"{quote}x{quote * 2}y{quote}", *plain]
    broken = [f"{quote}1\n2{quote}", f"5{quote} pipe", f"{quote}a{quote}b", f"{quote}", "\0", "\ufffd", *quoted]
    fields = drawn.choice([plain, quoted, broken])
    rows = [delimiter.join(drawn.choices(fields, k=drawn.choice([3] * 9 + [1, 2, 4]))) for _ in range(12)]
    return delimiter.join(NAMES) + end + "".join(f"{row}{drawn.choice([end] * 9 + [end * 2])}" for row in rows)


def believed(text, **dialect):
    """Return the records of a table by Python's csv: line, fields, and whether it is one; one after the other.

    Where one goes over several lines and does not end, or has not three fields, its first line alone is a broken one.
    """
    lines = list(io.StringIO(text, newline=""))
    found, at = [], len(lines)
    for at in range(1, len(lines)):
        if next(csv.reader(lines[:at], **dialect), None) is not None and not goes_on(lines[:at], **dialect):
            break
    while at < len(lines):
        used = next((n for n in range(1, len(lines) - at + 1) if not goes_on(lines[at : at + n], **dialect)), None)
        row = next(csv.reader(lines[at : at + (used or len(lines))], **dialect))
        if used is None or (used > 1 and len(row) != 3):
            found.append((at + 1, next(csv.reader(lines[at : at + 1], **dialect)), False))
            at += 1
            continue
        at += used
        if row:
            found.append((at, row, len(row) == 3))
    return found


def goes_on(lines, **dialect):
    """Whether the first record of some lines does not end in them: another line would be part of it."""
    asked = []

    def fed():
        yield from lines
        asked.append(True)

    next(csv.reader(fed(), **dialect))
    return bool(asked)


@pytest.mark.parametrize("size", [9, 64, 1 << 20])
@pytest.mark.parametrize("seed", range(40))
def test_tables_are_what_pythons_csv_makes_of_them(tmp_path, monkeypatch, seed, size):
    monkeypatch.setattr(blocks, "SIZE", size)
    drawn = random.Random(seed)
    quote, delimiter, end = drawn.choice("\"'"), drawn.choice(",;\t"), drawn.choice(["\n", "\r\n"])
    text = table(drawn, quote, delimiter, end)
    expected = believed(text.replace("\0", "\ufffd"), delimiter=delimiter, quotechar=quote)

    found = landed(tmp_path, text.encode(), type="csv", delimiter=delimiter, quote=quote)

    assert [(row["_line"], [row[name] for name in NAMES]) for row in found] == [
        (line, [*row, "", "", ""][:3]) for line, row, _ in expected
    ]
    assert [row["_problem"] is None for row in found] == [good for *_, good in expected]


@pytest.mark.parametrize("size", [5, 1 << 20])
def test_lines_keep_their_numbers_whatever_stands_between(tmp_path, monkeypatch, size):
    monkeypatch.setattr(blocks, "SIZE", size)
    data = "one\n\ntwo\r\n\r\n three\u2028 \nfour\r\r\nfive\n\n\n\xe4".encode()

    for given in (data, b"\xef\xbb\xbf" + data, gzip.compress(data)):
        found = landed(tmp_path, given, type="lines", separator="|")

        assert [(row["_line"], row["line"]) for row in found] == [
            (1, "one"), (3, "two"), (5, " three\u2028 "), (6, "four"), (7, "five"), (10, "ä"),
        ]  # fmt: skip


def test_simple_records_are_read_as_columns_and_others_refused():
    read = blocks.fields

    simple = [b"1,2,3\n", b'1,"a,b",3\r\n\r\n4,"","x""y"\n']
    assert all(read(block, NAMES, delimiter=",", quote='"') is not None for block in simple)
    others = [b"1,2\n", b'1,"2\n3",4\n', b'1,5" pipe,3\n', b'1,"a"b,3\n', b"1,2,\0\n", b"1,2,3\r4,5,6\n", b'1,2,"3\n']
    assert all(read(block, NAMES, delimiter=",", quote='"') is None for block in others)
