"""A designed journey as a table of its parts, for whoever draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.conformance.flow import Block, Step

if TYPE_CHECKING:
    from journeymining.conformance.design import Design
    from journeymining.conformance.flow import Flow


def describe_design(design: Design) -> dict[str, Any]:
    """Return what design.json of a run says.

    Returns
    -------
    dict
        ``name``; ``phases`` in their order; ``touchpoints``: a list of ``name``, ``phase``, ``channels``, ``optional``,
        ``moment_of_truth``; ``flow`` as the language writes it, or null; ``order``: the touchpoints of the main path, as
        `main_path` gives it, or all that are obligatory where there is no flow; ``start`` and ``end`` of the scope.

    Examples
    --------
    >>> from journeymining.conformance.design_file import design_of_document
    >>> from journeymining.documents import parse_yaml
    >>> design = design_of_document(parse_yaml("journey: a\nflow: order > (mail | call)? > pay\n", path="a.yaml"))
    >>> describe_design(design)["order"], describe_design(design)["flow"]
    (['order', 'mail', 'pay'], 'order > (mail | call)? > pay')
    """
    return {
        "name": design.name,
        "phases": list(design.phases),
        "touchpoints": [
            {
                "name": one.name,
                "phase": one.phase,
                "channels": list(one.channels),
                "optional": one.optional,
                "moment_of_truth": one.moment_of_truth,
            }
            for one in design.touchpoints.values()
        ],
        "flow": write_flow(design.flow) if design.flow is not None else None,
        "order": main_path(design.flow)
        if design.flow is not None
        else [one.name for one in design.touchpoints.values() if not one.optional],
        "start": list(design.start),
        "end": list(design.end),
    }


def main_path(flow: Flow) -> list[str]:
    """Return the fullest straight path through a flow: every part once, of a choice the first.

    Examples
    --------
    >>> from journeymining.conformance.flow import parse_flow
    >>> main_path(parse_flow("look* > (web | shop) > {pay, pack} > ask?"))
    ['look', 'web', 'pay', 'pack', 'ask']
    """
    if isinstance(flow, Step):
        return [flow.name]
    parts = flow.parts[:1] if flow.kind == "choice" else flow.parts
    return list(dict.fromkeys(name for part in parts for name in main_path(part)))


_SIGN = {"optional": "?", "repeat": "*", "repeat_once": "+"}
_BETWEEN = {"sequence": " > ", "choice": " | ", "any_order": ", "}


def write_flow(flow: Flow) -> str:
    """Write a flow as `journeymining.conformance.flow.parse_flow` reads it.

    Examples
    --------
    >>> from journeymining.conformance.flow import parse_flow
    >>> write_flow(parse_flow("a>(b|'c d')* > {e,f}"))
    'a > (b | "c d")* > {e, f}'
    """
    if isinstance(flow, Step):
        return flow.name if flow.name.isidentifier() else f'"{flow.name}"'
    if flow.kind in _SIGN:
        inner = write_flow(flow.parts[0])
        simple = isinstance(flow.parts[0], Step) or flow.parts[0].kind == "any_order"
        return (inner if simple else f"({inner})") + _SIGN[flow.kind]
    parts = [_inside(part, flow.kind) for part in flow.parts]
    text = _BETWEEN[flow.kind].join(parts)
    return f"{{{text}}}" if flow.kind == "any_order" else text


def _inside(part: Flow, kind: str) -> str:
    text = write_flow(part)
    bracketed = isinstance(part, Block) and part.kind in {"sequence", "choice"} and kind != "any_order"
    return f"({text})" if bracketed else text
