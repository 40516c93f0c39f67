"""The journey map as a picture: vector, self-contained, readable by screen readers, light and dark."""

from __future__ import annotations

from itertools import pairwise
from math import cos, pi, sin, sqrt
from typing import TYPE_CHECKING

from markupsafe import Markup

from journeymining.report.deviations import SHORT
from journeymining.report.map_layout import LABEL_SIZE, LINE_HEIGHT, NOTE_SIZE, lay_out
from journeymining.report.palette import colour_variables
from journeymining.report.run_paths import END, START
from journeymining.report.svg import group, number, tag
from journeymining.report.text_metrics import readable, shorten, wrap

if TYPE_CHECKING:
    from journeymining.report.journey_map import MapContent, Move, Touchpoint
    from journeymining.report.language import Language
    from journeymining.report.map_layout import Layout, Line, Node

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
LANE_LABELS = 100.0
NOTE_WIDTH = 92.0
STYLE = """
.map text{font-family:FONT;fill:var(--ink)}
.map .tint{fill-opacity:.075}
.map .label{font-size:12px;font-weight:600;text-anchor:middle}
.map .note{font-size:11px;text-anchor:middle;fill:var(--soft)}
.map .note.departs{fill:var(--departs)}
.map .phase{font-size:12px;font-weight:600;fill:var(--soft);letter-spacing:.02em}
.map .lane{font-size:12px;font-weight:600}
.map .mark{font-size:12px;font-weight:700;text-anchor:middle}
.map .line{fill:none;stroke:var(--neutral);stroke-opacity:.6}
.map .tip{fill:var(--neutral);stroke:none}
.map .designed .line{stroke:var(--design);stroke-opacity:.72}.map .designed .tip{fill:var(--design)}
.map .departs .line{stroke:var(--departs);stroke-opacity:.62}.map .departs .tip{fill:var(--departs)}
.map .first .line{stroke:var(--first);stroke-opacity:.8}.map .first .tip{fill:var(--first)}
.map .second .line{stroke:var(--second);stroke-opacity:.8}.map .second .tip{fill:var(--second)}
.map .note.first{fill:var(--first)}.map .note.second{fill:var(--second)}
.map .reach{fill:none;stroke:transparent;stroke-width:14px}
.map .band{fill:none;stroke:var(--design-soft);stroke-width:22px;stroke-linecap:round}
.map [data-tip]{outline:none}
.map .stop:focus-visible .halo,.map .stop:hover .halo{stroke:var(--ink);stroke-opacity:.5}
.map.quiet .move:not(.on){opacity:.08}.map.quiet .stop:not(.on){opacity:.35}
.map .move,.map .stop{transition:opacity .12s}
@media (prefers-reduced-motion:reduce){.map .move,.map .stop{transition:none}}
""".replace("FONT", FONT)


def draw_map(content: MapContent, language: Language, *, key: str, title: str, standalone: bool = False) -> Markup:
    """Draw the map; ``key`` tells its ids from those of another map on the page.

    Standalone it is one SVG that carries its own colours. Inside the report it uses those of the page, and the names
    of the lanes are an SVG of their own, which stays in place while the map scrolls sideways.
    """
    notes = {point.name: _notes(point, language) for point in content.touchpoints}
    layout = lay_out(content, {name: [text for text, _ in lines] for name, lines in notes.items()})
    colours = content.colours
    height = layout.height + 6
    said = [tag("title", title, id=f"{key}-map-title"), tag("desc", describe(content, language), id=f"{key}-map-desc")]
    body = [
        *_lanes(layout, colours),
        *_phases(layout),
        _band(layout) if content.has_design else Markup(),
        group(*(_move(layout, line, language) for line in reversed(layout.lines)), class_="moves"),
        group(*(_stop(node, notes, colours, language) for node in layout.nodes.values()), class_="stops"),
    ]
    names = _lane_names(layout, colours, language)
    read = {"role": "img", "aria_labelledby": f"{key}-map-title {key}-map-desc"}
    if not standalone:
        aside = _canvas(LANE_LABELS, height, _paper(), *names, class_="map lanes", aria_hidden="true")
        style = tag("style", Markup(STYLE))
        return aside + _canvas(layout.width, height, *said, style, *body, class_="map", **read)
    style = tag("style", Markup(colour_variables("svg.map") + STYLE))
    body = [group(*body, transform=f"translate({number(LANE_LABELS)} 0)")]
    return _canvas(layout.width + LANE_LABELS, height, *said, style, _paper(), *body, *names, class_="map", **read)


def _canvas(width: float, height: float, *children: str, **attributes: str) -> Markup:
    box = f"0 0 {number(width)} {number(height)}"
    return tag(
        "svg", *children, xmlns="http://www.w3.org/2000/svg", viewBox=box, width=width, height=height, **attributes
    )


def _paper() -> Markup:
    return tag("rect", width="100%", height="100%", fill="var(--surface)")


def describe(content: MapContent, language: Language) -> str:
    """Say in a sentence what the map shows and what it leaves out."""
    return language.say(
        "Shows {points} of {all_points} touchpoints and {moves} of {all_moves} transitions, starts and ends included: "
        "{share} of all moves of {journeys} journeys. The rest is in the table.",
        journeys=language.count(content.journeys),
        points=language.count(len(content.touchpoints)),
        all_points=language.count(content.all_touchpoints),
        moves=language.count(len(content.moves)),
        all_moves=language.count(content.all_moves),
        share=language.percent(content.covered),
    )


def move_sentence(move: Move, language: Language) -> str:
    """Say what a line on the map stands for."""
    if move.said:
        return move.said
    values = {
        "source": readable(move.source),
        "target": readable(move.target),
        "journeys": language.many(move.journeys, "{n} journey", "{n} journeys"),
        "events": language.count(move.events),
    }
    if move.source == START:
        return language.say("{journeys}: start with {target}", **values)
    if move.target == END:
        return language.say("{journeys}: end, so far, with {source}", **values)
    text = language.say("{source} → {target}: {events} × in {journeys}", **values)
    if move.median_wait is not None:
        text += language.say(", median wait {wait}", wait=language.duration(move.median_wait))
    return text + {"departs": language.say(" (not in the design)")}.get(move.kind, "")


def _notes(point: Touchpoint, language: Language) -> list[tuple[str, str]]:
    """Return the lines under a touchpoint: its journeys, and what most often goes wrong there."""
    if point.note:
        return [(point.note, point.leans)]
    if not point.journeys:
        return [(language.say("never observed"), "departs")]
    lines = [(language.count(point.journeys), "")]
    for kind, share in list(point.deviations.items())[:1]:
        if point.in_design and share >= 0.0005:
            text = f"{language.percent(share)} {language.say(SHORT.get(kind, kind))}"
            lines += [(line, "departs") for line in wrap(text, NOTE_WIDTH, NOTE_SIZE)]
    return lines


def _lanes(layout: Layout, colours: dict[str, str]) -> list[Markup]:
    return [
        tag("rect", x=0, y=top + 2, width=layout.width, height=bottom - top - 4, fill=colours[name], class_="tint")
        for name, top, bottom in layout.lanes
    ]


def _lane_names(layout: Layout, colours: dict[str, str], language: Language) -> list[Markup]:
    parts = []
    for name, top, bottom in layout.lanes:
        label = readable(name) if name else language.say("No channel")
        lines = wrap(label, LANE_LABELS - 18, LABEL_SIZE, bold=True, most_lines=5)
        y = (top + bottom - LINE_HEIGHT * (len(lines) - 1)) / 2 + 4
        parts += [
            tag("rect", x=0, y=top + 2, width=LANE_LABELS, height=bottom - top - 4, fill=colours[name], class_="tint"),
            tag("rect", x=0, y=top + 2, width=5, height=bottom - top - 4, rx=2.5, fill=colours[name]),
            *(tag("text", line, x=15, y=y + LINE_HEIGHT * n, class_="lane") for n, line in enumerate(lines)),
        ]
    return parts


def _phases(layout: Layout) -> list[Markup]:
    """Draw the phases as chevrons over the columns."""
    parts = []
    for name, left, right in layout.phases:
        l, r, bottom, nose = left + 2, right - 2, layout.header - 10, 9  # noqa: E741 - left and right
        points = f"{number(l)},4 {number(r - nose)},4 {number(r)},{number(2 + bottom / 2)} {number(r - nose)},{bottom}"
        points += f" {number(l)},{bottom} {number(l + nose)},{number(2 + bottom / 2)}"
        parts.append(tag("polygon", points=points, fill="var(--faint)"))
        label = shorten(readable(name), r - l - 2 * nose - 12, LABEL_SIZE, bold=True)
        parts.append(tag("text", label, x=(l + r) / 2, y=bottom / 2 + 6, class_="phase", text_anchor="middle"))
    return parts


def _band(layout: Layout) -> Markup:
    """Draw the designed path as a broad band behind everything."""
    steps = [layout.nodes[name] for name in layout.design_path]
    if not steps:
        return Markup()
    path = f"M{number(steps[0].x)} {number(steps[0].y)}"
    for here, there in pairwise(steps):
        path += _curve(here.x + layout.half(here.column), here.y, there.x - layout.half(there.column), there.y)
        path += f"H{number(there.x)}"
    return tag("path", d=path, class_="band")


def _curve(x1: float, y1: float, x2: float, y2: float, shift: float = 0.0) -> str:
    if abs(y1 - y2) < 0.05:
        return f"H{number(x2)}"
    start, end, middle = x1 + shift, x2 + shift, (x1 + x2) / 2 + shift
    return f"H{number(start)}C{number(middle)} {number(y1)} {number(middle)} {number(y2)} {number(end)} {number(y2)}"


def _move(layout: Layout, line: Line, language: Language) -> Markup:
    source, target = layout.nodes[line.move.source], layout.nodes[line.move.target]
    d, tip = _loop(source) if source is target else _way(layout, line, source, target)
    half = max(4.0, line.width / 2 + 2.2)
    x, y, towards = tip
    points = [(x, y), (x - towards * (half + 3), y - half), (x - towards * (half + 3), y + half)]
    if source is target:
        points = [(x, y), (x - 4, y - 7), (x + 4.6, y - 6.6)]
    sentence = move_sentence(line.move, language)
    return group(
        tag("title", sentence),
        tag("path", d=d, class_="line", stroke_width=min(line.width, 3.5) if source is target else line.width,
            stroke_dasharray="7 4" if line.move.kind in {"departs", "second"} else None),
        tag("polygon", points=" ".join(f"{number(a)},{number(b)}" for a, b in points), class_="tip"),
        tag("path", d=d, class_="reach"),
        class_=f"move {line.move.kind}",
        data_tip=sentence,
        data_from=_key(source.name),
        data_to=_key(target.name),
    )  # fmt: skip


def _key(name: str) -> str:
    return {START: "start", END: "end"}.get(name, "n-" + name)


def _edge(node: Node, offset: float) -> float:
    return sqrt(max(node.radius**2 - offset**2, 1.0))


def _way(layout: Layout, line: Line, source: Node, target: Node) -> tuple[str, tuple[float, float, int]]:
    """Return the path of a move, and where and in which direction its tip points."""
    y1, y2 = source.y + line.out_offset, target.y + line.in_offset
    back = 5.0 + line.width / 2
    if source.column == target.column:
        x1 = source.x + _edge(source, line.out_offset)
        x2 = target.x + _edge(target, line.in_offset) + 1.5
        near, far = (
            number(source.x + layout.half(source.column) + 2),
            number(source.x + layout.half(source.column) + 22),
        )
        start, end = number(y1), number(y2)
        bow = f"H{near}C{far} {start} {far} {end} {near} {end}"
        return f"M{number(x1)} {start}{bow}H{number(x2 + back)}", (x2, y2, -1)
    way = 1 if target.column > source.column else -1
    x1 = source.x + way * _edge(source, line.out_offset)
    x2 = target.x - way * (_edge(target, line.in_offset) + 1.5)
    path = f"M{number(x1)} {number(y1)}"
    leave, arrive = source.x + way * layout.half(source.column), target.x - way * layout.half(target.column)
    if line.level is None:
        return path + _curve(leave, y1, arrive, y2, line.shifts[0]) + f"H{number(x2 - way * back)}", (x2, y2, way)
    first, last = source.column + way, target.column - way
    path += _curve(leave, y1, layout.centre(first) - way * layout.half(first), line.level, line.shifts[0])
    path += _curve(layout.centre(last) + way * layout.half(last), line.level, arrive, y2, line.shifts[1])
    return path + f"H{number(x2 - way * back)}", (x2, y2, way)


def _loop(node: Node) -> tuple[str, tuple[float, float, int]]:
    """Return a small loop over a touchpoint that follows itself; its tip points down."""
    top, left, right = node.y - _edge(node, 8), number(node.x - 8), number(node.x + 8)
    path = f"M{left} {number(top)}C{number(node.x - 14)} {number(top - 19)} {number(node.x + 14)} {number(top - 19)} "
    return path + f"{right} {number(top - 6)}", (node.x + 7.4, top - 0.5, 0)


def _stop(node: Node, notes: dict[str, list[tuple[str, str]]], colours: dict[str, str], language: Language) -> Markup:
    if node.point is None:
        return _terminal(node, language)
    point, parts = node.point, []
    fill = "var(--surface)" if not point.departs else "var(--departs-soft)"
    fill = f"var(--{point.leans}-soft)" if point.leans else fill
    parts.append(tag("circle", cx=node.x, cy=node.y, r=node.radius + 1.5, fill="var(--surface)", class_="halo"))
    parts.append(tag("circle", cx=node.x, cy=node.y, r=node.radius - 2.5, fill=fill))
    parts += _ring(node, colours)
    mark = str(point.number) if point.number is not None else "+" if point.departs else ""
    colour = "var(--design)" if point.in_design else "var(--departs)"
    if point.said:
        mark, colour = {"first": "▲", "second": "▼"}.get(point.leans, ""), f"var(--{point.leans or 'soft'})"
    parts.append(tag("text", mark, x=node.x, y=node.y + 4.3, class_="mark", style=f"fill:{colour}"))
    if point.moment_of_truth:
        parts.append(_star(node.x + node.radius * 0.78, node.y - node.radius * 0.78))
    y = node.y + node.radius + 5 + LINE_HEIGHT - 3
    for text in node.label:
        parts.append(tag("text", text, x=node.x, y=y, class_="label"))
        y += LINE_HEIGHT
    for text, kind in notes[node.name]:
        parts.append(tag("text", text, x=node.x, y=y - 1, class_=f"note {kind}".strip()))
        y += LINE_HEIGHT - 1
    sentence = _stop_sentence(node, language)
    return group(
        tag("title", sentence), *parts, class_="stop", data_tip=sentence, data_key=_key(node.name), tabindex=0,
        role="button", aria_label=sentence,
    )  # fmt: skip


def _terminal(node: Node, language: Language) -> Markup:
    text = language.say("Start") if node.name == START else language.say("End")
    inner = tag("circle", cx=node.x, cy=node.y, r=node.radius - 5, fill="var(--ink)")
    return group(
        tag("circle", cx=node.x, cy=node.y, r=node.radius, fill="var(--surface)", stroke="var(--ink)", stroke_width=2),
        inner,
        tag("text", text, x=node.x, y=node.y + node.radius + 15, class_="label"),
        class_="stop",
        data_key=_key(node.name),
    )


def _ring(node: Node, colours: dict[str, str]) -> list[Markup]:
    """Draw the share of each channel as an arc around the touchpoint."""
    assert node.point is not None
    shares = {name: events for name, events in node.point.channels.items() if events}
    radius, total = node.radius - 2.5, sum(shares.values())
    if len(shares) <= 1:
        colour = colours[node.point.channel]
        dashes = None if node.point.journeys else "3 3"
        return [tag("circle", cx=node.x, cy=node.y, r=radius, fill="none", stroke=colour, stroke_width=5,
                    stroke_dasharray=dashes)]  # fmt: skip
    parts, at = [], -pi / 2
    for name, events in shares.items():
        turn = 2 * pi * events / total
        x1, y1 = node.x + radius * cos(at), node.y + radius * sin(at)
        at += turn
        x2, y2 = node.x + radius * cos(at), node.y + radius * sin(at)
        arc = f"M{number(x1)} {number(y1)}A{number(radius)} {number(radius)} 0 {int(turn > pi)} 1 "
        arc += f"{number(x2)} {number(y2)}"
        parts.append(tag("path", d=arc, fill="none", stroke=colours[name], stroke_width=5))
    return parts


def _star(x: float, y: float) -> Markup:
    corners = [(7 if k % 2 == 0 else 3, -pi / 2 + k * pi / 5) for k in range(10)]
    points = " ".join(f"{number(x + r * cos(a))},{number(y + r * sin(a))}" for r, a in corners)
    return tag("polygon", points=points, fill="var(--channel-2)", stroke="var(--surface)", stroke_width=1.5)


def _stop_sentence(node: Node, language: Language) -> str:
    point = node.point
    assert point is not None
    if point.said:
        return point.said
    text = language.say(
        "{name}: {journeys}, {events}", name=readable(point.name),
        journeys=language.many(point.journeys, "{n} journey", "{n} journeys"),
        events=language.many(point.events, "{n} event", "{n} events"),
    )  # fmt: skip
    total = sum(point.channels.values())
    if total:
        split = ", ".join(
            f"{readable(name) if name else language.say('no channel')} {language.percent(events / total)}"
            for name, events in point.channels.items()
        )
        if point.logged == point.events:
            text += f"; {split}"
        else:
            text += "; " + language.say(
                "of all its {n} events in the log {split}", n=language.count(point.logged), split=split
            )
    if point.failed and point.logged == point.events:
        text += "; " + language.say("{failed} failed", failed=language.count(point.failed))
    if point.departs:
        text += "; " + language.say("not in the design")
    for kind, share in point.deviations.items():
        text += f"; {language.say(SHORT.get(kind, kind))} {language.percent(share)}"
    return text
