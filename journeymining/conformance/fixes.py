"""What to mend first: which deviations go with a worse outcome, in how many journeys, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.exceptions import InputError
from journeymining.proportions import newcombe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeymining.conformance.conform import Conformance

COLUMNS = [
    "type", "touchpoint", "journeys", "rate_with", "rate_without", "difference", "difference_low", "difference_high",
    "outcomes_at_stake",
]  # fmt: skip


def fix_list(conformance: Conformance, outcome: Mapping[str, bool], *, at_least: int = 10) -> pd.DataFrame:
    """Compare the outcome of journeys with and without each deviation.

    The difference is one that goes with the deviation; it need not be caused by it.

    Parameters
    ----------
    conformance : Conformance
        See `journeymining.conformance.conform.conform`.
    outcome : whether the outcome happened, per journey_id
        Journeys whose outcome is not known are left out, here and in the comparison.
    at_least : int, default 10
        Deviations of fewer journeys (or missing from fewer) are left out: nothing could be said.

    Returns
    -------
    DataFrame, one row per type and touchpoint
        ``type``, ``touchpoint``, ``journeys`` with it whose outcome is known, ``rate_with`` and ``rate_without`` the
        deviation, their ``difference`` with its 95 % interval (Newcombe), and ``outcomes_at_stake`` = journeys *
        difference; most at stake first.

    Raises
    ------
    InputError
        If no journey in scope has a known outcome.
    """
    inside = conformance.journeys[conformance.journeys["in_scope"]]["journey_id"]
    known = {journey: bool(outcome[journey]) for journey in inside if journey in outcome}
    if not known:
        raise InputError("No journey in scope has a known outcome: are the journey ids those of the log?")
    happened = sum(known.values())
    findings = conformance.findings[["type", "touchpoint", "journey_id"]].drop_duplicates()
    findings = findings[findings["journey_id"].isin(known)]
    rows = []
    for (kind, touchpoint), group in findings.groupby(["type", "touchpoint"]):
        count = len(group)
        others = len(known) - count
        if min(count, others) < at_least:
            continue
        bad = sum(known[journey] for journey in group["journey_id"])
        difference, low, high = (float(one) for one in newcombe(bad, count, happened - bad, others))
        without = (happened - bad) / others
        rows.append([kind, touchpoint, count, bad / count, without, difference, low, high, count * difference])
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = np.lexsort((table["touchpoint"], table["type"], -table["outcomes_at_stake"].astype(float)))
    return table.iloc[order].reset_index(drop=True)
