"""Process trees (.ptml) as flows."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from journeymining.conformance.flow import Block, Flow, Step
from journeymining.conformance.pnml import children, local, parse_xml
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from pathlib import Path

OPERATORS = {"sequence", "xor", "and", "or", "xorLoop"}
LEAVES = {"manualTask", "automaticTask"}


def read_process_tree(path: str | Path) -> Flow:
    """Read a process tree as a flow; a silent leaf only makes what stands beside it optional.

    Raises
    ------
    InputError
        With the node's id, if it is no tree of sequences, choices, parallels, inclusive choices and loops.
    """
    root = parse_xml(path)
    trees = [element for element in root.iter() if local(element) == "processTree"]
    if len(trees) != 1:
        raise InputError(f"{path}: {len(trees)} process trees in the file; one is needed.")
    nodes = {node.get("id"): node for node in trees[0] if local(node) in OPERATORS | LEAVES}
    below: dict[str, list[str]] = {}
    for link in children(trees[0], "parentsNode"):
        if link.get("sourceId") not in nodes or link.get("targetId") not in nodes:
            raise InputError(f"{path}: parentsNode '{link.get('id')}' joins nodes that the tree does not have.")
        below.setdefault(link.get("sourceId"), []).append(link.get("targetId"))
    start = trees[0].get("root")
    if start not in nodes:
        raise InputError(f"{path}: the tree's root '{start}' is no node of it.")
    flow = _flow(str(path), nodes, below, start, frozenset())
    if flow is None:
        raise InputError(f"{path}: the tree has silent leaves only.")
    return flow


def _flow(
    path: str, nodes: dict[str, Any], below: dict[str, list[str]], name: str, above: frozenset[str]
) -> Flow | None:
    """Return the flow of a node; None where it is silent."""
    node, kind = nodes[name], local(nodes[name])
    if name in above:
        raise InputError(f"{path}: node '{name}' lies below itself; that is no tree.")
    if kind in LEAVES:
        return Step(node.get("name")) if kind == "manualTask" and node.get("name") else None
    parts = [_flow(path, nodes, below, one, above | {name}) for one in below.get(name, [])]
    if kind == "xorLoop":
        if len(parts) not in {2, 3} or (len(parts) == 3 and parts[2] is not None):
            raise InputError(f"{path}: loop '{name}' has {len(parts)} parts; it has a body and a way back.")
        return _loop(parts[0], parts[1])
    seen = [part for part in parts if part is not None]
    if not seen:
        return None
    silent = len(seen) < len(parts)
    if kind == "xor":
        flow = seen[0] if len(seen) == 1 else Block("choice", tuple(seen))
        return Block("optional", (flow,)) if silent else flow
    if kind == "or":
        subsets = [one for size in range(1, len(seen) + 1) for one in combinations(seen, size)]
        ways = tuple(one[0] if len(one) == 1 else Block("any_order", one) for one in subsets)
        flow = ways[0] if len(ways) == 1 else Block("choice", ways)
        return Block("optional", (flow,)) if silent else flow
    if len(seen) == 1:
        return seen[0]
    return Block("sequence" if kind == "sequence" else "any_order", tuple(seen))


def _loop(body: Flow | None, back: Flow | None) -> Flow | None:
    if body is None:
        return None if back is None else Block("repeat", (back,))
    if back is None:
        return Block("repeat_once", (body,))
    return Block("sequence", (body, Block("repeat", (Block("sequence", (back, body)),))))
