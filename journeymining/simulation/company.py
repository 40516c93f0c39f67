"""The made-up company: when it was observed, how often things go wrong, and what that does to its customers.

Every number that is planted stands here, and nowhere else; `truth.json` repeats them beside what was realised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

ZONE = "Europe/Berlin"
OBSERVED_FROM = datetime(2024, 5, 1, tzinfo=UTC)
OBSERVED_UNTIL = datetime(2026, 5, 1, tzinfo=UTC)
ROTATED_AT = datetime(2025, 12, 1, tzinfo=UTC)  # access.log.1.gz holds what came before
OUTAGE = (datetime(2025, 10, 26, 0, 15, tzinfo=UTC), datetime(2025, 10, 26, 1, 45, tzinfo=UTC))  # summer time ends

CUSTOMERS_PER_CHUNK = 10_000  # even, so that the two of a household are always in one chunk
MOST_CUSTOMERS = 4_990_000  # as many telephone numbers as the film ranges give

# Seconds by which the clock of a system is ahead of true time. All planted gaps are at least four minutes.
CLOCK_OFFSETS = {"salesforce": 0, "web": 37, "ga4": -4, "asterisk": -12, "survey": 0}

HOTLINE = "3023125999"  # the company's own number; never a customer's
FOLLOW_UP_DAYS = 180
PROMISED_DAYS = 3


@dataclass(frozen=True, slots=True)
class Deviations:
    """Share of orders that get each deviation; one draw per order, independent of everything else.

    The two that concern the confirmation exclude each other (one draw decides between them), and so do the two that
    concern self-service. A complaint is drawn only for late orders.
    """

    missing_confirmation: float = 0.05
    wrong_order: float = 0.06
    wrong_channel: float = 0.06
    late: float = 0.10
    repeated_delivery: float = 0.04
    adhoc_call: float = 0.08
    forced_switch: float = 0.06
    selfservice_failed_only: float = 0.05
    help_page: float = 0.12
    complaint_if_late: float = 0.20


@dataclass(frozen=True, slots=True)
class Effects:
    """What a customer's probability of leaving, and score, become: base plus the sum of what happened."""

    churn_base: float = 0.10
    churn: dict[str, float] = field(
        default_factory=lambda: {"late": 0.12, "forced_switch": 0.10, "welcome_call": -0.03, "track_parcel": 0.0}
    )
    nps_base: float = 8.3
    nps_spread: float = 1.6
    nps: dict[str, float] = field(default_factory=lambda: {"late": -2.0, "forced_switch": -1.5, "track_parcel": 0.0})


@dataclass(frozen=True, slots=True)
class Habits:
    """Share of customers (or mean number per customer) of what is allowed, usual or mere noise."""

    welcome_call: float = 0.60
    welcome_call_unanswered_first: float = 0.15
    track_parcel: float = 0.40
    offers_seen: float = 1.8
    app_uses: float = 2.0
    abandons_first: float = 0.12
    calls_in_outage: float = 0.03
    cancel_form_first: float = 0.50
    leaves_after_follow_up: float = 0.02
    answers_survey: float = 0.35
    two_devices: float = 0.25
    clears_cookies: float = 0.20
    two_phones: float = 0.08
    in_household: float = 0.03
    anonymous_visitors: float = 0.15
    withheld_callers: float = 0.03
    bot_lines: float = 0.04
    duplicate_rows: float = 0.01


@dataclass(frozen=True, slots=True)
class Company:
    """All parameters of the simulation."""

    deviations: Deviations = field(default_factory=Deviations)
    effects: Effects = field(default_factory=Effects)
    habits: Habits = field(default_factory=Habits)


DESIGNED = (
    "offer_viewed",
    "order_placed",
    "confirmation",
    "modem_shipped",
    "track_parcel",
    "modem_delivered",
    "welcome_call",
    "modem_active",
)
