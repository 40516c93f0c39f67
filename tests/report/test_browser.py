"""The report in a real browser: it loads nothing, complains of nothing, and fits a wall and a telephone."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager

import pytest

from journeymining.report.audit import write_report

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]  # fmt: skip
LONGEST = 60.0  # seconds for one answer of the browser

pytestmark = pytest.mark.browser


class Page:
    """A tab, spoken to over the DevTools protocol; it remembers what it asked for and what it complained about."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self.to_browser, self.from_browser = to_browser, from_browser
        self.rest, self.last, self.session = b"", 0, None
        self.requests, self.complaints, self.events = [], [], set()

    def call(self, method, **parameters):
        """Call a method and return its result; note the events that come in between."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        wanted, until = self.last, time.monotonic() + LONGEST
        while time.monotonic() < until:
            answer = self._receive()
            if answer.get("id") == wanted:
                assert "error" not in answer, answer
                return answer["result"]
        raise TimeoutError(method)

    def show(self, path, *, width, dark=False):
        """Load a file at a width, and wait until it stands."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.events.discard("Page.loadEventFired")
        self.call("Page.navigate", url=path.as_uri())
        until = time.monotonic() + LONGEST
        while "Page.loadEventFired" not in self.events and time.monotonic() < until:
            self.call("Runtime.evaluate", expression="0")
        return self

    def ask(self, expression):
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self):
        """Return a screenshot as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def _receive(self):
        while b"\0" not in self.rest:
            piece = os.read(self.from_browser, 1 << 16)
            if not piece:
                raise ConnectionError("the browser ended")
            self.rest += piece
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        method, parameters = message.get("method"), message.get("params", {})
        self.events.add(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method in {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}:
            self.complaints.append(parameters)
        return message


@contextmanager
def open_page(profile):
    """Start a browser with a fresh profile and give a tab of it."""
    (browser_reads, we_write), (we_read, browser_writes) = os.pipe(), os.pipe()
    # DevTools listens on file 3 and answers on file 4; ours move out of the way first.
    high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (browser_reads, browser_writes)]
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        preexec_fn=lambda: (os.dup2(high[0], 3), os.dup2(high[1], 4)),
        pass_fds=(3, 4),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in high:
        os.close(end)
    os.close(browser_reads)
    os.close(browser_writes)
    try:
        page = Page(we_write, we_read)
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        yield page
    finally:
        os.close(we_write)
        os.close(we_read)
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def page(tmp_path):
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("CHROMIUM IS NOT INSTALLED, so nobody looked at the report in a browser: apt-get install chromium")
    with open_page(tmp_path / "profile") as tab:
        yield tab


@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_nothing_complains_of_nothing_and_shows_every_chapter(page, run_folder, width):
    report = write_report(run_folder)

    page.show(report, width=width)

    assert [url for url in page.requests if not url.startswith(("data:", "about:"))] == [report.as_uri()]
    assert page.complaints == []
    for chapter in ("map", "designed", "variants", "channels", "outcomes", "experience", "model", "quality", "reading"):
        seen = page.ask(f"(() => {{const r = document.querySelector('#{chapter}').getBoundingClientRect();"
                        "return r.width > 200 && r.height > 80})()")  # fmt: skip
        assert seen, chapter
    assert page.ask("document.querySelectorAll('#map .stop').length") == 13  # 11 touchpoints, start and end
    assert page.ask("document.documentElement.scrollWidth") <= width


def test_no_text_of_the_map_lies_on_another(page, run_folder):
    page.show(write_report(run_folder), width=1280)

    overlaps = page.ask(
        """(() => {
          const all = [...document.querySelectorAll('#map svg.map:not(.lanes) text')];
          const boxes = all.map((t) => [t.textContent, t.getBoundingClientRect()]);
          const across = (a, b) => a.left < b.right - 0.5 && b.left < a.right - 0.5;
          const hit = (a, b) => across(a, b) && a.top < b.bottom - 3 && b.top < a.bottom - 3;
          const pairs = boxes.flatMap((one, place) => boxes.slice(place + 1).map((other) => [one, other]));
          return pairs.filter(([a, b]) => hit(a[1], b[1])).map(([a, b]) => a[0] + ' / ' + b[0]);
        })()"""
    )

    assert overlaps == []


def test_pointing_at_a_touchpoint_tells_its_counts(page, run_folder):
    page.show(write_report(run_folder), width=1280)

    page.ask("document.querySelector('#map [data-key=\"n-helpdesk_call\"]').focus()")

    assert page.ask("document.querySelector('.map-says').textContent").startswith(
        "Helpdesk call: 175 journeys, 175 events"
    )
    assert page.ask("document.querySelectorAll('#map .move.on').length") > 0


def test_a_switch_shows_all_journeys_instead_of_those_the_design_judges(page, partly_judged_folder):
    page.show(write_report(partly_judged_folder), width=1280)
    shown = (
        "[...document.querySelectorAll('#map figcaption')].filter((one) => one.offsetHeight).map((o) => o.innerText)"
    )

    before = page.ask(shown)
    page.ask("document.querySelector('#map-all').click()")
    after = page.ask(shown)

    assert len(before) == len(after) == 1
    assert "of 970 journeys" in before[0]
    assert "of 1,000 journeys" in after[0]


def test_a_table_sorts_by_number_when_its_head_is_clicked(page, run_folder):
    page.show(write_report(run_folder), width=1280)

    page.ask("document.querySelectorAll('#map details th')[2].click()")
    page.ask("document.querySelectorAll('#map details th')[2].click()")

    shown = page.ask("[...document.querySelectorAll('#map tbody tr td:nth-child(3)')].map((cell) => cell.textContent)")
    numbers = [int(text.replace(",", "")) for text in shown]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 5


def test_a_hostile_name_does_not_run(page, run_folder):
    for path in run_folder.rglob("*.csv"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("helpdesk_call", "<img src=x onerror=alert(1)>"), encoding="utf-8")
    report = write_report(run_folder)

    page.show(report, width=1280)

    assert page.ask("document.querySelectorAll('main img, main script').length") == 0
    assert [url for url in page.requests if not url.startswith(("data:", "about:"))] == [report.as_uri()]
    assert page.complaints == []


def test_dark_screens_get_a_dark_page(page, run_folder):
    page.show(write_report(run_folder), width=1280, dark=True)

    red, green, blue = page.ask(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number)"
    )
    assert max(red, green, blue) < 60
    assert page.picture().startswith(b"\x89PNG")


def test_the_map_alone_is_a_picture_too(page, run_folder):
    write_report(run_folder)

    page.show(run_folder / "journey_map.svg", width=1280)

    assert page.complaints == []
    assert page.ask("document.querySelectorAll('.stop').length") == 13


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_of_the_demo_shows_what_the_demo_is_for(page, demo, width):
    report = demo / "outputs" / "demo" / "report.html"

    page.show(report, width=width)

    assert [url for url in page.requests if not url.startswith(("data:", "about:"))] == [report.as_uri()]
    assert page.complaints == []
    assert page.ask("document.documentElement.scrollWidth") <= width
    for name in ("Order placed", "Modem delivered", "Helpdesk call"):
        assert name in page.ask("document.querySelector('#map').textContent")
    assert "wrong channel" in page.ask("document.querySelector('#designed').textContent")
    assert "Forced switch" in page.ask("document.querySelector('#outcomes').textContent")
    # An empty page compresses to a few thousand bytes.
    assert len(page.picture()) > 30_000
