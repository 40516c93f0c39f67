"""What a run left behind, read for the report: tables where they are, nothing where they are not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow.compute as pc

from journeymining.exceptions import InputError
from journeymining.report.parquet import read_columns
from journeymining.report.run_judgement import (
    departing_journeys,
    departing_paths,
    fitting_moves,
    judged_paths,
    path_faults,
)
from journeymining.report.run_paths import Paths, count_paths

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

TEXT = "str"

# What each table must have to be shown; more columns are kept.
COLUMNS = {
    "directly_follows.csv": {"source": TEXT, "target": TEXT, "events": "int64", "journeys": "int64"},
    "touchpoints.csv": {"activity": TEXT, "channel": TEXT, "events": "int64", "journeys": "int64"},
    "channel_switches.csv": {"from_channel": TEXT, "to_channel": TEXT, "switches": "int64"},
    "conformance.csv": {"variant_id": TEXT, "journeys": "int64", "fitness": "float64"},
    "deviations.csv": {"type": TEXT, "touchpoint": TEXT, "journeys": "int64", "share": "float64"},
    "conformance_touchpoints.csv": {"touchpoint": TEXT, "type": TEXT, "journeys": "int64", "share": "float64"},
    "conformance_promises.csv": {
        "promise": TEXT,
        "touchpoint": TEXT,
        "kept": "int64",
        "broken": "int64",
        "share_kept": "float64",
    },
    "conformance_periods.csv": {"period": TEXT, "journeys": "int64", "following": "int64", "share": "float64"},
    "conformance_drift.csv": {
        "type": TEXT,
        "touchpoint": TEXT,
        "since": TEXT,
        "earliest": TEXT,
        "latest": TEXT,
        "before": "float64",
        "after": "float64",
        "probability": "float64",
    },
    "conformance_personas.csv": {"persona": TEXT, "journeys": "int64", "following": "int64", "share": "float64"},
    "conformance_segments.csv": {
        "segment": TEXT,
        "period": TEXT,
        "journeys": "int64",
        "following": "int64",
        "fitness": "float64",
    },
    "conformance_segment_deviations.csv": {"segment": TEXT, "type": TEXT, "touchpoint": TEXT, "journeys": "int64"},
    "fix_list.csv": {
        "type": TEXT,
        "touchpoint": TEXT,
        "journeys": "int64",
        "difference": "float64",
        "wanted": "bool",
        "worth": "float64",
        "worth_low": "float64",
        "worth_high": "float64",
    },
    "stitch_sensitivity.csv": {
        "measure": TEXT,
        "with_all": "float64",
        "without_weakest": "float64",
        "difference": "float64",
        "weakest": TEXT,
    },
    "phase_progress.csv": {"phase": TEXT, "journeys": "int64", "share": "float64", "back_flows": "int64"},
    "phase_dropoff.csv": {"phase": TEXT, "journeys": "int64", "drop_off": "float64"},
    "phase_exits.csv": {
        "phase": TEXT,
        "time": "float64",
        "still": "float64",
        "moved_on": "float64",
        "ended": "float64",
    },
    "containment.csv": {"channel": TEXT, "journeys": "int64", "contained": "int64", "share": "float64"},
    "channel_returns.csv": {"channel": TEXT, "via": TEXT, "returns": "int64", "journeys": "int64"},
    "repeat_contacts.csv": {"activity": TEXT, "contacts": "int64", "observed": "int64", "repeated": "int64"},
    "found_personas.csv": {"persona": "int64", "name": TEXT, "stands": TEXT, "journeys": "int64", "share": "float64"},
    "found_persona_touchpoints.csv": {
        "persona": "int64",
        "activity": TEXT,
        "share": "float64",
        "share_elsewhere": "float64",
    },
    "gap_sensitivity.csv": {"gap": TEXT, "journeys": "int64", "open": "int64", "share_open": "float64"},
    "process_models.csv": {"miner": TEXT, "fitness": "float64", "precision": "float64", "reason": TEXT},
    "outcome_touchpoints.csv": {
        "activity": TEXT,
        "journeys": "int64",
        "move": "float64",
        "shift": "float64",
        "observed": "float64",
        "observed_low": "float64",
        "observed_high": "float64",
        "q": "float64",
        "events_left": "float64",
    },
    "outcome_steps.csv": {
        "source": TEXT,
        "target": TEXT,
        "n": "int64",
        "rate": "float64",
        "rate_low": "float64",
        "rate_high": "float64",
        "holdout_n": "int64",
        "holdout_rate": "float64",
        "decides": TEXT,
    },
    "outcome_effects.csv": {
        "level": TEXT,
        "pattern": TEXT,
        "verdict": TEXT,
        "n": "int64",
        "rate": "float64",
        "difference": "float64",
        "difference_low": "float64",
        "difference_high": "float64",
    },
}
OPTIONAL_TEXT = (
    "phase",
    "expected",
    "observed",
    "outcome",
    "level",
    "verdict",
    "segment",
    "metric",
    "variant_id",
    "stands",
    "pending",
    "path",
    "reversed_within",
)


@dataclass(frozen=True)
class Journeys:
    """What journeys.parquet says in total."""

    journeys: int
    customers: int
    events: int
    open: int
    several_channels: int
    first: datetime | None
    last: datetime | None
    median_duration: float | None


@dataclass(frozen=True)
class Outcome:
    """What is known of one outcome: effects of patterns, its model's card, what to mend first, where it shows."""

    name: str
    effects: pd.DataFrame | None
    card: dict[str, Any] | None
    fixes: pd.DataFrame | None = None
    touchpoints: pd.DataFrame | None = None
    steps: pd.DataFrame | None = None


COMPARED = {
    "analysis": TEXT,
    "item": TEXT,
    "source": TEXT,
    "target": TEXT,
    "measure": TEXT,
    "first": "float64",
    "second": "float64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "q": "float64",
    "verdict": TEXT,
}


@dataclass(frozen=True)
class Compared:
    """Two groups of journeys held against each other: name of the comparison, its table, who was compared."""

    name: str
    table: pd.DataFrame
    summary: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """The files of one run."""

    folder: Path
    manifest: dict[str, Any]
    quality: dict[str, Any] = field(default_factory=dict)
    design: dict[str, Any] | None = None
    conformance_summary: dict[str, Any] | None = None
    directly_follows: pd.DataFrame | None = None
    touchpoints: pd.DataFrame | None = None
    channel_switches: pd.DataFrame | None = None
    conformance: pd.DataFrame | None = None
    deviations: pd.DataFrame | None = None
    touchpoint_deviations: pd.DataFrame | None = None
    promises: pd.DataFrame | None = None
    periods: pd.DataFrame | None = None
    drift: pd.DataFrame | None = None
    designed_personas: pd.DataFrame | None = None
    segments: pd.DataFrame | None = None
    segment_deviations: pd.DataFrame | None = None
    sensitivity: pd.DataFrame | None = None
    departing: dict[str, int] | None = None
    path_faults: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    free_of_deviations: int | None = None
    journeys: Journeys | None = None
    variants: Paths | None = None
    in_scope: Paths | None = None
    departing_paths: Paths | None = None
    fitting_moves: set[tuple[str, str]] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    experience: dict[str, pd.DataFrame] = field(default_factory=dict)
    process_model: str | None = None
    phase_progress: pd.DataFrame | None = None
    phase_dropoff: pd.DataFrame | None = None
    phase_exits: pd.DataFrame | None = None
    containment: pd.DataFrame | None = None
    channel_returns: pd.DataFrame | None = None
    repeat_contacts: pd.DataFrame | None = None
    personas: pd.DataFrame | None = None
    persona_touchpoints: pd.DataFrame | None = None
    persona_summary: dict[str, Any] | None = None
    gaps: pd.DataFrame | None = None
    process_models: pd.DataFrame | None = None
    comparisons: list[Compared] = field(default_factory=list)


def read_run(folder: Path, *, top_variants: int = 200) -> Run:
    """Read the files of a run; only manifest.json must be there.

    Raises
    ------
    InputError
        If the folder is no run, or a file of it is not what it should be; the message names the file.
    """
    if not (folder / "manifest.json").is_file():
        raise InputError(
            f"{folder}: no run (manifest.json is missing). Give the folder that 'journeymining run' wrote."
        )
    model = folder / "process_model.svg"
    departing, free = departing_journeys(folder)
    variants = _variants(folder / "variants.parquet")
    conformance, summary = _table(folder / "conformance.csv"), _json(folder / "conformance.json")
    in_scope = judged_paths(variants, conformance, summary, top_variants)
    return Run(
        folder=folder,
        manifest=_json(folder / "manifest.json") or {},
        quality=_json(folder / "quality.json") or {},
        design=_json(folder / "design.json"),
        conformance_summary=summary,
        fitting_moves=fitting_moves(variants, conformance),
        directly_follows=_table(folder / "directly_follows.csv"),
        touchpoints=_table(folder / "touchpoints.csv"),
        channel_switches=_table(folder / "channel_switches.csv"),
        conformance=conformance,
        deviations=_table(folder / "deviations.csv"),
        touchpoint_deviations=_table(folder / "conformance_touchpoints.csv"),
        promises=_table(folder / "conformance_promises.csv"),
        periods=_table(folder / "conformance_periods.csv"),
        drift=_table(folder / "conformance_drift.csv"),
        designed_personas=_table(folder / "conformance_personas.csv"),
        segments=_table(folder / "conformance_segments.csv"),
        segment_deviations=_table(folder / "conformance_segment_deviations.csv"),
        sensitivity=_table(folder / "stitch_sensitivity.csv"),
        departing=departing,
        path_faults=path_faults(folder),
        free_of_deviations=free,
        journeys=_journeys(folder / "journeys.parquet"),
        variants=None if variants is None else count_paths(variants, top=top_variants),
        in_scope=in_scope,
        departing_paths=None if in_scope is None else departing_paths(variants, conformance, top_variants),
        outcomes=_outcomes(folder),
        experience={path.stem: _read_csv(path, {}) for path in sorted((folder / "experience").glob("*.csv"))},
        process_model=model.read_text(encoding="utf-8") if model.is_file() else None,
        phase_progress=_table(folder / "phase_progress.csv"),
        phase_dropoff=_table(folder / "phase_dropoff.csv"),
        phase_exits=_table(folder / "phase_exits.csv"),
        containment=_table(folder / "containment.csv"),
        channel_returns=_table(folder / "channel_returns.csv"),
        repeat_contacts=_table(folder / "repeat_contacts.csv"),
        personas=_table(folder / "found_personas.csv"),
        persona_touchpoints=_table(folder / "found_persona_touchpoints.csv"),
        persona_summary=_json(folder / "found_personas.json"),
        gaps=_table(folder / "gap_sensitivity.csv"),
        process_models=_table(folder / "process_models.csv"),
        comparisons=[
            Compared(path.stem, _read_csv(path, COMPARED), _json(path.with_suffix(".json")) or {})
            for path in sorted((folder / "comparisons").glob("*.csv"))
        ],
    )


def _json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}).") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: an object is expected, found {type(content).__name__}.")
    return content


def _table(path: Path) -> pd.DataFrame | None:
    return _read_csv(path, COLUMNS[path.name]) if path.is_file() else None


def _read_csv(path: Path, columns: dict[str, str]) -> pd.DataFrame:
    """Read a CSV; an activity that is called NA stays one, and a numeric variant_id stays text."""
    texts = {name: TEXT for name in (*columns, *OPTIONAL_TEXT) if columns.get(name, TEXT) == TEXT}
    try:
        frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=[""])
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: the file is empty; its first line should name the columns.") from None
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: not a CSV table ({error}).") from None
    for name in columns:
        if name not in frame:
            raise InputError.missing_column(name, frame.columns, where=str(path))
    for name in texts:
        if name in frame:
            frame[name] = frame[name].fillna("")
    return frame


def _journeys(path: Path) -> Journeys | None:
    if not path.is_file():
        return None
    table = read_columns(path, ["customer_id", "start", "end", "events", "channels", "open"])
    closed = table.filter(pc.invert(pc.fill_null(table["open"], False)))
    durations = pc.subtract(closed["end"], closed["start"]).to_numpy().astype("timedelta64[us]").astype("float64")
    return Journeys(
        journeys=table.num_rows,
        customers=pc.count_distinct(table["customer_id"]).as_py(),
        events=pc.sum(table["events"]).as_py() or 0,
        open=table.num_rows - closed.num_rows,
        several_channels=pc.sum(pc.greater(table["channels"], 1)).as_py() or 0,
        first=pc.min(table["start"]).as_py(),
        last=pc.max(table["end"]).as_py(),
        median_duration=float(pd.Series(durations).median()) / 1e6 if len(durations) else None,
    )


def _variants(path: Path) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    return pl.DataFrame(read_columns(path, ["variant_id", "path", "journeys", "median_duration"]))


def _outcomes(folder: Path) -> list[Outcome]:
    """Read one outcome beside the other files, or several in ``outcomes/<name>/``."""
    found = [_outcome(folder, "")]
    found += [_outcome(place, place.name) for place in sorted((folder / "outcomes").glob("*")) if place.is_dir()]
    return [outcome for outcome in found if outcome is not None]


def _outcome(folder: Path, name: str) -> Outcome | None:
    effects = _table(folder / "outcome_effects.csv")
    card = _json(folder / "model_card.json")
    fixes = _table(folder / "fix_list.csv")
    if effects is None and card is None and fixes is None:
        return None
    if not name and effects is not None and "outcome" in effects and len(effects):
        name = str(effects["outcome"].iloc[0])
    touchpoints, steps = _table(folder / "outcome_touchpoints.csv"), _table(folder / "outcome_steps.csv")
    return Outcome(name or str((card or {}).get("outcome", "outcome")), effects, card, fixes, touchpoints, steps)
