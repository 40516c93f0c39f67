"""The picture of the process model, made safe to stand inside a page: shapes and text, nothing that runs or loads."""

from __future__ import annotations

from markupsafe import Markup

from journeymining.exceptions import InputError
from journeymining.report.svg import tag

SHAPES = {
    "g": ("transform",),
    "a": (),
    "polygon": ("points", "fill", "stroke", "stroke-width", "stroke-dasharray"),
    "polyline": ("points", "fill", "stroke", "stroke-width", "stroke-dasharray"),
    "path": ("d", "fill", "stroke", "stroke-width", "stroke-dasharray"),
    "ellipse": ("cx", "cy", "rx", "ry", "fill", "stroke", "stroke-width"),
    "circle": ("cx", "cy", "r", "fill", "stroke", "stroke-width"),
    "rect": ("x", "y", "width", "height", "rx", "ry", "fill", "stroke", "stroke-width"),
    "line": ("x1", "y1", "x2", "y2", "stroke", "stroke-width", "stroke-dasharray"),
    "text": ("x", "y", "text-anchor", "font-size", "font-family", "fill", "font-weight"),
    "tspan": ("x", "y", "dx", "dy"),
}
PLAIN = {"none": "none", "black": "var(--ink)", "#000000": "var(--ink)", "white": "var(--surface)",
         "#ffffff": "var(--surface)", "transparent": "none"}  # fmt: skip
# Any other colour becomes the one of the page that reads well on light and dark screens.
OTHER = {"fill": "var(--design-soft)", "stroke": "var(--design)"}


def safe_picture(text: str, *, title: str) -> Markup:
    """Copy an SVG, keeping only known shapes and attributes, in the colours of the page.

    Scripts, styles, links, images, foreign content, entities and event attributes are left behind.

    Raises
    ------
    InputError
        If the text is no SVG.
    """
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        raise InputError(f"process_model.svg: not SVG ({error}).") from None
    if etree.QName(root).localname != "svg":
        raise InputError("process_model.svg: not SVG (the first element is another one).")
    box = root.get("viewBox") or f"0 0 {_length(root.get('width'))} {_length(root.get('height'))}"
    places = [_length(part) for part in box.replace(",", " ").split()]
    width, height = (places[2], places[3]) if len(places) == 4 else (800.0, 400.0)
    view = " ".join(f"{place:g}" for place in (places if len(places) == 4 else [0, 0, width, height]))
    children = [copy for copy in (_copy(child) for child in root) if copy]
    # Graphviz writes points; a third larger reads like the text around it.
    return tag("svg", tag("title", title), *children, viewBox=view, width=width * 1.2, height=height * 1.2,
               class_="model", role="img")  # fmt: skip


def _copy(element: object) -> Markup:
    from lxml import etree

    if not isinstance(element, etree._Element) or not isinstance(element.tag, str):
        return Markup()
    name = etree.QName(element).localname
    if name not in SHAPES:
        return Markup()
    attributes = {key: _value(key, element.get(key)) for key in SHAPES[name] if element.get(key) is not None}
    children = [element.text or "", *(part for child in element for part in (_copy(child), child.tail or ""))]
    content = [part for part in children if part.strip() or name in {"text", "tspan"}]
    default = {"fill": "var(--ink)"} if name == "text" and "fill" not in attributes else {}
    return tag("g" if name == "a" else name, *content, **{**attributes, **default})


def _value(key: str, value: str | None) -> str:
    text = value or ""
    if key in OTHER:
        return PLAIN.get(text.lower(), OTHER[key])
    return text


def _length(value: str | None) -> float:
    digits = "".join(character for character in value or "" if character.isdigit() or character in ".-")
    try:
        return float(digits)
    except ValueError:
        return 0.0
