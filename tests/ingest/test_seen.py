"""Keys that came before are counted as a plain dictionary counts them, in any number of portions."""

from __future__ import annotations

import random
from collections import Counter

import pyarrow as pa
import pytest

from journeymining.ingest import seen


@pytest.mark.parametrize("largest", [1, 50, 2_000_000])
@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_a_dictionary(monkeypatch, seed, largest):
    monkeypatch.setattr(seen, "LARGEST", largest)
    drawn = random.Random(seed)
    # Few first halves, so that keys differ in their second half only.
    pool = [f"{drawn.randrange(8):016x}{drawn.randrange(4):016x}" for _ in range(20)]
    pool += [f"{drawn.getrandbits(128):032x}" for _ in range(40)]
    known, counted = seen.Seen(), Counter()

    for _ in range(10):
        keys = drawn.choices(pool, k=drawn.randrange(60))
        expected = []
        for key in keys:
            expected.append(counted[key])
            counted[key] += 1

        assert known.add(pa.array(keys, pa.string())).tolist() == expected


def test_a_slice_of_a_column_is_read_where_it_begins():
    keys = pa.array([f"{number:032x}" for number in (1, 2, 3, 2)])

    assert seen.Seen().add(keys.slice(1)).tolist() == [0, 0, 1]
