"""The compiled walk through the markings of a net, for `reachability`."""
# ruff: noqa: ANN001, ANN202, ANN201, SIM110
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled


@compiled
def marking_hash(marking):
    """Hash a marking (FNV-1a)."""
    value = np.uint64(14695981039346656037)
    for tokens in marking:
        value = (value ^ np.uint64(tokens)) * np.uint64(1099511628211)
    return np.int64(value >> np.uint64(1))


@compiled
def enabled(start, place, weight, marking, transition):
    """Say whether a transition can fire."""
    for arc in range(start[transition], start[transition + 1]):
        if marking[place[arc]] < weight[arc]:
            return False
    return True


@compiled
def explore(
    need_start, need_place, need_weight, change_start, change_place, change_weight, initial, limit, most
):  # fmt: skip
    """Find all markings of a net, breadth first; return a status, the place that overflows, markings and moves.

    The status is 0 when complete, 1 when there are more than ``limit`` markings, 2 when the net is unbounded.
    """
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
def _doubled(values):
    grown = np.zeros(2 * len(values), dtype=values.dtype)
    grown[: len(values)] = values
    return grown


@compiled
def backward(start, source, reached):
    """Mark, in place, the states from which a marked one can be reached; moves are sorted by target."""
    stack = list(np.flatnonzero(reached))
    while len(stack) > 0:
        state = stack.pop()
        for edge in range(start[state], start[state + 1]):
            if not reached[source[edge]]:
                reached[source[edge]] = True
                stack.append(source[edge])
    return reached
