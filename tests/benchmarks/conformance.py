"""Alignments with a designed journey: ours against pm4py's A* and r4pm's, on the same paths, in one run.

Run it from the checkout: ``python -m tests.benchmarks.conformance``. Ten public model and log pairs, where their folder
is found (``JOURNEYMINING_SHARED_DATA``), and journeys played out from a design of choices, loops and any-order parts.
Every contender gets the same net (PNML) and the same distinct paths, read beforehand into its own form, silent steps
free, and gives back costs and moves. Costs must be equal. Read the ratios: seconds depend on the machine and on what
else it does. r4pm takes part where it is installed (``pip install r4pm``).
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.metadata
import importlib.util
import io
import os
import platform
import random
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from lxml import etree

from journeymining.conformance.alignment import align, unit_costs
from journeymining.conformance.flow import Block, Step, flow_net, parse_flow, steps
from journeymining.conformance.pnml import read_pnml, write_pnml
from journeymining.conformance.reachability import reachability_graph
from journeymining.conformance.search import search

DATA = Path(os.environ.get("JOURNEYMINING_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

PAIRS = (
    "BPIC2013-OpenProblems", "BPIC2013-ClosedProblems", "BPIC2013-incidents", "BPIC2020-DomesticDeclarations",
    "BPIC2020-PrepaidTravelCost", "BPIC2020-RequestForPayment", "M1", "M2", "M4", "M8",
)  # fmt: skip
UNFILTERED = ("08_receipt", "13_SEPSIS_1t_per_variant", "14_Billing_1t_per_variant")

DESIGN = (
    "ad* > visit+ > (offer | advice > offer) > {compare?, call?, chat?} > order > confirmation > "
    "{shipping > delivery, welcome_mail, (credit_check | deposit)} > welcome_call? > install > (help > fix)* > "
    "active > {invoice, survey?} > (upgrade | renew | leave)?"
)
UNIT = 10_000
"""What pm4py counts for a deviation; it counts 1 for a silent step."""


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


def paths_of(file):
    """Return the distinct paths of an XES file."""
    paths = set()
    with gzip.open(file) as stream:
        for _, trace in etree.iterparse(stream, tag="{*}trace"):
            events = [child for child in trace if etree.QName(child).localname == "event"]
            paths.add(tuple({one.get("key"): one.get("value") for one in event}["concept:name"] for event in events))
            trace.clear()
    return sorted(paths)


def pair(name):
    """Read a model and the distinct paths of its log."""
    folder = DATA / "conformance"
    log = folder / f"logs/{name.removesuffix('-im')}.xes.gz"
    if not log.exists():
        log = DATA / f"event_logs/BPI_2020_{name.removeprefix('BPIC2020-')}.xes.gz"
    return read_pnml(folder / f"models/{name}.pnml"), paths_of(log)


def coded(net, paths):
    """Return paths as numbers, and what these numbers and the transitions mean."""
    number = {label: place for place, label in enumerate(net.alphabet)}
    names = sorted({name for path in paths for name in path})
    code = {name: place for place, name in enumerate(names)}
    arguments = {
        "symbol_labels": np.array([number.get(name, -1) for name in names], dtype=np.int32),
        "transition_labels": np.array([number.get(label, -1) for label in net.labels], dtype=np.int32),
        "costs": unit_costs(net, len(names)),
    }
    return [np.array([code[name] for name in path], dtype=np.int32) for path in paths], arguments


def ours(net, paths, repeats):
    """Align, from coded paths and the net to moves; return costs and the seconds of the fastest run, see `fastest`."""
    symbols, arguments = coded(net, paths)
    found, *seconds = fastest(lambda: align(reachability_graph(net), symbols, **arguments), repeats)
    return found.cost.tolist(), *seconds


def fastest(work, repeats):
    """Do work some times; return its result, the least wall time and the least processor time of all threads."""
    wall, processor = [], []
    for _ in range(repeats):
        begin, spent = time.perf_counter(), time.process_time()
        found = work()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - spent)
    return found, min(wall), min(processor)


def with_pm4py(file, paths, order, budget, patience):
    """Align paths in this order until the budget is spent.

    Returns
    -------
    dict
        Cost per path; None where pm4py gave up after ``patience`` seconds.
    float
        Seconds.
    """
    # pm4py greets on import.
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        from pm4py.algo.conformance.alignments.petri_net import algorithm
        from pm4py.objects.log.obj import Event, Trace
        from pm4py.objects.petri_net.importer import importer

        model = importer.apply(str(file))
        costs, begin = {}, time.perf_counter()
        for place in order:
            trace = Trace([Event({"concept:name": name}) for name in paths[place]])
            found = algorithm.apply(trace, *model, parameters={"max_align_time_trace": patience})
            costs[place] = None if found is None else found["cost"] // UNIT
            if time.perf_counter() - begin > budget:
                break
        return costs, time.perf_counter() - begin


def with_r4pm(file, paths, folder, repeats):
    """Align all paths; return cost per path (None where r4pm gave up) and the seconds of the fastest run."""
    import r4pm
    from r4pm.bindings.conformance.case_centric.alignments import align_variants

    log = folder / "paths.xes"
    write_xes(paths, log)
    net, projection = r4pm.petri_net.import_pnml(str(file)), r4pm.import_item("EventLogActivityProjection", str(log))
    found, *seconds = fastest(lambda: align_variants(net, projection), repeats)
    costs = {tuple(one["activities"]): next(iter(one["result"].values())) for one in found}
    numbers = [costs[path]["cost"] if isinstance(costs[path], dict) else None for path in paths]
    return numbers, *seconds


def write_xes(paths, file):
    """Write one trace per path."""
    log = etree.Element("log", {"xes.version": "1.0"})
    for number, path in enumerate(paths):
        trace = etree.SubElement(log, "trace")
        etree.SubElement(trace, "string", key="concept:name", value=str(number))
        for name in path:
            etree.SubElement(etree.SubElement(trace, "event"), "string", key="concept:name", value=name)
    file.write_bytes(etree.tostring(log, xml_declaration=True, encoding="UTF-8"))


def compare(name, net, paths, options):
    """Measure the contenders on one pair; return a row of the table."""
    costs, seconds, processor = ours(net, paths, options.repeats)
    order = random.Random(options.seed).sample(range(len(paths)), min(options.sample, len(paths)))
    row = {"name": name, "paths": len(paths), "states": reachability_graph(net).states, "ours": seconds,
           "ours_processor": processor}  # fmt: skip
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "net.pnml"
        write_pnml(net, file, name="net")
        found, spent = with_pm4py(file, paths, order, options.budget, options.patience)
        unequal = [place for place, cost in found.items() if cost is not None and cost != costs[place]]
        row |= {"sample": len(found), "gave_up": sum(cost is None for cost in found.values())}
        row["pm4py"] = spent / len(found) * len(paths)
        row["r4pm"] = row["r4pm_processor"] = float("nan")
        if importlib.util.find_spec("r4pm") is not None:
            theirs, row["r4pm"], row["r4pm_processor"] = with_r4pm(file, paths, Path(made), options.repeats)
            unequal += [place for place, cost in enumerate(theirs) if cost is not None and cost != costs[place]]
            row["r4pm_gave_up"] = sum(cost is None for cost in theirs)
    row["unequal"] = len(set(unequal))
    return row


def unfiltered(name, budget):
    """Search a model too large to list, within a budget of states per path; return a row."""
    net, paths = pair(f"{name}-im")
    symbols, arguments = coded(net, paths)
    begin = time.perf_counter()
    found = search(net, symbols, budget=budget, **arguments)
    seconds = time.perf_counter() - begin
    return name, len(paths), int((found.cost == found.upper).sum()), int(found.upper.sum()), seconds


def show(rows):
    """Print the rows as a Markdown table, and the medians of the ratios."""
    print("| model and log | paths | states | ours | pm4py | × | of them aligned | r4pm | × | × in processor time |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        sample = str(row["sample"]) + (f" ({row['gave_up']} given up)" if row["gave_up"] else "")
        given_up = f" ({row['r4pm_gave_up']} given up)" if row.get("r4pm_gave_up") else ""
        cells = (
            row["name"], f"{row['paths']:,}", f"{row['states']:,}", f"{row['ours'] * 1000:.1f} ms",
            f"{row['pm4py']:,.1f} s", f"{row['pm4py'] / row['ours']:,.0f}", sample,
            f"{row['r4pm'] * 1000:,.0f} ms{given_up}", f"{row['r4pm'] / row['ours']:,.0f}",
            f"{row['r4pm_processor'] / row['ours_processor']:,.0f}",
        )  # fmt: skip
        print(f"| {' | '.join(cells)} |")
    medians = [statistics.median(row[one] / row["ours"] for row in rows) for one in ("pm4py", "r4pm")]
    processor = statistics.median(row["r4pm_processor"] / row["ours_processor"] for row in rows)
    print(f"\nMedian: {medians[0]:,.0f} times as fast as pm4py, {medians[1]:,.0f} times as fast as r4pm", end="")
    print(f" ({processor:,.0f} times by processor time).")


def main():
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--journeys", type=int, default=5_000, help="played out from a made-up design")
    parser.add_argument("--sample", type=int, default=200, help="paths that pm4py aligns, at most")
    parser.add_argument("--budget", type=float, default=10, help="seconds after which pm4py begins no further path")
    parser.add_argument("--patience", type=float, default=60, help="seconds pm4py may take for one path")
    parser.add_argument("--states", type=int, default=100_000, help="per path, where a model is too large to list")
    parser.add_argument("--repeats", type=int, default=11, help="of which the fastest counts, for us and r4pm")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    flow = parse_flow(DESIGN)
    made_up = flow_net(flow), sorted(set(journeys(flow, options.journeys, random.Random(options.seed))))
    here = (DATA / "conformance").is_dir()

    begin = time.perf_counter()
    small, few = flow_net(parse_flow("a > b")), [("a",), ("b", "a")]
    ours(small, few, 1)
    symbols, arguments = coded(small, few)
    search(small, symbols, budget=100, **arguments)
    compiling = time.perf_counter() - begin
    known = [name for name in ("pm4py", "r4pm", "numba", "numpy") if importlib.util.find_spec(name)]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in known)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    print(f"Compiling, or loading what was compiled before: {compiling:.1f} s, not counted below.")
    print("pm4py: what its sample took, per path, times all paths. Seconds are of all paths, with moves.\n")
    if not here:
        print(f"The public pairs are not here ({DATA}); set JOURNEYMINING_SHARED_DATA to their folder.\n")

    rows = [compare(name, *pair(name), options) for name in PAIRS if here]
    rows.append(compare("a made-up design", *made_up, options))
    show(rows)
    for name, paths, exact, cost, seconds in (unfiltered(name, options.states) for name in UNFILTERED if here):
        print(f"{name}, inductive model without a filter: {exact} of {paths} paths exact, {cost} cost, {seconds:.1f} s")
    if unequal := sum(row["unequal"] for row in rows):
        raise SystemExit(f"{unequal} paths have unequal costs.")


if __name__ == "__main__":
    main()
