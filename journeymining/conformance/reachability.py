"""The reachability graph of a Petri net: every state a journey can be in, and the moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from journeymining.conformance.compiled import compiled
from journeymining.conformance.petri import MOST_TOKENS
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from journeymining.conformance.petri import PetriNet

COMPLETE, TOO_LARGE, UNBOUNDED = 0, 1, 2


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
        raise InputError("The model has no initial marking and not exactly one source place to put one in.")
    if not net.finals:
        raise InputError("The model has no final marking and not exactly one sink place: where does a journey end?")
    status, place, markings, source, target, transition = _explore(
        *arcs(net), net.initial.astype(np.uint8), limit, MOST_TOKENS
    )
    if status == UNBOUNDED:
        raise InputError(f"The model is unbounded: tokens pile up in place '{net.places[place]}' without end.")
    if status == TOO_LARGE:
        raise TooManyStatesError(f"The model has more than {limit} states.")
    wanted = np.array([final for final in net.finals], dtype=np.uint8)
    final = (markings[:, None, :] == wanted[None, :, :]).all(axis=2).any(axis=1)
    if not final.any():
        raise InputError("The model is dead: its final marking can never be reached, so no journey could follow it.")
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


@compiled
def marking_hash(marking: NDArray[np.uint8]) -> int:
    """Hash a marking (FNV-1a)."""
    value = np.uint64(14695981039346656037)
    for tokens in marking:
        value = (value ^ np.uint64(tokens)) * np.uint64(1099511628211)
    return np.int64(value >> np.uint64(1))


@compiled
def enabled(start, place, weight, marking, transition) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Say whether a transition can fire."""
    for arc in range(start[transition], start[transition + 1]):
        if marking[place[arc]] < weight[arc]:
            return False
    return True


@compiled
def _explore(  # type: ignore[no-untyped-def]  # noqa: ANN202
    need_start, need_place, need_weight, change_start, change_place, change_weight, initial, limit, most  # noqa: ANN001
):
    places, transitions = len(initial), len(need_start) - 1
    capacity, table_size = 1024, 4096
    markings = np.zeros((capacity, places), dtype=np.uint8)
    parent = np.full(capacity, -1, dtype=np.int32)
    table = np.full(table_size, -1, dtype=np.int32)
    edge_capacity, edges, states = 4096, 0, 1
    source, target = np.zeros(edge_capacity, dtype=np.int32), np.zeros(edge_capacity, dtype=np.int32)
    fired = np.zeros(edge_capacity, dtype=np.int32)
    markings[0] = initial
    table[marking_hash(initial) % table_size] = 0
    after = np.zeros(places, dtype=np.uint8)
    status, culprit, at = 0, 0, 0
    while at < states and status == 0:
        for transition in range(transitions):
            if not enabled(need_start, need_place, need_weight, markings[at], transition):
                continue
            after[:] = markings[at]
            heavy = False
            for arc in range(change_start[transition], change_start[transition + 1]):
                tokens = np.int64(after[change_place[arc]]) + change_weight[arc]
                if tokens > most:
                    status, culprit = 2, change_place[arc]
                    tokens = most
                after[change_place[arc]] = tokens
            slot = marking_hash(after) % table_size
            found = -1
            while table[slot] != -1:
                if (markings[table[slot]] == after).all():
                    found = table[slot]
                    break
                slot = (slot + 1) % table_size
            if found == -1:
                for place in range(places):
                    heavy = heavy or after[place] > 1
                if heavy:
                    # A marking that exceeds one on the way to it can be pumped up: the net is unbounded.
                    ancestor = at
                    while ancestor != -1 and status == 0:
                        if (after >= markings[ancestor]).all():
                            status = 2
                            for place in range(places):
                                if after[place] > markings[ancestor, place]:
                                    culprit = place
                        ancestor = parent[ancestor]
                if states == limit and status == 0:
                    status = 1
                if status != 0:
                    break
                if states == capacity:
                    capacity *= 2
                    grown = np.zeros((capacity, places), dtype=np.uint8)
                    grown[:states] = markings
                    markings = grown
                    parents = np.full(capacity, -1, dtype=np.int32)
                    parents[:states] = parent
                    parent = parents
                markings[states] = after
                parent[states] = at
                table[slot] = states
                found = states
                states += 1
                if 2 * states > table_size:
                    table_size *= 2
                    table = np.full(table_size, -1, dtype=np.int32)
                    for state in range(states):
                        slot = marking_hash(markings[state]) % table_size
                        while table[slot] != -1:
                            slot = (slot + 1) % table_size
                        table[slot] = state
            if edges == edge_capacity:
                edge_capacity *= 2
                source, target, fired = _doubled(source), _doubled(target), _doubled(fired)
            source[edges], target[edges], fired[edges] = at, found, transition
            edges += 1
        at += 1
    return status, culprit, markings[:states], source[:edges], target[:edges], fired[:edges]


@compiled
def _doubled(values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    grown = np.zeros(2 * len(values), dtype=values.dtype)
    grown[: len(values)] = values
    return grown


def _reaching(
    states: int, source: NDArray[np.int32], target: NDArray[np.int32], wanted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Mark the states from which a wanted state can be reached."""
    order = np.argsort(target, kind="stable")
    start = np.searchsorted(target[order], np.arange(states + 1))
    return _backward(start, source[order], wanted.copy())


@compiled
def _backward(start: NDArray[np.int64], source: NDArray[np.int32], reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
    stack = list(np.flatnonzero(reached))
    while len(stack) > 0:
        state = stack.pop()
        for edge in range(start[state], start[state + 1]):
            if not reached[source[edge]]:
                reached[source[edge]] = True
                stack.append(source[edge])
    return reached


def obligatory(graph: ReachabilityGraph, labels: NDArray[np.int32], label: int) -> NDArray[np.bool_]:
    """Mark the states from which every way to the end passes a label (given per transition, -1 silent)."""
    keep = labels[graph.transition] != label
    final = np.zeros(graph.states, dtype=np.bool_)
    final[graph.finals] = True
    missing: NDArray[np.bool_] = ~_reaching(graph.states, graph.source[keep], graph.target[keep], final)
    return missing
