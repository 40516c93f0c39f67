"""Figures about the whole log, with their intervals: fitness, precision, generalisation, simplicity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from journeymining.conformance.escaping import escaping
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

    from journeymining.conformance.compare import Compared
    from journeymining.conformance.petri import PetriNet
    from journeymining.conformance.reachability import ReachabilityGraph
    from journeymining.conformance.resampling import Resamples
    from journeymining.conformance.scope import Paths


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
    return _ratio_with_interval(value, np.ones(len(value)), clusters, seed=seed, samples=samples)


def share_with_interval(
    part: ArrayLike, whole: ArrayLike, clusters: ArrayLike, *, seed: int = 0, samples: int = 1000
) -> tuple[float, float, float]:
    """Return which share of some journeys is of a kind, and its 95 % bootstrap interval by customer.

    Parameters
    ----------
    part, whole : booleans, one per journey
        Whether it is of the kind, and whether it counts at all.
    clusters, seed, samples
        See `mean_with_interval`.

    Returns
    -------
    share, low, high : float
        NaN where no journey counts. Where all are alike no draw differs; then the interval is Wilson's, of customers.

    Examples
    --------
    >>> share, low, high = share_with_interval([True, True], [True, True], [0, 1])
    >>> share, round(low, 2), high
    (1.0, 0.34, 1.0)
    """
    counts = np.asarray(whole, dtype=np.bool_)
    good, owner = np.asarray(part, dtype=np.bool_) & counts, np.asarray(clusters)
    share, low, high = _ratio_with_interval(good, counts, owner, seed=seed, samples=samples)
    if share in {0.0, 1.0}:
        customers = len(np.unique(owner[counts]))
        low, high = (float(one) for one in wilson(share * customers, customers))
    return share, low, high


def _ratio_with_interval(
    part: ArrayLike, whole: ArrayLike, clusters: ArrayLike, *, seed: int, samples: int
) -> tuple[float, float, float]:
    """Return a sum as a share of another over journeys, with its percentile bootstrap interval by customer."""
    top, bottom = (np.asarray(one, dtype=np.float64) for one in (part, whole))
    if not bottom.sum():
        return np.nan, np.nan, np.nan
    _, owner = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = (np.bincount(owner, weights=one) for one in (top, bottom))
    # Customers with the same sums are alike: drawing how many of each kind is drawing customers.
    kinds, number = np.unique(np.column_stack([sums.round(12), counts]), axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    shares = []
    for _ in range(samples):
        drawn = generator.multinomial(len(sums), number / number.sum())
        # A draw in which no journey counts says nothing.
        if drawn @ kinds[:, 1] > 0:
            shares.append(drawn @ kinds[:, 0] / (drawn @ kinds[:, 1]))
    low, high = np.quantile(shares, [0.025, 0.975])
    # The figure itself is rounded like the sums, so that it never leaves an interval of no width.
    value = float(kinds[:, 0] @ number / bottom.sum())
    return value, min(float(low), value), max(float(high), value)


@dataclass(frozen=True)
class PrefixTree:
    """The prefixes of the model's visible steps along aligned paths, see `journeymining.conformance.escaping`."""

    offsets: NDArray[np.int64]
    visits: NDArray[np.int64]
    node_of: NDArray[np.int64]
    parent: NDArray[np.int64]
    label_start: NDArray[np.int64]
    labels: NDArray[np.int64]

    def precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return precision for each weighting of the paths (a row each)."""
        found: NDArray[np.float64] = escaping(
            np.ascontiguousarray(weights, dtype=np.float64),
            self.offsets, self.visits, self.node_of, self.parent, self.label_start, self.labels,
        )  # fmt: skip
        return found


def prefix_tree(compared: Compared) -> PrefixTree | None:
    """Collect the prefixes of aligned paths; None where the model is too large to list its states."""
    net, graph, found = compared.net, compared.graph, compared.alignments
    if graph is None:
        return None
    ends = zip(graph.source.tolist(), graph.transition.tolist(), graph.target.tolist(), strict=True)
    following = {(source, transition): target for source, transition, target in ends}
    child: dict[tuple[int, str], int] = {}
    parent = [-1]
    entry: dict[tuple[int, int], int] = {}
    visits: list[int] = []
    lengths: list[int] = []
    steps, offsets = found.transition.tolist(), found.offsets.tolist()
    for begin, end in pairwise(offsets):
        node = state = 0
        before = len(visits)
        visits.append(entry.setdefault((node, state), len(entry)))
        for step in steps[begin:end]:
            if step < 0:
                continue
            state, label = following[state, step], net.labels[step]
            if label is None:
                continue
            key = (node, label)
            if key not in child:
                child[key] = len(parent)
                parent.append(node)
            node = child[key]
            visits.append(entry.setdefault((node, state), len(entry)))
        lengths.append(len(visits) - before)
    return _tree(compared, entry, parent, visits, lengths)


def _tree(
    compared: Compared, entry: dict[tuple[int, int], int], parent: list[int], visits: list[int], lengths: list[int]
) -> PrefixTree:
    """Put a prefix tree into arrays, its entries sorted by node."""
    assert compared.graph is not None  # see prefix_tree
    allowed = _allowed_labels(compared.net, compared.graph)
    number = {label: place for place, label in enumerate(compared.labels)}
    order = sorted(entry, key=lambda one: (one[0], entry[one]))
    place = np.empty(len(order), dtype=np.int64)
    place[[entry[one] for one in order]] = np.arange(len(order))
    labels = [sorted(number[label] for label in allowed(state)) for _, state in order]
    return PrefixTree(
        offsets=np.append(0, np.cumsum(lengths)).astype(np.int64),
        visits=place[np.array(visits, dtype=np.int64)],
        node_of=np.array([node for node, _ in order], dtype=np.int64),
        parent=np.array(parent, dtype=np.int64),
        label_start=np.append(0, np.cumsum([len(one) for one in labels])).astype(np.int64),
        labels=np.array([label for one in labels for label in one], dtype=np.int64),
    )


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
    tree = prefix_tree(compared)
    return float("nan") if tree is None else float(tree.precision(journeys[None, :].astype(np.float64))[0])


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
    return float(_generalisation(_uses(compared), journeys[None, :].astype(np.float64))[0])


def _uses(compared: Compared) -> sparse.csr_array:
    """Return how often each path (row) uses each transition (column)."""
    found = compared.alignments
    used = found.transition >= 0
    owner = np.repeat(np.arange(len(found.cost)), np.diff(found.offsets))[used]
    shape = (len(found.cost), len(compared.net.transitions))
    return sparse.csr_array((np.ones(len(owner)), (owner, found.transition[used])), shape=shape)


def _generalisation(uses: sparse.csr_array, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = (uses.T @ weights.T).T
    found: NDArray[np.float64] = 1 - np.mean(1 / np.sqrt(np.maximum(counts, 1)), axis=1)
    return found


def simplicity(net: PetriNet) -> float:
    """Return how few arcs meet in the nodes of the model: 1 / (1 + max(0, mean arcs per node - 2)).

    References
    ----------
    F. Blum, *Metrics in process discovery*, 2015: inverse arc degree.
    """
    arcs = int((net.pre > 0).sum() + (net.post > 0).sum())
    nodes = len(net.places) + len(net.transitions)
    return 1 / (1 + max(0.0, 2 * arcs / nodes - 2))


def intervals(
    compared: Compared, paths: Paths, draws: Resamples, means: Mapping[str, ArrayLike]
) -> dict[str, list[float]]:
    """Return the 95 % intervals of the figures of the whole log; alignments are made once, only weights are drawn.

    Parameters
    ----------
    compared, paths
        The alignments and how many journeys follow each path.
    draws : Resamples
    means : figure per path, by name
        Of these the mean over journeys is the figure; NaN where a path has none.

    Returns
    -------
    dict
        Per figure ``[low, high]``. Simplicity is not among them: it is a property of the model and no sample.
    """
    tree, uses = prefix_tree(compared), _uses(compared)
    cost, worst = compared.alignments.upper.astype(np.float64), compared.worst.astype(np.float64)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in means.items()}

    def figures(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        nothing = np.full(len(weights), np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = [
                1 - (weights @ cost) / (weights @ worst),
                nothing if tree is None else tree.precision(weights),
                _generalisation(uses, weights),
                *((weights @ np.nan_to_num(one)) / (weights @ np.isfinite(one)) for one in columns.values()),
            ]
        return np.column_stack(found)

    names = ["log_fitness", "precision", "generalisation", *columns]
    values = figures(paths.journeys[None, :].astype(np.float64))[0]
    return dict(zip(names, map(list, draws.intervals(figures, values)), strict=True))
