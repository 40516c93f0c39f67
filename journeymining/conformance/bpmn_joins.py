"""When an inclusive gateway of a BPMN diagram has waited long enough: the gateway that opened its ways tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from journeymining.conformance.pnml import local

if TYPE_CHECKING:
    from journeymining.conformance.bpmn import _Container


@dataclass(frozen=True)
class Join:
    """A join and the gateway that opened its ways.

    ``ways`` are the outgoing flows of ``split``, in its order; ``way_of`` tells for each flow into the join on which of
    them it lies; ``waits`` is whether more than one of them may be under way.
    """

    name: str
    split: str
    ways: tuple[str, ...]
    way_of: dict[str, str]
    waits: bool


def structured_join(inside: _Container, join: str) -> Join | None:
    """Find the gateway whose ways all, and alone, come together in a join; None where there is no such gateway."""
    best: tuple[int, Join] | None = None
    for split, node in inside.nodes.items():
        if split == join or len(inside.outgoing[split]) < 2:
            continue
        found = _ways(inside, split, join)
        if found is None:
            continue
        way_of, size = found
        kind = local(node)
        waits = kind not in {"exclusiveGateway", "eventBasedGateway"}
        one = Join(join, split, tuple(inside.outgoing[split]), way_of, waits)
        # The nearest gateway that fits is the one that opened the ways.
        if best is None or size < best[0]:
            best = (size, one)
    return best[1] if best is not None else None


def _ways(inside: _Container, split: str, join: str) -> tuple[dict[str, str], int] | None:
    """Return on which way of a split each flow into a join lies, and how many nodes lie between; None if it differs."""
    way_of: dict[str, str] = {}
    between: set[str] = set()
    for way in inside.outgoing[split]:
        reached = _flows_into(inside, way, join, split, between)
        if not reached or any(way_of.get(flow, way) != way for flow in reached):
            return None
        way_of |= dict.fromkeys(reached, way)
    return (way_of, len(between)) if set(way_of) == set(inside.incoming[join]) else None


def _flows_into(inside: _Container, way: str, join: str, split: str, between: set[str]) -> set[str]:
    """Return the flows by which a way comes into a join; empty if it may end, or come back, elsewhere."""
    reached: set[str] = set()
    seen: set[str] = set()
    stack: list[Any] = [way]
    while stack:
        flow = stack.pop()
        target = inside.ends[flow][1]
        if target == join:
            reached.add(flow)
            continue
        if target == split or not inside.outgoing[target]:
            return set()
        between.add(target)
        attached = [name for name, node in inside.nodes.items() if node.get("attachedToRef") == target]
        for node in (target, *attached):
            stack += [one for one in inside.outgoing[node] if one not in seen]
            seen |= set(inside.outgoing[node])
    return reached


def side_way(inside: _Container, event: str) -> set[str]:
    """Return the nodes that only a boundary event beside its activity leads to, if that way has an end of its own.

    Empty for other nodes, and where the way splits or comes back to the rest.
    """
    node = inside.nodes[event]
    if local(node) != "boundaryEvent" or node.get("cancelActivity") != "false":
        return set()
    region, stack = {event}, [event]
    while stack:
        here = stack.pop()
        for flow in inside.outgoing[here]:
            target = inside.ends[flow][1]
            if target not in region:
                region.add(target)
                stack.append(target)
    for name in region:
        kind = local(inside.nodes[name])
        splits = kind in {"parallelGateway", "inclusiveGateway", "complexGateway"} or (
            not kind.endswith("Gateway") and len(inside.outgoing[name]) > 1
        )
        if splits or any(inside.ends[flow][0] not in region for flow in inside.incoming[name]):
            return set()
    return region
