"""Keys that came before are counted as a plain dictionary counts them, in any number of portions."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from journeymining.ingest import seen


@pytest.mark.parametrize("largest", [1, 50, 2_000_000])
@pytest.mark.parametrize("seed", range(20))
def test_counts_equal_a_dictionary(monkeypatch, seed, largest):
    monkeypatch.setattr(seen, "LARGEST", largest)
    drawn = random.Random(seed)
    # Few first halves, so that keys differ in their second half only.
    pool = [(drawn.randrange(8), drawn.randrange(4)) for _ in range(20)]
    pool += [(drawn.getrandbits(64), drawn.getrandbits(64)) for _ in range(40)]
    known, counted = seen.Seen(), Counter()

    for _ in range(10):
        keys = drawn.choices(pool, k=drawn.randrange(60))
        expected = []
        for key in keys:
            expected.append(counted[key])
            counted[key] += 1

        assert known.add(np.array(keys, np.uint64).reshape(-1, 2)).tolist() == expected
