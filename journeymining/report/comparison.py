"""Two groups of journeys beside each other: a map coloured by difference, and what differs most surely."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.charts import axis, dots, scale_of
from journeymining.report.journey_map import MapContent, Move, all_touchpoints, map_phases, most_frequent, run_colours
from journeymining.report.map_drawing import draw_map
from journeymining.report.run_paths import END, START
from journeymining.report.tables import data_uri, records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.journey_map import Touchpoint
    from journeymining.report.language import Language
    from journeymining.report.run_files import Compared, Run

TOP = 12
MOST_TOUCHPOINTS, MOST_MOVES = 18, 40
LEANS = {"higher": "first", "lower": "second"}
ON_MAP = ("directly follows", "starts", "ends")


def comparison_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the comparisons of a run; None without any."""
    if not run.comparisons:
        return None
    return {"groups": [_comparison(run, one, language) for one in run.comparisons]}


def _comparison(run: Run, found: Compared, language: Language) -> dict[str, Any]:
    names = [str(name) for name in found.summary.get("names") or ("first", "second")]
    title = language.say("Difference map: {first} against {second}", first=names[0], second=names[1])
    content = difference_map(run, found, names, language)
    file = run.folder / "comparisons" / f"{found.name}.csv"
    picture = None if content is None else draw_map(content, language, key=f"difference-{found.name}", title=title)
    download = None
    if content is not None:
        standalone = draw_map(content, language, key=f"alone-{found.name}", title=title, standalone=True)
        download = data_uri(standalone.encode(), "image/svg+xml")
    return {
        "name": readable(found.name),
        "sentence": str(found.summary.get("sentence") or ""),
        "names": names,
        "notes": _notes(found, language),
        "picture": picture,
        "download": download,
        "file": f"difference_map_{found.name}.svg",
        "shares": _chart(found, "share", language),
        "waits": _chart(found, "median seconds", language),
        "table": show_table(
            found.table,
            {
                "analysis": (language.say("analysis"), "text"),
                "item": (language.say("what"), "text"),
                "measure": (language.say("measure"), "text"),
                "first": (names[0], "decimal"),
                "second": (names[1], "decimal"),
                "difference": (language.say("difference"), "decimal"),
                "low": (language.say("from"), "decimal"),
                "high": (language.say("to"), "decimal"),
                "q": (language.say("q"), "decimal"),
                "verdict": (language.say("verdict"), "text"),
            },
            language,
            file=file,
        ),
    }


def difference_map(run: Run, found: Compared, names: list[str], language: Language) -> MapContent | None:
    """Return a journey map of both groups together, coloured where they can be told apart; None without moves."""
    meets = {row["item"]: row for row in records(found.table[found.table["analysis"] == "touchpoints"])}
    moves = sorted(_moves(found, names, language), key=lambda move: (-move.events, move.source, move.target))
    if not meets or not moves:
        return None
    points = [
        _point(point, meets[point.name], names, language) for point in all_touchpoints(run) if point.name in meets
    ]
    # What differs comes first, then what is frequent: a difference that is not drawn would not be seen.
    shown = sorted(points, key=lambda point: (not point.leans, -point.journeys, point.name))[:MOST_TOUCHPOINTS]
    drawn = {point.name for point in shown} | {START, END}
    drawable = [move for move in moves if move.source in drawn and move.target in drawn]
    kept = most_frequent(drawable, MOST_MOVES)
    telling = [move for move in drawable if move.kind != "neutral" and move not in kept][:MOST_MOVES]
    kept = [move for move in drawable if move in kept or move in telling]
    return MapContent(
        touchpoints=shown,
        moves=kept,
        phases=map_phases(run, points),
        has_design=False,
        journeys=sum(found.summary.get("journeys") or [0]),
        all_touchpoints=len(points),
        all_moves=len(moves),
        shown_events=sum(move.events for move in kept),
        all_events=sum(move.events for move in moves),
        colours=run_colours(run),
    )


def _point(point: Touchpoint, row: dict[str, Any], names: list[str], language: Language) -> Touchpoint:
    leans = LEANS.get(row["verdict"], "")
    return replace(
        point,
        journeys=_both(row),
        departs=False,
        moment_of_truth=False,
        deviations={},
        leans=leans,
        note=language.points(row["difference"]) if leans else language.say("not told apart"),
        said=_sentence(readable(point.name), row, names, language),
    )


def _moves(found: Compared, names: list[str], language: Language) -> list[Move]:
    table = found.table[found.table["analysis"].isin(ON_MAP)]
    moves = []
    for row in records(table):
        source, target = row["source"], row["target"]
        if row["analysis"] == "starts":
            source, target = START, row["item"]
        elif row["analysis"] == "ends":
            source, target = row["item"], END
        ends = {START: language.say("(start)"), END: language.say("(end)")}
        said = f"{ends.get(source) or readable(source)} → {ends.get(target) or readable(target)}"
        kind = LEANS.get(row["verdict"], "neutral")
        both = _both(row)
        moves.append(Move(source, target, both, both, None, kind, _sentence(said, row, names, language)))
    return moves


def _both(row: dict[str, Any]) -> int:
    return int(row.get("journeys_first") or 0) + int(row.get("journeys_second") or 0)


def _sentence(what: str, row: dict[str, Any], names: list[str], language: Language) -> str:
    text = language.say(
        "{what}: {first} of {one}, {second} of {other}", what=what, first=language.percent(row["first"]),
        second=language.percent(row["second"]), one=names[0], other=names[1],
    )  # fmt: skip
    if row["verdict"] in LEANS:
        return text + language.say(
            "; difference {points} points {interval}", points=language.points(row["difference"]),
            interval=language.interval(row["low"], row["high"], signed=True),
        )  # fmt: skip
    return text + language.say("; cannot be told apart") if row["q"] == row["q"] else text + language.say("; too few")


def _chart(found: Compared, measure: str, language: Language) -> dict[str, Any] | None:
    """Return what differs most surely, with intervals; the largest differences first."""
    table = found.table
    rows = table[(table["measure"] == measure) & table["verdict"].isin(LEANS)]
    if rows.empty:
        return None
    # One line per thing: a touchpoint that is met in one channel only would say the same twice.
    same = [name for name in ("first", "second", "journeys_first", "journeys_second", "difference") if name in rows]
    rows = rows.drop_duplicates(same)
    sizes = rows.assign(size=-rows["difference"].abs())
    if measure == "share":
        rows = sizes.sort_values(["size", "analysis", "item"], kind="stable").head(TOP)
    else:
        rows = sizes.sort_values(["q", "size", "item"], kind="stable").head(TOP)
    unit = 1.0 if measure == "share" else _unit(rows["difference"].abs().max())
    scale = scale_of(
        [value / unit for name in ("difference", "low", "high") for value in rows[name] if pd.notna(value)]
    )
    digits = scale.digits(100 if measure == "share" else 1)
    ticks = [
        language.points(tick, digits=digits) if measure == "share" else language.decimals(tick, digits, signed=True)
        for tick in scale.ticks
    ]
    return {
        "rows": [_row(row, scale, unit, measure, language) for row in records(rows)],
        "axis": axis(scale, ticks),
        "unit": _UNITS.get(unit, ""),
        "all": language.count(int(table[(table["measure"] == measure)]["verdict"].isin(LEANS).sum())),
    }


def _row(row: dict[str, Any], scale: Any, unit: float, measure: str, language: Language) -> dict[str, Any]:
    colour = f"var(--{LEANS[row['verdict']]})"
    ends = [None if pd.isna(row[name]) else row[name] / unit for name in ("low", "high")]
    values = (row["first"], row["second"])
    shown = [language.percent(one) if measure == "share" else language.duration(one) for one in values]
    share = measure == "share"
    return {
        "label": f"{readable(row['item'])} ({row['analysis']})",
        "picture": dots(scale, [(row["difference"] / unit, ends[0], ends[1], colour)]),
        "value": language.points(row["difference"])
        if share
        else language.decimals(row["difference"] / unit, 1, signed=True),
        "interval": language.interval(*ends, scale=100 if share else 1, signed=True),
        "covers": language.say("{first} against {second}", first=shown[0], second=shown[1]),
    }


_UNITS = {86400.0: "days", 3600.0: "hours", 60.0: "min", 1.0: "s"}


def _unit(seconds: float) -> float:
    return next((unit for unit in _UNITS if seconds >= unit), 1.0)


def _notes(found: Compared, language: Language) -> list[str]:
    """Return what the groups leave out, and what they do not tell."""
    summary = found.summary
    notes = []
    if twice := int(summary.get("journeys_in_both") or 0):
        notes.append(
            language.many(
                twice, "{n} journey is of both groups and left out.", "{n} journeys are of both groups and left out."
            )
        )
    customers = summary.get("customers") or []
    if customers and sum(customers) < 0.9 * sum(summary.get("journeys") or [0]):
        notes.append(
            language.say("Journeys are taken as independent; many customers have several, so intervals are too narrow.")
        )
    notes.append(language.say("The groups were not made by chance: a difference is no effect."))
    return notes
