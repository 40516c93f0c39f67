"""Designed against actual: the designed flow touchpoint by touchpoint, and the deviations in order of journeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import Scale, axis, bar, scale_of
from journeymining.report.deviations import OUT_OF_PLACE, SHORT, deviation_sentence
from journeymining.report.groups import groups
from journeymining.report.journey_map import all_touchpoints, main_order, run_colours
from journeymining.report.over_time import over_time
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    import pandas as pd

    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

MOST_BARS = 20


def designed_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return what the chapter shows; None without a table of deviations."""
    if run.deviations is None:
        return None
    summary = run.conformance_summary or {}
    found = _sorted(run.deviations)
    inside = (summary.get("journeys") or {}).get("in_scope")
    return {
        "steps": _steps(run, found, inside, language) if run.design else [],
        "flow": (run.design or {}).get("flow"),
        "bars": _bars(found.head(MOST_BARS), language),
        "more": max(len(found) - MOST_BARS, 0),
        "inside": language.count(inside),
        "pending": (summary.get("journeys") or {}).get("open"),
        "promises": _promises(run, language),
        "groups": groups(run, language),
        "over_time": over_time(run, language),
        "table": show_table(
            found,
            {
                "type": (language.say("deviation"), "text"),
                "touchpoint": (language.say("touchpoint"), "text"),
                "expected": (language.say("expected"), "text"),
                "observed": (language.say("observed"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "share": (language.say("share"), "percent"),
                "share_low": (language.say("from"), "percent"),
                "share_high": (language.say("to"), "percent"),
            },
            language,
            file=run.folder / "deviations.csv",
        ),
    }


def _sorted(deviations: pd.DataFrame) -> pd.DataFrame:
    return deviations.sort_values(
        ["journeys", "type", "touchpoint"], ascending=[False, True, True], kind="stable"
    ).reset_index(drop=True)


def _bars(found: pd.DataFrame, language: Language) -> dict[str, Any]:
    rows = records(found)
    scale = scale_of([row.get("share_high") for row in rows] + [row["share"] for row in rows])
    return {
        "axis": axis(scale, [language.percent(tick, digits=scale.digits()) for tick in scale.ticks]),
        "rows": [
            {
                "label": deviation_sentence(row, language),
                "picture": bar(scale, row["share"], row.get("share_low"), row.get("share_high"),
                               colour="var(--departs)"),
                "value": language.percent(row["share"]),
                "interval": language.interval(row.get("share_low"), row.get("share_high")),
                "covers": language.many(row["journeys"], "{n} journey", "{n} journeys"),
            }
            for row in rows
        ],
    }  # fmt: skip


def _steps(run: Run, found: pd.DataFrame, inside: int | None, language: Language) -> list[dict[str, Any]]:
    """Return the designed touchpoints in their order, with what happens at each."""
    points = {point.name: point for point in all_touchpoints(run)}
    design = {point["name"]: point for point in (run.design or {}).get("touchpoints", [])}
    order = main_order(run.design)
    colours = run_colours(run)
    counted = found if run.touchpoint_deviations is None else _sorted(run.touchpoint_deviations)
    # A folder of a conformance check alone has no counts of touchpoints, but it knows which never occurred.
    unseen = set((run.conformance_summary or {}).get("never_observed") or [])
    steps = []
    for name in [*order, *(other for other in design if other not in order)]:
        planned, point = design.get(name, {}), points.get(name)
        here = records(counted[counted["touchpoint"] == name])
        free, exact = _free(run, name, here, inside)
        steps.append(
            {
                "name": readable(name),
                "number": order.index(name) + 1 if name in order else None,
                "phase": readable(str(planned.get("phase") or "")),
                "channels": [
                    (readable(channel), colours.get(channel, "var(--neutral)"))
                    for channel in planned.get("channels") or []
                ],
                "optional": planned.get("optional"),
                "moment_of_truth": planned.get("moment_of_truth"),
                "journeys": language.count(point.journeys) if point else "0",
                "never": name in unseen if run.touchpoints is None else not point or not point.journeys,
                "free": language.percent(free),
                "exact": exact,
                "fill": 100 * free,
                "deviations": [_step_deviation(row, language) for row in here[:5]],
            }
        )
    return steps


def _free(run: Run, name: str, here: list[dict[str, Any]], inside: int | None) -> tuple[float, bool]:
    """Return the share of journeys in scope without a deviation at a touchpoint, and whether it is exact."""
    if run.departing is not None and inside:
        return 1 - run.departing.get(name, 0) / inside, True
    # A journey may depart twice at a touchpoint, so the sum can count it twice: this is a lower bound.
    return max(0.0, 1 - sum(float(row["share"]) for row in here)), len(here) <= 1


def _step_deviation(row: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        "label": language.say(OUT_OF_PLACE if row["type"] == "ad_hoc" else SHORT.get(row["type"], row["type"])),
        "share": language.percent(row["share"]),
        "width": max(1.0, 100 * min(1.0, float(row["share"]))),
        "sentence": f"{deviation_sentence(row, language)}: {language.count(row['journeys'])} "
        f"{language.interval(row.get('share_low'), row.get('share_high'))}",
    }


def _promises(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the share of kept promises, of those that are decided."""
    if run.promises is None or run.promises.empty:
        return None
    rows = [row for row in records(run.promises) if row["kept"] + row["broken"] > 0]
    scale = Scale(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))
    return {
        "axis": axis(scale, [language.percent(tick, digits=scale.digits()) for tick in scale.ticks]),
        "rows": [
            {
                "label": language.say("{touchpoint} {promise}", touchpoint=readable(row["touchpoint"]),
                                      promise=row["promise"].replace("_", " "))
                + (f" ({readable(row['persona'])})" if row.get("persona") else ""),
                "picture": bar(scale, row["share_kept"], row.get("share_low"), row.get("share_high")),
                "value": language.percent(row["share_kept"]),
                "interval": language.interval(row.get("share_low"), row.get("share_high")),
                "covers": language.say("kept {kept}, broken {broken}, not yet decided {undecided}",
                                       kept=language.count(row["kept"]), broken=language.count(row["broken"]),
                                       undecided=language.count(row.get("undecided"))),
            }
            for row in rows
        ],
    }  # fmt: skip
