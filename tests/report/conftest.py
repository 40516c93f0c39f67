"""A run folder made by hand: 1,000 journeys of a broadband order, whose every number can be counted on paper."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

CHANNEL = {
    "offer_viewed": "web", "order_placed": "web", "confirmation": "email", "modem_shipped": "parcel",
    "modem_delivered": "parcel", "welcome_call": "phone", "modem_active": "app", "helpdesk_call": "phone",
    "self_service": "app", "help_page": "web", "order_cancelled": "phone",
}  # fmt: skip
V, P, C, S, D, W, A = list(CHANNEL)[:7]
H, F, G, X = "helpdesk_call", "self_service", "help_page", "order_cancelled"
# Path -> journeys. They add up to 1,000.
PATHS: dict[tuple[str, ...], int] = {
    (V, P, C, S, D, W, A): 330,
    (P, C, S, D, A): 210,
    (V, V, P, C, S, D, A): 90,
    (P, S, C, D, W, A): 80,
    (V, P, S, D, F, H, A): 70,
    (P, C, S, D, D, W, A): 60,
    (V, P, C, S, D, G, F, H, W, A): 50,
    (P, C, S): 40,
    (V, P, C, G, H, X): 30,
    (P, S, D, H, A): 25,
    (V, P, X): 15,
}
DAY = 86_400.0
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_discovery(folder: Path, paths: dict[tuple[str, ...], int], channel: dict[str, str]) -> None:
    """Count transitions, touchpoints, variants and journeys in plain Python."""
    moves, moving, events, journeys, starts, ends = (Counter() for _ in range(6))
    variants, single = [], []
    for number, (path, count) in enumerate(paths.items()):
        pairs = list(pairwise(path))
        for pair in pairs:
            moves[pair] += count
        for pair in set(pairs):
            moving[pair] += count
        for name in path:
            events[name] += count
        for name in set(path):
            journeys[name] += count
        starts[path[0]] += count
        ends[path[-1]] += count
        variant = f"{number:012x}"
        variants.append((variant, list(path), count, (len(path) - 1) * DAY))
        for _ in range(count):
            begin = BEGIN + timedelta(hours=len(single) % 1440)
            used = [channel[name] for name in path]
            single.append(
                {
                    "journey_id": f"j{len(single)}", "customer_id": f"c{len(single) % 950}", "variant_id": variant,
                    "start": begin, "end": begin + timedelta(days=len(path) - 1), "events": len(path),
                    "channels": len(set(used)), "switches": sum(a != b for a, b in pairwise(used)),
                    "open": path == (P, C, S),
                }
            )  # fmt: skip
    write_csv(
        folder / "directly_follows.csv",
        [
            {"source": a, "target": b, "events": n, "journeys": moving[a, b], "median_wait": DAY, "mean_wait": DAY,
             "p95_wait": 2 * DAY}
            for (a, b), n in moves.most_common()
        ],
    )  # fmt: skip
    rows = []
    for name, n in events.items():
        phase = {V: "orientation", P: "purchase", C: "purchase", S: "purchase", D: "use", W: "use", A: "use"}
        row = {"activity": name, "channel": channel[name], "phase": phase.get(name, ""), "events": n,
               "journeys": journeys[name], "starts": starts[name], "ends": ends[name],
               "failed": n if name == F else 0}  # fmt: skip
        if name == P:
            # One order in ten is placed by phone, which the design does not allow.
            few = {key: row[key] // 10 for key in ("events", "journeys", "starts", "ends")}
            rows.append(row | few | {"channel": "phone"})
            row |= {key: row[key] - few[key] for key in few}
        rows.append(row)
    write_csv(folder / "touchpoints.csv", rows)
    columns = ["variant_id", "path", "journeys", "median_duration"]
    table = pa.table(dict(zip(columns, map(list, zip(*variants, strict=True)), strict=True)))
    pq.write_table(table, folder / "variants.parquet")
    pq.write_table(pa.Table.from_pylist(single), folder / "journeys.parquet")


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """Write the run and return its folder."""
    return write_run(tmp_path / "run")


@pytest.fixture
def partly_judged_folder(run_folder: Path) -> Path:
    """Return the run with 970 of the 1,000 journeys in the scope of the design: all but those of one variant."""
    lines = (run_folder / "conformance.csv").read_text().splitlines()
    judged = [line for line in lines[1:] if line.split(",")[1] != str(PATHS[V, P, C, G, H, X])]
    (run_folder / "conformance.csv").write_text("\n".join([lines[0], *judged]) + "\n")
    summary = json.loads((run_folder / "conformance.json").read_text())
    summary["journeys"] |= {"in_scope": 970, "outside": 30}
    write_json(run_folder / "conformance.json", summary)
    return run_folder


def write_run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_discovery(folder, PATHS, CHANNEL)
    write_manifest(folder)
    write_sensitivity(folder)
    write_conformance(folder)
    write_channels(folder)
    write_outcomes(folder)
    write_experience(folder)
    (folder / "process_model.svg").write_text(PROCESS_MODEL, encoding="utf-8")
    return folder


def write_manifest(folder: Path) -> None:
    write_json(
        folder / "manifest.json",
        {
            "version": "0.1.0", "created": "2026-11-22T10:00:00Z", "job": "broadband", "title": "Broadband onboarding",
            "engine": "duckdb", "seed": 7, "scope": "Customers who ordered broadband in spring 2026.", "settings": {},
            "inputs": [
                {"source": "crm", "path": "raw/salesforce/Case.csv", "sha256": "ab" * 32, "bytes": 123456},
                {"source": "web", "path": "raw/web/access.log", "sha256": "cd" * 32, "bytes": 98765432},
            ],
            "counts": {"customers": 950, "journeys": 1000, "events": 6350, "open_journeys": 40},
            "steps": [
                {"name": "pull", "rows_in": 20000, "rows_out": 12000, "left_out": {"bot": 7500, "no timestamp": 500},
                 "seconds": 1.5, "reused": False},
                {"name": "stitch", "rows_in": 12000, "rows_out": 12000, "left_out": {}, "seconds": 0.7,
                 "reused": False},
                {"name": "cut", "rows_in": 12000, "rows_out": 6350, "left_out": {"no touchpoint": 5650},
                 "seconds": 0.2, "reused": True},
            ],
        },
    )  # fmt: skip
    kind = {"values": 950, "uses": 7000, "values_shared": 3, "uses_unresolved": 0, "uses_joined_back": 40,
            "uses_left_out": 0, "conflicts": 1}  # fmt: skip
    write_json(
        folder / "quality.json",
        {
            "ingest": {
                "sources": {
                    "crm": {"connector": "salesforce", "records": 5000, "events": 4900, "identifiers": 9000,
                            "surveys": 0, "rejected": 100, "left_out": 0,
                            "streams": {"Case": {"rejected": {"no timestamp": 100}, "left_out": {}}}},
                    "web": {"connector": "access_log", "records": 15000, "events": 7100, "identifiers": 12000,
                            "surveys": 0, "rejected": 400, "left_out": 7500,
                            "streams": {"requests": {"rejected": {"no timestamp": 400}, "left_out": {"bot": 7500}}}},
                },
            },
            "identity": {
                "records": 12000, "customers": {"all": 950, "anonymous": 120},
                "events_with_account": {"events": 10476, "share": 0.873},
                "events_of_anonymous": {"events": 1524, "share": 0.127},
                "kinds": {"account": kind, "email": kind},
                "sources": [{"first": "crm", "second": "web", "customers": 800, "also_second": 600, "share": 0.75},
                            {"first": "web", "second": "crm", "customers": 900, "also_second": 600, "share": 0.667}],
                "channels": [{"first": "app", "second": "phone", "customers": 80, "also_second": 20, "share": 0.25}],
                "customer_sizes": {"1": 300, "2": 250, "3-5": 399, "6-20": 1, "largest": 17},
                "customer_identifiers": {"0": 5, "1": 945, "largest": 9},
                "links": [{"kind": "phone", "rule": "same_value", "strength": "weak", "links": 812}],
                "cardinality": {"phone": {"suspicious": [{"value_hash": "5f1d", "records": 731, "accounts": 0},
                                                         {"value_hash": "77aa", "records": 44, "accounts": 41}]}},
                "left_out": [{"kind": "phone", "value_hash": "77aa"}],
            },
            "touchpoints": {"touchpoints": {"rules": [{"rule": 1, "is": V, "dropped": False, "events": 675},
                                                      {"rule": 2, "is": None, "dropped": True, "events": 5650}]}},
            "journeys": {"journeys": 1000, "open": 40, "left_truncated": 5, "begun_by": {"gap": 50, "first": 950}},
        },
    )  # fmt: skip


def write_sensitivity(folder: Path) -> None:
    rows = [("customers", 950.0, 1010.0), ("log fitness", 0.9312, 0.9248),
            ("journeys following the design (share)", 0.67, 0.655)]  # fmt: skip
    write_csv(
        folder / "stitch_sensitivity.csv",
        [{"measure": name, "with_all": a, "without_weakest": b, "difference": b - a, "weakest": "cookie"}
         for name, a, b in rows],
    )  # fmt: skip


def write_conformance(folder: Path) -> None:
    points = [(V, "orientation", ["web", "app"], True), (P, "purchase", ["web", "store"], False),
              (C, "purchase", ["email"], False), (S, "purchase", ["parcel"], False), (D, "use", ["parcel"], False),
              (W, "use", ["phone"], True), (A, "use", ["app"], False)]  # fmt: skip
    write_json(
        folder / "design.json",
        {
            "name": "order-broadband", "phases": ["orientation", "purchase", "use"],
            "touchpoints": [
                {"name": n, "phase": p, "channels": c, "optional": o, "moment_of_truth": n in (D, W)}
                for n, p, c, o in points
            ],
            "flow": f"{V}* > {P} > {C} > {S} > {D} > {W}? > {A}", "order": [name for name, *_ in points],
        },
    )  # fmt: skip
    write_json(
        folder / "conformance.json",
        {
            "design": "order-broadband",
            "journeys": {"in_log": 1000, "in_scope": 1000, "outside": 0, "open": 40, "ended_otherwise": 45},
            "fitness": {"mean": 0.9468, "low": 0.9401, "high": 0.9533},
            "fitting": {"journeys": 670, "share": 0.67, "low": 0.6402, "high": 0.6991},
            "log_fitness": 0.9312, "precision": 0.871,
        },
    )  # fmt: skip
    write_csv(
        folder / "conformance.csv",
        [{"variant_id": f"{n:012x}", "journeys": count, "cost": 0.0 if n < 3 else 1.0, "fitness": 1.0 if n < 3 else 0.8}
         for n, count in enumerate(PATHS.values())],
    )  # fmt: skip
    found = [
        ("ad_hoc", H, "", "", 175), ("ad_hoc", F, "", "", 120), ("ad_hoc", G, "", "", 80), ("ad_hoc", X, "", "", 45),
        ("missing", C, "", "", 110), ("missing", S, "", "", 45), ("missing", D, "", "", 45),
        ("wrong_order", C, "before modem_shipped", "after modem_shipped", 80), ("repeated", D, "once", "2 times", 60),
        ("wrong_channel", P, "web, store", "phone", 96), ("late", D, "within 3 days", "", 143),
        ("failing", F, "", "", 120), ("bounced_back", F, "", "", 12),
    ]  # fmt: skip
    rows = []
    for kind, name, expected, observed, journeys in found:
        low, high = wilson(journeys, 1000)
        rows.append({"type": kind, "touchpoint": name, "expected": expected, "observed": observed,
                     "journeys": journeys, "share": journeys / 1000, "share_low": low, "share_high": high})  # fmt: skip
    write_csv(folder / "deviations.csv", rows)
    months = [("2026-03-01", 400, 240), ("2026-04-01", 600, 430)]
    write_csv(
        folder / "conformance_periods.csv",
        [{"period": f"{day} 00:00:00+00:00", "journeys": n, "following": k, "share": k / n,
          "share_low": wilson(k, n)[0], "share_high": wilson(k, n)[1], "fitness": 0.9} for day, n, k in months],
    )  # fmt: skip
    write_csv(
        folder / "conformance_drift.csv",
        [{"type": "late", "touchpoint": D, "since": "2026-04-10 00:00:00+00:00",
          "earliest": "2026-04-07 00:00:00+00:00", "latest": "2026-04-13 00:00:00+00:00", "before": 0.08,
          "after": 0.21, "probability": 0.999}],
    )  # fmt: skip


def write_channels(folder: Path) -> None:
    rows = [
        ("web", "email", 640, 0, 600.0),
        ("email", "parcel", 730, 0, 1.4 * DAY),
        ("parcel", "phone", 495, 0, DAY),
        ("phone", "app", 600, 0, 7200.0),
        ("app", "phone", 120, 120, 5400.0),
        ("parcel", "app", 370, 0, DAY),
        ("web", "parcel", 165, 0, 2 * DAY),
        ("parcel", "email", 80, 0, DAY),
        ("email", "web", 30, 0, DAY),
    ]
    write_csv(
        folder / "channel_switches.csv",
        [{"from_channel": a, "to_channel": b, "switches": n, "journeys": n, "median_wait": wait, "forced": forced}
         for a, b, n, forced, wait in rows],
    )  # fmt: skip


def write_outcomes(folder: Path) -> None:
    # pattern, n, rate, difference, interval, hold-out n, difference, interval, verdict
    effects = [
        ("deviation", "late", 143, 0.238, 0.121, 0.051, 0.191, 61, 0.109, 0.011, 0.207, "claimed: higher"),
        ("channel", "forced switch", 120, 0.225, 0.103, 0.03, 0.176, 52, 0.091, 0.002, 0.19, "claimed: higher"),
        ("deviation", "missing", 110, 0.155, 0.021, -0.044, 0.086, 44, -0.01, -0.11, 0.09, "not distinguishable"),
        ("activity", "help_page", 310, 0.131, -0.003, -0.047, 0.041, 130, 0.004, -0.06, 0.07, "not distinguishable"),
    ]
    names = ("level", "pattern", "n", "rate", "difference", "difference_low", "difference_high", "holdout_n",
             "holdout_difference", "holdout_low", "holdout_high", "verdict")  # fmt: skip
    write_csv(
        folder / "outcomes" / "churn" / "outcome_effects.csv",
        [{"outcome": "churn", **dict(zip(names, one, strict=True)), "p": 0.001, "q": 0.004, "adjusted": None,
          "smallest_detectable": 0.06} for one in effects],
    )  # fmt: skip
    moved = [("complaint", 61, 0.08, 0.074, 0.051, 0.097, 1), ("help_page", 130, 0.01, -0.004, -0.012, 0.004, 3)]
    write_csv(
        folder / "outcomes" / "churn" / "outcome_touchpoints.csv",
        [{"activity": name, "events": n + 5, "journeys": n, "move": shift, "shift": shift, "observed": seen,
          "observed_low": low, "observed_high": high, "q": 0.001, "spread_after": 0.01, "events_left": left}
         for name, n, shift, seen, low, high, left in moved],
    )  # fmt: skip
    steps = [("complaint", "refund_refused", 96, 0.99, 0.955, 0.998, 41, 0.976, "outcome"),
             ("help_page", "complaint", 80, 0.3, 0.21, 0.41, 33, 0.27, "")]  # fmt: skip
    write_csv(
        folder / "outcomes" / "churn" / "outcome_steps.csv",
        [{"source": source, "target": target, "n": n, "rate": rate, "rate_low": low, "rate_high": high, "weight": 1.0,
          "holdout_n": others, "holdout_rate": held, "decides": decides, "events_left": 1}
         for source, target, n, rate, low, high, others, held, decides in steps],
    )  # fmt: skip
    fixes = [("late", D, 143, 0.121, 0.051, 0.191), ("missing", C, 110, 0.021, -0.044, 0.086)]
    write_csv(
        folder / "outcomes" / "churn" / "fix_list.csv",
        [{"type": kind, "touchpoint": name, "journeys": n, "known": n - 10, "rate_with": 0.12 + d, "rate_without": 0.12,
          "difference": d, "difference_low": low, "difference_high": high, "wanted": False, "worth": n * d,
          "worth_low": n * low, "worth_high": n * high} for kind, name, n, d, low, high in fixes],
    )  # fmt: skip
    write_json(
        folder / "outcomes" / "churn" / "model_card.json",
        {
            "outcome": "churn", "definition": "churn = contract_cancelled within 180 days after the end.",
            "journeys": 1000, "labelled": 900, "positives": 122, "rate": 0.1356, "rate_low": 0.1147,
            "rate_high": 0.1595, "left_out": {"censored": 100, "already": 0},
            "headline": "Paths tell churn better than journey length alone: by +0.12 [+0.05, +0.19].",
            "warnings": ["Split by customers, not by time."],
            "models": [
                {"name": "logistic regression", "auc": 0.641, "auc_low": 0.588, "auc_high": 0.694, "brier": 0.110},
                {"name": "prior", "auc": 0.5, "auc_low": 0.5, "auc_high": 0.5, "brier": 0.117},
                {"name": "length", "auc": 0.52, "auc_low": 0.47, "auc_high": 0.57, "brier": 0.116},
            ],
            "calibration": [
                {"predicted": 0.06, "observed": 0.05, "low": 0.02, "high": 0.11, "n": 90},
                {"predicted": 0.12, "observed": 0.13, "low": 0.08, "high": 0.21, "n": 90},
                {"predicted": 0.24, "observed": 0.21, "low": 0.14, "high": 0.31, "n": 90},
            ],
            "variants": [
                {"level": "variant", "used": False, "reason": "62% of the journeys are a variant of their own kind"},
                {"level": "abstract", "used": True, "reason": "9 variants with 30 journeys or more cover 88%"},
                {"level": "pattern", "used": True, "reason": "a pattern is compared if enough journeys have it"},
            ],
            "importance": [
                {"group": "deviation late", "importance": 0.041, "spread": 0.006, "columns": 2},
                {"group": "length and time", "importance": -0.002, "spread": 0.003, "columns": 4},
            ],
            "dependence": [
                {"feature": "count activity helpdesk_call", "points": [{"value": 0, "chance": 0.12},
                                                                       {"value": 1, "chance": 0.15},
                                                                       {"value": 3, "chance": 0.22}]},
                {"feature": "first channel web", "points": [{"value": 0, "chance": 0.13},
                                                            {"value": 1, "chance": 0.14}]},
                {"feature": "events", "points": [{"value": 5, "chance": 0.13}]},
            ],
            "shap": [
                {"model": "logistic regression", "units": "log-odds", "base": -1.9, "journeys": 270, "features": [
                    {"feature": "hours late", "mean_size": 0.31,
                     "above": {"n": 40, "mean": 0.9, "low": 0.4, "high": 1.4},
                     "not_above": {"n": 230, "mean": -0.2, "low": -0.2, "high": -0.2}}]},
            ],
        },
    )  # fmt: skip


def write_experience(folder: Path) -> None:
    write_csv(
        folder / "experience" / "nps.csv",
        [
            {"segment": "all", "n": 300, "promoters": 150, "passives": 75, "detractors": 75, "nps": 25.0, "low": 15.6,
             "high": 34.4},
            {"segment": "late delivery", "n": 60, "promoters": 18, "passives": 15, "detractors": 27, "nps": -15.0,
             "low": -36.7, "high": 6.7},
        ],
    )  # fmt: skip


def wilson(hits: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * ((share * (1 - share) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
    return middle - half, middle + half


PROCESS_MODEL = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg width="320pt" height="80pt" viewBox="0 0 320 80" xmlns="http://www.w3.org/2000/svg"
 xmlns:xlink="http://www.w3.org/1999/xlink"><script>alert(2)</script>
<g id="graph0" class="graph" transform="translate(4 76)"><title>model</title>
<polygon fill="white" stroke="none" points="-4,4 -4,-76 316,-76 316,4 -4,4"/>
<g class="node" onclick="alert(3)"><a xlink:href="http://example.org/"><polygon fill="none" stroke="black"
 points="100,-54 10,-54 10,-18 100,-18 100,-54"/><text text-anchor="middle" x="55" y="-32">order placed</text></a></g>
<path fill="none" stroke="black" d="M100,-36C130,-36 160,-36 190,-36"/>
<polygon fill="none" stroke="black" points="290,-54 190,-54 190,-18 290,-18 290,-54"/>
<text text-anchor="middle" x="240" y="-32">modem shipped</text>
<image href="http://example.org/a.png"/></g></svg>
"""
