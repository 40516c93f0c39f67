"""The analyses of a job, each from the prepared log to its tables in the folder of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.conformance import conform as conformance_of
from journeymining.conformance.description import describe_design
from journeymining.conformance.design import read_design
from journeymining.conformance.drift import write_over_time
from journeymining.conformance.fixes import fix_list, write_fix_list
from journeymining.conformance.personas import attributes_of, conform_personas, segments_of
from journeymining.discovery import results as discovery_of
from journeymining.discovery.comparison import write_comparison
from journeymining.exceptions import EmptyLogError, InputError
from journeymining.experience.on_journeys import experience_tables
from journeymining.jobs.comparing import compare_filters, compare_outcome
from journeymining.jobs.manifest import write_json
from journeymining.jobs.sensitivity import FILE as SENSITIVITY
from journeymining.jobs.sensitivity import sensitivity
from journeymining.journeys.cutting import gap_sensitivity, gaps_around
from journeymining.outcomes import results as outcomes_of

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.conformance.conform import Conformance
    from journeymining.conformance.design import Design
    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.jobs.events import Builder, Tell
    from journeymining.jobs.manifest import Manifest
    from journeymining.jobs.spec import Job
    from journeymining.outcomes.results import OutcomeResult


def discover_step(job: Job, log: PreparedLog, manifest: Manifest, folder: Path, tell: Tell) -> None:
    """Write what the journeys look like, and a process model of them."""
    tell(f"Discovering {log.journey_count:,} journeys")
    model = job.config.process_model
    with manifest.step("discover") as account:
        config = job.config.discovery
        contacts = config.contacts
        windows = dict.fromkeys(contacts.activities, pd.Timedelta(contacts.window)) if contacts else None
        found = discovery_of.discover(
            log,
            miner=model.miner,
            noise=model.noise,
            others=("inductive", "heuristics", "split"),
            phases=list(job.config.phases) or None,
            collapse=config.collapse,
            contacts=windows,
            personas=config.personas,
            seed=manifest.seed,
        )
        discovery_of.write(found, folder)
        account.rows_in, account.rows_out = log.event_count, len(found.variants)
    manifest.settings["process_model"] = discovery_of.describe_model(found.model)
    if "events_collapsed" in found.coverage:
        manifest.settings["events_collapsed"] = found.coverage["events_collapsed"]
    manifest.settings["ties"] = {
        name: found.coverage[name] for name in ("events_at_the_time_of_the_previous", "events_ordered_by_event_id_only")
    }


def gap_step(job: Job, manifest: Manifest, folder: Path, tell: Tell, *, events: Path, source_events: Path) -> None:
    """Write what other gaps would have made of the same events; nothing where the job cuts by no gap."""
    gap = job.config.journeys.cut.gap
    if gap is None:
        return
    tell("Cutting with other gaps")
    with manifest.step("gap sensitivity") as account:
        times = pq.read_table(source_events, columns=["timestamp"])["timestamp"]
        span = pc.min_max(times)
        table = gap_sensitivity(
            events, gaps_around(gap), job.config.journeys, observed=(span["min"].as_py(), span["max"].as_py())
        )
        table.to_csv(folder / "gap_sensitivity.csv", index=False, lineterminator="\n")
        account.rows_out = len(table)


def compare_step(
    job: Job,
    log: PreparedLog,
    manifest: Manifest,
    folder: Path,
    tell: Tell,
    *,
    events: Path,
    labels: dict[str, dict[str, bool]],
) -> None:
    """Write what the groups of the job's comparisons differ in; one without journeys is left out with the reason.

    ``labels`` is what `outcomes_step` returned.
    """
    phases = list(job.config.phases) or None
    reasons: dict[str, str] = {}
    for name, config in job.config.compare.items():
        tell(f"Comparing '{name}'")
        with manifest.step(f"compare {name}") as account:
            account.rows_in = log.journey_count
            try:
                if config.outcome is not None:
                    known = labels.get(config.outcome, {})
                    came, not_come = (
                        [name for name, label in known.items() if label is side] for side in (True, False)
                    )
                    found = compare_outcome(log, config.outcome, came, not_come, phases=phases)
                else:
                    found = compare_filters(
                        log, events, config.first, config.second or None, names=config.names, phases=phases
                    )
            except EmptyLogError as error:
                reasons[name] = str(error)
                account.rows_out, account.left_out = 0, {"not compared: no journeys": log.journey_count}
                continue
            write_comparison(found, folder, name)
            account.rows_out = sum(found.summary["journeys"])
            account.left_out = {
                "of both groups": found.summary["journeys_in_both"],
                "of neither group": found.summary["journeys_in_neither"],
            }
    if reasons:
        manifest.settings["not_compared"] = reasons


def conform_step(
    job: Job, log: PreparedLog, manifest: Manifest, folder: Path, tell: Tell, *, events: Path, seed: int
) -> Conformance | None:
    """Write where journeys depart from the designed one; nothing where the job has no design.

    ``events`` is the event log as a Parquet file: personas of the design are told apart by its attributes.
    """
    if job.design is None:
        return None
    tell("Comparing with the designed journey")
    with manifest.step("conform") as account:
        design = read_design(job.design)
        segments = _segments(design, events)
        found = conform_personas(log, design, segments, seed=seed)
        conformance_of.write(found, folder)
        write_over_time(log, found, folder)
        write_json(folder / "design.json", describe_design(design))
        scope = found.summary["journeys"]
        account.rows_in, account.rows_out = scope["in_log"], scope["in_scope"]
        account.left_out = {"journeys outside the scope of the design": scope["outside"]}
    return found


def _segments(design: Design, events: Path) -> dict[str, dict[str, str]]:
    """Read the attributes of the event log by which the design tells personas apart."""
    found = {}
    for name in attributes_of(design):
        known = pq.read_schema(events).names
        wanted = [one for one in ("journey_id", "timestamp", "source_order", "event_id", name) if one in known]
        found[name] = segments_of(pq.read_table(events, columns=list(dict.fromkeys(wanted))), name)
    return found


def outcomes_step(
    job: Job,
    log: PreparedLog,
    manifest: Manifest,
    folder: Path,
    tell: Tell,
    *,
    surveys: pd.DataFrame,
    conformance: Conformance | None,
    seed: int,
) -> dict[str, dict[str, bool]]:
    """Write, per outcome of the job, which paths go with it and how well a model tells it from dummies.

    Returns, per outcome that could be analysed, whether it came after each journey of which that is known.

    An outcome that too few journeys have is left out with the reason in ``outcomes/<name>/not_analysed.json``: a
    young company's job still gives the rest.
    """
    labels: dict[str, dict[str, bool]] = {}
    for name, config in job.config.outcomes.items():
        tell(f"Linking paths to the outcome '{name}'")
        place = folder / "outcomes" / name
        with manifest.step(f"outcome {name}") as account:
            account.rows_in = log.journey_count
            try:
                result = outcomes_of.outcomes(
                    log,
                    config,
                    name=name,
                    surveys=surveys,
                    deviations=None if conformance is None else conformance.journeys,
                    seed=seed,
                )
            except EmptyLogError as error:
                place.mkdir(parents=True)
                write_json(place / "not_analysed.json", {"outcome": name, "reason": str(error)})
                account.rows_out, account.left_out = 0, {"not analysed: too few journeys": log.journey_count}
                continue
            outcomes_of.write(result, place)
            labels[name] = labels_of(result)
            if conformance is not None:
                write_fix_list(_fixes(conformance, result, wanted=config.is_wanted(name)), place)
            account.rows_out = result.card["labelled"]
            account.left_out = result.card["left_out"]
    return labels


def _fixes(conformance: Conformance, result: OutcomeResult, *, wanted: bool) -> pd.DataFrame:
    """Set the labels of an outcome beside the deviations of the same journeys."""
    return fix_list(conformance, labels_of(result), wanted=wanted)


def labels_of(result: OutcomeResult) -> dict[str, bool]:
    """Return whether the outcome came after each journey of which that is known."""
    labels = zip(result.linked.journeys.journey_id.tolist(), result.linked.label.tolist(), strict=True)
    return {journey: bool(label) for journey, label in labels}


def experience_step(
    job: Job,
    log: PreparedLog,
    manifest: Manifest,
    folder: Path,
    tell: Tell,
    *,
    surveys: pd.DataFrame,
    conformance: Conformance | None,
) -> None:
    """Write what customers said, in all and on the journeys they said it about; nothing without answers."""
    del job
    if not surveys["value"].notna().any():
        return
    tell("Summarising what customers said")
    with manifest.step("experience") as account:
        place = folder / "experience"
        place.mkdir()
        tables, left_out = experience_tables(
            surveys,
            pd.read_parquet(folder / "journeys.parquet"),
            None if conformance is None else conformance.journeys,
        )
        for name, table in tables.items():
            table.to_csv(place / f"{name}.csv", index=False, lineterminator="\n")
        account.rows_in, account.rows_out = len(surveys), int(surveys["value"].notna().sum())
        account.left_out = left_out


def sensitivity_step(builder: Builder, log: PreparedLog, folder: Path, *, conformance: Conformance | None) -> None:
    """Write the headline numbers with and without the weakest kind of identifier, or say why that cannot be."""
    builder.tell("Computing the headline numbers without the weakest kind of identifier")
    manifest = builder.manifest
    with manifest.step("sensitivity") as account:
        account.rows_in = log.event_count
        try:
            table = sensitivity(
                builder.job,
                builder.store,
                log,
                # Both sides are judged by the common design: the other stitching may give a journey another persona.
                conformance=None if conformance is not None and conformance.personas is not None else conformance,
                memory_limit=builder.memory_limit,
                seed=manifest.seed,
            )
        except InputError as error:
            manifest.settings["sensitivity"] = {"not_computed": str(error)}
            return
        table.to_csv(folder / SENSITIVITY, index=False, lineterminator="\n")
        manifest.settings["sensitivity"] = {"left_out": str(table["weakest"].iloc[0])}
        account.rows_out = log.event_count
