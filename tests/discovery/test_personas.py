"""Found personas: planted groups come back, noise is not named, and the scores are those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from journeymining.discovery.persona_names import persona_touchpoints, with_names
from journeymining.discovery.personas import adjusted_rand, find_personas, jaccard_similarities, write_personas
from journeymining.exceptions import UsageError

PLANTED = (
    {"app_login": 0.95, "chat": 0.9, "offer": 0.1},
    {"store_visit": 0.95, "leaflet": 0.9, "offer": 0.1},
    {"help_page": 0.9, "call": 0.95, "complaint": 0.5},
)
NAMES = sorted({name for planted in PLANTED for name in planted})


def table_of(paths):
    """Return the variants of journeys, as `variants` lists them."""
    counted = pd.Series([tuple(path) for path in paths]).value_counts(sort=False).sort_index()
    counted = counted.sort_values(ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "variant_id": ["/".join(path) for path in counted.index],
            "path": [list(path) for path in counted.index],
            "journeys": counted.to_numpy(),
        }
    )


def planted_journeys(rng, count):
    labels = rng.integers(0, len(PLANTED), count)
    return labels, [
        ["order", *(name for name in NAMES if rng.random() < PLANTED[label].get(name, 0.05))] for label in labels
    ]


def labels_of(found, paths):
    of_variant = dict(zip(found.variants["variant_id"], found.variants["persona"], strict=True))
    return [of_variant["/".join(path)] for path in paths]


@pytest.fixture(scope="module")
def planted():
    labels, paths = planted_journeys(np.random.default_rng(0), 1200)
    return labels, paths, find_personas(table_of(paths), most=5, draws=20)


def test_planted_groups_are_found_and_named_after_what_sets_them_apart(planted):
    labels, paths, found = planted

    assert adjusted_rand_score(labels, labels_of(found, paths)) > 0.9
    assert found.summary["clusters"] == found.summary["named"] == 3
    assert found.summary["sentence"] == "3 groups of journeys come back when the journeys are drawn again " + (
        f"(adjusted Rand {found.summary['ari']:.2f})."
    )
    assert found.personas["name"].tolist() == [
        "with call and help_page",
        "with leaflet and store_visit",
        "with chat and app_login",
    ]
    assert found.summary["ari"] > 0.95
    assert found.summary["ari_low"] > 0.9
    assert (found.personas["jaccard"] > 0.9).all()
    assert found.personas["journeys"].sum() == 1200
    assert found.personas["journeys"].is_monotonic_decreasing


def test_it_is_said_when_no_larger_number_was_tried(planted):
    _, paths, _ = planted
    found = find_personas(table_of(paths), most=3, draws=5)

    assert found.summary["clusters"] == 3
    assert found.summary["sentence"].endswith("No larger number was tried.")


def test_the_same_seed_and_any_order_of_rows_give_the_same_personas(planted):
    _, paths, found = planted
    again = find_personas(table_of(paths).sample(frac=1, random_state=3), most=5, draws=20)

    pd.testing.assert_frame_equal(found.personas, again.personas)
    pd.testing.assert_frame_equal(found.touchpoints, again.touchpoints)
    assert found.summary == again.summary


def test_what_sets_a_persona_apart_is_a_plain_count(planted):
    _, paths, found = planted
    labels = np.array(labels_of(found, paths))

    for row in found.touchpoints.head(8).itertuples():
        inside = [row.activity in path for path, label in zip(paths, labels, strict=True) if label == row.persona]
        outside = [row.activity in path for path, label in zip(paths, labels, strict=True) if label != row.persona]
        assert row.journeys == sum(inside)
        assert row.share == pytest.approx(np.mean(inside))
        assert row.share_elsewhere == pytest.approx(np.mean(outside))
        if sum(outside):
            assert row.lift == pytest.approx(np.mean(inside) / np.mean(outside))


def test_nothing_is_named_where_touchpoints_come_independently():
    named = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        paths = [["order", *(name for name in NAMES if rng.random() < 0.4)] for _ in range(400)]
        found = find_personas(table_of(paths), most=4, draws=10, seed=seed)
        named += found.summary["named"]

    assert named == 0
    assert "No personas" in found.summary["sentence"] or "none is named" in found.summary["sentence"]


def test_an_unstable_cluster_has_no_name():
    personas = pd.DataFrame({"persona": [1, 2], "stands": ["stable", "unstable, not named"]})
    touchpoints = pd.DataFrame({"persona": [1, 2], "activity": ["call", "call"], "difference": [0.5, -0.5]})

    assert with_names(personas, touchpoints)["name"].isna().tolist() == [False, True]


def test_names_that_would_come_twice_say_more():
    personas = pd.DataFrame({"persona": [1, 2, 3, 4], "stands": "stable"})
    rows = [(1, "call", 0.9), (1, "chat", 0.8), (1, "app", -0.5), (2, "call", 0.9), (2, "chat", 0.7), (2, "web", 0.3),
            (3, "leaflet", 0.1), (4, "leaflet", 0.1)]  # fmt: skip
    names = with_names(personas, pd.DataFrame(rows, columns=["persona", "activity", "difference"]))["name"]

    assert names.tolist() == [
        "with call and chat, without app",
        "with call and chat and web",
        "like the others (3)",
        "like the others (4)",
    ]


def test_one_path_for_all_has_no_personas(tmp_path):
    found = find_personas(table_of([["a", "b"]] * 200))

    assert found.summary["sentence"] == "No personas are found: no touchpoint tells the journeys apart."
    assert found.personas.empty
    write_personas(found, tmp_path)
    assert pd.read_csv(tmp_path / "found_personas.csv").columns[:3].tolist() == ["persona", "name", "stands"]


def test_few_journeys_have_no_personas():
    _, paths = planted_journeys(np.random.default_rng(0), 99)

    assert (
        find_personas(table_of(paths)).summary["sentence"] == "No personas are found: 99 journeys are fewer than 100."
    )


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="2 or more"):
        find_personas(table_of([["a"]]), most=1)


def test_the_adjusted_rand_index_is_that_of_scikit_learn_over_journeys():
    rng = np.random.default_rng(1)
    first, second, weights = rng.integers(0, 4, 60), rng.integers(0, 3, 60), rng.integers(1, 9, 60)

    found = adjusted_rand(first, second, weights.astype(float))

    assert found == pytest.approx(adjusted_rand_score(np.repeat(first, weights), np.repeat(second, weights)))
    assert adjusted_rand(first, (first + 1) % 4, weights.astype(float)) == 1.0


def test_jaccard_similarities_by_hand():
    first, second = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1])
    # Cluster 0 has weight 3 and 1: with new cluster 0 it shares 3 of 4. Cluster 1 has weight 6: shares 6 of 7.
    found = jaccard_similarities(first, second, np.array([3.0, 1, 2, 2, 2]))

    np.testing.assert_allclose(found, [3 / 4, 6 / 7])


def test_shares_elsewhere_are_weighted_by_journeys():
    found = persona_touchpoints(["a"], np.array([[1], [0], [2]]), np.array([1, 2, 2]), np.array([5.0, 3, 1]))

    assert found.loc[found["persona"] == 1, ["share", "share_elsewhere"]].to_numpy().tolist() == [[1.0, 0.25]]
    assert found.loc[found["persona"] == 2, ["times", "times_elsewhere"]].to_numpy().tolist() == [[0.5, 1.0]]
