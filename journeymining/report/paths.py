"""How journeys run: the most frequent paths as strips, and the moves between channels as a heat map."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.proportions import wilson
from journeymining.report.charts import axis, bar, scale_of
from journeymining.report.deviations import SHORT
from journeymining.report.journey_map import all_touchpoints, run_colours
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.journey_map import Touchpoint
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run
    from journeymining.report.run_paths import Paths

TOP = 10
LONGEST = 16
HEAT = 52  # percent of colour in the hottest cell: text stays readable, light and dark


def variants_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the most frequent paths of the journeys in scope and of all, and whether each follows the design."""
    if run.variants is None or run.variants.top.empty:
        return None
    sets = [("all", language.say("All {n} journeys", n=language.count(run.variants.journeys)), run.variants)]
    if run.in_scope is not None and run.in_scope.journeys != run.variants.journeys:
        name = language.say("In the scope of the design: {n} journeys", n=language.count(run.in_scope.journeys))
        sets.insert(0, ("scope", name, run.in_scope))
    departing = run.departing_paths
    if departing is not None and departing.journeys:
        name = language.say("Departing from it: {n} journeys", n=language.count(departing.journeys))
        sets.insert(1, ("departing", name, departing))
    points = {point.name: point for point in all_touchpoints(run)}
    colours = run_colours(run)
    used = {points[name].channel for *_, paths in sets for path in paths.top.head(TOP)["path"]
            for name in path if name in points}  # fmt: skip
    return {
        "views": [
            {"key": key, "name": name} | _view(run, paths, points, colours, language, key) for key, name, paths in sets
        ],
        "legend": [(readable(name) or language.say("No channel"), colours[name]) for name in sorted(used)],
        "departs": run.design is not None,
    }


def _view(
    run: Run, paths: Paths, points: dict[str, Touchpoint], colours: dict[str, str], language: Language, key: str
) -> dict[str, Any]:
    costs = _costs(run.conformance)
    rows, reached = [], 0
    for row in records(paths.top.head(TOP)):
        before, reached = reached, reached + int(row["journeys"])
        rows.append(
            {
                "steps": _steps(list(row["path"]), points, colours),
                "more": max(len(row["path"]) - LONGEST, 0),
                "journeys": language.many(row["journeys"], "{n} journey", "{n} journeys"),
                "share": language.percent(row["journeys"] / paths.journeys),
                "reached": language.percent(reached / paths.journeys),
                "from": 100 * before / paths.journeys,
                "width": 100 * row["journeys"] / paths.journeys,
                "duration": language.duration(row["median_duration"]) if len(row["path"]) > 1 else "",
                "faults": [
                    f"{language.say(SHORT.get(kind, kind))}: {readable(name).lower()}"
                    for kind, name in run.path_faults.get(row["variant_id"], [])
                ],
                "stands": costs.get(row["variant_id"], "outside") if run.conformance is not None else "",
            }
        )
    return {
        "rows": rows,
        "variants": language.count(paths.variants),
        "journeys": language.count(paths.journeys),
        "reached": language.percent(reached / paths.journeys),
        "table": show_table(
            paths.top.assign(share=paths.top["journeys"] / paths.journeys),
            {
                "variant_id": (language.say("variant"), "text"),
                "path": (language.say("path"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "share": (language.say("share"), "percent"),
                "median_duration": (language.say("median duration"), "duration"),
            },
            language,
            name=f"paths_{key}.csv",
            all_rows=paths.variants,
            kept_in="variants.parquet",
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
        "chosen": language.count(int(table["chosen"].fillna(0).sum())) if "chosen" in table else None,
        "containment": _containment(run, colours, language),
        "returns": _returns(run, language),
        "contacts": _contacts(run, language),
        "hidden": language.count(len(totals) - len(channels)) if len(totals) > len(channels) else None,
        "table": show_table(
            table.sort_values(["switches", "from_channel", "to_channel"], ascending=[False, True, True]),
            {
                "from_channel": (language.say("from"), "text"),
                "to_channel": (language.say("to"), "text"),
                "switches": (language.say("switches"), "count"),
                "journeys": (language.say("journeys"), "count"),
                "forced": (language.say("forced"), "count"),
                "chosen": (language.say("chosen"), "count"),
                "median_wait": (language.say("median wait"), "duration"),
                "mean_wait": (language.say("mean wait"), "duration"),
                "p95_wait": (language.say("95% wait at most"), "duration"),
            },
            language,
            file=run.folder / "channel_switches.csv",
        ),
    }


WHOLE = scale_of([1.0])


def _containment(run: Run, colours: dict[str, str], language: Language) -> dict[str, Any] | None:
    """Return the share of journeys that stay in the channel they begin in, per channel."""
    if run.containment is None or run.containment.empty:
        return None
    rows = []
    for row in records(run.containment):
        low, high = (float(end) for end in wilson(row["contained"], row["journeys"]))
        covers = language.many(row["journeys"], "of {n} journey that begins there", "of {n} journeys that begin there")
        if row.get("open"):
            covers += language.say("; {n} of those that stay are still open", n=language.count(row["open"]))
        rows.append(
            {
                "label": readable(row["channel"]),
                "picture": bar(WHOLE, row["share"], low, high, colour=colours.get(row["channel"], "var(--neutral)")),
                "value": language.percent(row["share"]),
                "interval": language.interval(low, high),
                "covers": covers,
            }
        )
    return {"rows": rows, "axis": axis(WHOLE, [language.percent(tick, digits=0) for tick in WHOLE.ticks])}


def _returns(run: Run, language: Language) -> Any:
    if run.channel_returns is None or run.channel_returns.empty:
        return None
    columns = {
        "channel": (language.say("from and back to"), "text"),
        "via": (language.say("by way of"), "text"),
        "returns": (language.say("times"), "count"),
        "journeys": (language.say("journeys"), "count"),
    }
    return show_table(run.channel_returns, columns, language, file=run.folder / "channel_returns.csv")


def _contacts(run: Run, language: Language) -> Any:
    if run.repeat_contacts is None or run.repeat_contacts.empty:
        return None
    columns = {
        "activity": (language.say("contact"), "text"),
        "contacts": (language.say("contacts"), "count"),
        "window": (language.say("within"), "duration"),
        "observed": (language.say("window over"), "count"),
        "repeated": (language.say("repeated"), "count"),
        "share": (language.say("share"), "percent"),
    }
    return show_table(run.repeat_contacts, columns, language, file=run.folder / "repeat_contacts.csv")


def _costs(conformance: pd.DataFrame | None) -> dict[str, str]:
    """Say of every judged path whether it follows the design; an open one may in all its journeys so far."""
    if conformance is None or "cost" not in conformance:
        return {}
    worst = conformance.groupby("variant_id")["cost"].max()
    return {str(variant): "designed" if cost == 0 else "departs" for variant, cost in worst.items()}


def _steps(path: list[str], points: dict[str, Touchpoint], colours: dict[str, str]) -> list[dict[str, Any]]:
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
        "strength": round(HEAT * share**0.5),
        "forced": language.count(forced) if forced else "",
        "wait": language.duration(row.get("median_wait")),
    }
