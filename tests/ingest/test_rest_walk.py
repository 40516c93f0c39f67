"""The ten minutes of ``connectors/README.md`` to a REST endpoint of one's own, walked with the commands themselves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

SIZE = 50


def record(number):
    return {
        "id": number,
        "at": f"2026-03-{1 + number // 24:02d}T{number % 24:02d}:00:00Z",
        "kind": ["Late delivery", "Broken"][number % 2],
        "via": ["app", "form", "hotline"][number % 3],
        "by": {"mail": f"person{number % 40}@example.org"},
    }


class Desk:
    """Answers fifty complaints a page, knows one token, and is busy now and then."""

    def __init__(self, count):
        self.records = [record(number) for number in range(count)]
        self.asked = []

    def answer(self, handler):
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if handler.headers["Authorization"] != "Bearer desk-token":
            return handler.reply({}, status=401)
        if len(self.asked) == 1:
            self.asked.append("busy")
            return handler.reply({}, status=429, headers={"Retry-After": "0"})
        self.asked.append(query)
        assert parts.path == "/api/complaints"
        found = [one for one in self.records if one["at"] >= query.get("changed_since", "")]
        start = (int(query["page"]) - 1) * SIZE
        return handler.reply({"pages": -(-len(found) // SIZE), "complaints": found[start : start + SIZE]})


@pytest.fixture
def walk(tmp_path, checkout, serve):
    """Return the folder with the connector and the job of the README, a desk, and a function that runs a command."""
    text = (checkout / "connectors/README.md").read_text(encoding="utf-8")
    section = text[text.index("## Any paged REST endpoint") : text.index("## The vocabulary")]
    blocks = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    spec, job = (re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in blocks)
    desk = Desk(110)
    url = serve(desk.answer)
    (tmp_path / "complaints/sample").mkdir(parents=True)
    (tmp_path / "complaints/connector.yaml").write_text(spec, encoding="utf-8")
    (tmp_path / "complaints/README.md").write_text("Complaints", encoding="utf-8")
    sample = "".join(json.dumps(record(number)) + "\n" for number in (0, 1))
    (tmp_path / "complaints/sample/complaints.jsonl").write_text(sample, encoding="utf-8")
    (tmp_path / "complaints.yaml").write_text(job.replace("https://desk.example.org", url), encoding="utf-8")
    known = {"DESK_TOKEN": "desk-token", "JOURNEYMINING_KEY": "0123456789abcdef"}

    def run(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "journeymining", *words],
            cwd=tmp_path, env={**os.environ, **known, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return tmp_path, desk, run


def test_a_rest_endpoint_of_ones_own_is_pulled_and_run(walk):
    folder, desk, run = walk

    written = run("connectors", "test", "./complaints", "--write")
    assert written.returncode == 0, written.stderr
    assert run("connectors", "test", "./complaints").returncode == 0

    tried = run("pull", "complaints.yaml", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert re.search(r"complaint\s+110\b", tried.stdout)
    assert not (folder / "event_logs").exists()

    desk.asked.clear()
    done = run("run", "complaints.yaml")
    assert done.returncode == 0, done.stderr
    assert (folder / "outputs/complaints/report.html").is_file()
    events = pq.read_table(folder / "event_logs/complaints/source_events.parquet").to_pylist()
    assert [event["timestamp"].strftime("%Y-%m-%dT%H:%M:%SZ") for event in events] == [
        one["at"] for one in desk.records
    ]
    assert {event["channel"] for event in events} == {"app", "web", "phone"}
    assert [one["page"] for one in desk.asked if one != "busy"] == ["1", "2", "3", "4"]

    desk.asked.clear()
    desk.records += [record(110), record(111)]
    again = run("pull", "complaints.yaml")
    assert again.returncode == 0, again.stderr
    # The last complaint was at 13:00 on the fifth of March.
    assert [one.get("changed_since") for one in desk.asked if one != "busy"] == ["2026-03-05T12:00:00Z"] * 2
    assert pq.read_metadata(folder / "event_logs/complaints/source_events.parquet").num_rows == 112
    shown = "".join(answer.stdout + answer.stderr for answer in (written, tried, done, again))
    assert "desk-token" not in shown
    assert "person1@example.org" not in shown


def test_a_wrong_token_is_one_line_that_names_the_job(walk):
    _, _, run = walk

    answer = run("pull", "complaints.yaml", DESK_TOKEN="other")

    assert answer.returncode == 1
    assert re.search(
        r"complaints.yaml:5:\d+: source 'desk': the server answered 401 .* Are the credentials right\?", answer.stderr
    )
