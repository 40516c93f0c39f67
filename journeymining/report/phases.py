"""How far journeys come: the phases they reach, fall back from and end in, with the open ones counted as open."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from journeymining.proportions import wilson
from journeymining.report.charts import axis, bar, scale_of
from journeymining.report.svg import number, tag
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup

    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

REACHED = scale_of([1.0])
UNITS = {86400.0: "days", 3600.0: "hours", 60.0: "min", 1.0: "s"}
SHOWN = 0.95
"""Share of all that ever leave a phase up to which its curve is drawn; the rest would be a flat line."""


def phases_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return who reaches every phase, and how and when journeys leave it; None without phases."""
    progress = run.phase_progress
    if progress is None or progress.empty:
        return None
    return {
        "reached": {
            "rows": [_reached(row, language) for row in records(progress)],
            "axis": axis(REACHED, [language.percent(tick, digits=0) for tick in REACHED.ticks]),
        },
        "curves": _curves(run, language),
        "table": show_table(
            progress,
            {
                "phase": (language.say("phase"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "share": (language.say("share"), "percent"),
                "starts": (language.say("start here"), "count"),
                "furthest": (language.say("come no further"), "count"),
                "open": (language.say("of these still open"), "count"),
                "back_flows": (language.say("falls back"), "count"),
                "median_time": (language.say("median time to the next phase"), "duration"),
            },
            language,
            file=run.folder / "phase_progress.csv",
        ),
        "dropoff": None
        if run.phase_dropoff is None
        else show_table(
            run.phase_dropoff,
            {
                "phase": (language.say("phase"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "moved_on": (language.say("moved on"), "count"),
                "ended": (language.say("ended"), "count"),
                "open": (language.say("open"), "count"),
                "drop_off": (language.say("drop-off"), "percent"),
                "drop_off_low": (language.say("from"), "percent"),
                "drop_off_high": (language.say("to"), "percent"),
                "median_time": (language.say("median time in it"), "duration"),
            },
            language,
            file=run.folder / "phase_dropoff.csv",
        ),
    }


def _reached(row: dict[str, Any], language: Language) -> dict[str, Any]:
    journeys, back = int(row["journeys"]), int(row.get("back_journeys", 0) or 0)
    covers = language.many(journeys, "{n} journey", "{n} journeys")
    if back:
        ends = [float(end) for end in wilson(back, journeys)]
        covers += language.say(
            "; {share} {interval} of them fall back to an earlier phase",
            share=language.percent(back / journeys), interval=language.interval(*ends),
        )  # fmt: skip
    low, high = row.get("share_low"), row.get("share_high")
    share = float(row["share"]) if isfinite(row["share"]) else 0.0
    return {
        "label": readable(row["phase"]),
        "picture": bar(REACHED, share, low, high, colour="var(--neutral)"),
        "value": language.percent(row["share"]),
        "interval": language.interval(low, high),
        "covers": covers,
    }


def _curves(run: Run, language: Language) -> list[dict[str, Any]]:
    if run.phase_dropoff is None or run.phase_exits is None:
        return []
    found = []
    for row in records(run.phase_dropoff):
        curve = run.phase_exits[run.phase_exits["phase"] == row["phase"]]
        if curve.empty:
            continue
        name = readable(row["phase"])
        sentence = language.say(
            "{share} {interval} end in it without getting further, of {journeys}; {open} still open",
            share=language.percent(row["drop_off"]),
            interval=language.interval(row["drop_off_low"], row["drop_off_high"]),
            journeys=language.many(row["journeys"], "{n} journey", "{n} journeys"),
            open=language.count(row["open"]),
        )
        half = row.get("median_time")
        if half is not None and isfinite(half):
            sentence += language.say("; half are gone after {time}", time=language.duration(half))
        title = language.say("{phase}: moved on and ended as time goes by", phase=name)
        found.append({"name": name, "sentence": sentence + ".", "picture": _plot(curve, title, language)})
    return found


def _plot(curve: pd.DataFrame, title: str, language: Language) -> Markup:
    """Draw the shares that moved on and that ended over time, as steps with their intervals."""
    gone = 1 - curve["still"]
    until = float(curve.loc[gone >= SHOWN * float(gone.iloc[-1]) - 1e-12, "time"].iloc[0]) or 1.0
    shown = curve[curve["time"] <= until]
    unit = _unit(until)
    times = scale_of([until / unit], steps=3)
    width, height, left, top = 250.0, 120.0, 40.0, 8.0

    def x(time: float) -> float:
        return left + width * min(time / unit / times.high, 1.0)

    def y(share: float) -> float:
        return top + height * (1 - share)

    parts: list[Markup] = []
    for tick in (0.0, 0.5, 1.0):
        parts.append(tag("line", x1=left, x2=left + width, y1=y(tick), y2=y(tick), class_="grid"))
        label = language.percent(tick, digits=0)
        parts.append(tag("text", label, x=left - 6, y=y(tick) + 4, text_anchor="end", class_="tick"))
    for tick in times.ticks:
        last = tick == times.ticks[-1]
        text = language.decimals(tick, times.digits(1)) + (f" {language.say(UNITS[unit])}" if last else "")
        anchor = "end" if last else "middle"
        parts.append(tag("text", text, x=x(tick * unit), y=top + height + 16, text_anchor=anchor, class_="tick"))
    for name, colour, dashes in (("ended", "var(--neutral)", "5 3"), ("moved_on", "var(--good)", None)):
        band = _steps(shown, f"{name}_high", x, y) + _steps(shown, f"{name}_low", x, y)[::-1]
        parts.append(tag("polygon", points=_points(band), fill=colour, fill_opacity=0.18))
        line = _points(_steps(shown, name, x, y))
        parts.append(
            tag("polyline", points=line, fill="none", stroke=colour, stroke_width=2.2, stroke_dasharray=dashes)
        )
    box = f"0 0 {number(left + width + 14)} {number(top + height + 24)}"
    return tag(
        "svg", tag("title", title), *parts, class_="plot", role="img", viewBox=box, width=left + width + 14
    )  # fmt: skip


def _steps(curve: pd.DataFrame, column: str, x: Any, y: Any) -> list[tuple[float, float]]:
    """Return the corners of a step line that begins at nothing."""
    share = curve[column] if column in curve else curve[column.rsplit("_", 1)[0]]
    corners, level = [(x(0.0), y(0.0))], 0.0
    for time, value in zip(curve["time"], share, strict=True):
        corners += [(x(time), y(level)), (x(time), y(value))]
        level = float(value)
    return corners


def _points(corners: list[tuple[float, float]]) -> str:
    return " ".join(f"{number(a)},{number(b)}" for a, b in corners)


def _unit(seconds: float) -> float:
    """Return the unit, in seconds, in which ticks are round."""
    return next((unit for unit in UNITS if seconds >= 2 * unit), 1.0)
