"""The compiled search of `search`: cheapest first through pairs of a place in the path and a marking of the net."""
# ruff: noqa: ANN001, ANN202, ANN201, SIM110
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled
from journeymining.conformance.exploration import enabled, marking_hash

MOST = 250


@compiled
def _larger(values, size):
    grown = np.empty(size, dtype=values.dtype)
    grown[: len(values)] = values
    return grown


@compiled
def _place_of(table, keys, key):
    """Return the slot of a key in a hash table, or the free slot where it belongs."""
    slot = (np.uint64(key) * np.uint64(11400714819323198485) >> np.uint64(20)) % np.uint64(len(table))
    while table[slot] != -1 and keys[table[slot]] != key:
        slot = (slot + np.uint64(1)) % np.uint64(len(table))
    return slot


@compiled
def _marking_slot(table, markings, marking):
    slot = marking_hash(marking) % len(table)
    while table[slot] != -1 and not (markings[table[slot]] == marking).all():
        slot = (slot + 1) % len(table)
    return slot


@compiled
def search_paths(
    need_start, need_place, need_weight, change_start, change_place, change_weight, initial, finals, labels,
    model_cost, symbol_label, log_cost, both_cost, symbols, offsets, unfinished, budget,
):  # fmt: skip
    """Align every path; return lower bound, whether that is the optimum, and the moves of each."""
    places, transitions, paths = len(initial), len(need_start) - 1, len(offsets) - 1
    # Markings and the moves from them are kept for all paths; they are made when first needed.
    markings = np.zeros((1024, places), dtype=np.uint8)
    marking_table = np.full(4096, -1, dtype=np.int32)
    is_final = np.zeros(1024, dtype=np.bool_)
    next_start, next_end = np.full(1024, -1, dtype=np.int64), np.zeros(1024, dtype=np.int64)
    next_marking, next_transition = np.empty(4096, dtype=np.int32), np.empty(4096, dtype=np.int32)
    known, moves_known = 1, 0
    markings[0] = initial
    marking_table[_marking_slot(marking_table, markings, initial)] = 0
    is_final[0] = _matches(finals, initial)
    kinds_of_labels = 1
    for label in labels:
        kinds_of_labels = max(kinds_of_labels, label + 1)
    cheapest = np.full(kinds_of_labels, np.iinfo(np.int32).max, dtype=np.int32)
    for transition in range(transitions):
        if labels[transition] >= 0:
            cheapest[labels[transition]] = min(cheapest[labels[transition]], model_cost[transition])
    possible = np.zeros((1024, kinds_of_labels), dtype=np.bool_)
    needed = np.zeros((1024, kinds_of_labels), dtype=np.bool_)
    _outlook(
        need_start, need_place, change_start, change_place, change_weight, initial, labels, finals,
        possible[0], needed[0],
    )  # fmt: skip
    after = np.zeros(places, dtype=np.uint8)

    lower, found = np.zeros(paths, dtype=np.int32), np.zeros(paths, dtype=np.bool_)
    number = np.zeros(paths, dtype=np.int32)
    kinds, positions = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.int32)
    fired = np.empty(1024, dtype=np.int32)
    written = 0
    for path in range(paths):
        begin, length = offsets[path], offsets[path + 1] - offsets[path]
        # What events still cost where the model can no longer match them: the last column where it never could.
        ahead = np.zeros((length + 1, kinds_of_labels + 1), dtype=np.int32)
        lacking = np.zeros((length + 1, kinds_of_labels), dtype=np.int32)
        if not unfinished[path]:
            lacking[:] = cheapest
        for at in range(length - 1, -1, -1):
            symbol = symbols[begin + at]
            ahead[at] = ahead[at + 1]
            ahead[at, symbol_label[symbol]] += max(0, log_cost[symbol] - both_cost[symbol])
            lacking[at] = lacking[at + 1]
            if symbol_label[symbol] >= 0:
                lacking[at, symbol_label[symbol]] = 0
        keys = np.empty(1024, dtype=np.int64)
        spent, parent = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.int32)
        how = np.empty(1024, dtype=np.int32)
        done = np.zeros(1024, dtype=np.bool_)
        table = np.full(4096, -1, dtype=np.int32)
        keys[0], spent[0], parent[0], how[0] = 0, 0, -1, -1
        table[_place_of(table, keys, 0)] = 0
        nodes = 1
        heads = np.full(1024, -1, dtype=np.int32)
        links, held = np.empty(1024, dtype=np.int32), np.empty(1024, dtype=np.int32)
        pushed, waiting = 1, 1
        level = _certain(ahead[0], possible[0], lacking[0], needed[0])
        if level >= len(heads):
            heads = np.full(level + 1024, -1, dtype=np.int32)
        heads[level], links[0], held[0] = 0, -1, 0
        goal, looked = -1, 0
        while waiting > 0 and goal == -1 and looked < budget:
            if heads[level] == -1:
                level += 1
                continue
            link = heads[level]
            heads[level] = links[link]
            waiting -= 1
            node = held[link]
            if done[node]:
                continue
            done[node] = True
            looked += 1
            marking, at = keys[node] // (length + 1), keys[node] % (length + 1)
            if at == length and (unfinished[path] or is_final[marking]):
                goal = node
                break
            if next_start[marking] == -1:
                next_start[marking] = moves_known
                for transition in range(transitions):
                    if not enabled(need_start, need_place, need_weight, markings[marking], transition):
                        continue
                    after[:] = markings[marking]
                    fits = True
                    for arc in range(change_start[transition], change_start[transition + 1]):
                        tokens = np.int64(after[change_place[arc]]) + change_weight[arc]
                        fits = fits and tokens <= MOST
                        after[change_place[arc]] = min(tokens, MOST)
                    if not fits:
                        continue
                    slot = _marking_slot(marking_table, markings, after)
                    if marking_table[slot] == -1:
                        if known == len(markings):
                            grown = np.zeros((2 * known, places), dtype=np.uint8)
                            grown[:known] = markings
                            markings = grown
                            wider = np.zeros((2 * known, kinds_of_labels), dtype=np.bool_)
                            wider[:known] = possible
                            possible = wider
                            wider = np.zeros((2 * known, kinds_of_labels), dtype=np.bool_)
                            wider[:known] = needed
                            needed = wider
                            is_final = _larger(is_final, 2 * known)
                            next_start, next_end = _larger(next_start, 2 * known), _larger(next_end, 2 * known)
                            next_start[known:] = -1
                            marking_table = np.full(8 * known, -1, dtype=np.int32)
                            for one in range(known):
                                marking_table[_marking_slot(marking_table, markings, markings[one])] = one
                            slot = _marking_slot(marking_table, markings, after)
                        markings[known] = after
                        is_final[known] = _matches(finals, after)
                        _outlook(
                            need_start, need_place, change_start, change_place, change_weight, after, labels, finals,
                            possible[known], needed[known],
                        )  # fmt: skip
                        marking_table[slot] = known
                        known += 1
                    if moves_known == len(next_marking):
                        next_marking = _larger(next_marking, 2 * moves_known)
                        next_transition = _larger(next_transition, 2 * moves_known)
                    next_marking[moves_known] = marking_table[slot]
                    next_transition[moves_known] = transition
                    moves_known += 1
                next_end[marking] = moves_known
            label = -2
            if at < length:
                symbol = symbols[begin + at]
                label = symbol_label[symbol]
            count = next_end[marking] - next_start[marking]
            # Model steps are pushed first and matched events last: the last of equal cost is looked at first.
            for choice in range(2 * count + 1):
                if choice < count:
                    edge = next_start[marking] + choice
                    transition = next_transition[edge]
                    cost, target, reached = model_cost[transition], next_marking[edge], at
                    move = 2 * transitions + transition
                elif choice == count:
                    if at == length:
                        continue
                    cost, target, reached, move = log_cost[symbol], marking, at + 1, 3 * transitions
                else:
                    edge = next_start[marking] + choice - count - 1
                    transition = next_transition[edge]
                    if label < 0 or labels[transition] != label:
                        continue
                    cost, target, reached, move = both_cost[symbol], next_marking[edge], at + 1, transition
                total = spent[node] + cost
                key = np.int64(target) * (length + 1) + reached
                slot = _place_of(table, keys, key)
                other = table[slot]
                if other == -1:
                    if nodes == len(keys):
                        keys, spent = _larger(keys, 2 * nodes), _larger(spent, 2 * nodes)
                        parent, how, done = (
                            _larger(parent, 2 * nodes),
                            _larger(how, 2 * nodes),
                            _larger(done, 2 * nodes),
                        )
                        done[nodes:] = False
                        table = np.full(8 * nodes, -1, dtype=np.int32)
                        for one in range(nodes):
                            table[_place_of(table, keys, keys[one])] = one
                        slot = _place_of(table, keys, key)
                    other = nodes
                    keys[other] = key
                    table[slot] = other
                    nodes += 1
                elif done[other] or spent[other] <= total:
                    continue
                spent[other], parent[other], how[other] = total, node, move
                rank = total + _certain(ahead[reached], possible[target], lacking[reached], needed[target])
                if rank >= len(heads):
                    size = len(heads)
                    heads = _larger(heads, 2 * rank + 1)
                    heads[size:] = -1
                if pushed == len(links):
                    links, held = _larger(links, 2 * pushed), _larger(held, 2 * pushed)
                held[pushed], links[pushed] = other, heads[rank]
                heads[rank] = pushed
                pushed += 1
                waiting += 1
        lower[path] = level
        if goal == -1:
            continue
        found[path] = True
        start = written
        while how[goal] != -1:
            if written == len(kinds):
                kinds, positions = _larger(kinds, 2 * written), _larger(positions, 2 * written)
                fired = _larger(fired, 2 * written)
            move, at = how[goal], keys[goal] % (length + 1)
            if move == 3 * transitions:
                kinds[written], positions[written], fired[written] = 1, at - 1, -1
            elif move >= 2 * transitions:
                kinds[written], positions[written], fired[written] = 2, -1, move - 2 * transitions
            else:
                kinds[written], positions[written], fired[written] = 0, at - 1, move
            written += 1
            goal = parent[goal]
        number[path] = written - start
        for column in (kinds, positions, fired):
            column[start:written] = column[start:written][::-1].copy()
    return lower, found, number, kinds[:written], positions[:written], fired[:written]


@compiled
def _matches(finals, marking):
    """Say whether a marking is one of the final ones."""
    for final in finals:
        if (final == marking).all():
            return True
    return False


@compiled
def _certain(ahead, possible, lacking, needed):
    """Sum what is sure to be paid: events whose label can no longer come, labels that must come and no event has."""
    total = ahead[-1]
    for label in range(len(possible)):
        if not possible[label]:
            total += ahead[label]
        if needed[label]:
            total += lacking[label]
    return total


@compiled
def _outlook(
    need_start, need_place, change_start, change_place, change_weight, marking, labels, finals, possible, needed
):  # fmt: skip
    """Mark the labels that may come after a marking, and those without which no end can be reached.

    Both as if tokens were never used up, so that neither is ever promised too boldly.
    """
    table = (need_start, need_place, change_start, change_place, change_weight)
    _spread(*table, marking > 0, labels, -2, possible)
    nothing = np.zeros(len(possible), dtype=np.bool_)
    for label in range(len(possible)):
        if possible[label]:
            marked = _spread(*table, marking > 0, labels, label, nothing)
            ends = False
            for final in finals:
                covered = True
                for place in range(len(final)):
                    covered = covered and (final[place] == 0 or marked[place])
                ends = ends or covered
            needed[label] = not ends


@compiled
def _spread(
    need_start, need_place, change_start, change_place, change_weight, marked, labels, without, possible
):  # fmt: skip
    """Fire every transition that can, but one label, until no place is new; return the places that were marked."""
    fired = np.zeros(len(labels), dtype=np.bool_)
    grew = True
    while grew:
        grew = False
        for transition in range(len(labels)):
            if fired[transition] or labels[transition] == without:
                continue
            ready = True
            for arc in range(need_start[transition], need_start[transition + 1]):
                ready = ready and marked[need_place[arc]]
            if not ready:
                continue
            fired[transition], grew = True, True
            if labels[transition] >= 0:
                possible[labels[transition]] = True
            for arc in range(change_start[transition], change_start[transition + 1]):
                if change_weight[arc] > 0:
                    marked[change_place[arc]] = True
    return marked
