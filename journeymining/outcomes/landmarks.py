"""Journeys up to their landmark, and which of them have no label and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.durations import parse_duration
from journeymining.exceptions import EmptyLogError
from journeymining.outcomes.config import WHOLE, Landmark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame

REASONS = {
    "outside_scope": "journeys outside the scope",
    "nothing_left": "journeys without an event that counts (all masked, or before the window)",
    "landmark_not_reached": "journeys that do not reach the landmark (open, too short or later)",
    "already": "journeys of customers who had the outcome before it could count",
    "censored": "journeys not observed long enough",
    "no_answer": "journeys without an answer",
}
"""Why a journey has no label; the first reason that holds is counted."""


@dataclass(frozen=True, eq=False)
class LinkedOutcome:
    """Journeys up to their landmark, each with what came of it.

    ``journeys`` hold only what was known at the landmark and only journeys with a label; ``label`` is 1 or 0;
    ``landmark`` and ``known_at`` (when the label was certain) are microseconds UTC; ``counts`` covers every journey:
    ``journeys`` = ``labelled`` + the reasons; ``excluded`` names the journeys without a label.
    """

    name: str
    journeys: JourneyFrame
    label: NDArray[np.int8]
    landmark: NDArray[np.int64]
    known_at: NDArray[np.int64]
    counts: dict[str, int]
    definition: str
    masked: list[str]
    excluded: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Judged:
    """Every journey up to its landmark, with what is known of its outcome so far.

    ``reason`` is empty where the label is certain, else a key of `REASONS`; ``label`` is what was seen until the end
    of the log, certain or not.
    """

    name: str
    paths: JourneyFrame
    label: NDArray[np.bool_]
    reason: NDArray[Any]
    landmark: NDArray[np.int64]
    known_at: NDArray[np.int64]
    masked: list[str]
    definition: str


def at_landmark(
    journeys: JourneyFrame,
    landmark: str,
    window: str | timedelta,
    mask: Sequence[str],
    in_scope: NDArray[np.bool_] | None,
) -> tuple[JourneyFrame, NDArray[np.int64], NDArray[Any]]:
    """Return the paths in the window up to the landmark, the landmark, and why a journey is out (empty if it is in)."""
    paths, t0, reason = _up_to(journeys, landmark, mask, in_scope)
    if window != WHOLE:
        paths = paths.keep_events(paths.time > t0[paths.row] - length(window))
        leave_out(reason, paths.lengths == 0, "nothing_left")
    return paths, t0, reason


def _up_to(
    journeys: JourneyFrame, landmark: str, mask: Sequence[str], in_scope: NDArray[np.bool_] | None
) -> tuple[JourneyFrame, NDArray[np.int64], NDArray[Any]]:
    mark = Landmark.parse(landmark)
    reason = np.full(len(journeys), "", dtype=object)
    if in_scope is not None:
        leave_out(reason, ~in_scope, "outside_scope")
    paths = journeys.keep_events(~journeys.is_activity(mask)) if mask else journeys
    leave_out(reason, paths.lengths == 0, "nothing_left")
    if mark.kind == "journey_end":
        leave_out(reason, journeys.open, "landmark_not_reached")
        # A journey without events has no end; zero keeps sums of times in range, its reason keeps it out.
        return paths, np.where(paths.lengths > 0, paths.end, 0), reason
    if mark.kind == "event":
        leave_out(reason, paths.lengths < mark.event, "landmark_not_reached")
        place = np.arange(len(paths.time)) - paths.offsets[paths.row]
        # Deviations are judged on whole journeys: at an earlier moment they are not known yet.
        paths = paths.keep_events(place < mark.event).forget_conformance()
        return paths, np.where(paths.lengths > 0, paths.end, 0), reason
    t0 = np.full(len(paths), int(pd.Timestamp(mark.date or 0).value // 1000))
    paths = paths.keep_events(paths.time <= t0[paths.row]).forget_conformance()
    leave_out(reason, paths.lengths == 0, "landmark_not_reached")
    return paths, t0, reason


def linked_outcome(judged: Judged) -> LinkedOutcome:
    """Keep the journeys with a label and count the others by reason.

    Raises
    ------
    EmptyLogError
        If no journey has a label; the message says why.
    """
    inside = judged.reason == ""
    counts = {
        "journeys": len(judged.paths),
        "labelled": int(inside.sum()),
        "positives": int(judged.label[inside].sum()),
    }
    counts |= {key: int((judged.reason == key).sum()) for key in REASONS}
    if not inside.any():
        why = ", ".join(f"{counts[key]} {text}" for key, text in REASONS.items() if counts[key])
        raise EmptyLogError(f"Outcome '{judged.name}': no journey has a known outcome. Left out: {why}.")
    excluded = pd.DataFrame({"journey_id": judged.paths.journey_id[~inside], "reason": judged.reason[~inside]})
    return LinkedOutcome(
        name=judged.name,
        journeys=judged.paths[inside],
        label=judged.label[inside].astype(np.int8),
        landmark=judged.landmark[inside],
        known_at=judged.known_at[inside],
        counts=counts,
        definition=judged.definition,
        masked=judged.masked,
        excluded=excluded,
    )


def leave_out(reason: NDArray[Any], holds: NDArray[np.bool_], why: str) -> None:
    """Note why journeys get no label; the first reason stays."""
    reason[holds & (reason == "")] = why


def length(duration: str | timedelta) -> int:
    """Return a duration in microseconds."""
    delta = parse_duration(duration) if isinstance(duration, str) else duration
    return round(delta.total_seconds() * 1e6)
