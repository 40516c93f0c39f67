"""SHAP values: how much every feature of a journey adds to the log-odds that a model gives it. Needs ``explain``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.exceptions import MissingDependencyError
from journeymining.outcomes.importance import linear_weights
from journeymining.outcomes.models import to_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.models import Fitted

MOST_EXPLAINED = 5_000
"""Held-out journeys that are explained, and training journeys they are compared with; of more, every so many-th."""

TOLD = 10
"""Features in the summary: those with the largest mean size."""

UNITS = "log-odds of the model before calibration"


@dataclass(frozen=True, eq=False)
class ShapValues:
    """One row per journey and one column per feature: ``base`` plus the row's ``values`` is the journey's log-odds."""

    model: str
    journey_id: NDArray[Any]
    features: list[str]
    encoded: NDArray[np.float64]
    values: NDArray[np.float64]
    base: float

    def table(self) -> pd.DataFrame:
        """Return the values as a table: ``journey_id``, ``base``, then one column per feature."""
        table = pd.DataFrame(self.values, columns=self.features)
        table.insert(0, "base", self.base)
        table.insert(0, "journey_id", self.journey_id)
        return table


def shap_values(model: Fitted, training: JourneyFrame, journeys: JourneyFrame) -> ShapValues:
    """Compute the SHAP values of a model on journeys, in log-odds before calibration.

    Exact for a logistic model, where a value is weight x (feature - its mean over training journeys), features taken
    as independent. For boosted trees exact along the paths of the trees. Both describe the model: an association.

    Parameters
    ----------
    model : Fitted
        The logistic regression or the gradient boosting.
    training : JourneyFrame
        Journeys the model learnt from; they say what is usual. Of more than 5,000 every so many-th is taken.
    journeys : JourneyFrame
        Held-out ones; of more than 5,000 every so many-th.

    Raises
    ------
    MissingDependencyError
        If the package shap is not installed (extra ``explain``).

    References
    ----------
    S. M. Lundberg, S.-I. Lee, *NeurIPS* 30 (2017) 4765-4774; S. M. Lundberg et al., *Nature Machine Intelligence* 2
    (2020) 56-67 (trees).
    """
    shap = _shap()
    journeys = _thinned(journeys)
    encoder = model.pipeline[0]
    encoded = to_dense(encoder.transform(journeys))
    weights = linear_weights(model)
    if weights is not None:
        intercept = float(model.pipeline.named_steps["model"].intercept_[0])
        usual = to_dense(encoder.transform(_thinned(training)))
        masker = shap.maskers.Independent(usual, max_samples=len(usual))
        found = shap.LinearExplainer((weights, intercept), masker)(encoded)
    else:
        found = shap.TreeExplainer(model.pipeline.named_steps["model"])(encoded)
    return ShapValues(
        model=model.name,
        journey_id=journeys.journey_id,
        features=[str(name) for name in encoder.get_feature_names_out()],
        encoded=encoded,
        values=np.asarray(found.values, dtype=np.float64),
        base=float(np.ravel(found.base_values)[0]),
    )


def shap_summary(found: ShapValues, *, top: int = TOLD) -> dict[str, Any]:
    """Sum up the values of the features that move a model most, as the card holds them.

    Returns
    -------
    dict
        ``model``, ``units``, ``base``, ``journeys`` and ``features``: each with ``feature``, ``mean_size`` (of the
        value) and, for the journeys in which the feature is ``above`` its mean and those in which it is ``not_above``,
        ``n``, ``mean``, ``low`` and ``high`` (5 and 95 % quantiles of the values, not an interval of the mean).
    """
    sizes = np.abs(found.values).mean(axis=0)
    told = []
    for place in np.argsort(-sizes, kind="stable")[:top].tolist():
        if sizes[place] == 0:
            continue
        above = found.encoded[:, place] > found.encoded[:, place].mean()
        sides = {"above": found.values[above, place], "not_above": found.values[~above, place]}
        told.append(
            {"feature": found.features[place], "mean_size": float(sizes[place])}
            | {side: _spread(values) for side, values in sides.items() if len(values)}
        )
    return {
        "model": found.model,
        "units": UNITS,
        "base": found.base,
        "journeys": len(found.journey_id),
        "features": told,
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return {"n": len(values), "mean": float(values.mean()), "low": float(low), "high": float(high)}


def _thinned(journeys: JourneyFrame) -> JourneyFrame:
    return journeys[:: max(1, -(-len(journeys) // MOST_EXPLAINED))]


def _shap() -> Any:
    try:
        import shap
    except ImportError:
        raise MissingDependencyError.extra("shap", "explain") from None
    return shap


def require_shap() -> None:
    """Raise MissingDependencyError unless shap can be imported: said before anything is computed, not after."""
    _shap()
