"""Counts from variants are those of counting journey by journey."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.report.run_paths import count_paths

paths = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple), st.integers(1, 9), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(paths)
def test_counts_equal_a_plain_python_count(drawn):
    table = pl.DataFrame(
        {
            "variant_id": [f"{n}" for n in range(len(drawn))],
            "path": [list(path) for path in drawn],
            "journeys": list(drawn.values()),
            "median_duration": [0.0] * len(drawn),
        }
    )
    events, journeys, moves, moving = Counter(), Counter(), Counter(), Counter()
    for path, count in drawn.items():
        for _ in range(count):
            events.update(path)
            journeys.update(set(path))
            pairs = list(pairwise(path))
            moves.update(pairs)
            moving.update(set(pairs))

    found = count_paths(table)

    assert found.journeys == sum(drawn.values())
    assert {name: counts["events"] for name, counts in found.touchpoints.items()} == events
    assert {name: counts["journeys"] for name, counts in found.touchpoints.items()} == journeys
    assert {(a, b): (n, m) for a, b, n, m in found.moves} == {pair: (moves[pair], moving[pair]) for pair in moves}
    assert sum(counts["starts"] for counts in found.touchpoints.values()) == found.journeys


def test_only_the_variants_asked_for_count():
    table = pl.DataFrame(
        {"variant_id": ["x", "y"], "path": [["a"], ["b"]], "journeys": [2, 3], "median_duration": [0.0, 0.0]}
    )

    assert count_paths(table, among={"y"}).touchpoints == {"b": {"journeys": 3, "events": 3, "starts": 3, "ends": 3}}
