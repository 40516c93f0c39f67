"""Phases of a journey: awareness, orientation, purchase, use, service, or the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from journeymining.exceptions import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def phase_of_activity(phases: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Turn phases, each a list of activities, around.

    Returns
    -------
    dict
        The phase of each activity.

    Raises
    ------
    UsageError
        When an activity is in two phases, or twice in one.

    Examples
    --------
    >>> phase_of_activity({"purchase": ["order_placed", "confirmation"], "use": ["modem_active"]})
    {'order_placed': 'purchase', 'confirmation': 'purchase', 'modem_active': 'use'}
    """
    found: dict[str, str] = {}
    for phase, activities in phases.items():
        for activity in activities:
            if activity in found:
                raise UsageError(f"activity '{activity}' is in phase '{found[activity]}' and again in '{phase}'")
            found[activity] = phase
    return found


def parse_phases(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read phases as they are written on the command line, first to last.

    Raises
    ------
    UsageError
        When a text has no name or no activity, or a phase or activity comes twice.

    Examples
    --------
    >>> parse_phases(["purchase=order_placed, confirmation", "use=modem_active"])
    {'purchase': ['order_placed', 'confirmation'], 'use': ['modem_active']}
    """
    phases: dict[str, list[str]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        activities = [part.strip() for part in listed.split(",")]
        if not (equals and name.strip() and all(activities)):
            raise UsageError(f"phase '{text}': write it like purchase=order_placed,confirmation.")
        if name.strip() in phases:
            raise UsageError(f"phase '{name.strip()}' comes twice; give all its activities at once.")
        phases[name.strip()] = activities
    phase_of_activity(phases)
    return phases


def put_into_phases(log: pa.Table, phases: Mapping[str, Sequence[str]]) -> pa.Table:
    """Return an event log whose ``phase`` is that of its activities; other activities have none.

    Raises
    ------
    UsageError
        When an activity is in two phases, or never occurs.
    """
    of_activity = phase_of_activity(phases)
    known = log["activity"].unique().to_pylist()
    for name in of_activity:
        if name not in known:
            raise UsageError(f"phases: no event has the activity '{name}'.{did_you_mean(name, known)}")
    if not of_activity:
        return log
    names = pa.array(list(of_activity), pa.string())
    values = pa.array([*of_activity.values()], pa.string())
    column = values.take(pc.index_in(log["activity"].combine_chunks().cast(pa.string()), value_set=names))
    place = log.schema.get_field_index("phase")
    return log.append_column("phase", column) if place < 0 else log.set_column(place, "phase", column)


def _checked(phases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    phase_of_activity(phases)
    return phases


PhaseConfig = Annotated[dict[str, tuple[str, ...]], AfterValidator(_checked)]
"""The type of the `phases:` section of a job: activities per phase, in the order in which phases are shown."""
