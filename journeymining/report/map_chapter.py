"""The chapter of the journey map: the journeys that the design judges, and all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.journey_map import all_moves, main_order, map_content
from journeymining.report.map_drawing import describe, draw_map
from journeymining.report.run_paths import END, START
from journeymining.report.tables import data_uri, show_table

if TYPE_CHECKING:
    from markupsafe import Markup

    from journeymining.report.journey_map import MapContent, Move
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run


def map_views(run: Run, language: Language) -> list[tuple[str, str, MapContent]]:
    """Return the maps of a run: key, name and content; the one that matters most first."""
    judged, everything = map_content(run, in_scope=True), map_content(run)
    views = []
    if judged is not None and everything is not None and judged.journeys != everything.journeys:
        name = language.say("In the scope of the design: {n} journeys", n=language.count(judged.journeys))
        views.append(("scope", name, judged))
    if everything is not None:
        views.append(("all", language.say("All {n} journeys", n=language.count(everything.journeys)), everything))
    return views


def standalone_map(run: Run, language: Language, *, title: str) -> Markup | None:
    """Return the first map as a file of its own."""
    views = map_views(run, language)
    return draw_map(views[0][2], language, key="map", title=title, standalone=True) if views else None


def map_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return what the chapter shows; None without touchpoints or transitions."""
    views = map_views(run, language)
    if not views:
        return None
    points = [point for _, _, content in views for point in content.touchpoints]
    return {
        "has_design": run.design is not None,
        "has_order": bool(main_order(run.design)),
        "truth": any(point.moment_of_truth for point in points),
        "neutral": len(views) > 1,
        "views": [_view(run, language, *view) for view in views],
    }


def _view(run: Run, language: Language, key: str, name: str, content: MapContent) -> dict[str, Any]:
    title = language.say("Journey map: {name}", name=name)
    picture = draw_map(content, language, key=key, title=title, standalone=True)
    moves = all_moves(run, in_scope=key == "scope")
    return {
        "key": key,
        "name": name,
        "picture": draw_map(content, language, key=key, title=title),
        "coverage": describe(content, language),
        "file": f"journey_map_{key}.svg",
        "download": data_uri(picture.encode(), "image/svg+xml"),
        "table": show_table(
            _move_table(moves, language),
            _columns(language),
            language,
            name=f"transitions_{key}.csv",
            kept_in="directly_follows.csv" if key == "all" else "variants.parquet",
        ),
    }


def _move_table(moves: list[Move], language: Language) -> pd.DataFrame:
    ends = {START: language.say("(start)"), END: language.say("(end)")}
    kinds = {"designed": language.say("yes"), "departs": language.say("no"), "neutral": ""}
    return pd.DataFrame(
        {
            "source": ends.get(move.source, move.source),
            "target": ends.get(move.target, move.target),
            "events": move.events,
            "journeys": move.journeys,
            "median_wait": move.median_wait,
            "designed": kinds[move.kind],
        }
        for move in moves
    )


def _columns(language: Language) -> dict[str, tuple[str, str]]:
    return {
        "source": (language.say("from"), "text"),
        "target": (language.say("to"), "text"),
        "events": (language.say("times"), "count"),
        "journeys": (language.say("journeys"), "count"),
        "median_wait": (language.say("median wait"), "duration"),
        "designed": (language.say("follows the design"), "text"),
    }
