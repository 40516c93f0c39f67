"""Found personas: groups of journeys that are alike, with how surely each comes back and what sets it apart."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.charts import axis, bar, dots, scale_of
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

TOP = 5
WHOLE = scale_of([1.0])
NARROW = scale_of([1.0], steps=2)


def personas_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the found personas; None where nobody looked for any."""
    summary = run.persona_summary
    if summary is None or run.personas is None or run.persona_touchpoints is None:
        return None
    threshold = float(summary.get("stable_from", 0.75))
    labels = [language.percent(tick, digits=0) for tick in NARROW.ticks]
    return {
        "sentence": summary["sentence"],
        "ari": language.decimals(summary.get("ari"), 2),
        "ari_interval": language.interval(summary.get("ari_low"), summary.get("ari_high"), scale=1, digits=2),
        "draws": language.count(summary.get("draws")),
        "threshold": language.decimals(threshold, 2),
        "stability": {
            "rows": [_stability(row, threshold, language) for row in records(run.personas)],
            "axis": axis(WHOLE, [language.decimals(tick, 2) for tick in WHOLE.ticks]),
        },
        "groups": [
            {
                "title": _title(row, language),
                "stable": row["stands"] == "stable",
                "path": _typical(run, row),
                "covers": language.say(
                    "{journeys}, {share} {interval} of all; {events} in the median",
                    journeys=language.many(row["journeys"], "{n} journey", "{n} journeys"),
                    share=language.percent(row["share"]),
                    interval=language.interval(row.get("share_low"), row.get("share_high")),
                    events=language.many(row.get("median_events"), "{n} event", "{n} events"),
                ),
                "chart": {
                    "rows": [
                        _touchpoint(one, language)
                        for one in records(run.persona_touchpoints)
                        if one["persona"] == row["persona"]
                    ][:TOP],
                    "axis": axis(NARROW, labels),
                },
            }
            for row in records(run.personas)
        ],
        "table": show_table(
            run.persona_touchpoints,
            {
                "persona": (language.say("group"), "count"),
                "activity": (language.say("touchpoint"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "share": (language.say("share here"), "percent"),
                "share_elsewhere": (language.say("share elsewhere"), "percent"),
                "lift": (language.say("lift"), "one"),
                "times": (language.say("times per journey"), "one"),
                "times_elsewhere": (language.say("elsewhere"), "one"),
            },
            language,
            file=run.folder / "found_persona_touchpoints.csv",
        ),
        "tried": _tried(summary, language),
    }


def _title(row: dict[str, Any], language: Language) -> str:
    if row["name"]:
        return language.say("{number}. Journeys {name}", number=row["persona"], name=str(row["name"]).replace("_", " "))
    return language.say("{number}. No name: not stable", number=row["persona"])


def _stability(row: dict[str, Any], threshold: float, language: Language) -> dict[str, Any]:
    stable = row["jaccard"] >= threshold
    return {
        "label": _title(row, language),
        "picture": bar(
            WHOLE, row["jaccard"], row.get("jaccard_low"), row.get("jaccard_high"),
            colour="var(--good)" if stable else "var(--neutral)",
        ),
        "value": language.decimals(row["jaccard"], 2),
        "interval": language.interval(row.get("jaccard_low"), row.get("jaccard_high"), scale=1, digits=2),
        "covers": language.say("comes back") if stable else language.say("does not come back"),
    }  # fmt: skip


def _touchpoint(row: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        "label": readable(row["activity"]),
        "picture": dots(
            NARROW,
            [(row["share"], None, None, "var(--ink)"), (row["share_elsewhere"], None, None, "var(--neutral)")],
        ),
        "value": language.percent(row["share"]),
        "interval": "",
        "covers": language.say("{share} elsewhere", share=language.percent(row["share_elsewhere"])),
    }


def _typical(run: Run, row: dict[str, Any]) -> list[str]:
    """Return the most frequent path of a group, if it is among the paths that the report holds."""
    if run.variants is None:
        return []
    found = run.variants.top
    rows = found[found["variant_id"] == str(row.get("typical_variant", ""))]
    if rows.empty:
        return []
    steps = [(name, len(list(times))) for name, times in groupby(rows["path"].iloc[0])]
    return [readable(name) + (f" ×{times}" if times > 1 else "") for name, times in steps[:12]]


def _tried(summary: dict[str, Any], language: Language) -> Any:
    tried = pd.DataFrame(summary.get("tried") or [])
    if tried.empty:
        return None
    columns = {
        "clusters": (language.say("groups"), "count"),
        "explained": (language.say("spread explained"), "percent"),
        "explained_without_structure": (language.say("if touchpoints came independently"), "percent"),
        "ari": (language.say("adjusted Rand"), "decimal"),
    }
    return show_table(tried, columns, language, name="found_personas_tried.csv")
