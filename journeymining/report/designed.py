"""Designed against actual: the designed flow touchpoint by touchpoint, and the deviations in order of journeys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import axis, bar, scale_of
from journeymining.report.journey_map import all_touchpoints
from journeymining.report.palette import channel_colours
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    import pandas as pd

    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

SHORT = {
    "missing": "missing",
    "ad_hoc": "not in the design",
    "wrong_order": "wrong order",
    "repeated": "repeated",
    "wrong_channel": "wrong channel",
    "wrong_actor": "wrong actor",
    "failing": "failed",
    "late": "late",
    "bounced_back": "bounced back",
    "dead_end": "dead end",
}
MOST_BARS = 20


def designed_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return what the chapter shows; None without a table of deviations."""
    if run.deviations is None:
        return None
    summary = run.conformance_summary or {}
    found = _sorted(run.deviations)
    return {
        "steps": _steps(run, found, language) if run.design else [],
        "flow": (run.design or {}).get("flow"),
        "bars": _bars(found.head(MOST_BARS), language),
        "more": max(len(found) - MOST_BARS, 0),
        "summary": summary,
        "pending": summary.get("open"),
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


def deviation_sentence(row: dict[str, Any], language: Language) -> str:
    """Say a deviation in a few words.

    Examples
    --------
    >>> from journeymining.report.language import read_language
    >>> row = {"type": "wrong_channel", "touchpoint": "order_placed", "expected": "web", "observed": "phone"}
    >>> deviation_sentence(row, read_language("en"))
    'Order placed: wrong channel (phone instead of web)'
    """
    name = readable(row["touchpoint"]) if row["touchpoint"] else language.say("whole journey")
    text = f"{name}: {language.say(SHORT.get(row['type'], readable(row['type']).lower()))}"
    expected, observed = row.get("expected") or "", row.get("observed") or ""
    if row["type"] in {"wrong_channel", "wrong_actor"} and expected and observed:
        return f"{text} ({language.say('{observed} instead of {expected}', observed=observed, expected=expected)})"
    detail = observed if row["type"] in {"wrong_order", "repeated"} else expected if row["type"] == "late" else ""
    return f"{text} ({readable(detail).lower()})" if detail else text


def _sorted(deviations: pd.DataFrame) -> pd.DataFrame:
    return deviations.sort_values(
        ["journeys", "type", "touchpoint"], ascending=[False, True, True], kind="stable"
    ).reset_index(drop=True)


def _bars(found: pd.DataFrame, language: Language) -> dict[str, Any]:
    rows = records(found)
    scale = scale_of([row.get("share_high") for row in rows] + [row["share"] for row in rows])
    return {
        "axis": axis(scale, [language.percent(tick) for tick in scale.ticks]),
        "rows": [
            {
                "label": deviation_sentence(row, language),
                "picture": bar(scale, row["share"], row.get("share_low"), row.get("share_high"),
                               colour="var(--departs)"),
                "value": language.percent(row["share"]),
                "interval": language.interval(row.get("share_low"), row.get("share_high")),
                "covers": language.say("{n} journeys", n=language.count(row["journeys"])),
            }
            for row in rows
        ],
    }  # fmt: skip


def _steps(run: Run, found: pd.DataFrame, language: Language) -> list[dict[str, Any]]:
    """Return the designed touchpoints in their order, with what happens at each."""
    points = {point.name: point for point in all_touchpoints(run)}
    design = {point["name"]: point for point in (run.design or {}).get("touchpoints", [])}
    order = (run.design or {}).get("order", [])
    colours = channel_colours(sorted({channel for point in points.values() for channel in point.channels}))
    steps = []
    for name in [*order, *(other for other in design if other not in order)]:
        planned = design.get(name, {})
        here = records(found[found["touchpoint"] == name])
        departing = sum(float(row["share"]) for row in here)
        point = points.get(name)
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
                "never": not point or not point.journeys,
                "least": language.percent(max(0.0, 1 - departing)),
                "exact": len(here) <= 1,
                "fill": 100 * max(0.0, 1 - departing),
                "deviations": [_step_deviation(row, language) for row in here[:5]],
            }
        )
    return steps


def _step_deviation(row: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        "label": language.say(SHORT.get(row["type"], row["type"])),
        "share": language.percent(row["share"]),
        "width": max(1.0, 100 * min(1.0, float(row["share"]))),
        "sentence": f"{deviation_sentence(row, language)}: {language.count(row['journeys'])} "
        f"{language.interval(row.get('share_low'), row.get('share_high'))}",
    }
