"""What tests of pulls share: an HTTP server on loopback that answers as a test says."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


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
