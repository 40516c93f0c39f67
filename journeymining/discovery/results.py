"""All of discovery at once, and as files."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.discovery.channels import (
    channel_reach,
    channel_returns,
    channel_switches,
    containment,
    repeat_contacts,
)
from journeymining.discovery.collapse import CollapsedLog
from journeymining.discovery.directly_follows import directly_follows
from journeymining.discovery.journeys import journeys
from journeymining.discovery.personas import find_personas, write_personas
from journeymining.discovery.phase_exits import phase_dropoff, phase_exits, thinned
from journeymining.discovery.phases import USUAL_ORDER, phase_progress, phase_transitions
from journeymining.discovery.process_models import MOST_VARIANTS, discover_model
from journeymining.discovery.rework import rework
from journeymining.discovery.touchpoints import end_activities, start_activities, touchpoints
from journeymining.discovery.variants import find_paths, variant_coverage, variants
from journeymining.exceptions import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from journeymining.discovery.personas import Personas
    from journeymining.discovery.process_models import Miner, ProcessModel
    from journeymining.engines.prepared_log import PreparedLog

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Discovery:
    """What journeys look like: one table per question, the process model, and what the numbers cover.

    ``tables`` by the name of their file; see the functions of the same name. ``coverage`` counts events and journeys
    and what some tables leave out.
    """

    tables: dict[str, pd.DataFrame]
    model: ProcessModel
    coverage: dict[str, Any] = field(default_factory=dict)
    personas: Personas | None = None
    other_models: tuple[ProcessModel, ...] = ()

    @property
    def variants(self) -> pd.DataFrame:
        """The variants, see `journeymining.discovery.variants.variants`."""
        return self.tables["variants"]


def discover(
    log: PreparedLog,
    *,
    miner: Miner = "inductive",
    noise: float = 0.2,
    phases: Sequence[str] | None = None,
    most: int = MOST_VARIANTS,
    others: Sequence[Miner] = (),
    collapse: bool = False,
    contacts: Mapping[str, pd.Timedelta] | None = None,
    personas: int = 0,
    seed: int = 0,
) -> Discovery:
    """Run every analysis of discovery on a prepared log.

    Parameters
    ----------
    log : PreparedLog
    miner, noise, most
        Of the process model, see `journeymining.discovery.process_models.discover_model`.
    phases : sequence of str, optional
        The phases from first to last. By default the usual five; a log with other phases then goes without the
        tables of phases, and ``coverage`` says so.
    others : sequence of str
        Miners whose models stand beside that of ``miner``.
    collapse : bool
        Take the same activity in the same channel several times in a row as one event, everywhere in this discovery.
    contacts : mapping of str to Timedelta, optional
        Activities that are contacts, and the window in which another of them is a repeat; activities with the same
        window count together.
    personas : int
        How many clusters of journeys are tried at most, from 2; 0 for none.
    seed : int
        Of the personas.

    Returns
    -------
    Discovery
    """
    if collapse:
        log = CollapsedLog(log)
    paths = find_paths(log)
    found = variants(log, paths=paths)
    tables = {
        "directly_follows": directly_follows(log),
        "variants": found,
        "variant_coverage": variant_coverage(found),
        "journeys": journeys(log, paths=paths),
        "touchpoints": touchpoints(log),
        "start_activities": start_activities(log),
        "end_activities": end_activities(log),
        "rework": rework(log),
        "channels": channel_reach(log),
        "channel_switches": channel_switches(log),
        "channel_returns": channel_returns(log),
        "containment": containment(log),
    }
    if contacts:
        tables["repeat_contacts"] = _repeat_contacts(log, contacts)
    order = list(USUAL_ORDER if phases is None else phases)
    unplaced = [name for name in log.phases if name not in order]
    # Without an order the phases of this log cannot be told earlier from later; with a wrong one that is an error.
    if log.phases and (phases is not None or not unplaced):
        tables["phase_progress"] = phase_progress(log, order=order)
        tables["phase_transitions"] = phase_transitions(log, order=order)
        exits = phase_exits(log, order=order)
        tables["phase_dropoff"] = phase_dropoff(log, exits, order=order)
        tables["phase_exits"] = thinned(exits)
        unplaced = []
    model = discover_model(found, miner=miner, noise=noise, most=most)
    beside = tuple(discover_model(found, miner=one, noise=noise, most=most) for one in others if one != miner)
    tables["process_models"] = _model_table([model, *beside])
    coverage = _coverage(log, tables, model, unplaced)
    if isinstance(log, CollapsedLog):
        coverage["events_collapsed"] = log.collapsed
    groups = find_personas(found, most=personas, seed=seed) if personas else None
    return Discovery(tables, model, coverage, groups, beside)


def _repeat_contacts(log: PreparedLog, contacts: Mapping[str, pd.Timedelta]) -> pd.DataFrame:
    windows = dict.fromkeys(contacts.values())
    parts = []
    for window in windows:
        together = [name for name, one in contacts.items() if one == window]
        found = repeat_contacts(log, activities=together, window=window)
        parts.append(found.assign(window=window.total_seconds()))
    return pd.concat(parts, ignore_index=True)


def _model_table(models: Sequence[ProcessModel]) -> pd.DataFrame:
    """Return one row per model: how it was mined, and how good it is; a quality is missing with its reason."""
    rows = [
        {
            "miner": model.miner,
            "noise": model.noise,
            "fitness": model.quality.fitness,
            "precision": model.quality.precision,
            "simplicity": model.quality.simplicity,
            "journeys": model.quality.journeys,
            "all_journeys": model.quality.all_journeys,
            "reason": model.quality.reason or "",
        }
        for model in models
    ]
    return pd.DataFrame(rows)


def write(discovery: Discovery, folder: Path) -> list[str]:
    """Write the tables and the process model of a discovery into a folder that exists.

    Parameters
    ----------
    discovery : Discovery
    folder : Path
        ``variants.parquet`` and ``journeys.parquet``, a CSV per other table, ``process_model.pnml``, ``.bpmn``,
        ``.svg`` and ``.json`` (miner, noise, quality, activities left out), ``process_model_<miner>.pnml`` and
        ``.bpmn`` of other miners, and the files of `write_personas` are written there.

    Returns
    -------
    list of str
        Files that could not be written, with the reason: the drawing, where there is nothing to draw with.
    """
    for name, table in discovery.tables.items():
        if name in {"variants", "journeys"}:
            table.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    model = discovery.model
    (folder / "process_model.pnml").write_text(model.pnml(), encoding="utf-8")
    (folder / "process_model.bpmn").write_text(model.bpmn(), encoding="utf-8")
    for other in discovery.other_models:
        (folder / f"process_model_{other.miner}.pnml").write_text(other.pnml(), encoding="utf-8")
        (folder / f"process_model_{other.miner}.bpmn").write_text(other.bpmn(), encoding="utf-8")
    if discovery.personas is not None:
        write_personas(discovery.personas, folder)
    text = json.dumps(describe_model(model), indent=2, ensure_ascii=False) + "\n"
    (folder / "process_model.json").write_text(text, encoding="utf-8")
    try:
        (folder / "process_model.svg").write_text(model.svg(), encoding="utf-8")
    except MissingDependencyError as error:
        logger.warning("process_model.svg is not drawn. %s", error)
        return [f"process_model.svg: {error}"]
    return []


def describe_model(model: ProcessModel) -> dict[str, Any]:
    """Return how a process model was mined and how good it is."""
    return {
        "miner": model.miner,
        "noise": model.noise,
        "variants": model.variants,
        "all_variants": model.all_variants,
        "activities_left_out": model.left_out,
        "quality": model.quality.as_dict(),
    }


def _coverage(
    log: PreparedLog, tables: dict[str, pd.DataFrame], model: ProcessModel, unplaced: list[str]
) -> dict[str, Any]:
    contacts, flags = tables["touchpoints"], tables["journeys"]["open"]
    return {
        "events": log.event_count,
        "journeys": log.journey_count,
        "customers": int(tables["journeys"]["customer_id"].nunique()),
        "variants": len(tables["variants"]),
        "activities": len(log.activities),
        "journeys_open": int(flags.sum()),
        "journeys_open_unknown": int(flags.isna().sum()),
        "events_at_the_time_of_the_previous": int(log.manifest["tied"]),
        "events_ordered_by_event_id_only": int(log.manifest["ordered_by_event_id"]),
        "events_without_channel": int(contacts.loc[contacts["channel"].isna(), "events"].sum()),
        "events_without_phase": int(contacts.loc[contacts["phase"].isna(), "events"].sum()),
        "phases_without_order": unplaced,
        "variants_not_mined": model.all_variants - model.variants,
        "activities_not_in_model": model.left_out,
    }
