"""One source, stream by stream: from raw Parquet to tables of events, identifiers, answers and rejected records."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.ingest.batches import batches
from journeymining.ingest.chunks import portions, raw_files, raw_sql, stored_fields
from journeymining.ingest.clocks import MACROS
from journeymining.ingest.distinct import agent_hash, bot_mark, convert_distinct, identifier_hash
from journeymining.ingest.mapping import (
    BOTS,
    EVENT_COLUMNS,
    IDENTIFIER_COLUMNS,
    RECORDS,
    REJECTED_COLUMNS,
    SURVEY_COLUMNS,
    can_filter,
    events_sql,
    record_rows_sql,
    surveys_sql,
)
from journeymining.ingest.parts import PartWriter
from journeymining.ingest.readers import FILE, LINE, PROBLEM, TEXT
from journeymining.ingest.records import is_plain, value_sql
from journeymining.ingest.seen import Seen
from journeymining.ingest.specs import kind_of
from journeymining.ingest.values import identifier, literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from journeymining.ingest.pull import Place
    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream


@dataclass
class Source:
    """What all streams of a source share while it is mapped."""

    name: str
    connector: Connector
    config: SourceConfig
    raw: Path
    work: Path
    zone: str | None
    region: str | None
    key: bytes | None
    place: Place
    db: duckdb.DuckDBPyConnection
    writers: ThreadPoolExecutor

    def files(self, stream: str) -> list[Path]:
        """Return the files of a stream's raw records: of what was pulled, only the batches that count."""
        if self.config.pulled:
            return batches(self.raw, stream)
        return sorted((self.raw / stream).glob("*.parquet"))

    def parquet(self, name: str) -> Path:
        """Return the file of an intermediate table."""
        return self.work / "steps" / f"{name}.parquet"

    def store(self, name: str, query: str) -> str:
        """Write a query to an intermediate file and return SQL that reads it."""
        path = self.parquet(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Read again within seconds: packing them well would take longer than writing more of them.
        self.db.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)")
        return f"read_parquet({literal(str(path))})"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a small query."""
        return self.db.execute(query).fetchall()


def connect(work: Path, memory: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that spills into a folder, works in UTC and knows the clocks."""
    settings: dict[str, Any] = {"memory_limit": memory, "temp_directory": str(work / "spill")}
    if threads:
        settings["threads"] = threads
    connection = duckdb.connect(config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    # It would be drawn on stdout, among the results.
    connection.execute("SET enable_progress_bar = false")
    for macro in MACROS.split(";\n"):
        if macro.strip():
            connection.execute(macro)
    return connection


def map_streams(
    name: str,
    connector: Connector,
    config: SourceConfig,
    *,
    raw: Path,
    landed: Mapping[str, Mapping[str, int]],
    work: Path,
    zone: str | None,
    region: str | None,
    key: bytes | None,
    place: Place,
    memory: str,
    threads: int | None,
) -> dict[str, Any]:
    """Map the landed records of a source, and return the counts; see `journeymining.ingest.pull.ingest_source`."""
    import shutil

    # Packing what is done and mapping what comes next go on at the same time.
    with connect(work, memory, threads) as db, ThreadPoolExecutor(max_workers=1) as writers:
        source = Source(name, connector, config, raw, work, zone, region, key, place, db, writers)
        fields = {stream: stored_fields(source, stream) for stream in _stored(source)}
        streams = {}
        for stream, spec in connector.streams.items():
            if landed[stream]["records"]:
                counts = dict(landed[stream])
                if not config.from_files:
                    once = int(source.rows(f"SELECT count(*) FROM {fields[stream]}")[0][0])
                    # Seen by several pulls: the overlap, and records that changed meanwhile.
                    counts |= {"records": once, "read_again": counts["records"] - once}
                streams[stream] = {**counts, **_Mapping(source, stream, spec).run(fields)}
    shutil.rmtree(work / "steps", ignore_errors=True)
    shutil.rmtree(work / "spill", ignore_errors=True)
    return {**_totals(streams), "streams": streams}


def _totals(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    plain = ("records", "candidates", "events", "surveys", "linking_records", "identifiers")
    totals = {name: sum(counts[name] for counts in streams.values()) for name in plain}
    for name in ("rejected", "left_out"):
        totals[name] = sum(sum(counts[name].values()) for counts in streams.values())
    return totals


def _stored(source: Source) -> list[str]:
    """Return the streams whose fields are made for the whole stream: for themselves or for others."""
    streams = source.connector.streams
    wanted = {lookup.stream for stream in streams.values() for lookup in stream.lookups.values()}
    return [name for name, stream in streams.items() if source.config.pulled or name in wanted or not is_plain(stream)]


class _Mapping:
    """What becomes of the records of one stream: the tables they are written to, and what is counted on the way."""

    def __init__(self, source: Source, name: str, stream: Stream) -> None:
        self.source, self.name, self.stream = source, name, stream
        self.kinds = self._kinds()
        self.counts: dict[str, Any] = dict.fromkeys(("candidates", "events", "surveys", "linking_records"), 0)
        self.rejected, self.left_out, self.lost, self.undeclared = (Counter[str]() for _ in range(4))
        self.effort, self.unanswered = 0, 0
        self.time_rules: Counter[str] = Counter()
        self.without: Counter[str] = Counter()
        self.seen = {kind: Seen() for kind in self.kinds if kind != "records" and self._may_repeat(kind)}
        self.parts: dict[str, PartWriter] = {}

    def _kinds(self) -> dict[str, str]:
        """Return the queries of candidates: of events, of answers, of records that only link identifiers."""
        source, stream, kinds = self.source, self.stream, {}
        given = (source.name, self.name, stream)
        if stream.events:
            kinds["events"] = events_sql(*given, source.config, source.zone)
        if stream.survey:
            kinds["surveys"] = surveys_sql(*given, stream.survey, source.config, source.zone)
        if stream.identifiers and not kinds:
            kinds["records"] = record_rows_sql(*given, source.config, source.zone)
        return kinds

    def _may_repeat(self, kind: str) -> bool:
        """Whether two candidates may have one id. Records of one file that are numbered cannot, by one rule."""
        numbered = self.stream.key == "content" and (kind == "surveys" or len(self.stream.events) == 1)
        return not (numbered and len(raw_files(self.source.files(self.name))) == 1)

    def run(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Map the stream, and return the counts."""
        source, stream = self.source, self.stream
        if stream.bots and source.config.bots == "drop":
            source.db.execute(f"CREATE OR REPLACE TABLE {BOTS} (text VARCHAR, converted VARCHAR)")
        for name in stream.identifiers:
            source.db.execute(f"CREATE TABLE {self._hashes(name)} (text VARCHAR, converted VARCHAR)")
        for _ in portions(source, self.name, fields):
            self._take()
        self._refuse_undeclared()
        for part in self.parts.values():
            part.close()
        identifiers = self._finish_identifiers()
        if stream.order and "source_events" in self.parts:
            self._number_events()
        if source.config.rejected_text and "rejected" in self.parts:
            self._add_text()
        return {
            **self.counts,
            "identifiers": identifiers,
            **({"unanswered": self.unanswered} if "surveys" in self.kinds else {}),
            **({"records_without_question": self.without["surveys"]} if "surveys" in self.kinds else {}),
            **({"records_without_event": self.without["events"]} if "events" in self.kinds else {}),
            **({"time_rules": dict(sorted(self.time_rules.items()))} if "events" in self.kinds else {}),
            "rejected": dict(sorted(self.rejected.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "values_left_empty": dict(sorted(self.lost.items())),
            "identifier_values": self._identifier_values(),
            "absent_fields": _absent_fields(source, self.name, stream),
            "not_filtered_by": _not_filtered_by(source, stream),
        }

    def _take(self) -> None:
        """Map one portion."""
        source = self.source
        if self.stream.bots and source.config.bots == "drop":
            convert_distinct(source.db, f"SELECT _agent AS text FROM {RECORDS}", bot_mark, BOTS)
        for name, rules in self.stream.identifiers.items():
            convert = identifier_hash(str(kind_of(name, rules)), source.region, source.key)
            query = f"SELECT {value_sql(rules)} AS text FROM {RECORDS} WHERE {PROBLEM} IS NULL"
            convert_distinct(source.db, query, convert, self._hashes(name, quoted=False))
        for kind, query in self.kinds.items():
            candidates = source.db.sql(query).to_arrow_table()
            if not _in_order(candidates):
                candidates = candidates.sort_by([(FILE, "ascending"), (LINE, "ascending")])
            self._judge(kind, candidates)
            self.without[kind] += self._without(candidates)
        self._unreadable()

    def _judge(self, kind: str, candidates: pa.Table) -> None:
        """Say of every candidate what becomes of it, count it and write it."""
        out, reason = candidates.column("_out"), candidates.column("_reason")
        again = self._repeated(kind, candidates)
        left = pc.or_(pc.is_valid(out), again)
        rejected = pc.and_(pc.is_valid(reason), pc.invert(left))
        kept = pc.invert(pc.or_(left, rejected))
        self.counts["candidates"] += candidates.num_rows
        self.left_out.update(_told(out))
        self.left_out.update({"duplicate": pc.sum(again).as_py()} if pc.any(again).as_py() else {})
        refused = candidates.filter(rejected)
        self.rejected.update(_told(refused.column("_reason")))
        if refused.num_rows:
            self._reject(refused.select([FILE, LINE, "_reason"]))
        self.undeclared[kind] += pc.sum(candidates.column("_undeclared")).as_py() or 0
        good = candidates if pc.all(kept).as_py() else candidates.filter(kept)
        self.counts["linking_records" if kind == "records" else kind] += good.num_rows
        for name in good.column_names:
            if name.startswith("_lost:") and (rows := pc.sum(good.column(name)).as_py()):
                self.lost[name.removeprefix("_lost:")] += rows
        if kind == "events":
            self.time_rules.update(_told(good.column("time_rule")))
            self._write_events(good)
        elif kind == "surveys":
            silent = "direction: missing, and effort is asked both ways"
            self.effort += pc.sum(pc.equal(reason, silent)).as_py() or 0
            # Whom nobody heard of was asked all the same: without them there is no response rate.
            self.unanswered += good.column("value").null_count
            self._part("surveys", SURVEY_COLUMNS).write(good)
        self._write_identifiers(kind, good)

    def _repeated(self, kind: str, candidates: pa.Table) -> pa.ChunkedArray:
        """Say which good candidates have the id of an earlier one: a file copied, an export repeated."""
        if kind not in self.seen:
            return pa.chunked_array([pa.repeat(pa.scalar(False), candidates.num_rows)])
        good = pc.and_(pc.is_null(candidates.column("_out")), pc.is_null(candidates.column("_reason"))).to_numpy()
        repeated = np.zeros(candidates.num_rows, bool)
        ids = candidates.column("event_id").combine_chunks()
        repeated[good] = self.seen[kind].add(_one_chunk(ids.filter(pa.array(good)))) > 0
        return pa.chunked_array([pa.array(repeated)])

    def _write_events(self, events: pa.Table) -> None:
        source = self.source
        rules = [event.resource or self.stream.resource for event in self.stream.events]
        if source.key and source.config.agents == "pseudonym" and any(rules):
            source.db.register("agents_named", events.select(["resource"]))
            convert_distinct(
                source.db, "SELECT resource AS text FROM agents_named", agent_hash(source.key), f"agents:{self.name}"
            )
            known = source.db.sql(f"FROM {identifier(f'agents:{self.name}')}").to_arrow_table()
            place = pc.index_in(events.column("resource"), value_set=known.column("text"))
            position = events.column_names.index("resource")
            events = events.set_column(position, "resource", known.column("converted").take(place))
        extra = {name: "VARCHAR" for name in events.column_names if name.startswith("o:")}
        ours = {FILE: "VARCHAR", LINE: "BIGINT", "_rule": "INTEGER"} if extra else {}
        self._part("source_events", {**EVENT_COLUMNS, **extra, **ours}).write(events)

    def _number_events(self) -> None:
        """Say in which order events of one time came, where records have an order of their own."""
        fields = ", ".join(f"{number_sql(identifier(f'o:{field}'))} NULLS FIRST" for field in self.stream.order)
        number = f"row_number() OVER (PARTITION BY timestamp ORDER BY {fields}, {FILE}, {LINE}, _rule)"
        items = ", ".join(f"{number} AS {one}" if one == "source_order" else one for one in EVENT_COLUMNS)
        path = self.parts["source_events"].path
        self._replace(path, f"SELECT {items} FROM read_parquet({literal(str(path))}) ORDER BY {FILE}, {LINE}, _rule")

    def _replace(self, path: Path, query: str) -> int:
        """Write a part again, as a query of itself says; return its rows."""
        work = path.with_suffix(".again")
        copied = self.source.rows(f"COPY ({query}) TO {literal(str(work))} (FORMAT parquet, COMPRESSION zstd)")
        work.replace(path)
        return int(copied[0][0])

    def _write_identifiers(self, kind: str, good: pa.Table) -> None:
        kinds = {one: str(kind_of(one, rules)) for one, rules in self.stream.identifiers.items()}
        if not kinds:
            return
        names = [identifier(f"id:{one}") for one in kinds]
        self.source.db.register(
            "kept", good.select(["event_id", "source", "timestamp", *(f"id:{one}" for one in kinds)])
        )
        parts = [
            f"SELECT source, event_id, {literal(kind_)} AS kind, converted AS value_hash, timestamp FROM kept "
            f"JOIN {self._hashes(one)} AS h ON h.text = {name} WHERE converted IS NOT NULL"
            for (one, kind_), name in zip(kinds.items(), names, strict=True)
        ]
        query = " UNION ALL ".join(parts)
        # A record may say one thing twice, in two fields of one kind.
        if len(set(kinds.values())) < len(kinds):
            query = f"SELECT DISTINCT * FROM ({query})"
        self._part("identifiers", IDENTIFIER_COLUMNS).write(self.source.db.sql(query).to_arrow_table())
        self.source.db.unregister("kept")

    def _finish_identifiers(self) -> int:
        """Return the number of identifiers; of records that only link them, those that are there twice count once."""
        part = self.parts.get("identifiers")
        if part is None:
            return 0
        if "records" not in self.kinds:
            return part.rows
        once = f"""
            SELECT source, event_id, kind, value_hash, min(timestamp) AS timestamp
            FROM read_parquet({literal(str(part.path))}) GROUP BY ALL ORDER BY event_id, kind, value_hash"""
        return self._replace(part.path, once)

    def _unreadable(self) -> None:
        reason = f"'record: ' || regexp_replace({PROBLEM}, '^record: ', '') AS _reason"
        query = f"SELECT {FILE}, {LINE}, {reason} FROM {RECORDS} WHERE {PROBLEM} IS NOT NULL"
        found = self.source.db.sql(query).to_arrow_table()
        self.counts["candidates"] += found.num_rows
        self.rejected.update(_told(found.column("_reason")))
        if found.num_rows:
            self._reject(found)

    def _reject(self, rows: pa.Table) -> None:
        constants = {"source": self.source.name, "stream": self.name}
        rows = rows.rename_columns(["file", "line", "reason"])
        for name, text in constants.items():
            rows = rows.append_column(name, pa.repeat(pa.scalar(text), rows.num_rows))
        rows = rows.append_column("record", pa.nulls(rows.num_rows, pa.string()))
        order = [(name, "ascending") for name in ("file", "line", "reason")]
        self._part("rejected", REJECTED_COLUMNS).write(rows.sort_by(order))

    def _add_text(self) -> None:
        """Give the rejected rows the text of their records."""
        source, path = self.source, self.parts["rejected"].path
        kept = raw_sql(source.files(self.name))
        if not source.config.from_files:
            kept = f"read_parquet({literal(str(source.parquet(f'fields-{self.name}')))})"
        raw = f"SELECT {FILE} AS file, {LINE} AS line, any_value(to_json(raw)) AS text FROM {kept} AS raw GROUP BY ALL"
        self._replace(
            path,
            f"SELECT r.* REPLACE (CAST(t.text AS VARCHAR) AS record) FROM read_parquet({literal(str(path))}) AS r "
            f"LEFT JOIN ({raw}) AS t USING (file, line) ORDER BY file, line, reason",
        )

    def _without(self, candidates: pa.Table) -> int:
        """Count records of which nothing came, not even something to reject."""
        query = f"SELECT count(DISTINCT ({FILE}, {LINE})) FROM {RECORDS} WHERE {PROBLEM} IS NULL"
        if not self.stream.unfold:
            query = f"SELECT count(*) FROM {RECORDS} WHERE {PROBLEM} IS NULL"
        records = int(self.source.rows(query)[0][0])
        if records == candidates.num_rows and len(self.stream.events) <= 1 and not self.stream.unfold:
            return 0
        self.source.db.register("made", candidates.select([FILE, LINE]))
        made = int(self.source.rows(f"SELECT count(DISTINCT ({FILE}, {LINE})) FROM made")[0][0])
        self.source.db.unregister("made")
        return records - made

    def _refuse_undeclared(self) -> None:
        """Stop where times need a zone that nobody declared, or effort scores a direction."""
        if undeclared := max(self.undeclared.values(), default=0):
            raise self.source.place.spec_error(
                "timezone",
                f"times of '{self.name}' carry no zone ({undeclared} records), and neither the source nor the job "
                f"declares one. Add `timezone: Europe/Amsterdam` (the zone of the system's clock).",
            )
        if self.effort:
            raise self.source.place.spec_error(
                "set",
                f"customer effort (ces) is asked both ways, and {self.effort} answers do not say which. "
                "Add `set: {direction: lower_is_better}` or `set: {direction: higher_is_better}`.",
            )

    def _hashes(self, name: str, *, quoted: bool = True) -> str:
        table = f"hash:{self.name}:{name}"
        return identifier(table) if quoted else table

    def _identifier_values(self) -> dict[str, dict[str, int]]:
        """Count distinct identifiers as written, and those that stand for nobody."""
        values = {}
        for one in self.stream.identifiers:
            query = f"SELECT count(*), count(*) FILTER (WHERE converted IS NULL) FROM {self._hashes(one)}"
            total, unusable = self.source.rows(query)[0]
            values[one] = {"distinct": total, "unusable": unusable}
        return values

    def _part(self, table: str, columns: Mapping[str, str]) -> PartWriter:
        """Return the writer of a part of a result table."""
        if table not in self.parts:
            folder = self.source.work / table
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{len(list(folder.iterdir())):03d}-{self.name}.parquet"
            self.parts[table] = PartWriter(path, columns, self.source.writers)
        return self.parts[table]


def _in_order(candidates: pa.Table) -> bool:
    """Whether the lines of a file come one after the other, and one file after the other."""
    lines = candidates.column(LINE).to_numpy()
    files = candidates.column(FILE).combine_chunks().dictionary_encode().indices.to_numpy()
    same = files[1:] == files[:-1]
    return bool((np.where(same, lines[1:] >= lines[:-1], files[1:] > files[:-1])).all())


def _told(texts: pa.ChunkedArray) -> dict[str, int]:
    """Count texts, without those that are null."""
    counted = texts.drop_null().value_counts()
    return {one["values"]: one["counts"] for one in counted.to_pylist()}


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _absent_fields(source: Source, name: str, stream: Stream) -> list[str]:
    """Return fields that the files of a stream do not have."""
    if stream.format.type not in {"csv", "parquet"}:
        return []
    raw = raw_sql(source.files(name))
    available = {row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {raw}")} - {TEXT}
    columns, constants = source.config.columns, source.config.set
    return [field for field in stream.names if columns.get(field, field) not in available and field not in constants]


def _not_filtered_by(source: Source, stream: Stream) -> dict[str, list[str]]:
    """Return, per kind of candidate, the filters of the job for which a stream has neither column nor field."""
    given = [("keep", name) for name in source.config.keep] + [("drop", name) for name in source.config.drop]
    unfit = {
        kind: [f"{key}: {one}" for key, one in given if not can_filter(one, kind, stream)] for kind in stream.kinds
    }
    return {kind: filters for kind, filters in unfit.items() if filters}
