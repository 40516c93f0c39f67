"""Figures about the whole log: fitness with its interval, precision, generalisation, simplicity."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from journeymining.conformance.compare import Compared
    from journeymining.conformance.petri import PetriNet
    from journeymining.conformance.reachability import ReachabilityGraph


def mean_with_interval(
    values: ArrayLike, clusters: ArrayLike, *, seed: int = 0, samples: int = 1000
) -> tuple[float, float, float]:
    """Return the mean of a value over journeys, and its 95 % percentile bootstrap interval by customer.

    Parameters
    ----------
    values : one per journey
    clusters : whose journey it is, as an integer per journey
        Customers are drawn, with all their journeys: journeys of one customer resemble each other.
    seed : int
        Of the random draws.
    samples : int

    Returns
    -------
    mean, low, high : float
        NaN without journeys.

    Examples
    --------
    >>> mean_with_interval([1.0, 1.0, 1.0], [0, 1, 2])
    (1.0, 1.0, 1.0)
    """
    value = np.asarray(values, dtype=np.float64)
    if not len(value):
        return np.nan, np.nan, np.nan
    _, owner = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = np.bincount(owner, weights=value), np.bincount(owner)
    # Customers with the same sums are alike: drawing how many of each kind is drawing customers.
    kinds, number = np.unique(np.column_stack([sums.round(12), counts]), axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    means = np.empty(samples)
    for sample in range(samples):
        drawn = generator.multinomial(len(sums), number / number.sum())
        means[sample] = drawn @ kinds[:, 0] / (drawn @ kinds[:, 1])
    low, high = np.quantile(means, [0.025, 0.975])
    # The mean itself is rounded like the sums, so that it never leaves an interval of no width.
    mean = float(kinds[:, 0] @ number / len(value))
    return mean, min(float(low), mean), max(float(high), mean)


def precision(compared: Compared, journeys: NDArray[np.int64]) -> float:
    """Return how much of what the model allows journeys make use of: alignment-based precision (escaping edges).

    Along each aligned journey, after every prefix of the model's visible steps, the labels that some journey takes
    next are counted against the labels that the model allows there, weighted by journeys. 1 when the model allows
    nothing but what happens; NaN when no journey takes a step, or the model is too large to list its states.

    References
    ----------
    A. Adriansyah, J. Munoz-Gama, J. Carmona, B. van Dongen, W. van der Aalst, *Measuring precision of modeled
    behavior*, Information Systems and e-Business Management 13 (2015) 37-67: one optimal alignment per path.
    """
    net, graph, found = compared.net, compared.graph, compared.alignments
    if graph is None:
        return float("nan")
    following = {
        (source, transition): target
        for source, target, transition in zip(
            graph.source.tolist(), graph.target.tolist(), graph.transition.tolist(), strict=True
        )
    }
    weight: dict[int, int] = defaultdict(int)
    taken: dict[int, set[str]] = defaultdict(set)
    states: dict[int, set[int]] = defaultdict(set)
    number: dict[tuple[int, str], int] = {}
    steps, offsets = found.transition.tolist(), found.offsets.tolist()
    for path, count in enumerate(journeys.tolist()):
        node, state = 0, 0
        weight[node] += count
        states[node].add(state)
        for step in steps[offsets[path] : offsets[path + 1]]:
            if step < 0:
                continue
            label = net.labels[step]
            state = following[state, step]
            if label is None:
                continue
            taken[node].add(label)
            # Prefixes are numbered as a tree, so that none is stored twice.
            node = number.setdefault((node, label), len(number) + 1)
            weight[node] += count
            states[node].add(state)
    allowed = _allowed_labels(net, graph)
    used = possible = 0
    for place, times in weight.items():
        labels = set().union(*(allowed(state) for state in states[place]))
        used += times * len(taken[place])
        possible += times * len(labels)
    return used / possible if possible else np.nan


def _allowed_labels(net: PetriNet, graph: ReachabilityGraph) -> Callable[[int], set[str]]:
    """Return a function from a state to the labels that may come next, through silent steps too."""
    start = np.searchsorted(graph.source, np.arange(graph.states + 1)).tolist()
    target, transition = graph.target.tolist(), graph.transition.tolist()
    known: dict[int, set[str]] = {}

    def allowed(state: int) -> set[str]:
        if state not in known:
            labels: set[str] = set()
            seen, stack = {state}, [state]
            while stack:
                here = stack.pop()
                for edge in range(start[here], start[here + 1]):
                    label = net.labels[transition[edge]]
                    if label is not None:
                        labels.add(label)
                    elif target[edge] not in seen:
                        seen.add(target[edge])
                        stack.append(target[edge])
            known[state] = labels
        return known[state]

    return allowed


def generalisation(compared: Compared, journeys: NDArray[np.int64]) -> float:
    """Return how often the parts of the model are used: 1 - mean of 1 / sqrt(uses) over its transitions.

    A transition that no journey uses counts as 1.

    References
    ----------
    J. Buijs, B. van Dongen, W. van der Aalst, *Quality dimensions in process discovery*, 2014.
    """
    found = compared.alignments
    weights = np.repeat(journeys, np.diff(found.offsets))
    used = found.transition >= 0
    uses = np.bincount(found.transition[used], weights=weights[used], minlength=len(compared.net.transitions))
    return float(1 - np.mean(1 / np.sqrt(np.maximum(uses, 1))))


def simplicity(net: PetriNet) -> float:
    """Return how few arcs meet in the nodes of the model: 1 / (1 + max(0, mean arcs per node - 2)).

    References
    ----------
    F. Blum, *Metrics in process discovery*, 2015: inverse arc degree.
    """
    arcs = int((net.pre > 0).sum() + (net.post > 0).sum())
    nodes = len(net.places) + len(net.transitions)
    return 1 / (1 + max(0.0, 2 * arcs / nodes - 2))
