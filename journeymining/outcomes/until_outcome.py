"""How long journeys stay without an outcome, by variant class: curves and comparisons of one outcome of a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from journeymining.exceptions import EmptyLogError, UsageError
from journeymining.outcomes.hazards import TIMED, compare_hazards
from journeymining.outcomes.labels import Occurrences, occurrences_in_log, scope_of
from journeymining.outcomes.landmarks import REASONS, at_landmark, leave_out, length
from journeymining.outcomes.survival import compare_survival, kaplan_meier
from journeymining.outcomes.variants import memberships

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.journey_frame import JourneyFrame

DAY = 86_400e6
CURVES = 5
"""Patterns whose curves are told: those with the smallest p."""

MOST_HAZARDS = 10


@dataclass(frozen=True, eq=False)
class UntilOutcome:
    """One row per pattern in ``comparison`` and ``hazards``, per group and time in ``curves``; all in ``counts``."""

    comparison: pd.DataFrame
    curves: pd.DataFrame
    hazards: pd.DataFrame
    counts: dict[str, int]


def until_outcome(
    name: str,
    config: OutcomeConfig,
    journeys: JourneyFrame,
    *,
    in_scope: NDArray[np.bool_] | None = None,
    least: int = 30,
) -> UntilOutcome:
    """Compare how long journeys of every variant class stay without an outcome, everyone counted while watched.

    The clock starts at the landmark plus the gap and stops at the outcome, at the horizon or at the end of the log,
    whichever comes first. Patterns are those known at the landmark, so nobody had to stay to get one.

    Parameters
    ----------
    name : str
    config : OutcomeConfig
        Its source must be ``event``.
    journeys : JourneyFrame
    in_scope : array of bool, optional
        Journeys that the question is about.
    least : int
        Journeys that must have a pattern, and as many that must not.

    Returns
    -------
    UntilOutcome
        ``comparison``: ``level``, ``pattern``, ``n``, ``median_with``, ``median_without`` (days; NaN if not reached),
        ``p`` (log-rank; journeys of one customer count as independent), ``q`` (Benjamini-Hochberg over all rows);
        smallest p first. ``curves``: ``group`` (*all*, and *with* and *without* the five patterns of smallest p) and
        the columns of `journeymining.outcomes.survival.kaplan_meier`, time in days. ``hazards``: of the ten patterns of
        smallest p that happen at a moment, how fast the outcome comes once they have, watched from the beginning of a
        journey for as long as the horizon; see `journeymining.outcomes.hazards.compare_hazards`.

    Raises
    ------
    UsageError
        If the outcome is no event.
    EmptyLogError
        If no journey is watched after its landmark, or the outcome never comes.
    """
    if not config.event:
        raise UsageError("How long it takes until an outcome can be said of events only: --event ACTIVITY.")
    in_scope = scope_of(config, journeys, in_scope)
    mask = list(dict.fromkeys([*config.event, *config.mask]))
    paths, landmark, reason = at_landmark(journeys, config.landmark, config.window, mask, in_scope)
    begin = landmark + length(config.gap)
    found = Occurrences(journeys, occurrences_in_log(journeys, config.event), begin, begin)
    if config.happens_once(name):
        leave_out(reason, found.before > 0, "already")
    end = int(journeys.time.max())
    leave_out(reason, begin >= end, "censored")
    rows = np.flatnonzero(reason == "")
    watched = np.minimum(begin + length(config.horizon), end)
    came = (found.next <= watched)[rows]
    counts = {"journeys": len(journeys), "watched": len(rows), "outcomes": int(came.sum())}
    counts |= {text: int((reason == key).sum()) for key, text in REASONS.items() if key != "no_answer"}
    if not came.any():
        raise EmptyLogError(f"Outcome '{name}': it never comes in the {len(rows)} journeys that are watched.")
    days = (np.minimum(found.next, watched) - begin)[rows] / DAY
    comparison, curves = _compare(paths[rows], days, came, least)
    whole = journeys.keep_events(~journeys.is_activity(mask))
    hazards = _hazards(name, config, whole if in_scope is None else whole[in_scope], journeys, comparison)
    return UntilOutcome(comparison, curves, hazards, counts)


def _hazards(
    name: str, config: OutcomeConfig, paths: JourneyFrame, journeys: JourneyFrame, comparison: pd.DataFrame
) -> pd.DataFrame:
    """Compare hazards over whole paths, which lack the masked events; the outcomes are those of all journeys."""
    end = int(journeys.time.max())
    paths = paths[(paths.lengths > 0) & (paths.start < end)]
    found = Occurrences(paths, occurrences_in_log(journeys, config.event), paths.start, paths.start)
    if config.happens_once(name):
        paths, following = paths[found.before == 0], found.next[found.before == 0]
    else:
        following = found.next
    watched = np.minimum(paths.start + length(config.horizon), end)
    timed = comparison[comparison["level"].isin(TIMED)].head(MOST_HAZARDS)
    timed = timed[timed["pattern"].str.startswith("uses ") | (timed["level"] != "channel")]
    patterns = list(zip(timed["level"], timed["pattern"], strict=True))
    return compare_hazards(paths, np.minimum(following, watched), following <= watched, patterns)


def _compare(
    paths: JourneyFrame, days: NDArray[np.float64], came: NDArray[np.bool_], least: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = memberships(paths, np.arange(len(paths)), least=least)
    # Where a question does not arise for some journeys, those without the pattern are not comparable.
    usable = [place for place in range(len(table)) if table.asked[place] is None]
    has = pd.DataFrame({place: table.column(place) for place in usable}, index=range(len(paths)))
    comparison = compare_survival(days, came, has)
    places = comparison["pattern"].astype(int)
    comparison.insert(0, "level", pd.Series([table.level[place] for place in places], dtype="str"))
    comparison["pattern"] = pd.Series([table.pattern[place] for place in places], dtype="str")
    groups = {"all": np.ones(len(paths), dtype=bool)}
    for place in places.head(CURVES):
        groups[f"with {table.pattern[place]}"] = has[place].to_numpy()
        groups[f"without {table.pattern[place]}"] = ~has[place].to_numpy()
    parts = [kaplan_meier(days[inside], came[inside]).assign(group=group) for group, inside in groups.items()]
    curves = pd.concat(parts, ignore_index=True)
    return comparison, curves[["group", *(name for name in curves.columns if name != "group")]]
