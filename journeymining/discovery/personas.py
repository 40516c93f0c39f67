"""Found personas: groups of journeys that are alike, named only where they come back when the journeys are drawn again.

The personas of a design are planned ones; these are found in the log and may be something else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.discovery.persona_names import persona_touchpoints, with_names
from journeymining.exceptions import UsageError
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

STABLE = 0.75
"""Median Jaccard similarity below which a cluster gets no name (Hennig: below it is doubtful who belongs to it)."""

RARE = 0.02
"""Share of journeys that a touchpoint must occur in, and as many that it must not, to tell journeys apart."""

LEAST_JOURNEYS = 100
"""With fewer journeys a group of a tenth of them would be ten."""

MOST_FITTED = 2000
"""Variants that clusters are fitted to, the most frequent ones; the others are put to the nearest cluster."""

REFERENCES = 40
"""Logs without structure that the clusters are held against: the same touchpoints, dealt out independently."""

DRAWS_PER_K = 10
DEALT = 1000


@dataclass(frozen=True)
class Personas:
    """Found personas: one row per cluster, what sets each apart, the cluster of every variant, and how sure it is."""

    personas: pd.DataFrame
    touchpoints: pd.DataFrame
    variants: pd.DataFrame
    summary: dict[str, Any]


@dataclass(frozen=True)
class _Clusters:
    """Centres of clusters and the cluster of every fitted variant."""

    centres: NDArray[np.float64]
    labels: NDArray[np.int64]
    explained: float


def find_personas(variants: pd.DataFrame, *, most: int = 8, draws: int = 50, seed: int = 0) -> Personas:
    """Group journeys by the touchpoints they meet, and say how sure every group is.

    Parameters
    ----------
    variants : DataFrame, one row per variant
        ``variant_id``, ``path`` and ``journeys``, see `journeymining.discovery.variants.variants`.
    most : int
        How many clusters are tried at most, from 2.
    draws : int
        How often the journeys are drawn again, with replacement, for the stability.
    seed : int

    Returns
    -------
    Personas
        ``personas``: ``persona`` (from 1, most journeys first), ``name`` (missing where the cluster is not stable),
        ``stands`` (``stable`` or ``unstable, not named``), ``journeys``, ``share`` with ``share_low`` and
        ``share_high`` (Wilson), ``jaccard`` with ``jaccard_low`` and ``jaccard_high`` (median and 95 % of the draws),
        ``variants``, ``median_events``, ``typical_variant`` (its most frequent one).
        ``touchpoints``: see `journeymining.discovery.persona_names.persona_touchpoints`. ``variants``: ``variant_id``
        and ``persona``. ``summary``: ``clusters`` (0 where the log has no structure), ``sentence``, ``ari`` with
        ``ari_low`` and ``ari_high``, ``tried`` (per number of clusters what it explains, what it explains without
        structure, and its stability), and what was fitted.

    Raises
    ------
    UsageError
        If fewer than two clusters or draws are asked for.

    Notes
    -----
    A variant is a vector of ``log(1 + times)`` per touchpoint, weighted by how few journeys have it
    (``log(journeys / journeys that have it)``), scaled to length 1; touchpoints of fewer than 2 % of the journeys, or
    missing in fewer, are left out. Clusters are k-means on variants weighted by their journeys.

    The number of clusters: each is fitted to (a sample of) 1,000 journeys and held against 40 logs in which the
    touchpoints of the same journeys are dealt out independently of each other. Only numbers that explain more of the
    spread, in standard deviations, than any number does in any of these are considered; of these, the ones whose
    median adjusted Rand index is 0.75 or more (if none is, all); of these, the smallest that explains as much beyond
    the logs without structure as any of them, but for one standard deviation. If none explains more, there are no
    personas, and that is said; nor are there with fewer than 100 journeys. Of logs without structure about one in
    twenty passes all the same.

    Stability: journeys are drawn again with replacement, clusters fitted again, and all variants put to the new
    clusters. The adjusted Rand index compares this with the first grouping, over journeys; a cluster's Jaccard
    similarity is that to the most similar new one.

    References
    ----------
    C. Hennig, *Computational Statistics & Data Analysis* 52 (2007) 258-271; L. Hubert, P. Arabie, *Journal of
    Classification* 2 (1985) 193-218; R. Tibshirani, G. Walther, T. Hastie, *JRSS B* 63 (2001) 411-423 (references).
    """
    import sklearn.cluster  # noqa: F401 - limits hold for what is loaded
    from threadpoolctl import threadpool_limits

    if most < 2 or draws < 2:
        raise UsageError(f"most is {most} and draws is {draws}; both must be 2 or more.")
    ranked = variants.sort_values(["journeys", "variant_id"], ascending=[False, True], kind="stable", ignore_index=True)
    weights = ranked["journeys"].to_numpy(dtype=float)
    if weights.sum() < LEAST_JOURNEYS:
        return _none(ranked, [], f"{weights.sum():,.0f} journeys are fewer than {LEAST_JOURNEYS}")
    names, counts = _touchpoint_counts(ranked["path"])
    useful = _useful(counts, weights)
    rng = np.random.default_rng(seed)
    # One thread: sums in another order could put a variant on a border to the other side.
    with threadpool_limits(1):
        if not useful.any():
            return _none(ranked, [], "no touchpoint tells the journeys apart")
        rarity = np.log(weights.sum() / weights[:, None].T.dot(counts > 0)[0, useful].clip(1))
        features = _features(counts[:, useful], rarity)
        tried = _try_numbers(features, counts[:, useful], rarity, weights, most, rng)
        chosen = _choose(tried)
        if chosen is None:
            return _none(ranked, tried, "journeys are no more alike than if touchpoints came independently")
        clusters = _fit(features[:MOST_FITTED], weights[:MOST_FITTED], chosen, rng)
        ari, jaccard = _stability(features, weights, clusters, draws, rng)
    labels = _nearest(features, clusters.centres)
    return _describe(ranked, names, counts, labels, ari, jaccard, tried)


def write_personas(found: Personas, folder: Path) -> None:
    """Write ``found_personas.csv`` and ``.json``, ``found_persona_touchpoints.csv``, ``_variants.parquet``."""
    found.personas.to_csv(folder / "found_personas.csv", index=False, lineterminator="\n")
    found.touchpoints.to_csv(folder / "found_persona_touchpoints.csv", index=False, lineterminator="\n")
    found.variants.to_parquet(folder / "found_persona_variants.parquet", index=False)
    text = json.dumps(found.summary, indent=2, ensure_ascii=False) + "\n"
    (folder / "found_personas.json").write_text(text, encoding="utf-8")


def adjusted_rand(first: NDArray[np.int64], second: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Return the adjusted Rand index of two groupings of variants, each variant as many journeys as it has.

    Examples
    --------
    >>> adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), np.ones(4))
    1.0
    """
    table = _contingency(first, second, weights)

    def pairs(counts: NDArray[np.float64]) -> float:
        return float((counts * (counts - 1) / 2).sum())

    both, rows, columns, every = pairs(table), pairs(table.sum(1)), pairs(table.sum(0)), pairs(table.sum(keepdims=True))
    expected = rows * columns / every if every else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def jaccard_similarities(
    first: NDArray[np.int64], second: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return, for every cluster of the first grouping, the Jaccard similarity to the most similar one of the second.

    Examples
    --------
    >>> jaccard_similarities(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), np.ones(4)).round(2).tolist()
    [0.67, 0.5]
    """
    table = _contingency(first, second, weights)
    either = table.sum(1, keepdims=True) + table.sum(0, keepdims=True) - table
    similar: NDArray[np.float64] = (table / np.where(either > 0, either, 1)).max(axis=1)
    return similar


def _contingency(
    first: NDArray[np.int64], second: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    shape = int(first.max()) + 1, int(second.max()) + 1
    cells = np.bincount(first * shape[1] + second, weights=weights, minlength=shape[0] * shape[1])
    return np.asarray(cells, dtype=np.float64).reshape(shape)


def _touchpoint_counts(paths: pd.Series[Any]) -> tuple[list[str], NDArray[np.int32]]:
    """Return the touchpoints in alphabetical order, and how often each variant has each."""
    steps = pd.Series([list(path) for path in paths]).explode()
    codes, names = pd.factorize(steps, sort=True)
    counts = np.zeros((len(paths), len(names)), dtype=np.int32)
    np.add.at(counts, (steps.index.to_numpy(), codes), 1)
    return [str(name) for name in names], counts


def _useful(counts: NDArray[np.int32], weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    share = weights @ (counts > 0) / weights.sum()
    found: NDArray[np.bool_] = (share >= RARE) & (share <= 1 - RARE)
    return found


def _features(counts: NDArray[np.int32], rarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one vector of length 1 per row; a row without any of the touchpoints is 0."""
    raw = np.log1p(counts) * rarity
    length = np.sqrt((raw**2).sum(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = raw / np.where(length > 0, length, 1)
    return scaled


def _fit(
    features: NDArray[np.float64],
    weights: NDArray[np.float64],
    clusters: int,
    rng: np.random.Generator,
    *,
    starts: int = 5,
) -> _Clusters:
    """Fit k-means to weighted rows; ``explained`` is the share of the spread that lies between clusters."""
    from sklearn.cluster import KMeans

    held = weights > 0
    found = KMeans(clusters, n_init=starts, random_state=int(rng.integers(2**31))).fit(
        features[held], sample_weight=weights[held]
    )
    middle = np.average(features, axis=0, weights=weights)
    spread = float((weights[:, None] * (features - middle) ** 2).sum())
    centres = found.cluster_centers_
    explained = 1 - float(found.inertia_) / spread if spread > 0 else 0.0
    return _Clusters(centres, _nearest(features, centres), explained)


def _nearest(features: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the nearest centre of every row; of two as near, the first."""
    distance = (centres**2).sum(axis=1) - 2 * features @ centres.T
    labels: NDArray[np.int64] = np.argmin(np.round(distance, 10), axis=1)
    return labels


def _try_numbers(
    features: NDArray[np.float64],
    counts: NDArray[np.int32],
    rarity: NDArray[np.float64],
    weights: NDArray[np.float64],
    most: int,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """Say for every number of clusters what it explains, what it would without structure, and how stable it is."""
    fitted, heavy = features[:MOST_FITTED], weights[:MOST_FITTED]
    distinct = len(np.unique(np.round(fitted, 10), axis=0))
    few = _few_journeys(weights, rng)
    references = [_dealt(counts[few], rarity, rng) for _ in range(REFERENCES)]
    sample, often = np.unique(few, return_counts=True)
    tried, dealt = [], []
    for number in range(2, min(most, distinct - 1) + 1):
        found = _fit(fitted, heavy, number, rng)
        # The same journeys as in the logs without structure: fewer journeys are always explained better.
        enough = len(sample) > number
        sampled = _fit(features[sample], often.astype(float), number, rng, starts=2).explained if enough else 0.0
        without = [_fit(*one, number, rng, starts=2).explained if len(one[0]) > number else 1.0 for one in references]
        ari, _ = _stability(features, weights, found, DRAWS_PER_K, rng)
        # Scaled by all of them, the log among them: without structure it is one like the others.
        deviation = max(float(np.std([*without, sampled], ddof=1)), 1e-9)
        mean = float(np.mean(without))
        dealt.append((np.array(without) - mean) / deviation)
        tried.append(
            {
                "clusters": number,
                "explained": sampled,
                "explained_without_structure": mean,
                "deviation_without_structure": float(np.std(without, ddof=1)),
                "beyond": (sampled - mean) / deviation,
                "ari": float(np.median(ari)),
            }
        )
    # Over all numbers at once: the best of several would else beat chance more often than it should.
    most_by_chance = float(np.max(dealt)) if dealt else 0.0
    return [one | {"most_by_chance": most_by_chance} for one in tried]


def _few_journeys(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the variants of journeys, all or a sample drawn without replacement."""
    often = weights.astype(np.int64)
    if often.sum() > DEALT:
        often = rng.multivariate_hypergeometric(often, DEALT, method="marginals")
    return np.repeat(np.arange(len(often)), often)


def _dealt(
    counts: NDArray[np.int32], rarity: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return journeys whose touchpoints are dealt out anew, each independently of the others."""
    dealt = np.column_stack([rng.permutation(column) for column in counts.T])
    distinct, often = np.unique(dealt, axis=0, return_counts=True)
    return _features(distinct, rarity), often.astype(float)


def _choose(tried: Sequence[dict[str, Any]]) -> int | None:
    structured = [one for one in tried if one["beyond"] > one["most_by_chance"]]
    stable = [one for one in structured if one["ari"] >= STABLE] or structured
    if not stable:
        return None
    beyond = [one["explained"] - one["explained_without_structure"] for one in stable]
    best = int(np.argmax(beyond))
    enough = beyond[best] - stable[best]["deviation_without_structure"]
    return int(next(one["clusters"] for one, value in zip(stable, beyond, strict=True) if value >= enough))


def _stability(
    features: NDArray[np.float64],
    weights: NDArray[np.float64],
    clusters: _Clusters,
    draws: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the journeys again and fit again; return per draw the adjusted Rand index, and Jaccard per cluster."""
    fitted, heavy = features[:MOST_FITTED], weights[:MOST_FITTED]
    ari, jaccard = [], []
    for _ in range(draws):
        drawn: NDArray[np.float64] = rng.multinomial(int(heavy.sum()), heavy / heavy.sum()).astype(np.float64)
        again = _fit(fitted, drawn, len(clusters.centres), rng, starts=2).labels
        ari.append(adjusted_rand(clusters.labels, again, heavy))
        jaccard.append(jaccard_similarities(clusters.labels, again, heavy))
    return np.array(ari), np.array(jaccard)


def _describe(
    ranked: pd.DataFrame,
    names: list[str],
    counts: NDArray[np.int32],
    labels: NDArray[np.int64],
    ari: NDArray[np.float64],
    jaccard: NDArray[np.float64],
    tried: list[dict[str, Any]],
) -> Personas:
    weights = ranked["journeys"].to_numpy(dtype=float)
    sizes = np.bincount(labels, weights=weights, minlength=jaccard.shape[1])
    order = sorted(range(len(sizes)), key=lambda cluster: (-sizes[cluster], cluster))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(1, len(order) + 1)
    persona = place[labels]
    low, high = wilson(sizes[order], sizes.sum())
    similar = jaccard[:, order]
    table = pd.DataFrame(
        {
            "persona": np.arange(1, len(order) + 1),
            "journeys": sizes[order].astype("int64"),
            "share": sizes[order] / sizes.sum(),
            "share_low": low,
            "share_high": high,
            "jaccard": np.median(similar, axis=0),
            "jaccard_low": np.quantile(similar, 0.025, axis=0),
            "jaccard_high": np.quantile(similar, 0.975, axis=0),
            "variants": [int((persona == number).sum()) for number in range(1, len(order) + 1)],
            "median_events": [
                _weighted_median(counts[persona == n].sum(axis=1), weights[persona == n])
                for n in range(1, len(order) + 1)
            ],
            # Variants come with the most frequent first.
            "typical_variant": [
                str(ranked["variant_id"].iloc[int(np.argmax(persona == n))]) if (persona == n).any() else ""
                for n in range(1, len(order) + 1)
            ],
        }
    )
    table.insert(1, "stands", np.where(table["jaccard"] >= STABLE, "stable", "unstable, not named"))
    distinct = persona_touchpoints(names, counts, persona, weights)
    table = with_names(table, distinct)
    named = int(table["name"].notna().sum())
    summary = {
        "clusters": len(order),
        "named": named,
        "sentence": _sentence(len(order), named, float(np.median(ari)), at_most=tried[-1]["clusters"]),
        "ari": float(np.median(ari)),
        "ari_low": float(np.quantile(ari, 0.025)),
        "ari_high": float(np.quantile(ari, 0.975)),
        "draws": len(ari),
        "stable_from": STABLE,
        **_fitted(ranked),
        "tried": tried,
    }
    return Personas(table, distinct, pd.DataFrame({"variant_id": ranked["variant_id"], "persona": persona}), summary)


def _sentence(clusters: int, named: int, ari: float, *, at_most: int) -> str:
    if named == clusters:
        text = f"{clusters} groups of journeys come back when the journeys are drawn again (adjusted Rand {ari:.2f})."
        return text + (" No larger number was tried." if clusters == at_most else "")
    if not named:
        return f"None of {clusters} groups of journeys comes back when the journeys are drawn again: none is named."
    return f"{named} of {clusters} groups of journeys come back when the journeys are drawn again; others have no name."


def _fitted(ranked: pd.DataFrame) -> dict[str, int]:
    return {
        "journeys": int(ranked["journeys"].sum()),
        "variants": len(ranked),
        "journeys_fitted": int(ranked["journeys"].head(MOST_FITTED).sum()),
        "variants_fitted": min(len(ranked), MOST_FITTED),
    }


def _none(ranked: pd.DataFrame, tried: list[dict[str, Any]], why: str) -> Personas:
    """Return what is found where there is nothing to find."""
    from journeymining.discovery.persona_names import COLUMNS as TOUCHPOINT_COLUMNS

    columns = (
        "persona", "name", "stands", "journeys", "share", "share_low", "share_high", "jaccard", "jaccard_low",
        "jaccard_high", "variants", "median_events", "typical_variant",
    )  # fmt: skip
    return Personas(
        pd.DataFrame(columns=list(columns)),
        pd.DataFrame(columns=list(TOUCHPOINT_COLUMNS)),
        pd.DataFrame({"variant_id": pd.Series(dtype="str"), "persona": pd.Series(dtype="int64")}),
        {
            "clusters": 0,
            "named": 0,
            "sentence": f"No personas are found: {why}.",
            "stable_from": STABLE,
            **_fitted(ranked),
            "tried": tried,
        },
    )


def _weighted_median(values: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
