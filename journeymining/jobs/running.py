"""One execution of a job: from its sources to the folder of a run, whole or absent."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from journeymining.engines.engine import Threads
from journeymining.ingest.keys import key_from_environment
from journeymining.ingest.pull import ingest_sources
from journeymining.jobs.analyses import (
    compare_step,
    conform_step,
    discover_step,
    experience_step,
    gap_step,
    outcomes_step,
    sensitivity_step,
)
from journeymining.jobs.events import (
    Builder,
    cut_journeys,
    note_drift,
    prepare_log,
    pull_events,
    quality_of,
    silent,
    stitch_customers,
    store_of,
    surveys_of_customers,
    told_records,
)
from journeymining.jobs.manifest import Manifest, write_json
from journeymining.jobs.scope import scope_sentence
from journeymining.report.audit import write_report
from journeymining.writing import refuse_occupied, whole_folder

if TYPE_CHECKING:
    from journeymining.engines.engine import Engine
    from journeymining.jobs.events import Tell
    from journeymining.jobs.spec import Job


def run(
    job: Job,
    *,
    events: str | Path | None = None,
    out: str | Path | None = None,
    key: bytes | None = None,
    seed: int = 0,
    memory_limit: str | None = "4GB",
    full_refresh: bool = False,
    sensitivity: bool = False,
    engine: Engine | None = None,
    force: bool = False,
    tell: Tell = silent,
) -> Path:
    """Run a whole job: pull, stitch, cut, discover, conform, outcomes, experience, report.

    Parameters
    ----------
    job : Job
        See `journeymining.jobs.read_job`.
    events : path, default ``event_logs/<job>``
        Where events are kept between runs. Steps whose input and settings have not changed are not done again.
    out : path, default ``outputs/<job>``
        Folder of the results; written under a temporary name and moved, so it is whole or as it was.
    key : bytes, default the environment's ``JOURNEYMINING_KEY``
        Secret of the pseudonyms; not looked at where the job says ``pseudonymise: false``.
    seed : int
        Of bootstrap intervals and of the model's inner split.
    memory_limit : str
        What the engine may use, such as ``4GB``; beyond it, it spills to disk.
    full_refresh : bool
        Do every step again.
    sensitivity : bool
        Also compute the headline numbers without the weakest kind of identifier, whether the job asks for it or not;
        see `journeymining.jobs.sensitivity`.
    engine : Engine, default threads of this machine
        Where the log is prepared and analysed, see `journeymining.engines.engine.engine_of`; no result depends on it.
    force : bool
        Replace the folder of results.
    tell : function
        Told what happens now.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    JourneyMiningError
        With what is wrong, where, and what would work; the folder of results is then as it was.
    """
    target = Path(out) if out else Path("outputs") / job.name
    refuse_occupied(target, force=force)
    builder = _builder(job, events, key, memory_limit, full_refresh, seed, tell, engine)
    counts = _build(builder)
    log = prepare_log(builder)
    manifest = builder.manifest
    with whole_folder(target, force=force) as folder:
        discover_step(job, log, manifest, folder, tell)
        surveys = surveys_of_customers(builder.store)
        events_file = builder.store.path("events.parquet")
        source_events = builder.store.path("source_events.parquet")
        gap_step(job, manifest, folder, tell, events=events_file, source_events=source_events)
        conformance = conform_step(job, log, manifest, folder, tell, events=events_file, seed=seed)
        labels = outcomes_step(job, log, manifest, folder, tell, surveys=surveys, conformance=conformance, seed=seed)
        experience_step(job, log, manifest, folder, tell, surveys=surveys, conformance=conformance)
        compare_step(job, log, manifest, folder, tell, events=events_file, labels=labels)
        if sensitivity or job.config.identity.sensitivity:
            sensitivity_step(builder, log, folder, conformance=conformance)
        write_json(folder / "quality.json", quality_of(builder.store, counts))
        shutil.copytree(builder.store.path("rejected"), folder / "rejected")
        _account(manifest, counts, log.event_count)
        manifest.write(folder)
        tell("Writing the report")
        write_report(folder, language=job.config.report.language, title=job.title)
    return target / "report.html"


def pull(
    job: Job,
    *,
    events: str | Path | None = None,
    key: bytes | None = None,
    memory_limit: str | None = "4GB",
    full_refresh: bool = False,
    tell: Tell = silent,
) -> Path:
    """Read the sources of a job into its folder of events, and return that folder.

    Parameters as of `run`. Nothing is read again when no file, no setting and no connector has changed.
    """
    builder = _builder(job, events, key, memory_limit, full_refresh, 0, tell)
    pull_events(builder)
    return builder.store.folder


def pull_preview(
    job: Job,
    *,
    events: str | Path | None = None,
    full_refresh: bool = False,
    tell: Tell = silent,
) -> pd.DataFrame:
    """Say what would become of the records of a job, and write nothing that stays.

    What was pulled before counts as it would, so that only what is new is asked for. No key is needed.

    Returns
    -------
    DataFrame
        ``source``, ``stream``, ``what`` (records, event, answer, rejected, left out), ``name`` (activity,
        whether an answer was given or asked for in vain, or reason) and ``rows``; in the order of the job, the most
        frequent first.
    """
    config = job.config
    with tempfile.TemporaryDirectory() as folder:
        kept = store_of(job, events).path("raw")
        for name, source in config.sources.items():
            if source.pulled and (kept / name).is_dir():
                shutil.copytree(kept / name, Path(folder) / "raw" / name)
        if (noted := store_of(job, events).path("quality.json")).is_file():
            # What changed is told by comparison with it.
            shutil.copy(noted, folder)
        quality = ingest_sources(
            config.sources,
            timezone=config.timezone,
            region=config.region,
            key=None,
            out=folder,
            base=job.base,
            document=job.document,
            progress=lambda name: tell(f"Reading source '{name}'"),
            landed=told_records(tell),
            full_refresh=full_refresh,
        )
        activities = pq.read_table(Path(folder) / "source_events.parquet", columns=["source", "stream", "activity"])
    note_drift(tell, quality)
    counted = activities.group_by(["source", "stream", "activity"]).aggregate([([], "count_all")]).to_pylist()
    rows: list[tuple[str, str, str, str, int]] = []
    for name, told in quality["sources"].items():
        for stream, counts in told["streams"].items():
            here = [one for one in counted if (one["source"], one["stream"]) == (name, stream)]
            parts = {"event": {one["activity"]: one["count_all"] for one in here}}
            asked = {
                "given": counts["surveys"] - counts.get("unanswered", 0),
                "asked in vain": counts.get("unanswered"),
            }
            parts["answer"] = {name: count for name, count in asked.items() if count}
            parts |= {"rejected": counts["rejected"], "left out": counts["left_out"]}
            rows.append((name, stream, "records", "", counts["records"]))
            for what, found in parts.items():
                ordered = sorted(found.items(), key=lambda one: (-one[1], one[0]))
                rows += [(name, stream, what, reason, count) for reason, count in ordered]
    return pd.DataFrame(rows, columns=["source", "stream", "what", "name", "rows"])


def pull_summary(folder: Path) -> pd.DataFrame:
    """Say of every source what became of its records.

    Parameters
    ----------
    folder : Path
        What `pull` returned.

    Returns
    -------
    DataFrame, one row per source, in the order of the job
        ``source``, ``connector``, ``records``, ``events``, ``identifiers``, ``surveys``, ``rejected``, ``left_out``.
    """
    quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
    columns = ("connector", "records", "events", "identifiers", "surveys", "rejected", "left_out")
    rows = [[name, *(source[column] for column in columns)] for name, source in quality["sources"].items()]
    return pd.DataFrame(rows, columns=["source", *columns])


def _builder(
    job: Job,
    events: str | Path | None,
    key: bytes | None,
    memory_limit: str | None,
    full_refresh: bool,
    seed: int,
    tell: Tell,
    engine: Engine | None = None,
) -> Builder:
    if not job.config.identity.pseudonymise:
        key = None
    elif key is None:
        key = key_from_environment()
    runs_on = engine or Threads()
    return Builder(
        job=job,
        store=store_of(job, events),
        manifest=Manifest(job=job.name, title=job.title, seed=seed, engine=runs_on.name),
        key=key,
        memory_limit=memory_limit,
        full_refresh=full_refresh,
        tell=tell,
        engine=runs_on,
    )


def _build(builder: Builder) -> dict[str, dict[str, Any]]:
    """Do the steps that make the event log; return what they counted, as quality.json shows it."""
    pull_events(builder)
    stitch_customers(builder)
    cut = cut_journeys(builder)
    journeys = ("journeys", "customers", "open", "left_truncated", "begun_by", "observed_from", "observed_until")
    return {
        "touchpoints": {name: cut[name] for name in ("touchpoints", "phases", "never_seen", "left_out")},
        "journeys": {name: cut[name] for name in journeys},
    }


def _account(manifest: Manifest, counts: dict[str, dict[str, Any]], events: int) -> None:
    journeys = counts["journeys"]
    manifest.counts = {
        "customers": journeys["customers"],
        "journeys": journeys["journeys"],
        "events": events,
        "open_journeys": journeys["open"],
    }
    manifest.scope = scope_sentence(journeys, manifest.counts, sources=len({one["source"] for one in manifest.inputs}))
