"""What gives the answer away: events and attributes that are the outcome under another name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from journeymining.exceptions import InputError
from journeymining.outcomes.deviations import ConformanceEncoder
from journeymining.outcomes.encoders import AggregateEncoder, LastStateEncoder, StaticEncoder
from journeymining.outcomes.evaluation import auc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journeymining.outcomes.landmarks import LinkedOutcome

GIVEAWAY = 0.98
"""From this AUC on, a single feature is taken for the outcome itself."""

EXCLUSIVE = 10
"""Journeys of one outcome only, from which on an activity is suspicious."""

LEAST = 10
"""Journeys of either outcome that the audit needs: with fewer, features of no meaning part them by chance."""

CHANCE = 1e-3
"""An activity of one outcome only is no proxy if chance alone would make so many journeys agree this often."""

COLUMNS = ["feature", "journeys", "rate", "auc", "reason", "allowed"]


def audit(linked: LinkedOutcome, *, allow: Sequence[str] = ()) -> pd.DataFrame:
    """Find proxies of the outcome that were not masked.

    Parameters
    ----------
    linked : LinkedOutcome
    allow : sequence of str
        Features or activities that may stay, whatever they look like.

    Returns
    -------
    DataFrame, one row per suspicious feature
        ``feature``, ``journeys`` that have it, ``rate`` of the outcome among them, ``auc`` of the feature alone,
        ``reason``, ``allowed``. A feature is suspicious if it ranks the outcome with an AUC of .98 or more either way,
        or if it is an activity that 10 journeys or more have, all of one outcome, which chance alone would do in less
        than one of a thousand logs. Activities first, then the highest AUC, ties by name. Nothing is suspicious, and
        nothing cleared, where fewer than 10 journeys have the rarer outcome: see `auditable`.
    """
    if not auditable(linked):
        return pd.DataFrame(columns=COLUMNS)
    found = pd.DataFrame(_suspicions(linked), columns=COLUMNS[:-1])
    # That a journey begins or ends with what gives it away is no second finding.
    follows = {f"{place} activity {name}" for place in ("first", "last") for name in found["feature"]}
    found = found[~found["feature"].isin(follows)]
    # Activities first: they can be masked, and what else looks suspicious often only follows from them.
    maskable = found["feature"].isin(linked.journeys.activities)
    found = found.assign(maskable=maskable).sort_values(
        ["maskable", "auc", "feature"], ascending=[False, False, True], ignore_index=True
    )[COLUMNS[:-1]]
    found["allowed"] = found["feature"].isin(list(allow))
    return found


def _suspicions(linked: LinkedOutcome) -> list[tuple[str, int, float, float, str]]:
    """Return every suspicious feature: name, journeys that have it, their rate, its AUC, why."""
    journeys, label = linked.journeys, linked.label
    rate, tested, rows = float(label.mean()), max(1, len(journeys.activities)), []
    for encoder in (AggregateEncoder(), StaticEncoder(), LastStateEncoder(), ConformanceEncoder()):
        matrix = encoder.fit_transform(journeys).tocsc()
        for place, name in enumerate(encoder.get_feature_names_out()):
            column = matrix[:, [place]].toarray().ravel()
            having = column != 0
            n, own = int(having.sum()), float(label[having].mean()) if having.any() else math.nan
            alone = auc(label, column)
            reasons = []
            if max(alone, 1 - alone) >= GIVEAWAY:
                reasons.append(f"ranks the outcome by itself (AUC {max(alone, 1 - alone):.3f})")
            if str(name).startswith("count activity ") and n >= EXCLUSIVE and own in (0.0, 1.0):
                alike = rate if own else 1 - rate
                if alike**n * tested < CHANCE:
                    reasons.append(f"occurs only in journeys {'with' if own else 'without'} the outcome")
            if reasons:
                rows.append((_short(str(name)), n, own, max(alone, 1 - alone), " and ".join(reasons)))
    return rows


def auditable(linked: LinkedOutcome) -> bool:
    """Return whether both outcomes have the 10 journeys that telling a proxy from chance needs."""
    positives = int(linked.label.sum())
    return min(positives, len(linked.label) - positives) >= LEAST


def refuse_proxies(found: pd.DataFrame, outcome: str) -> None:
    """Raise InputError if the audit found something that was not explicitly allowed."""
    open_ones = found[~found["allowed"].astype(bool)]
    if len(open_ones):
        first = open_ones.iloc[0]
        names = ", ".join(open_ones["feature"].head(5))
        raise InputError(
            f"Outcome '{outcome}': {len(open_ones)} features give it away: {names}. '{first['feature']}' "
            f"{first['reason']} ({first['journeys']} journeys). Mask them, or allow them by name if they are "
            "legitimate (mask: [...] or allow_proxies: [...] in a job, --mask or --allow-proxy on the command line)."
        )


def _short(name: str) -> str:
    """Return the activity or deviation that a feature counts, so that it can be masked or allowed by its own name."""
    return name.removeprefix("count activity ").removeprefix("count deviation ")
