"""Groups of journeys: selections against sub-logs, differences by hand, nothing found where nothing differs."""

from __future__ import annotations

import random

import cloudpickle
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import stats

from journeymining.discovery.comparison import compare_groups, share_p, write_comparison
from journeymining.discovery.medians import Median, median_difference, median_p
from journeymining.discovery.results import discover
from journeymining.discovery.selection import select_journeys
from journeymining.engines.prepared_log import PreparedLog, prepare
from journeymining.exceptions import EmptyLogError

PHASES = ["purchase", "use"]


def random_events(rng, journeys, *, likely=0.3, slow=1.0, names=None):
    events = []
    for name in names or [f"j{n}" for n in range(journeys)]:
        at = rng.random() * 1e6
        path = ["order", *(["call"] if rng.random() < likely else []), rng.choice(["pay", "cancel"])]
        path += ["call"] * (rng.random() < 0.2)
        for activity in path:
            events.append(
                {
                    "journey_id": name,
                    "activity": activity,
                    "seconds": at,
                    "channel": {"order": "web", "call": "phone"}.get(activity, rng.choice(["web", "app"])),
                    "phase": "purchase" if activity in {"order", "pay"} else "use",
                    "status": rng.choice(["ok", "failed", None]),
                }
            )
            at += rng.expovariate(1 / (3600 * slow))
    return events


def rows(found, analysis):
    return found.table[found.table["analysis"] == analysis].set_index("item")


def test_a_selection_gives_what_a_log_of_these_journeys_gives(event_log):
    rng = random.Random(2)
    events = random_events(rng, 80)
    chosen = {f"j{n}" for n in range(80) if rng.random() < 0.4}
    flags = pa.table({"journey_id": sorted(chosen), "open": [rng.random() < 0.5 for _ in chosen]})

    with prepare(event_log(events), buckets=8, threads=2, journeys=flags) as log:
        selection = select_journeys(log, chosen | {"nobody"})
        found = discover(selection)
        assert selection.event_count == sum(event["journey_id"] in chosen for event in events)
    # The end of observation is that of the whole log, which no table of these depends on.
    with prepare(event_log([e for e in events if e["journey_id"] in chosen]), buckets=1, journeys=flags) as alone:
        expected = discover(alone)

    for name, table in expected.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table)
    assert found.coverage["journeys"] == expected.coverage["journeys"] == len(chosen)


def test_kernels_of_a_selection_can_be_sent_elsewhere(event_log, monkeypatch):
    sent = []
    real = PreparedLog.run

    def run(self, kernel, merge, *, columns=None):
        # What arrives on an executor is a copy without this process.
        sent.append(len(cloudpickle.dumps(kernel)))
        return real(self, cloudpickle.loads(cloudpickle.dumps(kernel)), merge, columns=columns)

    with prepare(event_log(random_events(random.Random(0), 40)), buckets=2) as log:
        plain = compare_groups(log, [f"j{n}" for n in range(20)], phases=PHASES)
        monkeypatch.setattr(PreparedLog, "run", run)
        copied = compare_groups(log, [f"j{n}" for n in range(20)], phases=PHASES)

    pd.testing.assert_frame_equal(plain.table, copied.table)
    assert sent


def test_shares_differences_and_intervals_by_hand(event_log):
    # 16 of 20 journeys of the first group call, 24 of 80 of the second: Newcombe's own kind of example.
    events = []
    for n in range(100):
        calls = n < 16 or 20 <= n < 44
        path = ["order", "call"] if calls else ["order", "pay"]
        events += [{"journey_id": f"j{n:03}", "activity": a, "channel": "web"} for a in path]

    with prepare(event_log(events), buckets=4) as log:
        found = compare_groups(log, [f"j{n:03}" for n in range(20)], names=("a", "b"))

    for analysis, item in (("touchpoints", "call"), ("directly follows", "order > call"), ("variants", "order > call"),
                           ("ends", "call"), ("touchpoints in channels", "call @ web")):  # fmt: skip
        row = rows(found, analysis).loc[item]
        assert (row["journeys_first"], row["n_first"], row["journeys_second"], row["n_second"]) == (16, 20, 24, 80)
        assert (row["first"], row["second"]) == (0.8, 0.3)
        assert [round(row[name], 3) for name in ("difference", "low", "high")] == [0.5, 0.259, 0.649]
        assert row["verdict"] == "higher"
    assert rows(found, "starts").loc["order", "verdict"] == "not tested: too few"  # all start so: nobody does not
    assert (rows(found, "directly follows").loc["order > call", ["source", "target"]] == ["order", "call"]).all()
    # Pooled share .4: z = .5 / sqrt(.24 (1/20 + 1/80)) = 4.0825
    assert rows(found, "touchpoints").loc["call", "p"] == pytest.approx(2 * stats.norm.sf(4.0824829), rel=1e-6)
    assert found.summary["journeys"] == [20, 80]
    assert found.summary["customers"] == [20, 80]


def test_q_values_bound_all_rows_of_the_table(event_log):
    with prepare(event_log(random_events(random.Random(1), 120)), buckets=2) as log:
        found = compare_groups(log, [f"j{n}" for n in range(60)], phases=PHASES)

    tested = found.table[found.table["p"].notna()]
    np.testing.assert_allclose(tested["q"], stats.false_discovery_control(tested["p"]))
    assert found.summary["tested"] == len(tested) > 20
    assert found.summary["not_tested"] == len(found.table) - len(tested)


def test_every_analysis_is_compared(event_log):
    with prepare(event_log(random_events(random.Random(1), 200)), buckets=2) as log:
        found = compare_groups(log, [f"j{n}" for n in range(100)], phases=PHASES)

    assert found.table["analysis"].unique().tolist() == [
        "touchpoints", "touchpoints in channels", "directly follows", "starts", "ends", "variants", "channels",
        "channel switches", "forced switches", "channel returns", "containment", "phases", "back flow", "drop off",
        "rework", "waits", "switch waits", "duration", "length",
    ]  # fmt: skip


def test_counts_are_those_of_a_plain_count(event_log):
    rng = random.Random(9)
    events = random_events(rng, 150)
    first = {f"j{n}" for n in range(150) if rng.random() < 0.5}
    paths, channels, failed = {}, {}, {}
    for event in sorted(events, key=lambda e: (e["journey_id"], e["seconds"])):
        paths.setdefault(event["journey_id"], []).append(event["activity"])
        channels.setdefault(event["journey_id"], []).append(event["channel"])
        failed.setdefault(event["journey_id"], []).append(event["status"] == "failed")

    with prepare(event_log(events), buckets=4) as log:
        found = compare_groups(log, first, phases=PHASES)

    def count(has):
        return [sum(has(name) for name in paths if (name in first) == side) for side in (True, False)]

    def pairs(name, steps):
        return set(zip(steps[name], steps[name][1:], strict=False))

    expected = {
        ("touchpoints", "call"): count(lambda j: "call" in paths[j]),
        ("directly follows", "order > pay"): count(lambda j: ("order", "pay") in pairs(j, paths)),
        ("rework", "call"): count(lambda j: paths[j].count("call") > 1),
        ("variants", "order > pay"): count(lambda j: paths[j] == ["order", "pay"]),
        ("channels", "app"): count(lambda j: "app" in channels[j]),
        ("channel switches", "web > phone"): count(lambda j: ("web", "phone") in pairs(j, channels)),
        ("forced switches", "web > phone"): count(
            lambda j: any(
                one == ("web", "phone") and bad
                for one, bad in zip(zip(channels[j], channels[j][1:], strict=False), failed[j], strict=False)
            )
        ),
        ("containment", "web"): count(lambda j: set(channels[j]) == {"web"}),
        ("phases", "use"): count(lambda j: bool(set(paths[j]) & {"call", "cancel"})),
    }
    for (analysis, item), counts in expected.items():
        row = rows(found, analysis).loc[item]
        assert [row["journeys_first"], row["journeys_second"]] == counts, analysis


def test_groups_of_the_same_kind_differ_in_nothing_as_a_rule(event_log):
    claims = 0
    for seed in range(20):
        rng = random.Random(seed)
        with prepare(event_log(random_events(rng, 160)), buckets=1, threads=1) as log:
            found = compare_groups(log, [f"j{n}" for n in range(160) if rng.random() < 0.5], phases=PHASES)
        claims += found.summary["distinguishable"] > 0

    # Benjamini and Hochberg promise 1 of 20 with any claim where nothing differs; more than 3 come in 2 %.
    assert claims <= 3


def test_planted_differences_are_found_with_their_sign(event_log):
    rng = random.Random(4)
    callers, others = [f"a{n}" for n in range(200)], [f"b{n}" for n in range(200)]
    events = random_events(rng, 0, likely=0.6, slow=3.0, names=callers) + random_events(rng, 0, names=others)

    with prepare(event_log(events), buckets=4) as log:
        found = compare_groups(log, callers, others, phases=PHASES)
        turned = compare_groups(log, others, callers, phases=PHASES)

    for analysis, item in (("touchpoints", "call"), ("directly follows", "order > call"), ("waits", "order > pay"),
                           ("channel switches", "web > phone"), ("duration", "whole journey")):  # fmt: skip
        assert rows(found, analysis).loc[item, "verdict"] == "higher", analysis
        assert rows(turned, analysis).loc[item, "verdict"] == "lower", analysis
    wait = rows(found, "waits").loc["order > pay"]
    assert wait["low"] <= 2 * 3600 * np.log(2) <= wait["high"]  # medians of exponential waits of 3 hours and of 1


def test_a_journey_of_both_groups_is_in_neither_and_counted(event_log):
    with prepare(event_log([{"journey_id": f"j{n}", "activity": "a"} for n in range(6)])) as log:
        found = compare_groups(log, ["j0", "j1", "j2", "nobody"], ["j2", "j3"])
        with pytest.raises(EmptyLogError, match="in the other group too"):
            compare_groups(log, ["j0"], ["j0", "j1"])

    assert found.summary["journeys"] == [2, 1]
    assert found.summary["journeys_in_both"] == 1
    assert found.summary["journeys_in_neither"] == 2
    assert found.summary["ids_not_in_log"] == [1, 0]


def test_files_of_a_comparison(event_log, tmp_path):
    with prepare(event_log(random_events(random.Random(1), 40))) as log:
        found = compare_groups(log, [f"j{n}" for n in range(20)])
    write_comparison(found, tmp_path, "halves")

    back = pd.read_csv(tmp_path / "comparisons" / "halves.csv", keep_default_na=False, na_values=[""])
    assert back["item"].tolist() == found.table["item"].tolist()
    assert (tmp_path / "comparisons" / "halves.json").read_text().startswith("{")


def test_the_interval_of_a_median_is_between_the_ranks_of_wilson():
    # n = 21: Wilson's interval of one half is .299 to .701; the sixth and the sixteenth value.
    values = np.arange(1.0, 22)
    assert Median(values, np.arange(21)).interval() == (6.0, 16.0)
    assert Median(values[:5], np.arange(5)).interval() == (-np.inf, np.inf)
    assert np.isnan(Median(values[:0], np.arange(0)).value)


def test_several_waits_of_one_journey_count_as_what_they_tell():
    once = Median(np.arange(40.0), np.arange(40))
    copied = Median(np.repeat(np.arange(40.0), 5), np.repeat(np.arange(40), 5))

    assert copied.effective == pytest.approx(40)
    assert copied.interval() == once.interval()


def test_the_p_value_of_medians_is_where_the_interval_just_excludes_zero():
    rng = np.random.default_rng(1)
    first, second = (Median(rng.exponential(scale, 80), np.arange(80)) for scale in (2.0, 1.0))

    p = median_p(first, second)

    z = stats.norm.isf(p / 2)
    assert 0 < p < 1
    assert min(abs(end) for end in median_difference(first, second, z + 1e-3)[1:]) < 0.2
    assert median_difference(first, second, z - 1e-3)[1] > 0 >= median_difference(first, second, z + 1e-3)[1]


def test_medians_of_the_same_kind_are_told_apart_as_rarely_as_promised():
    rng = np.random.default_rng(7)
    small = [median_p(*(Median(rng.exponential(1, 60), np.arange(60)) for _ in range(2))) < 0.05 for _ in range(400)]

    assert sum(small) / 400 <= 0.075  # 5 % and two and a half standard errors


def test_few_cases_are_left_to_fisher():
    found = share_p(*(np.array([float(x)]) for x in (3, 5, 0, 7)))

    assert found[0] == pytest.approx(stats.fisher_exact([[3, 2], [0, 7]])[1])
