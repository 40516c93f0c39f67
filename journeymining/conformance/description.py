"""A designed journey as a table of its parts, for whoever draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.conformance.flow import Step, write_flow

if TYPE_CHECKING:
    from journeymining.conformance.design import Design
    from journeymining.conformance.flow import Flow


def describe_design(design: Design) -> dict[str, Any]:
    r"""Return what design.json of a run says.

    Returns
    -------
    dict
        ``name``; ``phases`` in their order; ``touchpoints``: a list of ``name``, ``phase``, ``channels``, ``optional``,
        ``moment_of_truth``; ``flow`` as the language writes it, or null; ``order``: touchpoints of the main path, as
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
