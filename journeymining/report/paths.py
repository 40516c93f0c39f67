"""How journeys run: the most frequent paths as strips, and the moves between channels as a heat map."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.journey_map import all_touchpoints, run_colours
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

TOP = 10
LONGEST = 16


def variants_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the most frequent variants, what they cover together and whether each follows the design."""
    if run.variants is None or run.variants.top.empty:
        return None
    points = {point.name: point for point in all_touchpoints(run)} if run.touchpoints is not None else {}
    colours = run_colours(run)
    cost = {} if run.conformance is None else _costs(run.conformance)
    rows, reached = [], 0
    for row in records(run.variants.top.head(TOP)):
        reached += int(row["journeys"])
        rows.append(
            {
                "steps": _steps(list(row["path"]), points, colours),
                "more": max(len(row["path"]) - LONGEST, 0),
                "journeys": language.count(row["journeys"]),
                "share": language.percent(row["journeys"] / run.variants.journeys),
                "reached": language.percent(reached / run.variants.journeys),
                "width": 100 * row["journeys"] / run.variants.journeys,
                "from": 100 * (reached - row["journeys"]) / run.variants.journeys,
                "duration": language.duration(row["median_duration"]),
                "as_designed": cost.get(row["variant_id"]) == 0 if row["variant_id"] in cost else None,
            }
        )
    frame = run.variants.top.assign(share=run.variants.top["journeys"] / run.variants.journeys)
    used = sorted(
        {points[name].channel for row in run.variants.top.head(TOP)["path"] for name in row if name in points}
    )
    return {
        "rows": rows,
        "variants": language.count(run.variants.variants),
        "journeys": language.count(run.variants.journeys),
        "reached": language.percent(reached / run.variants.journeys),
        "legend": [(readable(name) or language.say("No channel"), colours[name]) for name in used],
        "table": show_table(
            frame,
            {
                "variant_id": (language.say("variant"), "text"),
                "path": (language.say("path"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "share": (language.say("share"), "percent"),
                "median_duration": (language.say("median duration"), "duration"),
            },
            language,
            name="variants_top.csv",
        ),
    }


def channels_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the matrix of switches with waits and forced ones; None without a table of switches."""
    table = run.channel_switches
    if table is None or table.empty:
        return None
    totals: dict[str, int] = {}
    for row in records(table):
        for side in ("from_channel", "to_channel"):
            totals[row[side]] = totals.get(row[side], 0) + int(row["switches"])
    channels = sorted(totals, key=lambda name: (-totals[name], name))[:12]
    most = int(table["switches"].max())
    cells = {
        (row["from_channel"], row["to_channel"]): _cell(row, most, language)
        for row in records(table)
        if row["from_channel"] in channels and row["to_channel"] in channels
    }
    colours = run_colours(run)
    return {
        "channels": [(readable(name) or language.say("No channel"), colours[name]) for name in channels],
        "matrix": [[cells.get((here, there)) for there in channels] for here in channels],
        "switches": language.count(int(table["switches"].sum())),
        "forced": language.count(int(table["forced"].fillna(0).sum())) if "forced" in table else None,
        "hidden": language.count(len(totals) - len(channels)) if len(totals) > len(channels) else None,
        "table": show_table(
            table.sort_values(["switches", "from_channel", "to_channel"], ascending=[False, True, True]),
            {
                "from_channel": (language.say("from"), "text"),
                "to_channel": (language.say("to"), "text"),
                "switches": (language.say("switches"), "count"),
                "journeys": (language.say("journeys"), "count"),
                "forced": (language.say("forced"), "count"),
                "median_wait": (language.say("median wait"), "duration"),
            },
            language,
            file=run.folder / "channel_switches.csv",
        ),
    }


def _costs(conformance: pd.DataFrame) -> dict[str, float]:
    if "cost" not in conformance:
        return {}
    return dict(zip(conformance["variant_id"], conformance["cost"].astype(float), strict=True))


def _steps(path: list[str], points: dict[str, Any], colours: dict[str, str]) -> list[dict[str, Any]]:
    """Return the steps of a strip; the same activity several times in a row is one step."""
    steps = []
    for name, times in groupby(path[:LONGEST]):
        point = points.get(name)
        steps.append(
            {
                "name": readable(name),
                "times": len(list(times)),
                "colour": colours.get(point.channel, "var(--neutral)") if point else "var(--neutral)",
                "departs": bool(point and point.departs),
            }
        )
    return steps


def _cell(row: dict[str, Any], most: int, language: Language) -> dict[str, Any]:
    share = row["switches"] / most
    forced = row.get("forced")
    forced = 0 if forced is None or pd.isna(forced) else int(forced)
    return {
        "switches": language.count(row["switches"]),
        "strength": round(100 * share**0.5),
        "dark": share**0.5 > 0.62,
        "forced": language.count(forced) if forced else "",
        "forced_share": round(100 * forced / row["switches"]) if row["switches"] else 0,
        "wait": language.duration(row.get("median_wait")),
    }
