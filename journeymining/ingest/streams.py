"""One source, stream by stream: from raw Parquet to tables of events, identifiers, answers and rejected records."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from journeymining.ingest.agents import add_functions
from journeymining.ingest.batches import batches
from journeymining.ingest.chunks import portions, raw_files, raw_sql, stored_fields
from journeymining.ingest.clocks import MACROS
from journeymining.ingest.coded import Coded, made, one_chunk
from journeymining.ingest.distinct import Converted, agent_hash, bot_mark, identifier_hash
from journeymining.ingest.hashes import ids as row_ids
from journeymining.ingest.mapping import (
    EVENT_COLUMNS,
    IDENTIFIER_COLUMNS,
    REJECTED_COLUMNS,
    SILENT_EFFORT,
    SURVEY_COLUMNS,
    can_filter,
    rules_of,
)
from journeymining.ingest.parts import PartWriter, schema_of
from journeymining.ingest.readers import FILE, LINE, TEXT
from journeymining.ingest.records import is_plain, value_sql
from journeymining.ingest.seen import Seen
from journeymining.ingest.specs import kind_of
from journeymining.ingest.values import identifier, literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.ingest.chunks import Portion
    from journeymining.ingest.mapping import Candidates
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
    add_functions(connection)
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
        self.rules = rules_of(source, name, stream)
        self.counts: dict[str, Any] = dict.fromkeys(("candidates", "events", "surveys", "linking_records"), 0)
        self.rejected, self.left_out, self.lost, self.undeclared = (Counter[str]() for _ in range(4))
        self.effort, self.unanswered = 0, 0
        self.time_rules: Counter[str] = Counter()
        self.without: Counter[str] = Counter()
        self.seen = {kind: Seen() for kind in self.rules if kind != "records" and self._may_repeat(kind)}
        self.parts: dict[str, PartWriter] = {}
        self.kinds = {one: str(kind_of(one, rules)) for one, rules in stream.identifiers.items()}
        self.bots = Converted(bot_mark)
        self.agents = Converted(agent_hash(source.key)) if source.key else None
        self.pseudonyms = {
            one: Converted(identifier_hash(kind, source.region, source.key)) for one, kind in self.kinds.items()
        }

    def _may_repeat(self, kind: str) -> bool:
        """Whether two candidates may have one id. Records of one file that are numbered cannot, by one rule."""
        numbered = self.stream.key == "content" and (kind == "surveys" or len(self.stream.events) == 1)
        return not (numbered and len(raw_files(self.source.files(self.name))) == 1)

    def run(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Map the stream, and return the counts."""
        source, stream = self.source, self.stream
        for portion in portions(source, self.name, fields):
            self._take(portion)
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
            **({"unanswered": self.unanswered} if "surveys" in self.rules else {}),
            **({"records_without_question": self.without["surveys"]} if "surveys" in self.rules else {}),
            **({"records_without_event": self.without["events"]} if "events" in self.rules else {}),
            **({"time_rules": dict(sorted(self.time_rules.items()))} if "events" in self.rules else {}),
            "rejected": dict(sorted(self.rejected.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "values_left_empty": dict(sorted(self.lost.items())),
            "identifier_values": {
                one: {"distinct": converted.distinct, "unusable": converted.unusable}
                for one, converted in self.pseudonyms.items()
            },
            "absent_fields": _absent_fields(source, self.name, stream),
            "not_filtered_by": _not_filtered_by(source, stream),
        }

    def _take(self, portion: Portion) -> None:
        """Map one portion."""
        bots = None
        if self.stream.bots and self.source.config.bots == "drop":
            bots = self.bots(portion.fields[f"f:{self.stream.bots}"])
        pseudonyms = self._pseudonyms(portion)
        for kind, candidates_of in self.rules.items():
            candidates = candidates_of(portion, bots)
            self._judge(kind, portion, candidates, pseudonyms)
            self.without[kind] += _without(portion, candidates, unfolded=bool(self.stream.unfold))
        self._unreadable(portion)

    def _pseudonyms(self, portion: Portion) -> dict[str, Coded]:
        """Return the pseudonyms of all records that can be read."""
        found = {}
        for one, rules in self.stream.identifiers.items():
            texts = made(self.source.db, {"text": value_sql(rules)}, portion.fields, portion.rows)["text"]
            readable = texts.at(portion.readable)
            converted = self.pseudonyms[one](readable)
            codes = np.zeros(portion.rows, np.int32)
            codes[portion.readable] = converted.codes
            found[one] = Coded(codes, converted.values)
        return found

    def _judge(self, kind: str, portion: Portion, found: Candidates, pseudonyms: Mapping[str, Coded]) -> None:
        """Say of every candidate what becomes of it, count it and write it."""
        again = self._repeated(kind, found)
        left = found.out.there | again
        rejected = found.reason.there & ~left
        self.counts["candidates"] += len(found)
        self.left_out.update(found.out.told())
        self.left_out.update({"duplicate": int(again.sum())} if again.any() else {})
        self.undeclared[kind] += int(found.flags["_undeclared"].sum())
        if kind == "surveys":
            self.effort += found.reason.told().get(SILENT_EFFORT, 0)
        if rejected.any():
            reasons = found.reason.at(rejected)
            self.rejected.update(reasons.told())
            self._reject(portion, found.record[rejected], reasons)
        good = found.at(~(left | rejected)) if left.any() or rejected.any() else found
        self.counts["linking_records" if kind == "records" else kind] += len(good)
        for name, flags in good.flags.items():
            if name.startswith("_lost:") and flags.any():
                self.lost[name.removeprefix("_lost:")] += int(flags.sum())
        if not len(good):
            return
        ids = row_ids(self.source.db, good.hash)
        if kind == "events":
            self._write_events(portion, good, ids)
        elif kind == "surveys":
            self._write_surveys(good, ids)
        self._write_identifiers(good, ids, pseudonyms)

    def _repeated(self, kind: str, found: Candidates) -> NDArray[np.bool_]:
        """Say which good candidates have the id of an earlier one: a file copied, an export repeated."""
        repeated = np.zeros(len(found), bool)
        if kind in self.seen:
            good = ~(found.out.there | found.reason.there)
            repeated[good] = self.seen[kind].add(found.hash[good]) > 0
        return repeated

    def _write_events(self, portion: Portion, events: Candidates, ids: pa.Array) -> None:
        columns = events.columns
        self.time_rules.update(columns["time_rule"].told())
        if self.agents and self.source.config.agents == "pseudonym":
            columns = {**columns, "resource": self.agents(columns["resource"])}
        ordered = {name: one.array() for name, one in columns.items() if name.startswith("o:")}
        lines = portion.line[events.record]
        number = lines * len(self.stream.events) + events.rule
        given = {
            **self._constants(len(events)),
            **{name: columns[name].array() for name in EVENT_COLUMNS if name in columns},
            "event_id": ids,
            # By the fields of the stream, where it has such: see `_number_events`.
            "source_order": pa.nulls(len(events), pa.int64()) if ordered else pa.array(number),
        }
        extra = dict.fromkeys(ordered, "VARCHAR")
        if ordered:
            ours = {FILE: portion.file.at(events.record).array(), LINE: pa.array(lines), "_rule": pa.array(events.rule)}
            given |= {**ordered, **ours}
            extra |= {FILE: "VARCHAR", LINE: "BIGINT", "_rule": "BIGINT"}
        self._part("source_events", {**EVENT_COLUMNS, **extra}).write(given)

    def _write_surveys(self, answers: Candidates, ids: pa.Array) -> None:
        # Whom nobody heard of was asked all the same: without them there is no response rate.
        self.unanswered += int((~answers.columns["value"].there).sum())
        columns = {name: answers.columns[name].array() for name in SURVEY_COLUMNS if name in answers.columns}
        given = {**columns, **self._constants(len(answers)), "survey_id": ids, "event_id": ids}
        self._part("surveys", SURVEY_COLUMNS).write(given)

    def _constants(self, rows: int) -> dict[str, pa.Array]:
        texts = {"source": self.source.name, "stream": self.name}
        return {name: Coded.same(text, rows).array() for name, text in texts.items()}

    def _number_events(self) -> None:
        """Say in which order events of one time came, where records have an order of their own."""
        fields = ", ".join(f"{number_sql(identifier(f'o:{field}'))} NULLS FIRST" for field in self.stream.order)
        number = f"row_number() OVER (PARTITION BY timestamp ORDER BY {fields}, {FILE}, {LINE}, _rule, event_id)"
        items = ", ".join(f"{number} AS {one}" if one == "source_order" else one for one in EVENT_COLUMNS)
        path = self.parts["source_events"].path
        query = f"SELECT {items} FROM read_parquet({literal(str(path))})"
        self._replace(path, f"{query} ORDER BY {FILE}, {LINE}, _rule, timestamp, event_id")

    def _replace(self, path: Path, query: str) -> int:
        """Write a part again, as a query of itself says; return its rows."""
        work = path.with_suffix(".again")
        copied = self.source.rows(f"COPY ({query}) TO {literal(str(work))} (FORMAT parquet, COMPRESSION zstd)")
        work.replace(path)
        return int(copied[0][0])

    def _write_identifiers(self, good: Candidates, ids: pa.Array, pseudonyms: Mapping[str, Coded]) -> None:
        tables = []
        for one, kind in self.kinds.items():
            values = pseudonyms[one].at(good.record)
            there = np.flatnonzero(values.there)
            all_there = len(there) == len(good)
            columns = {
                "source": Coded.same(self.source.name, len(there)),
                "kind": Coded.same(kind, len(there)),
                "value_hash": values.at(there),
                "timestamp": good.columns["timestamp"].at(there),
            }
            arrays = {name: column.array() for name, column in columns.items()}
            tables.append({**arrays, "event_id": ids if all_there else ids.take(pa.array(there))})
        # A record may say one thing twice, in two fields of one kind.
        if len(set(self.kinds.values())) < len(self.kinds):
            tables = [_once(tables)]
        for table in tables:
            if len(table["event_id"]):
                self._part("identifiers", IDENTIFIER_COLUMNS).write(table)

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

    def _unreadable(self, portion: Portion) -> None:
        records = np.flatnonzero(portion.problem.there)
        if not len(records):
            return
        problems = portion.problem.at(records)
        texts = [text and f"record: {text.removeprefix('record: ')}" for text in problems.values.to_pylist()]
        reasons = Coded(problems.codes, pa.array(texts, pa.string()))
        self.counts["candidates"] += len(records)
        self.rejected.update(reasons.told())
        self._reject(portion, records, reasons)

    def _reject(self, portion: Portion, records: NDArray[np.int64], reasons: Coded) -> None:
        rows = {
            "file": portion.file.at(records).array(),
            "line": pa.array(portion.line[records]),
            "reason": reasons.array(),
        }
        order = [(name, "ascending") for name in rows]
        table = pa.table(
            {name: array.cast(schema_of(REJECTED_COLUMNS).field(name).type) for name, array in rows.items()}
        )
        table = table.sort_by(order)
        given = {name: one_chunk(table.column(name)) for name in rows}
        nothing = pa.nulls(len(records), pa.string())
        self._part("rejected", REJECTED_COLUMNS).write({**self._constants(len(records)), **given, "record": nothing})

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

    def _part(self, table: str, columns: Mapping[str, str]) -> PartWriter:
        """Return the writer of a part of a result table."""
        if table not in self.parts:
            folder = self.source.work / table
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{len(list(folder.iterdir())):03d}-{self.name}.parquet"
            self.parts[table] = PartWriter(path, columns, self.source.writers)
        return self.parts[table]


def _without(portion: Portion, candidates: Candidates, *, unfolded: bool) -> int:
    """Count records of which nothing came, not even something to reject; members of one list are one record."""
    if not unfolded:
        used = np.zeros(portion.rows, bool)
        used[candidates.record] = True
        return len(portion.readable) - int(used.sum())
    # The members of a list are told apart by their line.
    files = int(portion.file_rank.max(initial=0)) + 1
    record = portion.line * files + portion.file_rank
    return len(np.unique(record[portion.readable])) - len(np.unique(record[candidates.record]))


def _once(tables: list[dict[str, pa.Array]]) -> dict[str, pa.Array]:
    """Return the rows of some tables, equal ones once."""
    schema = schema_of(IDENTIFIER_COLUMNS)
    whole = pa.concat_tables(
        pa.table([table[one.name].cast(one.type) for one in schema], schema=schema) for table in tables
    )
    once = whole.group_by(schema.names, use_threads=False).aggregate([])
    return {name: one_chunk(once.column(name)) for name in schema.names}


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
