"""What a model leans on: how much worse it ranks unseen journeys when a piece of information is shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

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
    whole = auc(label, classifier.predict_proba(encoded.tocsr())[:, 1])
    groups = pd.Series([feature_group(str(name)) for name in encoder.get_feature_names_out()])
    found = []
    for group, places in groups.groupby(groups, sort=True).groups.items():
        columns = np.asarray(places, dtype=np.int64)
        others = np.setdiff1d(np.arange(encoded.shape[1]), columns)
        part, rest = encoded[:, columns].tocsr(), encoded[:, others]
        back = np.argsort(np.concatenate([others, columns]))
        falls = []
        for _ in range(repeats if part.nnz else 0):
            mixed = sparse.hstack([rest, part[generator.permutation(len(label))]], format="csc")[:, back].tocsr()
            falls.append(whole - auc(label, classifier.predict_proba(mixed)[:, 1]))
        if falls:
            found.append((str(group), float(np.mean(falls)), float(np.std(falls)), len(columns)))
    table = pd.DataFrame(found, columns=["group", "importance", "spread", "columns"])
    return table.sort_values(["importance", "group"], ascending=[False, True], ignore_index=True)


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
    first, _, rest = name.partition(" ")
    return rest if rest and first in SUMMARIES else name
