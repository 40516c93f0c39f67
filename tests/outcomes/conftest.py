"""Small logs for the outcomes: hand-made ones, and a quick simulation with planted effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from journeymining.outcomes.config import OutcomeConfig
from journeymining.outcomes.journey_frame import journeys_from_events

CHURN = OutcomeConfig(
    event="contract_cancelled",
    landmark="journey_end",
    window="journey",
    gap="0 days",
    horizon="180 days",
    scope=["order_placed"],
)
DAY = 86_400_000_000
START = 1_740_787_200_000_000  # 2025-03-01 in microseconds


def log_of(rows):
    """Return events of (journey, customer, activity, day[, channel[, status]]) rows."""
    full = [(*row, None, None)[:6] for row in rows]
    frame = pd.DataFrame(full, columns=["journey_id", "customer_id", "activity", "day", "channel", "status"])
    frame["timestamp"] = pd.to_datetime(START + (frame.pop("day") * DAY).astype("int64"), unit="us", utc=True)
    return frame


def journeys_of(rows, **choices):
    return journeys_from_events(log_of(rows), **choices)


def day(number):
    return pd.Timestamp(START + int(number * DAY), unit="us", tz="UTC")


def simulated(n=1500, *, seed=0, late=0.12, forced=0.10, base=0.15):
    """Return the events of onboarding journeys, who was late, and who left; track_parcel has no effect.

    Everybody is observed for 200 days after the last journey.
    """
    generator = np.random.default_rng(seed)
    start = generator.random(n) * 200
    is_late, is_forced, tracks = (generator.random(n) < share for share in (0.2, 0.15, 0.4))
    leaves = generator.random(n) < base + late * is_late + forced * is_forced
    who = np.arange(n)
    parts = []

    def add(mask, activity, offset, channel, status="ok"):
        parts.append(
            pd.DataFrame(
                {"who": who[mask], "activity": activity, "day": (start + offset)[mask], "channel": channel,
                 "status": status}
            )
        )  # fmt: skip

    everybody = np.ones(n, dtype=bool)
    views = generator.integers(0, 4, n)
    for view in range(3):
        add(views > view, "offer_viewed", 0.1 * view, "web")
    add(everybody, "order_placed", 1, "web")
    add(tracks, "track_parcel", 2, "web")
    add(is_forced, "selfservice_failed", 2.1, "app", "failed")
    add(is_forced, "helpdesk_call", 2.2, "phone")
    add(everybody, "modem_delivered", 3 + 3 * is_late, "parcel")
    add(everybody, "modem_active", 7, "app")
    events = pd.concat(parts, ignore_index=True)
    events["journey_id"] = "j" + events["who"].astype(str)
    left = (start + 8 + 150 * generator.random(n))[leaves]
    gone = pd.DataFrame({"who": who[leaves], "activity": "contract_cancelled", "day": left, "channel": "web"})
    gone["journey_id"] = "x" + gone["who"].astype(str)
    last = pd.DataFrame({"who": [n], "activity": "ping", "day": [410.0], "channel": "web", "status": "ok"})
    last["journey_id"] = "last"
    events = pd.concat([events, gone, last], ignore_index=True)
    events["customer_id"] = "c" + events.pop("who").astype(str)
    events["timestamp"] = pd.to_datetime(START + (events.pop("day") * DAY).astype("int64"), unit="us", utc=True)
    flags = pd.DataFrame({"journey_id": [f"j{i}" for i in range(n)], "late": is_late, "in_scope": True})
    return events, flags


@pytest.fixture(scope="session")
def telecom():
    """Return journeys of the simulated company and their flags."""
    events, flags = simulated()
    return journeys_from_events(events), flags
