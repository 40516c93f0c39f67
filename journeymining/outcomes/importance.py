"""What a model leans on: how much worse it ranks unseen journeys when a piece of information is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from journeymining.outcomes.evaluation import auc
from journeymining.outcomes.models import threads_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.models import Fitted

LENGTH_AND_TIME = frozenset(
    {"events", "log events", "duration days", "mean wait days", "longest wait days", "start weekday", "start hour"}
)
CHANNELS = frozenset({"channels", "switches", "switch rate", "forced switches", "back and forth", "channel entropy"})
DESIGN = frozenset({"alignment cost", "1 - fitness", "not compared with the design"})
SUMMARIES = frozenset({"count", "first", "last", "mean", "highest", "lowest", "sum", "spread"})

MOST_SHUFFLED = 20_000
"""Held-out journeys used at most; beyond, a seeded sample of them."""


def grouped_importance(
    model: Fitted,
    journeys: JourneyFrame,
    label: NDArray[np.int8],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure how much the AUC on unseen journeys falls when everything said of one activity or attribute is shuffled.

    Columns that tell the same (how often an activity occurs, whether it came first) are shuffled together: one at a
    time, each would stand in for the other and none would seem to matter.

    Returns
    -------
    DataFrame, one row per group
        ``group``, ``importance`` (mean fall of the AUC), ``spread`` (over the repeats), ``columns``; the largest
        first, ties by name. An association with the model's predictions, not a cause of the outcome.

    References
    ----------
    L. Breiman, *Machine Learning* 45 (2001) 5-32, section 10.
    """
    with threads_for(len(label)):
        return _shuffle_groups(model, journeys, label, repeats, np.random.default_rng(seed))


def _shuffle_groups(
    model: Fitted, journeys: JourneyFrame, label: NDArray[np.int8], repeats: int, generator: np.random.Generator
) -> pd.DataFrame:
    if len(label) > MOST_SHUFFLED:
        rows = np.sort(generator.choice(len(label), MOST_SHUFFLED, replace=False))
        journeys, label = journeys[rows], label[rows]
    encoder, classifier = model.pipeline[0], model.pipeline[1:]
    encoded = encoder.transform(journeys).tocsc()
    weights = linear_weights(model)
    ranked = encoded @ weights if weights is not None else classifier.predict_proba(encoded.tocsr())[:, 1]
    whole = auc(label, ranked)
    groups = pd.Series([feature_group(str(name)) for name in encoder.get_feature_names_out()])
    found = []
    for group, places in groups.groupby(groups, sort=True).groups.items():
        columns = np.asarray(places, dtype=np.int64)
        part = encoded[:, columns]
        falls = []
        for _ in range(repeats if part.nnz else 0):
            shuffled = generator.permutation(len(label))
            if weights is not None:
                # What a linear model says is a sum, so only the part that is shuffled has to be added anew; rounded,
                # so that equal journeys stay tied.
                share = part @ weights[columns]
                scores = np.round(ranked - share + share[shuffled], 9)
            else:
                scores = _mixed(classifier, encoded, columns, shuffled)
            falls.append(whole - auc(label, scores))
        if falls:
            found.append((str(group), float(np.mean(falls)), float(np.std(falls)), len(columns)))
    table = pd.DataFrame(found, columns=["group", "importance", "spread", "columns"])
    return table.sort_values(["importance", "group"], ascending=[False, True], ignore_index=True)


def linear_weights(model: Fitted) -> NDArray[np.float64] | None:
    """Return what one unit of every feature adds to the log-odds of a logistic model; None for any other model."""
    steps = model.pipeline.named_steps
    if not isinstance(steps["model"], LogisticRegression) or "scale" not in steps:
        return None
    weights: NDArray[np.float64] = steps["model"].coef_[0] / steps["scale"].scale_
    return weights


def _mixed(
    classifier: Any, encoded: sparse.csc_array, columns: NDArray[np.int64], shuffled: NDArray[np.int64]
) -> NDArray[np.float64]:
    others = np.setdiff1d(np.arange(encoded.shape[1]), columns)
    back = np.argsort(np.concatenate([others, columns]))
    mixed = sparse.hstack([encoded[:, others], encoded[:, columns].tocsr()[shuffled]], format="csc")[:, back].tocsr()
    result: NDArray[np.float64] = classifier.predict_proba(mixed)[:, 1]
    return result


def feature_group(name: str) -> str:
    """Return the activity or attribute that a feature is about.

    Examples
    --------
    >>> feature_group("count activity helpdesk_call"), feature_group("mean value"), feature_group("longest wait days")
    ('activity helpdesk_call', 'value', 'length and time')
    """
    if name in LENGTH_AND_TIME:
        return "length and time"
    if name in CHANNELS:
        return "channel changes"
    if name in DESIGN:
        return "fit with the design"
    if name == "hours late":
        return "deviation late"
    first, _, rest = name.partition(" ")
    return rest if rest and first in SUMMARIES else name
