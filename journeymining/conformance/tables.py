"""The tables of a conformance check: per variant, per journey, per deviation."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl

from journeymining.conformance.compare import move_fitness
from journeymining.conformance.deviations import TYPES, deviations_of, order_score
from journeymining.conformance.judging import PATH_DEVIATION
from journeymining.conformance.scope import COMPLETE, OPEN, STANDS
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from journeymining.conformance.compare import Compared
    from journeymining.conformance.design import Design
    from journeymining.conformance.scope import Paths

NUMBERS = ("cost", "cost_at_most", "fitness", "move_log_fitness", "move_model_fitness", "order_score", "coverage")


def variant_id(path: Sequence[str]) -> str:
    r"""Return the id of a path, the same as in `journeymining.discovery`: 12 hex of MD5, activities joined by 0x1F."""
    return hashlib.md5("\x1f".join(path).encode(), usedforsecurity=False).hexdigest()[:12]


def variant_table(paths: Paths, activities: list[list[str]], compared: Compared | None) -> pd.DataFrame:
    """Return one row per judged path and way it stands, most journeys first.

    ``variant_id``, ``stands`` (complete, open, ended otherwise), ``path``, ``journeys``, ``events``, ``cost`` and
    ``cost_at_most`` (equal unless a budget was spent), ``fitness``, ``move_log_fitness``, ``move_model_fitness``,
    ``order_score`` (Kendall's tau of the touchpoints that came, NaN with fewer than two), ``coverage`` (share of the
    obligatory touchpoints that came, without those still pending) and ``pending`` (touchpoints an open journey must
    still pass). Without a model the figures are NaN.
    """
    table = pd.DataFrame(
        {
            "variant_id": [variant_id(path) for path in activities],
            "stands": [STANDS[stand] for stand in paths.stands.tolist()],
            "path": [" > ".join(path) for path in activities],
            "journeys": paths.journeys,
            "events": [len(path) for path in activities],
            **{name: np.full(len(activities), np.nan) for name in NUMBERS},
            "pending": pd.Series([""] * len(activities), dtype=str),
        }
    )
    if compared is None:
        return table
    found = compared.alignments
    table["cost"], table["cost_at_most"], table["fitness"] = found.cost, found.upper, compared.fitness
    table["move_log_fitness"], table["move_model_fitness"] = move_fitness(compared, paths)
    scores, coverage, pending = [], [], []
    must = {state: {compared.labels[label] for label in np.flatnonzero(column)} for state, column in _columns(compared)}
    departs = compared.departs.tolist()
    for number, path in enumerate(activities):
        right, against = len(path) * (len(path) - 1) // 2, 0
        if departs[number]:
            right, against = order_score(found.moves(number), path, compared.net.labels)
        scores.append((right - against) / (right + against) if right + against else np.nan)
        if compared.graph is None:
            coverage.append(np.nan)
            pending.append("")
            continue
        state = int(found.state[number])
        waiting = must[state] if paths.stands[number] != COMPLETE else set()
        asked = must[0] - waiting
        coverage.append(len(asked & set(path)) / len(asked) if asked else np.nan)
        pending.append("; ".join(sorted(waiting)) if paths.stands[number] == OPEN else "")
    table["order_score"], table["coverage"] = scores, coverage
    table["pending"] = pd.Series(pending, dtype=str)
    return table


def _columns(compared: Compared) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Return, for the states that paths end in and the first, which labels must still come."""
    if compared.graph is not None:
        for state in {0, *compared.alignments.state.tolist()}:
            yield state, compared.must[:, state]


def path_deviations(
    design: Design, paths: Paths, activities: list[list[str]], compared: Compared | None
) -> pl.DataFrame:
    """Return the deviations of every path, see `journeymining.conformance.judging.PATH_DEVIATION`."""
    rows = []
    if compared is not None:
        order = {name: number for number, name in enumerate(design.phases)}
        phases = {name: order[one.phase] for name, one in design.touchpoints.items() if one.phase in order}
        for number in np.flatnonzero(compared.departs).tolist():
            path = activities[number]
            found = deviations_of(
                compared.alignments.moves(number),
                path,
                compared.net.labels,
                anywhere=design.anywhere,
                placed={*compared.labels, *design.touchpoints},
                phases=phases,
                phase_names=design.phases,
                closed=paths.stands[number] == COMPLETE,
            )
            rows += [(number, *deviation) for deviation in found]
    return pl.DataFrame(rows, schema=PATH_DEVIATION, orient="row")


def deviation_table(findings: pl.DataFrame, in_scope: int) -> pd.DataFrame:
    """Count journeys per type, touchpoint, expected and observed; most journeys first, ties alphabetically."""
    return group_table(findings, ["type", "touchpoint", "expected", "observed"], in_scope)


def group_table(findings: pl.DataFrame, keys: list[str], in_scope: int) -> pd.DataFrame:
    """Count the journeys that have a finding of each group.

    Returns
    -------
    DataFrame, one row per group that occurs
        The keys, ``journeys`` concerned, their ``share`` of the journeys in scope with its interval ``share_low``,
        ``share_high`` (Wilson, 95 %), and ``events``: how many findings these are.
    """
    counted = (
        findings.drop_nulls(keys)
        .group_by(keys)
        .agg(pl.col("journey_id").n_unique().alias("journeys"), pl.len().alias("events"))
        .sort("journeys", *keys, descending=[True, *(False for _ in keys)])
    )
    low, high = wilson(counted["journeys"].to_numpy(), np.full(counted.height, in_scope))
    return pd.DataFrame(
        {
            **{key: pd.Series(counted[key].to_list(), dtype=str) for key in keys},
            "journeys": counted["journeys"].to_numpy().astype(np.int64),
            "share": counted["journeys"].to_numpy() / in_scope,
            "share_low": low,
            "share_high": high,
            "events": counted["events"].to_numpy().astype(np.int64),
        }
    )


def journey_table(journeys: pl.DataFrame, findings: pl.DataFrame, variants: pd.DataFrame) -> pd.DataFrame:
    """Return one row per journey of the log, by journey_id.

    ``journey_id``, ``customer_id``, ``in_scope``, ``stands``, ``entry_channel`` (of the first event in scope),
    ``variant_id``, ``cost``, ``fitness``, ``order_score``, ``coverage``, ``pending``, one count per type of deviation,
    ``late_by`` (seconds by which the latest fulfilment of a promise was late; missing if none was fulfilled late), and
    per promise and rule (``promise_0``, ``rule_0``, as numbered in their tables) the verdict. Outside the scope the
    figures are missing.
    """
    counts = findings.group_by("journey_id").agg(
        *((pl.col("type") == kind).sum().cast(pl.Int64).alias(kind) for kind in TYPES)
    )
    table = journeys.join(counts, on="journey_id", how="left").sort("journey_id").to_pandas()
    inside = table["path"] >= 0
    table.insert(2, "in_scope", inside)
    table["stands"] = pd.Series([STANDS[stand] for stand in table["stands"].tolist()], dtype=str)
    known = variants[["variant_id", "cost", "fitness", "order_score", "coverage", "pending"]]
    told = known.iloc[table["path"].clip(lower=0).to_numpy()].reset_index(drop=True).where(inside)
    table = pd.concat([table.drop(columns="path"), told], axis=1)
    for kind in TYPES:
        table[kind] = table[kind].fillna(0).astype(np.int64)
    verdicts = [name for name in table.columns if name.startswith(("promise_", "rule_"))]
    first = ["journey_id", "customer_id", "in_scope", "stands", "entry_channel", *known.columns, *TYPES, "late_by"]
    return table[[*first, *verdicts]]


def entry_table(journeys: pd.DataFrame) -> pd.DataFrame:
    """Say per entry channel how many journeys follow the design.

    Parameters
    ----------
    journeys : DataFrame, one row per journey
        See `journey_table`.

    Returns
    -------
    DataFrame, one row per entry channel, most journeys first
        ``entry_channel`` (empty where unknown), ``journeys`` in scope, ``following`` (cost 0), their ``share`` with its
        interval ``share_low``, ``share_high`` (Wilson, 95 %), and the mean ``fitness``. Empty without a model: then no
        journey has a cost.
    """
    inside = journeys[journeys["in_scope"] & journeys["cost"].notna()]
    grouped = inside.assign(entry_channel=inside["entry_channel"].fillna(""), following=inside["cost"] == 0).groupby(
        "entry_channel", as_index=False
    )
    table = grouped.agg(
        journeys=("following", "size"),
        following=("following", "sum"),
        share=("following", "mean"),
        fitness=("fitness", "mean"),
    ).sort_values(["journeys", "entry_channel"], ascending=[False, True], ignore_index=True)
    low, high = wilson(table["following"], table["journeys"])
    table.insert(4, "share_low", low)
    table.insert(5, "share_high", high)
    return table
