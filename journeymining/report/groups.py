"""Who follows the design: personas that have designs of their own, and segments by an attribute of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.proportions import wilson
from journeymining.report.charts import axis, dots, scale_of
from journeymining.report.deviations import deviation_sentence
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    import pandas as pd

    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

MOST_GROUPS = 12


def groups(run: Run, language: Language) -> list[dict[str, Any]]:
    """Return a dot plot for personas and one for segments, as far as a run has their tables; rows by journeys."""
    found = []
    if run.designed_personas is not None and not run.designed_personas.empty:
        rows = run.designed_personas.rename(columns={"persona": "group"})
        title = language.say("Share of journeys that follow the design of their persona")
        found.append(_chart(title, rows, {}, run.designed_personas, "conformance_personas.csv", run, language))
    # A design of rules only has no flow that anybody could follow.
    if run.segments is not None and run.segments["fitness"].notna().any():
        title = language.say("Share of journeys that follow the design, by segment")
        rows, faults = _of_all_periods(run.segments), _first_deviations(run.segment_deviations, language)
        found.append(_chart(title, rows, faults, run.segments, "conformance_segments.csv", run, language))
    return found


def _of_all_periods(segments: pd.DataFrame) -> pd.DataFrame:
    """Add the periods of each segment up."""
    rows = segments.rename(columns={"segment": "group"}).groupby("group", as_index=False)[["journeys", "following"]]
    table = rows.sum()
    table["share"] = table["following"] / table["journeys"]
    table["share_low"], table["share_high"] = wilson(table["following"], table["journeys"])
    return table


def _first_deviations(deviations: pd.DataFrame | None, language: Language) -> dict[str, str]:
    """Return in words the deviation that most journeys of a segment have."""
    if deviations is None or deviations.empty:
        return {}
    keys = ["segment", "type", "touchpoint"]
    table: pd.DataFrame = deviations.groupby(keys, as_index=False)[["journeys"]].sum()
    table = table.sort_values(["segment", "journeys", *keys[1:]], ascending=[True, False, True, True])
    first = records(table.drop_duplicates("segment"))
    return {row["segment"]: f"{deviation_sentence(row, language)} ({language.count(row['journeys'])})" for row in first}


def _chart(
    title: str,
    rows: pd.DataFrame,
    faults: dict[str, str],
    table: pd.DataFrame,
    file: str,
    run: Run,
    language: Language,
) -> dict[str, Any]:
    """Return a row per group: the share that follows its design with its interval, and how many journeys that is of."""
    shown = records(rows.sort_values(["journeys", "group"], ascending=[False, True]).head(MOST_GROUPS))
    scale = scale_of([row[key] for row in shown for key in ("share", "share_low", "share_high")])
    say = language.say
    return {
        "title": title,
        "more": max(len(rows) - MOST_GROUPS, 0),
        "chart": {
            "axis": axis(scale, [language.percent(tick, digits=scale.digits()) for tick in scale.ticks]),
            "rows": [
                {
                    "label": readable(row["group"]) if row["group"] else say("unknown"),
                    "picture": dots(scale, [(row["share"], row["share_low"], row["share_high"], "var(--design)")]),
                    "value": language.percent(row["share"]),
                    "interval": language.interval(row["share_low"], row["share_high"]),
                    "covers": _covers(row, faults.get(row["group"]), language),
                }
                for row in shown
            ],
        },
        "table": show_table(
            table,
            {
                "persona": (say("persona"), "text"),
                "segment": (say("segment"), "text"),
                "period": (say("journeys begun from"), "text"),
                "journeys": (say("journeys"), "count"),
                "following": (say("as designed"), "count"),
                "share": (say("share"), "percent"),
                "share_low": (say("from"), "percent"),
                "share_high": (say("to"), "percent"),
                "fitness": (say("fitness"), "decimal"),
            },
            language,
            file=run.folder / file,
        ),
    }


def _covers(row: dict[str, Any], fault: str | None, language: Language) -> str:
    journeys = language.many(row["journeys"], "{n} journey", "{n} journeys")
    return language.say("{journeys}; most often: {fault}", journeys=journeys, fault=fault) if fault else journeys
