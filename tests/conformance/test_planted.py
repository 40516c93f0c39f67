"""Deviations planted by the simulation are found with exactly the journeys that have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import journeymining.simulation
from journeymining.conformance.conform import conform
from journeymining.conformance.design import read_design
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.schema import TIMESTAMP
from journeymining.simulation.behaviour import live
from journeymining.simulation.company import Company

CUSTOMERS = 600

# What happens to customers: activity, channel and status as the event log of the demo has them.
TOUCHES = {
    "offer_viewed": ("offer_viewed", "web", None),
    "order_placed": ("order_placed", "web", None),
    "order_by_phone": ("order_placed", "phone", None),
    "confirmation": ("confirmation", "email", None),
    "modem_shipped": ("modem_shipped", "email", None),
    "track_parcel": ("track_parcel", "web", None),
    "modem_delivered": ("modem_delivered", "parcel", None),
    "welcome_call": ("welcome_call", "phone", None),
    "help_page": ("help_page", "web", None),
    "selfservice_failed": ("selfservice", "app", "failed"),
    "adhoc_call": ("helpdesk_call", "phone", None),
    "forced_switch": ("helpdesk_call", "phone", None),
    "modem_active": ("modem_active", "app", None),
}

PLANTED = {
    "missing_confirmation": ("missing", {"confirmation"}),
    "wrong_order": ("wrong_order", {"confirmation", "modem_shipped"}),
    "wrong_channel": ("wrong_channel", {"order_placed"}),
    "late": ("late", {"modem_delivered"}),
    "repeated_delivery": ("repeated", {"modem_delivered"}),
    "helpdesk_call": ("ad_hoc", {"helpdesk_call"}),
    "help_page": ("ad_hoc", {"help_page"}),
    "selfservice_failed": ("failing", {"selfservice"}),
}


@pytest.fixture(scope="module")
def company():
    """What 600 customers lived through, and the comparison of their journeys with the design."""
    lives = live(CUSTOMERS, Company(), np.random.default_rng(3))
    rows = [
        (f"c{who:03d}", datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(when)), *told)
        for name, told in TOUCHES.items()
        for who, when in zip(lives.touches[name].who.tolist(), lives.touches[name].when.tolist(), strict=True)
    ]
    customer, moment, activity, channel, status = map(list, zip(*rows, strict=True))
    events = pa.table(
        {
            "event_id": [f"e{number}" for number in range(len(rows))],
            "customer_id": customer,
            "journey_id": customer,
            "activity": activity,
            "timestamp": pa.array(moment, TIMESTAMP),
            "channel": channel,
            "source": ["simulation"] * len(rows),
            "status": pa.array(status, pa.string()),
        }
    )
    active = {f"c{who:03d}" for who in lives.touches["modem_active"].who.tolist()}
    everyone = sorted(set(customer))
    flags = pa.table({"journey_id": everyone, "open": [one not in active for one in everyone]})
    design = Path(journeymining.simulation.__file__).with_name("design.yaml")
    with prepare(events, journeys=flags) as log:
        return lives, conform(log, read_design(design))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_deviation_is_found_in_exactly_its_journeys(company, name):
    lives, found = company
    kind, touchpoints = PLANTED[name]
    planted = {f"c{who:03d}" for who in np.flatnonzero(lives.visible[name]).tolist()}

    here = found.findings[(found.findings["type"] == kind) & found.findings["touchpoint"].isin(touchpoints)]

    assert len(planted) > 20
    assert set(here["journey_id"]) == planted
    row = found.touchpoints[(found.touchpoints["type"] == kind) & found.touchpoints["touchpoint"].isin(touchpoints)]
    assert row["journeys"].sum() == len(planted)
    assert row["share"].sum() == pytest.approx(len(planted) / CUSTOMERS)


def test_journeys_without_a_planted_deviation_follow_the_design(company):
    lives, found = company
    planted = np.any([lives.visible[name] for name in PLANTED], axis=0)

    clean = found.journeys[~found.journeys["journey_id"].isin([f"c{who:03d}" for who in np.flatnonzero(planted)])]

    assert len(clean) > 200
    assert (clean["cost"] == 0).all()
    assert not set(clean["journey_id"]) & set(found.findings["journey_id"])
