"""A design in the Customer Journey Modelling Language (CJML 2.0), for its drawing tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.conformance.flow import steps

if TYPE_CHECKING:
    from journeymining.conformance.design import Design


def cjml_bytes(design: Design) -> bytes:
    """Return the touchpoints of a design as a planned journey, in the order of its flow.

    A touchpoint between two actors is a communication point, one of a single actor an action. CJML has no choices,
    loops or rules: what may be left out is marked, the rest is not written. Names and nesting of the elements are those
    of the example published with the language, where ``label``, ``phase`` and ``optional`` are added; its schema is not
    public, so no file can be validated, and none was opened in its own tools. Actors that a touchpoint names and the
    design does not declare are service providers, but for the customer.

    References
    ----------
    R. Halvorsrud, K. Kvale, A. Folstad, *Improving service quality through customer journey analysis*, 2016; cjml.no.
    """
    from lxml import etree

    root = etree.Element("CJML", version="2.0")
    journey = etree.SubElement(root, "plannedJourney")
    etree.SubElement(journey, "journeyID").text = design.name
    actors = etree.SubElement(journey, "actors")
    named = {one for point in design.touchpoints.values() for one in (point.sender, point.receiver) if one is not None}
    roles = {one: "end_user" if one == "customer" else "provider" for one in named} | design.actors
    for name, role in sorted(roles.items()):
        kind = "endUser" if role == "end_user" else "serviceProvider"
        etree.SubElement(actors, kind, actorID=name)
    order = steps(design.flow) if design.flow is not None else list(design.touchpoints)
    order += [name for name in design.touchpoints if name not in order]
    parent = etree.SubElement(journey, "touchpoints")
    for number, name in enumerate(order, start=1):
        one = design.touchpoints[name]
        both = one.sender is not None and one.receiver is not None
        point = etree.SubElement(parent, "plannedCommunicationPoint" if both else "plannedAction")
        etree.SubElement(point, "touchpointID").text = f"T{number}"
        etree.SubElement(point, "label").text = name
        for role, actor in (("initiator", one.sender), ("receiver", one.receiver)):
            if actor is not None:
                side = etree.SubElement(point, role)
                etree.SubElement(side, "refersTo", actorIDref=actor)
                etree.SubElement(side, f"{role}Label").text = name
        for channel in one.channels:
            etree.SubElement(etree.SubElement(point, "channel"), "channelName").text = channel
        if one.phase is not None:
            etree.SubElement(point, "phase").text = one.phase
        if one.optional:
            etree.SubElement(point, "optional").text = "true"
    text: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return text
