"""What tests of pulls share: an HTTP server on loopback that answers as a test says, and servers of databases.

A PostgreSQL and a MariaDB that answer on their usual ports are used, or those that ``JOURNEYMINING_POSTGRES`` and
``JOURNEYMINING_MARIADB`` name; otherwise servers of our own are started where the programs are installed.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy

from journeymining.ingest import blocks, chunks, raw


@pytest.fixture
def portions_of(monkeypatch):
    """Return what has records mapped so many at a time, and read in blocks as small."""

    def small(rows):
        monkeypatch.setattr(raw, "GROUP", rows)
        monkeypatch.setattr(chunks, "GROUP", rows)
        monkeypatch.setattr(blocks, "SIZE", rows)

    return small


@contextmanager
def serving(answer):
    """Serve ``answer(handler)``, a function that ends in ``handler.reply(...)``, and give the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            self.body = self.rfile.read(length).decode()
            answer(self)

        do_POST = do_GET

        def reply(self, body, *, status=200, headers=None, cut=False):
            """Send JSON; with ``cut`` half of it, and close."""
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.close_connection = True

        def log_message(self, *given):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serve():
    """Return a function that serves answers until the test ends, and gives the URL."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


@pytest.fixture
def impatient(monkeypatch):
    """Let requests be made again at once."""
    import urllib3

    monkeypatch.setattr(urllib3.Retry, "get_backoff_time", lambda self: 0)


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a PostgreSQL."""
    url = os.environ.get("JOURNEYMINING_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    with ExitStack() as stack:
        yield url if answers(url) else stack.enter_context(started_postgres(programs[-1] if programs else None))


@pytest.fixture(scope="session")
def mariadb_server():
    """URL of a MariaDB."""
    url = os.environ.get("JOURNEYMINING_MARIADB", "mysql+pymysql://root@127.0.0.1:3306/mysql")
    with ExitStack() as stack:
        yield url if answers(url) else stack.enter_context(started_mariadb())


def answers(url):
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect():
            return True
    except sqlalchemy.exc.OperationalError:
        return False
    finally:
        engine.dispose()


@contextmanager
def started_postgres(programs):
    """Start a PostgreSQL of our own: it refuses to be run by root, so its own user must do."""
    if programs is None:
        pytest.skip("no PostgreSQL answers, and none is installed")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with data_folder(user) as folder:
        subprocess.run(
            [programs / "initdb", "--pgdata", folder, "--auth", "trust", "--username", "postgres", "--no-sync"],
            user=user, check=True, capture_output=True,
        )  # fmt: skip
        port = free_port()
        command = [programs / "postgres", "-D", folder, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with running(command, user, f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres") as url:
            yield url


@contextmanager
def started_mariadb():
    """Start a MariaDB of our own."""
    install, program = (
        shutil.which("mariadb-install-db"),
        shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin"),
    )
    if not install or not program:
        pytest.skip("no MariaDB answers, and none is installed")
    user = pwd.getpwuid(os.geteuid()).pw_name
    with data_folder(user) as folder:
        place = [f"--datadir={folder}", f"--user={user}"]
        # Without it nobody could log in over TCP: root is known by the socket alone.
        normal = "--auth-root-authentication-method=normal"
        subprocess.run([install, "--no-defaults", *place, normal], check=True, capture_output=True)
        port = free_port()
        listen = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        with running(
            [program, "--no-defaults", *place, *listen], user, f"mysql+pymysql://root@127.0.0.1:{port}/mysql"
        ) as url:
            yield url


@contextmanager
def data_folder(user):
    # The folder of a test may not be entered by another user.
    with tempfile.TemporaryDirectory(prefix="journeymining-", dir="/tmp") as folder:
        shutil.chown(folder, user)
        yield folder


@contextmanager
def running(command, user, url):
    """Run a server until the tests end, and give its URL when it answers."""
    server = subprocess.Popen(command, user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            if answers(url):
                break
            assert server.poll() is None, f"{command[0]} ended with {server.returncode}"
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
