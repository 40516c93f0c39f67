"""Devices that a source tells in words of its own: they are told in those of user agents, worked out by hand."""

from __future__ import annotations

import json
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from journeymining.ingest import agents
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig

TOLD = ("device_class", "browser", "operating_system")
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT}"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/124.0.0.0 Safari/537.36"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE}"


class Device(NamedTuple):
    """A device in the words of everybody: what must come, its user agent, and what three systems say of it."""

    told: tuple[str, str, str]
    agent: str
    ga4: tuple[str, str, str]
    posthog: tuple[str, str, str] | None
    matomo: tuple[str, str, str] | None


# PostHog takes Firefox and Edge on a phone with Android, and what shows pages within apps, for another browser.
DEVICES = {
    "Chrome on Windows": Device(
        ("computer", "Chrome", "Windows"),
        WINDOWS,
        ("desktop", "Windows", "Chrome"),
        ("Desktop", "Windows", "Chrome"),
        ("0", "CH", "WIN"),
    ),
    "Chrome on a Chromebook": Device(
        ("computer", "Chrome", "Chrome OS"),
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/124.0.0.0 Safari/537.36",
        ("desktop", "Chrome OS", "Chrome"),
        ("Desktop", "Chrome OS", "Chrome"),
        ("0", "CH", "COS"),
    ),
    "Chrome on a phone": Device(
        ("phone", "Chrome Mobile", "Android"),
        f"{ANDROID} Chrome/124.0.0.0 Mobile Safari/537.36",
        ("mobile", "Android", "Chrome"),
        ("Mobile", "Android", "Chrome"),
        ("1", "CM", "AND"),
    ),
    "Chrome on a tablet": Device(
        ("tablet", "Chrome", "Android"),
        f"{ANDROID} Chrome/124.0.0.0 Safari/537.36",
        ("tablet", "Android", "Chrome"),
        ("Tablet", "Android", "Chrome"),
        ("2", "CH", "AND"),
    ),
    "Chrome on an iPhone": Device(
        ("phone", "Chrome Mobile iOS", "iOS"),
        f"{IPHONE} CriOS/124.0.6367.88 Mobile/15E148 Safari/604.1",
        ("mobile", "iOS", "Chrome"),
        ("Mobile", "iOS", "Chrome iOS"),
        ("1", "CI", "IOS"),
    ),
    "Safari on a Mac": Device(
        ("computer", "Safari", "Mac OS X"),
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/17.5 Safari/605.1.15",
        ("desktop", "Macintosh", "Safari"),
        ("Desktop", "Mac OS X", "Safari"),
        ("0", "SF", "MAC"),
    ),
    "Safari on an iPad": Device(
        ("tablet", "Mobile Safari", "iOS"),
        f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {APPLE} Version/17.5 Mobile/15E148 Safari/604.1",
        ("tablet", "iOS", "Safari"),
        ("Tablet", "iOS", "Mobile Safari"),
        ("2", "MF", "IPA"),
    ),
    "a page within an app on an iPhone": Device(
        ("phone", "Mobile Safari UI/WKWebView", "iOS"),
        f"{IPHONE} Mobile/15E148",
        ("mobile", "iOS", "Safari (in-app)"),
        None,
        None,
    ),
    "a page within an app on a phone": Device(
        ("phone", "Chrome Mobile WebView", "Android"),
        f"Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) {WEBKIT} Version/4.0 Chrome/124.0.0.0 Mobile Safari/537.36",
        ("mobile", "Android", "Android Webview"),
        None,
        ("1", "CV", "AND"),
    ),
    "Firefox on Linux": Device(
        ("computer", "Firefox", "Linux"),
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        ("desktop", "Linux", "Firefox"),
        ("Desktop", "Linux", "Firefox"),
        ("0", "FF", "LIN"),
    ),
    "Firefox on a phone": Device(
        ("phone", "Firefox Mobile", "Android"),
        "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
        ("mobile", "Android", "Firefox"),
        None,
        ("1", "FM", "AND"),
    ),
    "Firefox on an iPhone": Device(
        ("phone", "Firefox iOS", "iOS"),
        f"{IPHONE} FxiOS/128.0 Mobile/15E148 Safari/605.1.15",
        ("mobile", "iOS", "Firefox"),
        ("Mobile", "iOS", "Firefox iOS"),
        ("1", "F1", "IOS"),
    ),
    "Edge on Windows": Device(
        ("computer", "Edge", "Windows"),
        f"{WINDOWS} Edg/124.0.0.0",
        ("desktop", "Windows", "Edge"),
        ("Desktop", "Windows", "Microsoft Edge"),
        ("0", "PS", "WIN"),
    ),
    "Edge on a phone": Device(
        ("phone", "Edge Mobile", "Android"),
        f"{ANDROID} Chrome/124.0.0.0 Mobile Safari/537.36 EdgA/124.0.0.0",
        ("mobile", "Android", "Edge"),
        None,
        ("1", "PS", "AND"),
    ),
    "the browser of Samsung": Device(
        ("phone", "Samsung Internet", "Android"),
        f"{ANDROID} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
        ("mobile", "Android", "Samsung Internet"),
        ("Mobile", "Android", "Samsung Internet"),
        ("1", "SB", "AND"),
    ),
    "Opera on a phone": Device(
        ("phone", "Opera Mobile", "Android"),
        f"{ANDROID} Chrome/124.0.0.0 Mobile Safari/537.36 OPR/80.0.0.0",
        ("mobile", "Android", "Opera"),
        ("Mobile", "Android", "Opera"),
        ("1", "OM", "AND"),
    ),
    "the Internet Explorer": Device(
        ("computer", "IE", "Windows"),
        "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
        ("desktop", "Windows", "Internet Explorer"),
        ("Desktop", "Windows", "Internet Explorer"),
        ("0", "IE", "WIN"),
    ),
}


def told_of(system):
    return [pytest.param(device, id=name) for name, device in DEVICES.items() if getattr(device, system)]


def ga4(device_class, system, browser, **changes):
    device = {"category": device_class, "operating_system": system, "web_info": {"browser": browser}}
    row = {"event_name": "page_view", "event_timestamp": "1772359200000000", "event_params": [], "user_id": "a1"}
    return row | {"platform": "WEB", "stream_id": "2", "device": device | changes}


def posthog(**properties):
    row = {"uuid": "u1", "event": "$pageview", "distinct_id": "d1", "timestamp": "2026-03-01T10:00:00Z"}
    return row | {"properties": properties}


def matomo(device_type, browser, system):
    """Return the tables of a visit with a page and an order."""
    times = {"server_time": "2026-03-01 10:00:00", "idsite": "1", "idvisitor": "A" * 16}
    visit = {"idvisit": "1", "user_id": "NULL", "visit_first_action_time": "2026-03-01 10:00:00"}
    return {
        "log_visit.tsv": [
            visit | {"config_device_type": device_type, "config_browser_name": browser, "config_os": system}
        ],
        "log_action.tsv": [{"idaction": "1", "name": "shop.example.org/", "type": "1", "url_prefix": "2"}],
        "log_link_visit_action.tsv": [times | {"idlink_va": "1", "idvisit": "1", "idaction_url": "1"}],
        "log_conversion.tsv": [times | {"idvisit": "1", "idgoal": "0", "buster": "0", "idorder": "9", "revenue": "1"}],
    }


@pytest.mark.parametrize("device", told_of("told"))
def test_user_agents_tell_what_is_expected_of_the_systems(device):
    found = (agents.device_class(device.agent), agents.browser(device.agent), agents.operating_system(device.agent))

    assert found == device.told


@pytest.mark.parametrize("device", told_of("ga4"))
def test_ga4_devices_are_told_in_the_words_of_user_agents(mapped, device):
    assert mapped("ga4", {"e.jsonl": [ga4(*device.ga4)]}).events(*TOLD) == [device.told]


def test_ga4_an_app_has_a_system_in_capitals_and_no_browser(mapped):
    found = mapped("ga4", {"e.jsonl": [ga4("mobile", "IOS", None) | {"platform": "IOS"}]})

    assert found.events(*TOLD) == [("phone", "", "iOS")]


def test_ga4_what_is_not_known_of_a_device_stays_empty_and_is_counted(mapped):
    rows = [
        ga4("smart tv", "Tizen", "Samsung Internet") | {"user_id": "a1"},
        ga4("desktop", "Windows", "Lynx") | {"user_id": "a2"},
        ga4("(not set)", "(not set)", "(not set)") | {"user_id": "a3"},
        # The same name is another browser on every device.
        ga4("mobile", "(not set)", "Chrome") | {"user_id": "a4"},
    ]
    for place, row in enumerate(rows):
        row["event_timestamp"] = str(1772359200000000 + place)
    found = mapped("ga4", {"e.jsonl": rows})

    assert found.events(*TOLD) == [("", "", ""), ("computer", "", "Windows"), ("", "", ""), ("phone", "", "")]
    # A television has no class, and what was not set was not set: neither is a text that nobody knows.
    assert found.streams["events"]["values_left_empty"] == {"browser": 1, "operating_system": 1}


@pytest.mark.parametrize("device", told_of("posthog"))
def test_posthog_devices_without_a_user_agent_are_told_in_the_same_words(mapped, device):
    device_class, system, browser = device.posthog
    found = mapped(
        "posthog", {"e.jsonl": [posthog(**{"$device_type": device_class, "$os": system, "$browser": browser})]}
    )

    assert found.events(*TOLD) == [device.told]


def test_posthog_a_user_agent_counts_before_what_posthog_made_of_it(mapped):
    phone, firefox = DEVICES["Chrome on a phone"], DEVICES["Firefox on a phone"]
    said = {"$device_type": "Mobile", "$os": "Android", "$browser": "Android Mobile"}
    rows = [posthog(**said, **{"$raw_user_agent": firefox.agent}), posthog(**said) | {"uuid": "u2"}]
    found = mapped("posthog", {"e.jsonl": rows})

    # Firefox is one of several browsers that PostHog calls `Android Mobile`: alone, that says nothing.
    assert sorted(found.events(*TOLD)) == [("phone", "", "Android"), firefox.told]
    assert phone.told not in found.events(*TOLD)


@pytest.mark.parametrize("device", told_of("matomo"))
def test_matomo_devices_are_told_in_the_words_of_user_agents(mapped, device):
    found = mapped("matomo", matomo(*device.matomo))

    # Of the page and of the order.
    assert found.events(*TOLD) == [device.told] * 2


@pytest.mark.parametrize("device", told_of("matomo"))
def test_matomo_live_devices_are_told_in_the_words_of_user_agents(mapped, device):
    number, browser, system = device.matomo
    action = {"type": "action", "serverTimePretty": "Mar 1, 2026 11:00:00", "pageId": 1, "url": "https://shop.example"}
    visit = {"idVisit": 1, "visitorId": "a" * 16, "firstActionTimestamp": 1772359200, "actionDetails": [action]}
    visit |= {"deviceType": {"0": "Desktop", "1": "Smartphone", "2": "Tablet"}[number]}
    visit |= {"browserCode": browser, "operatingSystemCode": system}
    found = mapped("matomo_live", {"v.jsonl": [visit]}, timezone="Europe/Berlin")

    assert found.events(*TOLD) == [device.told]


def test_matomo_a_television_has_no_class_and_an_unknown_code_is_counted(mapped):
    found = mapped("matomo", matomo("5", "ZZ", "TIZ"))

    assert found.events(*TOLD) == [("", "", "")] * 2
    for stream in ("log_link_visit_action", "log_conversion"):
        assert found.streams[stream]["values_left_empty"] == {"browser": 1, "operating_system": 1}


def test_segment_an_app_without_a_user_agent_tells_its_system(mapped):
    call = {"type": "screen", "messageId": "m1", "userId": "u1", "name": "Start", "timestamp": "2026-03-01T10:00:00Z"}
    rows = [
        call | {"messageId": name, "context": {"os": {"name": name}, "device": {"type": "ios"}}}
        for name in ("iOS", "iPadOS", "Android", "Plan 9")
    ]
    found = mapped("segment", {"e.jsonl": rows})

    assert sorted(found.events(*TOLD)) == [("", "", ""), ("", "", "Android"), ("", "", "iOS"), ("", "", "iOS")]
    assert found.streams["calls"]["values_left_empty"] == {"operating_system": 1}


@pytest.mark.real_data
def test_the_devices_of_a_matomo_are_the_same_by_its_tables_and_its_api(shared_data, tmp_path):
    folder = shared_data / "real_systems/matomo"
    visits = json.loads((folder / "live_getLastVisitsDetails.json").read_text(encoding="utf-8"))
    (tmp_path / "visits.jsonl").write_text("\n".join(map(json.dumps, visits)), encoding="utf-8")
    expected = {"Desktop": ("computer", "Firefox", "Linux"), "Smartphone": ("phone", "Mobile Safari", "iOS")}
    # A link to a telephone number has no URL, and is no event.
    devices = sorted(
        expected[visit["deviceType"]]
        for visit in visits
        for action in visit["actionDetails"]
        if action["type"] not in {"action", "outlink", "download"} or action["url"]
    )

    told = []
    for name, path, zone in (
        ("matomo_live", tmp_path / "visits.jsonl", "Europe/Berlin"),
        ("matomo", folder / "*.tsv", None),
    ):
        source = SourceConfig(connector=name, path=str(path), region="DE")
        ingest_sources({"s": source}, timezone=zone, region=None, key=None, out=tmp_path / name, base=tmp_path)
        rows = pq.read_table(tmp_path / name / "source_events.parquet").to_pylist()
        told.append(sorted(tuple(row[column] for column in TOLD) for row in rows))

    assert told[0] == told[1] == devices
    assert set(devices) == set(expected.values())
