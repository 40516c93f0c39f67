"""Where everything on the journey map lies: phases left to right, channels as lanes, moves in the gutters between.

The layout is made for journeys, not for graphs at large: the designed order gives the columns, the channels give the
rows, other touchpoints stand where their neighbours pull them, and a move that passes over columns runs at a height
where nothing stands. So lines never cross a label.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import sqrt
from typing import TYPE_CHECKING

from journeymining.report.run_paths import END, START
from journeymining.report.text_metrics import readable, text_width, wrap

if TYPE_CHECKING:
    from journeymining.report.journey_map import MapContent, Move, Touchpoint

LABEL_SIZE, NOTE_SIZE, LINE_HEIGHT = 12.0, 11.0, 15.0
SMALLEST, LARGEST = 13.0, 27.0
MARGIN, END_ROOM = 6.0, 66.0
HEADER, NO_HEADER = 40.0, 4.0
NARROWEST, WIDEST = 112.0, 172.0
GUTTER = 18.0
THICKEST = 11.0
LANE_PAD = 15.0


@dataclass
class Node:
    """A touchpoint, or start or end, with its place."""

    name: str
    column: int
    lane: int
    radius: float
    label: list[str]
    notes: list[str]
    point: Touchpoint | None = None
    x: float = 0.0
    y: float = 0.0
    row: int = 0
    loop: bool = False

    @property
    def above(self) -> float:
        """What it needs above its centre."""
        return self.radius + (21.0 if self.loop else 8.0)

    @property
    def below(self) -> float:
        """What it needs below its centre, its label and notes included."""
        return self.radius + 5.0 + LINE_HEIGHT * len(self.label) + (LINE_HEIGHT - 1) * len(self.notes) + 5.0

    @property
    def half_width(self) -> float:
        """Half of what it needs from left to right."""
        texts = [text_width(line, LABEL_SIZE, bold=True) for line in self.label]
        texts += [text_width(line, NOTE_SIZE) for line in self.notes]
        return max([self.radius + 3.0, *(width / 2 for width in texts)]) + 2.0


@dataclass
class Line:
    """A move with its way: the points it runs through level, and its thickness."""

    move: Move
    width: float
    level: float | None = None
    out_offset: float = 0.0
    in_offset: float = 0.0
    shifts: list[float] = field(default_factory=lambda: [0.0, 0.0])


@dataclass
class Layout:
    """The whole map in pixels."""

    nodes: dict[str, Node]
    lines: list[Line]
    lanes: list[tuple[str, float, float]]
    phases: list[tuple[str, float, float]]
    design_path: list[str]
    centres: list[float]
    halves: list[float]
    width: float
    height: float
    columns: int
    header: float
    tracks: list[tuple[int, int, float, float]] = field(default_factory=list)

    def centre(self, column: int) -> float:
        """Middle of a column; -1 is the start, one after the last the end."""
        return self.centres[column + 1]

    def half(self, column: int) -> float:
        """Half of the width that texts need in a column."""
        return self.halves[column + 1]


def lay_out(content: MapContent, notes: dict[str, list[str]], *, room: float = 1046.0) -> Layout:
    """Place touchpoints and moves; ``notes`` are short lines under a touchpoint, ``room`` the width aimed at."""
    columns, phase_of = _columns(content)
    count = len(phase_of)
    pitch = min(max((room - 2 * MARGIN - 2 * END_ROOM) / max(count, 1), NARROWEST), WIDEST)
    nodes = _nodes(content, notes, columns, pitch)
    header = HEADER if any(phase_of) else NO_HEADER
    names, lanes = _lanes(content, nodes, header)
    centres = [MARGIN + END_ROOM / 2 - 6]
    centres += [MARGIN + END_ROOM + pitch * (column + 0.5) for column in range(count)]
    centres += [MARGIN + END_ROOM + pitch * count + END_ROOM / 2 + 6]
    halves = [max([16.0, *(n.half_width for n in nodes.values() if n.column == c)]) for c in range(-1, count + 1)]
    layout = Layout(
        nodes=nodes,
        lines=[],
        lanes=[(name, *span) for name, span in zip(names, lanes, strict=True)],
        phases=_phase_spans(phase_of, centres, pitch),
        design_path=_design_path(content),
        centres=centres,
        halves=halves,
        width=MARGIN * 2 + END_ROOM * 2 + pitch * count,
        height=lanes[-1][1],
        columns=count,
        header=header,
    )
    for node in nodes.values():
        node.x = layout.centre(node.column)
    _place_ends(layout)
    _route(layout, content)
    _spread(layout)
    _fan(layout)
    return layout


def _columns(content: MapContent) -> tuple[dict[str, int], list[str]]:
    """Give every touchpoint a column, and every column its phase."""
    designed = sorted((p for p in content.touchpoints if p.number is not None), key=lambda p: p.number or 0)
    others = [p for p in content.touchpoints if p.number is None]
    pull = _pulled(content, [p.name for p in designed])
    if not designed:
        rank = {phase: place for place, phase in enumerate(content.phases)}
        ordered = sorted(others, key=lambda p: (rank.get(p.phase, len(rank)), pull[p.name], p.name))
        count = min(len(ordered), 8)
        columns = {p.name: place * count // len(ordered) for place, p in enumerate(ordered)}
        first = {columns[p.name]: p.phase for p in reversed(ordered)}
        return columns, [first[column] for column in range(count)]
    columns = {p.name: place for place, p in enumerate(designed)}
    crowd = Counter((columns[p.name], p.channel) for p in designed)
    for point in sorted(others, key=lambda p: (-p.journeys, p.name)):
        allowed = [columns[p.name] for p in designed if p.phase == point.phase and p.phase]
        # A little aside is better than one below the other in a lane.
        cost = {
            at: abs(at - pull[point.name]) + 0.8 * crowd[at, point.channel] for at in allowed or range(len(designed))
        }
        columns[point.name] = min(sorted(cost), key=cost.__getitem__)
        crowd[columns[point.name], point.channel] += 1
    return columns, [p.phase for p in designed]


def _pulled(content: MapContent, designed: list[str]) -> dict[str, float]:
    """Let every touchpoint that has no designed place settle in the weighted middle of its neighbours."""
    last = float(len(designed) or len(content.touchpoints))
    fixed = {name: float(place) for place, name in enumerate(designed)} | {START: -1.0, END: last}
    position = {point.name: fixed.get(point.name, last / 2) for point in content.touchpoints} | fixed
    for _ in range(60):
        total: dict[str, float] = {}
        weight: dict[str, float] = {}
        for move in content.moves:
            for here, there in ((move.source, move.target), (move.target, move.source)):
                if here not in fixed and here != there:
                    total[here] = total.get(here, 0.0) + move.events * position[there]
                    weight[here] = weight.get(here, 0.0) + move.events
        position |= {name: total[name] / weight[name] for name in total}
    return position


def _nodes(content: MapContent, notes: dict[str, list[str]], columns: dict[str, int], pitch: float) -> dict[str, Node]:
    most = max(point.journeys for point in content.touchpoints) or 1
    loops = {move.source for move in content.moves if move.source == move.target}
    nodes = {}
    for point in content.touchpoints:
        label = wrap(readable(point.name), pitch - GUTTER, LABEL_SIZE, bold=True, most_lines=3)
        radius = max(SMALLEST, LARGEST * sqrt(point.journeys / most))
        nodes[point.name] = Node(
            point.name,
            columns[point.name],
            0,
            radius,
            label,
            notes.get(point.name, []),
            point,
            loop=point.name in loops,
        )
    return nodes


def _lanes(content: MapContent, nodes: dict[str, Node], header: float) -> tuple[list[str], list[tuple[float, float]]]:
    """Order the lanes as the design meets them, put touchpoints into rows of their lane, and give all a height."""

    def first_met(channel: str) -> tuple[bool, float, str]:
        here = [p for p in content.touchpoints if p.channel == channel]
        numbered = [p.number for p in here if p.number is not None]
        return (not numbered, min(numbered, default=min(nodes[p.name].column for p in here)), channel)

    names = sorted({point.channel for point in content.touchpoints}, key=first_met)
    top, spans = header, []
    for lane, channel in enumerate(names):
        cells: dict[int, int] = {}
        here = sorted(
            (n for n in nodes.values() if n.point and n.point.channel == channel),
            key=lambda n: (n.point is None or n.point.number is None, -(n.point.journeys if n.point else 0), n.name),
        )
        for node in here:
            node.lane, node.row = lane, cells.get(node.column, 0)
            cells[node.column] = node.row + 1
        start = top
        top += LANE_PAD
        for row in range(max(cells.values())):
            nodes_of_row = [n for n in here if n.row == row]
            centre = top + max(n.above for n in nodes_of_row)
            for node in nodes_of_row:
                node.y = centre
            top = centre + max(n.below for n in nodes_of_row) + 4
        top += LANE_PAD - 8
        spans.append((start, top))
    return names, spans


def _phase_spans(phase_of: list[str], centres: list[float], pitch: float) -> list[tuple[str, float, float]]:
    spans: list[tuple[str, float, float]] = []
    for column, phase in enumerate(phase_of):
        left, right = centres[column + 1] - pitch / 2, centres[column + 1] + pitch / 2
        if spans and spans[-1][0] == phase:
            spans[-1] = (phase, spans[-1][1], right)
        else:
            spans.append((phase, left, right))
    return [span for span in spans if any(phase_of)]


def _design_path(content: MapContent) -> list[str]:
    numbered = sorted((p for p in content.touchpoints if p.number is not None), key=lambda p: p.number or 0)
    return [START, *(p.name for p in numbered), END] if numbered else []


def _place_ends(layout: Layout) -> None:
    """Put start and end at the height of what the design, or else most journeys, begin and end with."""
    touchpoints = list(layout.nodes.values())
    if layout.design_path:
        first, last = layout.nodes[layout.design_path[1]], layout.nodes[layout.design_path[-2]]
    else:
        first = min(touchpoints, key=lambda n: (n.column, -n.radius, n.name))
        last = max(touchpoints, key=lambda n: (n.column, n.radius, n.name))
    layout.nodes[START] = Node(START, -1, first.lane, 11.0, [], [], x=layout.centre(-1), y=first.y)
    layout.nodes[END] = Node(END, layout.columns, last.lane, 11.0, [], [], x=layout.centre(layout.columns), y=last.y)


def _route(layout: Layout, content: MapContent) -> None:
    """Find for every move over several columns a height at which it meets nothing; thick ones choose first."""
    most = max((move.events for move in content.moves), default=1)
    for move in content.moves:
        line = Line(move, 1.3 + (THICKEST - 1.3) * move.events / most)
        layout.lines.append(line)
        source, target = layout.nodes[move.source], layout.nodes[move.target]
        low, high = sorted((source.column, target.column))
        if high - low > 1:
            line.level = _free_level(layout, low + 1, high - 1, line.width, source.y, target.y)
            layout.tracks.append((low + 1, high - 1, line.level, line.width / 2))
            layout.height = max(layout.height, line.level + 14)


def _free_level(layout: Layout, low: int, high: int, width: float, start: float, end: float) -> float:
    gap = width / 2 + 4
    taken = [(n.y - n.above, n.y + n.below) for n in layout.nodes.values() if low <= n.column <= high]
    taken += [(y - half, y + half) for first, last, y, half in layout.tracks if first <= high and low <= last]
    candidates = {start, end, (start + end) / 2} | {top - gap for top, _ in taken} | {base + gap for _, base in taken}
    free = [
        y
        for y in candidates
        if y > layout.header + gap and all(y + gap <= top + 0.01 or y - gap >= base - 0.01 for top, base in taken)
    ]
    # Below everything there is always room.
    free = free or [max(base for _, base in taken) + gap]
    return min(free, key=lambda y: (round(abs(y - start) + abs(y - end), 3), y))


def _spread(layout: Layout) -> None:
    """Let the moves of a touchpoint leave and arrive beside each other, in the order of where they come from."""
    sides: dict[tuple[str, str], list[tuple[float, int, Line, bool]]] = {}
    for number, line in enumerate(layout.lines):
        source, target = layout.nodes[line.move.source], layout.nodes[line.move.target]
        if source is target:
            continue
        out_side = "right" if target.column >= source.column else "left"
        in_side = "left" if target.column > source.column else "right"
        level = line.level
        sides.setdefault((source.name, out_side), []).append((target.y if level is None else level, number, line, True))
        sides.setdefault((target.name, in_side), []).append((source.y if level is None else level, number, line, False))
    for (name, _), ends in sides.items():
        ends.sort(key=lambda end: end[:2])
        total = sum(line.width + 2 for _, _, line, _ in ends)
        room = 1.56 * layout.nodes[name].radius
        scale = min(1.0, room / total)
        at = -total * scale / 2
        for _, _, line, leaves in ends:
            middle = at + (line.width + 2) * scale / 2
            at += (line.width + 2) * scale
            if leaves:
                line.out_offset = middle
            else:
                line.in_offset = middle


def _fan(layout: Layout) -> None:
    """Let lines that climb or fall in the same gutter do so beside each other, so that they cross rarely."""
    gutters: dict[tuple[int, bool], list[tuple[float, int, Line, int]]] = {}
    for number, line in enumerate(layout.lines):
        source, target = layout.nodes[line.move.source], layout.nodes[line.move.target]
        if source.column == target.column:
            continue
        way = 1 if target.column > source.column else -1
        out, into = source.y + line.out_offset, target.y + line.in_offset
        stretches = [(out, into)] if line.level is None else [(out, line.level), (line.level, into)]
        for place, (start, end) in enumerate(stretches):
            gutter = (source.column if place == 0 else target.column - way) + (0 if way > 0 else -1)
            left, right = (start, end) if way > 0 else (end, start)
            if abs(left - right) > 20:
                gutters.setdefault((gutter, right > left), []).append((left, number, line, place))
    for (gutter, falls), stretches_here in gutters.items():
        stretches_here.sort(key=lambda one: (-one[0] if falls else one[0], one[1]))
        free = layout.centre(gutter + 1) - layout.half(gutter + 1) - layout.centre(gutter) - layout.half(gutter)
        step = min(5.0, max(free - 16, 0) / max(len(stretches_here), 1))
        for rank, (_, _, line, place) in enumerate(stretches_here):
            line.shifts[place] = step * (rank - (len(stretches_here) - 1) / 2)
