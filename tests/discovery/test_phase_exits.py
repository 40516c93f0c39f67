"""Drop-off: by hand, against statsmodels, and against plain counting on random logs."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from journeymining.discovery.phase_exits import exit_curves, phase_dropoff, phase_exits, thinned
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import UsageError
from journeymining.proportions import wilson

ORDER = ["orientation", "purchase", "use"]
A, P, U = ORDER


def log_of(event_log, journeys, still_open=()):
    """Return a log of journeys, each a list of (phase, second), and who of them is open."""
    events = [
        {"journey_id": name, "activity": "a", "phase": phase, "seconds": second}
        for name, steps in journeys.items()
        for phase, second in steps
    ]
    flags = pa.table({"journey_id": list(journeys), "open": [name in still_open for name in journeys]})
    return event_log(events), flags


def test_five_journeys_of_which_one_is_open(event_log):
    log, flags = log_of(
        event_log,
        {
            "moves at 1": [(A, 0), (P, 1)],
            "ends at 2": [(A, 0), (A, 2)],
            "watched until 2": [(A, 0), (A, 2)],
            "moves at 3, after a visit to no phase": [(A, 0), (None, 2), (U, 3)],
            "ends at 4": [(A, 0), (None, 4)],
        },
        still_open={"watched until 2"},
    )

    with prepare(log, journeys=flags) as prepared:
        exits = phase_exits(prepared, order=ORDER)
        dropoff = phase_dropoff(prepared, exits, order=ORDER)

    curve = exits[exits["phase"] == A]
    assert curve[["time", "at_risk", "exits", "ends"]].to_numpy().tolist() == [
        [1, 5, 1, 0],
        [2, 4, 0, 1],
        [3, 2, 1, 0],
        [4, 1, 0, 1],
    ]
    np.testing.assert_allclose(curve["still"], [0.8, 0.6, 0.3, 0.0], atol=1e-12)
    np.testing.assert_allclose(curve["moved_on"], [0.2, 0.2, 0.5, 0.5])
    np.testing.assert_allclose(curve["ended"], [0.0, 0.2, 0.2, 0.5])
    first = dropoff.iloc[0]
    assert first[["phase", "journeys", "moved_on", "ended", "open", "followed", "median_time"]].tolist() == [
        A, 5, 2, 2, 1, 4.0, 3.0
    ]  # fmt: skip
    assert first["drop_off"] == pytest.approx(0.5)  # not 2 of 5: the open one may yet go either way
    assert dropoff["phase"].tolist() == [A, P]


def test_back_flow_ends_nothing_and_an_earlier_visit_to_a_later_phase_is_no_moving_on(event_log):
    log, flags = log_of(event_log, {"j": [(U, 0), (P, 5), (A, 7), (U, 9)], "k": [(U, 1), (P, 2), (A, 4)]})

    with prepare(log, journeys=flags) as prepared:
        dropoff = phase_dropoff(prepared, phase_exits(prepared, order=ORDER), order=ORDER).set_index("phase")

    assert dropoff.loc[P, ["journeys", "moved_on", "ended", "median_time"]].tolist() == [2, 1, 1, 2.0]
    assert dropoff.loc[A, ["journeys", "moved_on", "ended"]].tolist() == [2, 1, 1]


def test_without_open_journeys_the_shares_and_intervals_are_the_plain_ones():
    rng = np.random.default_rng(5)
    seconds, how = rng.integers(0, 20, 300).astype(float), rng.integers(0, 2, 300)

    curve = exit_curves(seconds, how, np.ones(300, dtype=np.int64))

    for row in curve.itertuples():
        gone = {way: int(((seconds <= row.time) & (how == way)).sum()) for way in (0, 1)}
        for name, hits in (("moved_on", gone[0]), ("ended", gone[1]), ("still", 300 - gone[0] - gone[1])):
            low, high = wilson(hits, 300)
            assert getattr(row, name) == pytest.approx(hits / 300, abs=1e-12)
            assert getattr(row, f"{name}_low") == pytest.approx(float(low), abs=1e-9)
            assert getattr(row, f"{name}_high") == pytest.approx(float(high), abs=1e-9)


def test_shares_agree_with_statsmodels_where_journeys_are_open():
    rng = np.random.default_rng(11)
    seconds, how = rng.integers(1, 40, 500).astype(float), rng.integers(0, 3, 500)

    curve = exit_curves(seconds, how, np.ones(500, dtype=np.int64))

    status = np.array([1, 2, 0])[how]  # there 0 is censored
    peer = CumIncidenceRight(seconds, status)
    rows = np.searchsorted(peer.times, curve["time"])
    np.testing.assert_allclose(curve["moved_on"], peer.cinc[0][rows], atol=1e-12)
    np.testing.assert_allclose(curve["ended"], peer.cinc[1][rows], atol=1e-12)
    still = SurvfuncRight(seconds, (how < 2).astype(int))
    np.testing.assert_allclose(curve["still"], still.surv_prob, atol=1e-12)
    inside = still.surv_prob > 1e-9
    # Rothman's interval has the variance of Greenwood's: at p it is Wilson's for p (1 - p) / variance journeys.
    share, error = still.surv_prob[inside], still.surv_prob_se[inside]
    low, high = wilson(share * share * (1 - share) / error**2, share * (1 - share) / error**2)
    np.testing.assert_allclose(curve["still_low"][inside], low, rtol=1e-9)
    np.testing.assert_allclose(curve["still_high"][inside], high, rtol=1e-9)


def test_the_interval_of_the_drop_off_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        onward, end, watched = rng.exponential(10, 120), rng.exponential(20, 120), rng.uniform(5, 60, 120)
        gone = np.minimum(onward, end)
        how = np.where(gone > watched, 2, np.where(onward < end, 0, 1))
        curve = exit_curves(np.minimum(gone, watched), how, np.ones(120, dtype=np.int64))
        at = curve[curve["time"] <= 15].iloc[-1]
        truth = 1 / 3 * (1 - np.exp(-15 * 0.15))
        held += at["ended_low"] <= truth <= at["ended_high"]

    assert 0.93 <= held / 400 <= 0.975


@pytest.mark.parametrize("seed", range(8))
def test_times_are_those_of_a_plain_count(event_log, seed):
    rng = random.Random(seed)
    journeys = {
        f"j{n}": sorted(
            [(rng.choice([None, *ORDER]), rng.randrange(50)) for _ in range(rng.randrange(1, 8))],
            key=lambda step: step[1],
        )
        for n in range(60)
    }
    still_open = {name for name in journeys if rng.random() < 0.3}
    log, flags = log_of(event_log, journeys, still_open)
    expected = []
    for place, phase in enumerate(ORDER[:-1]):
        times, ways = [], []
        for name, steps in journeys.items():
            entry = next((n for n, (at, _) in enumerate(steps) if at == phase), None)
            if entry is None:
                continue
            onward = [second for at, second in steps[entry:] if at and ORDER.index(at) > place]
            times.append(float((onward or [steps[-1][1]])[0] - steps[entry][1]))
            ways.append(0 if onward else 2 if name in still_open else 1)
        curve = exit_curves(np.array(times), np.array(ways), np.ones(len(times), dtype=np.int64))
        expected += [[phase, *row] for row in curve[["time", "at_risk", "exits", "ends"]].to_numpy().tolist()]

    with prepare(log, buckets=4, threads=2, journeys=flags) as prepared:
        found = phase_exits(prepared, order=ORDER)

    assert found[["phase", "time", "at_risk", "exits", "ends"]].to_numpy().tolist() == expected


def test_a_log_without_phases_has_no_exits_and_a_wrong_order_is_refused(event_log):
    with prepare(event_log([{"journey_id": "j", "activity": "a"}])) as log:
        exits = phase_exits(log, order=ORDER)
        assert exits.empty
        assert phase_dropoff(log, exits, order=ORDER)["journeys"].tolist() == [0, 0]
    with (
        prepare(event_log([{"journey_id": "j", "activity": "a", "phase": "purchse"}])) as log,
        pytest.raises(UsageError, match="Did you mean 'purchase'"),
    ):
        phase_exits(log, order=ORDER)


def test_a_long_curve_is_written_at_few_moments_its_ends_among_them():
    curve = exit_curves(np.arange(1000.0), np.zeros(1000, dtype=np.int64), np.ones(1000, dtype=np.int64))
    short = thinned(curve.assign(phase=A), most=50)

    assert (len(short), short["time"].iloc[0], short["time"].iloc[-1]) == (50, 0.0, 999.0)
