"""Where journeys depart from the designed one, as the models see it: counts, the alignment, lateness, broken rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from scipy import sparse

from journeymining.outcomes.encoders import JourneyEncoder
from journeymining.outcomes.variants import DEVIATIONS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

FIGURES = ("cost", "fitness", "late_by")
"""Columns of the journeys table of conformance that say how far a journey is from the design."""

BROKEN = ("broken", "violated")
"""Verdicts of promises and rules that count."""

HOUR = 3600.0


def with_deviations(journeys: JourneyFrame, deviations: pd.DataFrame) -> tuple[JourneyFrame, NDArray[np.bool_] | None]:
    """Give journeys what a comparison with the design says of them; return also which are in the design's scope.

    Parameters
    ----------
    journeys : JourneyFrame
    deviations : DataFrame, one row per journey
        As `journeymining.conformance.conform` gives it: ``journey_id``, ``in_scope``, a count or boolean per type of
        deviation, ``cost``, ``fitness``, ``late_by`` (seconds) and verdicts (``promise_0``, ``rule_0``). Any of them
        but ``journey_id`` may be absent.

    Returns
    -------
    journeys : JourneyFrame
        With these numbers as its ``conformance``; missing where the table has no row. Verdicts are 1 where broken.
    in_scope : array of bool, or None
        None if the table does not say.
    """
    counts = [name for name in DEVIATIONS if name in deviations]
    verdicts = [name for name in deviations if str(name).startswith(("promise_", "rule_"))]
    table = deviations[["journey_id", *counts, *(name for name in FIGURES if name in deviations)]].copy()
    table[counts] = table[counts].fillna(0)
    for name in verdicts:
        table[name] = deviations[name].isin(BROKEN)
    compared = journeys.with_conformance(table)
    if "in_scope" not in deviations:
        return compared, None
    scope = deviations.set_index("journey_id")["in_scope"].astype("boolean").reindex(journeys.journey_id)
    return compared, scope.fillna(value=False).to_numpy(dtype=bool)


class ConformanceEncoder(JourneyEncoder):
    """How far a journey is from the designed one: deviations by type, alignment, lateness, broken promises and rules.

    A journey as designed has zeros throughout: instead of the fitness stands what is missing from 1. A journey that was
    not compared has zeros, too, and says so in a column of its own. Promises and rules are numbered as in the tables
    of conformance.
    """

    def fit(self, journeys: JourneyFrame, y: object = None) -> Self:
        """Learn what the comparison tells."""
        del y
        self.columns_ = [] if journeys.conformance is None else [str(name) for name in journeys.conformance.columns]
        self.names_ = [_feature(name) for name in self.columns_]
        if self.columns_:
            self.names_ += ["not compared with the design"]
        return self

    def transform(self, journeys: JourneyFrame) -> sparse.csr_array:
        """Return counts and figures per journey."""
        result = np.zeros((len(journeys), len(self.names_)))
        if journeys.conformance is None or not self.columns_:
            return sparse.csr_array(result)
        table = journeys.conformance.reindex(columns=self.columns_).astype(float)
        for place, name in enumerate(self.columns_):
            values = table[name].to_numpy()
            told = 1 - values if name == "fitness" else values / HOUR if name == "late_by" else values
            result[:, place] = np.nan_to_num(told)
        result[:, -1] = table.isna().all(axis=1)
        return sparse.csr_array(result)


def _feature(column: str) -> str:
    """Return what a column of the comparison is called among the features."""
    told = {"cost": "alignment cost", "fitness": "1 - fitness", "late_by": "hours late"}
    return told.get(column, f"count deviation {column}" if column in DEVIATIONS else f"breaks {column}")
