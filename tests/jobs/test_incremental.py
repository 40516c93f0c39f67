"""New records re-form only the journeys they touch; everything else keeps its rows and its names."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from journeymining.jobs import read_job, run
from journeymining.jobs.events import Builder, cut_journeys, pull_events, stitch_customers
from journeymining.jobs.manifest import Manifest
from journeymining.jobs.store import Store

KEY = b"a key that only tests have"
JOB = """
job: shop
timezone: UTC
sources:
  shop: {connector: csv, path: shop.csv}
identity: {keys: [account, email, cookie]}
journeys: {by: customer, cut: {gap: 30 days, end: [pay]}}
"""
HEAD = "time,activity,channel,account,cookie\n"
FIRST = """2026-01-01T10:00:00Z,order,web,A,
2026-01-02T10:00:00Z,pay,app,,k1
2026-01-01T10:00:00Z,order,web,B,
2026-01-05T10:00:00Z,pay,web,B,
2026-02-20T10:00:00Z,order,web,B,
2026-01-03T10:00:00Z,look,web,,k2
2026-03-01T10:00:00Z,order,web,C,
"""
LOGIN = "2026-01-02T09:00:00Z,login,app,A,k1\n"


@pytest.fixture
def built(tmp_path):
    """Build the event log of the job from the lines of its file; return its tables and the identity report."""

    def build(lines, kept_in="events"):
        (tmp_path / "shop.csv").write_text(HEAD + lines, encoding="utf-8")
        (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
        store = Store(tmp_path / kept_in)
        manifest = Manifest("shop", "shop")
        builder = Builder(job=read_job(tmp_path / "job.yaml"), store=store, manifest=manifest, key=KEY)
        pull_events(builder)
        stitch_customers(builder)
        cut_journeys(builder)
        tables = {
            name: pq.read_table(store.path(f"{name}.parquet")).to_pylist()
            for name in ("customers", "records", "events", "journeys", "customer_changes")
        }
        return tables, json.loads(store.path("identity.json").read_text()), manifest

    return build


def test_a_new_link_re_forms_only_the_journeys_it_touches(built):
    before, first, _ = built(FIRST)
    now, second, _ = built(FIRST + LOGIN)

    touched = {row["customer_id"] for row in now["events"] if row["activity"] == "login"}
    earlier = {row["previous_customer_id"] for row in now["customer_changes"]}
    for name in ("customers", "records", "events", "journeys"):
        rest = [row for row in before[name] if row["customer_id"] not in touched | earlier]
        assert rest, name
        assert [row for row in now[name] if row["customer_id"] not in touched] == rest, name
    fresh, *_ = built(FIRST + LOGIN, "fresh")
    assert all(now[name] == fresh[name] for name in ("customers", "records", "events", "journeys"))
    paid = {row["journey_id"] for row in now["events"] if row["customer_id"] in touched}
    assert len(paid) == 1
    assert first["changes"] is None
    assert second["changes"] == {
        **dict.fromkeys(("other_records", "renamed", "split", "new", "gone"), 0),
        "unchanged": 3,
        "merged": 1,
        "customers": 4,
        "previous_customers": 5,
    }
    assert first["version"] != second["version"]


def test_later_records_of_others_change_only_whether_journeys_are_open(built):
    before, _, _ = built(FIRST)
    now, _, _ = built(FIRST + "2026-06-01T10:00:00Z,order,web,D,\n")

    def known(rows, *left_away):
        new = {row["customer_id"] for row in now["events"] if row["timestamp"] >= datetime(2026, 6, 1, tzinfo=UTC)}
        kept = [row for row in rows if row["customer_id"] not in new]
        return [{name: value for name, value in row.items() if name not in left_away} for row in kept]

    assert known(now["events"]) == before["events"]
    assert known(now["journeys"], "open") == known(before["journeys"], "open")
    assert sum(row["open"] for row in before["journeys"]) == 2
    assert not any(row["open"] for row in known(now["journeys"]))


def test_nothing_new_is_not_stitched_again_and_keeps_its_version(built):
    _, first, _ = built(FIRST)
    _, second, manifest = built(FIRST)

    assert all(step.reused for step in manifest.steps)
    assert first == second


LINES = [
    "time,activity,channel,account,cookie",
    *(
        f"2026-0{1 + day // 28}-{1 + day % 28:02d}T{hour:02d}:00:00Z,{activity},{channel},{account},{cookie}"
        for day, hour, activity, channel, account, cookie in [
            (day, (7 * day + 3 * one) % 24, ["look", "order", "pay", "call"][(day * one) % 4], "web", *who)
            for day in range(60)
            for one, who in enumerate(
                [(f"A{day % 13}", ""), (f"B{day % 7}", f"k{day % 7}"), ("", f"k{day % 5}"), (f"N{day % 9}", "")]
            )
        ]
    ),
]


HISTORY = ("manifest.json", "quality.json", "report.html")


def results(folder):
    """Return all results and what the account says of them; not when they were made, nor what was different before."""
    named = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    found = {name: path.read_bytes() for name, path in named.items() if name not in HISTORY}
    quality = json.loads(named["quality.json"].read_text(encoding="utf-8"))
    for source in quality["ingest"]["sources"].values():
        for stream in source["streams"].values():
            for one in stream["field_values"].values():
                one.pop("before", None)
    found["quality.json"] = quality | {"identity": quality["identity"] | {"changes": None}}
    manifest = json.loads(named["manifest.json"].read_text(encoding="utf-8"))
    steps = [{key: step[key] for key in ("name", "rows_in", "rows_out", "left_out")} for step in manifest["steps"]]
    return found, manifest["counts"], manifest["scope"], steps


def test_a_run_after_one_more_day_is_a_run_of_everything(tmp_path):
    (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
    late = "2026-01-03T02:00:00Z,order,phone,N8,"
    for day, rows in enumerate([LINES[:180], LINES[:185], [*LINES[:190], late], LINES]):
        (tmp_path / "shop.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        job = read_job(tmp_path / "job.yaml")
        run(job, events=tmp_path / "kept", out=tmp_path / "out", key=KEY, force=True)
        run(job, events=tmp_path / f"fresh{day}", out=tmp_path / f"fresh_out{day}", key=KEY)

        changed, *account = results(tmp_path / "out")
        fresh, *fresh_account = results(tmp_path / f"fresh_out{day}")
        assert account == fresh_account
        assert changed.keys() == fresh.keys()
        assert [name for name in changed if changed[name] != fresh[name]] == []
        steps = {step["name"]: step for step in json.loads((tmp_path / "out" / "manifest.json").read_text())["steps"]}
        for name, kind in (("cut", "customers"), ("prepare", "journeys")):
            again = steps[name]["again"]
            assert 0 < again[kind] <= again["of"]
            # Day by day a few have something new; at first, and when a third is new, most.
            assert (again[kind] < again["of"] / 2) == (day in (1, 2)), (day, name)
