"""How the chance goes with one thing, everything else as it is: partial dependence and contributions in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.outcomes.crossfit import apply_sigmoid
from journeymining.outcomes.importance import linear_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.models import Fitted

SHOWN = 5
"""Features whose dependence is told: those that move the model most."""

POINTS = 11
MOST_JOURNEYS = 5_000
ROWS_AT_ONCE = 10_000
LEAST = 0.01
"""Contributions to the log-odds below this are not worth a word."""


def partial_dependence(model: Fitted, journeys: JourneyFrame, *, top: int = SHOWN) -> list[dict[str, Any]]:
    """Return the mean chance of journeys if one feature had another value; an association, not an effect.

    Parameters
    ----------
    model : Fitted
        A logistic one; any other has none of it.
    journeys : JourneyFrame
        Held-out ones; of more than 5,000 every so many-th is taken.
    top : int
        How many features, those that move the model most first, ties by place.

    Returns
    -------
    list of dict
        ``feature`` and ``points``: ``value`` (deciles of the journeys that differ) with ``chance``.

    References
    ----------
    J. H. Friedman, *Annals of Statistics* 29 (2001) 1189-1232, section 8.2.
    """
    weights = linear_weights(model)
    if weights is None:
        return []
    step = max(1, -(-len(journeys) // MOST_JOURNEYS))
    encoded = model.pipeline[0].transform(journeys[::step]).toarray()
    intercept = float(model.pipeline.named_steps["model"].intercept_[0])
    odds = encoded @ weights + intercept
    moves = np.abs(weights) * encoded.std(axis=0)
    names = model.pipeline[0].get_feature_names_out()
    found = []
    for place in np.argsort(-moves, kind="stable")[:top].tolist():
        if moves[place] == 0:
            continue
        values = np.unique(np.quantile(encoded[:, place], np.linspace(0, 1, POINTS)))
        rest = odds - encoded[:, place] * weights[place]
        points = [
            {"value": float(value), "chance": _mean_chance(model, rest + value * weights[place])} for value in values
        ]
        found.append({"feature": str(names[place]), "points": points})
    return found


def contributions(model: Fitted, usual: dict[str, float], journeys: JourneyFrame, *, most: int = 3) -> list[str]:
    """Say in words what moves the chance of every journey most, compared with the training mean.

    Parameters
    ----------
    model : Fitted
        A logistic one.
    usual : mapping
        Mean of every feature on the training side; a feature that is not in it is not told.
    most : int
        How many per journey, the strongest first.

    Returns
    -------
    list of str, one per journey
        Such as ``higher: call 3 times (0.4 on average); lower: begins with web``. Part of a sum of log-odds, not a
        reason.
    """
    weights = linear_weights(model)
    if weights is None:
        return [""] * len(journeys)
    names = [str(name) for name in model.pipeline[0].get_feature_names_out()]
    means = np.array([usual.get(name, np.nan) for name in names])
    said: list[str] = []
    for start in range(0, len(journeys), ROWS_AT_ONCE):
        encoded = model.pipeline[0].transform(journeys[start : start + ROWS_AT_ONCE]).toarray()
        parts = np.nan_to_num((encoded - means) * weights)
        order = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :most]
        for row, places in enumerate(order.tolist()):
            strong = [place for place in places if abs(parts[row, place]) >= LEAST]
            words = [
                ("higher" if parts[row, at] > 0 else "lower", in_words(names[at], encoded[row, at], means[at]))
                for at in strong
            ]
            groups = [(way, ", ".join(text for other, text in words if other == way)) for way in ("higher", "lower")]
            said.append("; ".join(f"{way}: {text}" for way, text in groups if text))
    return said


def in_words(feature: str, value: float, usual: float) -> str:
    """Return one feature of a journey as a person says it.

    Examples
    --------
    >>> in_words("count activity call", 3, 0.42)
    'call 3 times (0.42 on average)'
    >>> in_words("first channel web", 0, 0.8)
    'does not begin with channel web'
    """
    first, _, rest = feature.partition(" ")
    column, _, level = rest.partition(" ")
    if first == "count" and level:
        named = level if column == "activity" else f"{column} {level}"
        often = f"{named} {value:g} times" if value else f"no {named}"
        return f"{often} ({usual:.2g} on average)"
    if first in ("first", "last") and level and value in (0.0, 1.0):
        verb = "begin" if first == "first" else "end"
        named = level if column == "activity" else f"{column} {level}"
        return f"{verb}s with {named}" if value else f"does not {verb} with {named}"
    return f"{feature} {value:.3g} ({usual:.3g} on average)"


def _mean_chance(model: Fitted, odds: NDArray[np.float64]) -> float:
    raw = 1 / (1 + np.exp(-np.clip(odds, -35, 35)))
    return float(apply_sigmoid(model.sigmoid if model.calibrated else None, raw).mean())
