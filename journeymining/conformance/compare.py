"""Align the paths of a log with the model of a design, and say how well each follows it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.conformance.alignment import BOTH, LOG, MODEL, Alignments, Costs, align, joined, rows_fit
from journeymining.conformance.reachability import TooManyStatesError, obligatory, reachability_graph
from journeymining.conformance.scope import COMPLETE
from journeymining.conformance.search import search
from journeymining.engines.engine import Threads
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.conformance.design import Design
    from journeymining.conformance.petri import PetriNet
    from journeymining.conformance.reachability import ReachabilityGraph
    from journeymining.conformance.scope import Codes, Paths
    from journeymining.engines.engine import Engine
    from journeymining.engines.prepared_log import PreparedLog


@dataclass(frozen=True)
class Compared:
    """The paths of a log beside the model of a design.

    Per path: ``alignments``; ``worst``, the cost if nothing matched; the least cost of the model alone is
    ``shortest``. ``must`` tells per label (a row) and state whether the label still has to come. Where the model is too
    large to list its states there is no ``graph`` and ``must`` has no columns.
    """

    net: PetriNet
    graph: ReachabilityGraph | None
    labels: list[str]
    alignments: Alignments
    costs: Costs
    worst: NDArray[np.int64]
    shortest: int
    must: NDArray[np.bool_]

    @property
    def fitness(self) -> NDArray[np.float64]:
        """Trace fitness per path: 1 - cost / worst cost; 1 for a path that cannot go wrong."""
        return _share_left(self.alignments.upper, self.worst)

    @property
    def departs(self) -> NDArray[np.bool_]:
        """Whether each path has an event or a visible model step alone."""
        found = self.alignments
        visible = np.array([label is not None for label in self.net.labels], dtype=np.bool_)
        alone = (found.kind == LOG) | ((found.kind == MODEL) & visible[found.transition])
        total = np.concatenate([[0], np.cumsum(alone)])
        departs: NDArray[np.bool_] = total[found.offsets[1:]] > total[found.offsets[:-1]]
        return departs


def compare(
    log: PreparedLog,
    design: Design,
    paths: Paths,
    codes: Codes,
    *,
    state_limit: int,
    silent: int,
    budget: int,
    threads: int | None,
) -> Compared:
    """Align all paths with the model of a design.

    Raises
    ------
    InputError
        If the model cannot be checked: no final marking, unbounded, dead.
    """
    net = design.net
    assert net is not None  # the caller asks only for designs with a model
    engine = log.engine if threads is None else Threads(threads)
    labels = net.alphabet
    number = {label: index for index, label in enumerate(labels)}
    transition_labels = np.array([-1 if one is None else number[one] for one in net.labels], dtype=np.int32)
    symbol_labels, costs = _symbols(log, design, codes, number, silent)
    shared: dict[str, Any] = {
        "symbol_labels": symbol_labels,
        "transition_labels": transition_labels,
        "costs": costs,
        "unfinished": np.append(paths.stands != COMPLETE, False),
    }
    # The empty path last: its cost is that of the shortest way through the model.
    todo = [*paths.symbols, np.zeros(0, dtype=np.int32)]
    try:
        graph, found = _aligned(net, todo, engine, state_limit, budget, shared)
    except InputError as error:
        raise InputError(f"Design '{design.name}': {error}") from None
    alone = np.array([int(costs.log[symbols].sum()) for symbols in paths.symbols], dtype=np.int64)
    shortest = int(found.upper[-1])
    worst = alone + np.where(paths.stands == COMPLETE, shortest, 0)
    must = np.zeros((len(labels), 0), dtype=np.bool_)
    if graph is not None:
        must = np.array([obligatory(graph, transition_labels, label) for label in range(len(labels))], dtype=np.bool_)
    return Compared(net, graph, labels, found.first(len(paths.symbols)), costs, worst, shortest, must)


def _searched(
    net: PetriNet, paths: list[NDArray[np.int32]], engine: Engine, *, unfinished: NDArray[np.bool_], **shared: Any
) -> Alignments:
    """Search on this machine at once, or a block of paths per executor: no path minds the others."""
    if isinstance(engine, Threads):
        return search(net, paths, unfinished=unfinished, **shared)
    places = np.array_split(np.arange(len(paths)), min(engine.width, len(paths)))
    blocks = [([paths[place] for place in some], unfinished[some]) for some in places]
    return joined(engine.map(partial(_search_block, net, shared), blocks))


def _search_block(
    net: PetriNet, shared: dict[str, Any], block: tuple[list[NDArray[np.int32]], NDArray[np.bool_]]
) -> Alignments:
    paths, unfinished = block
    return search(net, paths, unfinished=unfinished, **shared)


def _aligned(
    net: PetriNet,
    paths: list[NDArray[np.int32]],
    engine: Engine,
    state_limit: int,
    budget: int,
    shared: dict[str, Any],
) -> tuple[ReachabilityGraph | None, Alignments]:
    """Align paths over all states of a model where they can be listed; else without a graph, searching on demand."""
    try:
        graph = reachability_graph(net, limit=state_limit)
    except TooManyStatesError:
        return None, _searched(net, paths, engine, budget=budget, **shared)
    if not rows_fit(graph, max(len(one) for one in paths)):
        return None, _searched(net, paths, engine, budget=budget, **shared)
    return graph, align(graph, paths, engine=engine, **shared)


def _symbols(
    log: PreparedLog, design: Design, codes: Codes, number: dict[str, int], silent: int
) -> tuple[NDArray[np.int32], Costs]:
    """Return the label per symbol (an activity, or an activity in a channel) and the costs of moves."""
    net = design.net
    assert net is not None
    channels = [None, *log.channels] if codes.by_channel > 1 else [None]
    anywhere = set(design.anywhere)
    labels, alone = [], []
    for activity in log.activities:
        for channel in channels:
            labels.append(number.get(activity, -1))
            cost = design.costs.unexpected.get(activity, 1)
            cost = design.costs.channel.get(channel, cost) if channel is not None else cost
            alone.append(0 if activity in anywhere else cost)
    model = [silent if label is None else design.costs.missing.get(label, 1) for label in net.labels]
    return np.array(labels, dtype=np.int32), Costs(
        log=np.array(alone, dtype=np.int32),
        model=np.array(model, dtype=np.int32),
        both=np.zeros(len(alone), dtype=np.int32),
    )


def move_fitness(compared: Compared, paths: Paths) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return move-log and move-model fitness per path.

    The cost of events alone against that of all events; the cost of model steps alone against that of all steps the
    model took, matched or not.
    """
    found = compared.alignments
    owner = np.repeat(np.arange(len(paths.symbols)), np.diff(found.offsets))
    symbols = np.concatenate(paths.symbols) if paths.symbols else np.zeros(0, dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum([len(one) for one in paths.symbols])])[:-1].astype(np.int64)
    of_event = found.position >= 0
    symbol = np.zeros(len(owner), dtype=np.int64)
    symbol[of_event] = symbols[starts[owner[of_event]] + found.position[of_event]]
    log_cost = np.where(of_event, compared.costs.log[symbol], 0)
    model_cost = np.where(found.transition >= 0, compared.costs.model[found.transition], 0)

    def total(cost: NDArray[np.int64], kinds: tuple[int, ...]) -> NDArray[np.float64]:
        part = np.where(np.isin(found.kind, kinds), cost, 0).astype(np.float64)
        sums: NDArray[np.float64] = np.bincount(owner, weights=part, minlength=len(paths.symbols)).astype(np.float64)
        return sums

    move_log = _share_left(total(log_cost, (LOG,)), total(log_cost, (LOG, BOTH)))
    move_model = _share_left(total(model_cost, (MODEL,)), total(model_cost, (MODEL, BOTH)))
    return move_log, move_model


def _share_left(
    part: NDArray[np.int32] | NDArray[np.float64], whole: NDArray[np.int64] | NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.where(whole > 0, 1 - part / np.maximum(whole, 1), 1.0).astype(np.float64)
