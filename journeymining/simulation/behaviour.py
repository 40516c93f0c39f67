"""What customers live through: flags drawn per order, then the true time of every touchpoint that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from journeymining.simulation.clocks import DAY, HOUR, SECOND, micros
from journeymining.simulation.company import FOLLOW_UP_DAYS, OBSERVED_FROM, OBSERVED_UNTIL, OUTAGE, PROMISED_DAYS

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from journeymining.simulation.company import Company, Effects

    Flags = dict[str, NDArray[np.bool_]]
    Integers = NDArray[np.int64]
    Times = Integers

MINUTE = 60 * SECOND
_UNTIL = micros(OBSERVED_UNTIL)


class Touch(NamedTuple):
    """One touchpoint of a chunk: which customers, and when, in true time."""

    who: Integers
    when: Times


@dataclass(frozen=True, slots=True)
class Lives:
    """What the customers of one chunk lived through.

    ``flags`` hold one truth value per customer, whatever was observed of it; ``visible`` the same, but only where the
    logs show it by the end of the observation; ``touches`` hold only what happened before that end.
    """

    flags: Flags
    visible: Flags
    touches: dict[str, Touch]
    ordered: Times
    active: Times
    cancelled: Times  # -1: never
    score: Integers  # NPS answer, -1: none before the end of the observation


def live(size: int, company: Company, rng: Generator) -> Lives:
    """Draw the lives of ``size`` customers, each with one order.

    Within an order every touchpoint starts from the one before it, at least four minutes later, so that the clocks
    of the systems (at most a minute apart) cannot change the planted order.
    """
    flags = _draw_flags(size, company, rng)
    ordered = _order_times(size, rng)
    touches: dict[str, Touch] = {}
    delivered = _until_delivery(flags, ordered, touches, company, rng)
    active = _until_active(flags, delivered, touches, company, rng)
    cancelled = _afterwards(flags, active, touches, company, rng)
    score = _survey(flags, active, touches, company, rng)
    flags["complete"] = active < _UNTIL
    flags["followed_up"] = active + FOLLOW_UP_DAYS * DAY <= _UNTIL
    touches = {name: _observed(touch) for name, touch in touches.items()}
    return Lives(
        flags=flags,
        visible=_visible(flags, touches, ordered),
        touches=touches,
        ordered=ordered,
        active=active,
        cancelled=cancelled,
        score=score,
    )


def _draw_flags(size: int, company: Company, rng: Generator) -> Flags:
    deviations, habits = company.deviations, company.habits
    confirmation, selfservice = rng.random(size), rng.random(size)
    missing = confirmation < deviations.missing_confirmation
    forced = selfservice < deviations.forced_switch
    late = rng.random(size) < deviations.late
    flags = {
        "missing_confirmation": missing,
        "wrong_order": ~missing & (confirmation < deviations.missing_confirmation + deviations.wrong_order),
        "wrong_channel": rng.random(size) < deviations.wrong_channel,
        "late": late,
        "repeated_delivery": rng.random(size) < deviations.repeated_delivery,
        "adhoc_call": rng.random(size) < deviations.adhoc_call,
        "forced_switch": forced,
        "selfservice_failed": selfservice < deviations.forced_switch + deviations.selfservice_failed_only,
        "help_page": rng.random(size) < deviations.help_page,
        "complaint": late & (rng.random(size) < deviations.complaint_if_late),
        "welcome_call": rng.random(size) < habits.welcome_call,
        "track_parcel": rng.random(size) < habits.track_parcel,
    }
    flags["helpdesk_call"] = flags["adhoc_call"] | forced
    flags["churned"] = rng.random(size) < churn_probability(flags, company.effects)
    return flags


def churn_probability(flags: Flags, effects: Effects) -> NDArray[np.float64]:
    """Return each customer's probability of leaving within the follow-up."""
    probability = np.full(len(flags["late"]), effects.churn_base)
    for name, effect in effects.churn.items():
        probability += effect * flags[name]
    return probability


def _order_times(size: int, rng: Generator) -> Times:
    # Evenly over the days (the first month is for visits before the order), between 6 and 21 o'clock UTC.
    first = micros(OBSERVED_FROM) + 30 * DAY
    days = rng.integers((_UNTIL - first) // DAY, size=size)
    return first + days * DAY + _between(6, 21, rng, size)


def _until_delivery(flags: Flags, ordered: Times, touches: dict[str, Touch], company: Company, rng: Generator) -> Times:
    size = len(ordered)
    everyone = np.arange(size)
    seen = np.repeat(everyone, rng.poisson(company.habits.offers_seen, size))
    touches["offer_viewed"] = Touch(seen, ordered[seen] - _between(0.5, 13 * 24, rng, len(seen)))
    by_phone = flags["wrong_channel"]
    touches["order_placed"] = _touch(~by_phone, ordered)
    touches["order_by_phone"] = _touch(by_phone, ordered)

    # As designed the mail goes out first; in the wrong order the parcel is on its way and the mail limps behind.
    early = ordered + _between(0.1, 0.8, rng, size)
    shipped = np.where(flags["wrong_order"], ordered, early) + _between(6, 20, rng, size)
    confirmed = np.where(flags["wrong_order"], shipped + _between(1, 5, rng, size), early)
    touches["confirmation"] = _touch(~flags["missing_confirmation"], confirmed)
    touches["modem_shipped"] = _touch(np.full(size, True), shipped)
    touches["adhoc_call"] = _touch(flags["adhoc_call"], ordered + _between(27, 32, rng, size))

    promise = PROMISED_DAYS * 24
    delivered = ordered + np.where(
        flags["late"], _between(promise + 6, promise + 130, rng, size), _between(34, promise - 24, rng, size)
    )
    again = delivered + _between(6, 18, rng, size)
    known = np.maximum(shipped, confirmed) + HOUR // 2
    looked = known + ((delivered - HOUR - known) * rng.random(size)).astype(np.int64)
    touches["track_parcel"] = _touch(flags["track_parcel"], looked)
    touches["complaint"] = _touch(flags["complaint"], ordered + _between(promise + 1, promise + 5, rng, size))
    everything = np.concatenate([everyone, everyone[flags["repeated_delivery"]]])
    touches["modem_delivered"] = Touch(everything, np.concatenate([delivered, again[flags["repeated_delivery"]]]))
    return np.where(flags["repeated_delivery"], again, delivered)


def _until_active(flags: Flags, delivered: Times, touches: dict[str, Touch], company: Company, rng: Generator) -> Times:
    size = len(delivered)
    now = delivered
    welcomed = _in_office_hours(now + _between(2, 20, rng, size), rng)
    touches["welcome_call"] = _touch(flags["welcome_call"], welcomed)
    unanswered = flags["welcome_call"] & (rng.random(size) < company.habits.welcome_call_unanswered_first)
    touches["welcome_call_unanswered"] = _touch(unanswered, welcomed - _between(0.3, 1.2, rng, size))
    now = np.where(flags["welcome_call"], welcomed, now)
    for name, soonest, latest in (
        ("help_page", 0.5, 6.0),
        ("selfservice_failed", 0.5, 5.0),
        ("forced_switch", 0.4, 4.0),
    ):
        now = np.where(flags[name], now + _between(soonest, latest, rng, size), now)
        touches[name] = _touch(flags[name], now)
    for call in ("adhoc_call", "forced_switch"):
        gave_up = rng.random(len(touches[call].who)) < company.habits.abandons_first
        when = touches[call].when[gave_up] - _between(0.1, 0.25, rng, int(gave_up.sum()))
        touches[f"{call}_abandoned"] = Touch(touches[call].who[gave_up], when)
    flags["call_abandoned"] = np.full(size, False)
    for call in ("adhoc_call", "forced_switch"):
        flags["call_abandoned"][touches[f"{call}_abandoned"].who] = True
    active = now + _between(1, 40, rng, size)
    touches["modem_active"] = _touch(np.full(size, True), active)
    return active


def _afterwards(flags: Flags, active: Times, touches: dict[str, Touch], company: Company, rng: Generator) -> Times:
    habits, size = company.habits, len(active)
    within = active + _between(5 * 24, (FOLLOW_UP_DAYS - 2) * 24, rng, size)
    later = active + _between((FOLLOW_UP_DAYS + 10) * 24, (FOLLOW_UP_DAYS + 120) * 24, rng, size)
    leaves_later = ~flags["churned"] & (rng.random(size) < habits.leaves_after_follow_up)
    cancelled = np.where(flags["churned"], within, np.where(leaves_later, later, -1))
    leaves = cancelled >= 0
    touches["contract_cancelled"] = _touch(leaves, cancelled)
    warned = leaves & (rng.random(size) < habits.cancel_form_first)
    touches["cancel_form"] = _touch(warned, cancelled - _between(1, 40, rng, size))
    used = np.repeat(np.arange(size), rng.poisson(habits.app_uses, size))
    when = active[used] + _between(24, 150 * 24, rng, len(used))
    kept = (cancelled[used] < 0) | (when < cancelled[used])
    touches["app_used"] = Touch(used[kept], when[kept])
    start, end = (micros(moment) for moment in OUTAGE)
    affected = (
        (active < start - DAY) & ((cancelled < 0) | (cancelled > end)) & (rng.random(size) < habits.calls_in_outage)
    )
    touches["outage_call"] = _touch(affected, start + ((end - start) * rng.random(size)).astype(np.int64))
    return cancelled


def _survey(
    flags: Flags, active: Times, touches: dict[str, Touch], company: Company, rng: Generator
) -> NDArray[np.int64]:
    size, effects = len(active), company.effects
    mean = np.full(size, effects.nps_base)
    for name, effect in effects.nps.items():
        mean += effect * flags[name]
    score = np.clip(np.rint(rng.normal(mean, effects.nps_spread)), 0, 10).astype(np.int64)
    sent = active + 14 * DAY + _between(0, 8, rng, size)
    answered = sent + _between(1, 5 * 24, rng, size)
    answers = rng.random(size) < company.habits.answers_survey
    touches["survey_sent"] = _touch(np.full(size, True), sent)
    touches["survey_answered"] = _touch(answers, answered)
    return np.where(answers & (answered < _UNTIL), score, -1)


def _touch(flag: NDArray[np.bool_], when: Times) -> Touch:
    return Touch(np.flatnonzero(flag), when[flag])


def _visible(flags: Flags, touches: dict[str, Touch], ordered: Times) -> Flags:
    """Return which flags the logs show by the end of the observation; in an open journey some may still come."""
    size = len(ordered)

    def seen(*names: str) -> NDArray[np.bool_]:
        return np.isin(np.arange(size), np.concatenate([touches[name].who for name in names]))

    deliveries = np.bincount(touches["modem_delivered"].who, minlength=size)
    single = (
        "selfservice_failed",
        "help_page",
        "complaint",
        "adhoc_call",
        "forced_switch",
        "welcome_call",
        "track_parcel",
    )
    return {
        "missing_confirmation": flags["missing_confirmation"] & seen("modem_shipped"),
        "wrong_order": flags["wrong_order"] & seen("confirmation"),
        "wrong_channel": flags["wrong_channel"],
        # Also where nothing was delivered yet: the promise is broken all the same.
        "late": flags["late"] & (ordered + PROMISED_DAYS * DAY < _UNTIL),
        "repeated_delivery": deliveries == 2,
        "helpdesk_call": seen("adhoc_call", "forced_switch"),
        "call_abandoned": seen("adhoc_call_abandoned", "forced_switch_abandoned"),
        **{name: seen(name) for name in single},
    }


def _observed(touch: Touch) -> Touch:
    seen = touch.when < _UNTIL
    return Touch(touch.who[seen], touch.when[seen])


def _between(low: float, high: float, rng: Generator, size: int) -> Times:
    """Draw durations in microseconds, evenly between two numbers of hours."""
    return (rng.uniform(low, high, size) * HOUR).astype(np.int64)


def _in_office_hours(when: Times, rng: Generator) -> Times:
    """Move what falls before 8 or after 17 o'clock UTC into the next morning."""
    hour = when % DAY
    morning = when - hour + np.where(hour >= 17 * HOUR, DAY, 0) + 8 * HOUR + _between(0, 3, rng, len(when))
    return np.where((hour < 8 * HOUR) | (hour >= 17 * HOUR), morning, when)
