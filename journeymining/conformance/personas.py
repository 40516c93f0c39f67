"""Personas with a design of their own, and conformance per segment: journeys told apart by an attribute of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl

from journeymining.conformance.conform import Conformance, NobodyInScopeError, conform
from journeymining.conformance.drift import period_of_journeys
from journeymining.conformance.figures import mean_with_interval
from journeymining.conformance.tables import deviation_table, entry_table, group_table
from journeymining.exceptions import InputError
from journeymining.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import PreparedLog

EVERYONE_ELSE = "everyone else"


def segments_of(events: pa.Table, attribute: str) -> dict[str, str]:
    """Return per journey the first value that an attribute has in it, as text; journeys without one are not there.

    Raises
    ------
    InputError
        If the log has no such attribute.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = {"journey_id": ["1", "1", "2"], "timestamp": [2, 1, 3], "kind": ["b", "a", None]}
    >>> segments_of(pa.table(rows), "kind")
    {'1': 'a'}
    """
    if attribute not in events.column_names:
        raise InputError.missing_column(attribute, events.column_names, where="The log")
    # Further columns settle ties of time, so that the order of rows changes nothing.
    order = [name for name in ("timestamp", "source_order", "event_id") if name in events.column_names]
    columns = list(dict.fromkeys(["journey_id", *order, attribute]))
    frame = pl.DataFrame(events.select(columns)).with_columns(pl.col(attribute).cast(pl.String).alias("value"))
    first = frame.drop_nulls("value").sort(*order, "value").group_by("journey_id").agg(pl.col("value").first())
    return dict(first.sort("journey_id").iter_rows())


def conform_personas(
    log: PreparedLog, design: Design, segments: Mapping[str, Mapping[str, str]], **options: Any
) -> Conformance:
    """Judge every journey by the design of its persona; see `journeymining.conformance.conform.conform`.

    Parameters
    ----------
    log : PreparedLog
    design : Design
        With personas that have designs of their own; without, this is `conform`.
    segments : per attribute, the value of each journey
        See `segments_of`. A journey belongs to the first persona whose value it has; journeys of none are judged by
        the common design, as "everyone else".
    **options
        Of `conform`.

    Returns
    -------
    Conformance
        Of all journeys together; ``variants``, ``journeys``, ``rules`` and ``promises`` say the ``persona``, and
        ``promise_0`` of a journey is that of its persona. ``personas`` has a row per persona: ``persona``, ``journeys``
        in scope, ``following`` (cost 0), ``share`` with its interval ``share_low``, ``share_high`` (Wilson, 95 %), mean
        ``fitness`` and ``deviating`` (journeys with any deviation). Figures that are of one model only (precision,
        generalisation, simplicity) are given per persona, under ``personas`` of the summary.

    Raises
    ------
    InputError
        If no journey is in scope of its design, or a model cannot be checked.
    """
    if not design.own_designs:
        return conform(log, design, **options)
    everyone = set(log.run(lambda bucket: bucket.journeys["journey_id"], pl.concat, columns=["journey"]).to_list())
    found: dict[str, Conformance] = {}
    nobody: NobodyInScopeError | None = None
    members: dict[str, set[str]] = {}
    taken: set[str] = set()
    for persona in design.own_designs:
        values = segments[persona.attribute]
        members[persona.name] = {one for one, value in values.items() if value == persona.value and one not in taken}
        taken |= members[persona.name]
    members[EVERYONE_ELSE] = everyone - taken
    designs = {one.name: one.design for one in design.own_designs} | {EVERYONE_ELSE: design}
    for name, journeys in members.items():
        try:
            found[name] = conform(log, designs[name], among=journeys, **options)
        except NobodyInScopeError as error:
            nobody = error
    if nobody is not None and not found:
        raise nobody
    return _together(design, found, members, **options)


def _together(
    design: Design, found: dict[str, Conformance], members: dict[str, set[str]], **options: Any
) -> Conformance:
    """Put the parts of personas together; journeys that no part has in scope are outside."""
    any_part = next(iter(found.values()))
    pieces = []
    for name, journeys in members.items():
        part = found.get(name, any_part).journeys
        pieces.append(part[part["journey_id"].isin(journeys)].assign(persona=name))
    journeys_table = pd.concat(pieces).sort_values("journey_id", ignore_index=True)

    def stacked(name: str) -> pd.DataFrame:
        tables: list[pd.DataFrame] = [getattr(part, name).assign(persona=persona) for persona, part in found.items()]
        return pd.concat(tables, ignore_index=True)

    findings = pd.concat([part.findings for part in found.values()], ignore_index=True)
    in_scope = int(journeys_table["in_scope"].sum())
    shown = pl.from_pandas(findings)
    phase_of = {name: one.phase for name, one in design.touchpoints.items()}
    phase = pl.col("touchpoint").replace_strict(phase_of, default=None, return_dtype=pl.String).alias("phase")
    personas = _persona_table(journeys_table, findings)
    return Conformance(
        design=design,
        variants=stacked("variants").sort_values(["journeys", "path"], ascending=[False, True], ignore_index=True),
        deviations=deviation_table(shown, in_scope),
        journeys=journeys_table,
        findings=findings,
        touchpoints=group_table(shown, ["touchpoint", "type"], in_scope),
        phases=group_table(shown.with_columns(phase), ["phase", "type"], in_scope),
        channels=group_table(shown, ["channel", "type"], in_scope),
        entries=entry_table(journeys_table),
        rules=stacked("rules"),
        promises=stacked("promises"),
        summary=_summary(design, found, journeys_table, **options),
        personas=personas,
    )


def _persona_table(journeys: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    inside = journeys[journeys["in_scope"]]
    inside = inside.assign(
        following=inside["cost"] == 0, deviating=inside["journey_id"].isin(set(findings["journey_id"]))
    )
    table = inside.groupby("persona", as_index=False).agg(
        journeys=("following", "size"),
        following=("following", "sum"),
        share=("following", "mean"),
        fitness=("fitness", "mean"),
        deviating=("deviating", "sum"),
    )
    low, high = wilson(table["following"], table["journeys"])
    table.insert(4, "share_low", low)
    table.insert(5, "share_high", high)
    return table


def _summary(
    design: Design,
    found: dict[str, Conformance],
    journeys: pd.DataFrame,
    *,
    seed: int = 0,
    samples: int = 1000,
    **_: Any,
) -> dict[str, Any]:
    """Return the figures of all personas together, and each one's own."""
    parts = [part.summary for part in found.values()]
    stands = journeys["stands"].value_counts()
    in_scope = int(journeys["in_scope"].sum())
    events = {name: sum(part["events"].get(name, 0) for part in parts) for part in parts for name in part["events"]}
    events["in_log"] = parts[0]["events"]["in_log"]
    events["outside"] = events["in_log"] - events["judged"] - events["ignored"]
    summary = {
        "design": design.name,
        "journeys": {
            "in_log": len(journeys),
            "in_scope": in_scope,
            "outside": len(journeys) - in_scope,
            "open": int(stands.get("open", 0)),
            "ended_otherwise": int(stands.get("ended otherwise", 0)),
        },
        "events": events,
        "variants": sum(part["variants"] for part in parts),
        "never_observed": sorted(set.intersection(*(set(part["never_observed"]) for part in parts))),
        "not_in_design": sorted(set.union(*(set(part["not_in_design"]) for part in parts))),
        "notes": list(design.notes),
        "unchecked": list(design.unchecked),
        "personas": {name: part.summary for name, part in found.items()},
    }
    if all("fitness" in part for part in parts):
        summary |= _figures(parts, journeys[journeys["in_scope"]], seed, samples)
    return summary


def _figures(parts: list[dict[str, Any]], inside: pd.DataFrame, seed: int, samples: int) -> dict[str, Any]:
    customers = inside["customer_id"].factorize()[0]
    values = inside["fitness"].to_numpy(dtype=np.float64)
    fitness, low, high = mean_with_interval(values, customers, seed=seed, samples=samples)
    fitting = int((inside["cost"] == 0).sum())
    share_low, share_high = wilson(fitting, len(inside))
    cost, worst = (sum(part[name] for part in parts) for name in ("cost", "worst_cost"))
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
        "order_score": float(inside["order_score"].mean()),
        "coverage": float(inside["coverage"].mean()),
        "bounded_only": sum(part["bounded_only"] for part in parts),
    }


def by_segment(
    log: PreparedLog, conformance: Conformance, segments: Mapping[str, str], *, every: str = "month"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Say per segment and period how many journeys follow the design, and which deviations they have.

    Parameters
    ----------
    log : PreparedLog
    conformance : Conformance of that log
    segments : value per journey
        See `segments_of`; journeys without one are the segment "" (empty).
    every : day, week, month, quarter or year, in UTC
        Period in which a journey began.

    Returns
    -------
    DataFrame, one row per segment and period with journeys in scope
        ``segment``, ``period``, ``journeys``, ``following``, ``share``, ``share_low``, ``share_high`` (Wilson, 95 %),
        ``fitness``; without a model ``following`` is 0 and ``fitness`` missing.
    DataFrame, one row per segment, period, type and touchpoint that occurs
        ``segment``, ``period``, ``type``, ``touchpoint``, ``journeys`` concerned, ``of`` how many in scope, ``share``,
        ``share_low``, ``share_high``.
    """
    known = pl.DataFrame(
        {"journey_id": list(segments), "segment": list(segments.values())},
        schema={"journey_id": pl.String, "segment": pl.String},
    )
    journeys = (
        period_of_journeys(log, conformance, every)
        .join(known, on="journey_id", how="left")
        .with_columns(pl.col("segment").fill_null(""))
    )
    keys = ["segment", "period"]
    counted = journeys.group_by(keys).agg(
        pl.len().cast(pl.Int64).alias("journeys"),
        (pl.col("cost") == 0).fill_null(value=False).sum().cast(pl.Int64).alias("following"),
        pl.col("fitness").mean(),
    )
    deviating = (
        pl.from_pandas(conformance.findings[["journey_id", "type", "touchpoint"]])
        .unique()
        .join(journeys.select("journey_id", *keys), on="journey_id")
        .group_by(*keys, "type", "touchpoint")
        .agg(pl.len().cast(pl.Int64).alias("journeys"))
        .join(counted.select(*keys, pl.col("journeys").alias("of")), on=keys)
        .sort("segment", "period", "journeys", "type", "touchpoint", descending=[False, False, True, False, False])
    )
    return (
        _with_share(counted.sort(keys), "following", "journeys").select(
            *keys, "journeys", "following", "share", "share_low", "share_high", "fitness"
        ).to_pandas(),
        _with_share(deviating, "journeys", "of").to_pandas(),
    )  # fmt: skip


def _with_share(table: pl.DataFrame, part: str, whole: str) -> pl.DataFrame:
    low, high = wilson(table[part].to_numpy(), table[whole].to_numpy())
    share = (pl.col(part) / pl.col(whole)).alias("share")
    return table.with_columns(share, pl.Series("share_low", low), pl.Series("share_high", high))


def attributes_of(design: Design) -> list[str]:
    """Return the attributes of the log by which a design tells personas apart."""
    return sorted({one.attribute for one in design.own_designs})
