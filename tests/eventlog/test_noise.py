"""Noise that protects: its scale and threshold are those of paper and pencil, and its draws those of the law."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal, getcontext

import pyarrow as pa
import pytest
from scipy import stats

from journeymining.eventlog.noise import calibrated, log_of_counts, noisy_variant_counts
from journeymining.exceptions import MissingDependencyError, UsageError

pytest.importorskip("opendp", reason="OpenDP is not installed: pip install 'journeymining[privacy]'")

DRAWS = 4_000
SURELY_NOT = 1e-9
"""No seed, so that no test may fail by chance: a correct law is rejected once in a thousand million runs."""


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


def tail(epsilon, least):
    """Return the chance that discrete Laplace noise of scale 1/epsilon is at least a number, to thirty digits."""
    getcontext().prec = 30
    ratio = (-Decimal(str(epsilon))).exp()
    return ratio**least / (1 + ratio)


@pytest.mark.parametrize(("epsilon", "delta"), [(1, 1e-6), (0.5, 1e-6), (0.1, 1e-9), (3, 0.01), (0.7, 1e-6)])
def test_scale_and_threshold_are_those_of_paper_and_pencil(epsilon, delta):
    _, budget = calibrated(epsilon, delta)

    # One customer changes one count by one: noise of scale 1/epsilon.
    assert budget["scale"] == pytest.approx(1 / epsilon, rel=1e-12)
    assert budget["epsilon"] <= epsilon
    assert budget["epsilon"] == pytest.approx(epsilon, rel=1e-9)
    # A path of one customer shows if 1 + noise is at least the threshold; one lower would break the promise.
    threshold = budget["threshold"]
    assert tail(epsilon, threshold - 1) <= Decimal(str(delta)) < tail(epsilon, threshold - 2)
    assert budget["delta"] == pytest.approx(float(tail(epsilon, threshold - 1)), rel=1e-12)


def fits(drawn, ratio):
    """Return how probable draws are as far from the discrete Laplace law with this ratio (chi-squared)."""
    inner = [x for x in range(-60, 61) if DRAWS * (1 - ratio) / (1 + ratio) * ratio ** abs(x) >= 5]
    expected = [DRAWS * (1 - ratio) / (1 + ratio) * ratio ** abs(x) for x in inner]
    observed = [drawn[x] for x in inner]
    return stats.chisquare([*observed, DRAWS - sum(observed)], [*expected, DRAWS - sum(expected)]).pvalue


def test_draws_have_the_law_of_the_stated_scale_and_of_no_other():
    add_noise, _ = calibrated(0.5, 1e-6)

    drawn = Counter(count - 1_000 for count in add_noise([1_000] * DRAWS))

    assert fits(drawn, math.exp(-0.5)) > SURELY_NOT
    # Half and twice the noise, as of a count of events or of a forgotten journey, would be noticed.
    assert fits(drawn, math.exp(-0.25)) < SURELY_NOT
    assert fits(drawn, math.exp(-1)) < SURELY_NOT


def test_a_path_of_one_customer_shows_as_often_as_delta_says():
    log, delta = log_of([("A", 0, "a")]), 0.1

    shown = sum(len(noisy_variant_counts(log, 1.0, delta=delta)) for _ in range(600))

    threshold = calibrated(1.0, delta)[1]["threshold"]
    assert stats.binomtest(shown, 600, float(tail(1, threshold - 1))).pvalue > SURELY_NOT
    assert stats.binomtest(shown, 600, delta, alternative="greater").pvalue > SURELY_NOT


def test_one_customer_with_any_number_of_journeys_changes_one_count_by_one(monkeypatch):
    no_noise = (lambda counts: counts, {"threshold": 1})
    monkeypatch.setattr("journeymining.eventlog.noise.calibrated", lambda *_: no_noise)
    others = [("B", 0, "a"), ("C", 1, "a b"), ("C", 0, "a")]
    busy = [("A", day, "a b") for day in range(1, 30)] + [("A", 0, "c"), ("A", 0.5, "c")]

    def counted(journeys):
        table = noisy_variant_counts(log_of(journeys), 1.0)
        return Counter({" ".join(path): count for path, count in zip(table["path"], table["customers"], strict=True)})

    without, with_busy = counted(others), counted(others + busy)

    assert without == {"a": 2}
    assert with_busy - without == {"c": 1}
    assert without - with_busy == {}


def test_noise_is_new_every_time():
    log = log_of([(f"c{i}", 0, "a") for i in range(500)])

    assert len({int(noisy_variant_counts(log, 0.05)["customers"][0]) for _ in range(12)}) > 1


def test_a_log_made_of_counts_has_nothing_but_the_counts():
    counts = noisy_variant_counts(log_of([(f"c{i}", 40, "order pay") for i in range(300)]), 2.0)

    log = log_of_counts(counts)

    (customers,) = counts["customers"]
    assert log["activity"].to_pylist() == ["order", "pay"] * customers
    assert {int(name) for name in log["customer_id"].to_pylist()} == set(range(1, customers + 1))
    assert {time.isoformat() for time in log["timestamp"].to_pylist()} == {
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:00:01+00:00",
    }
    assert noisy_variant_counts(log, 2.0)["path"].tolist() == [["order", "pay"]]


def test_what_protects_nobody_is_refused():
    log = log_of([("A", 0, "a")])

    for epsilon in (0, -1, math.inf):
        with pytest.raises(UsageError, match="epsilon must be above 0"):
            noisy_variant_counts(log, epsilon)
    with pytest.raises(UsageError, match="delta must be between"):
        noisy_variant_counts(log, 1, delta=0)


def test_without_the_library_the_command_that_installs_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(MissingDependencyError, match=r"journeymining\[privacy\]"):
        noisy_variant_counts(log_of([("A", 0, "a")]), 1)
