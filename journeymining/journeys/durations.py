"""Durations, as the journeys section writes them; defined at the top of the package, as identity reads them too."""

from journeymining.durations import Duration, parse_duration, write_duration

__all__ = ["Duration", "parse_duration", "write_duration"]
