"""The compiled sweep of `alignment`: rows of least costs, and the way back through them.

Plain arrays in and out; what each means is said in `alignment._model` and `alignment.align`.
"""
# ruff: noqa: ANN001, ANN202, ANN201
# mypy: disable-error-code="no-untyped-def, no-untyped-call"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled

NEVER = 2_000_000_000


@compiled
def common_prefixes(symbols, offsets):
    """Count, for each of the sorted paths, the first symbols it shares with the path before it."""
    shared = np.zeros(len(offsets) - 1, dtype=np.int64)
    for path in range(1, len(offsets) - 1):
        length = min(offsets[path] - offsets[path - 1], offsets[path + 1] - offsets[path])
        same = 0
        while same < length and symbols[offsets[path - 1] + same] == symbols[offsets[path] + same]:
            same += 1
        shared[path] = same
    return shared


@compiled
def _close(row, pushed, out_start, out_target, out_cost, first, following, held, lowest):
    """Spread least costs along model moves, cheapest first, from the states in buckets (Dial's shortest paths).

    ``first`` heads a linked list per cost, ``following`` and ``held`` are its links and states; buckets are left empty.
    """
    level = lowest
    waiting = pushed
    while waiting > 0:
        link = first[level]
        if link == -1:
            level += 1
            continue
        first[level] = following[link]
        waiting -= 1
        state = held[link]
        if row[state] != level:
            continue  # A cheaper way was found since.
        for edge in range(out_start[state], out_start[state + 1]):
            cost = level + out_cost[edge]
            if cost < row[out_target[edge]]:
                row[out_target[edge]] = cost
                held[pushed] = out_target[edge]
                following[pushed] = first[cost]
                first[cost] = pushed
                pushed += 1
                waiting += 1


@compiled
def align_sorted(
    out_start, out_target, out_cost, in_start, in_source, in_cost, in_label, in_transition, label_start, label_source,
    label_target, finals, symbol_label, log_cost, both_cost, symbols, offsets, shared, unfinished,
):  # fmt: skip
    """Align sorted paths; return cost, end state, number of moves per path, and the moves."""
    states, paths = len(out_start) - 1, len(offsets) - 1
    longest, dearest = 0, 0
    for path in range(paths):
        longest = max(longest, offsets[path + 1] - offsets[path])
        total = 0
        for at in range(offsets[path], offsets[path + 1]):
            total += max(log_cost[symbols[at]], both_cost[symbols[at]])
        dearest = max(dearest, total)
    reach = 0
    for edge in range(len(out_cost)):
        reach = max(reach, out_cost[edge])
    # No state is dearer than all events alone and then a way through each state once.
    first = np.full(dearest + reach * states + 2, -1, dtype=np.int32)
    following = np.empty(2 * len(out_target) + states + 1, dtype=np.int32)
    held = np.empty(2 * len(out_target) + states + 1, dtype=np.int32)
    rows = np.full((longest + 1, states), NEVER, dtype=np.int32)
    rows[0, 0] = 0
    first[0], following[0], held[0] = 0, -1, 0
    _close(rows[0], 1, out_start, out_target, out_cost, first, following, held, 0)

    cost, end, number = np.empty(paths, np.int32), np.empty(paths, np.int32), np.empty(paths, np.int32)
    capacity, moves = 4 * len(symbols) + 1024, 0
    kind, position = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    transition = np.empty(capacity, np.int32)
    seen = np.full(states, -1, dtype=np.int64)
    came, queue = np.empty(states, dtype=np.int64), np.empty(states, dtype=np.int32)
    stamp = 0
    for path in range(paths):
        begin, length = offsets[path], offsets[path + 1] - offsets[path]
        for at in range(shared[path], length):
            symbol = symbols[begin + at]
            _step(
                rows[at], rows[at + 1], symbol_label[symbol], log_cost[symbol], both_cost[symbol], label_start,
                label_source, label_target, out_start, out_target, out_cost, first, following, held,
            )  # fmt: skip
        last = rows[length]
        best = finals[0]
        if unfinished[path]:
            best = np.argmin(last)
        else:
            for final in finals:
                if last[final] < last[best]:
                    best = final
        cost[path], end[path] = last[best], best
        start = moves
        state, at = best, length
        while True:
            # The silent way back, shortest first, to a state that an event, a log move or a costly step explains.
            stamp += 1
            head, tail = 0, 1
            queue[0], seen[state], came[state] = state, stamp, -1
            label, alone, together = -2, 0, 0
            if at > 0:
                symbol = symbols[begin + at - 1]
                label, alone, together = symbol_label[symbol], log_cost[symbol], both_cost[symbol]
            value = rows[at, state]
            found, choice, reached = -1, -1, -1
            while choice == -1:
                level_end = tail
                for wanted in range(4):
                    for index in range(head, level_end):
                        here = queue[index]
                        if wanted == 0:
                            if at == 0 and here == 0:
                                choice, reached = 3, here
                            elif at > 0 and rows[at - 1, here] + alone == value:
                                choice, reached = 1, here
                        elif wanted == 1 and at > 0 and label >= 0:
                            for edge in range(in_start[here], in_start[here + 1]):
                                if in_label[edge] == label and rows[at - 1, in_source[edge]] + together == value:
                                    choice, reached, found = 0, here, edge
                                    break
                        elif wanted == 2:
                            for edge in range(in_start[here], in_start[here + 1]):
                                if in_cost[edge] > 0 and rows[at, in_source[edge]] + in_cost[edge] == value:
                                    choice, reached, found = 2, here, edge
                                    break
                        elif wanted == 3:
                            for edge in range(in_start[here], in_start[here + 1]):
                                before = in_source[edge]
                                if in_cost[edge] == 0 and seen[before] != stamp and rows[at, before] == value:
                                    seen[before], came[before] = stamp, edge
                                    queue[tail] = before
                                    tail += 1
                        if choice != -1:
                            break
                    if choice != -1:
                        break
                head = level_end
            # Silent steps between, from the end back to the state that was reached.
            silent = 0
            here = reached
            while came[here] != -1:
                edge = came[here]
                queue[silent] = edge
                silent += 1
                here = _target(in_start, edge)
            if moves + silent + 1 > capacity:
                capacity = 2 * capacity + silent
                kind, position = _grown(kind, capacity), _grown(position, capacity)
                transition = _grown(transition, capacity)
            for index in range(silent - 1, -1, -1):
                kind[moves], position[moves], transition[moves] = 2, -1, in_transition[queue[index]]
                moves += 1
            if choice == 3:
                break
            kind[moves], position[moves], transition[moves] = choice, -1, -1
            if choice != 2:
                position[moves] = at - 1
                at -= 1
            state = reached
            if choice != 1:
                transition[moves] = in_transition[found]
                state = in_source[found]
            moves += 1
        number[path] = moves - start
        for column in (kind, position, transition):
            column[start:moves] = column[start:moves][::-1].copy()
    return cost, end, number, kind[:moves], position[:moves], transition[:moves]


@compiled
def _step(
    row, following_row, label, alone, together, label_start, label_source, label_target, out_start, out_target,
    out_cost, first, following, held,
):  # fmt: skip
    """Make the next row: the event alone, or together with the model, then closed under model moves."""
    for state in range(len(row)):
        following_row[state] = row[state] + alone
    if label < 0:
        return
    pushed, lowest = 0, NEVER
    for edge in range(label_start[label], label_start[label + 1]):
        cost = row[label_source[edge]] + together
        state = label_target[edge]
        if cost < following_row[state]:
            following_row[state] = cost
            held[pushed], following[pushed] = state, first[cost]
            first[cost] = pushed
            pushed += 1
            lowest = min(lowest, cost)
    # A row moved up as a whole is still closed, so only what the event made cheaper is spread.
    if pushed > 0:
        _close(following_row, pushed, out_start, out_target, out_cost, first, following, held, lowest)


@compiled
def _target(in_start, edge):
    """Return the state that a move of the table by target leads to."""
    low, high = 0, len(in_start) - 2
    while low < high:
        middle = (low + high + 1) // 2
        if in_start[middle] <= edge:
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def _grown(values, capacity):
    grown = np.empty(capacity, dtype=values.dtype)
    grown[: len(values)] = values
    return grown
