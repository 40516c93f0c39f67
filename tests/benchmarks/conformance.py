"""Alignments with a designed journey: ours against pm4py's A*, on the same paths, in one run.

Run it from the checkout: ``python -m tests.benchmarks.conformance --journeys 20000``. The design has choices, loops and
any-order parts; journeys are played out from it and disturbed. Costs must be equal for every path that both align. Read
the ratio: seconds depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import platform
import random
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.flow import Block, Step, flow_net, parse_flow, steps
from journeymining.conformance.pnml import write_pnml
from journeymining.conformance.reachability import reachability_graph

DESIGN = (
    "ad* > visit+ > (offer | advice > offer) > {compare?, call?, chat?} > order > confirmation > "
    "{shipping > delivery, welcome_mail, (credit_check | deposit)} > welcome_call? > install > (help > fix)* > "
    "active > {invoice, survey?} > (upgrade | renew | leave)?"
)


def played(flow, chance):
    """Play a flow out once."""
    if isinstance(flow, Step):
        return [flow.name]
    parts = list(flow.parts)
    if flow.kind == "choice":
        return played(chance.choice(parts), chance)
    if flow.kind in {"optional", "repeat", "repeat_once"}:
        least, most = {"optional": (0, 1), "repeat": (0, 3), "repeat_once": (1, 4)}[flow.kind]
        return [name for _ in range(chance.randint(least, most)) for name in played(parts[0], chance)]
    runs = [played(part, chance) for part in parts]
    mixed = []
    while any(runs):
        run = (
            next(one for one in runs if one) if flow.kind == "sequence" else chance.choice([one for one in runs if one])
        )
        mixed.append(run.pop(0))
    return mixed


def journeys(flow: Block, number, chance):
    """Play journeys out and disturb them: drop, repeat, swap or add events."""
    names, paths = steps(flow), []
    for _ in range(number):
        path = played(flow, chance)
        for _ in range(chance.choice([0, 0, 1, 2, 4])):
            place = chance.randrange(len(path))
            kind = chance.choice(["drop", "repeat", "swap", "add"])
            if kind == "drop" and len(path) > 1:
                path.pop(place)
            elif kind == "repeat":
                path.insert(place, path[place])
            elif kind == "swap":
                path[place - 1], path[place] = path[place], path[place - 1]
            else:
                path.insert(place, chance.choice([*names, "complaint"]))
        paths.append(tuple(path))
    return paths


def ours(net, variants):
    """Align all variants; return costs and seconds, of a second call, when the machine code is there."""
    number = {label: place for place, label in enumerate(net.alphabet)}
    names = sorted({name for path in variants for name in path})
    code = {name: place for place, name in enumerate(names)}
    seconds = []
    for _ in range(2):
        begin = time.perf_counter()
        found = align(
            reachability_graph(net),
            [np.array([code[name] for name in path], dtype=np.int32) for path in variants],
            symbol_labels=np.array([number.get(name, -1) for name in names], dtype=np.int32),
            transition_labels=np.array([number.get(label, -1) for label in net.labels], dtype=np.int32),
            costs=unit_costs(net, len(names)),
        )
        seconds.append(time.perf_counter() - begin)
    return found.cost.tolist(), seconds


def theirs(net, variants):
    """Align with pm4py's A*; return costs and seconds."""
    # pm4py greets on import.
    quiet = contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), quiet, tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        from pm4py.algo.conformance.alignments.petri_net import algorithm
        from pm4py.objects.log.obj import Event, Trace
        from pm4py.objects.petri_net.importer import importer

        write_pnml(net, Path(folder) / "net.pnml", name="net")
        model = importer.apply(str(Path(folder) / "net.pnml"))
        traces = [Trace([Event({"concept:name": name}) for name in path]) for path in variants]
        begin = time.perf_counter()
        costs = [algorithm.apply(trace, *model)["cost"] // 10_000 for trace in traces]
        return costs, time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journeys", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=200, help="variants that pm4py aligns too")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    flow = parse_flow(DESIGN)
    net = flow_net(flow)
    variants = sorted(set(journeys(flow, options.journeys, chance)))
    sample = sorted(chance.sample(range(len(variants)), min(options.sample, len(variants))))

    costs, (first, again) = ours(net, variants)
    reference, seconds = theirs(net, [variants[place] for place in sample])

    equal = [costs[place] for place in sample] == reference
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pm4py", "numba", "numpy"))
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}")
    print(f"{len(net.places)} places, {len(net.transitions)} transitions, {reachability_graph(net).states} states")
    print(f"{options.journeys} journeys, {len(variants)} variants, {sum(costs)} total cost")
    print(f"ours    all {len(variants)} variants: {again:.2f} s, with moves (first call, compiling: {first:.2f} s)")
    print(f"pm4py   {len(sample)} variants: {seconds:.2f} s, {seconds / len(sample) * 1000:.1f} ms each")
    ratio = (seconds / len(sample)) / (again / len(variants))
    print(f"per variant ours is {ratio:.0f} times as fast; costs equal on the sample: {equal}")
    if not equal:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
