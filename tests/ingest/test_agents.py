"""User agents: what they say of the device, the browser and the operating system, and what they do not."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from journeymining.identity.stitching import stitch
from journeymining.ingest.agents import browser, device_class, operating_system
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.journeys.event_log import make_event_log
from journeymining.journeys.filters import filter_log

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"
SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1"
LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.mark.parametrize(
    ("agent", "device", "name", "system"),
    [
        (LINUX, "computer", "Firefox", "Linux"),
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Safari/537.36 Edg/124.0.0.0",
            "computer",
            "Edge",
            "Windows",
        ),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1.15", "computer", "Safari", "Mac OS X"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Safari/537.36", "computer", "Chrome", "Chrome OS"),
        (IPHONE, "phone", "Mobile Safari", "iOS"),
        (
            f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {SAFARI} Mobile/15E148 Safari/604.1",
            "tablet",
            "Mobile Safari",
            "iOS",
        ),
        (
            f"Mozilla/5.0 (Linux; Android 14; SM-G998B) {WEBKIT} Mobile Safari/537.36",
            "phone",
            "Chrome Mobile",
            "Android",
        ),
        (f"Mozilla/5.0 (Linux; Android 13; SM-X700) {WEBKIT} Safari/537.36", "tablet", "Chrome", "Android"),
        # Not told, and not guessed: a television, a console, an app, a script, garbage.
        (f"Mozilla/5.0 (Linux; Android 9; BRAVIA 4K UR2) {WEBKIT} Safari/537.36", None, "Chrome", "Android"),
        ("Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73 (KHTML, like Gecko)", None, None, None),
        ("okhttp/4.12.0", None, "okhttp", None),
        ("¿garbage?", None, None, None),
        ("", None, None, None),
    ],
)
def test_what_an_agent_says(agent, device, name, system):
    assert (device_class(agent), browser(agent), operating_system(agent)) == (device, name, system)


@pytest.fixture
def visits(tmp_path):
    """Read four requests of three visitors, one of them a machine; return the folder."""
    asked = [("a", IPHONE), ("b", LINUX), ("b", "¿garbage?"), ("c", "curl/8.5.0")]
    lines = [
        f'192.0.2.7 - - [01/Mar/2026:11:00:0{second} +0100] "GET /{who} HTTP/1.1" 200 5 "-" "{agent}" "{who}"\n'
        for second, (who, agent) in enumerate(asked)
    ]
    (tmp_path / "access.log").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def read(base, **changes):
    source = SourceConfig(connector="access_log", path="access.log", **changes)
    return ingest_sources({"web": source}, timezone=None, region=None, key=None, out=base / "out", base=base, threads=1)


def test_attributes_of_agents_reach_the_filters_of_journeys(visits):
    quality = read(visits)
    stitched = stitch(visits / "out/identifiers.parquet", visits / "out/source_events.parquet").events
    make_event_log(visits / "out/source_events.parquet", stitched, out=visits / "log")

    events = pq.read_table(visits / "log/events.parquet")
    told = sorted(
        (row["topic"], row["device_class"] or "", row["browser"] or "", row["operating_system"] or "")
        for row in events.to_pylist()
    )
    assert told == [
        ("GET /a", "phone", "Mobile Safari", "iOS"),
        ("GET /b", "", "", ""),
        ("GET /b", "computer", "Firefox", "Linux"),
    ]
    counts = quality["sources"]["web"]["streams"]["requests"]
    assert counts["values_left_empty"] == {"browser": 1, "device_class": 1, "operating_system": 1}
    assert counts["left_out"] == {"bot": 1}
    kept = filter_log(events, ["attribute device_class=phone"])[0]
    assert set(kept.column("topic").to_pylist()) == {"GET /a"}


def test_a_job_keeps_and_renames_by_what_agents_say(visits):
    read(visits, keep={"operating_system": "Linux"})
    events = pq.read_table(visits / "out/source_events.parquet").to_pylist()
    assert [event["browser"] for event in events] == ["Firefox"]
