"""The compiled walk through the markings of a net, for `reachability`.

``net`` is what `reachability.arcs` returns: what each transition needs, and how it changes the marking.
"""
# ruff: noqa: ANN001, ANN202, ANN201, SIM110
# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled
from journeymining.conformance.petri import MOST_TOKENS

COMPLETE, TOO_LARGE, UNBOUNDED = 0, 1, 2
"""How an exploration ends."""


@compiled
def explore(net, initial, limit):
    """Find all markings of a net, breadth first; return how it ended, the place that overflows, markings and moves."""
    transitions, places = len(net[0]) - 1, len(initial)
    markings, parent = np.zeros((1024, places), dtype=np.uint8), np.full(1024, -1, dtype=np.int32)
    markings[0] = initial
    table, states = rehashed(markings, 1, 4096), 1
    moves, edges = np.zeros((3, 4096), dtype=np.int32), 0
    at = 0
    while at < states:
        for transition in range(transitions):
            if not enabled(net, markings[at], transition):
                continue
            after, overflow = fired(net, markings[at], transition)
            if overflow >= 0:
                return UNBOUNDED, overflow, markings[:states], moves[:, :edges]
            slot = marking_slot(table, markings, after)
            if table[slot] == -1:
                pumped = _pumped(markings, parent, at, after)
                if pumped >= 0:
                    return UNBOUNDED, pumped, markings[:states], moves[:, :edges]
                if states == limit:
                    return TOO_LARGE, 0, markings[:states], moves[:, :edges]
                if states == len(markings):
                    markings, parent = doubled(markings), doubled(parent)
                markings[states], parent[states], table[slot] = after, at, states
                states += 1
                if 2 * states > len(table):
                    table = rehashed(markings, states, 2 * len(table))
                    slot = marking_slot(table, markings, after)
            if edges == moves.shape[1]:
                moves = np.concatenate((moves, np.zeros_like(moves)), axis=1)
            moves[0, edges], moves[1, edges], moves[2, edges] = at, table[slot], transition
            edges += 1
        at += 1
    return COMPLETE, 0, markings[:states], moves[:, :edges]


@compiled
def enabled(net, marking, transition):
    """Say whether a transition can fire."""
    start, place, weight = net[0], net[1], net[2]
    for arc in range(start[transition], start[transition + 1]):
        if marking[place[arc]] < weight[arc]:
            return False
    return True


@compiled
def fired(net, marking, transition):
    """Return the marking after a transition, and a place that then holds more tokens than can be counted, or -1."""
    start, place, weight = net[3], net[4], net[5]
    after, overflow = marking.copy(), -1
    for arc in range(start[transition], start[transition + 1]):
        tokens = np.int64(after[place[arc]]) + weight[arc]
        if tokens > MOST_TOKENS:
            overflow, tokens = np.int64(place[arc]), MOST_TOKENS
        after[place[arc]] = tokens
    return after, overflow


@compiled
def marking_slot(table, markings, marking):
    """Return the slot of a marking in a hash table of their numbers, or the free slot where it belongs (FNV-1a)."""
    value = np.uint64(14695981039346656037)
    for tokens in marking:
        value = (value ^ np.uint64(tokens)) * np.uint64(1099511628211)
    slot = np.int64(value >> np.uint64(1)) % len(table)
    while table[slot] != -1 and not (markings[table[slot]] == marking).all():
        slot = (slot + 1) % len(table)
    return slot


@compiled
def rehashed(markings, number, size):
    """Return a hash table of the numbers of the first markings."""
    table = np.full(size, -1, dtype=np.int32)
    for one in range(number):
        table[marking_slot(table, markings, markings[one])] = one
    return table


@compiled
def doubled(values):
    """Return room for twice as many entries."""
    return np.concatenate((values, np.zeros_like(values)))


@compiled
def _pumped(markings, parent, at, after):
    """Return a place that fills without end if a marking exceeds one on the way to it, else -1."""
    # Nothing can exceed another marking of a safe net.
    if after.max() <= 1:
        return -1
    ancestor = at
    while ancestor != -1:
        if (after >= markings[ancestor]).all():
            return np.flatnonzero(after > markings[ancestor])[-1]
        ancestor = parent[ancestor]
    return -1


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
