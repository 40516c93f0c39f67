"""The access log of the web shop: combined format, the logged-in user, and the cookie as one more quoted field."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from journeymining.simulation.clocks import DAY, SECOND, access_log_times, by_the_clock_of, micros
from journeymining.simulation.company import OBSERVED_FROM, OBSERVED_UNTIL, ROTATED_AT
from journeymining.simulation.people import hex_ids
from journeymining.simulation.salesforce import order_number

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.company import Company
    from journeymining.simulation.people import People
    from journeymining.simulation.runs import Runs

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
)
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
OFFERS = ("/offers/broadband", "/offers/broadband-100?utm_source=newsletter&utm_campaign=spring", "/products/modem-x2")
_COOKIE, _EARLIER, _SECOND = range(3)


class _Visit(NamedTuple):
    """What one touchpoint looks like in the log: request, status, is the customer logged in, on which cookie."""

    request: Callable[[int], str]
    status: int
    logged_in: bool
    cookie: int = _COOKIE


# Session keys and passwords do end up in query strings; a connector must not keep them.
VISITS = {
    "login": _Visit(lambda n: f"GET /login?next=%2Fcart&session={n * 7919 % 10**9:09d}", 200, logged_in=False),
    "cart": _Visit(lambda n: f"GET /cart?token=secret-{n * 104729 % 10**9:09d}", 200, logged_in=True),
    "order_placed": _Visit(lambda n: f"POST /order/confirm?order={order_number(n)}", 302, logged_in=True),
    "thanks": _Visit(lambda n: f"GET /order/thanks?order={order_number(n)}", 200, logged_in=True),
    "second_login": _Visit(lambda _: "GET /account", 200, logged_in=True, cookie=_SECOND),
    "track_parcel": _Visit(lambda n: f"GET /track?code=JM{n:010d}", 200, logged_in=True),
    "help_page": _Visit(lambda _: "GET /help/modem-does-not-start", 200, logged_in=True),
    "cancel_form": _Visit(lambda n: f"GET /account/cancel?key={n * 15485863 % 10**9:09d}", 200, logged_in=True),
    "missing_icon": _Visit(lambda _: "GET /favicon.ico", 404, logged_in=False),
}


def write_web(runs: Runs, who: People, lives: Lives, company: Company, rng: Generator, counts: Counter[str]) -> None:
    """Add the lines of one chunk: its customers, visitors who never say who they are, and bots."""
    times: list[NDArray[np.int64]] = []
    lines: list[str] = []
    cookies = {_COOKIE: who.cookie, _EARLIER: who.earlier_cookie, _SECOND: who.second_cookie}
    for name, visit, customers, when in _visits(who, lives, rng):
        chosen = customers.tolist()
        users = [who.email[i] if visit.logged_in else "-" for i in chosen]
        requests = [visit.request(who.first + i) for i in chosen]
        keys = [cookies[visit.cookie][i] for i in chosen]
        times.append(when)
        lines += _lines(when, users, requests, visit.status, keys, BROWSERS, rng)
        counts[f"web {name}"] += len(chosen)
    for part in (_visitors, _bots):
        when, more = part(who.size, len(lines), company, rng)
        times.append(when)
        lines += more
        counts[f"web lines of {part.__name__[1:]}"] += len(more)
    runs.add(by_the_clock_of("web", np.concatenate(times)), lines)


def merge_web(runs: Runs, folder: Path, counts: Counter[str]) -> None:
    """Write access.log, and what was rotated out of it as access.log.1.gz."""
    folder.mkdir(parents=True)
    rotated = micros(ROTATED_AT)
    # No name and no time inside the gzip file: the same seed gives the same bytes.
    with (
        (folder / "access.log.1.gz").open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=5) as packed,
        io.BufferedWriter(packed, buffer_size=2**20) as old,
        (folder / "access.log").open("wb") as new,
    ):
        for time, line in runs.merged():
            is_old = time < rotated
            (old if is_old else new).write(line.encode("ascii"))
            counts["raw/web/access.log.1.gz" if is_old else "raw/web/access.log"] += 1


def _visits(
    who: People, lives: Lives, rng: Generator
) -> list[tuple[str, _Visit, NDArray[np.int64], NDArray[np.int64]]]:
    order = lives.touches["order_placed"]
    two = np.array([cookie != "" for cookie in who.second_cookie], dtype=bool)
    second = order.who[two[order.who]]
    extra = {
        "login": (order.who, order.when - 400 * SECOND),
        "cart": (order.who, order.when - 200 * SECOND),
        "thanks": (order.who, order.when + 2 * SECOND),
        "second_login": (second, lives.ordered[second] - 900 * SECOND),
        "missing_icon": (order.who, order.when - 399 * SECOND),
    }
    found = [(name, visit, *(extra[name] if name in extra else lives.touches[name])) for name, visit in VISITS.items()]
    # Offers are seen without logging in: half of those with two devices look on the other one.
    viewers, when = lives.touches["offer_viewed"]
    elsewhere = two[viewers] & (rng.random(len(viewers)) < 0.5)
    pages = rng.integers(len(OFFERS), size=len(viewers))
    for page, path in enumerate(OFFERS):
        for cookie, part in ((_SECOND, elsewhere), (_EARLIER, ~elsewhere)):
            chosen = part & (pages == page)
            visit = _Visit(lambda _, path=path: f"GET {path}", 200, logged_in=False, cookie=cookie)  # type: ignore[misc]
            found.append(("offer_viewed", visit, viewers[chosen], when[chosen]))
    return found


def _visitors(size: int, _: int, company: Company, rng: Generator) -> tuple[NDArray[np.int64], list[str]]:
    visitors = int(rng.binomial(size, company.habits.anonymous_visitors))
    pages = 1 + rng.poisson(1.0, visitors)
    first = _any_time(visitors, rng)
    who = np.repeat(np.arange(visitors), pages)
    when = first[who] + rng.integers(3 * DAY, size=len(who))
    cookies = hex_ids(visitors, rng)
    requests = [f"GET {OFFERS[page]}" for page in rng.integers(len(OFFERS), size=len(who)).tolist()]
    keys = [cookies[i] for i in who.tolist()]
    return when, _lines(when, ["-"] * len(who), requests, 200, keys, BROWSERS, rng)


def _bots(_: int, lines: int, company: Company, rng: Generator) -> tuple[NDArray[np.int64], list[str]]:
    share = company.habits.bot_lines
    number = int(rng.binomial(lines, share / (1 - share)))
    when = _any_time(number, rng)
    paths = (*OFFERS, "/robots.txt", "/help")
    requests = [f"GET {paths[page]}" for page in rng.integers(len(paths), size=number).tolist()]
    return when, _lines(when, ["-"] * number, requests, 200, [""] * number, BOTS, rng)


def _any_time(size: int, rng: Generator) -> NDArray[np.int64]:
    return rng.integers(micros(OBSERVED_FROM), micros(OBSERVED_UNTIL) - 3 * DAY, size=size)


def _lines(
    when: NDArray[np.int64],
    users: list[str],
    requests: list[str],
    status: int,
    cookies: list[str],
    agents: tuple[str, ...],
    rng: Generator,
) -> list[str]:
    size = len(users)
    agent = rng.integers(len(agents), size=size).tolist()
    # Addresses of TEST-NET-3 (RFC 5737): documentation only.
    host = rng.integers(1, 255, size=size).tolist()
    sent = rng.integers(400, 40_000, size=size).tolist()
    stamps = access_log_times(by_the_clock_of("web", when))
    return [
        f'203.0.113.{host[i]} - {users[i]} [{stamps[i]}] "{requests[i]} HTTP/1.1" {status} {sent[i]} "-" '
        f'"{agents[agent[i]]}" "{f"uid={cookies[i]}" if cookies[i] else "-"}"'
        for i in range(size)
    ]
