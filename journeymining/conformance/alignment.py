"""Optimal alignments: for each path, the cheapest way to walk through the model beside it.

All paths are aligned in one sweep. For a prefix of a path, a row holds the least cost of every state of the model;
the next row follows from it by one event. Paths are sorted, so those that begin alike share their first rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from journeymining.conformance.kernel import align_sorted, gathered, sorted_paths
from journeymining.engines.engine import Threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.conformance.petri import PetriNet
    from journeymining.conformance.reachability import ReachabilityGraph
    from journeymining.engines.engine import Engine

BOTH, LOG, MODEL = 0, 1, 2
"""Kinds of moves: event and model together, an event the model does not expect, a model step no event shows."""

ROW_BYTES = 2_000_000_000

WORK_OF_A_THREAD = 100_000
"""States times symbols from which a thread of its own takes less time than it takes to start."""


class Move(NamedTuple):
    """One step of an alignment: ``position`` is the event's place in the path, ``transition`` the model's; else -1."""

    kind: int
    position: int
    transition: int


@dataclass(frozen=True)
class Costs:
    """What moves cost: whole numbers, 0 or more.

    Parameters
    ----------
    log : cost per symbol of an event that the model does not expect
    model : cost per transition of a step that no event shows
    both : cost per symbol of an event that the model expects
    """

    log: NDArray[np.int32]
    model: NDArray[np.int32]
    both: NDArray[np.int32]


def unit_costs(net: PetriNet, symbols: int, *, silent: int = 0) -> Costs:
    """Return cost 1 for each event or visible step alone, and ``silent`` for silent steps (in ProM also 1)."""
    model = np.array([silent if label is None else 1 for label in net.labels], dtype=np.int32)
    return Costs(np.ones(symbols, dtype=np.int32), model, np.zeros(symbols, dtype=np.int32))


@dataclass(frozen=True)
class Alignments:
    """Optimal alignments, in the order of the paths given.

    ``cost`` per path; ``upper`` equals it unless a budget was spent (then the optimum lies between the two); ``state``
    is where the model stands after the path; ``moves(i)`` are the moves of path i.
    """

    cost: NDArray[np.int32]
    upper: NDArray[np.int32]
    state: NDArray[np.int32]
    offsets: NDArray[np.int64]
    kind: NDArray[np.int8]
    position: NDArray[np.int32]
    transition: NDArray[np.int32]

    def moves(self, path: int) -> list[Move]:
        """Return the moves of one path, from its start to its end."""
        part = slice(self.offsets[path], self.offsets[path + 1])
        columns = (self.kind[part].tolist(), self.position[part].tolist(), self.transition[part].tolist())
        return [Move(*row) for row in zip(*columns, strict=True)]

    def first(self, number: int) -> Alignments:
        """Return the alignments of the first paths only."""
        end = self.offsets[number]
        return Alignments(
            self.cost[:number],
            self.upper[:number],
            self.state[:number],
            self.offsets[: number + 1],
            self.kind[:end],
            self.position[:end],
            self.transition[:end],
        )

    def counts(self, kind: int) -> NDArray[np.int64]:
        """Return how many moves of a kind each path has."""
        total = np.concatenate([[0], np.cumsum(self.kind == kind)])
        counts: NDArray[np.int64] = total[self.offsets[1:]] - total[self.offsets[:-1]]
        return counts


def align(
    graph: ReachabilityGraph,
    paths: Sequence[NDArray[np.int32]],
    *,
    symbol_labels: NDArray[np.int32],
    transition_labels: NDArray[np.int32],
    costs: Costs,
    unfinished: NDArray[np.bool_] | None = None,
    threads: int | None = None,
    engine: Engine | None = None,
) -> Alignments:
    """Align paths with a model, exactly.

    Among alignments of equal cost the one is returned that, read from its end, takes an unexpected event before a
    matched one, and a matched one before a model step, with as few silent steps as possible, and otherwise the
    transition that comes first in the model: events are matched as early as they can be. Of an unfinished path, as
    many events as can be are matched at the least cost, and it stands at the first such state, breadth first.

    Parameters
    ----------
    graph : ReachabilityGraph
    paths : one array of symbols per path
        A symbol is an activity, or an activity in a channel.
    symbol_labels : label of the model per symbol, -1 where the model has none
    transition_labels : label per transition, -1 where it is silent
    costs : Costs
    unfinished : per path, whether it may stop anywhere in the model (an open journey); default none
    threads : how many, default one per core
    engine : where blocks of paths are aligned, default on threads of this machine

    Returns
    -------
    Alignments

    References
    ----------
    A. Adriansyah, *Aligning observed and modeled behavior*, 2014. D. Reissner et al., *Scalable alignment of process
    models and event logs: an approach based on automata and S-components*, Information Systems 94, 2020 (prefixes
    shared between traces).
    """
    if not paths:
        nothing = np.zeros(0, dtype=np.int32)
        return Alignments(
            nothing, nothing, nothing, np.zeros(1, dtype=np.int64), np.zeros(0, np.int8), nothing, nothing
        )
    runs_on = engine or Threads(threads)
    open_ends = np.zeros(len(paths), dtype=np.bool_) if unfinished is None else unfinished
    lengths = np.fromiter(map(len, paths), dtype=np.int64, count=len(paths))
    offsets, symbols = np.append(0, np.cumsum(lengths)), np.concatenate(paths, dtype=np.int32)
    pieces: list[NDArray[np.int64]] = []
    results: list[tuple[NDArray[np.int32], ...]] = []
    for ends_anywhere in (False, True):
        chosen = np.flatnonzero(open_ends == ends_anywhere)
        if not len(chosen):
            continue
        # Every event alone costs a little more where a path may stop anywhere, so that as many as can be are matched.
        scale = 1 + int(lengths[chosen].max()) if ends_anywhere else 1
        scaled = Costs(costs.log * scale + (scale > 1), costs.model * scale, costs.both * scale)
        events = np.array([symbol_labels, scaled.log, scaled.both], dtype=np.int32)
        model = _model(graph, transition_labels, scaled)
        sweep = partial(_sweep, (*model, events, symbols, offsets), ends_anywhere)
        # More than one block only where it pays: rows are not shared across blocks.
        work = graph.states * int(lengths[chosen].sum())
        blocks = max(1, min(runs_on.width, len(chosen) // 50, work // WORK_OF_A_THREAD))
        parts = np.array_split(sorted_paths(symbols, offsets, chosen), blocks)
        pieces += parts
        results += [(cost // scale, *rest) for cost, *rest in runs_on.map(sweep, parts)]
    return _in_given_order(pieces, results)


def _sweep(tables: tuple[Any, ...], ends_anywhere: bool, part: NDArray[np.int64]) -> tuple[NDArray[np.int32], ...]:
    """Align sorted paths; a function with a name, so that an executor takes the compiled code it has."""
    found: tuple[NDArray[np.int32], ...] = align_sorted(*tables, part, ends_anywhere)
    return found


def _model(graph: ReachabilityGraph, labels: NDArray[np.int32], costs: Costs) -> tuple[NDArray[Any], ...]:
    """Return the graph as the sweep reads it: moves by source, by target and by label, and the states to end in."""
    states = np.arange(graph.states + 1)
    label = labels[graph.transition]
    by_label = np.lexsort((graph.transition, graph.source, label))
    by_target = np.lexsort((graph.source, graph.transition, graph.target))
    cost = costs.model[graph.transition]
    highest = int(labels.max(initial=-1))
    behind = np.array([graph.source, cost, label, graph.transition], dtype=np.int32)[:, by_target]
    return (
        np.searchsorted(graph.source, states),
        np.array([graph.target, cost], dtype=np.int32),
        np.searchsorted(graph.target[by_target], states),
        np.ascontiguousarray(behind),
        np.searchsorted(label[by_label], np.arange(highest + 2)),
        np.array([graph.source[by_label], graph.target[by_label]], dtype=np.int32),
        graph.finals,
    )


def _in_given_order(pieces: list[NDArray[np.int64]], results: list[tuple[NDArray[np.int32], ...]]) -> Alignments:
    """Put the results of sorted blocks back into the order of the paths."""
    columns = results[0] if len(results) == 1 else tuple(map(np.concatenate, zip(*results, strict=True)))
    cost, state, number, kind, position, transition = columns
    sorted_paths = np.concatenate(pieces)
    place = np.empty(len(sorted_paths), dtype=np.int64)
    place[sorted_paths] = np.arange(len(sorted_paths))
    starts = np.cumsum(number, dtype=np.int64) - number
    offsets = np.concatenate([[0], np.cumsum(number[place], dtype=np.int64)])
    moves = gathered(place, starts, number, offsets, kind, position, transition)
    return Alignments(cost[place], cost[place], state[place], offsets, *moves)


def joined(parts: Sequence[Alignments]) -> Alignments:
    """Return the alignments of one block of paths after the other."""
    ends = np.cumsum([0, *(part.offsets[-1] for part in parts)])
    offsets = [part.offsets[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("cost", "upper", "state", "kind", "position", "transition")
    }
    return Alignments(offsets=np.append(np.concatenate(offsets), ends[-1]), **columns)


def rows_fit(graph: ReachabilityGraph, longest: int) -> bool:
    """Say whether the rows of a path of this length fit into memory (2 GB)."""
    return graph.states * (longest + 1) * 4 <= ROW_BYTES
