"""Directly-follows counts, variants and the inductive miner: ours against peers and bare queries, measured in one run.

Run it from the checkout: ``python -m tests.benchmarks.discovery --events 10000000``. Every contender gets a process of
its own, and what it says of itself is its own: seconds, processor seconds over all cores, and the most memory it ever
held (VmHWM, which starts anew with the program). Read the ratios: seconds depend on the machine and on what else it
does; processor seconds less so.

More than 20 million events, or ``--grow``, are for ours alone: first a tenth of the log, then all of it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks._apart import apart, peak_megabytes, tell, told

SHARE_OF_A_DAY = 86_400_000_000
EVENTS_PER_FILE = 5_000_000
MOST_FOR_PEERS = 20_000_000
MOST_GROWTH = 12
BYTES_PER_EVENT = 150
"""Of disk while a log is prepared: its files, the runs, and what has been made of them."""

LIBRARIES = ("journeymining", "pm4py", "duckdb", "polars", "pandas", "numpy", "pyarrow")
NOISES = (0.0, 0.2)


def write_log(folder, events, seed, parts):
    """Write a log of about so many events to files, each in order of time: paths frequent and rare, ids as text.

    The files hold as many journeys each, so that a tenth of them is a log of a tenth of the events.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    lengths = rng.poisson(9, 20_000) + 1
    steps = np.minimum(rng.exponential(6, lengths.sum()).astype(int), 39)
    journeys = events // parts // 10
    draws = [draw_journeys((seed, part), journeys, lengths) for part in range(parts)]
    sizes = [int(lengths[chosen].sum()) for _, chosen in draws]

    def write(part):
        path = folder / f"{part:03d}.parquet"
        write_file(path, *draws[part], lengths, steps, part * journeys, sum(sizes[:part]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(parts)))
    return sum(sizes)


def draw_journeys(seed, count, lengths):
    """Return the source of random numbers of a file, and which path each of its journeys takes."""
    import numpy as np

    rng = np.random.default_rng(seed)
    return rng, np.minimum(rng.zipf(1.3, count), len(lengths)) - 1


def write_file(path, rng, chosen, lengths, steps, first_journey, first_event):
    """Write the events of journeys that take the chosen paths."""
    import numpy as np
    import polars as pl
    import pyarrow.parquet as pq

    from journeymining.eventlog.schema import REQUIRED

    offsets = np.cumsum(lengths) - lengths
    sizes = lengths[chosen]
    journey = np.repeat(np.arange(len(chosen)), sizes)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = rng.integers(0, 365 * SHARE_OF_A_DAY, len(chosen))
    moment = 1_700_000_000_000_000 + start[journey] + place * rng.integers(1, SHARE_OF_A_DAY, len(chosen))[journey]
    frame = pl.DataFrame(
        {"journey": journey + first_journey, "time": moment, "step": steps[offsets[chosen][journey] + place]}
    )
    frame = (
        frame.sort("time", "journey")
        .with_row_index("number", offset=first_event)
        .select(
            pl.format("event-{}", pl.col("number")).alias("event_id"),
            pl.format("customer-{}", pl.col("journey") // 2).alias("customer_id"),
            pl.format("journey-{}", pl.col("journey")).alias("journey_id"),
            pl.format("activity {}", pl.col("step")).alias("activity"),
            pl.from_epoch("time", time_unit="us").dt.replace_time_zone("UTC").alias("timestamp"),
            pl.format("channel {}", pl.col("step") % 6).alias("channel"),
            pl.lit("crm").alias("source"),
        )
    )
    pq.write_table(frame.to_arrow().cast(REQUIRED), path, compression="zstd", row_group_size=1 << 17)


def ours_from_files(folder, clock, prepared, memory_limit):
    from journeymining.discovery.directly_follows import directly_follows
    from journeymining.discovery.variants import variants
    from journeymining.engines.prepared_log import prepare

    clock("start")
    log = prepare(folder, prepared, memory_limit=memory_limit)
    clock("prepare")
    pairs = directly_follows(log)
    clock("follows")
    found = variants(log)
    clock("variants")
    return int(pairs["events"].sum()), len(found)


def ours_prepared(folder, clock, prepared, memory_limit):
    from journeymining.discovery.directly_follows import directly_follows
    from journeymining.discovery.variants import variants
    from journeymining.engines.prepared_log import PreparedLog

    clock("start")
    log = PreparedLog.open(prepared)
    pairs = directly_follows(log)
    clock("follows")
    found = variants(log)
    clock("variants")
    return int(pairs["events"].sum()), len(found)


def ours_mining(folder, clock, prepared, memory_limit):
    from collections import Counter

    from journeymining.discovery.process_models import inductive_tree
    from journeymining.discovery.variants import decode_paths, find_paths
    from journeymining.engines.prepared_log import PreparedLog

    import_pm4py()
    trees = []
    clock("start")
    for noise in NOISES:
        log = PreparedLog.open(prepared)
        paths = find_paths(log)
        names = map(tuple, decode_paths(log, paths))
        trees.append(inductive_tree(Counter(dict(zip(names, paths.variants["journeys"], strict=True))), noise))
        clock(f"miner {noise}")
    return [written(tree) for tree in trees]


def with_pm4py(folder, clock, prepared, memory_limit):
    import pandas as pd

    pm4py = import_pm4py()
    clock("start")
    frame = pd.read_parquet(folder)
    frame = pm4py.format_dataframe(frame, case_id="journey_id", activity_key="activity", timestamp_key="timestamp")
    clock("prepare")
    pairs, _, _ = pm4py.discover_dfg(frame)
    clock("follows")
    found = pm4py.get_variants(frame)
    clock("variants")
    return int(sum(pairs.values())), len(found)


def pm4py_mining(folder, clock, prepared, memory_limit):
    import pandas as pd

    pm4py = import_pm4py()
    frame = pd.read_parquet(folder)
    frame = pm4py.format_dataframe(frame, case_id="journey_id", activity_key="activity", timestamp_key="timestamp")
    trees = []
    clock("start")
    for noise in NOISES:
        trees.append(pm4py.discover_process_tree_inductive(frame, noise_threshold=noise))
        clock(f"miner {noise}")
    return [written(tree) for tree in trees]


def with_retentioneering(folder, clock, prepared, memory_limit):
    os.environ["RETENTIONEERING_NO_TRACK"] = "1"
    import pandas as pd
    from retentioneering import Eventstream
    from retentioneering.tools.transition_matrix import TransitionMatrix

    clock("start")
    frame = pd.read_parquet(folder, columns=["journey_id", "activity", "timestamp"])
    schema = {"path_cols": ["journey_id"], "event_col": "activity", "timestamp_col": "timestamp"}
    stream = Eventstream(frame, schema=schema)
    clock("prepare")
    pairs = TransitionMatrix(stream).fit("count")
    clock("follows")
    TransitionMatrix(stream).fit("time_median")
    TransitionMatrix(stream).fit("time_q95")
    clock("waits")
    ends = ["path_start", "path_end"]
    return int(pairs.drop(index=ends, columns=ends, errors="ignore").to_numpy().sum()), None


def with_duckdb(folder, clock, prepared, memory_limit):
    import duckdb

    clock("start")
    log = f"read_parquet('{folder}/*.parquet')"
    order = "PARTITION BY journey_id ORDER BY timestamp, event_id"
    pairs = duckdb.execute(f"""
        SELECT activity, target, count(*) AS events, quantile_cont(wait, [0.5, 0.95]), avg(wait)
        FROM (SELECT activity, lead(activity) OVER w AS target,
                     lead(epoch_us(timestamp)) OVER w - epoch_us(timestamp) AS wait
              FROM {log} WINDOW w AS ({order}))
        WHERE target IS NOT NULL GROUP BY ALL""").fetchall()
    clock("follows")
    found = duckdb.execute(f"""
        SELECT path, count(*), min(start), max(start), median(length)
        FROM (SELECT string_agg(activity, chr(31) ORDER BY timestamp, event_id) AS path, min(timestamp) AS start,
                     epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS length
              FROM {log} GROUP BY journey_id)
        GROUP BY path""").fetchall()
    clock("variants")
    return sum(row[2] for row in pairs), len(found)


def with_polars(folder, clock, prepared, memory_limit):
    import polars as pl

    clock("start")
    log = pl.scan_parquet(folder / "*.parquet").sort("journey_id", "timestamp", "event_id")
    same = pl.col("journey_id") == pl.col("journey_id").shift(-1)
    wait = pl.col("timestamp").shift(-1) - pl.col("timestamp")
    pairs = (
        log.select("activity", pl.col("activity").shift(-1).alias("target"), wait.alias("wait"), same.alias("same"))
        .filter("same")
        .group_by("activity", "target")
        .agg(
            pl.len().alias("events"),
            pl.col("wait").median().alias("median"),
            pl.col("wait").mean().alias("mean"),
            pl.col("wait").quantile(0.95, "linear").alias("p95"),
        )
        .collect()
    )
    clock("follows")
    length = pl.col("end") - pl.col("start")
    found = (
        log.group_by("journey_id", maintain_order=True)
        .agg("activity", pl.col("timestamp").first().alias("start"), pl.col("timestamp").last().alias("end"))
        .group_by("activity")
        .agg(pl.len(), pl.col("start").min(), pl.col("end").max(), length.median().alias("median"))
        .collect()
    )
    clock("variants")
    return int(pairs["events"].sum()), found.height


CONTENDERS = {
    "ours, from files": ours_from_files,
    "ours, prepared": ours_prepared,
    "pm4py": with_pm4py,
    "retentioneering": with_retentioneering,
    "DuckDB, bare": with_duckdb,
    "Polars, bare": with_polars,
}
MINERS = {"ours": ours_mining, "pm4py": pm4py_mining}
STEPS = ("prepare", "follows", "variants", "waits")


def import_pm4py():
    """Import pm4py without its banner."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        import pm4py
    return pm4py


def written(tree):
    """Write a process tree so that equal trees are equal texts: parts of a choice and of what is parallel in order."""
    if not tree.children:
        return str(tree.label)
    parts = [written(child) for child in tree.children]
    operator = tree.operator.value
    return f"{operator}({','.join(sorted(parts) if operator in ('X', '+', 'O') else parts)})"


def measure(does, options):
    """Run one contender in this process; say on stdout how long each step took and how much memory it had."""
    moments = {}
    begun = 0.0

    def clock(step):
        nonlocal begun
        # What it takes to import a library is not counted.
        begun = begun or processor()
        moments[step] = time.perf_counter()

    answer = does(options.folder / "log", clock, options.folder / "prepared", options.memory_limit)
    marks = list(moments.items())
    found = {
        "seconds": {step: end - begin for (_, begin), (step, end) in itertools.pairwise(marks)},
        "processor": processor() - begun,
        "peak": peak_megabytes(),
        "answer": answer,
    }
    tell(found)


def processor():
    """Return the processor seconds of this process, over all cores."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(name, kind, options, folder):
    """Measure one contender in a process of its own."""
    python = options.retentioneering_python if name == "retentioneering" else sys.executable
    limit = ("--memory-limit", options.memory_limit) if options.memory_limit else ()
    return told(apart("discovery", folder, f"--{kind}", name, *limit, python=python))


def compare(options):
    """Measure every contender on one log and print a table."""
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        folder = Path(name)
        (folder / "log").mkdir()
        count = write_log(folder / "log", options.events, options.seed, -(-options.events // EVENTS_PER_FILE))
        chosen = [name for name in CONTENDERS if name != "retentioneering" or options.retentioneering_python]
        results = {name: run(name, "measure", options, folder) for name in chosen}
        mined = {name: run(name, "mine", options, folder) for name in MINERS}
    pairs, variants = results["pm4py"]["answer"]
    for name, result in results.items():
        if result["answer"] not in ([pairs, variants], [pairs, None]):
            sys.exit(f"{name} found {result['answer']}, pm4py {[pairs, variants]}.")
    print_head(options, f"{count:,} events, {pairs:,} steps, {variants:,} variants")
    print_table(results)
    print_ratios(results)
    print_miners(mined)


def print_head(options, what):
    """Say what was measured, with which versions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{what}; seed {options.seed}; Python {platform.python_version()}, {os.cpu_count()} cores\n{versions}")
    if options.retentioneering_python:
        asked = "import importlib.metadata as m; print(m.version('retentioneering'))"
        found = subprocess.run(
            [options.retentioneering_python, "-c", asked], check=True, capture_output=True, text=True
        )
        print(f"retentioneering {found.stdout.strip()}, in an environment of its own")
    print()


def print_table(results):
    """Print seconds per step, processor seconds and peak memory."""
    heads = (*STEPS, "total", "processor", "peak MB")
    print(f"{'':<26}{''.join(f'{head:>11}' for head in heads)}")
    for name, result in results.items():
        cells = "".join(
            f"{result['seconds'][step]:>10.2f}s" if step in result["seconds"] else f"{'-':>11}" for step in STEPS
        )
        cells += f"{total(result):>10.2f}s{result['processor']:>10.2f}s{result['peak']:>11,.0f}"
        print(f"{name:<26}{cells}")
    print("\nprepare: from the files to what the analyses read (pm4py: read and format_dataframe).")
    print("pm4py's and retentioneering's follows are counts; ours and the bare queries' have median, mean and 95th")
    print("percentile of the waits too. waits: retentioneering's median and 95th percentile.\n")


def total(result, *steps):
    """Return the seconds of these steps, or of all."""
    return sum(seconds for step, seconds in result["seconds"].items() if not steps or step in steps)


def print_ratios(results):
    """Print what is compared with what, and the ratios."""
    whole, ready, pm4py = results["ours, from files"], results["ours, prepared"], results["pm4py"]
    rows = [
        ("pm4py / ours, follows and variants, both prepared", total(pm4py, "follows", "variants") / total(ready)),
        ("pm4py / ours, peak memory, ours prepared", pm4py["peak"] / ready["peak"]),
        ("pm4py / ours, from files to results", total(pm4py) / total(whole)),
        ("pm4py / ours, peak memory, ours with the preparation", pm4py["peak"] / whole["peak"]),
    ]
    if peer := results.get("retentioneering"):
        rows.append(
            ("retentioneering / ours, follows, both prepared", total(peer, "follows") / total(ready, "follows"))
        )
        both = total(peer, "follows", "waits") / total(ready, "follows")
        rows.append(("the same, retentioneering with its waits", both))
    for name in ("DuckDB, bare", "Polars, bare"):
        rows.append((f"ours from files / {name}", total(whole) / total(results[name])))
        rows.append((f"ours prepared / {name}", total(ready) / total(results[name])))
    for what, ratio in rows:
        print(f"{what:<56}{ratio:>8.2f}")


def print_miners(mined):
    """Print how long the inductive miner took, and whether the models are the same."""
    print()
    for place, noise in enumerate(NOISES):
        seconds = {name: result["seconds"][f"miner {noise}"] for name, result in mined.items()}
        same = mined["ours"]["answer"][place] == mined["pm4py"]["answer"][place]
        print(
            f"inductive miner, noise {noise}: ours {seconds['ours']:.2f}s, pm4py {seconds['pm4py']:.2f}s, "
            f"ratio {seconds['pm4py'] / seconds['ours']:.1f}, {'the same model' if same else 'DIFFERENT MODELS'}"
        )


def grow(options):
    """Measure ours alone, on a tenth of the log and on all of it."""
    results, counts = {}, []
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        needed, free = options.events * BYTES_PER_EVENT, shutil.disk_usage(name).free
        print(f"About {needed / 1e9:.1f} GB of disk are needed, {free / 1e9:.1f} GB are free.", file=sys.stderr)
        if needed > free:
            sys.exit("Too little: name another place with --scratch.")
        begun = time.perf_counter()
        whole, tenth = Path(name) / "all", Path(name) / "tenth"
        for folder in (whole, tenth):
            (folder / "log").mkdir(parents=True)
        parts = -(-options.events // 10 // EVENTS_PER_FILE)
        write_log(whole / "log", options.events, options.seed, 10 * parts)
        for file in sorted((whole / "log").iterdir())[:parts]:
            os.link(file, tenth / "log" / file.name)
        print(f"The log took {time.perf_counter() - begun:.0f} s.", file=sys.stderr)
        for folder in (tenth, whole):
            for contender in ("ours, from files", "ours, prepared"):
                found = run(contender, "measure", options, folder)
                if contender == "ours, from files":
                    counts.append(json.loads((folder / "prepared" / "manifest.json").read_text())["events"])
                results[contender, counts[-1]] = found
                print(f"{contender}, {counts[-1]:,} events: {total(found):.0f} s.", file=sys.stderr)
            shutil.rmtree(folder / "prepared")
    print_head(options, f"{counts[0]:,} and {counts[1]:,} events, memory limit {options.memory_limit or 'none'}")
    print_table({f"{count:,}, {name[6:]}": r for (name, count), r in results.items()})
    print_growth(results, counts)


def print_growth(results, counts):
    """Print how many times the seconds the whole log takes, and whether that is within the goal."""
    small, large = (results["ours, from files", count] for count in counts)
    again, again_large = (results["ours, prepared", count] for count in counts)
    rows = [
        ("preparation", total(large, "prepare") / total(small, "prepare")),
        ("follows and variants after it", total(large, "follows", "variants") / total(small, "follows", "variants")),
        ("follows and variants, opened anew", total(again_large) / total(again)),
        ("all of it, processor", large["processor"] / small["processor"]),
    ]
    print(f"{counts[1] / counts[0]:.2f} times the events; times the seconds, at most {MOST_GROWTH} are wanted:")
    for what, times in rows:
        print(f"  {what:<36}{times:>6.1f}  {'met' if times <= MOST_GROWTH else 'MISSED'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="about how many events the log has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grow", action="store_true", help="ours alone, on a tenth of the log and on all of it")
    parser.add_argument("--memory-limit", help="what our preparation may take, such as 4GB")
    parser.add_argument("--scratch", help="where the log is written, and removed again; by default the usual place")
    parser.add_argument(
        "--retentioneering-python",
        default=os.environ.get("RETENTIONEERING_PYTHON"),
        help="the Python of an environment that has retentioneering; without it that peer is left out",
    )
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--mine", choices=MINERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure or options.mine:
        measure(CONTENDERS[options.measure] if options.measure else MINERS[options.mine], options)
    elif options.grow or options.events > MOST_FOR_PEERS:
        grow(options)
    else:
        compare(options)


if __name__ == "__main__":
    main()
