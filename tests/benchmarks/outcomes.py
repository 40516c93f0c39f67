"""Journeys encoded and models fitted, with time and peak memory; our features against pm4py's, in one run.

Run it from the checkout: ``python -m tests.benchmarks.outcomes --journeys 1000000``. Journeys are generated, seeded,
with about six events each. Every part gets a process of its own, so that peak memory is its own too. pm4py gets the
first 50,000 journeys, and both are compared per journey. Read the ratio: seconds depend on the machine and on what else
it does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

LIBRARIES = ("journeymining", "scikit-learn", "polars", "pm4py", "pandas", "numpy")
ACTIVITIES = ("offer_viewed", "order_placed", "track_parcel", "helpdesk_call", "modem_delivered", "modem_active")
CHANNELS = ("web", "app", "phone", "email")
MOST_MEGABYTES = 4096
PART = 100_000
SAMPLE = 50_000


def write_log(folder, journeys, seed):
    """Write the events of journeys in parts; three in ten have the outcome, more of those with a call."""
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    from journeymining.eventlog.table import to_event_log

    rng = np.random.default_rng(seed)
    for number, first in enumerate(range(0, journeys, PART)):
        count = min(PART, journeys - first)
        lengths = rng.integers(3, 10, count)
        row = np.repeat(np.arange(count), lengths)
        activity = rng.integers(0, len(ACTIVITIES), len(row))
        calls = np.bincount(row[activity == ACTIVITIES.index("helpdesk_call")], minlength=count)
        start = rng.random(count) * 300
        days = start[row] + rng.random(len(row)) * 10
        frame = pd.DataFrame({"row": row, "day": days})
        frame["activity"] = np.array(ACTIVITIES, dtype=object)[activity]
        frame["channel"] = np.array(CHANNELS, dtype=object)[rng.integers(0, len(CHANNELS), len(row))]
        leaves = np.flatnonzero(rng.random(count) < 0.2 + 0.1 * np.minimum(calls, 3))
        gone = pd.DataFrame({"row": leaves, "day": start[leaves] + 20, "activity": "cancelled", "channel": "web"})
        frame = pd.concat([frame, gone], ignore_index=True)
        if first + count == journeys:
            last = pd.DataFrame({"row": [count], "day": [400.0], "activity": "last", "channel": "web"})
            frame = pd.concat([frame, last], ignore_index=True)
        frame["customer_id"] = "c" + (frame["row"] + first).astype(str)
        # The outcome is a journey of its own, so that paths end before it.
        frame["journey_id"] = frame["customer_id"].where(frame["activity"] != "cancelled", "x" + frame["customer_id"])
        frame["timestamp"] = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(frame.pop("day"), unit="D")
        table = to_event_log(
            frame.drop(columns="row"), journey="journey_id", customer="customer_id", activity="activity",
            timestamp="timestamp", channel="channel",
        )  # fmt: skip
        pq.write_table(table, folder / f"part-{number:04d}.parquet")


def ours(folder, clock):
    """Encode all journeys and fit all models; return how many journeys, features, and seconds by stage."""
    from journeymining.engines.prepared_log import prepare
    from journeymining.outcomes.config import OutcomeConfig
    from journeymining.outcomes.journey_frame import journeys_for_outcomes
    from journeymining.outcomes.labels import link
    from journeymining.outcomes.models import features, fit_all
    from journeymining.outcomes.splitting import split_outcome

    config = OutcomeConfig(event="cancelled", landmark="journey_end", horizon="60 days")
    stages = {}

    def stage(name):
        stages[name] = clock()

    clock()
    with prepare(sorted(folder.glob("*.parquet")), memory_limit="2GB") as log:
        stage("prepare")
        journeys = journeys_for_outcomes(log)
    linked = link("cancelled", config, journeys)
    split = split_outcome(linked)
    stage("read and label")
    encoded = features(linked.journeys).fit_transform(linked.journeys)
    stage("encode")
    del journeys
    models = fit_all(linked.journeys[split.train], linked.label[split.train])
    stage("fit")
    chance = models[0].chance(linked.journeys[split.test])
    stage("predict")
    return {
        "journeys": linked.counts["labelled"],
        "columns": encoded.shape[1],
        "trained": models[0].trained,
        "predicted": len(chance),
        "stages": stages,
    }


def with_pm4py(folder, clock):
    """Extract pm4py's features of the same kinds from a sample: counts, first and last, durations, channels."""
    import pyarrow.parquet as pq

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pm4py

        table = pq.read_table(folder / "part-0000.parquet", columns=["journey_id", "activity", "timestamp", "channel"])
        frame = table.to_pandas()
        sample = frame["journey_id"].drop_duplicates()
        sample = sample[~sample.str.startswith("x")].head(SAMPLE)
        frame = frame[frame["journey_id"].isin(sample)].sort_values(["journey_id", "timestamp"], kind="stable")
        log = pm4py.format_dataframe(
            frame.rename(columns={"channel": "org:resource"}),
            case_id="journey_id", activity_key="activity", timestamp_key="timestamp",
        )  # fmt: skip
        clock()
        found = pm4py.extract_features_dataframe(log, str_ev_attr=["concept:name", "org:resource"], str_evsucc_attr=[])
    return {"journeys": len(sample), "columns": found.shape[1], "stages": {"encode": clock()}}


CONTENDERS = {"journeymining": ours, "pm4py": with_pm4py}


def measure(name, folder):
    """Run one contender in this process and say on stdout what it took, imports aside."""
    last = time.perf_counter()

    def clock():
        nonlocal last
        now = time.perf_counter()
        passed, last = now - last, now
        return passed

    found = CONTENDERS[name](folder, clock)
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write("\n" + json.dumps(found) + "\n")


def apart(folder, *options):
    """Run this module in a process of its own; return what it says on stdout."""
    command = [sys.executable, "-m", "tests.benchmarks.outcomes", "--folder", str(folder), *map(str, options)]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        sys.exit(f"{' '.join(map(str, options))} failed:\n{answer.stderr[-2000:]}")
    return answer.stdout


def compare(journeys, seed):
    """Measure both on the same journeys and print what they took."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        apart(folder, "--write", "--journeys", journeys, "--seed", seed)
        found = {name: json.loads(apart(folder, "--measure", name).strip().splitlines()[-1]) for name in CONTENDERS}
    own, other = found["journeymining"], found["pm4py"]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{journeys:,} journeys, {own['journeys']:,} with a known outcome; seed {seed}; {os.cpu_count()} cores")
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}\n")
    for name, seconds in own["stages"].items():
        print(f"{name:<20}{seconds:>10.1f} s")
    print(f"{'all':<20}{sum(own['stages'].values()):>10.1f} s, peak {own['peak']:,.0f} MB")
    print(f"{own['columns']} features; five models fitted on at most {own['trained']:,} journeys")
    theirs, size = other["stages"]["encode"], other["journeys"]
    ratio = (theirs / size) / (own["stages"]["encode"] / own["journeys"])
    per_feature = ratio * own["columns"] / other["columns"]
    print(f"pm4py encodes {size:,} journeys in {theirs:.2f} s, {other['columns']} features")
    print(f"ours takes 1/{ratio:.1f} of that per journey, 1/{per_feature:.1f} per journey and feature")
    if own["peak"] > MOST_MEGABYTES:
        sys.exit(f"The peak is above {MOST_MEGABYTES:,} MB.")


def main():
    """Read the arguments and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--measure", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder)
    elif given.write:
        write_log(given.folder, given.journeys, given.seed)
    else:
        compare(given.journeys, given.seed)


if __name__ == "__main__":
    main()
