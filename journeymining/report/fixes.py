"""What to mend first: deviations in the order of what mending them would be worth, as far as an association tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import axis, dots, scale_of
from journeymining.report.deviations import deviation_sentence
from journeymining.report.tables import records, show_table

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.report.language import Language
    from journeymining.report.run_files import Outcome

MOST_FIXES = 10


def fixes_picture(outcome: Outcome, language: Language, file: Path) -> dict[str, Any] | None:
    """Return the deviations whose mending would be worth most, with intervals; None without a fix list."""
    fixes = outcome.fixes
    if fixes is None or fixes.empty:
        return None
    rows = records(fixes.head(MOST_FIXES))
    scale = scale_of([row[key] for row in rows for key in ("worth", "worth_low", "worth_high")])
    return {
        "wanted": bool(fixes["wanted"].iloc[0]),
        "chart": {
            "axis": axis(scale, [language.decimals(tick, scale.digits(1), signed=True) for tick in scale.ticks]),
            "rows": [_row(row, scale, language) for row in rows],
        },
        "more": max(len(fixes) - MOST_FIXES, 0),
        "unsure": sum(row["worth_low"] <= 0 for row in rows),
        "table": show_table(fixes, _columns(language), language, file=file),
    }


def _row(row: dict[str, Any], scale: Any, language: Language) -> dict[str, Any]:
    sure = row["worth_low"] > 0
    mark = (row["worth"], row["worth_low"], row["worth_high"], "var(--departs)" if sure else "var(--neutral)")
    return {
        "label": deviation_sentence(row, language),
        "picture": dots(scale, [mark]),
        "value": language.decimals(row["worth"], signed=True),
        "interval": language.interval(row["worth_low"], row["worth_high"], scale=1, signed=True),
        "covers": language.say(
            "{journeys}, difference {points} points {interval}",
            journeys=language.many(row["journeys"], "{n} journey", "{n} journeys"),
            points=language.points(row["difference"]),
            interval=language.interval(row.get("difference_low"), row.get("difference_high"), signed=True),
        ),
    }


def _columns(language: Language) -> dict[str, tuple[str, str]]:
    say = language.say
    return {
        "type": (say("deviation"), "text"),
        "touchpoint": (say("touchpoint"), "text"),
        "journeys": (say("journeys"), "count"),
        "known": (say("outcome known"), "count"),
        "rate_with": (say("rate with"), "percent"),
        "rate_without": (say("rate without"), "percent"),
        "difference": (say("difference"), "points"),
        "difference_low": (say("from"), "points"),
        "difference_high": (say("to"), "points"),
        "worth": (say("worth"), "one"),
        "worth_low": (say("from"), "one"),
        "worth_high": (say("to"), "one"),
    }
