"""What hastens an outcome while journeys still run: Cox models in which a pattern counts from when it happened on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.exceptions import UsageError
from journeymining.outcomes.survival import cox
from journeymining.proportions import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

DAY = 86_400e6
MOST_JOURNEYS = 10_000
"""Journeys a hazard model is fitted on at most; of more, every so many-th."""

TIMED = ("activity", "channel", "sequence", "subsequence")
"""Levels of patterns that happen at a moment."""

GAPS = {" > ": 0, " ... ": 2}
"""How many events may lie between the items of a pattern, by what is written between them."""


def pattern_times(journeys: JourneyFrame, level: str, pattern: str) -> NDArray[np.int64]:
    """Return when every journey first had a pattern: when its last item happened; the greatest integer if never.

    Parameters
    ----------
    journeys : JourneyFrame
    level, pattern : str
        As in the table of effects: ``activity`` (its name), ``channel`` (``uses phone``), ``sequence`` (``a > b``),
        ``subsequence`` (``a ... b``, up to two events between).

    Examples
    --------
    >>> from journeymining.outcomes.journey_frame import journeys_from_events
    >>> log = pd.DataFrame({"journey_id": ["a", "a", "b"], "activity": ["x", "y", "y"],
    ...     "timestamp": pd.to_datetime([1, 2, 3], unit="s", utc=True)})
    >>> pattern_times(journeys_from_events(log), "sequence", "x > y").tolist()
    [2000000, 9223372036854775807]
    """
    if level == "channel" and pattern.startswith("uses "):
        column, items, gap = journeys.coded["channel"], [pattern.removeprefix("uses ")], 0
    elif level == "activity":
        column, items, gap = journeys.coded["activity"], [pattern], 0
    elif level in ("sequence", "subsequence"):
        between = " > " if level == "sequence" else " ... "
        column, items, gap = journeys.coded["activity"], pattern.split(between), GAPS[between]
    else:
        raise UsageError(f"A pattern of level '{level}' happens at no single moment: {pattern}.")
    codes = [column.levels.index(item) if item in column.levels else -2 for item in items]
    reached = column.codes == codes[0]
    for code in codes[1:]:
        earlier = np.zeros_like(reached)
        for step in range(1, gap + 2):
            earlier[step:] |= reached[:-step] & (journeys.row[step:] == journeys.row[:-step])
        reached = earlier & (column.codes == code)
    times = np.full(len(journeys), np.iinfo(np.int64).max)
    np.minimum.at(times, journeys.row[reached], journeys.time[reached])
    return times


def stretches(
    start: NDArray[np.int64], stop: NDArray[np.int64], happened: NDArray[np.bool_], since: NDArray[np.int64]
) -> pd.DataFrame:
    """Cut the time that journeys are watched in two where a pattern comes: before it they do not have it yet.

    Returns
    -------
    DataFrame, one row per journey and stretch of time
        ``journey`` (position), ``start``, ``stop`` (days since the journey began), ``happened`` (whether the outcome
        came at stop), ``has`` (1 after the pattern). Journeys that are not watched for any time have no row.
    """
    begin, end = np.zeros(len(start)), (stop - start) / DAY
    # Subtracted as numbers with a fraction: a pattern that never comes is beyond every integer difference.
    turn = np.clip(since.astype(float) - start, 0, None) / DAY
    number = np.arange(len(start))
    before = pd.DataFrame(
        {"journey": number, "start": begin, "stop": np.minimum(end, turn), "happened": happened & (end <= turn),
         "has": 0.0}
    )  # fmt: skip
    after = pd.DataFrame(
        {"journey": number, "start": np.minimum(end, turn), "stop": end, "happened": happened, "has": 1.0}
    )
    table = pd.concat([before, after], ignore_index=True).sort_values(["journey", "start"], kind="stable")
    return table[table["stop"] > table["start"]].reset_index(drop=True)


def compare_hazards(
    journeys: JourneyFrame,
    stop: NDArray[np.int64],
    happened: NDArray[np.bool_],
    patterns: Sequence[tuple[str, str]],
) -> pd.DataFrame:
    """Compare, for every pattern, how fast the outcome comes after it and without it; no landmark is needed.

    Every journey counts as without the pattern until it has it, so that nobody is credited with having waited for it
    (immortal time). The clock is the time since the journey began.

    Parameters
    ----------
    journeys : JourneyFrame
        Whole paths; of more than 10,000 journeys every so many-th is taken.
    stop : array of int
        Until when a journey was watched, microseconds UTC.
    happened : array of bool
        Whether the outcome came then.
    patterns : sequence of (level, pattern)
        See `pattern_times`.

    Returns
    -------
    DataFrame, one row per pattern
        ``level``, ``pattern``, ``n`` (journeys that had it while watched), ``hazard_ratio``, ``low``, ``high`` (95 %,
        robust to customers with several journeys), ``p``, ``q`` (Benjamini-Hochberg); smallest p first. NaN where the
        outcome never comes with, or never without the pattern.
    """
    step = max(1, -(-len(journeys) // MOST_JOURNEYS))
    journeys, stop, happened = journeys[::step], stop[::step], happened[::step]
    customers = pd.factorize(journeys.customer_id)[0]
    found = []
    for level, pattern in patterns:
        rows = stretches(journeys.start, stop, happened, pattern_times(journeys, level, pattern))
        rows["customer"] = customers[rows["journey"]]
        told: tuple[float, ...] = (math.nan,) * 4
        if rows.groupby("has")["happened"].any().reindex([0.0, 1.0], fill_value=False).all():
            one = cox(rows, ["has"], customers="customer").iloc[0]
            told = tuple(float(one[name]) for name in ("hazard_ratio", "low", "high", "p"))
        found.append((level, pattern, int((rows["has"] == 1).sum()), *told))
    columns = ["level", "pattern", "n", "hazard_ratio", "low", "high", "p"]
    table = pd.DataFrame(found, columns=columns).astype(dict.fromkeys(columns[3:], float))
    table["q"] = benjamini_hochberg(table["p"])
    return table.sort_values(["p", "level", "pattern"], kind="stable", ignore_index=True)
