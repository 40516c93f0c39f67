"""Two groups of journeys held against each other, on every analysis: what differs, by how much, how surely."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from journeymining.discovery.channels import channel_reach, channel_returns, channel_switches, containment
from journeymining.discovery.comparison_waits import compare_waits
from journeymining.discovery.directly_follows import directly_follows
from journeymining.discovery.phase_exits import phase_dropoff, phase_exits
from journeymining.discovery.phases import USUAL_ORDER, phase_progress
from journeymining.discovery.rework import rework
from journeymining.discovery.selection import Selection, journey_masks
from journeymining.discovery.touchpoints import end_activities, start_activities, touchpoints
from journeymining.discovery.variants import variants
from journeymining.exceptions import EmptyLogError
from journeymining.proportions import benjamini_hochberg, newcombe

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import PreparedLog

LEAST = 10
"""Journeys that must have something, and as many that must not, of both groups together, before it is tested."""

HIGHER, LOWER = "higher", "lower"
NOT_DISTINGUISHABLE = "not distinguishable"
NOT_TESTED = "not tested: too few"

COLUMNS = (
    "analysis", "item", "source", "target", "measure", "first", "second", "journeys_first", "n_first",
    "journeys_second", "n_second", "difference", "low", "high", "p", "q", "verdict",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What two groups differ in: the ``table`` of `compare_groups`, and a ``summary`` of who was compared."""

    table: pd.DataFrame
    summary: dict[str, Any]


def compare_groups(
    log: PreparedLog,
    first: Collection[str],
    second: Collection[str] | None = None,
    *,
    names: tuple[str, str] = ("first", "second"),
    phases: Sequence[str] | None = None,
    least: int = LEAST,
) -> Comparison:
    """Compare two groups of journeys on every analysis, with intervals and a bound on false discoveries.

    Parameters
    ----------
    log : PreparedLog
    first, second : collections of str
        The journey ids of both groups; without a second one, all journeys that are not in the first. Ids that the log
        does not have are passed over and counted; a journey of both groups is in neither, and counted.
    names : pair of str
        What the groups are called.
    phases : sequence of str, optional
        The phases from first to last; by default the usual five, where the log has no others.
    least : int
        Journeys that must have something, and as many that must not, before it is tested: what is this rare could
        not be told from chance, and every test costs the others. The choice does not look at the groups.

    Returns
    -------
    Comparison
        Its table has one row per thing that either group does. ``analysis``: ``touchpoints`` (an activity at all),
        ``touchpoints in channels``, ``directly follows``, ``starts``, ``ends``, ``variants``, ``channels``,
        ``channel switches``, ``forced switches``, ``channel returns``, ``containment``, ``phases``, ``back flow``,
        ``drop off``, ``rework``, ``waits``, ``switch waits``, ``duration``, ``length``. ``item`` (what), ``source``
        and ``target`` (of moves), ``measure`` (``share`` of journeys, ``median seconds``, ``median events``),
        ``first`` and ``second`` (its value in both), ``journeys_first`` of ``n_first`` and ``journeys_second`` of
        ``n_second`` (journeys that have it; for waits only their number), ``difference`` (first minus second) with
        ``low`` and ``high`` (95 %; Newcombe for shares, see `journeymining.discovery.medians` for medians), ``p``,
        ``q`` (Benjamini-Hochberg over all rows of the table that are tested) and ``verdict``: *higher* or *lower* in
        the first group where q < .05 and the interval excludes 0, else *not distinguishable*, or *not tested*.
        By analysis in this order, then by q, p and item.

    Raises
    ------
    EmptyLogError
        If a group has no journey of its own.

    Notes
    -----
    Journeys are taken as independent; of customers with many journeys the intervals are too narrow, so the summary
    counts customers. Groups that were not assigned by chance differ for many reasons: a difference is no effect.

    References
    ----------
    R. G. Newcombe, *Statistics in Medicine* 17 (1998) 873-890; Y. Benjamini, Y. Hochberg, *JRSS B* 57 (1995) 289-300.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     found = compare_groups(log, ["b"], names=("callers", "others"))
    >>> found.table.loc[found.table["item"] == "call", ["analysis", "first", "second", "verdict"]].head(1)
          analysis  first  second              verdict
    0  touchpoints    1.0     0.0  not tested: too few
    """
    one, other, counts = _split(log, first, second, names)
    order = list(USUAL_ORDER if phases is None else phases)
    with_phases = bool(log.phases) and all(name in order for name in log.phases)
    found = [_journeys_per_item(group, order if with_phases else []) for group in (one, other)]
    shares = pd.concat([_compare_shares(found[0][name], found[1][name], name) for name in found[0]])
    shares = _tested_shares(shares, least)
    table = pd.concat([shares, compare_waits(one, other, least=least)], ignore_index=True)
    table["q"] = benjamini_hochberg(table["p"].to_numpy(dtype=float))
    table["verdict"] = [_verdict(*row) for row in table[["p", "q", "low", "high"]].itertuples(index=False)]
    rank = {name: place for place, name in enumerate(dict.fromkeys(table["analysis"]))}
    table["rank"] = table["analysis"].map(rank)
    table = table.sort_values(["rank", "q", "p", "item"], kind="stable", ignore_index=True)
    tested = int(table["p"].notna().sum())
    return Comparison(
        table[list(COLUMNS)],
        {
            "names": list(names),
            **counts,
            "tested": tested,
            "not_tested": len(table) - tested,
            "distinguishable": int(table["verdict"].isin([HIGHER, LOWER]).sum()),
            "least": least,
            "phases_compared": with_phases,
        },
    )


def write_comparison(found: Comparison, folder: Path, name: str) -> None:
    """Write ``comparisons/<name>.csv`` and ``comparisons/<name>.json`` into a folder of results."""
    place = folder / "comparisons"
    place.mkdir(exist_ok=True)
    found.table.to_csv(place / f"{name}.csv", index=False, lineterminator="\n")
    text = json.dumps(found.summary, indent=2, ensure_ascii=False) + "\n"
    (place / f"{name}.json").write_text(text, encoding="utf-8")


def _split(
    log: PreparedLog, first: Collection[str], second: Collection[str] | None, names: tuple[str, str]
) -> tuple[Selection, Selection, dict[str, Any]]:
    """Return both groups as logs, and how many journeys are in which."""
    one = journey_masks(log, first)
    other = [~mask for mask in one] if second is None else journey_masks(log, second)
    both = [a & b for a, b in zip(one, other, strict=True)]
    groups = [
        Selection(log, [mask & ~twice for mask, twice in zip(masks, both, strict=True)]) for masks in (one, other)
    ]
    in_both = int(sum(mask.sum() for mask in both))
    for group, name in zip(groups, names, strict=True):
        if not group.journey_count:
            why = f" All its journeys are in the other group too ({in_both:,})." if in_both else ""
            raise EmptyLogError(f"No journey is in the group '{name}' alone.{why}")
    customers = [_customers(group) for group in groups]
    counts = {
        "journeys": [group.journey_count for group in groups],
        "customers": [len(found) for found in customers],
        "customers_in_both": len(customers[0] & customers[1]),
        "journeys_in_both": in_both,
        "journeys_in_neither": log.journey_count - in_both - sum(group.journey_count for group in groups),
        "ids_not_in_log": [
            0 if given is None else len(set(given)) - int(sum(mask.sum() for mask in masks))
            for given, masks in ((first, one), (second, other))
        ],
    }
    return groups[0], groups[1], counts


def _customers(log: PreparedLog) -> set[str]:
    return log.run(
        lambda bucket: set(bucket.journey_columns("customer_id")["customer_id"].to_list()),
        lambda parts: set().union(*parts),
        columns=["journey"],
    )


def _journeys_per_item(log: Selection, order: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return per analysis: item, source, target, journeys (that have it) and n (that could)."""
    repeated, switched = rework(log), channel_switches(log)
    # Without channels the second table would say what the first does.
    contacts = touchpoints(log) if log.channels else touchpoints(log).iloc[:0]
    contacts = contacts.fillna({"channel": "no channel", "phase": ""})
    several = contacts.duplicated(["activity", "channel"], keep=False)
    where = contacts["activity"] + " @ " + contacts["channel"]
    contacts["item"] = where.where(~several, where + " in " + contacts["phase"].replace("", "no phase"))
    tables = {
        "touchpoints": _items(repeated["activity"], repeated["journeys"]),
        "touchpoints in channels": _items(contacts["item"], contacts["journeys"]),
        "directly follows": _moves(directly_follows(log), "source", "target", "journeys"),
        "starts": _items(*(start_activities(log)[name] for name in ("activity", "journeys"))),
        "ends": _items(*(end_activities(log)[name] for name in ("activity", "journeys"))),
        "variants": _paths(log),
        "channels": _items(*(channel_reach(log)[name] for name in ("channel", "journeys"))),
        "channel switches": _moves(switched, "from_channel", "to_channel", "journeys"),
        "forced switches": _moves(switched[switched["forced"] > 0], "from_channel", "to_channel", "forced_journeys"),
        "channel returns": _moves(channel_returns(log), "channel", "via", "journeys"),
    }
    for table in tables.values():
        table["n"] = float(log.journey_count)
    stays = containment(log)
    tables["containment"] = _items(stays["channel"], stays["contained"]).assign(n=stays["journeys"].astype(float))
    if order:
        progress, exits = phase_progress(log, order=order), phase_exits(log, order=order)
        tables["phases"] = _items(progress["phase"], progress["journeys"]).assign(n=float(log.journey_count))
        back = _items(progress["phase"], progress["back_journeys"])
        tables["back flow"] = back.assign(n=progress["journeys"].astype(float))
        ended = phase_dropoff(log, exits, order=order)
        # As many journeys as the estimate is worth: those that are still open count for what they tell.
        worth = ended["drop_off_worth"].fillna(0.0)
        tables["drop off"] = _items(ended["phase"], ended["drop_off"].fillna(0.0) * worth).assign(n=worth)
    again = repeated[repeated["repeating_journeys"] > 0]
    tables["rework"] = _items(again["activity"], again["repeating_journeys"]).assign(n=float(log.journey_count))
    return tables


def _items(names: pd.Series[str], journeys: pd.Series[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {"item": names.to_numpy(), "source": "", "target": "", "journeys": journeys.to_numpy(dtype=float)}
    )


def _moves(table: pd.DataFrame, source: str, target: str, journeys: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "item": (table[source] + " > " + table[target]).to_numpy(),
            "source": table[source].to_numpy(),
            "target": table[target].to_numpy(),
            "journeys": table[journeys].to_numpy(dtype=float),
        }
    )


def _paths(log: Selection) -> pd.DataFrame:
    found = variants(log)
    return _items(pd.Series([" > ".join(path) for path in found["path"]], dtype="str"), found["journeys"])


def _compare_shares(one: pd.DataFrame, other: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """Put both groups beside each other; what a group does not do at all counts 0 of all its journeys."""
    keys = ["item", "source", "target"]
    joined = one.merge(other, on=keys, how="outer", suffixes=("_first", "_second"), validate="one_to_one")
    for side, table in (("first", one), ("second", other)):
        joined[f"journeys_{side}"] = joined[f"journeys_{side}"].fillna(0.0)
        # The journeys that could have an item are all of the group, or known per item: then none could, if none did.
        same = table["n"].iloc[0] if len(table) and table["n"].nunique() == 1 and analysis != "containment" else 0.0
        joined[f"n_{side}"] = joined[f"n_{side}"].fillna(same)
    joined.insert(0, "analysis", analysis)
    return joined.assign(measure="share")


def _tested_shares(table: pd.DataFrame, least: int) -> pd.DataFrame:
    k1, n1, k0, n0 = (
        table[name].to_numpy(dtype=float) for name in ("journeys_first", "n_first", "journeys_second", "n_second")
    )
    difference, low, high = newcombe(k1, n1, k0, n0)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = k1 / n1, k0 / n0
    tested = (k1 + k0 >= least) & (n1 + n0 - k1 - k0 >= least) & (np.minimum(n1, n0) > 0)
    p = np.where(tested, share_p(k1, n1, k0, n0), np.nan)
    return table.assign(first=first, second=second, difference=difference, low=low, high=high, p=p)


def share_p(
    k1: NDArray[np.float64], n1: NDArray[np.float64], k0: NDArray[np.float64], n0: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the two-sided p-values of shares being the same: the score test, or Fisher's where a cell expects few.

    Examples
    --------
    >>> share_p(*(np.array([float(x)]) for x in (30, 100, 50, 100))).round(4).tolist()
    [0.0039]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (k1 + k0) / (n1 + n0)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
        p = 2 * stats.norm.sf(np.abs(k1 / n1 - k0 / n0) / error)
        few = np.minimum(pooled, 1 - pooled) * np.minimum(n1, n0) < 5
    for place in np.flatnonzero(few & (np.minimum(n1, n0) > 0)):
        cells = [round(float(x[place])) for x in (k1, n1, k0, n0)]
        table = [[cells[0], cells[1] - cells[0]], [cells[2], cells[3] - cells[2]]]
        p[place] = stats.fisher_exact(table)[1]
    found: NDArray[np.float64] = p
    return found


def _verdict(p: float, q: float, low: float, high: float) -> str:
    if np.isnan(p):
        return NOT_TESTED
    if q < 0.05 and low > 0:
        return HIGHER
    return LOWER if q < 0.05 and high < 0 else NOT_DISTINGUISHABLE
