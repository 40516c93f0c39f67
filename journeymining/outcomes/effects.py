"""What goes with an outcome: differences between journeys with and without a pattern, claimed only if they hold up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.exceptions import UsageError
from journeymining.outcomes.adjustment import Adjusted, adjusted_difference
from journeymining.outcomes.correlation import posthog_correlation
from journeymining.outcomes.encoders import constant_columns
from journeymining.outcomes.strata import reversed_within
from journeymining.outcomes.variants import memberships
from journeymining.proportions import (
    benjamini_hochberg,
    beta_prior,
    design_effect,
    newcombe,
    shrunken_share,
    smallest_detectable,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from journeymining.outcomes.journey_frame import JourneyFrame
    from journeymining.outcomes.landmarks import LinkedOutcome
    from journeymining.outcomes.splitting import Split
    from journeymining.outcomes.variants import Memberships

COLUMNS = [
    "outcome", "level", "pattern", "n", "rate", "rate_low", "rate_high", "rate_eb",
    "difference", "difference_low", "difference_high", "adjusted", "adjusted_low", "adjusted_high", "p", "q",
    "holdout_n", "holdout_difference", "holdout_low", "holdout_high", "smallest_detectable", "verdict",
    "e_value", "overlap", "risk_ratio", "information_gain", "reversed_within",
]  # fmt: skip

HIGHER, LOWER = "claimed: higher", "claimed: lower"
NOT_DISTINGUISHABLE = "not distinguishable"
NOT_CONFIRMED = "not distinguishable: not confirmed on held-out journeys"
CASE_MIX = "not distinguishable: other differences between the journeys explain it"
REVERSED = "not distinguishable: turns round within {attribute}"

COMPARABLE = 0.5
"""Share of comparable journeys from which on an adjusted difference can take a claim back."""

LEVEL = 0.05

MOST_VALUES = 50
"""Values of an attribute beyond which its strata are too thin to compare within."""

MOST_ADJUSTED = 50_000
"""Journeys that an adjusted difference is estimated on at most; beyond, a seeded sample of them."""


def effects(
    linked: LinkedOutcome,
    split: Split,
    *,
    least: int = 30,
    min_support: float = 0.02,
    adjust: int = 60,
    method: Literal["held_out", "posthog"] = "held_out",
    seed: int = 0,
) -> pd.DataFrame:
    """Compare, for every pattern, the journeys with it to those without it.

    Patterns are found, tested and adjusted on the training side and estimated again on the held-out side: what was
    picked because it looked large there is printed with what it is elsewhere.

    Parameters
    ----------
    linked : LinkedOutcome
        See `journeymining.outcomes.labels.link_outcome`.
    split : Split
        See `journeymining.outcomes.splitting.split_outcome`.
    least, min_support : int, float
        Journeys that must have a pattern, and as many that must not, on the training side.
    adjust : int
        How many patterns get an adjusted difference: all deviations, then those with the smallest p.
    method : "held_out" or "posthog"
        ``posthog`` gives the odds ratios of PostHog's funnel correlation instead, over all journeys with a label: see
        `journeymining.outcomes.correlation.posthog_correlation` for its columns.
    seed : int
        Deals customers to the folds of the adjustment.

    Returns
    -------
    DataFrame, one row per pattern
        ``outcome``, ``level`` (see `journeymining.outcomes.variants.LEVELS`), ``pattern``; on the training side ``n``
        (journeys with it), ``rate`` with its Wilson interval, ``rate_eb`` (shrunken towards the patterns of its
        level), ``difference`` to the journeys without it (Newcombe), ``adjusted`` difference (see
        `journeymining.outcomes.adjustment.adjusted_difference`; NaN if not computed), ``p`` (Cochran-Mantel-Haenszel
        over strata of how many other events the journey has), ``q`` (Benjamini-Hochberg over all rows); on the
        held-out side ``holdout_n``, ``holdout_difference``, ``holdout_low``, ``holdout_high``;
        ``smallest_detectable`` (the difference that n would reveal with 80 % power), ``verdict``, ``e_value``,
        ``overlap``; on the training side ``risk_ratio`` (of the rates) and ``information_gain`` (bits of the outcome
        that knowing of the pattern tells); ``reversed_within`` names attributes of the journey (segment, first
        channel, ...) within whose values the difference has the other sign, see
        `journeymining.outcomes.strata.reversed_within`; only looked for where q < .05. All intervals are 95 % and
        widened for customers with several journeys.
        Smallest p first, ties by level and pattern.

        ``verdict`` is *claimed* only if q < .05, the held-out interval excludes 0 on the same side, so does the
        adjusted one where half of the journeys or more are comparable, and no attribute turns the difference round.
    """
    if method == "posthog":
        return posthog_correlation(linked.journeys, linked.label)
    if method != "held_out":
        raise UsageError(f"Unknown method '{method}'. Allowed: held_out, posthog.")
    table = memberships(linked.journeys, split.train, least=least, min_support=min_support)
    customers = pd.factorize(linked.journeys.customer_id)[0]
    rows = [_compare(table, place, linked, split, customers) for place in range(len(table))]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "place"])
    if frame.empty:
        return frame[COLUMNS]
    frame["outcome"] = linked.name
    frame["q"] = benjamini_hochberg(frame["p"].to_numpy(dtype=float))
    for _, part in frame.groupby("level"):
        hits = (part["rate"] * part["n"]).round()
        a, b = beta_prior(hits, part["n"])
        frame.loc[part.index, "rate_eb"] = shrunken_share(hits, part["n"], a=a, b=b)[0]
    frame = frame.sort_values(["p", "level", "pattern"], kind="stable", ignore_index=True)
    chosen = frame.index[(frame["level"] == "deviation") | (frame.index < adjust)]
    shared = _beginnings(linked.journeys, split.train)
    for place in chosen:
        adjusted = _adjusted(table, int(frame.loc[place, "place"]), linked, split, customers, shared, seed)
        frame.loc[place, ["adjusted", "adjusted_low", "adjusted_high", "e_value", "overlap"]] = [
            adjusted.difference, adjusted.low, adjusted.high, adjusted.e_value, adjusted.overlap,
        ]  # fmt: skip
    attributes = _attributes(linked.journeys)
    frame["reversed_within"] = [
        _reversed(table, place, linked, split, attributes) if q < LEVEL else ""
        for place, q in zip(frame["place"], frame["q"], strict=True)
    ]
    frame["verdict"] = [verdict({str(k): v for k, v in row.items()}) for row in frame.to_dict("records")]
    return frame[COLUMNS]


def verdict(row: dict[str, Any]) -> str:
    """Return what may be said of a row of the effects table."""
    if not row["q"] < LEVEL:
        return NOT_DISTINGUISHABLE
    sign = 1 if row["difference"] > 0 else -1
    if not _excludes_zero(row["holdout_low"], row["holdout_high"], sign):
        return NOT_CONFIRMED
    # Where few journeys are comparable, the adjusted difference is a guess and no veto.
    comparable = row["overlap"] >= COMPARABLE
    if comparable and not _excludes_zero(row["adjusted_low"], row["adjusted_high"], sign):
        return CASE_MIX
    if row["reversed_within"]:
        return REVERSED.format(attribute=row["reversed_within"])
    return HIGHER if sign > 0 else LOWER


def difference_of(
    has: NDArray[np.bool_], label: NDArray[np.int8], customers: NDArray[np.int64]
) -> tuple[float, float, float]:
    """Return the difference in rate with its Newcombe interval, journeys of one customer counted as what they tell."""
    k1, n1 = _effective(label[has], customers[has])
    k0, n0 = _effective(label[~has], customers[~has])
    return tuple(float(x) for x in newcombe(k1, n1, k0, n0))  # type: ignore[return-value]  # three of them


def stratified_p(
    has: NDArray[np.bool_], label: NDArray[np.int8], strata: NDArray[np.int64], *, inflation: float = 1.0
) -> float:
    """Return the two-sided p-value of a pattern and an outcome being unrelated within strata.

    Cochran-Mantel-Haenszel without continuity correction; where a cell expects fewer than five journeys the strata
    are too thin and Fisher's exact test is used instead. ``inflation`` divides the statistic (journeys of one
    customer). NaN if either does not vary.

    References
    ----------
    N. Mantel, W. Haenszel, *Journal of the National Cancer Institute* 22 (1959) 719-748.
    """
    count = int(strata.max()) + 1
    cells = np.bincount(strata * 4 + has * 2 + label, minlength=4 * count).reshape(count, 4).astype(float)
    total = cells.sum(axis=1)
    exposed, positive = cells[:, 2] + cells[:, 3], cells[:, 1] + cells[:, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = exposed * positive / total
        variance = exposed * (total - exposed) * positive * (total - positive) / (total**2 * (total - 1))
    usable = (total > 1) & (variance > 0)
    if not usable.any():
        return math.nan
    a, b, c, d = cells.sum(axis=0)
    smallest = min(c + d, a + b) * min(b + d, a + c) / max(a + b + c + d, 1)
    if smallest < 5 and inflation == 1.0:
        return float(stats.fisher_exact([[d, c], [b, a]])[1])
    z = (cells[usable, 3] - expected[usable]).sum() / math.sqrt(variance[usable].sum() * inflation)
    return float(2 * stats.norm.sf(abs(z)))


def information_gain(has: NDArray[np.bool_], label: NDArray[np.int8]) -> float:
    """Return how many bits of uncertainty about the outcome are gone once it is known who has the pattern.

    Examples
    --------
    >>> round(information_gain(np.array([True, True, False, False]), np.array([1, 1, 0, 0])), 3)
    1.0
    """
    parts = [label, label[has], label[~has]]
    whole, inside, outside = (stats.entropy([part.sum(), len(part) - part.sum()], base=2) if len(part) else 0.0
                              for part in parts)  # fmt: skip
    share = float(has.mean())
    return float(whole - share * inside - (1 - share) * outside)


def length_strata(lengths: NDArray[np.int64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stratum of every journey by its number of events."""
    result: NDArray[np.int64] = np.searchsorted(edges, lengths, side="left")
    return result


def _compare(
    table: Memberships, place: int, linked: LinkedOutcome, split: Split, customers: NDArray[np.int64]
) -> dict[str, Any]:
    inside, asked = table.column(place), table.asked[place]
    train, test = (side if asked is None else side[asked[side]] for side in (split.train, split.test))
    has, label, who = inside[train], linked.label[train], customers[train]
    inflation = design_effect(label, who)
    k1, n1 = _effective(label[has], who[has])
    k0, n0 = _effective(label[~has], who[~has])
    low, high = wilson(k1, n1)
    difference, difference_low, difference_high = newcombe(k1, n1, k0, n0)
    others = table.other_events(place, linked.journeys, train)
    edges = np.unique(np.quantile(others, [0.25, 0.5, 0.75]))
    held = difference_of(inside[test], linked.label[test], customers[test]) if inside[test].any() else (math.nan,) * 3
    return {
        "place": place,
        "level": table.level[place],
        "pattern": table.pattern[place],
        "n": int(has.sum()),
        "rate": float(label[has].mean()),
        "rate_low": float(low),
        "rate_high": float(high),
        "difference": float(difference),
        "difference_low": float(difference_low),
        "difference_high": float(difference_high),
        "adjusted": math.nan,
        "adjusted_low": math.nan,
        "adjusted_high": math.nan,
        "p": stratified_p(has, label, length_strata(others, edges), inflation=inflation),
        "holdout_n": int(inside[test].sum()),
        "holdout_difference": held[0],
        "holdout_low": held[1],
        "holdout_high": held[2],
        "smallest_detectable": smallest_detectable(n1, n0, k0 / n0),
        "e_value": math.nan,
        "overlap": math.nan,
        "risk_ratio": float((k1 / n1) / (k0 / n0)) if k0 else math.nan,
        "information_gain": information_gain(has, label),
        "reversed_within": "",
    }


def _attributes(journeys: JourneyFrame) -> dict[str, NDArray[np.int64]]:
    """Return what journeys can be told apart by before any pattern: name -> the value's number per journey."""
    first, some = np.minimum(journeys.offsets[:-1], max(len(journeys.time) - 1, 0)), journeys.lengths > 0
    found = {}
    for name in [*sorted(constant_columns(journeys) & set(journeys.coded)), "activity", "channel"]:
        if name in journeys.coded and len(journeys.coded[name].levels) <= MOST_VALUES:
            # Missing values are a value of their own.
            codes = np.where(some, journeys.coded[name].codes[first], -1) + 1
            found[f"first {name}" if name in ("activity", "channel") else name] = codes.astype(np.int64)
    return found


def _reversed(
    table: Memberships, place: int, linked: LinkedOutcome, split: Split, attributes: Mapping[str, NDArray[np.int64]]
) -> str:
    asked = table.asked[place]
    rows = split.train if asked is None else split.train[asked[split.train]]
    inside = {name: codes[rows] for name, codes in attributes.items()}
    return " and ".join(reversed_within(table.column(place)[rows], linked.label[rows], inside))


def _adjusted(
    table: Memberships,
    place: int,
    linked: LinkedOutcome,
    split: Split,
    customers: NDArray[np.int64],
    shared: NDArray[np.float64],
    seed: int,
) -> Adjusted:
    asked, inside = table.asked[place], table.column(place)
    keep = np.arange(len(split.train)) if asked is None else np.flatnonzero(asked[split.train])
    if len(keep) > MOST_ADJUSTED:
        keep = np.sort(np.random.default_rng(seed).choice(keep, MOST_ADJUSTED, replace=False))
    rows, who = split.train[keep], pd.factorize(customers[split.train[keep]])[0]
    return adjusted_difference(inside[rows], linked.label[rows], shared[keep], who, seed=seed)


def _beginnings(journeys: JourneyFrame, train: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what journeys differ in before any pattern: when, how and where they began, the customer's past.

    Length is not among them: a pattern makes a journey longer. The strata of the p-value take care of it.
    """
    order = np.lexsort((journeys.start, pd.factorize(journeys.customer_id)[0]))
    past = np.empty(len(journeys))
    past[order] = pd.Series(1, index=order).groupby(journeys.customer_id[order]).cumsum().to_numpy() - 1
    part = journeys[train]
    begin = part.start / 1e6
    columns = [_scaled(begin), _scaled(np.log1p(past[train]))]
    first = part.offsets[:-1][part.lengths > 0]
    for name in ("activity", "channel"):
        if name not in part.coded:
            continue
        codes = np.full(len(part), -1)
        codes[part.lengths > 0] = part.coded[name].codes[first]
        common = pd.Series(codes).value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
        # The most frequent beginning is the reference; rare ones are too few to tell apart.
        columns += [_scaled((codes == code).astype(float)) for code in common.index[1:9] if common[code] >= 20]
    for values in part.numbers.values():
        known = ~np.isnan(values[first])
        if len(first) == len(part) and known.all():
            columns.append(_scaled(values[first]))
    return np.column_stack(columns)


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros(len(values))


def _effective(label: NDArray[np.int8], customers: NDArray[np.int64]) -> tuple[float, float]:
    effect = design_effect(label, customers)
    return float(label.sum()) / effect, len(label) / effect


def _excludes_zero(low: float, high: float, sign: int) -> bool:
    return low > 0 if sign > 0 else high < 0
