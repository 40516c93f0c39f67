"""Designs of other tools: imported with the same meaning, or refused with the element and the reason."""

from __future__ import annotations

import random
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.bpmn import read_bpmn
from journeymining.conformance.bpmn_write import bpmn_bytes
from journeymining.conformance.cjml import cjml_bytes
from journeymining.conformance.decl import decl_text, implied_rules, read_decl
from journeymining.conformance.design import Design, Touchpoint, read_design
from journeymining.conformance.flow import Block, Step, flow_net, parse_flow, steps, write_flow
from journeymining.conformance.pnml import read_pnml, write_pnml
from journeymining.conformance.process_tree import read_process_tree
from journeymining.conformance.reachability import TooManyStatesError, reachability_graph
from journeymining.exceptions import InputError, SpecError

LETTERS = "abcdex"

FLOWS = st.recursive(
    st.sampled_from("abcde").map(Step),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["sequence", "choice", "any_order"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda pair: Block(pair[0], tuple(pair[1]))
        ),
        st.tuples(st.sampled_from(["optional", "repeat", "repeat_once"]), inner).map(
            lambda pair: Block(pair[0], (pair[1],))
        ),
    ),
    max_leaves=6,
)


def costs(net, paths):
    """Cost of each path of letters."""
    number = {label: place for place, label in enumerate(net.alphabet)}
    return align(
        reachability_graph(net),
        [np.array([LETTERS.index(one) for one in path], dtype=np.int32) for path in paths],
        symbol_labels=np.array([number.get(one, -1) for one in LETTERS], dtype=np.int32),
        transition_labels=np.array([number.get(one, -1) for one in net.labels], dtype=np.int32),
        costs=unit_costs(net, len(LETTERS)),
    ).cost.tolist()


def some_paths(seed):
    chance = random.Random(seed)
    return ["".join(chance.choices(LETTERS, k=chance.randrange(8))) for _ in range(12)]


def design_of(flow):
    return Design("x", {name: Touchpoint(name) for name in steps(flow)}, net=flow_net(flow), flow=flow)


@settings(max_examples=50, deadline=None)
@given(FLOWS, st.integers(0, 10**6))
def test_a_flow_means_the_same_in_every_format(tmp_path_factory, flow, seed):
    folder, paths = tmp_path_factory.mktemp("formats"), some_paths(seed)
    (folder / "x.bpmn").write_bytes(bpmn_bytes(design_of(flow)))
    write_pnml(flow_net(flow), folder / "x.pnml", name="x")

    expected = costs(flow_net(flow), paths)

    assert costs(flow_net(parse_flow(write_flow(flow))), paths) == expected
    assert costs(read_pnml(folder / "x.pnml"), paths) == expected
    assert costs(read_bpmn(folder / "x.bpmn").net, paths) == expected


@pytest.mark.parametrize(
    "flow", ["a > b? > c", "a > (b | c) > d", "{a, b} > c", "a > (b > c)* > d", "(a > b | c)+ > d"]
)
def test_rules_that_a_flow_implies_hold_on_what_follows_it(check, flow):
    net = flow_net(parse_flow(flow))
    paths = ["".join(path) for length in range(1, 6) for path in product("abcd", repeat=length)]
    following = [path for path, cost in zip(paths, costs(net, paths), strict=True) if not cost]
    design = Design("x", {name: Touchpoint(name) for name in LETTERS}, rules=tuple(implied_rules(net)))

    found = check(design, {str(number): list(path) for number, path in enumerate(following)})

    assert len(following) > 1
    assert len(found.rules) > 1
    assert found.rules["violated"].sum() == 0


@pytest.mark.real_data
def test_the_running_example_allows_the_same_as_bpmn_and_as_petri_net(shared_data):
    folder = shared_data / "event_logs"
    graphs = [read_design(folder / f"running-example.{ending}").net for ending in ("bpmn", "pnml")]
    names = graphs[1].alphabet
    chance = random.Random(7)
    paths = [tuple(chance.choices(names, k=chance.randrange(1, 9))) for _ in range(200)]

    def cost(net):
        number = {label: place for place, label in enumerate(net.alphabet)}
        return align(
            reachability_graph(net),
            [np.array([names.index(one) for one in path], dtype=np.int32) for path in paths],
            symbol_labels=np.array([number.get(one, -1) for one in names], dtype=np.int32),
            transition_labels=np.array([number.get(one, -1) for one in net.labels], dtype=np.int32),
            costs=unit_costs(net, len(names)),
        ).cost.tolist()

    assert cost(graphs[0]) == cost(graphs[1])


DIAGRAM = """<?xml version="1.0"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p" name="order">{}</process></definitions>
"""


def diagram(tmp_path, nodes, flows, extra=""):
    """Read a diagram of ``id kind`` nodes and ``a>b`` flows; tasks are named like their id."""
    parts = []
    for node in nodes.split():
        name, _, kind = node.partition(":")
        parts.append(f'<{kind or "task"} id="{name}" {f"name={chr(34)}{name}{chr(34)}" if not kind else ""}/>')
    for number, flow in enumerate(flows.split()):
        source, _, target = flow.partition(">")
        parts.append(f'<sequenceFlow id="f{number}" sourceRef="{source}" targetRef="{target}"/>')
    file = tmp_path / "x.bpmn"
    file.write_text(DIAGRAM.format("".join(parts) + extra))
    return read_bpmn(file)


def test_an_inclusive_gateway_opens_any_of_its_ways_and_waits_for_them(tmp_path):
    design = diagram(
        tmp_path,
        "s:startEvent o:inclusiveGateway a b c j:inclusiveGateway d e:endEvent",
        "s>o o>a o>b o>c a>j b>j c>j j>d d>e",
    )
    paths = ["ad", "bd", "abd", "bad", "cabd", "d", "adb", "aad"]

    assert costs(design.net, paths) == [0, 0, 0, 0, 0, 1, 1, 1]


def test_an_inclusive_join_of_an_exclusive_choice_waits_for_one(tmp_path):
    design = diagram(
        tmp_path, "s:startEvent o:exclusiveGateway a b j:inclusiveGateway d e:endEvent", "s>o o>a o>b a>j b>j j>d d>e"
    )

    assert costs(design.net, ["ad", "bd", "abd"]) == [0, 0, 1]


def test_an_inclusive_join_without_its_gateway_is_refused(tmp_path):
    with pytest.raises(InputError, match="inclusiveGateway 'j': it joins ways that no single gateway opened"):
        diagram(
            tmp_path,
            "s:startEvent o:parallelGateway x:exclusiveGateway a b j:inclusiveGateway e:endEvent e2:endEvent",
            "s>o o>a o>x x>b x>e2 a>j b>j j>e",
        )


def test_several_starts_and_ends(tmp_path):
    design = diagram(
        tmp_path,
        "s:startEvent t:startEvent a b c e:endEvent g:exclusiveGateway f:endEvent",
        "s>a t>b a>g b>g g>c c>e g>f",
    )

    assert costs(design.net, ["a", "b", "ac", "bc", "ab"]) == [0, 0, 0, 0, 1]


def test_a_boundary_event_interrupts_or_runs_beside(tmp_path):
    nodes, flows = "s:startEvent a b c e:endEvent f:endEvent", "s>a a>b b>e t>c c>f"
    event = '<boundaryEvent id="t" attachedToRef="a" cancelActivity="{}"/>'

    def read(cancels):
        flows_only = "s>a a>b b>e"
        extra = event.format(cancels)
        extra += '<sequenceFlow id="x" sourceRef="t" targetRef="c"/><sequenceFlow id="y" sourceRef="c" targetRef="f"/>'
        return diagram(tmp_path, nodes, flows_only, extra)

    assert flows
    assert costs(read("true").net, ["ab", "c", "acb"]) == [0, 0, 1]
    assert costs(read("false").net, ["ab", "cab", "acb", "abc", "ccab", "c"]) == [0, 0, 0, 0, 0, 2]


def test_lanes_are_actors_or_channels(tmp_path):
    file = tmp_path / "x.bpmn"
    lanes = '<laneSet id="l"><lane id="l1" name="web"><flowNodeRef>a</flowNodeRef></lane></laneSet>'
    body = '<startEvent id="s"/><task id="a" name="order"/><sequenceFlow id="f" sourceRef="s" targetRef="a"/>'
    file.write_text(DIAGRAM.format(lanes + body))

    assert read_bpmn(file).touchpoints["order"].sender == "web"
    assert read_bpmn(file, lanes="channel").touchpoints["order"].channels == ("web",)


def test_a_complex_gateway_is_refused_with_its_id(tmp_path):
    with pytest.raises(InputError, match="complexGateway 'g'"):
        diagram(tmp_path, "s:startEvent g:complexGateway a", "s>g g>a")


def test_a_declare_model_is_read_and_written(tmp_path):
    file = tmp_path / "x.decl"
    file.write_text(
        "activity a\nactivity b\nbind a: org:group\n"
        "Response[a, b] |A.channel is web |T.org:resource is bot |0,2,h\n"
        "Absence2[a] | |\nNot Co-Existence[a, b] | | |\nPrecedence[a, b] |A.age > 3 | |\n"
    )

    design = read_decl(file)

    assert [rule.text for rule in design.rules] == [
        "response(a, b) within 2 hours when channel web then resource bot",
        "absence(a, 1)",
        "not_coexist(a, b)",
    ]
    assert design.unchecked == (
        "line 7, Precedence[a, b]: the condition 'A.age > 3' is on data that a prepared log does not keep",
    )
    text, left_out = decl_text(design)
    (tmp_path / "again.decl").write_text(text)
    assert read_decl(tmp_path / "again.decl").rules == design.rules
    assert left_out == []


def test_an_unknown_declare_template_names_its_line(tmp_path):
    file = tmp_path / "x.decl"
    file.write_text("activity a\nRespnse[a, b] | | |\n")

    with pytest.raises(SpecError, match=r"x.decl:2: unknown template 'Respnse'. Did you mean 'response'?"):
        read_decl(file)


def test_a_process_tree_is_read(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pm4py
        from pm4py.objects.process_tree.utils.generic import parse

        tree = parse("->('a', X('b', tau), *('c', 'd'), +('e', 'x'))")
        pm4py.write_ptml(tree, str(tmp_path / "x.ptml"))

    flow = read_process_tree(tmp_path / "x.ptml")

    assert (
        write_flow(flow) == "a > b? > (c > (d > c)*) > {e, x}" or write_flow(flow) == "a > b? > c > (d > c)* > {e, x}"
    )
    assert costs(flow_net(flow), ["abcex", "acdcxe", "acde"]) == [0, 0, 2]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<pnml><net id='n'><place id='p'/></net></pnml>", "no transitions"),
        ("<pnml>", "not XML"),
        ("<pnml></pnml>", "0 nets"),
        (
            "<pnml><net id='n'><place id='p'/><transition id='t'/><arc id='a' source='p' target='q'/></net></pnml>",
            "arc 'a'",
        ),
        (
            "<pnml><net id='n'><place id='p'/><transition id='t'/><arc id='a' source='p' target='t'>"
            "<arctype><text>inhibitor</text></arctype></arc></net></pnml>",
            "arc 'a' is a inhibitor arc",
        ),
    ],
)
def test_a_broken_petri_net_is_refused(tmp_path, content, says):
    file = tmp_path / "x.pnml"
    file.write_text(content)

    with pytest.raises(InputError, match=says):
        read_pnml(file)


END = '<finalmarkings><marking><place idref="{}"><text>1</text></place></marking></finalmarkings>'


def net_file(tmp_path, arcs, initial="<initialMarking><text>1</text></initialMarking>", finals=""):
    """Write a net with places p and q and transitions t and u."""
    parts = [
        f'<place id="p">{initial}</place><place id="q"/><transition id="t"><name><text>a</text></name></transition>'
    ]
    parts += ['<transition id="u"><name><text>b</text></name></transition>']
    for number, arc in enumerate(arcs.split()):
        source, _, rest = arc.partition(">")
        target, _, weight = rest.partition("*")
        inscription = f"<inscription><text>{weight}</text></inscription>" if weight else ""
        parts.append(f'<arc id="a{number}" source="{source}" target="{target}">{inscription}</arc>')
    file = tmp_path / "x.pnml"
    file.write_text(f"<pnml><net id='n'>{''.join(parts)}{finals}</net></pnml>")
    return read_pnml(file)


def test_nets_that_cannot_be_checked_say_why(tmp_path):
    with pytest.raises(InputError, match="unbounded: tokens pile up in place 'q'"):
        reachability_graph(net_file(tmp_path, "p>t t>p t>q q>u", finals=END.format("p")))
    with pytest.raises(InputError, match="no final marking and not exactly one place that leads nowhere"):
        reachability_graph(net_file(tmp_path, "p>t t>q q>u u>p"))
    with pytest.raises(InputError, match="dead: its final marking can never be reached"):
        reachability_graph(net_file(tmp_path, "p>t*2 t>q q>u", finals=END.format("q")))
    with pytest.raises(TooManyStatesError):
        reachability_graph(flow_net(parse_flow("{a, b, c, d, e}")), limit=10)


def test_weights_are_tokens(tmp_path):
    """a makes three tokens, b takes two and gives one back: a, b, b leaves one, which is the end."""
    net = net_file(tmp_path, "p>t t>q*3 q>u*2 u>q", finals=END.format("q"))

    assert costs(net, ["abb", "ab", "abbb", "a"]) == [0, 1, 1, 2]


PUBLISHED = """<CJML version="2.0"><actualJourney><journeyID/>
<actors><endUser actorID="a"/><serviceProvider actorID="b"/></actors>
<touchpoints><actualCommunicationPoint><touchpointID/>
<initiator><refersTo actorIDref="a"/><initiatorLabel/>
</initiator><receiver><refersTo actorIDref="b"/><receiverLabel/></receiver><channel><channelName/></channel>
</actualCommunicationPoint></touchpoints></actualJourney></CJML>"""
OURS = {"label", "phase", "optional"}


def shape(root):
    """Return the ways from the root to every element and attribute; an actual journey is a planned one."""
    found = set()
    for element in root.iter():
        way = "/".join(one.tag for one in [*reversed(list(element.iterancestors())), element])
        found |= {way, *(f"{way}@{name}" for name in element.attrib)}
    return {way.replace("actual", "planned") for way in found}


def test_cjml_has_the_shape_of_the_published_example_and_all_that_the_design_says(make_design):
    design = make_design(
        "journey: buy\nactors: {customer: end_user, shop: provider}\nphases: [purchase]\n"
        "touchpoints:\n  order: {from: customer, to: shop, channel: [web, store], phase: purchase}\n"
        "  mail: {from: shop, to: customer, channel: email}\n  use: {action: customer, optional: true}\n"
        "flow: order > mail > use\n"
    )

    root = etree.fromstring(cjml_bytes(design))

    written, published = shape(root), shape(etree.fromstring(PUBLISHED))
    additions = {way for way in written if way.rpartition("/")[2] in OURS or "plannedAction" in way}
    assert written - additions == published
    points = root.findall(".//touchpoints/*")
    read = [(one.tag, one.findtext("label"), [name.text for name in one.iter("channelName")]) for one in points]
    assert read == [
        ("plannedCommunicationPoint", "order", ["web", "store"]),
        ("plannedCommunicationPoint", "mail", ["email"]),
        ("plannedAction", "use", []),
    ]
    sides = [[(side.getparent().tag, side.get("actorIDref")) for side in one.iter("refersTo")] for one in points]
    assert sides[:2] == [
        [("initiator", "customer"), ("receiver", "shop")],
        [("initiator", "shop"), ("receiver", "customer")],
    ]
    assert root.findtext(".//plannedAction/optional") == "true"


def test_every_actor_that_cjml_refers_to_is_there(make_design):
    design = make_design("journey: x\ntouchpoints: {a: {from: customer, to: shop}, b: {from: robot}}\nflow: a > b\n")

    root = etree.fromstring(cjml_bytes(design))

    actors = {one.get("actorID"): one.tag for one in root.find(".//actors")}
    assert actors == {"customer": "endUser", "shop": "serviceProvider", "robot": "serviceProvider"}
    assert {one.get("actorIDref") for one in root.iter("refersTo")} == set(actors)


def test_a_diagram_without_a_start_or_an_end_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"process 'p': it has no start event.*add a start event"):
        diagram(tmp_path, "a b", "a>b b>a")
    with pytest.raises(InputError, match=r"process 'p': it has no end.*add an end event"):
        diagram(tmp_path, "s:startEvent a b", "s>a a>b b>a")


def test_what_nothing_leads_to_begins_a_diagram_without_a_start_event(tmp_path):
    assert costs(diagram(tmp_path, "a b e:endEvent", "a>b b>e").net, ["ab", "b"]) == [0, 1]
