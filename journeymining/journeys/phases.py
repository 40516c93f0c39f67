"""Phases of a journey: awareness, orientation, purchase, use, service, or the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from journeymining.exceptions import UsageError

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


def _checked(phases: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    phase_of_activity(phases)
    return phases


PhaseConfig = Annotated[dict[str, tuple[str, ...]], AfterValidator(_checked)]
"""The type of the `phases:` section of a job: activities per phase, in the order in which phases are shown."""
