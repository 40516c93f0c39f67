"""The journeys customers actually take, against the designed ones, and which go with loyalty."""

__version__ = "0.1.0"
