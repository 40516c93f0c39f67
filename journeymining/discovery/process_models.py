"""Process models from variants: mined by pm4py, then plain data of our own."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

from journeymining.discovery.inductive import (
    exclusive_groups,
    parallel_groups,
    project_paths,
    steps_without_each,
    transitive_relations,
)
from journeymining.discovery.model_formats import bpmn_text, dot_text, pnml_text, svg_text
from journeymining.discovery.model_quality import Quality, measure_quality
from journeymining.discovery.nets import Diagram, Kind, Net, Transition, canonical_order
from journeymining.exceptions import EmptyLogError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    Path = tuple[str, ...]

Miner = Literal["inductive", "heuristics", "split"]

MOST_VARIANTS = 50_000


@dataclass(frozen=True)
class ProcessModel:
    """A process model that was mined from variants, and how good it is on all of them.

    ``variants`` most frequent ones of ``all_variants`` were given to the miner; ``events`` counts the events of every
    activity in the whole log, also of activities that the model does not have (``left_out``).
    """

    miner: Miner
    noise: float
    net: Net
    diagram: Diagram
    quality: Quality
    events: dict[str, int]
    variants: int
    all_variants: int

    @property
    def left_out(self) -> list[str]:
        """Activities of the log that the model does not have, in alphabetical order."""
        return sorted(set(self.events) - set(self.net.labels))

    def pnml(self) -> str:
        """Return the model as PNML."""
        return pnml_text(self.net)

    def bpmn(self) -> str:
        """Return the model as BPMN 2.0."""
        return bpmn_text(self.diagram)

    def svg(self) -> str:
        """Return a drawing of the model, with the number of events of every activity."""
        return svg_text(dot_text(self.diagram, self.events))


def discover_model(
    variants: pd.DataFrame, *, miner: Miner = "inductive", noise: float = 0.2, most: int = MOST_VARIANTS
) -> ProcessModel:
    """Mine a process model from variants.

    Parameters
    ----------
    variants : DataFrame
        ``path`` and ``journeys``, the result of `journeymining.discovery.variants.variants`.
    miner : {"inductive", "heuristics", "split"}
        The inductive miner gives sound models; the heuristics and the split miner give what is frequent.
    noise : float from 0 to 1
        What share of the strongest alternative a step may have and still be left out. For the heuristics miner the
        dependency threshold is ``1 - noise``, for the split miner the percentile of kept steps.
    most : int
        How many variants the miner gets, the most frequent ones; the quality is measured on as many as can be.

    Returns
    -------
    ProcessModel
        The same variants give the same model, text for text.

    Raises
    ------
    EmptyLogError
        If there are no variants.
    UsageError
        If the miner is not known or the noise is not from 0 to 1.

    References
    ----------
    S. Leemans, D. Fahland, W. van der Aalst, Discovering block-structured process models from event logs containing
    infrequent behaviour, 2014. A. Weijters, J. Ribeiro, Flexible heuristics miner, 2011. A. Augusto et al., Split
    Miner, 2019.
    """
    if miner not in get_args(Miner):
        known = get_args(Miner)
        raise UsageError(f"Unknown miner '{miner}'.{did_you_mean(miner, known)} Known: {', '.join(known)}.")
    if not 0 <= noise <= 1:
        raise UsageError(f"noise is {noise}; a share from 0 to 1 is needed.")
    counts: Counter[Path] = Counter()
    for path, journeys in zip(variants["path"], variants["journeys"], strict=True):
        counts[tuple(path)] += int(journeys)
    if not counts:
        raise EmptyLogError("There are no variants: no process model can be mined.")
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    chosen = Counter(dict(ranked[:most]))
    with _quiet():
        net, diagram = {"inductive": _inductive, "heuristics": _heuristics, "split": _split}[miner](chosen, noise)
    events: Counter[str] = Counter()
    for path, journeys in ranked:
        for activity in path:
            events[activity] += journeys
    return ProcessModel(
        miner, noise, net, diagram, measure_quality(net, counts), dict(sorted(events.items())), len(chosen), len(counts)
    )


def inductive_tree(variants: Counter[Path], noise: float) -> Any:
    """Return the process tree that the inductive miner of pm4py finds in variants with their frequencies."""
    from pm4py.algo.discovery.inductive.dtypes.im_ds import IMDataStructureUVCL
    from pm4py.algo.discovery.inductive.variants.im import IMUVCL
    from pm4py.algo.discovery.inductive.variants.imf import IMFUVCL
    from pm4py.objects.process_tree.utils import generic

    parameters = {"noise_threshold": noise}
    miner = IMFUVCL(parameters) if noise else IMUVCL(parameters)
    with _faster_miner():
        tree = generic.fold(miner.apply(IMDataStructureUVCL(variants), parameters))
    generic.tree_sort(tree)
    return tree


@contextlib.contextmanager
def _faster_miner() -> Iterator[None]:
    """Let the miner of pm4py use what finds the same in less time, where it takes nearly all of its time."""
    from pm4py.algo.discovery.inductive.cuts.concurrency import ConcurrencyCutUVCL
    from pm4py.algo.discovery.inductive.cuts.factory import CutFactory
    from pm4py.algo.discovery.inductive.cuts.xor import ExclusiveChoiceCutUVCL
    from pm4py.algo.discovery.inductive.dtypes.im_ds import IMDataStructureUVCL
    from pm4py.algo.discovery.inductive.fall_through.activity_concurrent import ActivityConcurrentUVCL
    from pm4py.algo.discovery.inductive.variants.instances import IMInstance
    from pm4py.objects.dfg import util as graphs
    from pm4py.objects.dfg.obj import DFG
    from pm4py.util.compression import util

    def project(cls: type, obj: Any, groups: Any, parameters: Any = None) -> list[Any]:
        return [IMDataStructureUVCL(project_paths(obj.data_structure, group)) for group in groups]

    def candidate(cls: type, obj: Any, pool: Any, manager: Any, parameters: Any = None) -> str | None:
        for activity, graph, starts, ends in steps_without_each(obj.data_structure, obj.dfg):
            # That there is a cut is the question: no paths, and no frequencies, are needed for the answer.
            without = IMDataStructureUVCL(Counter(), DFG(Counter(graph), Counter(starts), Counter(ends)))
            cuts = CutFactory.get_cuts(without, IMInstance.IM, parameters=parameters)
            if any(cut.holds(without, parameters) is not None for cut in cuts):
                return activity
        return None

    ours: list[tuple[Any, str, Any]] = [
        (util, "discover_dfg_uvcl", count_steps),
        (graphs, "get_transitive_relations", transitive_relations),
        (ExclusiveChoiceCutUVCL, "holds", classmethod(lambda cls, obj, parameters=None: exclusive_groups(obj.dfg))),
        (ConcurrencyCutUVCL, "holds", classmethod(lambda cls, obj, parameters=None: parallel_groups(obj.dfg))),
        (ConcurrencyCutUVCL, "project", classmethod(project)),
        (ActivityConcurrentUVCL, "_get_candidate", classmethod(candidate)),
    ]
    theirs = [vars(owner).get(name) for owner, name, _ in ours]
    for owner, name, function in ours:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name, _), before in zip(ours, theirs, strict=True):
            # What was inherited is inherited again.
            setattr(owner, name, before) if before is not None else delattr(owner, name)


def count_steps(variants: Counter[Path]) -> Any:
    """Return the directly-follows graph of variants with their frequencies, as pm4py's `discover_dfg_uvcl` does."""
    from pm4py.objects.dfg.obj import DFG

    found = DFG()
    steps, starts, ends = found.graph, found.start_activities, found.end_activities
    for path, journeys in variants.items():
        if path:
            starts[path[0]] += journeys
            ends[path[-1]] += journeys
            for step in pairwise(path):
                steps[step] += journeys
    return found


def _inductive(variants: Counter[Path], noise: float) -> tuple[Net, Diagram]:
    import pm4py

    tree = inductive_tree(variants, noise)
    return _plain_net(*pm4py.convert_to_petri_net(tree)), _plain_diagram(pm4py.convert_to_bpmn(tree))


def _heuristics(variants: Counter[Path], noise: float) -> tuple[Net, Diagram]:
    import pm4py
    from pm4py.algo.discovery.heuristics.variants import classic
    from pm4py.objects.conversion.heuristics_net import converter

    follows: Counter[tuple[str, str]] = Counter()
    two_steps: Counter[tuple[str, str]] = Counter()
    triples: Counter[tuple[str, str, str]] = Counter()
    occurrences: Counter[str] = Counter()
    for path, journeys in variants.items():
        for activity in path:
            occurrences[activity] += journeys
        for pair in pairwise(path):
            follows[pair] += journeys
        for a, b, c in zip(path, path[1:], path[2:], strict=False):
            two_steps[a, c] += journeys
            triples[a, b, c] += journeys
    names = sorted(occurrences)
    found = classic.apply_heu_dfg(
        follows,
        activities=names,
        activities_occurrences={name: occurrences[name] for name in names},
        start_activities=_ends(variants, 0),
        end_activities=_ends(variants, -1),
        dfg_window_2=two_steps,
        freq_triples=triples,
        parameters={classic.Parameters.DEPENDENCY_THRESH: 1.0 - noise},
    )
    net, initial, final = converter.apply(found)
    return _plain_net(net, initial, final), _plain_diagram(pm4py.convert_to_bpmn(net, initial, final))


def _split(variants: Counter[Path], noise: float) -> tuple[Net, Diagram]:
    import pm4py
    from pm4py.algo.discovery.split_miner.dtypes.log import END_LABEL, START_LABEL
    from pm4py.algo.discovery.split_miner.variants import classic

    class VariantMiner(classic.ClassicSplitMiner):  # type: ignore[misc]
        def do_extract_traces(self, log: list[tuple[Path, int]], parameters: object = None) -> list[list[str]]:
            del parameters
            return [trace for path, journeys in log for trace in [[START_LABEL, *path, END_LABEL]] * journeys]

    found = VariantMiner().apply(list(variants.items()), {classic.Parameters.ETA: 1.0 - noise})
    return _plain_net(*pm4py.convert_to_petri_net(found)), _plain_diagram(found)


def _ends(variants: Counter[Path], place: int) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for path, journeys in variants.items():
        counts[path[place]] += journeys
    return dict(sorted(counts.items()))


def _plain_net(net: Any, initial: Any, final: Any) -> Net:
    """Turn a net of pm4py, whose parts are sets of objects with random names, into numbered parts."""
    places, steps = list(net.places), list(net.transitions)
    numbers = {id(part): number for number, part in enumerate([*places, *steps])}
    kinds = ["source" if place in initial else "sink" if place in final else "place" for place in places]
    kinds += ["silent" if step.label is None else f"step {step.label}" for step in steps]
    edges = [(numbers[id(arc.source)], numbers[id(arc.target)]) for arc in net.arcs]
    order = canonical_order(kinds, edges)
    ranks = {number: rank for rank, number in enumerate(n for n in order if n < len(places))}
    transitions = [
        Transition(
            steps[number - len(places)].label,
            tuple(sorted(ranks[a] for a, b in edges if b == number)),
            tuple(sorted(ranks[b] for a, b in edges if a == number)),
        )
        for number in order
        if number >= len(places)
    ]
    (source,) = (ranks[numbers[id(place)]] for place in initial)
    (sink,) = (ranks[numbers[id(place)]] for place in final)
    return Net(len(places), tuple(transitions), source, sink)


def _plain_diagram(bpmn: Any) -> Diagram:
    from pm4py.objects.bpmn.obj import BPMN

    def kind(node: Any) -> Kind:
        kinds: Iterable[tuple[type, Kind]] = (
            (BPMN.StartEvent, "start"),
            (BPMN.EndEvent, "end"),
            (BPMN.ExclusiveGateway, "exclusive"),
            (BPMN.ParallelGateway, "parallel"),
            (BPMN.InclusiveGateway, "inclusive"),
        )
        return next((name for part, name in kinds if isinstance(node, part)), "task")

    nodes = list(bpmn.get_nodes())
    numbers = {node.get_id(): number for number, node in enumerate(nodes)}
    described: list[tuple[Kind, str]] = [
        (kind(node), node.get_name() if kind(node) == "task" else "") for node in nodes
    ]
    edges = [(numbers[flow.source.get_id()], numbers[flow.target.get_id()]) for flow in bpmn.get_flows()]
    order = canonical_order([f"{what} {name}" for what, name in described], edges)
    ranks = {number: rank for rank, number in enumerate(order)}
    return Diagram(tuple(described[number] for number in order), tuple(sorted((ranks[a], ranks[b]) for a, b in edges)))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what pm4py prints away from stdout, where results go."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
