"""How good a process model is: how much of the log it allows, how much more it allows, and how plain it is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeymining.discovery.nets import Net

    Path = tuple[str, ...]

MOST_STATES = 2500
MOST_WORK = 10_000_000
NO_LABEL = ""


@dataclass(frozen=True)
class Quality:
    """The quality of a model on a log.

    ``fitness``: 1 minus the cost of the optimal alignments, by the cost of the worst ones (every event skipped and the
    shortest way through the model taken instead); ``fitting``: share of journeys that the model allows as they are;
    ``precision``: share of the next activities that the model allows along the log that the log has; ``simplicity``:
    by the mean number of arcs at a place or transition. Each from 0 to 1, None where ``reason`` says why it is not
    known. ``journeys`` of ``all_journeys`` were measured, those of the most frequent variants.
    """

    fitness: float | None
    fitting: float | None
    precision: float | None
    simplicity: float
    journeys: int
    all_journeys: int
    reason: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the measures as they stand in quality.json."""
        return dict(vars(self))


class _States:
    """The reachable markings of a net, the cheapest way between any two, and where an activity leads from each."""

    def __init__(self, net: Net) -> None:
        self.final = -1
        numbers = {_marking({net.source: 1}): 0}
        queue = deque(numbers)
        steps: dict[tuple[int, int, str], None] = {}
        while queue and len(numbers) <= MOST_STATES:
            marking = queue.popleft()
            tokens = dict(marking)
            for step in net.transitions:
                if any(tokens.get(place, 0) < 1 for place in step.inputs):
                    continue
                following = dict(tokens)
                for place in step.inputs:
                    following[place] -= 1
                for place in step.outputs:
                    following[place] = following.get(place, 0) + 1
                reached = _marking(following)
                if reached not in numbers:
                    numbers[reached] = len(numbers)
                    queue.append(reached)
                steps[numbers[marking], numbers[reached], NO_LABEL if step.label is None else step.label] = None
        self.count = len(numbers)
        self.final = numbers.get(_marking({net.sink: 1}), -1)
        self.steps = list(steps)

    def prepare(self) -> None:
        """Find the number of activities on the cheapest way between any two states."""
        # A silent step counts one and an activity more than all silent steps of a way, so activities are minimised.
        weight = self.count + 1
        cheapest: dict[tuple[int, int], int] = {}
        for source, target, label in self.steps:
            cost = weight if label else 1
            cheapest[source, target] = min(cost, cheapest.get((source, target), cost))
        pairs = np.array(list(cheapest), dtype=np.int64).reshape(-1, 2)
        graph = coo_array(
            (np.array(list(cheapest.values()), dtype=float), (pairs[:, 0], pairs[:, 1])), shape=(self.count, self.count)
        )
        self.between = np.floor(dijkstra(graph.tocsr()) / weight)
        self.silently = self.between == 0
        self.leading: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name in {label for _, _, label in self.steps if label}:
            ends = [(source, target) for source, target, label in self.steps if label == name]
            self.leading[name] = (np.array([a for a, _ in ends]), np.array([b for _, b in ends]))

    def allowed(self, here: np.ndarray) -> set[str]:
        """Return the activities that can come next from a set of states."""
        return {name for name, (sources, _) in self.leading.items() if here[sources].any()}

    def replay(self, here: np.ndarray, activity: str) -> np.ndarray:
        """Return the states that an activity leads to from a set of states; none where it is not allowed."""
        reached = np.zeros(self.count, dtype=bool)
        if activity in self.leading:
            sources, targets = self.leading[activity]
            reached[targets[here[sources]]] = True
        following: np.ndarray = self.silently[reached].any(axis=0)
        return following

    def align(self, costs: np.ndarray, activity: str) -> np.ndarray:
        """Return the cheapest cost of every state after one more event, from those before it."""
        after = costs + 1
        if activity not in self.leading:
            return after
        sources, targets = self.leading[activity]
        # Costs already allow for steps of the model alone; only states that the event itself made cheaper lead on.
        cheaper = costs[sources] < after[targets]
        if not cheaper.any():
            return after
        onwards = costs[sources[cheaper], None] + self.between[targets[cheaper]]
        cheapest: np.ndarray = np.minimum(after, onwards.min(axis=0))
        return cheapest


def measure_quality(net: Net, variants: Mapping[Path, int]) -> Quality:
    """Measure how well a model and a log go together.

    Parameters
    ----------
    net : Net
    variants : mapping from a path of activities to its number of journeys
        The most frequent are measured, ties by path, while events times states of the model stay below ten million.

    Returns
    -------
    Quality
        Exact. Without fitness and precision where the net has more than 2500 states or cannot come to its end.

    References
    ----------
    A. Adriansyah, *Aligning Observed and Modeled Behavior*, 2014 (fitness). J. Muñoz-Gama, J. Carmona, A fresh look at
    precision in process conformance, *BPM* 2010 (precision; a prefix may end in several states, their next activities
    are taken together). J. Vázquez-Barreiros et al., ProDiGen, *Information Sciences* 294, 2015 (simplicity).
    """
    total = sum(variants.values())
    states = _States(net)
    reason = None
    if states.count > MOST_STATES:
        reason = f"the model has more than {MOST_STATES} states"
    elif states.final < 0:
        reason = "the model cannot come to its end"
    if reason is not None:
        return Quality(None, None, None, simplicity(net), 0, total, reason)
    states.prepare()
    measured = _most_frequent(variants, MOST_WORK // states.count)
    journeys = sum(measured.values())
    costs = _alignment_costs(states, list(measured))
    shortest = float(states.between[0, states.final])
    worst = sum(n * (len(path) + shortest) for path, n in measured.items())
    spent = sum(n * costs[path] for path, n in measured.items())
    return Quality(
        fitness=1.0 - spent / worst if worst else 1.0,
        fitting=sum(n for path, n in measured.items() if costs[path] == 0) / journeys,
        precision=_precision(states, measured),
        simplicity=simplicity(net),
        journeys=journeys,
        all_journeys=total,
    )


def simplicity(net: Net) -> float:
    """Return how plain a net is: 1 where places and transitions have two arcs on average, less where they have more."""
    degrees = [0] * net.places
    for step in net.transitions:
        for place in (*step.inputs, *step.outputs):
            degrees[place] += 1
    degrees += [len(step.inputs) + len(step.outputs) for step in net.transitions]
    return 1.0 / (1.0 + max(mean(degrees) - 2.0, 0.0))


def _most_frequent(variants: Mapping[Path, int], events: int) -> dict[Path, int]:
    """Return the most frequent variants that have so many events together; at least one."""
    chosen: dict[Path, int] = {}
    for path, journeys in sorted(variants.items(), key=lambda item: (-item[1], item[0])):
        events -= len(path)
        if chosen and events < 0:
            break
        chosen[path] = journeys
    return chosen


def _alignment_costs(states: _States, paths: list[Path]) -> dict[Path, float]:
    """Return the cost of the optimal alignment of every path; paths that begin alike share the work."""
    costs: dict[Path, float] = {}
    stack = [states.between[0]]
    previous: Path = ()
    for path in sorted(paths):
        shared = next((n for n, (a, b) in enumerate(zip(path, previous, strict=False)) if a != b), len(previous))
        shared = min(shared, len(path))
        del stack[shared + 1 :]
        for activity in path[shared:]:
            stack.append(states.align(stack[-1], activity))
        costs[path] = float(stack[-1][states.final])
        previous = path
    return costs


def _precision(states: _States, variants: Mapping[Path, int]) -> float | None:
    """Return the weighted share of allowed next activities that occur, over the prefixes that the model allows."""
    following: dict[Path, dict[str, int]] = {}
    for path, journeys in variants.items():
        for place, activity in enumerate(path):
            counts = following.setdefault(path[:place], {})
            counts[activity] = counts.get(activity, 0) + journeys
    reached: dict[Path, np.ndarray] = {(): states.silently[0]}
    allowed_total = escaping_total = 0
    # Shorter prefixes come first, so the states before the last activity of a prefix are known.
    for prefix in sorted(following, key=len):
        here = reached.get(prefix)
        if here is None:
            continue
        observed = following[prefix]
        allowed = states.allowed(here)
        weight = sum(observed.values())
        allowed_total += weight * len(allowed)
        escaping_total += weight * len(allowed - observed.keys())
        for activity in allowed & observed.keys():
            reached[(*prefix, activity)] = states.replay(here, activity)
    return 1.0 - escaping_total / allowed_total if allowed_total else None


def _marking(tokens: dict[int, int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((place, count) for place, count in tokens.items() if count))
