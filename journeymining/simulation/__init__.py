"""Raw logs of a made-up company with planted truths, from a seed."""

from journeymining.simulation.company import Company, Deviations, Effects, Habits
from journeymining.simulation.write import simulate

__all__ = ["Company", "Deviations", "Effects", "Habits", "simulate"]
