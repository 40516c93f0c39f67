"""Journeys encoded and models fitted, with time and peak memory; the same features by us and by pm4py, in one run.

Run it from the checkout: ``python -m tests.benchmarks.outcomes --journeys 1000000``. Journeys are generated, seeded,
with about six events each. Every part gets a process of its own, so that peak memory is its own too. The comparison
with pm4py is about features that both have: how often every activity and channel occurs, and mean, highest, lowest, sum
and spread of a number, of the first 100,000 journeys, from the same data frame; the numbers must agree. Read the ratio:
seconds depend on the machine and on what else it does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import io
import os
import platform
import sys
import tempfile
import time
import warnings
from pathlib import Path

from tests.benchmarks._apart import apart, peak_megabytes, tell, told

LIBRARIES = ("journeymining", "scikit-learn", "polars", "pm4py", "pandas", "numpy")
ACTIVITIES = ("offer_viewed", "order_placed", "track_parcel", "helpdesk_call", "modem_delivered", "modem_active")
CHANNELS = ("web", "app", "phone", "email")
MOST_MEGABYTES = 4096
PART = 100_000
SUMMARIES = ("mean", "highest", "lowest", "sum", "spread")


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
        frame["value"] = rng.integers(1, 100, len(frame)).astype(float)
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

    config = OutcomeConfig(event="cancelled", landmark="journey_end", window="journey", gap="0 days", horizon="60 days")
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


def frame_of(folder):
    """Return the events of the first journeys as both get them: in order, without the outcomes."""
    import pyarrow.parquet as pq

    columns = ["journey_id", "activity", "timestamp", "channel", "value"]
    frame = pq.read_table(folder / "part-0000.parquet", columns=columns).to_pandas()
    frame = frame[~frame["journey_id"].str.startswith("x")]
    return frame.sort_values(["journey_id", "timestamp"], kind="stable", ignore_index=True)


def same_by_us(folder, clock):
    """Count activities and channels and sum up the number, from the data frame to a sparse matrix."""
    import numpy as np

    from journeymining.outcomes.encoders import AggregateEncoder
    from journeymining.outcomes.journey_frame import journeys_from_events

    frame = frame_of(folder)
    clock()
    journeys = journeys_from_events(frame)
    prepared = clock()
    encoder = AggregateEncoder(["activity", "channel"])
    matrix = encoder.fit_transform(journeys)
    encoded = clock()
    names = encoder.get_feature_names_out().tolist()
    wanted = [f"count activity {name}" for name in ACTIVITIES] + [f"count channel {name}" for name in CHANNELS]
    wanted += [f"{how} value" for how in SUMMARIES]
    np.save(folder / "ours.npy", matrix[:, [names.index(name) for name in wanted]].toarray())
    return {"journeys": len(journeys), "columns": len(names), "stages": {"prepare": prepared, "encode": encoded}}


def same_by_pm4py(folder, clock):
    """Let pm4py extract the same features."""
    import numpy as np

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pm4py

        frame = frame_of(folder)
        lengths = frame.groupby("journey_id").size().to_numpy()
        clock()
        log = pm4py.format_dataframe(
            frame.rename(columns={"channel": "org:resource"}),
            case_id="journey_id", activity_key="activity", timestamp_key="timestamp",
        )  # fmt: skip
        prepared = clock()
        found = pm4py.extract_features_dataframe(
            log, str_ev_attr=["concept:name", "org:resource"], num_ev_attr=["value"], str_evsucc_attr=[],
            count_occurrences=True, numeric_attribute_aggregations=["mean", "max", "min", "sum", "stdev"],
            include_case_id=True,
        )  # fmt: skip
        encoded = clock()
    found = found.sort_values("case:concept:name")
    wanted = [f"concept:name_{name}" for name in ACTIVITIES] + [f"org:resource_{name}" for name in CHANNELS]
    wanted += [f"value_{how}" for how in ("MEAN", "MAX", "MIN", "SUM", "STDEV")]
    values = found[wanted].to_numpy(dtype=float, copy=True)
    # pm4py divides the squares by n, we by n - 1.
    values[:, -1] *= np.sqrt(lengths / np.maximum(lengths - 1, 1))
    np.save(folder / "pm4py.npy", values)
    return {"journeys": len(found), "columns": len(wanted), "stages": {"prepare": prepared, "encode": encoded}}


CONTENDERS = {"journeymining": ours, "same features, journeymining": same_by_us, "same features, pm4py": same_by_pm4py}


def measure(name, folder):
    """Run one contender in this process and say on stdout what it took, imports aside."""
    last, used = time.perf_counter(), [time.process_time()]

    def clock():
        nonlocal last
        now = time.perf_counter()
        passed, last = now - last, now
        used.append(time.process_time())
        return passed

    found = CONTENDERS[name](folder, clock)
    # Time of the processors after the first look at the clock: what else the machine does counts less in it.
    tell(found | {"peak": peak_megabytes(), "encoding": used[-1] - used[-2], "all": used[-1] - used[1]})


def compare(journeys, seed):
    """Measure all on the same journeys and print what they took."""
    import numpy as np

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        apart("outcomes", folder, "--write", "--journeys", journeys, "--seed", seed)
        found = {name: told(apart("outcomes", folder, "--measure", name)) for name in CONTENDERS}
        apart_by = float(np.abs(np.load(folder / "ours.npy") - np.load(folder / "pm4py.npy")).max())
    whole, own, other = found.values()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    print(f"{journeys:,} journeys, {whole['journeys']:,} with a known outcome; seed {seed}; {os.cpu_count()} cores")
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}\n")
    for name, seconds in whole["stages"].items():
        print(f"{name:<20}{seconds:>10.1f} s")
    print(f"{'all':<20}{sum(whole['stages'].values()):>10.1f} s, peak {whole['peak']:,.0f} MB")
    per_journey = 1000 * whole["stages"]["encode"] / whole["journeys"]
    print(f"{whole['columns']} features, {per_journey:.4f} ms per journey; five models fitted on at most "
          f"{whole['trained']:,} journeys\n")  # fmt: skip
    for name, one in list(found.items())[1:]:
        stages = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in one["stages"].items())
        print(f"{name}: {one['journeys']:,} journeys, {one['columns']} columns, {stages}, peak {one['peak']:,.0f} MB")
    for text, ratios in (
        ("seconds", [other["stages"]["encode"] / own["stages"]["encode"],
                     sum(other["stages"].values()) / sum(own["stages"].values())]),
        ("processor time", [other[part] / own[part] for part in ("encoding", "all")]),
    ):  # fmt: skip
        print(f"Ours takes 1/{ratios[0]:.1f} of pm4py's {text} to encode, 1/{ratios[1]:.1f} from the data frame on")
    print(f"Largest difference between the numbers: {apart_by:.1e}")
    if apart_by > 1e-4:
        sys.exit("The two do not agree on the numbers.")
    if whole["peak"] > MOST_MEGABYTES:
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
