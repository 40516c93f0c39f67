"""Classifiers from journeys to an outcome, and the dummies that they have to beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from journeymining.outcomes.crossfit import apply_sigmoid, fit_sigmoid, grouped_folds, out_of_fold
from journeymining.outcomes.deviations import ConformanceEncoder
from journeymining.outcomes.encoders import (
    AggregateEncoder,
    ChannelEncoder,
    LastStateEncoder,
    LengthEncoder,
    StaticEncoder,
)
from journeymining.outcomes.splitting import require_grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from journeymining.outcomes.journey_frame import JourneyFrame

STRENGTHS = (1e-3, 1e-2, 1e-1)
"""Inverse strengths of the penalty that the inner cross-validation chooses from."""

MOST_TRAINED = 200_000
"""Journeys a model is fitted on at most; beyond, a seeded sample of them. More does not change a linear model."""

SMALL = 50_000
"""Rows below which a second thread costs more than it brings."""

LOGISTIC, BOOSTING = "logistic regression", "gradient boosting"
DUMMIES = {"prior": "the overall rate", "length": "journey length", "last activity": "the last activity"}
"""Dummies and what they are called in a sentence."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted pipeline: encoders, scaling and classifier in one object that takes a `JourneyFrame`.

    ``sigmoid`` are intercept and slope of the calibration of its odds, fitted on journeys that the model had not seen;
    it counts only if ``calibrated`` says so, see `calibrated_if_better`.
    """

    name: str
    pipeline: Pipeline
    trained: int
    chosen: dict[str, Any]
    sigmoid: tuple[float, float] | None = None
    calibrated: bool = False

    def chance(self, journeys: JourneyFrame) -> NDArray[np.float64]:
        """Return the probability of the outcome per journey."""
        raw: NDArray[np.float64] = self.pipeline.predict_proba(journeys)[:, 1]
        return apply_sigmoid(self.sigmoid, raw) if self.calibrated else raw


def features(journeys: JourneyFrame) -> FeatureUnion:
    """Return the encoders of the default models: how it began, what happened how often, channels, deviations."""
    parts: list[tuple[str, Any]] = [("start", StaticEncoder()), ("path", AggregateEncoder())]
    if "channel" in journeys.coded:
        parts.append(("channel", ChannelEncoder()))
    if journeys.conformance is not None:
        parts.append(("design", ConformanceEncoder()))
    return FeatureUnion(parts, verbose_feature_names_out=False)


def fit_all(journeys: JourneyFrame, label: NDArray[np.int8], *, seed: int = 0) -> list[Fitted]:
    """Fit the default model, the second one, and the dummies."""
    with threads_for(len(label)):
        return [
            fit_logistic_model(LOGISTIC, features(journeys), journeys, label, seed=seed),
            fit_boosting(journeys, label, seed=seed),
            *fit_dummies(journeys, label, seed=seed),
        ]


def fit_logistic_model(
    name: str,
    encoder: Any,
    journeys: JourneyFrame,
    label: NDArray[np.int8],
    *,
    splitter: Any = None,
    strengths: tuple[float, ...] = STRENGTHS,
    seed: int = 0,
) -> Fitted:
    """Fit an L2 logistic regression whose penalty is chosen by cross-validation with customers kept together.

    Parameters
    ----------
    encoder : transformer
        From a `JourneyFrame` to numbers; fitted inside every fold.
    splitter : grouped splitter of scikit-learn, optional
        Default three stratified folds of customers. A splitter that ignores groups is refused.
    strengths : tuple of float
        Inverse penalties; judged by log loss.

    Returns
    -------
    Fitted
        With the sigmoid that calibrates it, fitted on the journeys of the folds; not yet used.
    """
    rows = _at_most(len(label), seed)
    journeys, label = journeys[rows], label[rows]
    groups = pd.factorize(journeys.customer_id)[0]
    pipeline = Pipeline(
        [
            ("encode", encoder),
            ("scale", StandardScaler(with_mean=False)),
            ("model", LogisticRegression(C=strengths[0], max_iter=5000)),
        ]
    )
    if splitter is not None:
        require_grouped(splitter)
    count = _folds(label, groups)
    if len(strengths) == 1 or (splitter is None and count < 2):
        return Fitted(name, pipeline.fit(journeys, label), len(rows), {"C": strengths[0]})
    folds = splitter.split(label, label, groups) if splitter else grouped_folds(label, groups, count, seed=seed)
    strength, unseen = out_of_fold(pipeline, journeys, label, folds, strengths)
    pipeline.set_params(model__C=strength).fit(journeys, label)
    return Fitted(name, pipeline, len(rows), {"C": strength}, fit_sigmoid(label, unseen))


def calibrated_if_better(
    model: Fitted, journeys: JourneyFrame, label: NDArray[np.int8]
) -> tuple[Fitted, dict[str, Any]]:
    """Calibrate a model if its Brier score on held-out journeys gets no worse by it; return it and what was found.

    The sigmoid was fitted on the training side only. That the better of two is kept makes the Brier score of the kept
    one look a little better than it is; both are told.
    """
    if model.sigmoid is None:
        return model, {
            "method": "sigmoid",
            "used": False,
            "reason": "unseen journeys were too few, or ranked no better than by chance",
        }
    with threads_for(len(label)):
        raw: NDArray[np.float64] = model.pipeline.predict_proba(journeys)[:, 1]
    before = float(((raw - label) ** 2).mean())
    after = float(((apply_sigmoid(model.sigmoid, raw) - label) ** 2).mean())
    used = after <= before
    intercept, slope = model.sigmoid
    said = "no worse on held-out journeys" if used else "worse on held-out journeys"
    found = {"method": "sigmoid", "used": used, "reason": said, "brier_before": before, "brier_after": after}
    return replace(model, calibrated=used), found | {"intercept": intercept, "slope": slope}


def fit_boosting(journeys: JourneyFrame, label: NDArray[np.int8], *, seed: int = 0) -> Fitted:
    """Fit slow, small, gradient-boosted trees: the second model, for what is not linear."""
    rows = _at_most(len(label), seed)
    model = HistGradientBoostingClassifier(
        learning_rate=0.03, max_iter=200, max_leaf_nodes=7, min_samples_leaf=40, l2_regularization=5, random_state=seed
    )
    dense = FunctionTransformer(to_dense, accept_sparse=True)
    pipeline = Pipeline([("encode", features(journeys)), ("dense", dense), ("model", model)])
    return Fitted(BOOSTING, pipeline.fit(journeys[rows], label[rows]), len(rows), {})


def fit_dummies(journeys: JourneyFrame, label: NDArray[np.int8], *, seed: int = 0) -> list[Fitted]:
    """Fit what needs no path: the overall rate, the length of the journey, its last activity."""
    rows = _at_most(len(label), seed)
    prior = Pipeline([("encode", LengthEncoder()), ("model", DummyClassifier(strategy="prior"))])
    last = LastStateEncoder(["activity"], numbers=False)
    return [
        Fitted("prior", prior.fit(journeys[rows], label[rows]), len(rows), {}),
        fit_logistic_model("length", LengthEncoder(), journeys, label, strengths=(1.0,), seed=seed),
        fit_logistic_model("last activity", last, journeys, label, strengths=(1.0,), seed=seed),
    ]


def threads_for(rows: int) -> threadpool_limits:
    """Return a context in which small problems run on one thread: more of them only wait for each other."""
    return threadpool_limits(limits=1 if rows < SMALL else None)


def to_dense(matrix: sparse.csr_array) -> NDArray[np.float64]:
    """Return a matrix with its zeros: trees take nothing else."""
    return np.asarray(matrix.toarray(), dtype=np.float64)


def _folds(label: NDArray[np.int8], groups: NDArray[np.int64]) -> int:
    """Return three, or fewer if an outcome has fewer customers."""
    return min(3, *(len(np.unique(groups[label == value])) for value in (0, 1)))


def _at_most(count: int, seed: int) -> NDArray[np.int64]:
    if count <= MOST_TRAINED:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_TRAINED, replace=False))
