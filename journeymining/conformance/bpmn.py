"""BPMN 2.0 diagrams as designs: what journeys can be held against, and a list of what cannot be checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeymining.conformance.bpmn_joins import side_way, structured_join
from journeymining.conformance.bpmn_source import (
    GATEWAYS,
    LOOPS,
    NODES,
    SUBPROCESSES,
    TASKS,
    choose_process,
    compensates,
    is_compensation,
    label_of,
    lanes_of,
    link_of,
    unchecked_of,
)
from journeymining.conformance.petri import NetBuilder
from journeymining.conformance.pnml import children, local, parse_xml
from journeymining.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from journeymining.conformance.design import Design

MOST_WAYS = 8
MOST_ENDS = 20
"""How many ways at once may come to an end; a process is over when all have."""


@dataclass
class _Container:
    """The flow nodes and sequence flows of a process or subprocess."""

    nodes: dict[str, Any]
    incoming: dict[str, list[str]]
    outgoing: dict[str, list[str]]
    ends: dict[str, tuple[str, str]]
    conditional: set[str]


@dataclass
class _Reading:
    """What is collected while a diagram is read."""

    path: str
    build: NetBuilder = field(default_factory=NetBuilder)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lanes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)

    def refuse(self, element: Any, reason: str) -> InputError:
        return InputError(f"{self.path}: {local(element)} '{element.get('id')}': {reason}.")


def read_bpmn(path: str | Path, *, process: str | None = None, lanes: str = "actor") -> Design:
    """Read one process of a BPMN 2.0 file as a design.

    Tasks, call activities and collapsed subprocesses are touchpoints. Named events may be seen in a log, or not.
    Exclusive, event-based, parallel and inclusive gateways, boundary events, several start and end events, loops and
    subprocesses are followed as the standard says.

    Parameters
    ----------
    path : path
    process : id or name of a process or of its participant, needed where the file has several
    lanes : actor or channel
        What a lane is: who begins its touchpoints, or the channel they take place in.

    Returns
    -------
    Design
        Its ``unchecked`` lists what the diagram says but a log cannot show: conditions, messages, timers, data.

    Raises
    ------
    InputError
        If something would change which journeys are right and cannot be followed, with the element's id.
    """
    from journeymining.conformance.design import Touchpoint, design_of_net

    if lanes not in {"actor", "channel"}:
        raise UsageError(f"lanes is '{lanes}'; it is 'actor' or 'channel'.")
    root = parse_xml(path)
    chosen = choose_process(root, str(path), process)
    reading = _Reading(str(path))
    reading.lanes = lanes_of(chosen)
    _add_container(reading, chosen, "begin", "done", top=True)
    unchecked, notes = unchecked_of(root, chosen)
    reading.unchecked += unchecked
    reading.notes += notes
    idle = {f"free_{event}": 1 for event in sorted(reading.free)}
    net = reading.build.net(
        initial={"begin": 1, **idle},
        finals=[{"done": count, **idle} for count in range(1, MOST_ENDS + 1)],
        notes=reading.notes,
    )
    design = design_of_net(net, name=chosen.get("name") or Path(path).stem, unchecked=tuple(reading.unchecked))
    touchpoints = {}
    for name, ids in reading.labels.items():
        held = sorted({reading.lanes[one] for one in ids if one in reading.lanes})
        if lanes == "channel":
            touchpoints[name] = Touchpoint(name, channels=tuple(held))
        else:
            touchpoints[name] = Touchpoint(name, sender=held[0] if len(held) == 1 else None)
    actors = dict.fromkeys(reading.lanes.values(), "lane") if lanes == "actor" else {}
    from dataclasses import replace

    return replace(design, touchpoints=touchpoints, actors=actors)


def _contents(reading: _Reading, element: Any) -> _Container:
    nodes = {child.get("id"): child for child in element if local(child) in NODES}
    incoming: dict[str, list[str]] = {name: [] for name in nodes}
    outgoing: dict[str, list[str]] = {name: [] for name in nodes}
    ends, conditional = {}, set()
    for flow in children(element, "sequenceFlow"):
        source, target = flow.get("sourceRef"), flow.get("targetRef")
        if source not in nodes or target not in nodes:
            raise reading.refuse(flow, "it does not join two flow nodes of its process")
        ends[flow.get("id")] = (source, target)
        outgoing[source].append(flow.get("id"))
        incoming[target].append(flow.get("id"))
        if children(flow, "conditionExpression"):
            conditional.add(flow.get("id"))
    return _Container(nodes, incoming, outgoing, ends, conditional)


def _add_container(reading: _Reading, element: Any, entry: str, leave: str, *, top: bool) -> None:
    """Add the nodes of a process between two places."""
    inside = _contents(reading, element)
    links = {link_of(node): name for name, node in inside.nodes.items() if link_of(node) and inside.outgoing[name]}
    joins = {name: structured_join(inside, name) for name, node in inside.nodes.items() if _joins(inside, name, node)}
    build = reading.build

    def place(flow: str) -> str:
        target = inside.ends[flow][1]
        if target in joins:
            if (join := joins[target]) is None:
                reason = "it joins ways that no single gateway opened, so it cannot be known when all have come"
                raise reading.refuse(inside.nodes[target], reason)
            return f"{target}/{join.way_of.get(flow, flow)}" if join.waits else f"in_{target}"
        if local(inside.nodes[target]) == "parallelGateway":
            return f"{target}/{flow}"
        return f"in_{target}"

    beside = {name: event for event in inside.nodes for name in side_way(inside, event)}
    reading.free |= set(beside.values())
    starts, together = _starts(reading, inside)
    if not starts and not together:
        reason = "it has no start event, and every flow node has a flow into it; add a start event"
        raise reading.refuse(element, reason)
    for name in starts or [""]:
        begun = [f"in_{one}" for one in ([name] if name else []) + together]
        build.transition(f"start_{name or element.get('id')}", None, [entry], begun)
    last = [name for name in inside.nodes if _is_end(inside, name, links)]
    if not last:
        raise reading.refuse(element, "it has no end: every flow node leads on; add an end event")
    if not top and len(last) > 1 and _splits(inside):
        raise reading.refuse(element, "a subprocess with parallel ways and several ends cannot be followed")
    for name, node in inside.nodes.items():
        if _skipped(reading, inside, node):
            continue
        outs = [place(flow) for flow in inside.outgoing[name]]
        if link_of(node) and not outs and link_of(node) in links:
            outs = [f"in_{links[link_of(node)]}"]
        _add_node(reading, inside, joins, node, outs or [f"free_{beside[name]}" if name in beside else leave])


def _add_node(reading: _Reading, inside: _Container, joins: dict[str, Any], node: Any, outs: list[str]) -> None:
    """Add one flow node."""
    kind, name, build = local(node), node.get("id"), reading.build
    arriving = f"in_{name}"
    if kind == "complexGateway":
        raise reading.refuse(node, "a complex gateway cannot be followed; write it with other gateways")
    if kind in {"exclusiveGateway", "eventBasedGateway"}:
        for number, out in enumerate(outs):
            build.transition(f"{name}_{number}", None, [arriving], [out])
    elif kind == "parallelGateway":
        sources = [f"{name}/{flow}" for flow in inside.incoming[name]] or [arriving]
        build.transition(name, None, sources, outs)
    elif kind == "inclusiveGateway":
        _add_inclusive(reading, inside, joins, node, outs)
    elif kind in TASKS or (kind in SUBPROCESSES and not any(local(child) in NODES for child in node)):
        _add_activity(reading, inside, node, arriving, outs)
    elif kind in SUBPROCESSES:
        _add_subprocess(reading, inside, node, arriving, outs)
    else:
        label = label_of(node)
        build.transition(f"{name}_unseen", None, [arriving], outs)
        if label is not None:
            reading.labels.setdefault(label, []).append(name)
            build.transition(name, label, [arriving], outs)


def _add_activity(reading: _Reading, inside: _Container, node: Any, arriving: str, outs: list[str]) -> None:
    """Add a task: seen once, or as often as its loop marker allows, with its boundary events."""
    build, name, label = reading.build, node.get("id"), label_of(node)
    if label is None:
        reading.notes.append(f"{local(node)} '{name}' has no name: no event of a log can show it")
    else:
        reading.labels.setdefault(label, []).append(name)
    target, ready = f"after_{name}", f"ready_{name}"
    build.transition(f"{name}_begin", None, [arriving], [ready])
    if any(local(child) in LOOPS for child in node):
        build.transition(f"{name}_again", None, [target], [ready])
    build.transition(name, label, [ready], [target])
    _add_leaving(reading, inside, node, target, outs)
    _add_boundaries(reading, inside, node, [ready], arriving, ready)


def _add_leaving(reading: _Reading, inside: _Container, node: Any, place: str, outs: list[str]) -> None:
    """Lead on from a finished activity: to all its ways, or to any of those with a condition."""
    flows = inside.outgoing[node.get("id")]
    free = [out for flow, out in zip(flows, outs, strict=False) if flow in inside.conditional]
    always = [out for out in outs if out not in free]
    if not free or len(outs) == 1:
        reading.build.transition(f"{node.get('id')}_done", None, [place], outs)
        return
    for number, chosen in enumerate(_subsets(reading, node, free)):
        if chosen or always:
            reading.build.transition(f"{node.get('id')}_done_{number}", None, [place], [*always, *chosen])


def _add_boundaries(
    reading: _Reading, inside: _Container, node: Any, held: list[str], arriving: str, ready: str
) -> None:
    """Let the boundary events of an activity happen: instead of going on, or beside it."""
    for event in inside.nodes.values():
        if local(event) != "boundaryEvent" or event.get("attachedToRef") != node.get("id") or compensates(event):
            continue
        after = f"in_{event.get('id')}"
        if event.get("cancelActivity", "true") != "false":
            for number, place in enumerate(dict.fromkeys([arriving, *held])):
                reading.build.transition(f"{event.get('id')}_interrupts_{number}", None, [place], [after])
        elif event.get("id") in reading.free:
            # Beside the activity: one more token sets out; when it has come to its end, another may.
            free = reading.build.place(f"free_{event.get('id')}")
            reading.build.transition(f"{event.get('id')}_begins", None, [ready, free], [ready, after])
        else:
            reading.build.transition(f"{event.get('id')}_begins", None, [arriving], [ready, after])


def _add_subprocess(reading: _Reading, inside: _Container, node: Any, arriving: str, outs: list[str]) -> None:
    """Add an expanded subprocess."""
    build, name = reading.build, node.get("id")
    entry, leave = f"sub_{name}", f"after_{name}"
    build.transition(f"{name}_begin", None, [arriving], [entry])
    contents = _contents(reading, node)
    if local(node) == "adHocSubProcess":
        if contents.ends:
            raise reading.refuse(node, "an ad-hoc subprocess with sequence flows cannot be followed")
        for one in contents.nodes.values():
            if (label := label_of(one)) is not None:
                reading.labels.setdefault(label, []).append(one.get("id"))
            build.transition(one.get("id"), label_of(one), [entry], [entry])
        build.transition(f"{name}_enough", None, [entry], [leave])
    else:
        _add_container(reading, node, entry, leave, top=False)
    if any(local(child) in LOOPS for child in node):
        build.transition(f"{name}_again", None, [leave], [entry])
    _add_leaving(reading, inside, node, leave, outs)
    held = [entry]
    if not _splits(contents):
        held += [f"in_{one}" for one, inner in contents.nodes.items() if not is_compensation(inner)]
    elif any(one.get("attachedToRef") == name for one in inside.nodes.values()):
        reading.unchecked.append(
            f"subProcess '{name}' has parallel ways: its boundary events are taken to happen before it begins only"
        )
    _add_boundaries(reading, inside, node, held, arriving, entry)


def _add_inclusive(reading: _Reading, inside: _Container, joins: dict[str, Any], node: Any, outs: list[str]) -> None:
    """Add an inclusive gateway: it waits for the ways that were taken, then opens any of its own."""
    name, build = node.get("id"), reading.build
    join = joins.get(name)
    sources = [f"{name}/{way}" for way in join.ways] if join is not None and join.waits else [f"in_{name}"]
    middle = f"open_{name}"
    build.transition(f"{name}_join", None, sources, [middle])
    if len(outs) == 1:
        build.transition(name, None, [middle], outs)
        return
    closing = next((one for one in joins.values() if one is not None and one.split == name and one.waits), None)
    for number, chosen in enumerate(_subsets(reading, node, outs)):
        if not chosen:
            continue
        # The ways not taken arrive at the join at once, so that it need not wait for them.
        skipped = (
            []
            if closing is None
            else [f"{closing.name}/{way}" for way, out in zip(closing.ways, outs, strict=True) if out not in chosen]
        )
        build.transition(f"{name}_{number}", None, [middle], [*chosen, *skipped])


def _subsets(reading: _Reading, node: Any, ways: list[str]) -> list[list[str]]:
    if len(ways) > MOST_WAYS:
        raise reading.refuse(
            node, f"{len(ways)} ways to choose any of are too many; at most {MOST_WAYS} can be followed"
        )
    return [[way for bit, way in enumerate(ways) if number >> bit & 1] for number in range(1 << len(ways))]


def _starts(reading: _Reading, inside: _Container) -> tuple[list[str], list[str]]:
    """Return the events that begin a container (one of them does), and the activities that begin with it."""
    first = [
        name for name, node in inside.nodes.items()
        if not inside.incoming[name] and local(node) != "boundaryEvent" and not _skipped(reading, inside, node)
        and not (link_of(node) and local(node) == "intermediateCatchEvent")
    ]  # fmt: skip
    starts = [name for name in first if local(inside.nodes[name]) in {"startEvent", "eventBasedGateway"}]
    return starts, [name for name in first if name not in starts]


def _skipped(reading: _Reading, inside: _Container, node: Any) -> bool:
    """Say whether a node is no part of the ordinary flow; it is listed as unchecked."""
    del inside
    reason = None
    if node.get("triggeredByEvent") == "true":
        reason = "is an event subprocess"
    elif is_compensation(node) or (local(node) == "boundaryEvent" and compensates(node)):
        reason = "is compensation"
    if reason is not None:
        sentence = f"{local(node)} '{node.get('id')}' {reason}: events of it count as ad hoc"
        if sentence not in reading.unchecked:
            reading.unchecked.append(sentence)
    return reason is not None


def _splits(inside: _Container) -> bool:
    """Say whether more than one token can be in a container."""
    many = [
        name for name, node in inside.nodes.items() if local(node) not in GATEWAYS and len(inside.outgoing[name]) > 1
    ]
    kinds = {local(node) for node in inside.nodes.values()}
    beside = any(node.get("cancelActivity") == "false" for node in inside.nodes.values())
    return bool(many) or bool(kinds & {"parallelGateway", "inclusiveGateway"}) or beside


def _is_end(inside: _Container, name: str, links: dict[str, str]) -> bool:
    link = link_of(inside.nodes[name])
    return not inside.outgoing[name] and not (link and link in links)


def _joins(inside: _Container, name: str, node: Any) -> bool:
    return local(node) == "inclusiveGateway" and len(inside.incoming[name]) > 1
