"""From the sources of a job to its events: land the raw records, then map them. Two steps, each whole or absent.

Landing keeps every record as it came (`journeymining.ingest.readers`); mapping runs in DuckDB with a bounded memory, by
SQL made of the connector (`records`, `mapping`) and Python on distinct texts only (`distinct`).
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeymining.exceptions import InputError, SpecError, UsageError
from journeymining.ingest.batches import pull_batches, read_state
from journeymining.ingest.drift import compare_fields
from journeymining.ingest.landing import Landing
from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.mapping import EVENT_COLUMNS, IDENTIFIER_COLUMNS, REJECTED_COLUMNS, SURVEY_COLUMNS
from journeymining.ingest.parts import schema_of
from journeymining.ingest.pulling import Landed, Telling, as_pulled, landing_nothing, puller_of
from journeymining.ingest.sources import adapt, expected_columns, find_files
from journeymining.ingest.specs import read_connector
from journeymining.writing import whole_file, whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from journeymining.documents import Document
    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream

logger = logging.getLogger(__name__)

TABLES = {
    "source_events": EVENT_COLUMNS,
    "identifiers": IDENTIFIER_COLUMNS,
    "surveys": SURVEY_COLUMNS,
    "rejected": REJECTED_COLUMNS,
}

QUALITY = "quality.json"
MEMORY = "400MB"


@dataclass
class IngestResult:
    """What one source gave: its tables as Parquet files (several or none of a table), and the count of everything."""

    source: str
    files: dict[str, list[Path]] = field(default_factory=lambda: {table: [] for table in TABLES})
    quality: dict[str, Any] = field(default_factory=dict)


class Place:
    """Where a source stands in its job, so that errors name file, line and column."""

    def __init__(self, source: str, document: Document | None) -> None:
        self.source, self.document = source, document

    def spec_error(self, key: str, message: str) -> SpecError:
        """Return an error of the job's author."""
        text = f"source '{self.source}': {message}"
        return self.document.error(text, ("sources", self.source, key)) if self.document else SpecError(text)

    def input_error(self, message: str, key: str = "path") -> InputError:
        """Return an error of what the job names: its files, its database, its server."""
        return InputError(str(self.spec_error(key, message)))


def ingest_source(
    name: str,
    config: SourceConfig,
    *,
    timezone: str | None,
    region: str | None,
    key: bytes | None,
    raw_dir: str | Path,
    work_dir: str | Path,
    base: str | Path = ".",
    document: Document | None = None,
    memory: str = MEMORY,
    threads: int | None = None,
    pull: bool = True,
    full_refresh: bool = False,
    landed: Landed = landing_nothing,
) -> IngestResult:
    """Land the records of one source and map them to events, identifiers and survey answers.

    Parameters
    ----------
    name : str
        Name of the source in the job.
    config : SourceConfig
        The entry of the job.
    timezone, region : str, optional
        Zone and country of the job, for sources that declare none.
    key : bytes or None
        Secret of the pseudonyms, see `journeymining.ingest.keys.key_from_environment`. None writes identifiers (as
        ``kind:value``, normalised) and agents in clear: for samples and for data that are no persons'.
    raw_dir : path
        Where raw records go, as ``<raw_dir>/<name>/<stream>/*.parquet``; replaced as a whole.
    work_dir : path
        A folder for the tables; its content is the caller's to move or remove.
    base : path, default the working directory
        What paths of the source are relative to.
    document : Document, optional
        The job, so that errors name its line.
    memory : str, default "400MB"
        What DuckDB may use; more goes to disk.
    threads : int, optional
        Threads of DuckDB; all by default.
    pull : bool
        Of a source with a ``url``: pull what is new first. Without it, only what was pulled before is mapped.
    full_refresh : bool
        Of a source with a ``url``: pull everything again.
    landed : function
        Told how many records of a stream have come so far.

    Returns
    -------
    IngestResult
        Parquet files per table, and a quality count in which for every stream ``candidates = events + surveys +
        linking_records + rejected + left_out``.

    Raises
    ------
    InputError
        If files are missing or unreadable.
    SpecError
        If the job or the connector is wrong, or times need a zone that nobody declared.
    """
    from journeymining.ingest.streams import map_streams

    place = Place(name, document)
    connector, files, ignored = open_source(name, config, base=base, document=document)
    raw_folder, work_folder = Path(raw_dir) / name, Path(work_dir) / name
    mapped = partial(
        map_streams,
        name,
        connector,
        config,
        zone=config.timezone or timezone,
        region=config.region or region,
        key=key,
        place=place,
        memory=memory,
        threads=threads,
    )
    if config.pulled:
        if pull:
            pull_source(
                name, config, raw_dir=raw_dir, base=base, document=document, full_refresh=full_refresh, landed=landed
            )
        state = read_state(raw_folder)
        counted = {stream: _counted(state.get(stream)) for stream in connector.streams}
        with whole_folder(work_folder, force=True) as work:
            counts = mapped(raw=raw_folder, landed=counted, work=work)
        about = _about_pulled(connector, config, state)
    else:
        before = _raw_columns(raw_folder)
        # Raw records and what is made of them come to be together; should the machine stop between, raw ones are there.
        with whole_folder(work_folder, force=True) as work, whole_folder(raw_folder, force=True) as raw:
            landings = {
                stream: _landing(stream, connector.streams[stream], paths, config, raw, Path(base), landed)
                for stream, paths in files.items()
            }
            counts = mapped(raw=raw, landings=landings, work=work)
        about = _about_files(connector, files, ignored, Path(base), before, _raw_columns(raw_folder))
    tables = {table: sorted((work_folder / table).glob("*.parquet")) for table in TABLES}
    logger.info("source %s: %d events", name, counts["events"])
    return IngestResult(name, files=tables, quality={**about, **counts})


def open_source(
    name: str, config: SourceConfig, *, base: str | Path = ".", document: Document | None = None
) -> tuple[Connector, dict[str, list[Path]], list[Path]]:
    """Return what a source would be read with: its connector as the job changes it, its files, and those of no stream.

    Nothing is read or written; arguments and errors are those of `ingest_source`.

    Returns
    -------
    tuple
        The connector; stream -> files (none: an empty list); files that belong to no stream.
    """
    place = Place(name, document)
    connector = adapt(_connector(config, Path(base), place), config, place.spec_error)
    if config.pulled:
        return as_pulled(connector, config), {}, []
    files, ignored = find_files(connector, config, Path(base), place.input_error)
    return connector, files, ignored


def pull_source(
    name: str,
    config: SourceConfig,
    *,
    raw_dir: str | Path,
    base: str | Path = ".",
    document: Document | None = None,
    full_refresh: bool = False,
    landed: Landed = landing_nothing,
) -> dict[str, Any]:
    """Pull what is new of a source that is no local file, and return its state; see `journeymining.ingest.batches`.

    Arguments and errors are those of `ingest_source`.
    """
    place = Place(name, document)
    connector = adapt(_connector(config, Path(base), place), config, place.spec_error)
    if config.scheme == "objects":
        from journeymining.ingest.objects import pull_objects

        folder = Path(raw_dir) / name
        return pull_objects(connector, config, folder, place.input_error, full_refresh=full_refresh, landed=landed)
    puller = Telling(puller_of(connector, config, Path(base), place), landed)
    return pull_batches(puller, Path(raw_dir) / name, full_refresh=full_refresh)


def _about_pulled(connector: Connector, config: SourceConfig, state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "connector": connector.connector,
        "url": config.shown,
        "pulled": {stream: _told(known) for stream, known in state.items()},
        "absent_streams": [stream for stream in connector.streams if stream not in state],
        "columns_changed": {stream: known["changes"] for stream, known in state.items() if known["changes"]},
    }


def _about_files(
    connector: Connector,
    files: Mapping[str, list[Path]],
    ignored: list[Path],
    base: Path,
    before: Mapping[str, list[str]],
    now: Mapping[str, list[str]],
) -> dict[str, Any]:
    return {
        "connector": connector.connector,
        "files": {stream: list(_shown(paths, base)) for stream, paths in files.items() if paths},
        "absent_streams": [stream for stream, paths in files.items() if not paths],
        "ignored_files": list(_shown(ignored, base)),
        "columns_changed": _columns_changed(before, now),
    }


def _counted(known: dict[str, Any] | None) -> dict[str, int]:
    return {
        "records": known["records"] if known else 0,
        "records_with_broken_text": known.get("broken", 0) if known else 0,
    }


def _told(known: dict[str, Any]) -> dict[str, Any]:
    objects = {"objects": len(known["objects"])} if "objects" in known else {"cursor": known["cursor"]}
    return {"batches": len(known["batches"]), "records": known["records"], **objects}


def _raw_columns(folder: Path) -> dict[str, list[str]]:
    """Return the columns of a source's raw records, per stream."""
    import pyarrow.parquet as pq

    found: dict[str, dict[str, None]] = {}
    for file in sorted(folder.glob("*/*.parquet")):
        names = pq.read_schema(file).names
        found.setdefault(file.parent.name, {}).update(dict.fromkeys(n for n in names if not n.startswith(("_", "f:"))))
    return {stream: list(names) for stream, names in found.items()}


def _columns_changed(before: Mapping[str, list[str]], now: Mapping[str, list[str]]) -> dict[str, list[dict[str, str]]]:
    found = {}
    for stream in sorted(before.keys() & now.keys()):
        new = [{"column": name, "change": "new"} for name in now[stream] if name not in before[stream]]
        gone = [{"column": name, "change": "gone"} for name in before[stream] if name not in now[stream]]
        if new or gone:
            found[stream] = new + gone
    return found


def _connector(config: SourceConfig, base: Path, place: Place) -> Connector:
    try:
        folder = connector_folder(config.connector, base=base)
    except UsageError as error:
        raise place.spec_error("connector", str(error)) from None
    return read_connector(folder / SPEC)


def _landing(
    name: str, stream: Stream, paths: list[Path], config: SourceConfig, raw: Path, base: Path, tell: Landed
) -> Landing:
    columns = expected_columns(stream, config)
    return Landing(stream, _shown(paths, base), columns=columns, folder=raw / name, tell=partial(tell, name))


def _shown(paths: list[Path], base: Path) -> dict[str, Path]:
    """Return files by their names as results may show them: relative to the job, never where a machine keeps them.

    A file outside the folder of the job is named by as much of the end of its path as no other one has.
    """
    found: dict[str, Path] = {}
    for path in paths:
        try:
            name = path.relative_to(base).as_posix()
        except ValueError:
            ends = ("/".join(path.parts[place:]) for place in range(len(path.parts) - 1, -1, -1))
            name = next(
                end for end in ends if sum(f"/{other.as_posix()}".endswith(f"/{end}") for other in set(paths)) == 1
            )
        found[name] = path
    return found


def ingest_sources(
    sources: Mapping[str, SourceConfig],
    *,
    timezone: str | None,
    region: str | None,
    key: bytes | None,
    out: str | Path,
    base: str | Path = ".",
    document: Document | None = None,
    progress: Callable[[str], None] | None = None,
    landed: Callable[[str, str, int], None] | None = None,
    memory: str = MEMORY,
    threads: int | None = None,
    pull: bool = True,
    full_refresh: bool = False,
) -> dict[str, Any]:
    """Read all sources of a job into a folder of its events.

    Writes ``raw/``, ``source_events.parquet``, ``identifiers.parquet``, ``surveys.parquet``, ``rejected/`` and
    ``quality.json`` into ``out``; each is written under a temporary name and moved, so it is whole or as it was.

    Parameters
    ----------
    sources : mapping of str to SourceConfig
        The ``sources:`` of the job, in its order.
    timezone, region, key, base, document, memory, threads, pull, full_refresh
        As of `ingest_source`.
    out : path
        The folder, mostly ``event_logs/<job>``.
    progress : function, optional
        Told the name of each source before it is read.
    landed : function, optional
        Told source, stream and how many of its records have come so far.

    Returns
    -------
    dict
        What ``quality.json`` says: per source and in all how many records, events, rejected and left-out candidates.
    """
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    work = place / ".work"
    shutil.rmtree(work, ignore_errors=True)
    results = []
    try:
        for name, config in sources.items():
            if progress:
                progress(name)
            results.append(
                ingest_source(
                    name,
                    config,
                    timezone=timezone,
                    region=region,
                    key=key,
                    raw_dir=place / "raw",
                    work_dir=work,
                    base=base,
                    document=document,
                    memory=memory,
                    threads=threads,
                    pull=pull,
                    full_refresh=full_refresh,
                    landed=partial(landed, name) if landed else landing_nothing,
                )
            )
        return write_results(results, place, pseudonymised=key is not None)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_results(results: list[IngestResult], out: Path, *, pseudonymised: bool) -> dict[str, Any]:
    """Write what all sources of a job gave into its folder, and return what ``quality.json`` says.

    Each table is written under a temporary name and moved, ``quality.json`` last. It says of the fields how they are
    compared with those of the one that was there.
    """
    quality = _quality(results, pseudonymised=pseudonymised)
    path = out / QUALITY
    before = json.loads(path.read_text(encoding="utf-8"))["sources"] if path.is_file() else {}
    compare_fields(quality["sources"], before)
    _write_tables(results, out)
    with whole_file(path, force=True) as file:
        file.write_text(json.dumps(quality, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return quality


def _quality(results: list[IngestResult], *, pseudonymised: bool) -> dict[str, Any]:
    totals = ("records", "candidates", "events", "surveys", "linking_records", "identifiers", "rejected", "left_out")
    return {
        "pseudonymised": pseudonymised,
        **{total: sum(result.quality[total] for result in results) for total in totals},
        "sources": {result.source: result.quality for result in results},
    }


def _write_tables(results: list[IngestResult], out: Path) -> None:
    for table in ("source_events", "identifiers", "surveys"):
        files = [file for result in results for file in result.files[table]]
        with whole_file(out / f"{table}.parquet", force=True) as target:
            _concatenate(files, TABLES[table], target)
    with whole_folder(out / "rejected", force=True) as folder:
        for result in results:
            _concatenate(result.files["rejected"], REJECTED_COLUMNS, folder / f"{result.source}.parquet")


def _concatenate(files: list[Path], columns: Mapping[str, str], target: Path) -> None:
    """Make one Parquet file of several, in their order; no files give an empty table, a single one is moved."""
    import pyarrow.parquet as pq

    if len(files) == 1:
        files[0].replace(target)
        return
    schema = schema_of(columns)
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for file in files:
            opened = pq.ParquetFile(file)
            for group in range(opened.num_row_groups):
                writer.write_table(opened.read_row_group(group).cast(schema))
