"""Noise that protects: its distribution is exact, its promise holds where it can be counted."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from fractions import Fraction

import pyarrow as pa
import pytest
from scipy import stats

from journeymining.eventlog.noise import discrete_laplace, noisy_variant_counts
from journeymining.exceptions import UsageError

DRAWS = 20_000


def log_of(journeys):
    """Make a log of journeys (customer, day, path)."""
    rows = [
        (f"{number}-{place}", customer, str(number), activity, day * 86_400_000_000 + place)
        for number, (customer, day, path) in enumerate(journeys)
        for place, activity in enumerate(path.split())
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = ("event_id", "customer_id", "journey_id", "activity")
    return pa.table(
        dict(zip(names, columns, strict=False))
        | {"timestamp": pa.array(columns[4], pa.timestamp("us", tz="UTC"))}
        | {name: pa.nulls(len(rows), pa.string()) for name in ("channel", "source")}
    )


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(5, 2), Fraction(1, 3)])
def test_noise_has_the_discrete_laplace_distribution(scale):
    chance = random.Random(7)
    drawn = Counter(discrete_laplace(scale, chance) for _ in range(DRAWS))

    ratio = math.exp(-1 / scale)
    inner = [x for x in range(-30, 31) if DRAWS * (1 - ratio) / (1 + ratio) * ratio ** abs(x) >= 5]
    expected = [DRAWS * (1 - ratio) / (1 + ratio) * ratio ** abs(x) for x in inner]
    observed = [drawn[x] for x in inner]
    rest = DRAWS - sum(expected)
    assert stats.chisquare([*observed, DRAWS - sum(observed)], [*expected, rest]).pvalue > 0.001


def test_a_path_of_one_customer_shows_at_most_as_often_as_delta_says():
    log = log_of([("A", 0, "a")])
    delta = 0.1

    shown = sum(len(noisy_variant_counts(log, 1.0, delta=delta, seed=seed)) for seed in range(1500))

    # The exact chance lies just below delta; five standard deviations of the count above it would be a broken promise.
    assert 0 < shown <= 1500 * delta + 5 * math.sqrt(1500 * delta)


def test_one_customer_changes_the_chance_of_a_count_by_at_most_the_factor_of_epsilon():
    ratio = math.exp(-0.5)
    mass = [(1 - ratio) / (1 + ratio) * ratio ** abs(x) for x in range(-40, 41)]
    assert max(one / other for one, other in itertools.pairwise(mass)) == pytest.approx(math.exp(0.5))
    assert sum(mass) == pytest.approx(1, abs=1e-6)
    log = log_of([(f"c{i}", 0, "a") for i in range(100)])

    counts = [int(noisy_variant_counts(log, 0.5, seed=seed)["customers"][0]) for seed in range(400)]

    spread = math.sqrt(2 * ratio) / (1 - ratio)
    assert sum(counts) / 400 == pytest.approx(100, abs=4 * spread / math.sqrt(400))


def test_every_customer_counts_once_with_the_first_journey():
    journeys = [(f"c{i}", 5, "late") for i in range(300)] + [(f"c{i}", 1, "early one") for i in range(300)]

    counts = noisy_variant_counts(log_of(journeys), 5.0, seed=3)

    assert counts["path"].tolist() == [["early", "one"]]
    assert abs(int(counts["customers"][0]) - 300) < 15


def test_without_a_seed_the_noise_is_new_every_time():
    log = log_of([(f"c{i}", 0, "a") for i in range(500)])

    assert len({int(noisy_variant_counts(log, 0.05)["customers"][0]) for _ in range(10)} - {500}) > 1


def test_what_protects_nobody_is_refused():
    log = log_of([("A", 0, "a")])

    for epsilon in (0, -1, math.inf):
        with pytest.raises(UsageError, match="epsilon must be above 0"):
            noisy_variant_counts(log, epsilon)
    with pytest.raises(UsageError, match="delta must be between"):
        noisy_variant_counts(log, 1, delta=0)
