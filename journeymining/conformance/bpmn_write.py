"""Write the flow of a design as a BPMN 2.0 diagram that modelling tools open and show."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from journeymining.conformance.flow import Flow, Step
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from journeymining.conformance.design import Design

MODEL = "http://www.omg.org/spec/BPMN/20100524/MODEL"
DIAGRAM = "http://www.omg.org/spec/BPMN/20100524/DI"
SHAPES = "http://www.omg.org/spec/DD/20100524/DC"
LINES = "http://www.omg.org/spec/DD/20100524/DI"
SIZES = {"task": (120, 60), "startEvent": (36, 36), "endEvent": (36, 36)}
GATEWAY = (50, 50)
GAP, ROW = 40, 90


@dataclass
class _Canvas:
    """Nodes with their centre, and flows between them."""

    nodes: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    flows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, name: str, x: float, y: float) -> str:
        identity = f"{kind}_{len(self.nodes) + 1}"
        self.nodes.append((identity, kind, name, x, y))
        return identity

    def join(self, source: str, target: str) -> None:
        self.flows.append((source, target))


def _size(flow: Flow) -> tuple[float, float]:
    """Return width and height a part of the flow needs."""
    if isinstance(flow, Step):
        return SIZES["task"][0] + GAP, ROW
    sizes = [_size(part) for part in flow.parts]
    if flow.kind == "sequence":
        return sum(width for width, _ in sizes), max(height for _, height in sizes)
    around = 2 * (GATEWAY[0] + GAP)
    empty = ROW if flow.kind in {"optional", "repeat", "repeat_once"} else 0
    return max(width for width, _ in sizes) + around, sum(height for _, height in sizes) + empty


def _place(canvas: _Canvas, flow: Flow, x: float, y: float, optional: frozenset[str]) -> tuple[str, str]:
    """Draw a part of the flow to the right of x, its middle at height y; return its first and last node."""
    if isinstance(flow, Step):
        if flow.name in optional:
            return _between(canvas, [flow], x, y, "exclusiveGateway", frozenset(), skip=True)
        node = canvas.add("task", flow.name, x + SIZES["task"][0] / 2, y)
        return node, node
    if flow.kind == "sequence":
        ends = []
        for part in flow.parts:
            ends.append(_place(canvas, part, x, y, optional))
            x += _size(part)[0]
        for (_, last), (first, _) in pairwise(ends):
            canvas.join(last, first)
        return ends[0][0], ends[-1][1]
    if flow.kind == "any_order":
        return _between(canvas, list(flow.parts), x, y, "parallelGateway", optional)
    if flow.kind == "choice":
        return _between(canvas, list(flow.parts), x, y, "exclusiveGateway", optional)
    if flow.kind == "optional":
        return _between(canvas, [flow.parts[0]], x, y, "exclusiveGateway", optional, skip=True)
    first, last = _between(canvas, [flow.parts[0]], x, y, "exclusiveGateway", optional, back=True)
    if flow.kind == "repeat_once":
        return first, last
    width = _size(flow)[0]
    before = canvas.add("exclusiveGateway", "", x, y)
    after = canvas.add("exclusiveGateway", "", x + width, y)
    for source, target in ((before, first), (last, after), (before, after)):
        canvas.join(source, target)
    return before, after


def _between(
    canvas: _Canvas,
    parts: list[Flow],
    x: float,
    y: float,
    gateway: str,
    optional: frozenset[str],
    *,
    skip: bool = False,
    back: bool = False,
) -> tuple[str, str]:
    """Draw parts above each other between two gateways, perhaps with a way past them or back."""
    sizes = [_size(part) for part in parts]
    width = max(size[0] for size in sizes)
    first = canvas.add(gateway, "", x + GATEWAY[0] / 2, y)
    last = canvas.add(gateway, "", x + GATEWAY[0] + GAP + width + GATEWAY[0] / 2, y)
    top = y - sum(height for _, height in sizes) / 2
    for part, (_, height) in zip(parts, sizes, strict=True):
        begin, end = _place(canvas, part, x + GATEWAY[0] + GAP, top + height / 2, optional)
        canvas.join(first, begin)
        canvas.join(end, last)
        top += height
    if skip:
        canvas.join(first, last)
    if back:
        canvas.join(last, first)
    return first, last


def bpmn_bytes(design: Design) -> bytes:
    """Return the flow of a design as BPMN 2.0 with a diagram.

    Channels, rules and promises have no place in it and are not written.

    Raises
    ------
    InputError
        If the design has no flow (it is rules only, or an imported net).
    """
    from lxml import etree

    if design.flow is None:
        raise InputError(f"The design '{design.name}' has no flow; only flows can be written as BPMN.")
    canvas = _Canvas()
    optional = frozenset(name for name, one in design.touchpoints.items() if one.optional)
    start = canvas.add("startEvent", "", 0, 0)
    first, last = _place(canvas, design.flow, 2 * GAP, 0, optional)
    end = canvas.add("endEvent", "", 3 * GAP + _size(design.flow)[0], 0)
    canvas.join(start, first)
    canvas.join(last, end)
    namespaces = {None: MODEL, "bpmndi": DIAGRAM, "dc": SHAPES, "di": LINES}
    root = etree.Element(f"{{{MODEL}}}definitions", nsmap=namespaces, targetNamespace="urn:journeymining")
    process = etree.SubElement(root, f"{{{MODEL}}}process", id="process", name=design.name, isExecutable="false")
    plane = etree.SubElement(
        etree.SubElement(root, f"{{{DIAGRAM}}}BPMNDiagram", id="diagram"),
        f"{{{DIAGRAM}}}BPMNPlane", id="plane", bpmnElement="process",
    )  # fmt: skip
    _write_nodes(canvas, process, plane)
    _write_flows(canvas, process, plane)
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def _write_nodes(canvas: _Canvas, process: Any, plane: Any) -> None:
    from lxml import etree

    for identity, kind, name, x, y in canvas.nodes:
        node = etree.SubElement(process, f"{{{MODEL}}}{kind}", id=identity, **({"name": name} if name else {}))
        for number, (source, target) in enumerate(canvas.flows):
            if target == identity:
                etree.SubElement(node, f"{{{MODEL}}}incoming").text = f"flow_{number}"
            if source == identity:
                etree.SubElement(node, f"{{{MODEL}}}outgoing").text = f"flow_{number}"
        # The standard wants all incoming flows of a node before its outgoing ones.
        node[:] = sorted(node, key=lambda child: child.tag)
        shape = etree.SubElement(plane, f"{{{DIAGRAM}}}BPMNShape", id=f"shape_{identity}", bpmnElement=identity)
        width, height = SIZES.get(kind, GATEWAY)
        bounds = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
        etree.SubElement(shape, f"{{{SHAPES}}}Bounds", **{key: f"{value:g}" for key, value in bounds.items()})


def _write_flows(canvas: _Canvas, process: Any, plane: Any) -> None:
    from lxml import etree

    centre = {identity: (x, y) for identity, _, _, x, y in canvas.nodes}
    for number, (source, target) in enumerate(canvas.flows):
        ends = {"sourceRef": source, "targetRef": target}
        etree.SubElement(process, f"{{{MODEL}}}sequenceFlow", id=f"flow_{number}", **ends)
        edge = etree.SubElement(plane, f"{{{DIAGRAM}}}BPMNEdge", id=f"edge_{number}", bpmnElement=f"flow_{number}")
        (left, upper), (right, lower) = centre[source], centre[target]
        points = [(left, upper), (right, lower)]
        straight = upper == lower and not any(
            upper == y and min(left, right) < x < max(left, right) for x, y in centre.values()
        )
        if upper == lower and not straight:
            # A way past, or back to, what lies between is led below it.
            points[1:1] = [(left, upper + ROW), (right, lower + ROW)]
        elif upper != lower:
            points[1:1] = [(left, lower)] if left < right and abs(upper) < abs(lower) else [(right, upper)]
        for x, y in points:
            etree.SubElement(edge, f"{{{LINES}}}waypoint", x=f"{x:g}", y=f"{y:g}")
