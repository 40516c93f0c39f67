"""Moments of truth: at which touchpoints the chance of an outcome moves, and which steps decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import axis, dots, scale_of
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.report.language import Language
    from journeymining.report.run_files import Outcome

MOST_TOUCHPOINTS = 10
MOST_STEPS = 8
LEVEL = 0.05


def moments_picture(outcome: Outcome, language: Language, folder: Path) -> dict[str, Any] | None:
    """Draw how the outcome comes after each touchpoint against the chance before it; None where nothing was found."""
    touchpoints = outcome.touchpoints
    if touchpoints is None or touchpoints.empty:
        return None
    rows = records(touchpoints.head(MOST_TOUCHPOINTS))
    scale = scale_of([row[key] for row in rows for key in ("observed", "observed_low", "observed_high")])
    return {
        "chart": {
            "axis": axis(scale, [language.points(tick, digits=scale.digits()) for tick in scale.ticks]),
            "rows": [_row(row, scale, language) for row in rows],
        },
        "more": max(len(touchpoints) - MOST_TOUCHPOINTS, 0),
        "decided": _decided(outcome, language),
        "tables": [
            (title, show_table(frame, columns, language, file=folder / name))
            for title, frame, columns, name in (
                (language.say("How touchpoints move the chance"), touchpoints, _touchpoint_columns(language),
                 "outcome_touchpoints.csv"),
                (language.say("How journeys end that took a step"), outcome.steps, _step_columns(language),
                 "outcome_steps.csv"),
            )
            if frame is not None and not frame.empty
        ],
    }  # fmt: skip


def _row(row: dict[str, Any], scale: Any, language: Language) -> dict[str, Any]:
    sure = row["q"] < LEVEL and row["observed"] * row["shift"] > 0
    mark = (row["observed"], row["observed_low"], row["observed_high"], "var(--design)" if sure else "var(--neutral)")
    return {
        "label": readable(row["activity"]),
        "picture": dots(scale, [mark]),
        "value": language.points(row["observed"]),
        "interval": language.interval(row["observed_low"], row["observed_high"], signed=True),
        "covers": language.say(
            "{journeys}, the model says {points}, {left}",
            journeys=language.many(row["journeys"], "{n} journey", "{n} journeys"),
            points=language.points(row["shift"]),
            left=language.many(row["events_left"], "{n} event to come", "{n} events to come"),
        ),
    }


def _decided(outcome: Outcome, language: Language) -> list[str]:
    """Say which steps decide, the most frequent first."""
    if outcome.steps is None:
        return []
    deciding = outcome.steps[outcome.steps["decides"].isin(["outcome", "no outcome"])]
    return [
        language.say(
            "{source} → {target}: {rate} of {journeys} have the outcome {interval}, {held} of {others} held out",
            source=readable(row["source"]), target=readable(row["target"]).lower(), rate=language.percent(row["rate"]),
            journeys=language.many(row["n"], "{n} journey", "{n} journeys"),
            interval=language.interval(row["rate_low"], row["rate_high"]),
            held=language.percent(row["holdout_rate"]), others=language.count(row["holdout_n"]),
        )
        for row in records(deciding.head(MOST_STEPS))
    ]  # fmt: skip


def _touchpoint_columns(language: Language) -> dict[str, tuple[str, str]]:
    say = language.say
    return {
        "activity": (say("touchpoint"), "text"),
        "events": (say("events"), "count"),
        "journeys": (say("journeys"), "count"),
        "move": (say("moves either way"), "points"),
        "shift": (say("the model moves"), "points"),
        "observed": (say("observed"), "points"),
        "observed_low": (say("from"), "points"),
        "observed_high": (say("to"), "points"),
        "q": ("q", "decimal"),
        "spread_after": (say("variance after"), "decimal"),
        "events_left": (say("events to come"), "one"),
    }


def _step_columns(language: Language) -> dict[str, tuple[str, str]]:
    say = language.say
    return {
        "source": (say("from"), "text"),
        "target": (say("to"), "text"),
        "n": (say("journeys"), "count"),
        "rate": (say("rate"), "percent"),
        "rate_low": (say("from"), "percent"),
        "rate_high": (say("to"), "percent"),
        "weight": (say("weight"), "one"),
        "holdout_n": (say("hold-out journeys"), "count"),
        "holdout_rate": (say("hold-out"), "percent"),
        "decides": (say("decides"), "text"),
        "events_left": (say("events to come"), "one"),
    }
