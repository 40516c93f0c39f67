"""Moments of truth: at which touchpoints the chance of an outcome moves, and after which steps it is decided."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.outcomes import models
from journeymining.outcomes.prefixes import longest_prefix, prefixes
from journeymining.proportions import benjamini_hochberg, design_effect, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.landmarks import LinkedOutcome
    from journeymining.outcomes.splitting import Split

DECIDED = 0.95
"""Share of journeys that must end alike before a step is said to decide."""

MOST_JOURNEYS = 3_000
"""Journeys per side whose beginnings are compared at most; beyond, a seeded sample of them."""

LEAST = 30

TOUCHPOINTS = [
    "activity", "events", "journeys", "move", "shift", "observed", "observed_low", "observed_high", "q",
    "spread_after", "events_left",
]  # fmt: skip
STEPS = [
    "source", "target", "n", "rate", "rate_low", "rate_high", "weight", "holdout_n", "holdout_rate", "decides",
    "events_left",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moments:
    """Where on the way an outcome shows: per touchpoint, and per step from one touchpoint to the next."""

    touchpoints: pd.DataFrame
    steps: pd.DataFrame


def moments_of_truth(linked: LinkedOutcome, split: Split, *, least: int = LEAST, seed: int = 0) -> Moments:
    """Find the touchpoints at which the chance of an outcome moves, and the steps after which it is decided.

    A touchpoint late in a journey may move the chance because it *is* the outcome in other words: ``events_left`` says
    how early it comes. Nothing here says "because".

    Parameters
    ----------
    linked : LinkedOutcome
        See `journeymining.outcomes.labels.link_outcome`.
    split : Split
        See `journeymining.outcomes.splitting.split_outcome`.
    least : int
        Journeys that must pass a touchpoint or a step: on the held-out side for touchpoints, on both for a step that
        decides.
    seed : int
        Draws at most 3,000 journeys per side for the touchpoints, and the inner folds of their model.

    Returns
    -------
    Moments
        ``touchpoints``, one row per activity of held-out journeys, see `touchpoint_moments`; ``steps``, one row per
        directly-follows step of the training side, see `deciding_steps`.
    """
    return Moments(
        touchpoint_moments(linked, split, least=least, seed=seed), deciding_steps(linked, split, least=least)
    )


def touchpoint_moments(linked: LinkedOutcome, split: Split, *, least: int = LEAST, seed: int = 0) -> pd.DataFrame:
    """Return how far each touchpoint moves the foretold chance of the outcome.

    A logistic regression learns from the beginnings of training journeys (of one event, of two, ...). On every held-out
    journey it says the chance after each event; before the first one the chance is the training rate. Events beyond the
    length that nine in ten journeys with the outcome do not exceed (at most 40) are not looked at.

    Returns
    -------
    DataFrame, one row per activity that ``least`` held-out journeys pass
        ``activity``, ``events`` and ``journeys`` (held-out), ``move`` (mean absolute change of the chance at it),
        ``shift`` (mean change, with its sign). Both are what the model says. What came of it is ``observed``: the rate
        of the outcome minus the chance before the touchpoint, less what the held-out side differs from the training
        side over all, with its 95 % interval (Wilson), customers as the unit; ``q`` says how surely that is not chance
        (Benjamini-Hochberg over all touchpoints). ``spread_after`` (variance of the chance after it), ``events_left``
        (median number of events that follow).
        Largest move first, ties by name. No row if a side has one outcome only.

    Notes
    -----
    Cost: one fit on the beginnings of at most 3,000 journeys of at most 40 events.
    """
    rng = np.random.default_rng(seed)
    sides = [_sample(side, rng) for side in (split.train, split.test)]
    if any(len(np.unique(linked.label[side])) < 2 for side in sides):
        return pd.DataFrame(columns=TOUCHPOINTS)
    longest = longest_prefix(linked)
    # Deviations are judged on whole journeys: at a beginning they are not known.
    train, test = (
        prefixes(linked.journeys[side].forget_conformance(), linked.label[side], longest=longest) for side in sides
    )
    with models.threads_for(len(train[1])):
        model = models.fit_logistic_model(models.LOGISTIC, models.features(train[0]), *train, seed=seed)
        chance = model.chance(test[0])
    journeys = linked.journeys[sides[1]]
    row = np.repeat(np.arange(len(journeys)), np.minimum(journeys.lengths, longest))
    rate, held = (float(linked.label[side].mean()) for side in sides)
    moved = pd.DataFrame(
        {
            "activity": np.array(journeys.activities, dtype=object)[test[0].activity[test[0].offsets[1:] - 1]],
            "row": row,
            "customer": journeys.customer_id[row],
            "left": journeys.lengths[row] - test[0].lengths,
            "before": chance_before(chance, test[0].lengths, rate=rate),
            "after": chance,
            "label": test[1],
        }
    )
    rows = [
        _touchpoint(str(name), part, held - rate)
        for name, part in moved.groupby("activity")
        if part["row"].nunique() >= least
    ]
    table = pd.DataFrame(rows, columns=TOUCHPOINTS)
    table["q"] = benjamini_hochberg(table["q"].to_numpy(dtype=float))
    return table.sort_values(["move", "activity"], ascending=[False, True], kind="stable", ignore_index=True)


def chance_before(chance: NDArray[np.float64], lengths: NDArray[np.int64], *, rate: float) -> NDArray[np.float64]:
    """Return the chance before the last event of every beginning; those of a journey follow each other.

    Examples
    --------
    >>> chance_before(np.array([0.3, 0.7, 0.1]), np.array([1, 2, 1]), rate=0.2).tolist()
    [0.2, 0.3, 0.2]
    """
    return np.where(lengths == 1, rate, np.concatenate([[rate], chance[:-1]])[: len(chance)])


def _touchpoint(name: str, part: pd.DataFrame, drift: float) -> dict[str, object]:
    change, before = part["after"] - part["before"], (part["before"] + drift).clip(0, 1)
    # What the model says has no interval worth the name: it answers alike every time. What came of it has one, also
    # where all journeys end alike.
    counted = len(part) / design_effect(part["label"], part["customer"])
    rate, expected = float(part["label"].mean()), float(before.mean())
    low, high = (float(bound) for bound in wilson(rate * counted, counted))
    error = math.sqrt(float((before * (1 - before)).mean()) / counted)
    return {
        "activity": name,
        "events": len(part),
        "journeys": part["row"].nunique(),
        "move": float(np.abs(change).mean()),
        "shift": float(change.mean()),
        "observed": rate - expected,
        "observed_low": low - expected,
        "observed_high": high - expected,
        "q": float(2 * stats.norm.sf(abs(rate - expected) / error)) if error else 1.0,
        "spread_after": float(part["after"].var(ddof=0)),
        "events_left": float(part["left"].median()),
    }


def _sample(side: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return side if len(side) <= MOST_JOURNEYS else np.sort(rng.choice(side, MOST_JOURNEYS, replace=False))


def deciding_steps(linked: LinkedOutcome, split: Split, *, least: int = LEAST) -> pd.DataFrame:
    """Return, per directly-follows step, how journeys that took it end, and whether it decides.

    Returns
    -------
    DataFrame, one row per step that ``least`` journeys of the training side took
        ``source``, ``target``; on the training side ``n`` (journeys, once each), ``rate`` of the outcome with its
        Wilson interval (widened for customers with several journeys) and ``weight`` (see `step_weight`);
        ``holdout_n``, ``holdout_rate``; ``decides``: *outcome* or *no outcome* where the interval lies beyond .95 or
        .05 and apart from the overall rate, and ``least`` held-out journeys or more agree (beyond .95 or .05 as well),
        else empty; ``events_left`` (median number of events that follow). Most journeys first, ties by name.

    References
    ----------
    P. Kobialka, F. Mannhardt, S. L. Tapia Tarifa, E. B. Johnsen, "Building user journey games from multi-party event
    logs", ICPM 2022 Workshops (2023): the weight of a step, and the boundary beyond which an outcome is determined.
    """
    journeys, width = linked.journeys, len(linked.journeys.activities)
    customers = pd.factorize(journeys.customer_id)[0]
    inner = np.flatnonzero(journeys.row[1:] == journeys.row[:-1])
    row, code = journeys.row[inner], journeys.activity[inner].astype(np.int64) * width + journeys.activity[inner + 1]
    # A journey counts once per step, for the first time that it takes it.
    first = np.unique(row * width**2 + code, return_index=True)[1]
    row, code, inner = row[first], code[first], inner[first]
    frame = pd.DataFrame(
        {
            "step": code,
            "label": linked.label[row],
            "customer": customers[row],
            "left": journeys.offsets[1:][row] - inner - 2,
        }
    )
    train, test = (frame[np.isin(row, side)] for side in (split.train, split.test))
    taken: list[tuple[Any, pd.DataFrame]] = [(step, part) for step, part in train.groupby("step") if len(part) >= least]
    held: dict[Any, NDArray[Any]] = {step: part["label"].to_numpy() for step, part in test.groupby("step")}
    overall = float(linked.label[split.train].mean())
    rows = [
        {
            "source": journeys.activities[step // width],
            "target": journeys.activities[step % width],
            **_step(part, held.get(step, np.empty(0)), overall, least),
        }
        for step, part in taken
    ]
    table = pd.DataFrame(rows, columns=STEPS)
    return table.sort_values(["n", "source", "target"], ascending=[False, True, True], kind="stable", ignore_index=True)


def _step(part: pd.DataFrame, held: NDArray[Any], overall: float, least: int) -> dict[str, object]:
    effect = design_effect(part["label"], part["customer"])
    low, high = (float(bound) for bound in wilson(part["label"].sum() / effect, len(part) / effect))
    share, rate = float(part["label"].mean()), float(held.mean()) if len(held) else math.nan
    decides = ""
    if len(held) >= least and low > overall and min(low, rate) >= DECIDED:
        decides = "outcome"
    elif len(held) >= least and high < overall and max(high, rate) <= 1 - DECIDED:
        decides = "no outcome"
    return {
        "n": len(part),
        "rate": share,
        "rate_low": low,
        "rate_high": high,
        "weight": step_weight(share),
        "holdout_n": len(held),
        "holdout_rate": rate,
        "decides": decides,
        "events_left": float(part["left"].median()),
    }


def step_weight(share: float) -> float:
    """Return what a step is worth by the share of its journeys that end with the outcome: from -22 to 18.

    ``20 ((1 - H(share)) sign(share - 1/2) - 1/10)`` with the binary entropy H: steps that decide weigh most, and a step
    costs a little by itself.

    Examples
    --------
    >>> [round(step_weight(share), 2) for share in (1.0, 0.9, 0.5, 0.1, 0.0)]
    [18.0, 8.62, -2.0, -12.62, -22.0]
    """
    parts = [part for part in (share, 1 - share) if part > 0]
    entropy = -sum(part * math.log2(part) for part in parts)
    return 20 * (math.copysign(1 - entropy, share - 0.5) - 0.1)
