"""Process models as plain data: Petri nets and diagrams whose parts are numbered the same way every time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["start", "end", "task", "exclusive", "parallel", "inclusive"]


@dataclass(frozen=True)
class Transition:
    """A step of a Petri net: from one token on every input place to one on every output place; silent without label."""

    label: str | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Net:
    """A workflow net: places 0, 1, ...; one token on ``source`` at the start, one on ``sink`` at the end."""

    places: int
    transitions: tuple[Transition, ...]
    source: int
    sink: int

    @property
    def labels(self) -> list[str]:
        """The activities of the net, in alphabetical order."""
        return sorted({step.label for step in self.transitions if step.label is not None})


@dataclass(frozen=True)
class Diagram:
    """A BPMN diagram: nodes as (kind, name), and edges between their numbers."""

    nodes: tuple[tuple[Kind, str], ...]
    edges: tuple[tuple[int, int], ...]


def canonical_order(kinds: Sequence[str], edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the nodes of a directed graph in an order that does not depend on how they were numbered.

    Nodes are told apart by their kind and, round after round, by the classes of their neighbours (colour refinement);
    where that does not tell nodes apart, one of them is set apart and the refinement goes on. Earlier in the flow
    comes first: kinds are compared after the distance from the nodes without predecessor.

    References
    ----------
    B. D. McKay, A. Piperno, Practical graph isomorphism, II, *Journal of Symbolic Computation* 60, 2014.

    Examples
    --------
    >>> canonical_order(["b", "start", "a"], [(1, 0), (1, 2)])
    [1, 2, 0]
    """
    count = len(kinds)
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        after[source].append(target)
        before[target].append(source)
    distances = _distances([node for node in range(count) if not before[node]], after)
    classes = _ranked([(distances.get(node, count), kinds[node]) for node in range(count)])
    while True:
        refined = _ranked(
            [
                (
                    classes[node],
                    tuple(sorted(classes[other] for other in before[node])),
                    tuple(sorted(classes[other] for other in after[node])),
                )
                for node in range(count)
            ]
        )
        if len(set(refined)) > len(set(classes)):
            classes = refined
            continue
        if len(set(refined)) == count:
            return sorted(range(count), key=refined.__getitem__)
        tied = min(value for value in refined if refined.count(value) > 1)
        chosen = refined.index(tied)
        classes = _ranked([(value, value == tied and node != chosen) for node, value in enumerate(refined)])


def _distances(sources: list[int], after: list[list[int]]) -> dict[int, int]:
    distances = dict.fromkeys(sources, 0)
    queue = list(sources)
    for node in queue:
        for other in after[node]:
            if other not in distances:
                distances[other] = distances[node] + 1
                queue.append(other)
    return distances


def _ranked(keys: Sequence[tuple[object, ...]]) -> list[int]:
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return [ranks[key] for key in keys]
