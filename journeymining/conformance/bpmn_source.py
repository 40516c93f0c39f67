"""What of a BPMN file is read: the process that is meant, its lanes, and what no log can show of it."""

from __future__ import annotations

from typing import Any

from journeymining.conformance.pnml import children, local
from journeymining.exceptions import InputError, did_you_mean

TASKS = {
    "task", "userTask", "serviceTask", "sendTask", "receiveTask", "manualTask", "scriptTask", "businessRuleTask",
    "callActivity",
}  # fmt: skip
SUBPROCESSES = {"subProcess", "transaction", "adHocSubProcess"}
EVENTS = {"startEvent", "endEvent", "intermediateCatchEvent", "intermediateThrowEvent", "boundaryEvent"}
GATEWAYS = {"exclusiveGateway", "parallelGateway", "inclusiveGateway", "eventBasedGateway", "complexGateway"}
NODES = TASKS | SUBPROCESSES | EVENTS | GATEWAYS
LOOPS = {"standardLoopCharacteristics", "multiInstanceLoopCharacteristics"}


def choose_process(root: Any, path: str, wanted: str | None) -> Any:
    """Return the process that is meant."""
    if local(root) != "definitions":
        raise InputError(f"{path}: not BPMN 2.0; its first element is '{local(root)}', not 'definitions'.")
    processes = [one for one in children(root, "process") if any(local(child) in NODES for child in one)]
    names = {one.get("id"): one.get("name") or "" for one in processes}
    for participant in root.iter():
        if local(participant) == "participant" and participant.get("processRef") in names:
            names[participant.get("processRef")] = participant.get("name") or names[participant.get("processRef")]
    said = ", ".join(
        f"'{identity}'" + (f" ({' '.join(name.split())})" if name else "") for identity, name in names.items()
    )
    if wanted is not None:
        for one in processes:
            if wanted in {one.get("id"), one.get("name"), names[one.get("id")]}:
                return one
        raise InputError(f"{path}: no process '{wanted}'.{did_you_mean(wanted, names)} The file has: {said or 'none'}.")
    if len(processes) != 1:
        problem = "the file has several processes" if processes else "the file has no process with flow nodes"
        hint = (
            f": {said}. Choose one by writing its id behind the file name: {path}#{next(iter(names))}" if names else ""
        )
        raise InputError(f"{path}: {problem}{hint}.")
    return processes[0]


def lanes_of(process: Any) -> dict[str, str]:
    """Return the innermost lane per flow node."""
    found: dict[str, str] = {}
    for lane in process.iter():
        if local(lane) == "lane":
            name = " ".join((lane.get("name") or "").split())
            # Lanes inside a lane come later in the file, so the innermost one stays.
            found |= {(one.text or "").strip(): name for one in children(lane, "flowNodeRef") if name}
    return found


def label_of(node: Any) -> str | None:
    """Return the name of a flow node on one line; None where it has none."""
    return " ".join((node.get("name") or "").split()) or None


def unchecked_of(root: Any, process: Any) -> tuple[list[str], list[str]]:
    """List what the diagram says and no log shows, and what was assumed."""
    found: list[str] = []
    notes: list[str] = []
    inside = {one.get("id") for one in process.iter() if isinstance(one.tag, str)}
    conditions = [
        flow.get("id")
        for flow in process.iter()
        if local(flow) == "sequenceFlow" and children(flow, "conditionExpression")
    ]
    if conditions:
        found.append(f"conditions of {len(conditions)} flows ({', '.join(conditions)}): any way may be taken")
    for kind, words in (
        ("timerEventDefinition", "the time is not checked; write a promise"),
        ("terminateEventDefinition", "it is taken for an ordinary end"),
        ("errorEventDefinition", "that it is an error is not checked"),
    ):
        owners = [one.getparent().get("id") for one in process.iter() if local(one) == kind]
        if owners:
            found.append(f"{kind} of {', '.join(map(str, owners))}: {words}")
    messages = [
        flow.get("id") for flow in root.iter()
        if local(flow) == "messageFlow" and inside & {flow.get("sourceRef"), flow.get("targetRef")}
    ]  # fmt: skip
    if messages:
        found.append(f"{len(messages)} message flows to other participants: their order is not checked")
    events = [one for one in process.iter() if local(one) in EVENTS and label_of(one) is not None]
    if events:
        notes.append(f"{len(events)} named events may be seen in the log, or not")
    return found, notes


def is_compensation(node: Any) -> bool:
    """Say whether an activity undoes another."""
    return bool(node.get("isForCompensation") == "true")


def compensates(event: Any) -> bool:
    """Say whether an event begins an activity that undoes."""
    return bool(children(event, "compensateEventDefinition"))


def link_of(node: Any) -> str:
    """Return the name of a link event: a throwing one leads on at the catching one of the same name."""
    for one in children(node, "linkEventDefinition"):
        return str(one.get("name") or node.get("name") or "")
    return ""
