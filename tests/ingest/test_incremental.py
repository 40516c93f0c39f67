"""Pulled again, with more or less than before, or with the clock set back: nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.jobs import pull as pull_job
from journeymining.jobs import read_job
from journeymining.jobs.running import pull_preview

SOURCE = {
    "connector": "csv",
    "url": "sqlite:///shop.db",
    "tables": {"rows": {"table": "visits", "cursor": "changed", "overlap": "1 hour"}},
    "columns": {"id": "number"},
}


def visits(folder, first, last, *, late=()):
    """Add visits to the shop: one a minute, the time of change is that of the visit; late ones an hour before."""
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS visits "
            "(number INTEGER PRIMARY KEY, time TEXT, activity TEXT, email TEXT, changed TEXT)"
        )
        for number in (*range(first, last), *late):
            day, minute = divmod(number, 1440)
            time = f"2026-03-{1 + day:02d} {minute // 60:02d}:{minute % 60:02d}:00Z"
            connection.execute(
                "INSERT OR REPLACE INTO visits VALUES (?, ?, 'visit', ?, ?)",
                [number, time, f"c{number % 50}@example.org", time],
            )


def pull(folder, **change):
    config = {"shop": SourceConfig.model_validate({**SOURCE, **change})}
    key = b"0123456789abcdef"
    return ingest_sources(config, timezone=None, region="DE", key=key, out=folder / "out", base=folder, threads=1)


def event_log(folder):
    """Return all that was made of the records, sorted."""
    return {
        table: sorted(map(str, pq.read_table(folder / f"out/{table}.parquet").to_pylist()))
        for table in ("source_events", "identifiers", "surveys")
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop that was pulled once and has had visits since, some of them late."""
    folder = tmp_path_factory.mktemp("shop")
    visits(folder, 0, 400)
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute("DELETE FROM visits WHERE number BETWEEN 350 AND 360")
    pull(folder)
    visits(folder, 400, 600, late=range(350, 361))
    return folder


@pytest.fixture(scope="module")
def whole(shop, tmp_path_factory):
    """What one pull of everything gives."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(shop / "shop.db", folder)
    pull(folder)
    return event_log(folder)


@pytest.fixture
def pulled(shop, tmp_path):
    shutil.copytree(shop, tmp_path / "shop")
    return tmp_path / "shop"


def test_two_pulls_give_what_one_gives(pulled, whole):
    quality = pull(pulled)

    assert event_log(pulled) == whole
    assert len(whole["source_events"]) == 600
    # The hour before the last visit was read again; its records count once.
    counts = quality["sources"]["shop"]["streams"]["rows"]
    assert (counts["records"], counts["read_again"]) == (600, 50)
    assert sorted(path.name for path in (pulled / "out/raw/shop/rows").iterdir()) == ["000001", "000002"]


def test_a_pull_with_nothing_new_changes_nothing(pulled):
    pull(pulled)
    before = {path: path.read_bytes() for path in (pulled / "out/raw").rglob("*") if path.is_file()}

    pull(pulled)

    assert {path: path.read_bytes() for path in (pulled / "out/raw").rglob("*") if path.is_file()} == before


def test_a_clock_that_is_set_back_is_not_asked(pulled, whole, monkeypatch):
    # Every file looks newer than now, and the clock says it is 1990.
    for path in (pulled / "out").rglob("*"):
        os.utime(path, (4_000_000_000, 4_000_000_000))
    monkeypatch.setattr("time.time", lambda: 631_152_000.0)

    pull(pulled)

    assert event_log(pulled) == whole


def test_a_cursor_that_is_no_time_is_not_the_last_one(pulled, whole):
    with closing(sqlite3.connect(pulled / "shop.db")) as connection, connection:
        connection.execute("UPDATE visits SET changed = 'unknown' WHERE number = 410")
    pull(pulled)
    visits(pulled, 600, 620)

    assert len(event_log(pulled)["source_events"]) == 600
    pull(pulled)
    assert len(event_log(pulled)["source_events"]) == 620


def test_a_cursor_of_a_time_to_come_is_told(pulled, caplog):
    pull(pulled)
    assert "to come" not in caplog.text
    with closing(sqlite3.connect(pulled / "shop.db")) as connection, connection:
        connection.execute("UPDATE visits SET changed = '2099-01-01 00:00:00Z' WHERE number = 599")
    pull(pulled)

    assert "rows: the cursor of a record is 2099-01-01 00:00:00Z, a time to come" in caplog.text


def test_settings_that_decide_which_records_there_are_begin_anew(pulled, whole):
    query = "SELECT * FROM visits WHERE number < 100"

    quality = pull(pulled, tables={"rows": {"query": query, "cursor": "changed"}})

    assert quality["events"] == 100
    assert pull(pulled)["events"] == 600
    assert event_log(pulled) == whole


def test_a_table_without_a_cursor_is_read_whole_and_kept_once(pulled):
    tables = {"rows": "visits"}
    pull(pulled, tables=tables)
    with closing(sqlite3.connect(pulled / "shop.db")) as connection, connection:
        connection.execute("DELETE FROM visits WHERE number < 10")

    assert pull(pulled, tables=tables)["events"] == 590
    (kept,) = (pulled / "out/raw/shop/rows").iterdir()
    assert pull(pulled, tables=tables)["events"] == 590
    assert list((pulled / "out/raw/shop/rows").iterdir()) == [kept]


def test_equal_rows_without_a_key_are_different_records(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE visits (time TEXT, activity TEXT, email TEXT)")
        row = ["2026-03-01T10:00:00Z", "visit", "a@example.org"]
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?)", [row, row, row])
    source = {"tables": {"rows": {"table": "visits", "cursor": "time"}}, "columns": {}}

    assert pull(tmp_path, **source)["events"] == 3
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection, connection:
        connection.execute("INSERT INTO visits VALUES (?, ?, ?)", row)
    assert pull(tmp_path, **source)["events"] == 4
    assert pull(tmp_path, **source)["events"] == 4


def test_columns_that_come_and_go_are_told(pulled):
    with closing(sqlite3.connect(pulled / "shop.db")) as connection, connection:
        connection.execute("ALTER TABLE visits ADD COLUMN topic VARCHAR")

    quality = pull(pulled)

    assert quality["sources"]["shop"]["columns_changed"] == {
        "rows": [{"column": "topic", "change": "new", "now": "VARCHAR"}]
    }


def test_a_source_that_moves_from_files_to_a_database_leaves_nothing_behind(pulled, whole):
    with closing(sqlite3.connect(pulled / "shop.db")) as connection:
        lines = [",".join(map(str, row)) for row in connection.execute("SELECT * FROM visits")]
    (pulled / "visits.csv").write_text("\n".join(["number,time,activity,email,changed", *lines]) + "\n")
    file = {"connector": "csv", "path": "visits.csv", "columns": SOURCE["columns"]}
    config = {"shop": SourceConfig.model_validate(file)}
    ingest_sources(config, timezone=None, region="DE", key=b"0123456789abcdef", out=pulled / "out", base=pulled)
    pull(pulled)

    assert event_log(pulled) == whole


JOB = """
job: shop
sources:
  shop:
    connector: csv
    url: sqlite:///shop.db
    tables: {rows: {table: visits, cursor: changed, overlap: 1 hour}}
    columns: {id: number}
identity: {pseudonymise: false}
journeys: {by: customer}
"""


def test_a_dry_run_says_what_would_be_and_writes_nothing(pulled, monkeypatch):
    monkeypatch.delenv("JOURNEYMINING_KEY", raising=False)
    (pulled / "job.yaml").write_text(JOB, encoding="utf-8")
    before = {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()}

    preview = pull_preview(read_job(pulled / "job.yaml"), events=pulled / "out")

    assert preview.to_dict("records") == [
        {"source": "shop", "stream": "rows", "what": "records", "name": "", "rows": 600},
        {"source": "shop", "stream": "rows", "what": "event", "name": "visit", "rows": 600},
    ]
    assert {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()} == before


def test_a_job_pulls_only_what_is_new_and_maps_again_only_then(pulled):
    (pulled / "job.yaml").write_text(JOB, encoding="utf-8")
    store = pull_job(read_job(pulled / "job.yaml"), events=pulled / "out")
    written = (store / "source_events.parquet").stat().st_mtime_ns

    pull_job(read_job(pulled / "job.yaml"), events=pulled / "out")
    assert (store / "source_events.parquet").stat().st_mtime_ns == written

    visits(pulled, 600, 610)
    pull_job(read_job(pulled / "job.yaml"), events=pulled / "out")
    assert len(event_log(pulled)["source_events"]) == 610
    assert json.loads((store / "quality.json").read_text())["pseudonymised"] is False
