"""Durations of the journeys section; written at the top of the package because identity, further down, needs them too."""

from journeymining.durations import parse_duration, write_duration

__all__ = ["parse_duration", "write_duration"]
