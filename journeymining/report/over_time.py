"""Conformance over time: how many follow the design per period, and since when a deviation is more or less frequent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from journeymining.report.charts import Scale, axis, bar, dots, scale_of
from journeymining.report.deviations import deviation_sentence
from journeymining.report.tables import records, show_table

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

MOST_PERIODS = 36
MOST_CHANGES = 12


def over_time(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the shares that follow the design per period and the days deviations changed; None without both."""
    periods, changes = _periods(run, language), _changes(run, language)
    return {"periods": periods, "changes": changes} if periods or changes else None


def _periods(run: Run, language: Language) -> dict[str, Any] | None:
    """Return a bar per period: the share of the journeys that began in it and follow the design."""
    if run.periods is None or run.periods.empty:
        return None
    rows = records(run.periods.tail(MOST_PERIODS))
    scale = scale_of([row.get("share_high") for row in rows] + [row["share"] for row in rows])
    return {
        "left_out": max(len(run.periods) - MOST_PERIODS, 0),
        "chart": {
            "axis": axis(scale, [language.percent(tick, digits=scale.digits()) for tick in scale.ticks]),
            "rows": [
                {
                    "label": language.say("from {day}", day=language.day(_moment(row["period"]))),
                    "picture": bar(scale, row["share"], row.get("share_low"), row.get("share_high")),
                    "value": language.percent(row["share"]),
                    "interval": language.interval(row.get("share_low"), row.get("share_high")),
                    "covers": language.many(row["journeys"], "{n} journey", "{n} journeys"),
                }
                for row in rows
            ],
        },
        "table": show_table(
            run.periods,
            {
                "period": (language.say("journeys begun from"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "following": (language.say("as designed"), "count"),
                "share": (language.say("share"), "percent"),
                "share_low": (language.say("from"), "percent"),
                "share_high": (language.say("to"), "percent"),
                "fitness": (language.say("fitness"), "decimal"),
            },
            language,
            file=run.folder / "conformance_periods.csv",
        ),
    }


def _changes(run: Run, language: Language) -> dict[str, Any] | None:
    """Return a line per deviation that changed: the likeliest day, and the days that hold it with 95 %."""
    if run.drift is None or run.drift.empty:
        return None
    rows = records(run.drift.head(MOST_CHANGES))
    scale = _days([_moment(row[key]) for row in rows for key in ("since", "earliest", "latest")])
    return {
        "more": max(len(run.drift) - MOST_CHANGES, 0),
        "chart": {
            "axis": axis(scale, [language.day(datetime.fromtimestamp(tick, UTC)) for tick in scale.ticks]),
            "rows": [_change(row, scale, language) for row in rows],
        },
        "table": show_table(
            run.drift,
            {
                "type": (language.say("deviation"), "text"),
                "touchpoint": (language.say("touchpoint"), "text"),
                "since": (language.say("since"), "text"),
                "earliest": (language.say("from"), "text"),
                "latest": (language.say("to"), "text"),
                "before": (language.say("before"), "percent"),
                "after": (language.say("after"), "percent"),
                "probability": (language.say("probability"), "decimal"),
            },
            language,
            file=run.folder / "conformance_drift.csv",
        ),
    }


def _change(row: dict[str, Any], scale: Scale, language: Language) -> dict[str, Any]:
    since, earliest, latest = (_moment(row[key]) for key in ("since", "earliest", "latest"))
    mark = (since.timestamp(), earliest.timestamp(), latest.timestamp(), "var(--departs)")
    return {
        "label": deviation_sentence(row, language),
        "picture": dots(scale, [mark]),
        "value": language.say("since {day}", day=language.day(since)),
        "interval": f"[{language.day(earliest)}, {language.day(latest)}]",
        "covers": language.say(
            "{before} before, {after} after",
            before=language.percent(row["before"]), after=language.percent(row["after"]),
        ),
    }  # fmt: skip


def _days(moments: list[datetime]) -> Scale:
    """Return a scale of days from a little before the first to a little after the last, with both ends as ticks."""
    low, high = (one.timestamp() for one in (min(moments), max(moments)))
    room = max((high - low) / 10, 86_400.0)
    return Scale(low - room, high + room, (low - room, (low + high) / 2, high + room))


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
