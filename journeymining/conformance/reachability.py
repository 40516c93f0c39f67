"""The reachability graph of a Petri net: every state a journey can be in, and the moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from journeymining.conformance.exploration import TOO_LARGE, UNBOUNDED, backward, explore
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.conformance.petri import PetriNet


@dataclass(frozen=True)
class ReachabilityGraph:
    """States and moves of a net, without the states from which the journey could not end.

    State 0 is the initial one. Moves are sorted by source, then transition. ``finals`` are the states where a
    journey may end. ``dead_ends`` counts the states that were left out because no final state can be reached from them.
    """

    states: int
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    transition: NDArray[np.int32]
    finals: NDArray[np.int32]
    dead_ends: int


class TooManyStatesError(InputError):
    """The reachability graph is larger than the limit: the states must be searched on demand."""


def reachability_graph(net: PetriNet, *, limit: int = 100_000) -> ReachabilityGraph:
    """Explore all states of a net, breadth first, transitions in the order of the net.

    Raises
    ------
    TooManyStatesError
        If there are more than ``limit`` states.
    InputError
        If the net is unbounded (tokens can pile up without end), or can never end; with the reason.

    Examples
    --------
    >>> from journeymining.conformance.flow import flow_net, parse_flow
    >>> graph = reachability_graph(flow_net(parse_flow("{a, b} > c")))
    >>> graph.states, len(graph.transition)
    (7, 7)
    """
    if not net.initial.any():
        raise InputError(
            "the model has no initial marking and not exactly one place that nothing leads to: write where a journey "
            "begins, in PNML as <initialMarking> of a place."
        )
    if not net.finals:
        raise InputError(
            "the model has no final marking and not exactly one place that leads nowhere: write where a journey ends, "
            "in PNML as <finalmarkings>."
        )
    status, place, markings, (source, target, transition) = explore(arcs(net), net.initial.astype(np.uint8), limit)
    if status == UNBOUNDED:
        raise InputError(
            f"the model is unbounded: tokens pile up in place '{net.places[place]}' without end. Let what puts them "
            "there happen only once, or let something take them away before it happens again."
        )
    if status == TOO_LARGE:
        raise TooManyStatesError(f"the model has more than {limit} states.")
    final = np.zeros(len(markings), dtype=np.bool_)
    for wanted in net.finals:
        final |= (markings == wanted.astype(np.uint8)).all(axis=1)
    if not final.any():
        raise InputError(
            "the model is dead: its final marking can never be reached, so no journey could follow it. Look for a step "
            "that waits for tokens that never come."
        )
    alive = _reaching(len(markings), source, target, final)
    number = (np.cumsum(alive) - 1).astype(np.int32)
    keep = alive[source] & alive[target]
    return ReachabilityGraph(
        states=int(alive.sum()),
        source=number[source[keep]],
        target=number[target[keep]],
        transition=transition[keep],
        finals=number[np.flatnonzero(final)],
        dead_ends=int((~alive).sum()),
    )


def arcs(net: PetriNet) -> tuple[NDArray[np.int32], ...]:
    """Return the arcs of a net as two sparse tables: what each transition needs, and how it changes the marking."""
    tables: list[NDArray[np.int32]] = []
    for matrix in (net.pre, net.post - net.pre):
        rows, columns = np.nonzero(matrix)
        start = np.searchsorted(rows, np.arange(len(net.transitions) + 1)).astype(np.int32)
        tables += [start, columns.astype(np.int32), matrix[rows, columns].astype(np.int32)]
    return tuple(tables)


def _reaching(
    states: int, source: NDArray[np.int32], target: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the states from which a wanted state can be reached."""
    order = np.argsort(target, kind="stable")
    start = np.searchsorted(target[order], np.arange(states + 1))
    reached: NDArray[np.bool_] = backward(start, source[order], wanted.copy())
    return reached


def obligatory(graph: ReachabilityGraph, labels: NDArray[np.int32], label: int) -> NDArray[np.bool_]:
    """Mark the states from which every way to the end passes a label (given per transition, -1 silent)."""
    keep = labels[graph.transition] != label
    final = np.zeros(graph.states, dtype=np.bool_)
    final[graph.finals] = True
    missing: NDArray[np.bool_] = ~_reaching(graph.states, graph.source[keep], graph.target[keep], final)
    return missing
