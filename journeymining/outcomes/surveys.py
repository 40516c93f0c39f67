"""Survey answers as an outcome: what customers said after their journey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.journeys.answers import answers_on_journeys
from journeymining.outcomes.landmarks import Judged, LinkedOutcome, at_landmark, leave_out, length, linked_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    import pandas as pd
    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame


def link_survey(journeys: JourneyFrame, surveys: pd.DataFrame, **question: Any) -> LinkedOutcome:
    """Keep the journeys whose label is certain and count the others by reason; asked like `judge_survey`."""
    return linked_outcome(judge_survey(journeys, surveys, **question))


def judge_survey(
    journeys: JourneyFrame,
    surveys: pd.DataFrame,
    *,
    metric: str,
    promoters: float | None = None,
    detractors: float | None = None,
    landmark: str,
    window: str | timedelta,
    horizon: str | timedelta,
    name: str = "survey",
    mask: Sequence[str] = (),
    in_scope: NDArray[np.bool_] | None = None,
    definition: str | None = None,
) -> Judged:
    """Label every journey by what its customer answered afterwards.

    An answer that names its journey belongs to it, and what happened after it was sent is left out of the path. Any
    other answer belongs to the customer's latest journey that reached its landmark before. The first answer counts.

    Parameters
    ----------
    surveys : DataFrame, one row per answer
        ``metric``, ``value``, ``customer_id``, ``sent_at`` or ``answered_at``; optionally ``journey_id``.
    landmark : str
        ``journey_end`` (of the events that are not masked), ``event 3`` or a date.
    window : duration or ``"journey"``
        How far before the landmark a path begins, or where its journey does.
    horizon : duration
        How long after the landmark a question may have been sent.
    promoters, detractors : float
        The label is 1 for this mark or more (promoters), or for this mark or less (detractors).
    """
    paths, t0, reason = at_landmark(journeys, landmark, window, mask, in_scope)
    linked = answers_on_journeys(surveys, paths.journey_id, paths.customer_id, t0, usable=reason == "", metric=metric)
    linked = linked.sort_values(["row", "asked"], kind="stable").drop_duplicates("row")
    rows, asked = linked["row"].to_numpy(), linked["asked"].to_numpy()
    near = asked <= t0[rows] + length(horizon)
    linked, rows, asked = linked[near], rows[near], asked[near]
    answered = np.zeros(len(paths), dtype=bool)
    answered[rows] = True
    leave_out(reason, ~answered, "no_answer")
    known_at = t0.copy()
    known_at[rows] = np.maximum(asked, t0[rows])
    # What happened once the question was out may be a reaction to it.
    cut = t0.copy()
    cut[rows] = np.minimum(t0[rows], asked - 1)
    whole = paths.lengths
    paths = paths.keep_events(paths.time <= cut[paths.row])
    paths = paths.forget_conformance(paths.lengths < whole)
    leave_out(reason, paths.lengths == 0, "nothing_left")
    marks = linked["value"].to_numpy(dtype=float)
    label = np.zeros(len(paths), dtype=bool)
    label[rows] = marks >= promoters if promoters is not None else marks <= (detractors or 0.0)
    return Judged(name, paths, label, reason, cut, known_at, list(mask), definition or f"{name} by survey {metric}")
