"""Every file of the folder of public designed journeys: what is read of it, or why it is refused, at which element."""

from __future__ import annotations

import pytest

from journeymining.conformance.design import read_design
from journeymining.conformance.reachability import TooManyStatesError, reachability_graph
from journeymining.exceptions import JourneyMiningError

TOO_MANY = "more than 100,000"

# Of a file or of a process in it: states of the model, touchpoints, rules, and remarks on what is not checked.
READ = {
    "declare/data_model.decl": (None, 12, 1, 13),
    "declare/diagnosis.decl": (None, 13, 0, 13),
    "declare/model1.decl": (None, 13, 13, 4),
    "declare/model2.decl": (None, 13, 27, 7),
    "declare/model3.decl": (None, 13, 42, 9),
    "declare/model4.decl": (None, 13, 55, 13),
    "declare/sepsis.decl": (None, 13, 3, 1),
    "declare/shop_cart.decl": (None, 9, 3, 12),
    "miwg_reference/A.1.0.bpmn": (13, 5, 0, 0),
    "miwg_reference/A.2.0.bpmn": (18, 6, 0, 0),
    "miwg_reference/A.2.1.bpmn": (33, 6, 0, 1),
    "miwg_reference/A.3.0.bpmn": (89, 10, 0, 0),
    "miwg_reference/A.4.0.bpmn#WFP-6-1": (10, 4, 0, 1),
    "miwg_reference/A.4.0.bpmn#WFP-6-2": (135, 11, 0, 1),
    "miwg_reference/A.4.1.bpmn#sid-34746A54-1D7D-46CA-B219-0C4CEAE51170": (10, 4, 0, 1),
    "miwg_reference/A.4.1.bpmn#sid-54D696FD-DEDC-45F3-99DB-1404DA433FC4": (135, 11, 0, 1),
    "miwg_reference/B.1.0.bpmn#Process_ba16239e-181e-4b9f-bc5b-0bb2ee973450": (7, 3, 0, 0),
    "miwg_reference/B.1.0.bpmn#WFP-6-1": (13, 5, 0, 2),
    "miwg_reference/B.1.0.bpmn#WFP-6-2": (276, 12, 0, 2),
    "miwg_reference/B.1.0.bpmn#WFP-0-": (7, 3, 0, 0),
    "miwg_reference/B.2.0.bpmn#Process_ba16239e-181e-4b9f-bc5b-0bb2ee973450": (16, 8, 0, 1),
    "miwg_reference/B.2.0.bpmn#WFP-6-1": (999, 20, 0, 2),
    "miwg_reference/B.2.0.bpmn#WFP-0-": (7, 3, 0, 0),
    "miwg_reference/C.1.0.bpmn#sid-5FBB6CB3-8A7C-42B5-9024-15BB2684EC57": (21, 8, 0, 2),
    "miwg_reference/C.1.0.bpmn#bpmn-miwg-test-case-c.1.0": (22, 8, 0, 2),
    "miwg_reference/C.1.1.bpmn": (22, 8, 0, 1),
    "miwg_reference/C.2.0.bpmn#WFP-Page_1-1": (7, 3, 0, 1),
    "miwg_reference/C.2.0.bpmn#WFP-Page_1-2": (10, 3, 0, 1),
    "miwg_reference/C.2.0.bpmn#WFP-Page_1-3": (28, 5, 0, 2),
    "miwg_reference/C.2.0.bpmn#WFP-Page_1-4": (16, 5, 0, 1),
    "miwg_reference/C.3.0.bpmn": (26, 10, 0, 2),
    "miwg_reference/C.4.0.bpmn#_42cba3a9-a8ab-40b5-b9a4-2e8f32be364e": (101, 18, 0, 0),
    "miwg_reference/C.4.0.bpmn#_f0035388-f829-470c-b82b-0b15c3da3399": (19, 7, 0, 0),
    "miwg_reference/C.4.0.bpmn#_da743a6f-d9e5-4fcf-8a96-d2fd5cfb73d4": (14, 5, 0, 0),
    "miwg_reference/C.4.0.bpmn#_3486bf55-0a7f-4ff1-be15-1555669f58ad": (10, 4, 0, 0),
    "miwg_reference/C.5.0.bpmn#_3d1ef204-2d4c-4643-8fc5-c319cc032ec0": (76, 21, 0, 0),
    "miwg_reference/C.5.0.bpmn#_774bc005-0917-43d5-ab70-0f9fe123fbd1": (12, 3, 0, 0),
    "miwg_reference/C.7.0.bpmn": (43, 8, 0, 0),
    "miwg_reference/C.8.0.bpmn": (38, 12, 0, 2),
    "miwg_reference/C.8.1.bpmn": (38, 12, 0, 2),
    "miwg_reference/C.9.0.bpmn": (33, 13, 0, 5),
    "miwg_reference/C.9.1.bpmn": (60, 10, 0, 1),
    "miwg_reference/C.9.2.bpmn": (9, 5, 0, 6),
    "onboarding/counterparty-onboarding.bpmn": (TOO_MANY, 19, 0, 1),
    "onboarding/customer-onboarding-extended.bpmn": (38, 10, 0, 1),
    "onboarding/customer-onboarding.bpmn": (15, 6, 0, 1),
    "onboarding/incidentManagement.bpmn#sid-815f5e51-0d50-423d-ac3d-ca55c2422abe": (13, 4, 0, 1),
    "onboarding/incidentManagement.bpmn#incident-management": (24, 7, 0, 2),
    "onboarding/incidentManagement.bpmn#sid-ed9866c5-ad26-4527-8325-9d4d92872a40": (19, 6, 0, 2),
    "onboarding/incidentManagement.bpmn#sid-970ee4bf-cfb6-4892-9031-4092c4e6ae6a": (14, 4, 0, 2),
    "onboarding/incidentManagement.bpmn#sid-9f0c36e5-a662-4d1e-a87f-65a617d5b439": (10, 3, 0, 1),
    "onboarding/onboarding.bpmn": (147, 15, 0, 2),
}

# What the refusal says: the element and the reason. Of a file with several processes READ and REFUSED have each.
SEVERAL = "the file has several processes"
REFUSED = {
    "cjml/Example.json": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.json'.",
    "cjml/Example.xes": ("a log of actual journeys is no design; draft one: journeymining design from-log."),
    "cjml/README.md": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.md'.",
    "cjml/SOURCES.tsv": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.tsv'.",
    "cjml/Xes.xsd": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.xsd'.",
    "declare/README.md": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.md'.",
    "declare/SOURCES.tsv": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.tsv'.",
    "declare/Sepsis Cases.xes.gz": ("a log of actual journeys is no design; draft one: journeymining design from-log."),
    "miwg_reference/A.4.0.bpmn": SEVERAL,
    "miwg_reference/A.4.1.bpmn": SEVERAL,
    "miwg_reference/B.1.0.bpmn": SEVERAL,
    "miwg_reference/B.2.0.bpmn": SEVERAL,
    "miwg_reference/B.2.0.bpmn#WFP-6-2": (
        "inclusiveGateway '_10ecbff1-cd15-4a5c-9aa5-6f2a35479416': it joins ways that no single gateway "
        "opened, so it cannot be known when all have come."
    ),
    "miwg_reference/C.1.0.bpmn": SEVERAL,
    "miwg_reference/C.2.0.bpmn": SEVERAL,
    "miwg_reference/C.4.0.bpmn": SEVERAL,
    "miwg_reference/C.5.0.bpmn": SEVERAL,
    "miwg_reference/C.6.0.bpmn": (
        "subProcess '_c38139c7-a2d1-47c7-b75a-19e14c7212c8': a subprocess with parallel ways and several ends"
        " cannot be followed."
    ),
    "miwg_reference/SOURCES.tsv": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.tsv'.",
    "onboarding/SOURCES.tsv": "a design ends in .yaml, .bpmn, .decl, .pnml, .ptml; found '.tsv'.",
    "onboarding/incidentManagement.bpmn": SEVERAL,
}


def found(folder, name):
    """Read a file, or a process of it; return what `READ` says of it."""
    design = read_design(str(folder / name))
    try:
        states = None if design.net is None else reachability_graph(design.net).states
    except TooManyStatesError:
        states = TOO_MANY
    return states, len(design.touchpoints), len(design.rules), len(design.unchecked)


@pytest.mark.real_data
def test_no_file_is_forgotten(shared_data):
    folder = shared_data / "designed_journeys"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    assert files == {name.partition("#")[0] for name in [*READ, *REFUSED]}


@pytest.mark.real_data
@pytest.mark.parametrize("name", READ)
def test_a_designed_journey_is_read(shared_data, name):
    assert found(shared_data / "designed_journeys", name) == READ[name]


@pytest.mark.real_data
@pytest.mark.parametrize("name", REFUSED)
def test_a_designed_journey_is_refused_with_element_and_reason(shared_data, name):
    with pytest.raises(JourneyMiningError) as refusal:
        read_design(str(shared_data / "designed_journeys" / name))

    said = str(refusal.value)
    assert REFUSED[name] in said
    assert "\n" not in said
    if REFUSED[name] == SEVERAL:
        processes = [one.partition("#")[2] for one in [*READ, *REFUSED] if one.startswith(f"{name}#")]
        assert len(processes) >= 2
        assert all(f"'{one}'" in said for one in processes)
