"""What to mend first: which deviations go with a worse outcome, in how many journeys, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.exceptions import InputError
from journeymining.proportions import newcombe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from journeymining.conformance.conform import Conformance

COLUMNS = [
    "type", "touchpoint", "journeys", "known", "rate_with", "rate_without", "difference", "difference_low",
    "difference_high", "wanted", "worth", "worth_low", "worth_high",
]  # fmt: skip

FILE = "fix_list.csv"


def fix_list(
    conformance: Conformance, outcome: Mapping[str, bool], *, wanted: bool = False, at_least: int = 10
) -> pd.DataFrame:
    """Compare the outcome of journeys with and without each deviation.

    The difference is an association: it goes with the deviation and need not be caused by it.

    Parameters
    ----------
    conformance : Conformance
        See `journeymining.conformance.conform.conform`.
    outcome : whether the outcome happened, per journey_id
        Journeys whose outcome is not known are left out of the comparison.
    wanted : bool, default False
        Whether the outcome is a good one, such as a renewal; otherwise it is a bad one, such as a cancellation.
    at_least : int, default 10
        Deviations of fewer journeys with a known outcome (or missing from fewer) are left out: nothing could be said.

    Returns
    -------
    DataFrame, one row per type and touchpoint
        ``type``, ``touchpoint``; ``journeys`` concerned, of which ``known`` have a known outcome; ``rate_with`` and
        ``rate_without`` the deviation, their ``difference`` with its 95 % interval (Newcombe); ``wanted``; and
        ``worth``: how many unwanted outcomes fewer, or wanted ones more, would go with mending it, which is journeys
        times difference, with its interval from that of the difference. Most worth first, ties by name.

    Raises
    ------
    InputError
        If no journey in scope has a known outcome.
    """
    inside = conformance.journeys[conformance.journeys["in_scope"]]["journey_id"]
    known = {journey: bool(outcome[journey]) for journey in inside if journey in outcome}
    if not known:
        raise InputError("No journey in scope has a known outcome: are the journey ids those of the log?")
    happened, sign = sum(known.values()), -1 if wanted else 1
    findings = conformance.findings[["type", "touchpoint", "journey_id"]].drop_duplicates()
    rows = []
    for (kind, touchpoint), group in findings.groupby(["type", "touchpoint"]):
        having = [known[journey] for journey in group["journey_id"] if journey in known]
        count, others = len(having), len(known) - len(having)
        if min(count, others) < at_least:
            continue
        bad = sum(having)
        difference, low, high = (float(one) for one in newcombe(bad, count, happened - bad, others))
        worth = sorted(sign * len(group) * one for one in (low, high))
        rows.append(
            [kind, touchpoint, len(group), count, bad / count, (happened - bad) / others, difference, low, high, wanted,
             sign * len(group) * difference, *worth]
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    order = np.lexsort((table["touchpoint"], table["type"], -table["worth"].astype(float)))
    return table.iloc[order].reset_index(drop=True)


def write_fix_list(table: pd.DataFrame, folder: Path) -> None:
    """Write a fix list as ``fix_list.csv`` into the folder of its outcome, which need not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / FILE, index=False, lineterminator="\n")
