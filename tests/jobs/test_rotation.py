"""Another key: the same records under other names, no source read again, no bridge to the old names."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError, UsageError
from journeymining.ingest.keys import pseudonym
from journeymining.jobs import read_job
from journeymining.jobs.events import Builder, cut_journeys, pull_events, stitch_customers
from journeymining.jobs.manifest import Manifest
from journeymining.jobs.rotation import rotate_key
from journeymining.jobs.store import Store
from journeymining.simulation import simulate

OLD, NEW = b"the key of last year, 2025", b"the key of this year, 2026"
TABLES = ("source_events", "identifiers", "surveys")


def build(job, folder, key):
    """Pull, stitch and cut; return the manifest."""
    builder = Builder(job=job, store=Store(folder), manifest=Manifest(job.name, job.title), key=key)
    pull_events(builder)
    stitch_customers(builder)
    cut_journeys(builder)
    return builder.manifest


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Return a small company's job, built with the old key: every connector of the demo."""
    folder = simulate(tmp_path_factory.mktemp("company") / "demo", customers=60, seed=5)
    build(read_job(folder / "job.yaml"), folder / "events", OLD)
    return folder


@pytest.fixture
def job(company, tmp_path):
    shutil.copytree(company, tmp_path / "demo")
    return read_job(tmp_path / "demo/job.yaml")


def rows(folder, table):
    return sorted(map(str, pq.read_table(folder / f"{table}.parquet").to_pylist()))


def names(folder):
    """Return everything that was derived from identifiers: hashes, agents, customers, journeys."""
    columns = {
        "identifiers": ["value_hash"],
        "records": ["customer_id"],
        "customers": ["value_hash", "customer_id"],
        "journeys": ["journey_id"],
    }
    return {
        value
        for table, listed in columns.items()
        for column in listed
        for value in pq.read_table(folder / f"{table}.parquet")[column].to_pylist()
    }


def test_a_rotated_job_is_what_pulling_with_the_new_key_would_have_given(job, tmp_path):
    folder = rotate_key(job, old_key=OLD, new_key=NEW, events=job.base / "events")
    fresh = tmp_path / "fresh"
    build(job, fresh, NEW)

    for table in TABLES:
        assert rows(folder, table) == rows(fresh, table), table
    assert json.loads((folder / "quality.json").read_text()) == json.loads((fresh / "quality.json").read_text())
    for path in (fresh / "rejected").iterdir():
        assert pq.read_table(path).equals(pq.read_table(folder / "rejected" / path.name))
    manifest = build(job, folder, NEW)
    assert [(step.name, step.reused) for step in manifest.steps] == [("pull", True), ("stitch", False), ("cut", False)]
    assert rows(folder, "customers") == rows(fresh, "customers")
    assert json.loads((folder / "identity.json").read_text())["changes"] is None


def test_no_file_keeps_an_old_name(job):
    folder = job.base / "events"
    old = names(folder)
    anonymous = {
        row["customer_id"]
        for row in pq.read_table(folder / "records.parquet").to_pylist()
        if row["customer_id"] not in set(pq.read_table(folder / "customers.parquet")["customer_id"].to_pylist())
    }

    rotate_key(job, old_key=OLD, new_key=NEW, events=folder)
    left = [path.name for path in folder.iterdir() if path.suffix == ".parquet"]
    build(job, folder, NEW)

    # A record on its own is called by itself: no identifier, so no pseudonym, is in that name.
    kept = names(folder) & old - anonymous
    journeys_of_anonymous = {
        row["journey_id"]
        for row in pq.read_table(folder / "journeys.parquet").to_pylist()
        if row["customer_id"] in anonymous
    }
    assert sorted(left) == ["identifiers.parquet", "source_events.parquet", "surveys.parquet"]
    assert not kept - journeys_of_anonymous
    assert pq.read_table(folder / "customer_changes.parquet").num_rows == 0


def test_sources_that_are_gone_are_not_needed(job):
    shutil.rmtree(job.base / "raw")
    before = pq.read_table(job.base / "events/identifiers.parquet").num_rows

    folder = rotate_key(job, old_key=OLD, new_key=NEW, events=job.base / "events")

    assert pq.read_table(folder / "identifiers.parquet").num_rows == before
    assert not (folder / "steps.json").exists()


def test_sources_that_changed_are_pulled_by_the_next_run(job):
    survey = next((job.base / "raw/survey").glob("*.csv"))
    survey.write_text(survey.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    folder = rotate_key(job, old_key=OLD, new_key=NEW, events=job.base / "events")

    assert [step.reused for step in build(job, folder, NEW).steps] == [False] * 3


def test_changing_the_key_by_pulling_again_builds_no_bridge_either(job):
    folder = job.base / "events"

    build(job, folder, NEW)

    assert json.loads((folder / "identity.json").read_text())["changes"] is None
    assert pq.read_table(folder / "customer_changes.parquet").num_rows == 0


def test_what_cannot_be_rotated_is_refused_and_left_as_it_was(job, tmp_path):
    folder = job.base / "events"

    with pytest.raises(UsageError, match="new key is the old one"):
        rotate_key(job, old_key=OLD, new_key=OLD, events=folder)
    with pytest.raises(UsageError, match="made with another key"):
        rotate_key(job, old_key=NEW, new_key=b"yet another key, longer", events=folder)
    with pytest.raises(InputError, match="nothing was pulled yet"):
        rotate_key(job, old_key=OLD, new_key=NEW, events=tmp_path / "nowhere")
    shutil.rmtree(folder / "raw/survey")
    with pytest.raises(InputError, match=r"no raw records of 'survey'.*--full-refresh"):
        rotate_key(job, old_key=OLD, new_key=NEW, events=folder)

    assert [step.reused for step in build(job, folder, OLD).steps] == [True] * 3


def test_what_was_pulled_from_a_database_is_mapped_again_without_it(tmp_path):
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed: pip install 'journeymining[databases]'")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER, time TEXT, activity TEXT, email TEXT)")
        database.execute("INSERT INTO orders VALUES (1, '2026-01-01T10:00:00Z', 'order', 'a@example.org')")
        database.commit()
    source = f"{{connector: csv, url: 'sqlite:///{tmp_path}/shop.db', tables: {{rows: {{table: orders}}}}}}"
    (tmp_path / "job.yaml").write_text(
        f"job: shop\ntimezone: UTC\njourneys: {{by: customer}}\nsources: {{shop: {source}}}\n"
    )
    job = read_job(tmp_path / "job.yaml")
    build(job, tmp_path / "events", OLD)
    (before,) = pq.read_table(tmp_path / "events/identifiers.parquet")["value_hash"].to_pylist()
    (tmp_path / "shop.db").unlink()

    folder = rotate_key(job, old_key=OLD, new_key=NEW, events=tmp_path / "events")

    (after,) = pq.read_table(folder / "identifiers.parquet")["value_hash"].to_pylist()
    assert after == pseudonym("email", "a@example.org", NEW) != before
