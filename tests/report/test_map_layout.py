"""Nothing on the map lies on anything else, whatever the journeys."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.report.journey_map import MapContent, Move, Touchpoint
from journeymining.report.map_layout import lay_out
from journeymining.report.run_paths import END, START

CHANNELS = ["web", "phone", "email", "", "a channel with a rather long name"]
WORDS = ["order", "modem_delivered", "a very long name of something that happened", "x", "Überweisung", "確認メール"]


@st.composite
def maps(draw):
    """Draw a map: some designed touchpoints, some others, and moves between them."""
    count = draw(st.integers(1, 12))
    designed = draw(st.integers(0, count))
    points = [
        Touchpoint(
            name=f"{draw(st.sampled_from(WORDS))}_{place}",
            journeys=draw(st.integers(0, 5000)),
            events=1,
            logged=1,
            failed=0,
            channels={draw(st.sampled_from(CHANNELS)): 1},
            phase=draw(st.sampled_from(["", "buy", "use"])),
            number=place + 1 if place < designed else None,
            in_design=place < designed,
        )
        for place in range(count)
    ]
    names = [point.name for point in points]
    pairs = draw(st.sets(st.tuples(st.sampled_from([START, *names]), st.sampled_from([*names, END])), max_size=30))
    moves = [Move(a, b, draw(st.integers(1, 9000)), 1) for a, b in sorted(pairs) if (a, b) != (START, END)]
    moves.sort(key=lambda move: (-move.events, move.source, move.target))
    return MapContent(points, moves, ["buy", "use"], designed > 0, None, count, len(moves), 1, 1, {})


def box(node):
    return node.x - node.half_width, node.x + node.half_width, node.y - node.above, node.y + node.below


@settings(max_examples=150, deadline=None)
@given(maps())
def test_touchpoints_with_their_labels_never_overlap(content):
    layout = lay_out(content, {point.name: ["1,234", "12.3% missing"] for point in content.touchpoints})

    for first, second in combinations([n for n in layout.nodes.values() if n.point], 2):
        (l1, r1, t1, b1), (l2, r2, t2, b2) = box(first), box(second)
        assert r1 <= l2 + 0.1 or r2 <= l1 + 0.1 or b1 <= t2 + 0.1 or b2 <= t1 + 0.1, (first.name, second.name)


@settings(max_examples=150, deadline=None)
@given(maps())
def test_a_move_over_columns_runs_where_nothing_stands_and_inside_the_map(content):
    layout = lay_out(content, {})

    for line in layout.lines:
        if line.level is None:
            continue
        low, high = sorted(layout.nodes[end].column for end in (line.move.source, line.move.target))
        assert 0 < line.level < layout.height
        for node in layout.nodes.values():
            if low < node.column < high:
                _, _, top, bottom = box(node)
                assert not top < line.level < bottom, (line.move, node.name)


@settings(max_examples=50, deadline=None)
@given(maps(), st.randoms())
def test_the_layout_does_not_depend_on_the_order_of_touchpoints(content, random):
    shuffled = list(content.touchpoints)
    random.shuffle(shuffled)
    other = MapContent(shuffled, *(getattr(content, name) for name in list(content.__dataclass_fields__)[1:]))

    first, second = lay_out(content, {}), lay_out(other, {})

    places = [{name: (n.x, n.y, n.radius) for name, n in one.nodes.items()} for one in (first, second)]
    assert places[0] == places[1]
    assert [line.level for line in first.lines] == [line.level for line in second.lines]


@settings(max_examples=50, deadline=None)
@given(maps())
def test_designed_touchpoints_stand_in_the_order_of_the_design(content):
    layout = lay_out(content, {})

    designed = sorted((p for p in content.touchpoints if p.number), key=lambda p: p.number)
    columns = [layout.nodes[point.name].column for point in designed]
    assert columns == sorted(columns)
    assert len(set(columns)) == len(columns)
