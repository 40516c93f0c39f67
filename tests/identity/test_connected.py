"""Connected components that are shrunk before scipy sees them, against networkx."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeymining.identity import connected as module
from journeymining.identity.connected import connected


def by_networkx(member, node, members):
    """Return the labels that networkx's components give, in the order of their smallest members."""
    graph = nx.Graph()
    graph.add_nodes_from(("member", one) for one in range(members))
    graph.add_edges_from((("member", one), ("node", other)) for one, other in zip(member, node, strict=True))
    components = [[number for side, number in part if side == "member"] for part in nx.connected_components(graph)]
    label = [-1] * members
    for number, component in enumerate(sorted(filter(None, components), key=min)):
        for one in component:
            label[one] = number
    return label


def codes(numbers):
    return np.array(numbers, dtype=np.int32)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, 9))))
    )
)
def test_any_graph_has_the_components_of_networkx(drawn):
    members, edges = drawn
    member, node = [one for one, _ in edges], [other for _, other in edges]

    assert connected(codes(member), codes(node), members).tolist() == by_networkx(member, node, members)


def chain(size, rng):
    """Return a path through all members in random order: what hooking settles least of."""
    order = rng.permutation(size)
    return np.concatenate([order[:-1], order[1:]]), np.tile(np.arange(size - 1), 2)


def sparse(size, rng):
    return rng.integers(0, size, size), rng.integers(0, size, size)


def star(size, rng):
    return np.concatenate([np.arange(size), [0, 0]]), np.concatenate([np.zeros(size, dtype=int), [1, 1]])


@pytest.mark.parametrize("draw", [chain, sparse, star])
def test_chains_sparse_graphs_and_stars_have_the_components_of_networkx_in_any_order_of_edges(draw):
    rng = np.random.default_rng(5)
    member, node = draw(3_000, rng)
    order = rng.permutation(len(member))

    found = connected(codes(member), codes(node), 3_000)

    assert found.tolist() == by_networkx(member.tolist(), node.tolist(), 3_000)
    assert (connected(codes(member[order]), codes(node[order]), 3_000) == found).all()


def test_scipy_decides_what_hooking_leaves_open(monkeypatch):
    seen = []
    decide = module.connected_components
    monkeypatch.setattr(
        module, "connected_components", lambda graph, **options: seen.append(graph.shape[0]) or decide(graph, **options)
    )
    member, node = chain(3_000, np.random.default_rng(5))

    assert set(connected(codes(member), codes(node), 3_000).tolist()) == {0}
    assert len(seen) == 1
    assert 100 < seen[0] < 1_500


def test_an_edge_that_occurs_often_does_not_overflow():
    member, node = np.tile([0, 3, 1, 3], 100_000), np.tile([0, 0, 1, 1], 100_000)

    assert connected(codes(member), codes(node), 5).tolist() == [0, 0, 1, 0, 2]
