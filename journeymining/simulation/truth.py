"""What was planted, and what came of it: the answers against which every analysis of the raw logs can be marked."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict, dataclass, field
from itertools import product
from math import erf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.simulation.clocks import iso_times
from journeymining.simulation.company import (
    CLOCK_OFFSETS,
    DESIGNED,
    FOLLOW_UP_DAYS,
    OBSERVED_FROM,
    OBSERVED_UNTIL,
    OUTAGE,
    PROMISED_DAYS,
    ZONE,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.simulation.behaviour import Lives
    from journeymining.simulation.company import Company, Effects
    from journeymining.simulation.people import People

# Deviation -> how a conformance check of the design would call it, on which touchpoint.
DEVIATIONS = {
    "missing_confirmation": ("missing", "confirmation"),
    "wrong_order": ("wrong_order", "modem_shipped before confirmation"),
    "wrong_channel": ("wrong_channel", "order_placed"),
    "late": ("late", "modem_delivered"),
    "repeated_delivery": ("repeated", "modem_delivered"),
    "selfservice_failed": ("failing", "selfservice_failed"),
    "helpdesk_call": ("ad_hoc", "helpdesk_call"),
    "call_abandoned": ("ad_hoc", "call_abandoned"),
    "help_page": ("ad_hoc", "help_page"),
    "complaint": ("ad_hoc", "complaint"),
}
CAUSES = ("late", "forced_switch", "welcome_call", "track_parcel")
_TABULATED = (*DEVIATIONS, "adhoc_call", "forced_switch", "welcome_call", "track_parcel")
_JOURNEY_COLUMNS = (
    *("customer", "account_id", "order_time", "active_time", "cancelled_time", "nps", "household"),
    *("complete", "followed_up", "churned"),
    *_TABULATED,
)


@dataclass(slots=True)
class Tally:
    """Sums over chunks, of a size that does not grow with the number of customers."""

    customers: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    everyone: Counter[str] = field(default_factory=Counter)
    complete: Counter[str] = field(default_factory=Counter)
    visible: Counter[str] = field(default_factory=Counter)
    churn: Counter[tuple[str, bool, str]] = field(default_factory=Counter)
    nps: Counter[tuple[str, bool, int]] = field(default_factory=Counter)

    def add(self, who: People, lives: Lives) -> None:
        """Add the customers of one chunk."""
        flags = lives.flags
        self.customers += who.size
        self.everyone["household"] += int(who.household.sum())
        for name in (*_TABULATED, "complete", "followed_up", "churned"):
            self.everyone[name] += int(flags[name].sum())
            self.complete[name] += int((flags[name] & flags["complete"]).sum())
        for name in _TABULATED:
            self.visible[name] += int(lives.visible[name].sum())
        for name in CAUSES:
            for value in (True, False):
                chosen = flags[name] == value
                self.churn[name, value, "journeys"] += int((chosen & flags["followed_up"]).sum())
                self.churn[name, value, "churned"] += int((chosen & flags["followed_up"] & flags["churned"]).sum())
                scores = lives.score[chosen & (lives.score >= 0)]
                for score, times in zip(*np.unique(scores, return_counts=True), strict=True):
                    self.nps[name, value, int(score)] += int(times)


def open_truth(folder: Path) -> None:
    """Write the two tables with nothing but their headers."""
    folder.mkdir(parents=True)
    for name, columns in (("identifiers", ("kind", "value", "customer")), ("journeys", _JOURNEY_COLUMNS)):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerow(columns)


def write_truth(folder: Path, who: People, lives: Lives) -> None:
    """Append who is who, and what each customer lived through, of one chunk."""
    with (folder / "identifiers.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(who.identifiers())
    flags = [lives.flags[name].astype(np.int8).tolist() for name in _JOURNEY_COLUMNS[7:]]
    columns = [
        who.names(),
        who.account,
        iso_times(lives.ordered),
        _if_any(lives.active, lives.flags["complete"]),
        _if_any(lives.cancelled, np.isin(np.arange(who.size), lives.touches["contract_cancelled"].who)),
        [str(score) if score >= 0 else "" for score in lives.score.tolist()],
        who.household.astype(np.int8).tolist(),
        *flags,
    ]
    with (folder / "journeys.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(zip(*columns, strict=True))


def _if_any(times: NDArray[np.int64], seen: NDArray[np.bool_]) -> list[str]:
    # A time that was not observed may lie beyond the calendar of the simulation.
    texts = iter(iso_times(times[seen]))
    return [next(texts) if shown else "" for shown in seen.tolist()]


def summary(company: Company, tally: Tally, *, customers: int, seed: int) -> dict[str, Any]:
    """Return what goes into truth.json."""
    return {
        "seed": seed,
        "customers": customers,
        "observed": {"from": OBSERVED_FROM.isoformat(), "until": OBSERVED_UNTIL.isoformat(), "timezone": ZONE},
        "designed_journey": list(DESIGNED),
        "promise": {"from": "order_placed", "to": "modem_delivered", "days": PROMISED_DAYS},
        "parameters": asdict(company),
        "journeys": {
            "orders": tally.customers,
            "complete": tally.everyone["complete"],
            "open": tally.customers - tally.everyone["complete"],
            "followed_up": tally.everyone["followed_up"],
        },
        "deviations": _deviations(company, tally),
        "forced_switches": {"from_channel": "app", "to_channel": "phone", **_rate(company, tally, "forced_switch")},
        "optional": {name: _rate(company, tally, name) for name in ("welcome_call", "track_parcel")},
        "effects": {
            "churn": {name: _churn_effect(company, tally, name) for name in CAUSES},
            "nps": {name: _nps_effect(company, tally, name) for name in CAUSES},
            "null": ["track_parcel"],
            "confounded": {
                "complaint": "has no effect of its own, but only late orders are complained about: raw difference only"
            },
            "note": "Effects are additive and independent of each other, so a raw difference is also the causal one.",
        },
        "churn": {
            "horizon_days": FOLLOW_UP_DAYS,
            "nominal": expected_churn(company),
            "followed_up": tally.everyone["followed_up"],
            "churned": tally.churn["late", True, "churned"] + tally.churn["late", False, "churned"],
        },
        "identities": {
            "customers": tally.customers,
            "who_share_a_telephone": tally.everyone["household"],
            "note": "Calls from a shared telephone cannot be told apart by their number.",
        },
        "clock_offsets_seconds": CLOCK_OFFSETS,
        "outage": {"from": OUTAGE[0].isoformat(), "until": OUTAGE[1].isoformat(), "note": "summer time ends"},
        "order_of_lines": {
            "by time": ["raw/web/access.log", "raw/web/access.log.1.gz", "raw/asterisk/queue_log"],
            "by time of hanging up": ["raw/asterisk/Master.csv"],
            "by customer, repeated rows behind": ["raw/salesforce", "raw/survey", "truth"],
            "by day, then by time within ten thousand customers": ["raw/ga4"],
        },
        "lines": dict(sorted(tally.lines.items())),
    }


def _deviations(company: Company, tally: Tally) -> dict[str, Any]:
    return {
        name: {"type": kind, "touchpoint": touchpoint, **_rate(company, tally, name)}
        for name, (kind, touchpoint) in DEVIATIONS.items()
    }


def _rate(company: Company, tally: Tally, name: str) -> dict[str, Any]:
    return {
        "nominal": nominal_rates(company)[name],
        "all_orders": {"count": tally.everyone[name], "of": tally.customers},
        "visible_in_all_orders": {"count": tally.visible[name], "of": tally.customers},
        "complete_journeys": {"count": tally.complete[name], "of": tally.everyone["complete"]},
    }


def nominal_rates(company: Company) -> dict[str, float]:
    """Return the probability of every flag, per order."""
    deviations, habits = company.deviations, company.habits
    rates = {name: value for name, value in asdict(deviations).items() if name in _TABULATED}
    rates["selfservice_failed"] = deviations.forced_switch + deviations.selfservice_failed_only
    rates["helpdesk_call"] = 1 - (1 - deviations.adhoc_call) * (1 - deviations.forced_switch)
    kept = 1 - habits.abandons_first
    rates["call_abandoned"] = 1 - (1 - deviations.adhoc_call * (1 - kept)) * (1 - deviations.forced_switch * (1 - kept))
    rates["complaint"] = deviations.late * deviations.complaint_if_late
    rates["welcome_call"], rates["track_parcel"] = habits.welcome_call, habits.track_parcel
    return {name: round(value, 12) for name, value in rates.items()}


def expected_churn(company: Company) -> float:
    """Return the probability that a customer leaves within the follow-up, averaged over all flags."""
    rates = nominal_rates(company)
    effects = company.effects
    return round(effects.churn_base + sum(effect * rates[name] for name, effect in effects.churn.items()), 12)


def _churn_effect(company: Company, tally: Tally, name: str) -> dict[str, Any]:
    groups = {
        "with" if value else "without": {what: tally.churn[name, value, what] for what in ("churned", "journeys")}
        for value in (True, False)
    }
    realised = None
    if all(group["journeys"] for group in groups.values()):
        realised = _share(groups["with"]) - _share(groups["without"])
    return {
        "nominal_risk_difference": company.effects.churn.get(name, 0.0),
        "realised_risk_difference": realised,
        **groups,
    }


def _share(group: dict[str, int]) -> float:
    return group["churned"] / group["journeys"]


def _nps_effect(company: Company, tally: Tally, name: str) -> dict[str, Any]:
    expected = {value: expected_scores(company, name, happened=value) for value in (True, False)}
    answers = {
        value: np.array([tally.nps[name, value, score] for score in range(11)], dtype=float) for value in (True, False)
    }
    effect: dict[str, Any] = {"latent_shift": company.effects.nps.get(name, 0.0)}
    for measure, of in (("mean", _mean), ("nps", _net_promoters)):
        effect[f"nominal_{measure}_difference"] = of(expected[True]) - of(expected[False])
        enough = all(counts.sum() for counts in answers.values())
        effect[f"realised_{measure}_difference"] = of(answers[True]) - of(answers[False]) if enough else None
    effect["answers"] = {"with": int(answers[True].sum()), "without": int(answers[False].sum())}
    return effect


def expected_scores(company: Company, name: str, *, happened: bool) -> NDArray[np.float64]:
    """Return the probability of each score from 0 to 10, given one flag and averaged over the others.

    Scores are normal numbers, rounded and cut off at 0 and 10, so the difference of their means is a little less
    than the shift that was planted.
    """
    effects, rates = company.effects, nominal_rates(company)
    others = [cause for cause in effects.nps if cause != name]
    scores = np.zeros(11)
    for values in product((True, False), repeat=len(others)):
        weight, mean = 1.0, effects.nps_base + (effects.nps.get(name, 0.0) if happened else 0.0)
        for cause, value in zip(others, values, strict=True):
            weight *= rates[cause] if value else 1 - rates[cause]
            mean += effects.nps[cause] if value else 0.0
        scores += weight * _rounded_normal(mean, effects)
    return scores


def _rounded_normal(mean: float, effects: Effects) -> NDArray[np.float64]:
    below = [0.5 * (1 + erf((score + 0.5 - mean) / effects.nps_spread / sqrt(2))) for score in range(10)]
    return np.diff([0.0, *below, 1.0])


def _mean(counts: NDArray[np.float64]) -> float:
    return float(counts @ np.arange(11) / counts.sum())


def _net_promoters(counts: NDArray[np.float64]) -> float:
    return float(100 * (counts[9:].sum() - counts[:7].sum()) / counts.sum())
