"""An S3 server on loopback: what is pulled from it is what lies in it, also where connections are cut."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import closing

import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError
from journeymining.ingest import objects
from journeymining.ingest.batches import read_state
from journeymining.ingest.pull import ingest_sources, pull_source
from journeymining.ingest.sources import SourceConfig

pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

# The libraries of Amazon and of the server leave sockets to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Wire:
    """Passes bytes on to a server, and closes answers after so many bytes, so many times."""

    def __init__(self, port):
        self.port, self.after, self.times = port, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        with closing(client), closing(socket.create_connection(("127.0.0.1", self.port))) as server:
            threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
            passed = 0
            while data := receive(server):
                passed += len(data)
                if self.times and passed > self.after:
                    self.times -= 1
                    client.sendall(data[: max(0, len(data) - (passed - self.after))])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)

    def pass_on(self, client, server):
        try:
            while data := receive(client):
                server.sendall(data)
        except OSError:
            pass


def receive(connection):
    try:
        return connection.recv(65536)
    except OSError:
        return b""


@pytest.fixture(scope="module")
def server():
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    wire = Wire(running.get_host_and_port()[1])
    yield wire
    wire.listener.close()
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch):
    """A bucket whose credentials and address are in the environment, where Amazon's library looks for them."""
    import s3fs

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "geheimer-name"),
        ("AWS_SECRET_ACCESS_KEY", "geheim"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_S3", server.url),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(objects, "PAUSE", 0.0)
    server.times = 0
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    if store.exists("calls"):
        store.rm("calls", recursive=True)
    store.mkdir("calls")
    for number in range(3):
        store.pipe(f"calls/logs/2026-03-0{1 + number}.csv.gz", day(number))
    yield store
    s3fs.S3FileSystem.clear_instance_cache()


def day(number, rows=600):
    lines = [
        f"{number}-{row},2026-03-0{1 + number}T10:{row // 60:02d}:{row % 60:02d}Z,visit,c{row % 50}"
        for row in range(rows)
    ]
    return gzip.compress(("id,time,activity,cookie\n" + "\n".join(lines) + "\n").encode(), compresslevel=0, mtime=0)


def source(path="s3://calls/logs/*.gz"):
    return SourceConfig(connector="csv", path=path)


def ingest(folder, config):
    ingest_sources(
        {"shop": config}, timezone=None, region=None, key=b"0123456789abcdef", out=folder / "out", base=folder
    )
    rows = pq.read_table(folder / "out/source_events.parquet").to_pylist()
    return sorted(map(str, rows)), pq.read_metadata(folder / "out/identifiers.parquet").num_rows


def locally(bucket, folder):
    (folder / "logs").mkdir(parents=True)
    for name in bucket.find("calls/logs"):
        (folder / "logs" / name.rpartition("/")[2]).write_bytes(bucket.cat(name))
    return ingest(folder, source("logs/*.gz"))


def test_a_bucket_gives_what_a_folder_gives_and_then_only_what_is_new(tmp_path, bucket):
    first, links = ingest(tmp_path, source())
    assert (len(first), links) == (1800, 1800)
    assert (first, links) == locally(bucket, tmp_path / "local")
    versions = read_state(tmp_path / "out/raw/shop")["rows"]["objects"]

    bucket.pipe("calls/logs/2026-03-02.csv.gz", day(1, rows=700))
    bucket.pipe("calls/logs/2026-03-04.csv.gz", day(3, rows=10))

    assert ingest(tmp_path, source()) == locally(bucket, tmp_path / "again")
    now = read_state(tmp_path / "out/raw/shop")["rows"]["objects"]
    changed = {name for name in now if now[name]["version"] != versions.get(name, {}).get("version")}
    assert changed == {"calls/logs/2026-03-02.csv.gz", "calls/logs/2026-03-04.csv.gz"}


@pytest.mark.parametrize("after", [100, 2_000, 20_000])
def test_answers_that_are_cut_are_asked_for_again(tmp_path, bucket, server, after):
    server.after, server.times = after, 3

    found = ingest(tmp_path, source())

    assert not server.times
    assert found == locally(bucket, tmp_path / "local")


def test_a_server_that_is_gone_is_said_and_costs_nothing(tmp_path, bucket, server, caplog, monkeypatch):
    ingest(tmp_path, source())
    state = read_state(tmp_path / "out/raw/shop")
    bucket.pipe("calls/logs/2026-03-04.csv.gz", day(3))
    # The libraries try again for minutes, each in its way.
    monkeypatch.setattr(objects, "ATTEMPTS", 1)
    monkeypatch.setattr(type(bucket), "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    bucket.clear_instance_cache()
    server.after, server.times = 0, 10_000

    with pytest.raises(InputError, match="could not be read") as caught:
        pull_source("shop", source(), raw_dir=tmp_path / "out/raw")

    assert "geheim" not in str(caught.value) + caplog.text
    assert read_state(tmp_path / "out/raw/shop") == state
    server.times = 0
    assert ingest(tmp_path, source()) == locally(bucket, tmp_path / "local")


def test_a_bucket_that_is_not_there_or_not_ours_is_said(tmp_path, bucket, monkeypatch):
    with pytest.raises(InputError, match=r"'s3://none/a\.gz' does not exist"):
        pull_source("shop", source("s3://none/a.gz"), raw_dir=tmp_path)
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InputError, match="credentials"):
        pull_source("shop", source(), raw_dir=tmp_path)
