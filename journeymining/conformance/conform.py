"""Compare the actual journeys of a log with a designed one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from journeymining.conformance.compare import Compared, compare
from journeymining.conformance.figures import generalisation, intervals, mean_with_interval, precision, simplicity
from journeymining.conformance.judging import Judged, judge_bucket
from journeymining.conformance.promises import promise_table
from journeymining.conformance.resampling import Resamples
from journeymining.conformance.satisfaction import rule_intervals, rule_table
from journeymining.conformance.scope import COLUMNS, ENDED_OTHERWISE, OPEN, Codes, Paths, scoped_paths
from journeymining.conformance.tables import (
    deviation_table,
    entry_table,
    group_table,
    journey_table,
    path_deviations,
    variant_table,
)
from journeymining.exceptions import InputError
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd

    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import PreparedLog


MEANS = ("move_log_fitness", "move_model_fitness", "order_score", "coverage")
"""Figures of the whole log that are means over journeys of a figure of their path."""


@dataclass(frozen=True)
class Conformance:
    """What comparing a log with a design found; `conform` says what each table holds."""

    design: Design
    variants: pd.DataFrame
    deviations: pd.DataFrame
    journeys: pd.DataFrame
    findings: pd.DataFrame
    touchpoints: pd.DataFrame
    phases: pd.DataFrame
    channels: pd.DataFrame
    entries: pd.DataFrame
    rules: pd.DataFrame
    promises: pd.DataFrame
    summary: dict[str, Any] = field(repr=False)
    personas: pd.DataFrame | None = None


class NobodyInScopeError(InputError):
    """No journey that is asked about is in scope of a design."""


def conform(
    log: PreparedLog,
    design: Design,
    *,
    state_limit: int = 100_000,
    budget: int = 100_000,
    silent_cost: int = 0,
    seed: int = 0,
    samples: int = 1000,
    threads: int | None = None,
    among: Collection[str] | None = None,
) -> Conformance:
    r"""Compare every journey of a log with a design, exactly, and say in words where it departs.

    Parameters
    ----------
    log : PreparedLog
        See `journeymining.engines.prepared_log.prepare`. Journeys flagged open are not held to what may still come.
    design : Design
        See `journeymining.conformance.design.read_design`.
    state_limit : int
        Models with more states are searched on demand instead of listed: without precision, coverage and pending.
    budget : int
        How many states such a search may look at for one path; where it is spent, ``cost`` and ``cost_at_most`` differ.
    silent_cost : int, default 0
        What a step that no event can show costs.
    seed, samples : int
        Of the bootstrap by customer behind the intervals of the figures of the whole log and of rules.
    threads : int, default one per core
    among : ids of journeys, optional
        Only these are judged; the others are outside. Personas' own designs are not looked at here, see
        `journeymining.conformance.personas.conform_personas`.

    Returns
    -------
    Conformance
        ``variants``: a row per distinct judged path; ``deviations``: a row per type, touchpoint, expected and observed,
        with the journeys concerned as a share of those in scope and its 95 % interval (Wilson); ``touchpoints``,
        ``phases``, ``channels``: the same per type and touchpoint, phase, channel; ``entries``: a row per channel in
        which journeys begin, with how many follow the design; ``journeys``: a row per journey;
        ``findings``: a row per single deviation, with the event it is about; ``rules``, ``promises``: a row per each;
        ``summary``: the figures of the whole log and what they cover.

    Raises
    ------
    InputError
        If no journey is in scope, or the model cannot be checked (no end, unbounded, dead).

    Examples
    --------
    >>> from journeymining.conformance.design_file import design_of_document
    >>> from journeymining.documents import parse_yaml
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> design = design_of_document(parse_yaml("journey: order\nflow: order > pay\n", path="order.yaml"))
    >>> with prepare(example_log()) as log:
    ...     found = conform(log, design)
    >>> found.deviations[["type", "touchpoint", "journeys"]].values.tolist()
    [['ad_hoc', 'call', 1], ['dead_end', 'order', 1], ['missing', 'pay', 1]]
    """
    codes = Codes.of(log, design, among)
    paths = scoped_paths(log, design, codes)
    if not paths.symbols:
        wanted = ", ".join(design.start or sorted(design.touchpoints)[:10])
        raise NobodyInScopeError(
            f"No journey is in scope of the design '{design.name}': none has {wanted}. "
            f"The log has: {', '.join(log.activities[:10])}."
        )
    compared = None
    if design.net is not None:
        compared = compare(
            log, design, paths, codes, state_limit=state_limit, silent=silent_cost, budget=budget, threads=threads
        )
    activities = [[log.activities[symbol // codes.by_channel] for symbol in one.tolist()] for one in paths.symbols]
    variants = variant_table(paths, activities, compared)
    departures = path_deviations(design, paths, activities, compared)
    judged = _judge(log, design, codes, paths, departures)
    findings = pl.concat([one.findings for one in judged])
    followed = pl.concat([one.journeys for one in judged])
    journeys = journey_table(followed, findings, variants)
    in_scope = int(paths.journeys.sum())
    rules = np.sum([one.rules for one in judged], axis=0).astype(np.int64)
    draws = {"seed": seed, "samples": samples}
    phase_of = {name: one.phase for name, one in design.touchpoints.items()}
    phase = pl.col("touchpoint").replace_strict(phase_of, default=None, return_dtype=pl.String).alias("phase")
    return Conformance(
        design=design,
        variants=variants,
        deviations=deviation_table(findings, in_scope),
        journeys=journeys,
        findings=findings.to_pandas(),
        touchpoints=group_table(findings, ["touchpoint", "type"], in_scope),
        phases=group_table(findings.with_columns(phase), ["phase", "type"], in_scope),
        channels=group_table(findings, ["channel", "type"], in_scope),
        entries=entry_table(journeys),
        rules=rule_table(design.rules, rules, rule_intervals(journeys, len(design.rules), **draws)),
        promises=promise_table(
            design.promises,
            np.concatenate([one.verdicts for one in judged], axis=1),
            np.concatenate([one.took for one in judged], axis=1),
        ),
        summary=_summary(log, design, paths, judged)
        | (_figures(compared, paths, variants, journeys, followed, **draws) if compared is not None else {}),
    )


def _judge(log: PreparedLog, design: Design, codes: Codes, paths: Paths, departures: pl.DataFrame) -> list[Judged]:
    """Judge the events of every bucket; promises are watched until the last event of the log."""
    watched_until = log.run(
        lambda bucket: bucket.journeys["end"].to_numpy().max(initial=0),
        lambda ends: int(max(ends)),
        columns=["journey"],
    )
    return log.run(
        lambda bucket: judge_bucket(bucket, log, design, codes, paths, departures, watched_until),
        lambda parts: parts,
        columns=COLUMNS,
    )


def _summary(log: PreparedLog, design: Design, paths: Paths, judged: list[Judged]) -> dict[str, Any]:
    """Return what the figures of the whole log cover."""
    in_scope = int(paths.journeys.sum())
    seen = np.sum([one.activity for one in judged], axis=0)
    observed = {name for name, events in zip(log.activities, seen.tolist(), strict=True) if events}
    counts: dict[str, int] = {}
    for one in judged:
        for name, number in one.counts.items():
            counts[name] = counts.get(name, 0) + number
    return {
        "design": design.name,
        "journeys": {
            "in_log": log.journey_count,
            "in_scope": in_scope,
            "outside": log.journey_count - in_scope,
            "open": int(paths.journeys[paths.stands == OPEN].sum()),
            "ended_otherwise": int(paths.journeys[paths.stands == ENDED_OTHERWISE].sum()),
        },
        "events": {
            "in_log": log.event_count,
            "judged": int(seen.sum()),
            "ignored": paths.ignored,
            "outside": paths.outside_events,
            **counts,
        },
        "variants": len(paths.symbols),
        "never_observed": sorted(set(design.touchpoints) - observed),
        "not_in_design": sorted(observed - set(design.touchpoints)),
        "notes": list(design.notes),
        "unchecked": list(design.unchecked),
    }


def _figures(
    compared: Compared,
    paths: Paths,
    variants: pd.DataFrame,
    journeys: pd.DataFrame,
    followed: pl.DataFrame,
    *,
    seed: int,
    samples: int,
) -> dict[str, Any]:
    """Return the figures that need a model; ``followed`` has the path and customer of each journey."""
    inside = journeys[journeys["in_scope"]]
    customers = inside["customer_id"].factorize()[0]
    values = inside["fitness"].to_numpy(dtype=np.float64)
    fitness, low, high = mean_with_interval(values, customers, seed=seed, samples=samples)
    fitting = int((inside["cost"] == 0).sum())
    share_low, share_high = wilson(fitting, len(inside))
    cost, worst = (int((one * paths.journeys).sum()) for one in (compared.alignments.upper, compared.worst))
    judged = followed.filter(pl.col("path") >= 0)
    draws = Resamples.of(
        judged["path"].to_numpy(), judged["customer_id"].to_numpy(), paths=len(variants), seed=seed, samples=samples
    )
    means = {name: variants[name].to_numpy() for name in MEANS}
    return {
        "fitness": {"mean": fitness, "low": low, "high": high, "interval": "95 %, bootstrap by customer", "seed": seed},
        "fitting": {
            "journeys": fitting,
            "share": fitting / len(inside),
            "low": float(share_low),
            "high": float(share_high),
            "interval": "95 %, Wilson",
        },
        "log_fitness": 1 - cost / worst if worst else 1.0,
        "cost": cost,
        "worst_cost": worst,
        "precision": precision(compared, paths.journeys),
        "generalisation": generalisation(compared, paths.journeys),
        "simplicity": simplicity(compared.net),
        **{
            name: float(np.average(one[known], weights=paths.journeys[known]))
            if (known := np.isfinite(one)).any()
            else np.nan
            for name, one in means.items()
        },
        "intervals": {
            "interval": "95 %, basic bootstrap by customer",
            "journeys": len(inside),
            "customers": int(draws.customers.sum()),
            "samples": samples,
            "seed": seed,
            **intervals(compared, paths, draws, means),
        },
        "states": compared.graph.states if compared.graph is not None else None,
        "dead_ends_of_model": compared.graph.dead_ends if compared.graph is not None else None,
        "bounded_only": int((compared.alignments.cost != compared.alignments.upper).sum()),
    }


def write(conformance: Conformance, folder: Path) -> None:
    """Write the tables of a conformance check into a folder that exists."""
    conformance.variants.to_csv(folder / "conformance.csv", index=False, lineterminator="\n")
    conformance.deviations.to_csv(folder / "deviations.csv", index=False, lineterminator="\n")
    for name in ("touchpoints", "phases", "channels", "entries", "rules", "promises"):
        table: pd.DataFrame = getattr(conformance, name)
        table.to_csv(folder / f"conformance_{name}.csv", index=False, lineterminator="\n")
    if conformance.personas is not None:
        conformance.personas.to_csv(folder / "conformance_personas.csv", index=False, lineterminator="\n")
    conformance.journeys.to_parquet(folder / "conformance_journeys.parquet", index=False)
    conformance.findings.to_parquet(folder / "conformance_findings.parquet", index=False)
    text = json.dumps(_plain(conformance.summary), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "conformance.json").write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: a figure that does not exist is null."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
