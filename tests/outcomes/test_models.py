"""Encoders, models, their figures and the card."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.table import to_event_log
from journeymining.exceptions import EmptyLogError, InputError
from journeymining.experience.peak_end import peak_end
from journeymining.outcomes.bootstrap import resampled_figures
from journeymining.outcomes.deviations import ConformanceEncoder
from journeymining.outcomes.encoders import (
    AggregateEncoder,
    ChannelEncoder,
    JourneyEncoder,
    LastStateEncoder,
    LengthEncoder,
    StaticEncoder,
    channel_figures,
)
from journeymining.outcomes.evaluation import (
    Evaluation,
    auc,
    average_precision,
    calibration,
    evaluate,
    headline,
    weighted_auc,
)  # fmt: skip
from journeymining.outcomes.importance import grouped_importance
from journeymining.outcomes.journey_frame import journeys_for_outcomes, journeys_from_events
from journeymining.outcomes.labelled import link_labels
from journeymining.outcomes.model_file import CONTENT, read_model, write_model
from journeymining.outcomes.models import LOGISTIC, features, fit_logistic_model
from journeymining.outcomes.pattern_encoders import PeakEndEncoder, SequenceEncoder, subsequences
from journeymining.outcomes.results import outcomes, write
from journeymining.outcomes.sequences import closed, contains_sequences, mine_sequences

from .conftest import CHURN, journeys_of, simulated

ENCODERS = [
    AggregateEncoder(), StaticEncoder(), LastStateEncoder(), LengthEncoder(), ChannelEncoder(),
    ConformanceEncoder(),
    SequenceEncoder(), subsequences(lengths=(2,)), PeakEndEncoder(),
]  # fmt: skip


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_every_column_has_a_name_and_every_journey_a_row(encoder, telecom):
    journeys, flags = telecom
    journeys = journeys.with_conformance(flags)

    matrix = encoder.fit(journeys[:400]).transform(journeys)

    assert matrix.shape == (len(journeys), len(encoder.get_feature_names_out()))
    assert len(set(encoder.get_feature_names_out())) == matrix.shape[1]
    assert np.isfinite(matrix.toarray()).all()


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: type(encoder).__name__)
def test_a_journey_is_encoded_alike_alone_and_among_others(encoder, telecom):
    journeys, flags = telecom
    journeys = journeys.with_conformance(flags)
    encoder.fit(journeys)

    whole, alone = encoder.transform(journeys).toarray(), encoder.transform(journeys[[7]]).toarray()

    assert alone[0] == pytest.approx(whole[7])


def test_counts_and_waits_equal_a_plain_count():
    journeys = journeys_of([("a", "a", "x", 0), ("a", "a", "x", 1), ("a", "a", "y", 4)] + [
        (f"b{i}", f"b{i}", name, 0) for i in range(5) for name in ("x", "y")
    ])  # fmt: skip
    encoder = AggregateEncoder()

    row = dict(
        zip(encoder.fit(journeys).get_feature_names_out(), encoder.transform(journeys).toarray()[0], strict=True)
    )

    assert (row["count activity x"], row["count activity y"], row["events"]) == (2, 1, 3)
    assert (row["duration days"], row["mean wait days"], row["longest wait days"]) == (4, 2, 3)


def test_counts_of_random_journeys_equal_a_plain_count():
    generator = np.random.default_rng(5)
    rows = [
        (f"j{journey}", f"c{journey}", f"a{generator.geometric(0.3)}", step, generator.choice(["web", "app", None]))
        for journey in range(80)
        for step in range(generator.integers(1, 12))
    ]
    journeys = journeys_of(rows)
    encoder = AggregateEncoder(["channel"], numbers=False).fit(journeys[:60])
    names = encoder.get_feature_names_out().tolist()
    matrix = encoder.transform(journeys)

    seen = {journey: set() for journey, *_ in rows}
    for journey, _, activity, _, _ in rows:
        seen[journey].add(activity)
    trained = journeys.journey_id[:60].tolist()
    often = {f"a{n}" for n in range(50) if sum(f"a{n}" in seen[journey] for journey in trained) >= 5}
    expected = np.zeros((80, len(names)))
    for journey, _, activity, _, channel in rows:
        row = journeys.journey_id.tolist().index(journey)
        expected[row, names.index(f"count activity {activity if activity in often else '(rare)'}")] += 1
        if channel is not None:
            expected[row, names.index(f"count channel {channel}")] += 1
    counts = [place for place, name in enumerate(names) if name.startswith("count ")]
    assert {name.removeprefix("count activity ") for name in names if "activity" in name} == often | {"(rare)"}
    assert 0 < len(often) < len({row[2] for row in rows})
    assert matrix.toarray()[:, counts].tolist() == expected[:, counts].tolist()
    assert matrix.has_canonical_format


def test_an_encoder_without_a_transform_cannot_be_made():
    class Half(JourneyEncoder):
        def fit(self, journeys, y=None):
            return self

    with pytest.raises(TypeError, match="abstract"):
        Half()


def test_peak_and_end_are_those_of_the_experience_tables():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({"journey_id": np.sort(generator.integers(0, 40, 200)).astype(str), "activity": "x"})
    frame["timestamp"] = pd.to_datetime(np.arange(200) * 1000, unit="s", utc=True)
    frame["value"] = np.where(generator.random(200) < 0.2, np.nan, generator.integers(1, 11, 200))
    journeys = journeys_from_events(frame)
    encoder = PeakEndEncoder()

    matrix = encoder.fit(journeys).transform(journeys).toarray()

    plain = peak_end(frame.rename(columns={"timestamp": "time"}), neutral=5.5)
    plain = plain[plain["scores"] >= 3].set_index("journey_id")
    scored = journeys.journey_id[matrix[:, -1] == 1]
    assert sorted(scored) == sorted(plain.index)
    expected = plain.loc[scored, ["mean", "peak", "trough", "end", "peak_end", "trend", "contrast"]].to_numpy(
        dtype=float
    )
    assert matrix[matrix[:, -1] == 1, :-1] == pytest.approx(expected)
    assert encoder.coverage(journeys) == len(scored) / len(journeys) < 1


def test_peak_and_end_of_the_worked_example():
    frame = pd.DataFrame({"journey_id": "a", "activity": "x", "value": [6, 9, 3, 7, 8]})
    frame["timestamp"] = pd.to_datetime(range(5), utc=True)
    journeys = journeys_from_events(frame)

    row = PeakEndEncoder().fit(journeys).transform(journeys).toarray()[0]

    assert row[[0, 1, 2, 3, 4, 6]].tolist() == pytest.approx([6.6, 9, 3, 8, 8.5, 2])


def test_channels_of_the_worked_example():
    journeys = journeys_of([("a", "a", "x", i, c) for i, c in enumerate(["web", "web", "phone", "phone", "chat"])])

    figures = channel_figures(journeys).iloc[0]

    assert figures[["channels", "switches", "switch_rate", "ping_pong"]].tolist() == [3, 2, 0.5, 0]
    assert figures["entropy"] == pytest.approx(1.522, abs=1e-3)


def test_a_switch_after_a_failure_is_forced_and_back_and_forth_is_seen():
    journeys = journeys_of(
        [("a", "a", "x", 0, "app", "failed"), ("a", "a", "x", 1, "phone", "ok"), ("a", "a", "x", 2, "app", "ok")]
    )

    assert channel_figures(journeys)[["forced", "ping_pong"]].iloc[0].tolist() == [1, 1]


def test_sequences_equal_a_plain_count():
    generator = np.random.default_rng(0)
    paths = [tuple(generator.integers(0, 4, generator.integers(1, 9)).tolist()) for _ in range(60)]
    weights = generator.integers(1, 5, 60)
    for length, gap in ((2, 0), (3, 0), (2, 2), (3, 1)):
        expected = {}
        for path, weight in zip(paths, weights.tolist(), strict=True):
            for sequence in set(plain(path, length, gap)):
                expected[sequence] = expected.get(sequence, 0) + weight
        wanted = {sequence for sequence, count in expected.items() if count >= 10}

        found = mine_sequences(paths, weights, length=length, max_gap=gap, min_count=10)
        has = contains_sequences(paths, found, max_gap=gap)

        assert set(found) == wanted
        assert (weights @ has.toarray()).tolist() == [expected[sequence] for sequence in found]


def plain(path, length, gap, start=None):
    """Yield every subsequence of a length whose items lie at most gap events apart."""
    if length == 0:
        yield ()
        return
    for place in range(len(path)) if start is None else range(start, min(start + gap + 1, len(path))):
        for rest in plain(path, length - 1, gap, place + 1):
            yield (path[place], *rest)


def test_a_sequence_within_a_longer_one_of_the_same_journeys_is_not_closed():
    paths = [(0, 1, 2), (3,)]
    has = contains_sequences(paths, [(0, 1)]), contains_sequences(paths, [(0, 1, 2)])

    from scipy import sparse

    assert closed([(0, 1), (0, 1, 2)], sparse.hstack(has).tocsr()).tolist() == [False, True]


def test_figures_equal_scikit_learn():
    generator = np.random.default_rng(1)
    label = (generator.random(500) < 0.3).astype(np.int8)
    score = np.round(label * 0.2 + generator.random(500), 1)  # rounded, so that scores tie

    assert auc(label, score) == pytest.approx(roc_auc_score(label, score))
    assert average_precision(label, score) == pytest.approx(average_precision_score(label, score))


def test_a_calibrated_model_has_slope_one_and_a_boastful_one_less():
    generator = np.random.default_rng(2)
    odds = generator.normal(0, 1, 20000)
    chance = 1 / (1 + np.exp(-odds))
    label = (generator.random(20000) < chance).astype(np.int8)

    slope, intercept, bins = calibration(label, chance)
    boastful, _, _ = calibration(label, 1 / (1 + np.exp(-2 * odds)))

    assert (slope, intercept) == pytest.approx((1, 0), abs=0.06)
    assert boastful == pytest.approx(0.5, abs=0.05)
    assert sum(one["n"] for one in bins) == 20000


def figures(name, value):
    return Evaluation(name, value, value, value, value, 0, 0, 0, 0, 0, 1, 0)


def test_the_headline_says_when_nothing_is_known():
    samples = {"m": np.array([0.6, 0.5, 0.7]), "length": np.array([0.5, 0.6, 0.6])}

    text = headline("churn", figures("m", 0.6), {"journey length": figures("length", 0.57)}, samples)

    assert text.startswith("What paths tell of churn is not distinguishable from journey length: +0.03 [")


def test_the_headline_names_what_is_gained():
    samples = {"m": np.full(10, 0.7), "length": np.full(10, 0.6)}

    text = headline("churn", figures("m", 0.7), {"journey length": figures("length", 0.6)}, samples)

    assert text.startswith("Paths tell churn better than journey length alone: by +0.10 [+0.10, +0.10]")


def test_every_figure_of_a_sample_is_that_of_the_customers_drawn_with_all_their_journeys():
    generator = np.random.default_rng(8)
    customers = generator.integers(0, 60, 300)
    label = (generator.random(300) < 0.3).astype(np.int8)
    chance = np.round(np.clip(0.2 * label + generator.random(300) * 0.7 + 0.05, 0.05, 0.95), 2)
    lengths = generator.integers(1, 5, 300)
    found = resampled_figures(label, {"m": chance}, customers, lengths=lengths, base_rate=0.25, repeats=15, seed=3)["m"]

    codes, names = pd.factorize(customers)
    drawn = np.random.default_rng(3).multinomial(len(names), np.full(len(names), 1 / len(names)), size=15)
    for sample in range(15):
        rows = np.repeat(np.arange(300), drawn[sample][codes])
        y, p = label[rows], chance[rows]
        assert found["auc"][sample] == pytest.approx(roc_auc_score(y, p))
        assert found["ap"][sample] == pytest.approx(average_precision_score(y, p))
        assert found["weighted_auc"][sample] == pytest.approx(weighted_auc(y, p, lengths[rows])[0])
        assert found["brier"][sample] == pytest.approx(((p - y) ** 2).mean())
        assert found["brier_skill"][sample] == pytest.approx(1 - ((p - y) ** 2).mean() / ((0.25 - y) ** 2).mean())
        if sample % 5 == 0:
            slope, intercept, _ = calibration(y, p)
            assert (found["slope"][sample // 5], found["intercept"][sample // 5]) == pytest.approx(
                (slope, intercept), abs=1e-4
            )


def test_samples_with_one_outcome_only_have_no_calibration_and_raise_nothing():
    label = np.array([0, 0, 0, 1, 0], dtype=np.int8)
    chance = np.array([0.2, 0.2, 0.1, 0.9, 0.2])

    found = resampled_figures(
        label, {"m": chance}, np.arange(5), lengths=np.ones(5, dtype=int), base_rate=0.2, repeats=100
    )["m"]

    alone = np.isnan(found["auc"])  # the one positive was not drawn
    assert 0 < alone.sum() < 100
    assert np.isnan(found["slope"][alone[::5]]).all()
    assert np.isnan(found["ap"][alone]).all()
    assert np.isfinite(found["brier"]).all()


def test_no_skill_is_the_training_rate():
    label = np.array([0, 1, 0, 1], dtype=np.int8)

    one = evaluate(
        "p", label, np.full(4, 0.5), base_rate=0.5, lengths=np.ones(4, dtype=int), resampled={"auc": np.array([0.5])}
    )

    assert one.brier == 0.25
    assert one.brier_skill == 0
    assert np.isnan(one.slope)


@pytest.fixture(scope="module")
def result():
    events, flags = simulated(2000)
    return outcomes(journeys_from_events(events), CHURN, name="churn", deviations=flags, repeats=200)


def test_the_card_says_what_the_figures_cover(result):
    card = result.card

    assert card["journeys"] == card["labelled"] + sum(card["left_out"].values())
    assert card["split"]["train"] + card["split"]["test"] == card["labelled"]
    assert [one["name"] for one in card["models"]] == [
        LOGISTIC, "gradient boosting", "prior", "length", "last activity",
    ]  # fmt: skip
    assert card["models"][0]["auc_low"] < card["models"][0]["auc"] < card["models"][0]["auc_high"]
    assert "journey length" in card["headline"]
    for figure in ("weighted_auc", "ap", "brier", "brier_skill", "slope", "intercept"):
        low, high = card["models"][0]["intervals"][figure]
        assert low < card["models"][0][figure] < high
    assert card["importance"][0]["importance"] > 0.02
    assert any("Split by customers" in text for text in card["warnings"])


def test_the_files_of_a_result_can_be_read_by_anyone(result, tmp_path):
    write(result, tmp_path)

    card = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    table = pd.read_csv(tmp_path / "outcome_effects.csv")

    assert card["outcome"] == "churn"
    assert card["models"][2]["slope"] is None
    assert table["verdict"].str.startswith(("claimed", "not distinguishable")).all()


def test_the_same_log_gives_the_same_result(result, tmp_path):
    events, flags = simulated(2000)

    again = outcomes(journeys_from_events(events), CHURN, name="churn", deviations=flags, repeats=200)

    assert json.dumps(again.card) == json.dumps(result.card)


def test_a_prepared_log_gives_the_journeys_of_its_events():
    events, _ = simulated(300)
    events["event_id"] = events.index.astype(str)
    table = to_event_log(events, journey="journey_id", activity="activity", timestamp="timestamp", channel="channel",
                         customer="customer_id")  # fmt: skip
    with prepare(table, buckets=4) as log:
        journeys = journeys_for_outcomes(log)
    plain_journeys = journeys_from_events(events)
    order = np.argsort(journeys.journey_id.astype(str))

    assert journeys.journey_id[order].tolist() == plain_journeys.journey_id.tolist()
    assert journeys[order].time.tolist() == plain_journeys.time.tolist()
    assert [journeys.activities[c] for c in journeys[order].activity] == [
        plain_journeys.activities[c] for c in plain_journeys.activity
    ]


def test_a_model_survives_its_file(result, tmp_path):
    journeys = result.linked.journeys
    write_model(result.models[0], tmp_path / "model.skops")

    again = read_model(tmp_path / "model.skops")

    assert again.chance(journeys).tolist() == result.models[0].chance(journeys).tolist()


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "model.skops").write_text("no model")

    with pytest.raises(InputError, match="no model file"):
        read_model(tmp_path / "model.skops")


def test_a_model_file_that_holds_a_foreign_type_is_refused_and_never_run(result, tmp_path):
    import skops.io

    content = {name: getattr(result.models[0], name) for name in CONTENT}
    skops.io.dump(content | {"chosen": PoisonedNumber()}, tmp_path / "model.skops")

    with pytest.raises(InputError, match=r"types that are not trusted: .*PoisonedNumber"):
        read_model(tmp_path / "model.skops")
    assert not PoisonedNumber.woken


class PoisonedNumber:
    woken = False

    def __setstate__(self, state):
        PoisonedNumber.woken = True


def test_what_a_model_does_not_use_has_no_importance():
    events, _ = simulated(600)
    journeys = journeys_from_events(events)
    journeys = journeys[np.char.startswith(journeys.journey_id.astype(str), "j")]
    tracked = np.bincount(journeys.row[journeys.is_activity(["track_parcel"])], minlength=len(journeys))
    label = (tracked > 0).astype(np.int8)
    model = fit_logistic_model("m", AggregateEncoder(["activity"]), journeys, label)

    table = grouped_importance(model, journeys, label)

    assert table["group"].iloc[0] == "activity track_parcel"
    assert table["importance"].iloc[0] > 10 * table["importance"].iloc[2]
    assert len(features(journeys).transformer_list) == 3


def test_a_label_that_changes_within_a_journey_is_refused():
    events = pd.DataFrame(
        {"journey_id": ["a", "a", "b"], "activity": "x", "label": ["good", "bad", "good"],
         "timestamp": pd.to_datetime([1, 2, 3], utc=True)}
    )  # fmt: skip

    with pytest.raises(InputError, match="changes within 1 journeys"):
        link_labels(journeys_from_events(events, attributes=["label"]), "label", "bad")
    with pytest.raises(InputError, match="never is 'ugly'"):
        link_labels(journeys_from_events(events.iloc[[0, 2]], attributes=["label"]), "label", "ugly")


def test_one_outcome_only_is_nothing_to_learn_from():
    events, flags = simulated(200, late=0, forced=0, base=0)
    config = CHURN.model_copy(update={"event": ["ping"]})

    with pytest.raises(EmptyLogError, match="both outcomes are needed"):
        outcomes(journeys_from_events(events), config, name="churn", deviations=flags)
