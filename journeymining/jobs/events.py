"""From the sources of a job to its prepared log: pull, stitch, cut, prepare; what has nothing new is not done again."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from journeymining import __version__
from journeymining.engines.engine import Threads
from journeymining.engines.prepared_log import PreparedLog, prepare
from journeymining.engines.updating import update
from journeymining.exceptions import InputError
from journeymining.identity.changes import customer_changes, customers_version
from journeymining.identity.stitching import stitch
from journeymining.ingest.batches import read_state
from journeymining.ingest.drift import drift_notes
from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.pull import ingest_sources, open_source, pull_source
from journeymining.jobs.manifest import Manifest, describe_inputs, digest_of, write_json
from journeymining.jobs.store import Store
from journeymining.journeys.event_log import make_event_log
from journeymining.journeys.recutting import CHANGED, LastCut
from journeymining.writing import whole_file

if TYPE_CHECKING:
    import pandas as pd

    from journeymining.engines.engine import Engine
    from journeymining.jobs.spec import Job

Tell = Callable[[str], None]
"""Is told, in a few words, what happens now."""

PULLED = ("source_events.parquet", "identifiers.parquet", "surveys.parquet", "quality.json")
STITCHED = ("customers.parquet", "records.parquet", "customer_changes.parquet", "identity.json")
CUT = ("events.parquet", "journeys.parquet")
PREPARED = ("prepared",)


def silent(message: str) -> None:
    """Tell nobody."""


def store_of(job: Job, events: str | Path | None) -> Store:
    """Return where a job keeps its events: ``event_logs/<job>`` unless told otherwise."""
    return Store(Path(events) if events else Path("event_logs") / job.name)


@dataclass
class Builder:
    """The state of one passage from sources to a prepared log: where it writes, what it has counted."""

    job: Job
    store: Store
    manifest: Manifest
    key: bytes | None
    """Secret of the pseudonyms; None where the job does not want any."""
    memory_limit: str | None = None
    full_refresh: bool = False
    tell: Tell = silent
    engine: Engine = field(default_factory=Threads)
    digest: str = __version__

    def step(
        self, name: str, message: str, settings: Any, files: tuple[str, ...], do: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Do a step, or take what it left if nothing that went into it has changed; return its counts."""
        self.digest = digest_of(self.digest, name, settings)
        with self.manifest.step(name) as account:
            counts = None if self.full_refresh else self.store.noted(name, self.digest, files)
            account.reused = counts is not None
            self.tell(f"{message} (unchanged)" if counts is not None else message)
            if counts is None:
                self.store.folder.mkdir(parents=True, exist_ok=True)
                # A step that is done again unmakes the ones after it, by their digests; its own note comes last.
                counts = do()
                self.store.note(name, self.digest, counts)
                account.again = counts.get("again")
            account.rows_in, account.rows_out = counts["rows_in"], counts["rows_out"]
            account.left_out = counts["left_out"]
        return counts


def pull_events(builder: Builder) -> dict[str, Any]:
    """Read the sources into the store: source events, identifiers, survey answers, rejected rows."""
    config = builder.job.config
    builder.tell("Looking at the sources")
    for name, source in config.sources.items():
        if source.pulled:
            builder.tell(f"Pulling source '{name}'")
            pull_source(
                name,
                source,
                raw_dir=builder.store.path("raw"),
                base=builder.job.base,
                document=builder.job.document,
                full_refresh=builder.full_refresh,
                landed=partial(told_records(builder.tell), name),
            )
    settings = _pull_settings(builder)

    def do() -> dict[str, Any]:
        quality = ingest_sources(
            config.sources,
            timezone=config.timezone,
            region=config.region,
            key=builder.key,
            out=builder.store.folder,
            base=builder.job.base,
            document=builder.job.document,
            progress=lambda source: builder.tell(f"Reading source '{source}'"),
            landed=told_records(builder.tell),
            pull=False,
        )
        return pull_counts(quality)

    counts = builder.step("pull", f"Reading {len(config.sources)} sources", settings, PULLED, do)
    note_drift(builder.tell, json.loads(builder.store.path("quality.json").read_text(encoding="utf-8")))
    return counts


def note_drift(tell: Tell, quality: dict[str, Any]) -> None:
    """Say which fields of the sources came, went or are in no record: where steps are shown, notes may be as well."""
    note: Callable[[str], None] = getattr(tell, "note", silent)
    for sentence in drift_notes(quality):
        note(sentence)


def told_records(tell: Tell) -> Callable[[str, str, int], None]:
    """Return what is told source, stream and how many records have come: where steps are shown, they may be as well."""
    records: Callable[[str, str, int], None] = getattr(tell, "records", lambda source, stream, count: None)
    return records


def pull_counts(quality: dict[str, Any]) -> dict[str, Any]:
    """Return what the step ``pull`` notes of the counts of all sources."""
    left_out: Counter[str] = Counter()
    for source in quality["sources"].values():
        for stream in source["streams"].values():
            left_out.update(stream["left_out"])
            left_out.update(stream["rejected"])
    return {
        "rows_in": quality["candidates"],
        "rows_out": quality["events"] + quality["surveys"] + quality["linking_records"],
        "left_out": dict(left_out),
    }


def pull_digest(builder: Builder) -> str:
    """Return the digest under which the step ``pull`` of a fresh builder is noted."""
    return digest_of(builder.digest, "pull", _pull_settings(builder))


def key_id(key: bytes | None) -> str | None:
    """Return what tells keys apart and leads to none; None without a key."""
    return None if key is None else hmac.new(key, b"which key", hashlib.sha256).hexdigest()[:16]


def _pull_settings(builder: Builder) -> dict[str, Any]:
    """Return all that the pulled tables depend on, and note the inputs in the account."""
    config = builder.job.config
    files, specs = _inputs(builder.job)
    builder.manifest.inputs = describe_inputs(files, base=builder.job.base) + _pulled_inputs(builder)
    return {
        "inputs": [(one["source"], one["path"], one["sha256"]) for one in builder.manifest.inputs],
        "specs": specs,
        "sources": {name: source.model_dump(mode="json") for name, source in config.sources.items()},
        "timezone": config.timezone,
        "region": config.region,
        # Another key gives other pseudonyms; the key itself is nowhere.
        "key": key_id(builder.key),
    }


def stitch_customers(builder: Builder) -> dict[str, Any]:
    """Give every record a customer."""
    identity = builder.job.config.identity
    store = builder.store

    def do() -> dict[str, Any]:
        found = stitch(
            store.path("identifiers.parquet"),
            store.path("source_events.parquet"),
            keys=identity.keys,
            at_most=identity.at_most,
            window=identity.back_window,
            blocked=identity.blocked,
            memory_limit=builder.memory_limit,
            engine=builder.engine,
        )
        # Compared before the previous table is replaced.
        counts, changes = customer_changes(_previous_records(builder), found.events)
        report = found.report | {
            "version": customers_version(found.customers, found.report["settings"]),
            "key_id": key_id(builder.key),
            "changes": counts,
        }
        for name, table in (
            ("customer_changes.parquet", changes),
            ("customers.parquet", found.customers),
            ("records.parquet", found.events),
        ):
            with whole_file(store.path(name), force=True) as work:
                pq.write_table(table, work, compression="zstd")
        with whole_file(store.path("identity.json"), force=True) as work:
            write_json(work, report)
        records = len(found.events)
        return {"rows_in": records, "rows_out": records, "left_out": {}}

    # What is only computed later changes no customer.
    settings = identity.model_dump(mode="json", exclude={"sensitivity"})
    return builder.step("stitch", "Stitching customers", settings, STITCHED, do)


def _previous_records(builder: Builder) -> Path | None:
    """Return the records of the previous stitching, if they can be compared with those of this one."""
    records, report = builder.store.path("records.parquet"), builder.store.path("identity.json")
    if not records.is_file() or not report.is_file():
        return None
    # Under another key a comparison would say which old name is which new one, and undo what the new key is for.
    made_by = json.loads(report.read_text(encoding="utf-8")).get("key_id")
    return records if made_by == key_id(builder.key) else None


def cut_journeys(builder: Builder) -> dict[str, Any]:
    """Name touchpoints and cut journeys: the event log of the job."""
    config = builder.job.config
    settings = {
        "touchpoints": config.touchpoints.model_dump(mode="json"),
        "phases": config.phases,
        "journeys": config.journeys.model_dump(mode="json"),
    }

    def do() -> dict[str, Any]:
        if builder.full_refresh:
            shutil.rmtree(builder.store.path("cut"), ignore_errors=True)
        counts = make_event_log(
            builder.store.path("source_events.parquet"),
            builder.store.path("records.parquet"),
            config.touchpoints,
            config.phases,
            config.journeys,
            out=builder.store.folder,
            last=builder.store.folder,
            memory_limit=builder.memory_limit,
        )
        return counts | {
            "rows_in": counts["events_in"],
            "rows_out": counts["events"],
            "again": counts["cut_again"],
        }

    return builder.step("cut", "Cutting journeys", settings, CUT, do)


def prepare_log(builder: Builder) -> PreparedLog:
    """Bring the events of every journey together, in order, in small integers."""
    store = builder.store

    def do() -> dict[str, Any]:
        marks = pq.read_table(store.path("journeys.parquet"))
        events, folder, limit = store.path("events.parquet"), store.path("prepared"), builder.memory_limit
        cut = LastCut(store.folder / "cut", events, store.path("journeys.parquet")).state()
        previous = None if builder.full_refresh else _previous_log(builder, cut)
        if previous is None:
            log = prepare(events, folder, memory_limit=limit, journeys=marks, engine=builder.engine, force=True)
            again = log.journey_count
        else:
            changed = pq.read_table(store.path("cut") / CHANGED)["journey_id"].to_pylist()
            log, again = update(previous, events, changed, folder, journeys=marks, memory_limit=limit)
        return {
            "rows_in": log.event_count,
            "rows_out": log.event_count,
            "left_out": {},
            "tied": log.manifest["tied"],
            "ordered_by_event_id": log.manifest["ordered_by_event_id"],
            "version": cut.get("version"),
            "digest": log.manifest["digest"],
            "again": {"journeys": again, "of": log.journey_count},
        }

    builder.step("prepare", "Preparing the log", {}, PREPARED, do)
    return PreparedLog.open(store.path("prepared"), engine=builder.engine)


def _previous_log(builder: Builder, cut: dict[str, Any]) -> PreparedLog | None:
    """Return the prepared log of the event log that the last cut began with, if that is what is there."""
    noted, folder = builder.store.last("prepare"), builder.store.path("prepared")
    if not noted or not cut or noted.get("version") != cut["since"] or cut["since"] is None:
        return None
    try:
        previous = PreparedLog.open(folder)
    except InputError:
        return None
    return previous if previous.manifest["digest"] == noted["digest"] else None


def surveys_of_customers(store: Store) -> pd.DataFrame:
    """Return the survey answers of a job with the customer who gave them, one row per survey sent.

    Answers whose record joins no customer keep a null ``customer_id``; they count in totals, not on journeys.
    """
    surveys: pa.Table = pq.read_table(store.path("surveys.parquet"))
    records: pa.Table = pq.read_table(store.path("records.parquet"))
    frame: pd.DataFrame = surveys.to_pandas()
    customers: pd.DataFrame = records.to_pandas()
    return frame.merge(customers, on=["source", "event_id"], how="left", validate="many_to_one")


def quality_of(store: Store, counts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what quality.json of a run says: what was rejected or left out, by step and reason."""
    return {
        "ingest": json.loads(store.path("quality.json").read_text(encoding="utf-8")),
        "identity": json.loads(store.path("identity.json").read_text(encoding="utf-8")),
        **counts,
    }


def _pulled_inputs(builder: Builder) -> list[dict[str, Any]]:
    """Say of every source that was pulled where it is, and what was pulled by the digest of its state."""
    inputs = []
    for name, source in builder.job.config.sources.items():
        if source.pulled:
            folder = builder.store.path("raw") / name
            size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
            digest = hashlib.sha256(json.dumps(read_state(folder), sort_keys=True).encode()).hexdigest()
            inputs.append({"source": name, "path": source.shown, "bytes": size, "sha256": digest})
    return inputs


def _inputs(job: Job) -> tuple[list[tuple[str, Path]], dict[str, str]]:
    """Return the files of every source, and the digest of every connector's description."""
    files: list[tuple[str, Path]] = []
    specs: dict[str, str] = {}
    for name, source in job.config.sources.items():
        _, found, _ = open_source(name, source, base=job.base, document=job.document)
        files += [(name, path) for paths in found.values() for path in paths]
        spec = connector_folder(source.connector, base=job.base) / SPEC
        specs[name] = hashlib.sha256(spec.read_bytes()).hexdigest()
    return files, specs
