"""Killed at any point, or short of disk: the next pull loses and doubles nothing, whatever way the records come."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

# Pulls in forks of a process that has imported all: one is killed just before or after the n-th thing that a pull does
# to the disk or hears from a server, then another pulls again and writes what there is now. Prints how many such points
# there are, and after which of them something is lost, doubled or left behind.
DRIVER = """
import json, os, shutil, signal, sys
import duckdb, fsspec.implementations.local, pyarrow.parquet as pq, sqlalchemy, urllib3
import journeymining.ingest.databases, journeymining.ingest.streams
import journeymining.writing as writing
from journeymining.ingest import apis, batches, objects, pull, raw
from pathlib import Path
from journeymining.ingest.sources import SourceConfig

config, whole, out = json.loads(sys.argv[1]), sys.argv[2], {"points": 0, "alive": [], "wrong": []}
fatal, count = 0, 0

def deadly(place, name):
    real = getattr(place, name)
    def done(*given, **named):
        point()
        result = real(*given, **named)
        point()
        return result
    setattr(place, name, done)

def point():
    global count
    count += 1
    if count == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

for place, name in ((batches, "write_state"), (objects, "write_state"), (batches, "_remove"), (raw.RawWriter, "_flush"),
                    (os, "replace"), (Path, "rename"), (pull, "_write_tables"), (pull, "_concatenate"),
                    (batches._Pull, "_finish"), (apis.Api, "_get"), (objects.ObjectStore, "fetch"),
                    (objects._Pull, "_replace"), (writing, "_remove")):
    deadly(place, name)
batches.CHECKPOINT = objects.CHECKPOINT = 40

def forked(folder, at):
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    global fatal, count
    fatal, count = at, 0
    os.chdir(folder)
    pull.ingest_sources({"shop": SourceConfig.model_validate(config)}, timezone=None, region="DE",
                        key=b"0123456789abcdef", out="out", base=".", threads=1)
    tables = [pq.read_table(f"out/{name}.parquet").to_pylist() for name in ("source_events", "identifiers", "surveys")]
    left = sorted(str(path) for path in Path("out").rglob(".*"))
    Path("log.json").write_text(json.dumps([[sorted(map(str, rows)) for rows in tables], left]))
    Path("points").write_text(str(count))
    os._exit(0)

shutil.copytree("base", "counted")
assert forked("counted", 0) == 0
out["points"] = int(Path("counted/points").read_text())
step = int(sys.argv[3])
for at in range(1, out["points"] + 1, step):
    shutil.copytree("base", "killed")
    if forked("killed", at) != signal.SIGKILL:
        out["alive"].append(at)
    if forked("killed", 0) != 0 or Path("killed/log.json").read_bytes() != Path(whole).read_bytes():
        out["wrong"].append(at)
    shutil.rmtree("killed")
print(json.dumps(out))
"""


def visit(number):
    day, minute = divmod(number, 1440)
    time = f"2026-03-{1 + day:02d} {minute // 60:02d}:{minute % 60:02d}:00Z"
    return {"id": number, "time": time, "activity": "visit", "email": f"c{number % 50}@example.org", "changed": time}


# Before the first pull, and after it: further visits, one that came late, one that is another now.
BEFORE = [visit(number) for number in range(150) if number != 140]
AFTER = [visit(number) for number in range(230)]
AFTER[145]["activity"] = "call"


class Visits:
    """A server of visits, twenty a page."""

    def __init__(self):
        self.visits = BEFORE

    def answer(self, handler):
        query = {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
        start, since = int(query.get("after", 0)), query.get("since", "")
        found = [one for one in self.visits if one["changed"] >= since]
        more = {"after": str(start + 20)} if start + 20 < len(found) else {}
        return handler.reply({"results": found[start : start + 20], **more})


def fill_database(folder, visits):
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute("DROP TABLE IF EXISTS visits")
        connection.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, time, activity, email, changed)")
        connection.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?)", [list(one.values()) for one in visits])


def fill_files(folder, visits):
    place = folder / "visits"
    place.mkdir(exist_ok=True)
    for first in range(0, len(visits), 30):
        rows = "".join(",".join(map(str, one.values())) + "\n" for one in visits[first : first + 30])
        packed = gzip.compress(("id,time,activity,email,changed\n" + rows).encode(), mtime=0)
        (place / f"{first:04d}.csv.gz").write_bytes(packed)


@pytest.fixture(params=["database", "http", "files", "objects"])
def way(request, tmp_path, serve):
    """A shop that was pulled once and has had visits since, as the driver wants it, and its source."""
    base, server = tmp_path / "base", Visits()
    base.mkdir()
    cursor = {"cursor": "changed", "overlap": "1 hour"}
    http = {"records": "results", "page": {"by": "cursor", "parameter": "after", "next": "after"}, "since": "since"}
    config = {
        "database": {"url": "sqlite:///shop.db", "tables": {"rows": {"table": "visits", **cursor}}},
        "http": {"url": serve(server.answer), "http": {**http, **cursor}},
        "files": {"path": "visits/*.gz"},
        "objects": {"path": f"file://{base}/visits/*.gz"},
    }[request.param] | {"connector": connector(tmp_path)}
    fill = {"database": fill_database, "http": lambda folder, visits: None}.get(request.param, fill_files)

    fill(base, BEFORE)
    pull(base, config)
    fill(base, AFTER)
    server.visits = AFTER
    (tmp_path / "whole").mkdir()
    fill(tmp_path / "whole", AFTER)
    pull(tmp_path / "whole", config)
    (tmp_path / "whole.json").write_text(json.dumps([event_log(tmp_path / "whole"), []]), encoding="utf-8")
    return request.param, tmp_path, config


def connector(folder):
    (folder / "visits").mkdir()
    (folder / "visits/connector.yaml").write_text(
        "connector: visits\ntitle: Visits\nstreams:\n  rows:\n    format: {type: FORMAT}\n"
        "    fields: [id, time, activity, email]\n    key: [id]\n    identifiers: {email: {field: email}}\n"
        "    events:\n      - {activity: {field: activity}, time: {field: time}}\n".replace("FORMAT", "csv"),
        encoding="utf-8",
    )
    return str(folder / "visits")


def pull(folder, config):
    source = {"shop": SourceConfig.model_validate(config)}
    key = b"0123456789abcdef"
    ingest_sources(source, timezone=None, region="DE", key=key, out=folder / "out", base=folder, threads=1)


def event_log(folder):
    """Return all that was made of the records, sorted."""
    tables = [
        pq.read_table(folder / f"out/{name}.parquet").to_pylist()
        for name in ("source_events", "identifiers", "surveys")
    ]
    return [sorted(map(str, rows)) for rows in tables]


def drive(folder, config, *, step=1, **limits):
    arguments = [sys.executable, "-c", DRIVER, json.dumps(config), str(folder / "whole.json"), str(step)]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False, **limits)


@pytest.mark.slow
def test_killed_at_any_point_the_next_pull_makes_it_whole(way):
    name, folder, config = way

    # All points take minutes; every fifth is before one thing and after the next but one.
    answer = drive(folder, config, step=1 if os.environ.get("JOURNEYMINING_EVERY_POINT") else 5)

    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert (told["alive"], told["wrong"]) == ([], [])
    assert told["points"] >= 20, name


@pytest.mark.parametrize("limit", [600, 3_000])
def test_a_disk_that_is_full_leaves_what_was_there(way, limit):
    _, folder, config = way
    before = event_log(folder / "base")
    script = (
        "import json, os, resource, signal, sys\n"
        "from journeymining.ingest.pull import ingest_sources\n"
        "from journeymining.ingest.sources import SourceConfig\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "ingest_sources({'shop': SourceConfig.model_validate(json.loads(sys.argv[1]))}, timezone=None, region='DE',\n"
        "               key=b'0123456789abcdef', out='out', base='.', threads=1)\n"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script, json.dumps(config)], cwd=folder / "base", capture_output=True, check=False
    )

    assert answer.returncode != 0
    assert event_log(folder / "base") == before
    pull(folder / "base", config)
    assert [event_log(folder / "base"), []] == json.loads((folder / "whole.json").read_text(encoding="utf-8"))
    assert not list((folder / "base/out").rglob(".*"))
