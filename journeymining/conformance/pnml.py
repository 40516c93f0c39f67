"""Petri nets in PNML (ISO/IEC 15909-2), with the habits of ProM and pm4py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.conformance.petri import NetBuilder, PetriNet, markings_when_unsaid
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from pathlib import Path

INVISIBLE = "$invisible$"


def parse_xml(path: str | Path) -> Any:
    """Read an XML file without loading anything it points to, and return its root element.

    Raises
    ------
    InputError
        If the file is not there or not XML, with the line.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, huge_tree=False)
    try:
        return etree.parse(str(path), parser).getroot()
    except OSError:
        raise InputError(f"{path}: no such file, or not readable.") from None
    except etree.XMLSyntaxError as error:
        raise InputError(f"{path}:{error.lineno}: not XML: {error.msg}.") from None


def local(element: Any) -> str:
    """Name of an XML element without its namespace; empty for comments and instructions."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Any, *names: str) -> list[Any]:
    """Children of these local names, in the order of the file."""
    return [child for child in element if local(child) in names]


def read_pnml(path: str | Path) -> PetriNet:
    """Read a Petri net; transitions marked ``$invisible$`` or without a name are silent.

    Where the file has no initial or final marking and exactly one place nothing leads to or from, a token there is
    meant, and a note says so.

    Raises
    ------
    InputError
        With the element's id, if it cannot be read as a place/transition net.
    """
    root = parse_xml(path)
    nets = [element for element in root.iter() if local(element) == "net"]
    if len(nets) != 1:
        raise InputError(f"{path}: {len(nets)} nets in the file; one is needed.")
    places, transitions, links = _elements(nets[0])
    if not transitions:
        raise InputError(f"{path}: the net has no transitions.")
    build, initial, numbers = NetBuilder(), {}, {}
    for place in places:
        build.place(place.get("id"))
        if tokens := _number(path, place, "initialMarking", 0):
            initial[place.get("id")] = tokens
    for one in transitions:
        numbers[one.get("id")] = build.bare_transition(one.get("id"), _label(one))
    known = {place.get("id") for place in places}
    for arc in links:
        _add_arc(path, arc, build, known, numbers)
    finals = [_marking(path, element, known) for element in root.iter() if local(element) == "marking"]
    net = build.net(initial=initial, finals=[final for final in finals if final])
    start, ends, notes = markings_when_unsaid(net)
    return PetriNet(net.places, net.transitions, net.labels, net.pre, net.post, start, tuple(ends), tuple(notes))


def _elements(net: Any) -> tuple[list[Any], list[Any], list[Any]]:
    found: dict[str, list[Any]] = {"place": [], "transition": [], "arc": []}
    for element in net.iter():
        # Places inside a final marking are references, not places.
        if local(element) in found and element.get("id") is not None:
            found[local(element)].append(element)
    return found["place"], found["transition"], found["arc"]


def _text(element: Any, name: str) -> str | None:
    for child in children(element, name):
        for text in children(child, "text"):
            return (text.text or "").strip()
    return None


def _label(transition: Any) -> str | None:
    marks = [child.get("activity") or "" for child in children(transition, "toolspecific")]
    if any(mark.endswith(INVISIBLE) for mark in marks):
        return None
    return _text(transition, "name") or None


def _number(path: str | Path, element: Any, name: str, default: int) -> int:
    text = _text(element, name)
    if text is None or text == "":
        return default
    if not text.isdecimal():
        raise InputError(
            f"{path}: {local(element)} '{element.get('id')}': {name} must be a whole number, found '{text}'."
        )
    return int(text)


def _add_arc(path: str | Path, arc: Any, build: NetBuilder, places: set[str], numbers: dict[str, int]) -> None:
    kind = (_text(arc, "arctype") or _text(arc, "type") or "normal").lower()
    if kind not in {"normal", ""}:
        raise InputError(f"{path}: arc '{arc.get('id')}' is a {kind} arc; only normal arcs can be checked.")
    weight = _number(path, arc, "inscription", 1)
    source, target = arc.get("source"), arc.get("target")
    if source in places and target in numbers:
        build.arc(source, numbers[target], weight)
    elif source in numbers and target in places:
        build.arc(target, numbers[source], -weight)
    else:
        raise InputError(f"{path}: arc '{arc.get('id')}' does not join a place and a transition of the net.")


def _marking(path: str | Path, marking: Any, places: set[str]) -> dict[str, int]:
    tokens: dict[str, int] = {}
    for place in children(marking, "place"):
        name = place.get("idref")
        if name not in places:
            raise InputError(f"{path}: the final marking names place '{name}', which the net does not have.")
        number = [text.text for text in children(place, "text")]
        if value := int(number[0] or 0) if number else 1:
            tokens[name] = value
    return tokens


def write_pnml(net: PetriNet, path: Path, *, name: str) -> None:
    """Write a net to a PNML file, see `pnml_bytes`."""
    path.write_bytes(pnml_bytes(net, name=name))


def pnml_bytes(net: PetriNet, *, name: str) -> bytes:
    """Return a net as PNML that ProM and pm4py read, silent transitions marked ``$invisible$``."""
    from lxml import etree

    root = etree.Element("pnml")
    element = etree.SubElement(root, "net", id="net", type="http://www.pnml.org/version-2009/grammar/pnmlcoremodel")
    _named(element, name)
    page = etree.SubElement(element, "page", id="page")
    for number, place in enumerate(net.places):
        one = etree.SubElement(page, "place", id=f"p{number}")
        _named(one, place)
        if net.initial[number]:
            etree.SubElement(etree.SubElement(one, "initialMarking"), "text").text = str(net.initial[number])
    for number, (transition, label) in enumerate(zip(net.transitions, net.labels, strict=True)):
        one = etree.SubElement(page, "transition", id=f"t{number}")
        _named(one, label if label is not None else transition)
        if label is None:
            etree.SubElement(one, "toolspecific", tool="ProM", version="6.4", activity=INVISIBLE)
    for matrix, outward in ((net.pre, False), (net.post, True)):
        for transition_number, place_number in zip(*np.nonzero(matrix), strict=True):
            ends = [f"p{place_number}", f"t{transition_number}"]
            source, target = reversed(ends) if outward else ends
            arc = etree.SubElement(page, "arc", id=f"{source}_{target}", source=source, target=target)
            if (weight := int(matrix[transition_number, place_number])) > 1:
                etree.SubElement(etree.SubElement(arc, "inscription"), "text").text = str(weight)
    finals = etree.SubElement(element, "finalmarkings")
    for final in net.finals:
        marking = etree.SubElement(finals, "marking")
        for number in np.flatnonzero(final).tolist():
            one = etree.SubElement(marking, "place", idref=f"p{number}")
            etree.SubElement(one, "text").text = str(final[number])
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text


def _named(element: Any, name: str) -> None:
    from lxml import etree

    etree.SubElement(etree.SubElement(element, "name"), "text").text = name
