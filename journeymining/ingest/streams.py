"""One source, stream by stream: from raw Parquet to tables of events, identifiers, answers and rejected records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from journeymining.ingest.batches import batches, newest_sql, ranked_sql
from journeymining.ingest.clocks import MACROS
from journeymining.ingest.distinct import agent_hash, bot_mark, convert_distinct, identifier_hash
from journeymining.ingest.mapping import (
    EVENT_COLUMNS,
    SURVEY_COLUMNS,
    can_filter,
    events_sql,
    identifiers_sql,
    record_rows_sql,
    surveys_sql,
)
from journeymining.ingest.readers import FILE, LINE, PROBLEM, TEXT
from journeymining.ingest.records import column, fields_sql, records_sql
from journeymining.ingest.remote import CURSOR
from journeymining.ingest.specs import kind_of
from journeymining.ingest.values import identifier, literal

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

    def view(self, name: str, query: str) -> str:
        """Name a query, so that others can read from it."""
        self.db.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {query}")
        return identifier(name)

    def write(self, table: str, stream: str, query: str) -> int:
        """Write a part of a result table, and return its number of rows."""
        path = self.work / table / f"{len(list((self.work / table).glob('*'))):03d}-{stream}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        copied = self.rows(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)")
        return int(copied[0][0])

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

    with connect(work, memory, threads) as db:
        source = Source(name, connector, config, raw, work, zone, region, key, place, db)
        fields = {stream: _store_fields(source, stream) for stream in connector.streams}
        streams = {}
        for stream, spec in connector.streams.items():
            if landed[stream]["records"]:
                counts = dict(landed[stream])
                if not config.from_files:
                    once = int(source.rows(f"SELECT count(*) FROM {fields[stream]}")[0][0])
                    # Seen by several pulls: the overlap, and records that changed meanwhile.
                    counts |= {"records": once, "read_again": counts["records"] - once}
                streams[stream] = {**counts, **_map_stream(source, stream, spec, fields)}
    shutil.rmtree(work / "steps", ignore_errors=True)
    shutil.rmtree(work / "spill", ignore_errors=True)
    return {**_totals(streams), "streams": streams}


def _totals(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    plain = ("records", "candidates", "events", "surveys", "linking_records", "identifiers")
    totals = {name: sum(counts[name] for counts in streams.values()) for name in plain}
    for name in ("rejected", "left_out"):
        totals[name] = sum(sum(counts[name].values()) for counts in streams.values())
    return totals


def _store_fields(source: Source, name: str) -> str:
    """Write the fields of a stream's raw records; a stream without files has none."""
    stream = source.connector.streams[name]
    files = source.files(name)
    if not files:
        items = ", ".join(f"CAST(NULL AS VARCHAR) AS {column(field)}" for field in stream.names)
        ours = f"CAST(NULL AS VARCHAR) AS {FILE}, CAST(NULL AS BIGINT) AS {LINE}, CAST(NULL AS VARCHAR) AS {PROBLEM}"
        return source.store(f"fields-{name}", f"SELECT {ours}, {items} WHERE false")
    raw = _raw_sql(files)
    available = [row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {raw}")]
    if source.config.from_files:
        return source.store(f"fields-{name}", fields_sql(stream, raw, available, source.config))
    query = fields_sql(stream, ranked_sql(files, cursor=CURSOR in available), available, source.config)
    # What identifies a record only after others were joined to it cannot tell two versions of it.
    own = stream.key != "content" and not stream.collapse and set(stream.key) <= set(stream.names)
    key = [column(field) for field in stream.key] if own else None
    names = [column(field) for field in stream.names]
    repeats = source.config.scheme == "http"
    return source.store(f"fields-{name}", newest_sql(query, names, key, label=name, repeats=repeats))


def _raw_sql(files: list[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name = true)"


def _map_stream(source: Source, name: str, stream: Stream, fields: Mapping[str, str]) -> dict[str, Any]:
    records = source.store(f"records-{name}", records_sql(stream, fields[name], fields))
    _convert(source, records, name, stream)
    counts: dict[str, Any] = {"candidates": 0, "events": 0, "surveys": 0, "linking_records": 0, "identifiers": 0}
    rejected, left_out, lost = Counter[str](), Counter[str](), Counter[str]()
    unreadable = dict(source.rows(f"SELECT {PROBLEM}, count(*) FROM {records} WHERE {PROBLEM} IS NOT NULL GROUP BY 1"))
    rejected.update({f"record: {reason.removeprefix('record: ')}": rows for reason, rows in unreadable.items()})
    tables = []
    if stream.events:
        tables.append(("events", events_sql(records, source.name, name, stream, source.config, source.zone)))
    if stream.survey:
        query = surveys_sql(records, source.name, name, stream, stream.survey, source.config, source.zone)
        tables.append(("surveys", query))
    if stream.identifiers and not tables:
        tables.append(("records", record_rows_sql(records, source.name, name, stream, source.config, source.zone)))
    for kind, query in tables:
        judged = _judge(source, name, kind, query)
        _refuse_undeclared(source, name, kind, judged)
        for reason, group, rows in source.rows(f"SELECT _reason, _group, count(*) FROM {judged} GROUP BY 1, 2"):
            counts["candidates"] += rows
            if group == "rejected":
                rejected[reason] += rows
            elif group == "left out":
                left_out[reason] += rows
            else:
                counts["linking_records" if kind == "records" else kind] += rows
        lost.update(_lost(source, judged))
        counts["identifiers"] += _write(source, name, kind, stream, judged)
        if kind == "surveys":
            # Whom nobody heard of was asked all the same: without them there is no response rate.
            silent = f"SELECT count(*) FROM {judged} WHERE _group = 'kept' AND value IS NULL"
            counts["unanswered"] = source.rows(silent)[0][0]
            counts["records_without_question"] = _without_event(source, records, judged)
        if kind == "events":
            counts["records_without_event"] = _without_event(source, records, judged)
            counts["time_rules"] = _time_rules(source, judged)
    counts["candidates"] += sum(unreadable.values())
    counts["rejected"] = dict(sorted(rejected.items()))
    counts["left_out"] = dict(sorted(left_out.items()))
    counts["values_left_empty"] = dict(sorted(lost.items()))
    counts["identifier_values"] = _identifier_values(source, name, stream)
    counts["absent_fields"] = _absent_fields(source, name, stream)
    counts["not_filtered_by"] = _not_filtered_by(source, stream)
    _write_unreadable(source, name, records)
    return counts


def _convert(source: Source, records: str, name: str, stream: Stream) -> None:
    """Make the tables of converted distinct texts that later steps join."""
    if stream.bots and source.config.bots == "drop":
        convert_distinct(source.db, f"SELECT _agent AS text FROM {records}", bot_mark, "bots")
    for one, rules in stream.identifiers.items():
        convert = identifier_hash(str(kind_of(one, rules)), source.region, source.key)
        query = f"SELECT {identifier(f'id:{one}')} AS text FROM {records} WHERE {PROBLEM} IS NULL"
        convert_distinct(source.db, query, convert, f"hash:{name}:{one}")


def _judge(source: Source, name: str, kind: str, query: str) -> str:
    """Say of all candidates of a table what becomes of them: a view with ``_group`` and ``_reason``."""
    stream = source.connector.streams[name]
    source.store(f"candidates-{kind}-{name}", query)
    stored = literal(str(source.parquet(f"candidates-{kind}-{name}")))
    # The row of a candidate tells it apart: several may come from one line.
    candidates = f"(SELECT * RENAME (file_row_number AS _row) FROM read_parquet({stored}, file_row_number = true))"
    bots, bot = "", "false"
    if kind == "events" and stream.bots and source.config.bots == "drop":
        bots, bot = "LEFT JOIN bots ON bots.text = _agent", "bots.converted IS NOT NULL"
    out = f"CASE WHEN {bot} THEN 'bot' ELSE _filtered END"
    judged = f"SELECT c.*, {out} AS _out FROM {candidates} AS c {bots}"
    _mark_duplicates(source, judged if kind != "records" else f"SELECT * FROM ({judged}) WHERE false")
    again = "d._row IS NOT NULL"
    return source.view(
        f"judged-{kind}-{name}",
        f"""
        SELECT j.* EXCLUDE (_reason, _out),
            CASE WHEN _out IS NOT NULL THEN _out WHEN {again} THEN 'duplicate' ELSE _reason END AS _reason,
            CASE WHEN _out IS NOT NULL OR {again} THEN 'left out' WHEN _reason IS NOT NULL THEN 'rejected'
                ELSE 'kept' END AS _group
        FROM ({judged}) AS j LEFT JOIN duplicates AS d USING (_row)""",
    )


def _mark_duplicates(source: Source, judged: str) -> None:
    """Fill the table of good candidates whose id an earlier one has.

    The same record twice (a file copied, an export repeated) is one event: the first in the order of files. Repeated
    ids are few, so they are found by a short hash first, which fits into memory where the ids would not.
    """
    good = f"SELECT event_id, {FILE}, {LINE}, timestamp, _row FROM ({judged}) WHERE _out IS NULL AND _reason IS NULL"
    repeated = f"SELECT hash(event_id) AS h FROM ({good}) GROUP BY h HAVING count(*) > 1"
    number = f"row_number() OVER (PARTITION BY event_id ORDER BY {FILE}, {LINE}, timestamp, _row)"
    source.db.execute(f"""
        CREATE OR REPLACE TABLE duplicates AS SELECT _row FROM ({good}) AS g
        SEMI JOIN ({repeated}) AS r ON hash(g.event_id) = r.h QUALIFY {number} > 1""")


def _refuse_undeclared(source: Source, name: str, kind: str, judged: str) -> None:
    """Stop where times need a zone that nobody declared, or effort scores a direction."""
    counts = "count(*) FILTER (WHERE _undeclared), count(*) FILTER (WHERE _reason LIKE 'direction: missing%')"
    undeclared, effort = source.rows(f"SELECT {counts} FROM {judged}")[0]
    if undeclared:
        raise source.place.spec_error(
            "timezone",
            f"times of '{name}' carry no zone ({undeclared} records), and neither the source nor the job declares one. "
            f"Add `timezone: Europe/Amsterdam` (the zone of the system's clock).",
        )
    if kind == "surveys" and effort:
        raise source.place.spec_error(
            "set",
            f"customer effort (ces) is asked both ways, and {effort} answers do not say which. "
            "Add `set: {direction: lower_is_better}` or `set: {direction: higher_is_better}`.",
        )


def _lost(source: Source, judged: str) -> dict[str, int]:
    """Count texts that were there and said nothing, per column, among the rows that are kept."""
    names = [row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {judged}") if row[0].startswith("_lost:")]
    if not names:
        return {}
    sums = ", ".join(f"count(*) FILTER (WHERE {identifier(name)})" for name in names)
    found = source.rows(f"SELECT {sums} FROM {judged} WHERE _group = 'kept'")[0]
    return {name.removeprefix("_lost:"): rows for name, rows in zip(names, found, strict=True) if rows}


def _write(source: Source, name: str, kind: str, stream: Stream, judged: str) -> int:
    """Write the rows that are kept and their identifiers, and the rejected ones; return the number of identifiers."""
    order = f"ORDER BY {FILE}, {LINE}"
    if kind == "events":
        _write_events(source, name, stream, judged)
    elif kind == "surveys":
        source.write("surveys", name, f"SELECT {', '.join(SURVEY_COLUMNS)} FROM {judged} WHERE _group = 'kept' {order}")
    _write_rejected(source, name, f"SELECT {FILE}, {LINE}, _reason FROM {judged} WHERE _group = 'rejected'")
    kinds = {one: str(kind_of(one, rules)) for one, rules in stream.identifiers.items()}
    if not kinds:
        return 0
    parts = []
    for one, kind_ in kinds.items():
        texts = identifiers_sql(f"(SELECT * FROM {judged} WHERE _group = 'kept')", {one: kind_})
        table = identifier(f"hash:{name}:{one}")
        parts.append(
            f"SELECT source, event_id, kind, converted AS value_hash, timestamp FROM ({texts}) AS i "
            f"JOIN {table} AS h ON h.text = i.text WHERE converted IS NOT NULL"
        )
    query = " UNION ALL ".join(parts)
    # A record may say one thing twice: in two fields of one kind, or because it is there twice.
    if kind == "records" or len(set(kinds.values())) < len(kinds):
        query = f"SELECT source, event_id, kind, value_hash, min(timestamp) AS timestamp FROM ({query}) GROUP BY ALL"
    return source.write("identifiers", name, f"SELECT * FROM ({query}) ORDER BY event_id, kind, value_hash")


def _write_events(source: Source, name: str, stream: Stream, judged: str) -> None:
    resource, join = "resource", ""
    if (
        source.key
        and source.config.agents == "pseudonym"
        and any(event.resource or stream.resource for event in stream.events)
    ):
        convert_distinct(source.db, f"SELECT resource AS text FROM {judged}", agent_hash(source.key), "agents")
        resource, join = "agents.converted", "LEFT JOIN agents ON agents.text = e.resource"
    items = ", ".join(f"{resource} AS resource" if one == "resource" else f"e.{one}" for one in EVENT_COLUMNS)
    query = f"SELECT {items} FROM {judged} AS e {join} WHERE _group = 'kept' ORDER BY {FILE}, {LINE}, _rule"
    source.write("source_events", name, query)


def _write_rejected(source: Source, name: str, rows: str) -> None:
    record, join = "CAST(NULL AS VARCHAR)", ""
    if source.config.rejected_text:
        kept = _raw_sql(source.files(name))
        if not source.config.from_files:
            kept = f"read_parquet({literal(str(source.parquet(f'fields-{name}')))})"
        raw = f"SELECT {FILE}, {LINE}, any_value(to_json(raw)) AS text FROM {kept} AS raw GROUP BY ALL"
        record, join = "CAST(t.text AS VARCHAR)", f"LEFT JOIN ({raw}) AS t USING ({FILE}, {LINE})"
    source.write(
        "rejected",
        name,
        f"SELECT {literal(source.name)} AS source, {literal(name)} AS stream, _reason AS reason, {FILE} AS file, "
        f"{LINE} AS line, {record} AS record FROM ({rows}) AS r {join} ORDER BY file, line, reason",
    )


def _write_unreadable(source: Source, name: str, records: str) -> None:
    reason = f"'record: ' || regexp_replace({PROBLEM}, '^record: ', '') AS _reason"
    _write_rejected(source, name, f"SELECT {FILE}, {LINE}, {reason} FROM {records} WHERE {PROBLEM} IS NOT NULL")


def _without_event(source: Source, records: str, judged: str) -> int:
    query = f"""SELECT count(DISTINCT ({FILE}, {LINE})) FROM {records} WHERE {PROBLEM} IS NULL
        AND ({FILE}, {LINE}) NOT IN (SELECT DISTINCT ({FILE}, {LINE}) FROM {judged})"""
    return int(source.rows(query)[0][0])


def _time_rules(source: Source, judged: str) -> dict[str, int]:
    query = f"SELECT time_rule, count(*) FROM {judged} WHERE _group = 'kept' GROUP BY 1 ORDER BY 1"
    return dict(source.rows(query))


def _identifier_values(source: Source, name: str, stream: Stream) -> dict[str, dict[str, int]]:
    """Count distinct identifiers as written, and those that stand for nobody."""
    values = {}
    for one in stream.identifiers:
        table = identifier(f"hash:{name}:{one}")
        total, unusable = source.rows(f"SELECT count(*), count(*) FILTER (WHERE converted IS NULL) FROM {table}")[0]
        values[one] = {"distinct": total, "unusable": unusable}
    return values


def _absent_fields(source: Source, name: str, stream: Stream) -> list[str]:
    """Return fields that the files of a stream do not have."""
    if stream.format.type not in {"csv", "parquet"}:
        return []
    raw = _raw_sql(source.files(name))
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
