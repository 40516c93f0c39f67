"""The app's events as rows of the BigQuery export of Google Analytics 4: one JSON object a line, one file a day."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from journeymining.simulation.clocks import by_the_clock_of, day_texts, local_seconds

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.company import Company
    from journeymining.simulation.people import People


class _Screen(NamedTuple):
    """What one touchpoint looks like in the app."""

    event: str
    screen: str
    status: str
    logged_in: bool = True


SCREENS = {
    "modem_active": _Screen("modem_active", "modem", "ok"),
    "selfservice_failed": _Screen("selfservice_failed", "line_test", "failed"),
    "app_used": _Screen("usage_viewed", "usage", "ok"),
}
_STARTS = _Screen("session_start", "start", "ok", logged_in=False)


def write_app(folder: Path, who: People, lives: Lives, company: Company, rng: Generator, counts: Counter[str]) -> None:
    """Append the events of one chunk to the files of their days.

    A BigQuery table has no order; within a day the customers of one chunk come in order of time, chunk after chunk.
    """
    when, lines = _events(who, lives, rng)
    twice = np.flatnonzero(rng.random(len(lines)) < company.habits.duplicate_rows)
    when = np.concatenate([when, when[twice]])
    lines += [lines[i] for i in twice.tolist()]
    counts["duplicates raw/ga4"] += len(twice)
    counts["raw/ga4"] += len(lines)
    order = np.argsort(when, kind="stable")
    # The name of the file is the day in the zone of the property.
    days = day_texts(local_seconds(when[order]), "%Y%m%d")
    for day, group in groupby(zip(days, order.tolist(), strict=True), key=lambda pair: pair[0]):
        with (folder / f"events_{day}.jsonl").open("a", encoding="utf-8", newline="\n") as file:
            file.writelines(lines[i] for _, i in group)


def _events(who: People, lives: Lives, rng: Generator) -> tuple[NDArray[np.int64], list[str]]:
    times, lines = [], []
    for name, screen in SCREENS.items():
        customers, true_time = lives.touches[name]
        when = by_the_clock_of("ga4", true_time)
        sessions = rng.integers(10**9, 2 * 10**9, size=len(customers)).tolist()
        on_second = (rng.random(len(customers)) < 0.5).tolist()
        devices = [
            who.second_phone_app[i] if other and who.second_phone_app[i] else who.phone_app[i]
            for i, other in zip(customers.tolist(), on_second, strict=True)
        ]
        accounts = [who.account[i] for i in customers.tolist()]
        # The app opens a few seconds before anybody can do something with it, not yet logged in.
        for shown, shift in ((_STARTS, -9_000_000), (screen, 0)):
            times.append(when + shift)
            lines += _rows(when + shift, shown, devices, accounts if shown.logged_in else [""] * len(devices), sessions)
    return np.concatenate(times), lines


def _rows(
    when: NDArray[np.int64], screen: _Screen, devices: list[str], accounts: list[str], sessions: list[int]
) -> list[str]:
    days = day_texts(local_seconds(when), "%Y%m%d")
    rows = []
    for time, day, device, account, session in zip(when.tolist(), days, devices, accounts, sessions, strict=True):
        user = f'"{account}"' if account else "null"
        # BigQuery writes whole numbers of 64 bits as text, so that JavaScript does not round them.
        rows.append(
            f'{{"event_date":"{day}","event_timestamp":"{time}","event_name":"{screen.event}","event_params":['
            f'{{"key":"ga_session_id","value":{{"int_value":"{session}"}}}},'
            f'{{"key":"firebase_screen","value":{{"string_value":"{screen.screen}"}}}},'
            f'{{"key":"status","value":{{"string_value":"{screen.status}"}}}}],'
            f'"user_id":{user},"user_pseudo_id":"{device}","platform":"ANDROID","stream_id":"4711000001",'
            f'"device":{{"category":"mobile","operating_system":"Android"}},"batch_page_id":"{time // 1000}",'
            f'"batch_ordering_id":"1","batch_event_index":"1"}}\n'
        )
    return rows
