"""Directly-follows counts and variants: ours against pm4py and against bare queries, measured in one run.

Run it from the checkout: ``python -m tests.benchmarks.discovery --events 1000000``. Every contender gets a process of
its own, so that peak memory is its own too. Read the ratios: seconds depend on the machine and on what else it does;
processor seconds (all cores) less so.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARE_OF_A_DAY = 86_400_000_000
LIBRARIES = ("journeymining", "pm4py", "duckdb", "polars", "pandas", "numpy", "pyarrow")


def write_log(path, events, seed):
    """Write a log of about so many events, in order of time: frequent paths and rare ones, ids as text."""
    import numpy as np
    import polars as pl

    from journeymining.eventlog.schema import REQUIRED

    rng = np.random.default_rng(seed)
    lengths = rng.poisson(9, 20_000) + 1
    offsets = np.cumsum(lengths) - lengths
    steps = np.minimum(rng.exponential(6, lengths.sum()).astype(int), 39)
    chosen = np.minimum(rng.zipf(1.3, events // 10), len(lengths)) - 1
    sizes = lengths[chosen]
    journey = np.repeat(np.arange(len(chosen)), sizes)
    place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = rng.integers(0, 365 * SHARE_OF_A_DAY, len(chosen))
    moment = 1_700_000_000_000_000 + start[journey] + place * rng.integers(1, SHARE_OF_A_DAY, len(chosen))[journey]
    frame = pl.DataFrame({"journey": journey, "time": moment, "step": steps[offsets[chosen][journey] + place]})
    frame = (
        frame.sort("time", "journey")
        .with_row_index("number")
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
    import pyarrow.parquet as pq

    pq.write_table(frame.to_arrow().cast(REQUIRED), path, compression="zstd", row_group_size=1 << 17)
    return frame.height


def ours(path, clock):
    from journeymining.discovery.directly_follows import directly_follows
    from journeymining.discovery.variants import variants
    from journeymining.engines.prepared_log import prepare

    clock("start")
    with prepare(path) as log:
        clock("prepare")
        pairs = directly_follows(log)
        clock("directly_follows")
        found = variants(log)
        clock("variants")
    return int(pairs["events"].sum()), len(found)


def with_pm4py(path, clock):
    import pandas as pd
    import pm4py

    clock("start")
    frame = pd.read_parquet(path)
    frame = pm4py.format_dataframe(frame, case_id="journey_id", activity_key="activity", timestamp_key="timestamp")
    clock("prepare")
    pairs, _, _ = pm4py.discover_dfg(frame)
    clock("directly_follows")
    found = pm4py.get_variants(frame)
    clock("variants")
    return int(sum(pairs.values())), len(found)


def with_duckdb(path, clock):
    import duckdb

    clock("start")
    log = f"read_parquet('{path}')"
    order = "PARTITION BY journey_id ORDER BY timestamp, event_id"
    pairs = duckdb.execute(f"""
        SELECT activity, target, count(*) AS events, quantile_cont(wait, [0.5, 0.95]), avg(wait)
        FROM (SELECT activity, lead(activity) OVER w AS target,
                     lead(epoch_us(timestamp)) OVER w - epoch_us(timestamp) AS wait
              FROM {log} WINDOW w AS ({order}))
        WHERE target IS NOT NULL GROUP BY ALL""").fetchall()
    clock("directly_follows")
    found = duckdb.execute(f"""
        SELECT path, count(*), min(start), max(start), median(length)
        FROM (SELECT string_agg(activity, chr(31) ORDER BY timestamp, event_id) AS path, min(timestamp) AS start,
                     epoch_us(max(timestamp)) - epoch_us(min(timestamp)) AS length
              FROM {log} GROUP BY journey_id)
        GROUP BY path""").fetchall()
    clock("variants")
    return sum(row[2] for row in pairs), len(found)


def with_polars(path, clock):
    import polars as pl

    clock("start")
    log = pl.scan_parquet(path).sort("journey_id", "timestamp", "event_id")
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
    clock("directly_follows")
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


CONTENDERS = {"journeymining": ours, "pm4py": with_pm4py, "DuckDB, bare": with_duckdb, "Polars, bare": with_polars}
STEPS = ("prepare", "directly_follows", "variants")


def measure(name, path):
    """Run one contender in this process; say on stdout how long each step took and how much memory it had."""
    moments = {}

    begun = 0.0

    def clock(step):
        nonlocal begun
        # What it takes to import a library is not counted.
        begun = begun or processor()
        moments[step] = time.perf_counter()

    answer = CONTENDERS[name](path, clock)
    marks = list(moments.items())
    seconds = {step: end - begin for (_, begin), (step, end) in itertools.pairwise(marks)}
    used = resource.getrusage(resource.RUSAGE_SELF)
    found = {"seconds": seconds, "peak": used.ru_maxrss / 1024, "processor": processor() - begun, "answer": answer}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def processor():
    """Return the processor seconds of this process, over all cores."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def compare(events, seed):
    """Measure every contender on one log and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.parquet"
        count = write_log(path, events, seed)
        results = {}
        for name in CONTENDERS:
            command = [sys.executable, "-m", "tests.benchmarks.discovery", "--measure", name, "--log", str(path)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            results[name] = json.loads(answer.stdout.strip().splitlines()[-1])
    answers = {tuple(result["answer"]) for result in results.values()}
    if len(answers) != 1:
        sys.exit(f"The contenders disagree: { ({name: result['answer'] for name, result in results.items()}) }")
    ((pairs, variants),) = answers
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{count:,} events, {pairs:,} steps, {variants:,} variants; seed {seed}; Python {platform.python_version()}")
    print(f"{versions}\n")
    heads = ("prepare", "follows", "variants", "total", "× ours", "processor", "peak MB")
    print(f"{'':<15}{''.join(f'{head:>11}' for head in heads)}")
    total_of_ours = sum(results["journeymining"]["seconds"].values())
    for name, result in results.items():
        cells = "".join(
            f"{result['seconds'][step]:>10.2f}s" if step in result["seconds"] else f"{'-':>11}" for step in STEPS
        )
        total = sum(result["seconds"].values())
        cells += f"{total:>10.2f}s{total / total_of_ours:>11.1f}{result['processor']:>10.2f}s{result['peak']:>11,.0f}"
        print(f"{name:<15}{cells}")
    print("\nprepare: from the Parquet file to what the analyses read (pm4py: read and format_dataframe).")
    print("pm4py's directly-follows has counts only; the others also median, mean and 95th percentile of the waits.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="about how many events the log has")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.log)
    else:
        compare(options.events, options.seed)


if __name__ == "__main__":
    main()
