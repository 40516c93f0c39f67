"""Another key for the pseudonyms: records are mapped again from where they landed, no source is asked again."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from journeymining.exceptions import InputError
from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.pull import MEMORY, TABLES, IngestResult, Place, ingest_source, write_results
from journeymining.ingest.sources import adapt
from journeymining.ingest.specs import read_connector
from journeymining.ingest.streams import map_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from journeymining.documents import Document
    from journeymining.ingest.sources import SourceConfig

DERIVED = (
    *("customers.parquet", "records.parquet", "customer_changes.parquet", "identity.json"),
    *("events.parquet", "journeys.parquet", "cut", "prepared"),
)
"""What stitching and the steps after it left: all of it carries names made of the old pseudonyms."""


def map_again(
    store: Path,
    sources: Mapping[str, SourceConfig],
    *,
    timezone: str | None,
    region: str | None,
    key: bytes,
    base: Path,
    document: Document | None = None,
    progress: Callable[[str], None] | None = None,
    memory: str = MEMORY,
    threads: int | None = None,
) -> dict[str, Any]:
    """Make all tables of a job again from its landed raw records, with another key.

    A pseudonym cannot be turned into that of another key, as only the identifier itself leads to either. Customers and
    all that follows from them are removed, so that no file says which old name is which new one.

    Parameters
    ----------
    store : Path
        The folder of the job's events, mostly ``event_logs/<job>``, with its ``raw/``.
    sources, timezone, region, base, document, memory, threads
        As of `journeymining.ingest.pull.ingest_sources`.
    key : bytes
        The new key.
    progress : function, optional
        Told the name of each source before it is mapped.

    Returns
    -------
    dict
        What ``quality.json`` says now; all counts are as before.

    Raises
    ------
    InputError
        When the raw records of a source are not there (any more); then nothing has been changed.
    """
    missing = [name for name in sources if not (store / "raw" / name).is_dir()]
    if missing:
        raise InputError(
            f"{store / 'raw' / missing[0]}: no raw records of '{missing[0]}' to map with another key. "
            "Read the sources again with the new key: journeymining pull JOB.yaml --full-refresh."
        )
    previous = _previous_quality(store)
    work = store / ".work"
    shutil.rmtree(work, ignore_errors=True)
    results = []
    try:
        for name, config in sources.items():
            if progress:
                progress(name)
            result = _map_source(
                name,
                config,
                previous.get(name, {}),
                timezone=timezone,
                region=region,
                key=key,
                raw_dir=store / "raw",
                work_dir=work,
                base=base,
                document=document,
                memory=memory,
                threads=threads,
            )
            results.append(result)
        _remove_derived(store)
        return write_results(results, store, pseudonymised=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _map_source(
    name: str,
    config: SourceConfig,
    before: Mapping[str, Any],
    *,
    timezone: str | None,
    region: str | None,
    key: bytes,
    raw_dir: Path,
    work_dir: Path,
    base: Path,
    document: Document | None,
    memory: str,
    threads: int | None,
) -> IngestResult:
    """Map one source from its raw records; what was counted when they landed stays."""
    if config.pulled:
        # Databases and APIs land apart from mapping anyway.
        return ingest_source(
            name,
            config,
            timezone=timezone,
            region=region,
            key=key,
            raw_dir=raw_dir,
            work_dir=work_dir,
            base=base,
            document=document,
            memory=memory,
            threads=threads,
            pull=False,
        )
    place = Place(name, document)
    spec = read_connector(connector_folder(config.connector, base=base) / SPEC)
    connector = adapt(spec, config, place.spec_error)
    raw, work = raw_dir / name, work_dir / name
    work.mkdir(parents=True)
    counted = map_streams(
        name,
        connector,
        config,
        raw=raw,
        landed={stream: _landed(raw / stream, before, stream) for stream in connector.streams},
        work=work,
        zone=config.timezone or timezone,
        region=config.region or region,
        key=key,
        place=place,
        memory=memory,
        threads=threads,
    )
    files = {table: sorted((work / table).glob("*.parquet")) for table in TABLES}
    return IngestResult(name, files=files, quality={**before, **counted})


def _previous_quality(store: Path) -> dict[str, dict[str, Any]]:
    """Return what was counted per source when the records landed; nothing after an erasure removed it."""
    path = store / "quality.json"
    if not path.is_file():
        return {}
    sources: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["sources"]
    return sources


def _landed(folder: Path, before: Mapping[str, Any], stream: str) -> dict[str, int]:
    """Count the raw records of a stream; broken texts are known from when they landed only."""
    records = sum(pq.read_metadata(path).num_rows for path in sorted(folder.glob("*.parquet")))
    broken = before.get("streams", {}).get(stream, {}).get("records_with_broken_text", 0)
    return {"records": records, "records_with_broken_text": broken}


def _remove_derived(store: Path) -> None:
    # The notes first: a rotation that is interrupted leaves a job that does all its steps again.
    (store / "steps.json").unlink(missing_ok=True)
    for name in DERIVED:
        path = store / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
