"""Charts whose horizontal places are percentages, so that they fit a wall and a telephone without scaling text.

A chart is a list of rows; a row is a label, a picture and its numbers, which the page puts beside or below each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING

from journeymining.report.svg import number, tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

HALF = 13.0  # of the height of a row, in pixels


@dataclass(frozen=True)
class Scale:
    """From values to percentages of the width, with room at both ends, and where the grid lines are."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return the place of a value in percent; what lies outside the scale is put on its edge."""
        share = (value - self.low) / (self.high - self.low)
        return 1 + 98 * min(max(share, 0.0), 1.0)

    def digits(self, factor: float = 100) -> int:
        """Return how many decimals the ticks need once multiplied by a factor."""
        return next((d for d in range(3) if all(abs(t * factor - round(t * factor, d)) < 1e-6 for t in self.ticks)), 3)

    def at(self, value: float) -> str:
        """Return the place of a value as a coordinate."""
        return f"{number(self.place(value))}%"


def scale_of(values: Iterable[float | None], *, zero: bool = True, steps: int = 4) -> Scale:
    """Choose a scale with round ticks that holds all values.

    Examples
    --------
    >>> scale_of([0.02, 0.17]).ticks
    (0.0, 0.05, 0.1, 0.15, 0.2)
    """
    known = [value for value in values if value is not None and isfinite(value)] + ([0.0] if zero else [])
    low, high = min(known, default=0.0), max(known, default=1.0)
    if high - low < 1e-8:
        high = low + 1.0
    step = _round_step((high - low) / steps)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple(round(place * step, 10) for place in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def bar(scale: Scale, value: float, low: float | None, high: float | None, *, colour: str = "var(--design)") -> Markup:
    """Draw a value as a bar from zero, with its interval as a line through its end."""
    start, end = sorted((scale.place(0.0), scale.place(value)))
    return _row(
        scale,
        tag("rect", x=f"{number(start)}%", width=f"{number(end - start)}%", y=-7, height=14, rx=3, fill=colour,
            fill_opacity=".82"),
        *_interval(scale, low, high, "var(--ink)"),
    )  # fmt: skip


def dots(scale: Scale, marks: Iterable[tuple[float | None, float | None, float | None, str]]) -> Markup:
    """Draw values as dots with their intervals, one below the other; a mark is value, low, high and colour.

    The first mark is a full dot, further ones are hollow, so that they differ without colour.
    """
    known = [mark for mark in marks if mark[0] is not None and isfinite(mark[0])]
    parts: list[Markup] = []
    for place, (value, low, high, colour) in enumerate(known):
        y = 2 * HALF * (place + 1) / (len(known) + 1) - HALF
        parts += _interval(scale, low, high, colour, y=y)
        parts.append(
            tag("circle", cx=scale.at(value or 0.0), cy=y, r=4.5, stroke=colour, stroke_width=2,
                fill="var(--surface)" if place else colour)
        )  # fmt: skip
    return _row(scale, *parts, zero=True)


def axis(scale: Scale, labels: Iterable[str]) -> Markup:
    """Draw the labels of the ticks."""
    parts = []
    for place, (value, label) in enumerate(zip(scale.ticks, labels, strict=True)):
        anchor = "start" if place == 0 else "end" if place == len(scale.ticks) - 1 else "middle"
        parts.append(tag("text", label, x=scale.at(value), y=12, text_anchor=anchor, class_="tick"))
    return tag("svg", *parts, class_="axis", width="100%", height=16, aria_hidden="true")


def calibration(points: Iterable[tuple[float, float, float, float, str]], *, labels: tuple[str, str, str]) -> Markup:
    """Draw foretold against observed shares with intervals; on the diagonal they agree.

    A point is foretold, observed, low, high and a sentence. Both axes run from 0 to the largest value.
    """
    points = list(points)
    scale = scale_of([value for point in points for value in (point[0], point[1], point[3])])
    size, left, top = 240.0, 52.0, 12.0

    def x(value: float) -> float:
        return left + size * (value - scale.low) / (scale.high - scale.low)

    def y(value: float) -> float:
        return top + size - size * (value - scale.low) / (scale.high - scale.low)

    parts: list[Markup] = []
    for tick in scale.ticks:
        text = f"{number(tick * 100)}%"
        parts += [
            tag("line", x1=left, x2=left + size, y1=y(tick), y2=y(tick), class_="grid"),
            tag("text", text, x=left - 6, y=y(tick) + 4, text_anchor="end", class_="tick"),
            tag("text", text, x=x(tick), y=top + size + 16, text_anchor="middle", class_="tick"),
        ]
    parts.append(tag("line", x1=x(scale.low), y1=y(scale.low), x2=x(scale.high), y2=y(scale.high), class_="diagonal"))
    for foretold, observed, low, high, sentence in points:
        parts.append(
            tag("g", tag("title", sentence),
                tag("line", x1=x(foretold), x2=x(foretold), y1=y(low), y2=y(high), stroke="var(--design)",
                    stroke_width=1.6),
                tag("circle", cx=x(foretold), cy=y(observed), r=4.5, fill="var(--design)"))
        )  # fmt: skip
    foot = tag("text", labels[1], x=left + size / 2, y=top + size + 36, text_anchor="middle", class_="tick")
    side = tag("text", labels[2], x=12, y=top + size / 2, text_anchor="middle", class_="tick",
               transform=f"rotate(-90 12 {number(top + size / 2)})")  # fmt: skip
    return tag("svg", tag("title", labels[0]), *parts, foot, side, class_="plot", role="img",
               viewBox=f"0 0 {number(left + size + 16)} {number(top + size + 44)}", width=left + size + 16)  # fmt: skip


def curve(
    scale: Scale, points: Iterable[tuple[float, float]], *, ticks: Sequence[str], ends: Sequence[str], title: str
) -> Markup:
    """Draw how a value goes with another one: small, with the scale of the value at the left and both ends below.

    Points are joined in the order of their first number; ``ticks`` label the scale, ``ends`` the first and last point.
    """
    points = list(points)
    width, height, left, top = 168.0, 96.0, 46.0, 10.0
    first, last = points[0][0], points[-1][0]

    def x(value: float) -> float:
        return left + 8 + (width - 16) * (value - first) / (last - first)

    def y(value: float) -> float:
        return top + height - height * (value - scale.low) / (scale.high - scale.low)

    parts: list[Markup] = []
    for tick, label in zip(scale.ticks, ticks, strict=True):
        parts += [
            tag("line", x1=left, x2=left + width, y1=y(tick), y2=y(tick), class_="grid"),
            tag("text", label, x=left - 6, y=y(tick) + 4, text_anchor="end", class_="tick"),
        ]
    way = " ".join(f"{number(x(a))},{number(y(b))}" for a, b in points)
    parts.append(tag("polyline", points=way, fill="none", stroke="var(--design)", stroke_width=1.8))
    parts += [tag("circle", cx=x(a), cy=y(b), r=3.2, fill="var(--design)") for a, b in points]
    for value, label, anchor in ((first, ends[0], "start"), (last, ends[1], "end")):
        parts.append(tag("text", label, x=x(value), y=top + height + 17, text_anchor=anchor, class_="tick"))
    size = (left + width + 4, top + height + 24)
    return tag("svg", tag("title", title), *parts, class_="plot", role="img",
               viewBox=f"0 0 {number(size[0])} {number(size[1])}", width=size[0])  # fmt: skip


def _interval(scale: Scale, low: float | None, high: float | None, colour: str, y: float = 0) -> list[Markup]:
    if low is None or high is None or not (isfinite(low) and isfinite(high)):
        return []
    ends = [tag("line", x1=scale.at(v), x2=scale.at(v), y1=y - 4, y2=y + 4, stroke=colour, stroke_width=1.4)
            for v in (low, high) if scale.low <= v <= scale.high]  # fmt: skip
    return [tag("line", x1=scale.at(low), x2=scale.at(high), y1=y, y2=y, stroke=colour, stroke_width=1.6), *ends]


def _row(scale: Scale, *parts: Markup, zero: bool = False) -> Markup:
    grid = [tag("line", x1=scale.at(t), x2=scale.at(t), y1=0, y2="100%",
                class_="grid zero" if zero and t == 0 else "grid") for t in scale.ticks]  # fmt: skip
    # The inner picture hangs from the middle, however high the text beside it makes the row.
    middle = tag("svg", *parts, x=0, y="50%", width="100%", height=2 * HALF, overflow="visible")
    return tag("svg", *grid, middle, class_="row", width="100%", height="100%", aria_hidden="true")


def _round_step(rough: float) -> float:
    power = 10.0 ** floor(log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
