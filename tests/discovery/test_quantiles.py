"""Quantiles over buckets equal those of all values together, also where the sample of buckets misleads."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from journeymining.discovery.quantiles import NEAR, SortedValues, summarise_values
from journeymining.engines.prepared_log import prepare

PROBABILITIES = [0.0, 0.25, 0.5, 0.95, 1.0]
BUCKETS = 32


@pytest.fixture(scope="module")
def log(event_log):
    """Return a log of many buckets; what is in them does not matter here."""
    with prepare(event_log([{"journey_id": "j", "activity": "a"}]), buckets=BUCKETS) as prepared:
        yield prepared


def frame(key, value, journey=None):
    columns = {"key": np.asarray(key, np.int64), "value": np.asarray(value, np.int64)}
    if journey is not None:
        columns["journey"] = np.asarray(journey, np.int32)
    return pl.DataFrame(columns)


def random_parts(seed):
    """Return values per bucket: keys of very different frequency, small and huge values, some buckets empty."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(BUCKETS):
        size = 0 if number % 5 == 3 else int(rng.integers(1, 400))
        key = np.minimum(rng.zipf(1.5, size), 1000) * 1000
        value = (rng.lognormal(3, 4, size)).astype(np.int64)
        parts.append(frame(key, value, np.sort(rng.integers(0, 50, size))))
    return parts


def misleading_parts():
    """Return buckets of which the sampled ones hold nothing like the others, nor all keys."""
    sampled = frame([0] * 500 + [7] * 3, [*range(500), 1, 2, 3], range(503))
    others = [
        frame([0] * 50 + [3, 7], [10**9 + number, *[10**15 + number * 11] * 49, number, 10**12], range(52))
        for number in range(BUCKETS)
    ]
    return [sampled if number % 12 == 0 else others[number] for number in range(BUCKETS)]


def long_journeys():
    """Return journeys that come back to a key after as few steps as are looked back over, and after more."""
    parts = []
    for number in range(BUCKETS):
        lengths = [1, NEAR, NEAR + 1, NEAR + 2, 5 * NEAR]
        journey = np.repeat(np.arange(len(lengths)), lengths)
        key = np.arange(len(journey)) % (NEAR - 1 + number % 5)
        parts.append(frame(key, np.arange(len(journey)), journey))
    return parts


@pytest.mark.parametrize(
    "parts",
    [random_parts(1), random_parts(2), misleading_parts(), [frame([5], [1 << 62], [0])] * BUCKETS, long_journeys()],
    ids=["random", "random again", "a sample that misleads", "as large as numbers are", "long journeys"],
)
def test_equal_those_of_all_values_together(log, parts):
    found = summarise_values(log, lambda bucket: parts[bucket.number], PROBABILITIES, columns=["journey"])

    everything = pl.concat(parts)
    assert found["key"].to_list() == sorted(set(everything["key"]))
    for row in found.iter_rows(named=True):
        values = everything.filter(pl.col("key") == row["key"])["value"].to_list()
        places = [part.filter(pl.col("key") == row["key"])["journey"].n_unique() for part in parts]
        assert row["count"] == len(values)
        assert row["journeys"] == sum(places)
        assert row["mean"] == pytest.approx(sum(values) / len(values), rel=1e-15)
        wanted = np.quantile(np.array(values, dtype=np.float64), PROBABILITIES)
        assert [row[f"q{place}"] for place in range(5)] == pytest.approx(wanted, rel=1e-14)


def test_nothing_has_no_quantiles(log):
    found = summarise_values(log, lambda bucket: frame([], []), [0.5], columns=["journey"])

    assert found.shape == (0, 4)


@pytest.mark.parametrize("largest", [1000, 1 << 62], ids=["packed", "too large to be packed"])
def test_medians_of_values_that_fit_into_memory(largest):
    rng = np.random.default_rng(3)
    values = frame(rng.integers(0, 40, 500), rng.integers(0, largest, 500))

    found = SortedValues.of(values)

    wanted = [np.median(values.filter(pl.col("key") == key)["value"].to_numpy()) for key in found.keys]
    assert found.medians().tolist() == pytest.approx(wanted, rel=1e-15)
