"""From journeys and outcomes to labels: yes, no, or not known, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.exceptions import InputError, UsageError, did_you_mean
from journeymining.outcomes.journey_frame import JourneyFrame, microseconds
from journeymining.outcomes.landmarks import Judged, LinkedOutcome, at_landmark, leave_out, length, linked_outcome
from journeymining.outcomes.surveys import judge_survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from numpy.typing import NDArray

    from journeymining.outcomes.config import OutcomeConfig

NEVER = np.iinfo(np.int64).max
"""The time of what did not come."""


def link_outcome(journeys: JourneyFrame, outcomes: pd.DataFrame, **question: Any) -> LinkedOutcome:
    """Keep the journeys whose label is certain and count the others by reason; asked like `judge_outcome`."""
    return linked_outcome(judge_outcome(journeys, outcomes, **question))


def judge_outcome(
    journeys: JourneyFrame,
    outcomes: pd.DataFrame,
    *,
    landmark: str,
    window: str | timedelta,
    gap: str | timedelta,
    horizon: str | timedelta,
    name: str = "outcome",
    mask: Sequence[str] = (),
    once: bool = False,
    silence: bool = False,
    at_least: float | None = None,
    in_scope: NDArray[np.bool_] | None = None,
    observed_until: pd.Timestamp | None = None,
    definition: str | None = None,
) -> Judged:
    """Label every journey by whether its customer had the outcome in the time after the landmark.

    With t0 the landmark, g the gap, h the horizon and w the window, a path holds the events in (t0 - w, t0] and the
    outcome counts in (t0 + g, t0 + g + h]. A journey whose customer was not observed until t0 + g + h is censored,
    whatever was seen until then: keeping only its early "yes" would raise the rate.

    Parameters
    ----------
    journeys : JourneyFrame
        See `journeymining.outcomes.journey_frame`.
    outcomes : DataFrame, one row per occurrence
        ``customer_id`` and ``time``; optionally ``value`` (for ``at_least``) and ``observed_until`` per customer.
    landmark : str
        ``journey_end`` (of the events that are not masked), ``event 3`` or a date.
    window : duration or ``"journey"``
        How far before the landmark a path begins, or where its journey does. Without an event in it a journey is left
        out as ``nothing_left``.
    gap, horizon : duration
        Such as ``"180 days"``.
    mask : sequence of str
        Activities that are the outcome or give it away; removed before the landmark is set.
    once : bool
        Customers who had the outcome at or before t0 + g are left out as ``already``.
    silence : bool
        The label is 1 if the customer has *no* row in the window.
    at_least : float
        The label is 1 if the values in the window sum to this or more.
    in_scope : array of bool, optional
        Journeys that the question is about.
    observed_until : Timestamp, optional
        Where the rows do not say it; default the last event of the log.

    Returns
    -------
    Judged
        Every journey; `journeymining.outcomes.landmarks.linked_outcome` keeps those with a label.
    """
    t_gap, t_horizon = length(gap), length(horizon)
    paths, t0, reason = at_landmark(journeys, landmark, window, mask, in_scope)
    for column in ("customer_id", "time"):
        if column not in outcomes:
            raise InputError.missing_column(column, outcomes.columns, where=f"The table of outcome '{name}'")
    finder = Occurrences(journeys, outcomes, t0 + t_gap, t0 + t_gap + t_horizon)
    if once and not silence:
        leave_out(reason, finder.before > 0, "already")
    until = _observed_until(journeys, outcomes, observed_until)
    leave_out(reason, t0 + t_gap + t_horizon > until, "censored")
    amount = finder.within if at_least is None else finder.sums
    label = (amount >= at_least) if at_least is not None else (amount == 0) if silence else (amount > 0)
    return Judged(
        name, paths, label, reason, t0, t0 + t_gap + t_horizon, list(mask), definition or f"{name} after {landmark}"
    )


def link(
    name: str,
    config: OutcomeConfig,
    journeys: JourneyFrame,
    *,
    surveys: pd.DataFrame | None = None,
    table: pd.DataFrame | None = None,
    in_scope: NDArray[np.bool_] | None = None,
) -> LinkedOutcome:
    """Label journeys as a section of the job file says."""
    return linked_outcome(judge(name, config, journeys, surveys=surveys, table=table, in_scope=in_scope))


def judge(
    name: str,
    config: OutcomeConfig,
    journeys: JourneyFrame,
    *,
    surveys: pd.DataFrame | None = None,
    table: pd.DataFrame | None = None,
    in_scope: NDArray[np.bool_] | None = None,
) -> Judged:
    """Say what is known of the outcome of every journey, as a section of the job file asks."""
    if config.scope:
        _known(config.scope, journeys, f"outcomes.{name}.scope")
    scope = scope_of(config, journeys, in_scope)
    definition = config.definition(name)
    if config.survey is not None:
        if surveys is None:
            raise UsageError(f"Outcome '{name}' is a survey, but there are no surveys.")
        return judge_survey(
            journeys,
            surveys,
            metric=config.survey,
            promoters=config.promoters,
            detractors=config.detractors,
            landmark=config.landmark,
            window=config.window,
            horizon=config.horizon,
            name=name,
            mask=config.mask,
            in_scope=scope,
            definition=definition,
        )
    if config.event:
        _known(config.event, journeys, f"outcomes.{name}.event")
        occurrences = occurrences_in_log(journeys, config.event)
    elif config.silence:
        occurrences = occurrences_in_log(journeys, journeys.activities)
    else:
        if table is None or "type" not in table:
            raise UsageError(f"Outcome '{name}' needs a table of outcomes with a column 'type'.")
        occurrences = table[table["type"] == config.table]
        if occurrences.empty:
            types = ", ".join(sorted(map(str, table["type"].unique())))
            raise InputError(f"The table of outcomes has no rows of type '{config.table}'. Found: {types}.")
    return judge_outcome(
        journeys,
        occurrences,
        landmark=config.landmark,
        window=config.window,
        gap=config.gap,
        horizon=config.horizon,
        name=name,
        mask=list(dict.fromkeys([*config.event, *config.mask])),
        once=config.happens_once(name),
        silence=config.silence,
        at_least=config.at_least,
        in_scope=scope,
        definition=definition,
    )


def scope_of(
    config: OutcomeConfig, journeys: JourneyFrame, in_scope: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Return which journeys a question is about: those with an activity of its scope, of those already in scope."""
    if not config.scope:
        return in_scope
    inside = np.bincount(journeys.row[journeys.is_activity(config.scope)], minlength=len(journeys)) > 0
    return inside if in_scope is None else in_scope & inside


def occurrences_in_log(journeys: JourneyFrame, activities: Sequence[str]) -> pd.DataFrame:
    """Return every event that is one of these activities as a row of an outcomes table: customer_id, time, value."""
    chosen = journeys.is_activity(activities)
    value = journeys.numbers.get("value")
    return pd.DataFrame(
        {
            "customer_id": journeys.customer_id[journeys.row[chosen]],
            "time": pd.to_datetime(journeys.time[chosen], unit="us", utc=True),
            "value": np.nan if value is None else value[chosen],
        }
    )


class Occurrences:
    """What every journey's customer had before a moment and within a time after it.

    ``before`` and ``within`` count, ``sums`` adds the values within, ``next`` is when the first one came after the
    moment, whether within the time or not (microseconds UTC, `NEVER` without one).
    """

    def __init__(
        self,
        journeys: JourneyFrame,
        outcomes: pd.DataFrame,
        after: NDArray[np.int64],
        until: NDArray[np.int64],
    ) -> None:
        known = outcomes[outcomes["time"].notna() & outcomes["customer_id"].notna()]
        codes, names = pd.factorize(journeys.customer_id)
        owner = pd.Index(names).get_indexer(known["customer_id"].astype(str).to_numpy(dtype=object))
        times = microseconds(known["time"])[owner >= 0]
        values = known["value"].to_numpy(dtype=float) if "value" in known else np.ones(len(known))
        values, owner = np.nan_to_num(values[owner >= 0]), owner[owner >= 0]
        order = np.lexsort((times, owner))
        # Ranks instead of times, so that customer and time fit one integer.
        moments, rank = np.unique(np.concatenate([times[order], after, until]), return_inverse=True)
        width = len(moments) + 1
        keys = owner[order] * width + rank[: len(times)]
        first = np.searchsorted(keys, codes * width, side="left")
        low = np.searchsorted(keys, codes * width + rank[len(times) : len(times) + len(after)], side="right")
        high = np.searchsorted(keys, codes * width + rank[len(times) + len(after) :], side="right")
        total = np.concatenate([[0.0], np.cumsum(values[order])])
        last = np.searchsorted(keys, codes * width + width - 1, side="right")
        found = np.append(times[order], NEVER)
        self.next = np.where(low < last, found[low], NEVER)
        self.before = low - first
        self.within = high - low
        self.sums = total[high] - total[low]


def _observed_until(journeys: JourneyFrame, outcomes: pd.DataFrame, default: pd.Timestamp | None) -> NDArray[np.int64]:
    last = int(journeys.time.max()) if default is None else int(pd.Timestamp(default).value // 1000)
    until = np.full(len(journeys), last, dtype=np.int64)
    if "observed_until" in outcomes and outcomes["observed_until"].notna().any():
        told = outcomes[outcomes["observed_until"].notna()]
        moments = pd.Series(microseconds(told["observed_until"]), index=told["customer_id"].astype(str))
        known = moments.groupby(level=0).max().reindex(journeys.customer_id)
        until[known.notna().to_numpy()] = known.dropna().astype("int64")
    return until


def _known(names: Sequence[str], journeys: JourneyFrame, where: str) -> None:
    for name in names:
        if name not in journeys.activities:
            shown = ", ".join(journeys.activities[:12]) + (", ..." if len(journeys.activities) > 12 else "")
            raise UsageError(
                f"{where}: the log has no activity '{name}'.{did_you_mean(name, journeys.activities)} It has: {shown}."
            )
