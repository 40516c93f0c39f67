"""Raw records are written down to the disk before the state that names them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.ingest import raw
from journeymining.ingest.pull import pull_source
from journeymining.ingest.sources import SourceConfig


def test_records_and_their_folders_are_on_the_disk_before_the_state_names_them(tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE rows (id INTEGER, time TEXT, activity TEXT)")
        connection.execute("INSERT INTO rows VALUES (1, '2026-03-01T10:00:00Z', 'visit')")
    done = []
    fsync, replace = os.fsync, os.replace

    def synced(handle):
        done.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        fsync(handle)

    def replaced(old, new):
        done.append(f"named {new}")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    config = SourceConfig.model_validate({"connector": "csv", "url": "sqlite:///shop.db"})

    pull_source("shop", config, raw_dir=tmp_path / "raw", base=tmp_path)

    stream = tmp_path / "raw/shop/rows"
    batch = stream / "000001"
    named = done.index(f"named {tmp_path / 'raw/shop/state.json'}")
    assert {str(stream), str(batch), str(batch / "00000.parquet")} <= set(done[:named])
    assert Path(done[named - 1]).name.endswith("state.json")
    assert done[named + 1] == str(tmp_path / "raw/shop")


def test_a_row_group_is_cut_by_its_bytes_where_records_are_long(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "BYTES", 1_000)
    given = []

    with raw.RawWriter(tmp_path, given.append) as writer:
        for text in ("a" * 600, "b" * 600, "c" * 10):
            writer.write(pa.record_batch({"line": [text]}))

    read = pq.ParquetFile(tmp_path / "00000.parquet").metadata
    assert [read.row_group(place).num_rows for place in range(read.num_row_groups)] == [2, 1]
    assert [table.num_rows for table in given] == [2, 1]
