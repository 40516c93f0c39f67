"""What the conformance tables of a run say of its journeys and paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.compute as pc

from journeymining.report.parquet import read_columns
from journeymining.report.run_paths import Paths, count_paths

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

# Deviations of a path as such; what is not in the design is seen in the path itself.
OF_A_PATH = ("missing", "wrong_order", "repeated")


def departing_journeys(folder: Path) -> tuple[dict[str, int] | None, int | None]:
    """Count the journeys that depart at each touchpoint, and those in scope that depart nowhere."""
    findings, judged = folder / "conformance_findings.parquet", folder / "conformance_journeys.parquet"
    if not findings.is_file():
        return None, None
    pairs = read_columns(findings, ["journey_id", "touchpoint"])
    once = pairs.group_by(["journey_id", "touchpoint"]).aggregate([])
    counted = once.group_by("touchpoint").aggregate([("journey_id", "count")])
    departing = dict(zip(counted["touchpoint"].to_pylist(), counted["journey_id_count"].to_pylist(), strict=True))
    if not judged.is_file():
        return departing, None
    journeys = read_columns(judged, ["journey_id", "in_scope"])
    inside = journeys.filter(journeys["in_scope"])["journey_id"]
    found = pc.is_in(inside, value_set=pc.unique(pairs["journey_id"].combine_chunks()))
    return departing, len(inside) - (pc.sum(found).as_py() or 0)


def judged_paths(
    variants: pl.DataFrame | None, conformance: pd.DataFrame | None, summary: dict[str, Any] | None, top: int
) -> Paths | None:
    """Count the paths that the design judges; None where not all journeys are told apart by their path alone."""
    inside = ((summary or {}).get("journeys") or {}).get("in_scope")
    if variants is None or conformance is None or not inside:
        return None
    paths = count_paths(variants, among=set(conformance["variant_id"]), top=top)
    return paths if paths.journeys == inside else None


def departing_paths(variants: pl.DataFrame | None, conformance: pd.DataFrame | None, top: int) -> Paths | None:
    """Count the paths that do not follow the design."""
    if variants is None or conformance is None or "cost" not in conformance:
        return None
    return count_paths(variants, among=set(conformance.loc[conformance["cost"] > 0, "variant_id"]), top=top)


def fitting_moves(variants: pl.DataFrame | None, conformance: pd.DataFrame | None) -> set[tuple[str, str]]:
    """Return the moves, starts and ends included, of the paths that cost nothing: what the design allows, as seen."""
    if variants is None or conformance is None or "cost" not in conformance:
        return set()
    # What an open journey has reached so far is no end that the design allows.
    over = conformance[conformance["stands"] == "complete"] if "stands" in conformance else conformance
    worst = over.groupby("variant_id")["cost"].max()
    fitting = count_paths(variants, among={str(one) for one in worst.index[worst == 0]}, top=0)
    return set(fitting.transitions())


def path_faults(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return per variant the deviations (type, touchpoint) that all its journeys have."""
    findings, judged = folder / "conformance_findings.parquet", folder / "conformance_journeys.parquet"
    if not (findings.is_file() and judged.is_file()):
        return {}
    found = pl.DataFrame(read_columns(findings, ["journey_id", "type", "touchpoint"]))
    journeys = pl.DataFrame(read_columns(judged, ["journey_id", "variant_id"])).drop_nulls("variant_id")
    common = (
        found.filter(pl.col("type").is_in(OF_A_PATH))
        .unique()
        .join(journeys, on="journey_id")
        .group_by("variant_id", "type", "touchpoint")
        .len("found")
        .join(journeys.group_by("variant_id").len("all"), on="variant_id")
        .filter(pl.col("found") == pl.col("all"))
        .sort("variant_id", "type", "touchpoint")
    )
    faults: dict[str, list[tuple[str, str]]] = {}
    for variant, kind, touchpoint in common.select("variant_id", "type", "touchpoint").iter_rows():
        faults.setdefault(str(variant), []).append((str(kind), str(touchpoint)))
    return faults
