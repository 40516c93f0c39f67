"""Ids are what plain Python makes of a record by the rule, whatever the threads, the portions and its neighbours."""

from __future__ import annotations

import hashlib
import hmac

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.ingest.coded import Coded, made
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

ROWS = [
    ("7", "2026-03-01T10:00:00Z", "visit", "a@example.org"),
    ("8", "2026-03-01T10:00:00Z", "visit", "a@example.org"),
    ("7", "2026-03-01T10:00:00Z", "visit", "a@example.org"),
    ("", "2026-03-01T10:00:01Z", "order", ""),
]


def hash_of(*texts):
    return int.from_bytes(hashlib.md5("\x1f".join(texts).encode()).digest(), "big")


def id_of(record, number, key=None):
    """Return the id of an event: of the hashes of its source, fields and activity and of the number of its copy."""
    secret = hmac.digest(key, b"event", "sha256")[:16] if key else b""
    found = hash_of("shop", "rows") ^ hash_of("activity", record["activity"])
    for name, text in record.items():
        found ^= hash_of(name, text) if text else 0
    found ^= hash_of("#", str(number)) if number > 1 else 0
    return hashlib.md5(secret + found.to_bytes(16, "big")).hexdigest()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk", [1, 200_000])
@pytest.mark.parametrize("key", [None, b"0123456789abcdef"])
def test_ids_are_those_of_the_rule(tmp_path, portions_of, threads, chunk, key):
    portions_of(chunk)
    names = ["id", "time", "activity", "email"]
    (tmp_path / "a.csv").write_text("\n".join(",".join(row) for row in [names, *ROWS]) + "\n")
    config = SourceConfig.model_validate({"connector": "csv", "path": "a.csv", "set": {"channel": "web"}})

    out = tmp_path / "out"
    ingest_sources({"shop": config}, timezone=None, region=None, key=key, out=out, base=tmp_path, threads=threads)

    records = [dict(zip(names, row, strict=True)) | {"channel": "web"} for row in ROWS]
    expected = [id_of(record, number, key) for record, number in zip(records, [1, 1, 2, 1], strict=True)]
    assert pq.read_table(out / "source_events.parquet").column("event_id").to_pylist() == expected
    assert (expected[0] == "4494b32ad4bc2a363a3d36ba7a785be6") == (key is None)


def test_what_is_made_of_codes_is_what_is_made_of_rows():
    texts = {"f:a": ["x", None, "y", "x", "x"] * 300, "f:\"b'": ["1", "1", None, "2", "1"] * 300}
    texts["f:c"] = [str(number) for number in range(1500)]
    columns = {name: Coded.of(pa.array(column)) for name, column in texts.items()}
    items = {
        "constant": "'\"f:c\"'",
        "one": """upper("f:a") || '"'""",
        "two": """coalesce("f:a", '') || coalesce("f:""b'", '-')""",
        "all": """concat("f:a", "f:""b'", "f:c")""",
    }
    with duckdb.connect() as db:
        found = made(db, items, columns, 1500)
        db.register("rows", pa.table(texts))
        chosen = ", ".join(items.values())
        expected = db.sql(f"SELECT {chosen} FROM rows").fetchall()

    assert list(zip(*(found[name].array().to_pylist() for name in items), strict=True)) == expected
    assert len(found["two"].values) < 20
