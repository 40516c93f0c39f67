"""Connected components of records and values: most edges are settled by two passes over them, the rest by scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from journeymining.identity.encoding import IntArray


def connected(member: IntArray, node: IntArray, members: int) -> IntArray:
    """Label members by the connected components that they and the nodes are in.

    The graph shrinks before scipy sees it. A node stands for the smallest member that it has an edge to, so that edges
    lead from member to member; every member is hung on the smallest one it leads to, and on what that one hangs on.
    Edges within what now hangs together are done with; few others are left where customers have few records each.

    Parameters
    ----------
    member, node : int arrays, one element per edge
        In any order; an edge may occur more than once.
    members : int
        How many there are; those without an edge are components of their own.

    Returns
    -------
    int array, one element per member
        0, 1, ... in the order of the smallest members of the components.

    References
    ----------
    Y. Zhang, A. Azad, Z. Hu, FastSV: a distributed-memory connected component algorithm with fast convergence, SIAM PP
    2020.

    Examples
    --------
    >>> import numpy as np
    >>> codes = lambda *numbers: np.array(numbers, dtype=np.int32)
    >>> connected(codes(0, 2, 2, 3), codes(0, 0, 1, 2), members=5).tolist()
    [0, 1, 0, 2, 3]
    """
    lowest = np.full(node.max(initial=-1) + 1, members, dtype=np.int32)
    np.minimum.at(lowest, node, member)
    other = lowest[node]
    root = np.arange(members, dtype=np.int32)
    np.minimum.at(root, member, other)
    _follow(root)
    one, other = root[member], root[other]
    open_edge = one != other
    if open_edge.any():
        _join_rest(root, one[open_edge], other[open_edge])
    is_root = root == np.arange(members, dtype=np.int32)
    label: IntArray = (np.cumsum(is_root, dtype=np.int32) - 1)[root]
    return label


def _follow(root: IntArray) -> None:
    """Hang every member on the last of the members that hang on each other; in place."""
    while True:
        further = root[root]
        if np.array_equal(further, root):
            return
        root[:] = further


def _join_rest(root: IntArray, one: IntArray, other: IntArray) -> None:
    """Join roots that still have edges to each other, and all that hangs on them; in place."""
    has_edge = np.zeros(len(root), dtype=np.bool_)
    has_edge[one] = has_edge[other] = True
    joined = np.flatnonzero(has_edge).astype(np.int32)
    number = np.cumsum(has_edge, dtype=np.int32) - 1
    # Floats, which scipy wants anyway: smaller integers would overflow where an edge occurs often.
    edges = (np.ones(len(one)), (number[one], number[other]))
    label = connected_components(csr_matrix(edges, shape=(len(joined), len(joined))), directed=False)[1]
    smallest = np.full(len(joined), len(root), dtype=np.int32)
    np.minimum.at(smallest, label, joined)
    root[joined] = smallest[label]
    root[:] = root[root]
