"""The compiled search of `search`: cheapest first through pairs of a place in the path and a marking of the net.

Plain arrays in and out. ``net`` is what `reachability.arcs` returns: what each transition needs, and how it changes the
marking. ``events`` has per symbol its label (-1: none), its cost alone and together.
"""
# ruff: noqa: ANN001, ANN202, ANN201, SIM110
# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled, inlined
from journeymining.conformance.exploration import doubled, enabled, fired, marking_slot, rehashed

POSSIBLE, NEEDED = 0, 1
"""What is known of a marking's labels: they may still come; no end can be reached without them."""

BEGIN, END, FINAL = 0, 1, 2
"""What else is known of a marking: where its moves begin (-1: not made yet) and end, and whether it is an end."""

SPENT, PARENT, HOW, DONE = 0, 1, 2, 3
"""What is known of a node of the search: its cost, the node before it, the move between, whether it was looked at."""


@compiled
def search_paths(net, initial, finals, labels, model_cost, events, symbols, offsets, unfinished, budget):
    """Align every path; return lower bound, whether that is the optimum, number of moves, and the moves of each."""
    paths = len(offsets) - 1
    # Markings and the moves from them are kept for all paths; they are made when first needed.
    known = _no_markings(net, initial, finals, labels)
    steps = np.empty((2, 4096), dtype=np.int32)
    cheapest = _cheapest(labels, model_cost, known[1].shape[2])
    lower, found = np.zeros(paths, dtype=np.int32), np.zeros(paths, dtype=np.bool_)
    number, moves, written = np.zeros(paths, dtype=np.int32), np.empty((3, 1024), dtype=np.int32), 0
    for path in range(paths):
        here = symbols[offsets[path] : offsets[path + 1]]
        ahead, lacking = _sure(here, events, cheapest, unfinished[path])
        lower[path], goal, keys, nodes, known, steps = _search_path(
            net, finals, labels, model_cost, events, here, ahead, lacking, unfinished[path], budget, known, steps
        )
        found[path] = goal >= 0
        if found[path]:
            moves, number[path] = _written(moves, written, keys, nodes, goal, len(here), len(labels))
            written += number[path]
    return lower, found, number, moves[0, :written], moves[1, :written], moves[2, :written]


@compiled
def _cheapest(labels, model_cost, kinds):
    """Return what the cheapest step of each label costs."""
    cheapest = np.full(kinds, np.iinfo(np.int32).max, dtype=np.int32)
    for transition in range(len(labels)):
        if labels[transition] >= 0:
            cheapest[labels[transition]] = min(cheapest[labels[transition]], model_cost[transition])
    return cheapest


@compiled
def _sure(steps, events, cheapest, unfinished):
    """Return what must be paid from each place of a path on.

    Per place and label: what its events cost where the model can no longer match them (in the last column those that
    it never could), and what a step of the label costs that no event of the path has.
    """
    length, kinds = len(steps), len(cheapest)
    ahead = np.zeros((length + 1, kinds + 1), dtype=np.int32)
    lacking = np.zeros((length + 1, kinds), dtype=np.int32)
    if not unfinished:
        lacking[:] = cheapest
    for at in range(length - 1, -1, -1):
        label, alone, together = events[0, steps[at]], events[1, steps[at]], events[2, steps[at]]
        ahead[at], lacking[at] = ahead[at + 1], lacking[at + 1]
        ahead[at, label] += max(0, alone - together)
        if label >= 0:
            lacking[at, label] = 0
    return ahead, lacking


@inlined
def _certain(ahead, lacking, outlook, at, marking):
    """Sum what is sure to be paid: events whose label can no longer come, labels that must come and no event has."""
    total = ahead[at, -1]
    for label in range(lacking.shape[1]):
        if not outlook[marking, POSSIBLE, label]:
            total += ahead[at, label]
        if outlook[marking, NEEDED, label]:
            total += lacking[at, label]
    return total


@compiled
def _search_path(
    net, finals, labels, model_cost, events, steps, ahead, lacking, unfinished, budget, known, edges
):  # fmt: skip
    """Search the way of one path; return what it costs at least, its last node (-1: none found), nodes and markings."""
    length = len(steps)
    keys, nodes, table = np.zeros(1024, dtype=np.int64), np.zeros((1024, 4), dtype=np.int32), _empty_table(1024)
    outlook, facts = known[1], known[2]
    level = _certain(ahead, lacking, outlook, 0, 0)
    # Buckets of nodes by what they cost at least: the first link of each; of a link the next one, and its node.
    heads, links = np.full(level + 1024, -1, dtype=np.int32), np.zeros((1024, 2), dtype=np.int32)
    # The start is the only node, and in its bucket.
    nodes[0, PARENT], nodes[0, HOW], table[_place_of(table, keys, 0)], heads[level], links[0, 0] = -1, -1, 0, 0, -1
    made = pushed = waiting = 1
    goal, looked = -1, 0
    while waiting > 0 and goal == -1 and looked < budget:
        link = heads[level]
        if link == -1:
            level += 1
            continue
        heads[level], node = links[link, 0], links[link, 1]
        waiting -= 1
        if nodes[node, DONE]:
            continue
        nodes[node, DONE] = 1
        looked += 1
        marking, at = keys[node] // (length + 1), keys[node] % (length + 1)
        if at == length and (unfinished or facts[marking, FINAL]):
            goal = node
            break
        if facts[marking, BEGIN] == -1:
            known, edges = _expanded(net, finals, labels, known, edges, marking)
            outlook, facts = known[1], known[2]
        first, until = facts[marking, BEGIN], facts[marking, END]
        choices = 2 * (until - first) + 1
        if made + choices > len(keys):
            keys, nodes, table = _more_nodes(keys, nodes, made, choices)
        if pushed + choices > len(links):
            links = _longer(links, 2 * (pushed + choices))
        for choice in range(choices):
            cost, target, reached, move = _choice(
                choice, first, until, marking, at, steps, labels, model_cost, events, edges
            )
            if cost == -1:
                continue
            total, key = nodes[node, SPENT] + cost, target * (length + 1) + reached
            slot = _place_of(table, keys, key)
            other = np.int64(table[slot])
            if other == -1:
                other = made
                keys[other], table[slot] = key, other
                made += 1
            elif nodes[other, DONE] or nodes[other, SPENT] <= total:
                continue
            nodes[other, SPENT], nodes[other, PARENT], nodes[other, HOW] = total, node, move
            rank = total + _certain(ahead, lacking, outlook, reached, target)
            if rank >= len(heads):
                heads = np.append(heads, np.full(2 * rank + 1 - len(heads), -1, dtype=np.int32))
            links[pushed, 0], links[pushed, 1], heads[rank] = heads[rank], other, pushed
            pushed += 1
            waiting += 1
    return level, goal, keys, nodes, known, edges


@inlined
def _choice(choice, first, until, marking, at, steps, labels, model_cost, events, edges):
    """Return a move from a node: its cost (-1: there is no such move), where it leads, and its code for `_written`.

    Model steps come first and matched events last: the last of equal cost is looked at first.
    """
    alone, transitions = until - first, len(labels)
    if choice < alone:
        transition = np.int64(edges[1, first + choice])
        return np.int64(model_cost[transition]), np.int64(edges[0, first + choice]), at, 2 * transitions + transition
    if at == len(steps):
        return -1, marking, at, 0
    if choice == alone:
        return np.int64(events[1, steps[at]]), marking, at + 1, 3 * transitions
    edge = first + choice - alone - 1
    transition = np.int64(edges[1, edge])
    if labels[transition] < 0 or labels[transition] != events[0, steps[at]]:
        return -1, marking, at, 0
    return np.int64(events[2, steps[at]]), np.int64(edges[0, edge]), at + 1, transition


@compiled
def _empty_table(capacity):
    return np.full(4 * capacity, -1, dtype=np.int32)


@inlined
def _place_of(table, keys, key):
    """Return the slot of a key in a hash table, or the free slot where it belongs."""
    slot = (np.uint64(key) * np.uint64(11400714819323198485) >> np.uint64(20)) % np.uint64(len(table))
    while table[slot] != -1 and keys[table[slot]] != key:
        slot = (slot + np.uint64(1)) % np.uint64(len(table))
    return slot


@compiled
def _more_nodes(keys, nodes, number, room):
    """Return room for more nodes than there are."""
    capacity = 2 * (number + room)
    more = np.zeros(capacity, dtype=np.int64)
    more[:number] = keys[:number]
    table = _empty_table(capacity)
    for node in range(number):
        table[_place_of(table, more, more[node])] = node
    return more, _longer(nodes, capacity), table


@compiled
def _longer(values, rows):
    grown = np.zeros((rows, values.shape[1]), dtype=values.dtype)
    grown[: len(values)] = values
    return grown


@compiled
def _wider(values, columns):
    grown = np.zeros((values.shape[0], columns), dtype=values.dtype)
    grown[:, : values.shape[1]] = values
    return grown


@compiled
def _written(moves, begin, keys, nodes, goal, length, transitions):
    """Write the moves that lead to a node behind those of other paths; return all of them and how many were written."""
    until, node = begin, goal
    while nodes[node, HOW] != -1:
        if until == moves.shape[1]:
            moves = _wider(moves, 2 * until)
        move, at = nodes[node, HOW], keys[node] % (length + 1)
        if move == 3 * transitions:
            moves[0, until], moves[1, until], moves[2, until] = 1, at - 1, -1
        elif move >= 2 * transitions:
            moves[0, until], moves[1, until], moves[2, until] = 2, -1, move - 2 * transitions
        else:
            moves[0, until], moves[1, until], moves[2, until] = 0, at - 1, move
        until += 1
        node = nodes[node, PARENT]
    moves[:, begin:until] = moves[:, begin:until][:, ::-1].copy()
    return moves, until - begin


@compiled
def _no_markings(net, initial, finals, labels):
    """Return the markings that are known at first: the initial one.

    The markings, their outlook, what else is known of them, a hash table, and how many markings and moves there are.
    """
    places, kinds = len(initial), 1
    for label in labels:
        kinds = max(kinds, label + 1)
    markings, outlook = np.zeros((1024, places), dtype=np.uint8), np.zeros((1024, 2, kinds), dtype=np.bool_)
    facts, count = np.zeros((1024, 3), dtype=np.int64), np.zeros(2, dtype=np.int64)
    known = (markings, outlook, facts, np.full(4096, -1, dtype=np.int32), count)
    return _with_marking(net, finals, labels, known, initial, marking_slot(known[3], markings, initial))


@compiled
def _with_marking(net, finals, labels, known, marking, slot):
    """Return the known markings and one more, which belongs into a slot of the hash table."""
    markings, outlook, facts, table, count = known
    number = count[0]
    if number == len(markings):
        markings, outlook, facts = doubled(markings), doubled(outlook), doubled(facts)
        table = rehashed(markings, number, 4 * len(markings))
        slot = marking_slot(table, markings, marking)
    markings[number], table[slot] = marking, number
    facts[number, BEGIN], facts[number, FINAL] = -1, _matches(finals, marking)
    _look_out(net, marking, labels, finals, outlook[number])
    count[0] += 1
    return markings, outlook, facts, table, count


@compiled
def _expanded(net, finals, labels, known, edges, marking):
    """Return the known markings and the moves between them, with the moves from one marking made."""
    count = known[4]
    known[2][marking, BEGIN] = count[1]
    for transition in range(len(labels)):
        if not enabled(net, known[0][marking], transition):
            continue
        after, overflow = fired(net, known[0][marking], transition)
        if overflow >= 0:
            continue
        slot = marking_slot(known[3], known[0], after)
        target = np.int64(known[3][slot])
        if target == -1:
            target = count[0]
            known = _with_marking(net, finals, labels, known, after, slot)
        if count[1] == edges.shape[1]:
            edges = _wider(edges, 2 * count[1])
        edges[0, count[1]], edges[1, count[1]] = target, transition
        count[1] += 1
    known[2][marking, END] = count[1]
    return known, edges


@compiled
def _matches(finals, marking):
    """Say whether a marking is one of the final ones."""
    for final in finals:
        if (final == marking).all():
            return True
    return False


@compiled
def _look_out(net, marking, labels, finals, outlook):
    """Mark the labels that may come after a marking, and those without which no end can be reached.

    Both as if tokens were never used up, so that neither is ever promised too boldly.
    """
    nothing = np.zeros(outlook.shape[1], dtype=np.bool_)
    _spread(net, marking > 0, labels, -2, outlook[POSSIBLE])
    for label in range(len(nothing)):
        if outlook[POSSIBLE, label]:
            marked = _spread(net, marking > 0, labels, label, nothing)
            ends = False
            for final in finals:
                covered = True
                for place in range(len(final)):
                    covered = covered and (final[place] == 0 or marked[place])
                ends = ends or covered
            outlook[NEEDED, label] = not ends


@compiled
def _spread(net, marked, labels, without, possible):
    """Fire every transition that can, but one label, until no place is new; return the places that were marked."""
    need_start, need_place, _, change_start, change_place, change_weight = net
    done = np.zeros(len(labels), dtype=np.bool_)
    grew = True
    while grew:
        grew = False
        for transition in range(len(labels)):
            if done[transition] or labels[transition] == without:
                continue
            ready = True
            for arc in range(need_start[transition], need_start[transition + 1]):
                ready = ready and marked[need_place[arc]]
            if not ready:
                continue
            done[transition], grew = True, True
            if labels[transition] >= 0:
                possible[labels[transition]] = True
            for arc in range(change_start[transition], change_start[transition + 1]):
                if change_weight[arc] > 0:
                    marked[change_place[arc]] = True
    return marked
