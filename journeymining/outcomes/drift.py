"""Whether journeys to be scored still look like those that a model learnt from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.exceptions import InputError
from journeymining.outcomes.importance import linear_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.models import Fitted

WATCHED = 100
"""Features that are compared at most: those that the model weighs most."""

MOST_DESCRIBED = 50_000
"""Training journeys that are described; of more, every so many-th."""

DIFFERS, TOO_MUCH = 0.1, 0.25
"""Population stability index from which on a distribution differs, and differs too much."""

MOST = 0.2
"""Share of the watched features, and of the model's weight, from which on too much differs."""

CHANCE = "the chance itself"


def training_reference(model: Fitted, journeys: JourneyFrame) -> dict[str, Any]:
    """Describe the journeys a model learnt from, so that others can be held against them later.

    Returns
    -------
    dict
        ``journeys``; ``chance`` and ``features``, each with ``mean``, ``spread``, ``edges`` (deciles that differ) and
        ``shares`` of the journeys below, on and between them; a feature also has its ``weight``, its share of what
        moves the model.
        ``features_not_watched`` counts those beyond the hundred that weigh most.
    """
    journeys = journeys[:: max(1, -(-len(journeys) // MOST_DESCRIBED))]
    encoded = model.pipeline[0].transform(journeys).tocsc()
    weights = linear_weights(model)
    if weights is None:
        raise InputError(f"{model.name}: only a logistic model has weights that can be watched.")
    moves = np.abs(weights) * _spreads(encoded)
    order = np.argsort(-moves, kind="stable")[: min(WATCHED, int((moves > 0).sum()))]
    names = model.pipeline[0].get_feature_names_out()
    total = float(moves.sum())
    features = [
        {"feature": str(names[place]), "weight": float(moves[place]) / total} | _describe(_column(encoded, place))
        for place in order.tolist()
    ]
    return {
        "journeys": len(journeys),
        "chance": _describe(model.chance(journeys)),
        "features": features,
        "features_not_watched": int((moves > 0).sum()) - len(features),
    }


def compare_with_training(model: Fitted, reference: dict[str, Any], journeys: JourneyFrame) -> pd.DataFrame:
    """Hold journeys against those that the model learnt from.

    Returns
    -------
    DataFrame, one row for the chance itself, then one per watched feature, the heaviest first
        ``feature``, ``weight``, ``mean_training``, ``mean_now``, ``shift`` (of the mean, in spreads of the training
        side), ``psi`` (population stability index over the deciles of the training side), ``beyond_chance`` (whether
        so large an index would hardly ever come from so few journeys), ``verdict``: *alike*, *differs* (.1 or more) or
        *differs too much* (.25 or more).

    References
    ----------
    B. Yurdakul, J. Naranjo, *Journal of Risk Model Validation* 14(4), 2020 (distribution of the index).
    """
    encoded = model.pipeline[0].transform(journeys).tocsc()
    place = {str(name): number for number, name in enumerate(model.pipeline[0].get_feature_names_out())}
    before = int(reference["journeys"])
    level = 0.01 / (len(reference["features"]) + 1)
    rows = [_compare(CHANCE, 1.0, reference["chance"], model.chance(journeys), before, level)]
    for one in reference["features"]:
        now = _column(encoded, place[one["feature"]])
        rows.append(_compare(one["feature"], one["weight"], one, now, before, level))
    return pd.DataFrame(rows)


def drift_sentence(table: pd.DataFrame, journeys: int) -> tuple[bool, str]:
    """Say whether journeys differ too much from those of the training side, and in what.

    They do if the chances do, or a fifth of the watched features, or features that carry a fifth of the model's weight.
    """
    far = table[table["verdict"] == "differs too much"]
    features = far[far["feature"] != CHANCE]
    weight = float(features["weight"].sum())
    many = len(features) >= MOST * (len(table) - 1)
    drifted = len(far) > len(features) or weight >= MOST or (many and len(features) > 0)
    of = f"{len(features)} of {len(table) - 1} watched features, {weight:.0%} of the model's weight"
    named = f" ({', '.join(features['feature'].head(3))})" if len(features) else ""
    if drifted:
        return True, f"The {journeys} journeys differ too much from those the model learnt from: {of}{named}."
    return False, f"The {journeys} journeys look like those the model learnt from; too different: {of}{named}."


def stability_index(shares: NDArray[np.float64], counts: NDArray[np.int64], before: int) -> float:
    """Return the population stability index of counts against the shares of so many journeys.

    Half a journey is added to every bin, so that one that is empty on one side does not make it infinite; bins that are
    empty on both sides do not count.

    Examples
    --------
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([50, 50]), 100), 3)
    0.0
    >>> round(stability_index(np.array([0.5, 0.5]), np.array([80, 20]), 100), 2)
    0.41
    """
    some = (np.asarray(shares) > 0) | (counts > 0)
    shares, counts, size = np.asarray(shares)[some], counts[some], int(some.sum())
    usual = (shares * before + 0.5) / (before + 0.5 * size)
    now = (counts + 0.5) / (counts.sum() + 0.5 * size)
    return float(((now - usual) * np.log(now / usual)).sum())


def _describe(values: NDArray[np.float64]) -> dict[str, Any]:
    edges = np.unique(np.quantile(values, np.arange(1, 10) / 10))
    counts = _counts(values, edges)
    return {
        "mean": float(values.mean()),
        "spread": float(values.std()),
        "edges": edges.tolist(),
        "shares": (counts / len(values)).tolist(),
    }


def _compare(
    name: str, weight: float, usual: dict[str, Any], now: NDArray[np.float64], before: int, level: float
) -> dict[str, Any]:
    counts = _counts(now, np.asarray(usual["edges"], dtype=float))
    shares = np.asarray(usual["shares"], dtype=float)
    psi = stability_index(shares, counts, before)
    freedom = max(int(((shares > 0) | (counts > 0)).sum()) - 1, 1)
    expected = stats.chi2.ppf(1 - level, freedom) * (1 / before + 1 / max(len(now), 1))
    beyond = bool(psi > expected)
    verdict = "alike" if psi < DIFFERS or not beyond else "differs" if psi < TOO_MUCH else "differs too much"
    shift = (float(now.mean()) - usual["mean"]) / usual["spread"] if usual["spread"] else math.nan
    return {
        "feature": name,
        "weight": weight,
        "mean_training": usual["mean"],
        "mean_now": float(now.mean()),
        "shift": shift,
        "psi": psi,
        "beyond_chance": beyond,
        "verdict": verdict,
    }


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the values below, on and above every edge: what was always 1 must not be taken for 0."""
    # Rounded, so that the same number computed twice falls on the same side of an edge.
    edges, values = np.round(edges, 9), np.round(values, 9)
    places = np.searchsorted(edges, values, side="left") + np.searchsorted(edges, values, side="right")
    return np.bincount(places, minlength=2 * len(edges) + 1)


def _column(encoded: sparse.csc_array, place: int) -> NDArray[np.float64]:
    result: NDArray[np.float64] = encoded[:, [place]].toarray().ravel()
    return result


def _spreads(encoded: sparse.csc_array) -> NDArray[np.float64]:
    mean = np.asarray(encoded.mean(axis=0)).ravel()
    squares = np.asarray(encoded.multiply(encoded).mean(axis=0)).ravel()
    result: NDArray[np.float64] = np.sqrt(np.maximum(squares - mean**2, 0))
    return result
