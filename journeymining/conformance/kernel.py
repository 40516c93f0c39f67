"""The compiled sweep of `alignment`: rows of least costs, and the way back through them.

Plain arrays in and out, whole numbers of four bytes. Moves of the model come three times, each with where those of a
state (or label) begin: by source (``ahead``: target, cost), by target (``behind``: source, cost, label, transition) and
by label (``by_label``: source, target). ``events`` has per symbol its label (-1: none), its cost alone and together.
"""
# ruff: noqa: ANN001, ANN202, ANN201
# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled

NEVER = 2_000_000_000

MOST_WAYS = 1_000_000
"""Pairs of states up to which the costs of the ways between two are kept in a table."""

BOTH, LOG, MODEL, START = 0, 1, 2, 3
"""What explains the cost of a state: a kind of move, as in `alignment`, or that everything starts there."""


@compiled
def sorted_paths(symbols, offsets, chosen):
    """Sort paths by their symbols, so that those with a common beginning are neighbours.

    References
    ----------
    J. Bentley, R. Sedgewick, *Fast algorithms for sorting and searching strings*, SODA 1997 (multikey quicksort).
    """
    order = chosen.copy()
    parts = [(0, len(order), 0)]
    while len(parts) > 0:
        low, high, depth = parts.pop()
        if high - low < 2:
            continue
        middle = _symbol(symbols, offsets, order[(low + high) // 2], depth)
        less, at, more = low, low, high
        while at < more:
            here = _symbol(symbols, offsets, order[at], depth)
            if here < middle:
                order[less], order[at] = order[at], order[less]
                less, at = less + 1, at + 1
            elif here > middle:
                more -= 1
                order[at], order[more] = order[more], order[at]
            else:
                at += 1
        parts.append((low, less, depth))
        parts.append((more, high, depth))
        if middle >= 0:
            parts.append((less, more, depth + 1))
    return order


@compiled
def _symbol(symbols, offsets, path, place):
    """Return a symbol of a path, -1 behind its end."""
    at = offsets[path] + place
    return symbols[at] if at < offsets[path + 1] else np.int32(-1)


@compiled
def align_sorted(
    out_start, ahead, in_start, behind, label_start, by_label, finals, events, symbols, offsets, order, open_end
):  # fmt: skip
    """Align sorted paths; return cost, end state and number of moves per path, and kind, position, transition each."""
    states, paths = len(out_start) - 1, len(order)
    longest, dearest, total = _extents(events, symbols, offsets, order)
    first, following, held = _buckets(ahead, states, dearest)
    table = states if states * states <= MOST_WAYS else 0
    ways, known = np.empty((table, table), dtype=np.int32), np.zeros(table, dtype=np.bool_)
    rows = np.empty((longest + 1, states), dtype=np.int32)
    _close_from(rows, 0, 0, out_start, ahead, first, following, held)
    cost, end, number = np.empty(paths, np.int32), np.empty(paths, np.int32), np.empty(paths, np.int32)
    moves, last = np.empty((3, 4 * total + 1024), np.int32), np.empty((3, longest + states), np.int32)
    passed, search = np.full(longest + 1, -1, dtype=np.int32), np.zeros((5, states), dtype=np.int32)
    before = begin = until = 0
    for path in range(paths):
        place, length = offsets[order[path]], offsets[order[path] + 1] - offsets[order[path]]
        shared = _common_prefix(symbols, offsets, order[path - 1], order[path]) if path > 0 else 0
        for at in range(shared, length):
            _step(
                rows, at, events, symbols[place + at], out_start, ahead, label_start, by_label, first, following, held,
                ways, known,
            )  # fmt: skip
        state = _best_end(rows, length, finals, open_end)
        cost[path], end[path] = rows[length, state], state
        same, written, last = _walk_back(
            rows, state, symbols, place, length, shared, passed, last, events, in_start, behind, search
        )
        before, begin = begin, until
        if 2 * begin - before + written > moves.shape[1]:
            moves = _wider(moves, 2 * (2 * begin - before + written))
        until = _join(moves, before, begin, same, last, written)
        number[path] = until - begin
    return cost, end, number, moves[0, :until], moves[1, :until], moves[2, :until]


@compiled
def _common_prefix(symbols, offsets, one, other):
    """Count the first symbols that two paths share."""
    same = 0
    while offsets[one] + same < offsets[one + 1] and offsets[other] + same < offsets[other + 1]:
        if symbols[offsets[one] + same] != symbols[offsets[other] + same]:
            break
        same += 1
    return same


@compiled
def _extents(events, symbols, offsets, order):
    """Return the length of the longest path, the cost of the dearest if each event is at its worst, and all events."""
    longest, dearest, total = 0, 0, 0
    for path in order:
        cost = 0
        for at in range(offsets[path], offsets[path + 1]):
            cost += max(events[1, symbols[at]], events[2, symbols[at]])
        longest, dearest = max(longest, offsets[path + 1] - offsets[path]), max(dearest, cost)
        total += offsets[path + 1] - offsets[path]
    return longest, dearest, total


@compiled
def _buckets(ahead, states, dearest):
    """Return empty buckets of states by cost: the first link of each, the next link of a link, and its state."""
    reach, edges = 0, ahead.shape[1]
    for edge in range(edges):
        reach = max(reach, ahead[1, edge])
    # No state is dearer than all events alone and then a way through each state once.
    first = np.full(dearest + reach * states + 2, -1, dtype=np.int32)
    return first, np.empty(2 * edges + states + 1, dtype=np.int32), np.empty(2 * edges + states + 1, dtype=np.int32)


@compiled
def _close_from(rows, at, state, out_start, ahead, first, following, held):
    """Fill a row with the cost of the way from one state to each, by the model alone."""
    rows[at] = NEVER
    rows[at, state] = 0
    first[0], following[0], held[0] = 0, -1, state
    _close(rows, at, 1, 0, out_start, ahead, first, following, held)


@compiled
def _close(rows, at, pushed, lowest, out_start, ahead, first, following, held):
    """Spread least costs along model moves, cheapest first, from the states in buckets (Dial's shortest paths)."""
    level, waiting = lowest, pushed
    while waiting > 0:
        link = first[level]
        if link == -1:
            level += 1
            continue
        first[level] = following[link]
        waiting -= 1
        state = held[link]
        if rows[at, state] != level:
            continue  # A cheaper way was found since.
        for edge in range(out_start[state], out_start[state + 1]):
            target, cost = ahead[0, edge], level + ahead[1, edge]
            if cost < rows[at, target]:
                rows[at, target] = cost
                held[pushed], following[pushed] = target, first[cost]
                first[cost] = pushed
                pushed += 1
                waiting += 1


@compiled
def _step(
    rows, at, events, symbol, out_start, ahead, label_start, by_label, first, following, held, ways, known
):  # fmt: skip
    """Make the next row: the event alone, or together with the model, then closed under model moves."""
    label, alone, together = events[0, symbol], events[1, symbol], events[2, symbol]
    states, pushed, lowest = rows.shape[1], 0, NEVER
    for state in range(states):
        rows[at + 1, state] = rows[at, state] + alone
    if label < 0:
        return
    # A row moved up as a whole is still closed, so only what the event made cheaper is spread.
    for edge in range(label_start[label], label_start[label + 1]):
        cost, target = np.int32(rows[at, by_label[0, edge]] + together), by_label[1, edge]
        if cost >= rows[at + 1, target]:
            continue
        if len(known) > 0:
            if not known[target]:
                known[target] = True
                _close_from(ways, target, target, out_start, ahead, first, following, held)
            for state in range(states):
                rows[at + 1, state] = min(rows[at + 1, state], np.int32(cost + ways[target, state]))
        else:
            rows[at + 1, target] = cost
            held[pushed], following[pushed] = target, first[cost]
            first[cost] = pushed
            pushed += 1
            lowest = min(lowest, cost)
    if pushed > 0:
        _close(rows, at + 1, pushed, lowest, out_start, ahead, first, following, held)


@compiled
def _best_end(rows, at, finals, open_end):
    """Return the cheapest state of a row that a path may end in, the first of equals."""
    if open_end:
        return np.argmin(rows[at])
    best = np.int64(finals[0])
    for final in finals:
        if rows[at, final] < rows[at, best]:
            best = np.int64(final)
    return best


@compiled
def _walk_back(
    rows, state, symbols, place, length, shared, passed, moves, events, in_start, behind, search
):  # fmt: skip
    """Write the moves of a path, last first, until they go on as those of the path before it.

    ``passed`` holds the state in which the path before it stood at each place; it is brought up to date. Return that
    place (-1: the start was reached), how many moves were written, and where.
    """
    at, written, arrived = length, 0, True
    while True:
        if arrived:
            if at <= shared and passed[at] == state:
                return at, written, moves
            passed[at] = state
        symbol = symbols[place + at - 1] if at > 0 else -1
        choice, reached, edge = _explained(rows, state, at, symbol, events, in_start, behind, search)
        silent, here = 0, reached
        while here != state:
            search[3, silent], here = search[1, here], search[2, here]
            silent += 1
        if written + silent + 1 > moves.shape[1]:
            moves = _wider(moves, 2 * (written + silent + 1))
        for index in range(silent - 1, -1, -1):
            moves[0, written], moves[1, written], moves[2, written] = MODEL, -1, behind[3, search[3, index]]
            written += 1
        if choice == START:
            return -1, written, moves
        arrived = choice != MODEL
        at -= arrived
        moves[0, written], moves[1, written] = choice, at if arrived else -1
        moves[2, written] = -1 if choice == LOG else behind[3, edge]
        state = reached if choice == LOG else np.int64(behind[0, edge])
        written += 1


@compiled
def _explained(rows, state, at, symbol, events, in_start, behind, search):
    """Find what explains the cost of a state: the kind of move, the state it leads to, and the model's step.

    Looked for from the state itself, then from states a silent step before it, and so on: an event alone first, an
    event together, a costly step of the model. ``search`` then has, per state that was passed, the silent step onward
    from it (its row 1) and where that leads (row 2).
    """
    if at == 0 and state == 0:
        return START, state, -1
    value = rows[at, state]
    label, alone, together = -1, 0, 0
    if at > 0:
        label, alone, together = events[0, symbol], events[1, symbol], events[2, symbol]
        if rows[at - 1, state] + alone == value:
            return LOG, state, -1
    choice, edge = _explained_by_step(rows, state, at, value, label, together, in_start, behind)
    if choice != START:
        return choice, state, edge
    # Row 0 tells in which search a state was seen last, row 3 is the queue, row 4 counts the searches.
    search[4, 0] += 1
    search[0, state], search[3, 0] = search[4, 0], state
    head, tail = 0, 1
    while True:
        level_end = tail
        for index in range(head, level_end):
            here = search[3, index]
            for step in range(in_start[here], in_start[here + 1]):
                before = behind[0, step]
                if behind[1, step] == 0 and search[0, before] != search[4, 0] and rows[at, before] == value:
                    search[0, before], search[1, before], search[2, before] = search[4, 0], step, here
                    search[3, tail] = before
                    tail += 1
        head = level_end
        for index in range(head, tail):
            here = np.int64(search[3, index])
            if at == 0 and here == 0:
                return START, here, -1
            if at > 0 and rows[at - 1, here] + alone == value:
                return LOG, here, -1
        best, reached = START, state
        for index in range(head, tail):
            here = np.int64(search[3, index])
            choice, step = _explained_by_step(rows, here, at, value, label, together, in_start, behind)
            if choice < best:
                best, reached, edge = choice, here, step
        if best != START:
            return best, reached, edge


@compiled
def _explained_by_step(rows, state, at, value, label, together, in_start, behind):
    """Find the model's step into a state that explains its cost, with the event if one does; `START` if none does."""
    costly = -1
    for edge in range(in_start[state], in_start[state + 1]):
        before = behind[0, edge]
        if label >= 0 and behind[2, edge] == label and rows[at - 1, before] + together == value:
            return BOTH, edge
        if costly == -1 and behind[1, edge] > 0 and rows[at, before] + behind[1, edge] == value:
            costly = edge
    return (START if costly == -1 else MODEL), costly


@compiled
def _join(moves, before, begin, same, last, written):
    """Put the moves of a path together; return where they end.

    Up to a place (``same``) they are those of the path before it, which begin at ``before`` and end at ``begin``;
    the rest was written last first.
    """
    until = begin
    if same >= 0:
        for index in range(before, begin):
            if moves[1, index] == same:
                break
            for column in range(3):
                moves[column, until] = moves[column, index]
            until += 1
    for index in range(written - 1, -1, -1):
        for column in range(3):
            moves[column, until] = last[column, index]
        until += 1
    return until


@compiled
def _wider(moves, capacity):
    grown = np.empty((3, capacity), dtype=moves.dtype)
    grown[:, : moves.shape[1]] = moves
    return grown


@compiled
def gathered(place, starts, number, offsets, kind, position, transition):
    """Put the moves of sorted paths into the order in which the paths were given."""
    total = offsets[-1]
    kinds, positions, transitions = np.empty(total, np.int8), np.empty(total, np.int32), np.empty(total, np.int32)
    for path in range(len(place)):
        begin, to = starts[place[path]], offsets[path]
        for index in range(number[place[path]]):
            kinds[to + index] = kind[begin + index]
            positions[to + index] = position[begin + index]
            transitions[to + index] = transition[begin + index]
    return kinds, positions, transitions
