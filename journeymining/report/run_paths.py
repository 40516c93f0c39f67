"""What distinct paths add up to: touchpoints and moves, counted from the variants of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

# No activity can be called like this: names of a log are printable.
START, END = "\x00start", "\x00end"


@dataclass(frozen=True)
class Paths:
    """The variants of some journeys.

    ``top`` are the most frequent ones (variant_id, path, journeys, median_duration); ``touchpoints`` say per activity
    in how many journeys it occurs, how often, and how many start and end with it; ``moves`` say per pair of activities
    that follow each other how often and in how many journeys.
    """

    top: pd.DataFrame
    variants: int
    journeys: int
    touchpoints: dict[str, dict[str, int]]
    moves: list[tuple[str, str, int, int]]

    def transitions(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return events and journeys of all moves, starts and ends included."""
        found = {(source, target): (events, journeys) for source, target, events, journeys in self.moves}
        for name, counts in self.touchpoints.items():
            # A journey starts once and ends once: events and journeys are the same here.
            if counts["starts"]:
                found[START, name] = (counts["starts"], counts["starts"])
            if counts["ends"]:
                found[name, END] = (counts["ends"], counts["ends"])
        return found


def count_paths(variants: pl.DataFrame, *, among: Collection[str] | None = None, top: int = 200) -> Paths:
    """Count what the journeys of variants do, exactly.

    Parameters
    ----------
    variants : DataFrame, one row per variant
        ``variant_id``, ``path`` (list of activities), ``journeys``, ``median_duration``.
    among : ids, optional
        Only these variants.
    top : int
        How many variants to keep as rows; ties go by id.

    Examples
    --------
    >>> table = pl.DataFrame({"variant_id": ["1", "2"], "path": [["a", "b", "b"], ["b"]], "journeys": [3, 2],
    ...                       "median_duration": [9.0, 0.0]})
    >>> found = count_paths(table)
    >>> found.touchpoints["b"], found.moves
    ({'journeys': 5, 'events': 8, 'starts': 2, 'ends': 5}, [('a', 'b', 3, 3), ('b', 'b', 3, 3)])
    """
    if among is not None:
        variants = variants.filter(pl.col("variant_id").is_in(sorted(among)))
    variants = variants.filter(pl.col("path").list.len() > 0)
    ordered = variants.sort(["journeys", "variant_id"], descending=[True, False])
    steps = (
        variants.with_row_index("variant")
        .select("variant", "journeys", pl.col("path").alias("activity"))
        .explode("activity")
        .with_columns(pl.col("activity").shift(-1).over("variant").alias("next"))
    )
    return Paths(
        top=ordered.head(top).to_pandas(),
        variants=variants.height,
        journeys=int(variants["journeys"].sum()),
        touchpoints=_touchpoints(variants, steps),
        moves=_moves(steps.drop_nulls("next")),
    )


def _touchpoints(variants: pl.DataFrame, steps: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = {
        "journeys": _sums(steps.unique(["variant", "activity"]), "activity"),
        "events": _sums(steps, "activity"),
        "starts": _sums(variants.with_columns(pl.col("path").list.first().alias("activity")), "activity"),
        "ends": _sums(variants.with_columns(pl.col("path").list.last().alias("activity")), "activity"),
    }
    return {name: {what: sums.get(name, 0) for what, sums in counted.items()} for name in sorted(counted["events"])}


def _moves(steps: pl.DataFrame) -> list[tuple[str, str, int, int]]:
    often = steps.group_by("activity", "next").agg(pl.col("journeys").sum().alias("events"))
    once = steps.unique(["variant", "activity", "next"]).group_by("activity", "next").agg(pl.col("journeys").sum())
    joined = often.join(once, on=["activity", "next"]).sort("activity", "next")
    return [(str(a), str(b), int(n), int(m)) for a, b, n, m in joined.iter_rows()]


def _sums(frame: pl.DataFrame, key: str) -> dict[str, int]:
    return {str(name): int(total) for name, total in frame.group_by(key).agg(pl.col("journeys").sum()).iter_rows()}
