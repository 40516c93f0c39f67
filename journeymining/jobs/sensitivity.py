"""How much the headline numbers of a run owe to its weakest kind of identifier."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from journeymining.conformance import conform as conformance_of
from journeymining.conformance.design import read_design
from journeymining.discovery.channels import channel_switches
from journeymining.discovery.journeys import journeys as describe_journeys
from journeymining.engines.prepared_log import prepare
from journeymining.exceptions import InputError
from journeymining.experience.on_journeys import experience_tables
from journeymining.identity.stitching import stitch
from journeymining.jobs.events import surveys_of_customers
from journeymining.jobs.store import Store
from journeymining.journeys.event_log import make_event_log
from journeymining.outcomes.deviations import with_deviations
from journeymining.outcomes.journey_frame import journeys_for_outcomes
from journeymining.outcomes.labels import link

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeymining.conformance.conform import Conformance
    from journeymining.engines.prepared_log import PreparedLog
    from journeymining.jobs.spec import Job

FILE = "stitch_sensitivity.csv"


def weakest_kind(report: Mapping[str, Any]) -> str | None:
    """Return the last of the ``keys`` that linked any record; None when fewer than two did.

    Parameters
    ----------
    report : mapping
        What `journeymining.identity.stitching.stitch` reports.
    """
    used = [kind for kind in report["settings"]["keys"] if report["kinds"][kind]["uses"]]
    return used[-1] if len(used) > 1 else None


def sensitivity(
    job: Job,
    store: Store,
    log: PreparedLog,
    *,
    conformance: Conformance | None = None,
    memory_limit: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute the headline numbers of a job again, without its weakest kind of identifier.

    Stitches, cuts, prepares and judges a second time in a temporary folder; the store stays as it is. What changes much
    rests on that kind of identifier.

    Parameters
    ----------
    job : Job
    store : Store
        With the tables that the job's steps left.
    log : PreparedLog
        Of the store, with all kinds.
    conformance : Conformance, optional
        Of that log; computed when the job has a design and it is not given.
    memory_limit : str, optional
        What the engine may use, such as ``4GB``.
    seed : int
        Of the conformance check; no number here depends on it.

    Returns
    -------
    DataFrame, one row per measure
        ``measure``, ``with_all``, ``without_weakest``, ``difference`` (without minus with) and ``weakest`` (the kind
        left out). Measures, those of the first page of the report and of stitching: customers, journeys, open ones,
        events with an account and of anonymous customers (shares), journeys with several channels (share), forced
        switches (share); with a design journeys in its scope, those following it (share), mean and log fitness; with
        answers the NPS and the share of answers about a journey; and per outcome the journeys with a known outcome and
        their rate. Shares are from 0 to 1. A number that cannot be computed (no journey in scope, no known outcome) is
        missing.

    Raises
    ------
    InputError
        When records carry fewer than two kinds of identifiers: nothing could be left out.
    """
    report = json.loads(store.path("identity.json").read_text(encoding="utf-8"))
    weakest = weakest_kind(report)
    if weakest is None:
        raise InputError(
            "identity.sensitivity: records carry fewer than two kinds of identifiers; none can be left out."
        )
    with_all = _headlines(job, store, log, report, conformance, seed=seed)
    with tempfile.TemporaryDirectory(prefix="journeymining-") as work:
        folder = Path(work)
        told = _events_without(weakest, job, store, folder, memory_limit)
        flags = pq.read_table(folder / "journeys.parquet")
        with prepare(
            folder / "events.parquet", folder / "prepared", memory_limit=memory_limit, journeys=flags, engine=log.engine
        ) as other:
            without = _headlines(job, Store(folder), other, told, None, seed=seed)
    table = pd.DataFrame(
        {"measure": list(with_all), "with_all": with_all.values(), "without_weakest": without.values()}
    )
    table["difference"] = table["without_weakest"] - table["with_all"]
    table["weakest"] = weakest
    return table


def _events_without(weakest: str, job: Job, store: Store, folder: Path, memory_limit: str | None) -> dict[str, Any]:
    """Stitch without a kind of identifier and cut, into a folder; return what stitching reports."""
    identity = job.config.identity
    found = stitch(
        store.path("identifiers.parquet"),
        store.path("source_events.parquet"),
        keys=[kind for kind in identity.keys if kind != weakest],
        at_most={kind: limit for kind, limit in identity.at_most.items() if kind != weakest},
        window=identity.back_window,
        blocked=identity.blocked,
        memory_limit=memory_limit,
    )
    pq.write_table(found.events, folder / "records.parquet", compression="zstd")
    # Answers are joined to customers within one folder.
    shutil.copyfile(store.path("surveys.parquet"), folder / "surveys.parquet")
    make_event_log(
        store.path("source_events.parquet"),
        folder / "records.parquet",
        job.config.touchpoints,
        job.config.phases,
        job.config.journeys,
        out=folder,
        memory_limit=memory_limit,
    )
    return found.report


def _headlines(
    job: Job,
    store: Store,
    log: PreparedLog,
    report: Mapping[str, Any],
    conformance: Conformance | None,
    *,
    seed: int,
) -> dict[str, float]:
    """Return the headline numbers of one log, by measure; both logs of a job give the same measures in one order."""
    journeys = describe_journeys(log)
    numbers = {
        "customers": float(journeys["customer_id"].nunique()),
        "journeys": float(len(journeys)),
        "open journeys": float(journeys["open"].sum()),
        "events with an account (share)": _number(report["events_with_account"]["share"]),
        "events of anonymous customers (share)": _number(report["events_of_anonymous"]["share"]),
        "journeys with several channels (share)": float((journeys["channels"] > 1).mean()),
        "forced channel switches (share)": _forced(log),
    }
    if job.design is not None:
        conformance = conformance or _conformance(job, log, seed)
        numbers |= _of_design(conformance)
    numbers |= _of_answers(store, journeys, conformance)
    for name in job.config.outcomes:
        numbers |= _of_outcome(name, job, store, log, conformance)
    return numbers


def _conformance(job: Job, log: PreparedLog, seed: int) -> Conformance | None:
    assert job.design is not None
    try:
        return conformance_of.conform(log, read_design(job.design), seed=seed, samples=1)
    except InputError:
        # Without the weakest kind no journey may be left in scope; the measures of the design are then missing.
        return None


def _of_design(conformance: Conformance | None) -> dict[str, float]:
    summary: dict[str, Any] = conformance.summary if conformance else {"journeys": {"in_scope": 0}}
    return {
        "journeys in scope of the design": float(summary["journeys"]["in_scope"]),
        "journeys following the design (share)": _number(summary.get("fitting", {}).get("share")),
        "mean fitness of a journey": _number(summary.get("fitness", {}).get("mean")),
        "log fitness": _number(summary.get("log_fitness")),
    }


def _forced(log: PreparedLog) -> float:
    switches = channel_switches(log)
    count = int(switches["switches"].sum())
    return float(switches["forced"].sum() / count) if count else float("nan")


def _of_answers(store: Store, journeys: pd.DataFrame, conformance: Conformance | None) -> dict[str, float]:
    """Return the NPS and the share of answers that are about a journey; nothing where nobody was asked."""
    surveys = surveys_of_customers(store)
    if surveys["value"].isna().all():
        return {}
    deviations = None if conformance is None else conformance.journeys
    tables, left_out = experience_tables(surveys, journeys, deviations)
    answers = int(tables["nps"]["n"].iloc[0])
    about = answers - left_out.get("answers about no journey", 0)
    return {
        "Net Promoter Score": float(tables["nps"]["nps"].iloc[0]),
        "answers about a journey (share)": about / answers if answers else float("nan"),
    }


def _of_outcome(
    name: str, job: Job, store: Store, log: PreparedLog, conformance: Conformance | None
) -> dict[str, float]:
    journeys, in_scope = journeys_for_outcomes(log), None
    if conformance is not None:
        journeys, in_scope = with_deviations(journeys, conformance.journeys)
    surveys = surveys_of_customers(store)
    try:
        linked = link(name, job.config.outcomes[name], journeys, surveys=surveys, in_scope=in_scope)
    except InputError:
        # No journey with a known outcome, or none with what the outcome needs.
        return {f"{name}: journeys with a known outcome": 0.0, f"{name}: rate": float("nan")}
    rate = float(linked.label.mean()) if len(linked.label) else float("nan")
    return {f"{name}: journeys with a known outcome": float(len(linked.label)), f"{name}: rate": rate}


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
