"""The compiled sums behind precision: what of the allowed next steps is taken, for many weightings of the paths."""
# ruff: noqa: ANN001, ANN201
# mypy: disable-error-code="no-untyped-def, no-untyped-call, assignment"

from __future__ import annotations

import numpy as np

from journeymining.conformance.compiled import compiled


@compiled
def escaping(weights, offsets, visits, node_of, parent, label_start, labels):
    """Return precision per weighting (a row of ``weights``, a column per path).

    ``visits`` from ``offsets[path]`` on are the entries of the prefix tree that a path passes; an entry is a node in a
    state of the model, sorted by node, and has the ``labels`` that the model allows there. ``parent`` of a node comes
    before it.
    """
    nodes, entries = len(parent), len(node_of)
    precision = np.empty(len(weights), dtype=np.float64)
    seen = np.full(labels.max() + 1 if len(labels) else 1, -1, dtype=np.int64)
    stamp = 0
    for draw in range(len(weights)):
        of_entry, of_node = np.zeros(entries, dtype=np.float64), np.zeros(nodes, dtype=np.float64)
        taken, allowed = np.zeros(nodes, dtype=np.int64), np.zeros(nodes, dtype=np.int64)
        for path in range(len(offsets) - 1):
            weight = weights[draw, path]
            if weight > 0:
                for at in range(offsets[path], offsets[path + 1]):
                    of_entry[visits[at]] += weight
        last = -1
        for entry in range(entries):
            if of_entry[entry] == 0:
                continue
            node = node_of[entry]
            if node != last:
                stamp, last = stamp + 1, node
            of_node[node] += of_entry[entry]
            for at in range(label_start[entry], label_start[entry + 1]):
                if seen[labels[at]] != stamp:
                    seen[labels[at]] = stamp
                    allowed[node] += 1
        for node in range(1, nodes):
            if of_node[node] > 0:
                taken[parent[node]] += 1
        possible = (of_node * allowed).sum()
        precision[draw] = (of_node * taken).sum() / possible if possible > 0 else np.nan
    return precision
