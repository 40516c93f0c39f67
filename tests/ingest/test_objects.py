"""Object stores: patterns, folders and single objects give what local files give, whatever happens on the way."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest import objects
from journeymining.ingest.batches import read_state
from journeymining.ingest.pull import ingest_sources, pull_source
from journeymining.ingest.sources import SourceConfig
from journeymining.jobs import pull as pull_job
from journeymining.jobs import read_job

KEY = b"0123456789abcdef"


def request(second, visitor, *, path="/"):
    time = f"{1795315200 + second}.000"
    return json.dumps(
        {
            "msec": time,
            "method": "GET",
            "uri": path,
            "status": 200,
            "ua": "Mozilla/5.0",
            "vid": f"v{visitor}",
            "rt": 0.1,
        }
    )


def day(number, *, lines=20, path="/"):
    """Return the log of a day, packed: visitors come back, and one line is no record."""
    text = "\n".join(request(number * 86_400 + second, second % 7, path=path) for second in range(lines))
    return gzip.compress(f"{text}\nnonsense\n".encode(), mtime=0)


@pytest.fixture
def store():
    """An object store in memory with three days of logs and something else."""
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for number in range(3):
        memory.pipe(f"/bucket/logs/2026-11-{22 + number}.json.log.gz", day(number))
    memory.pipe("/bucket/logs/README.md", b"logs")
    yield memory
    memory.store.clear()


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(objects, "PAUSE", 0.0)


def source(path, **more):
    return SourceConfig.model_validate({"connector": "nginx_json", "path": path, **more})


def ingest(folder, config, **options):
    return ingest_sources(
        {"web": config}, timezone=None, region="DE", key=KEY, out=folder / "out", base=folder, threads=1, **options
    )


def event_log(folder):
    return {
        table: sorted(map(str, pq.read_table(folder / f"out/{table}.parquet").to_pylist()))
        for table in ("source_events", "identifiers")
    }


def locally(store, folder):
    """Return what the same files give from a disk."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    for name in store.find("/bucket/logs"):
        (folder / "logs" / name.rpartition("/")[2]).write_bytes(store.cat(name))
    ingest(folder, source("logs/*.gz"))
    return event_log(folder)


@pytest.mark.parametrize("path", ["memory://bucket/logs/*.gz", "memory://bucket/logs", "memory://bucket/**/2026*.gz"])
def test_objects_give_what_files_give(tmp_path, store, path):
    quality = ingest(tmp_path, source(path))

    assert event_log(tmp_path) == locally(store, tmp_path / "local")
    assert quality["events"] == 60
    assert quality["sources"]["web"]["streams"]["requests"]["rejected"] == {"record: not a JSON object": 3}
    rejected = pq.read_table(tmp_path / "out/rejected/web.parquet").to_pylist()
    assert [(row["file"], row["line"]) for row in rejected] == [
        (f"/bucket/logs/2026-11-{number}.json.log.gz", 21) for number in (22, 23, 24)
    ]


def test_only_what_is_new_or_changed_is_copied(tmp_path, store, monkeypatch):
    config = source("memory://bucket/logs/*.gz")
    ingest(tmp_path, config)
    copied = Counter()
    fetch = objects.ObjectStore.fetch
    monkeypatch.setattr(
        objects.ObjectStore, "fetch", lambda self, name, target: copied.update([name.name]) or fetch(self, name, target)
    )

    ingest(tmp_path, config)
    assert not copied
    store.pipe("/bucket/logs/2026-11-25.json.log.gz", day(3))
    store.pipe("/bucket/logs/2026-11-23.json.log.gz", day(1, lines=30, path="/changed"))
    ingest(tmp_path, config)

    assert copied == {"2026-11-23.json.log.gz": 1, "2026-11-25.json.log.gz": 1}
    assert event_log(tmp_path) == locally(store, tmp_path / "local")
    assert len(event_log(tmp_path)["source_events"]) == 90
    state = read_state(tmp_path / "out/raw/web")["requests"]
    assert {one["batch"] for one in state["objects"].values()} == set(state["batches"])
    assert sorted(path.name for path in (tmp_path / "out/raw/web/requests").iterdir()) == sorted(state["batches"])
    assert state["records"] == 94


def test_objects_that_are_gone_stay_until_a_full_refresh(tmp_path, store):
    config = source("memory://bucket/logs/*.gz")
    ingest(tmp_path, config)
    store.rm("/bucket/logs/2026-11-22.json.log.gz")

    assert ingest(tmp_path, config)["events"] == 60
    assert ingest(tmp_path, config, full_refresh=True)["events"] == 40
    assert event_log(tmp_path) == locally(store, tmp_path / "local")


def test_a_full_refresh_of_nothing_is_refused(tmp_path, store):
    # More likely a wrong path than what somebody meant.
    config = source("memory://bucket/logs/*.gz")
    ingest(tmp_path, config)
    store.rm("/bucket/logs", recursive=True)

    assert ingest(tmp_path, config)["events"] == 60
    with pytest.raises(InputError, match=r"no object matches 'memory://bucket/logs/\*\.gz'\. What was pulled .* stays"):
        ingest(tmp_path, config, full_refresh=True)
    assert len(event_log(tmp_path)["source_events"]) == 60


def test_large_objects_become_several_batches(tmp_path, store, monkeypatch):
    monkeypatch.setattr(objects, "CHECKPOINT", 25)

    ingest(tmp_path, source("memory://bucket/logs/*.gz"))

    assert read_state(tmp_path / "out/raw/web")["requests"]["batches"] == ["000001", "000002"]
    assert event_log(tmp_path) == locally(store, tmp_path / "local")


def test_an_object_that_changes_while_it_is_read_counts_once(tmp_path, store, monkeypatch):
    real = store.get_file
    changes = iter([day(0, lines=25, path="/new")])

    def get_file(name, target, **options):
        real(name, target, **options)
        for content in changes:
            store.pipe("/bucket/logs/2026-11-22.json.log.gz", content)

    monkeypatch.setattr(type(store), "get_file", staticmethod(get_file))
    ingest(tmp_path, source("memory://bucket/logs/*.gz"))

    monkeypatch.undo()
    assert event_log(tmp_path) == locally(store, tmp_path / "local")


@pytest.mark.parametrize("times", [1, 2])
def test_a_connection_that_is_cut_is_made_again(tmp_path, store, monkeypatch, times):
    real, left = store.get_file, [times]

    def get_file(name, target, **options):
        real(name, target, **options)
        if "11-23" in name and left[0]:
            left[0] -= 1
            with Path(target).open("r+b") as file:
                file.truncate(40)
            if left[0] % 2:
                raise ConnectionResetError("reset")

    monkeypatch.setattr(type(store), "get_file", staticmethod(get_file))
    ingest(tmp_path, source("memory://bucket/logs/*.gz"))

    assert not left[0]
    assert event_log(tmp_path) == locally(store, tmp_path / "local")


def test_a_pull_that_is_cut_for_good_keeps_what_came_whole(tmp_path, store, monkeypatch):
    config = source("memory://bucket/logs/*.gz")
    real = store.get_file

    def get_file(name, target, **options):
        if "11-24" in name:
            raise TimeoutError("too slow")
        real(name, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "get_file", staticmethod(get_file))
        with pytest.raises(
            InputError, match=r"object '/bucket/logs/2026-11-24.*' could not be read \(TimeoutError: too"
        ):
            pull_source("web", config, raw_dir=tmp_path / "out/raw")
    assert len(read_state(tmp_path / "out/raw/web")["requests"]["objects"]) == 2

    ingest(tmp_path, config)
    assert event_log(tmp_path) == locally(store, tmp_path / "local")


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("memory://bucket/none/*.gz", InputError, r"no object matches 'memory://bucket/none/\*\.gz'"),
        ("memory://bucket/none.gz", InputError, "'memory://bucket/none.gz' does not exist"),
        ("nosuch://bucket/a", InputError, "no store is called 'nosuch://'. Common ones are s3://"),
        ("https://example.org/a.gz", InputError, "a server is no object store: name an API with 'url'"),
        ("ftp://anna:geheim@127.0.0.1:1/a", InputError, "'ftp://127.0.0.1:1/a' could not be read .ConnectionRefused"),
        ("gs://bucket/a", MissingDependencyError, r"'gs://' needs a library besides journeymining\[objects\].*gcsfs"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, store, path, error, message):
    with pytest.raises(error, match=message) as caught:
        pull_source("web", source(path), raw_dir=tmp_path)
    assert "geheim" not in str(caught.value)


def test_what_a_library_says_of_a_path_is_shown_without_its_password(tmp_path, store, monkeypatch):
    def refuse(self, path, **options):
        raise ValueError("no such bucket: anna:geheim@bucket")

    monkeypatch.setattr(type(store), "glob", refuse)
    with pytest.raises(InputError, match=r"\(ValueError: no such bucket: \*\*\*@bucket\)"):
        pull_source("web", source("memory://anna:geheim@bucket/*.gz"), raw_dir=tmp_path)


def test_without_the_extra_its_name_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)

    with pytest.raises(MissingDependencyError, match=r"pip install 'journeymining\[objects\]'"):
        pull_source("web", source("memory://bucket/logs/*.gz"), raw_dir=tmp_path)


def test_a_broken_object_is_named_and_a_pattern_finds_streams(tmp_path, store):
    store.pipe("/bucket/logs/2026-11-25.json.log.gz", day(3)[:60])
    with pytest.raises(InputError, match=r"^/bucket/logs/2026-11-25.json.log.gz: cannot be read as json lines"):
        pull_source("web", source("memory://bucket/logs/*.gz"), raw_dir=tmp_path)

    with pytest.raises(
        InputError, match="no file at 'memory://bucket/logs' has a name that connector 'salesforce' reads"
    ):
        pull_source("web", SourceConfig(connector="salesforce", path="memory://bucket/logs"), raw_dir=tmp_path)


def test_a_job_maps_again_only_when_an_object_is_new(tmp_path, store):
    (tmp_path / "job.yaml").write_text(
        "job: web\nidentity: {pseudonymise: false}\njourneys: {cut: {gap: 1 day}}\nsources:\n"
        "  web: {connector: nginx_json, path: 'memory://bucket/logs/*.gz'}\n",
        encoding="utf-8",
    )
    job, told = read_job(tmp_path / "job.yaml"), []

    for _ in range(2):
        pull_job(job, events=tmp_path / "events", tell=told.append)
    assert told[-1] == "Reading 1 sources (unchanged)"
    store.pipe("/bucket/logs/2026-11-25.json.log.gz", day(3))
    folder = pull_job(job, events=tmp_path / "events", tell=told.append)

    assert told[-1] == "Reading source 'web'"
    assert pq.read_metadata(folder / "source_events.parquet").num_rows == 80
