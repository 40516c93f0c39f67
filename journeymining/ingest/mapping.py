"""From records to events, record identifiers and survey answers: all rules of a connector, one row per candidate.

A candidate is a record and a rule that applies to it. `Candidates.reason` says why it becomes no row of the result
(null: it does); nothing is left out before it was counted. Rules become SQL, which runs once per distinct combination
of the fields it reads; see `journeymining.ingest.coded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.ingest.clocks import with_instant
from journeymining.ingest.coded import Coded, after_null, combined, joined, looked_up, made, one_chunk, queried
from journeymining.ingest.hashes import row_hashes, text_hash
from journeymining.ingest.minutes import FEW, whole_minutes
from journeymining.ingest.records import origin_sql, text_sql, value_sql, when_sql
from journeymining.ingest.sources import FILTERS
from journeymining.ingest.specs import COLUMNS, NUMBERS, NumberValue
from journeymining.ingest.values import literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb
    from numpy.typing import NDArray

    from journeymining.ingest.chunks import Portion
    from journeymining.ingest.specs import Event, Stream, Survey, Time, Value
    from journeymining.ingest.streams import Source

SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}

EVENT_COLUMNS = {
    "event_id": "VARCHAR",
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "activity": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "channel": "VARCHAR",
    "topic": "VARCHAR",
    "resource": "VARCHAR",
    "initiator": "VARCHAR",
    "status": "VARCHAR",
    "device_class": "VARCHAR",
    "browser": "VARCHAR",
    "operating_system": "VARCHAR",
    "duration": "DOUBLE",
    "value": "DOUBLE",
    "source_order": "BIGINT",
    "time_text": "VARCHAR",
    "time_rule": "VARCHAR",
    "granularity": "VARCHAR",
}
"""Columns of ``source_events.parquet``."""

TIME_COLUMNS = ("time_text", "timestamp", "time_rule", "granularity", "_undeclared")
"""What is known of the time of a record; ``_undeclared``: it needs a zone that nobody declared."""

SURVEY_COLUMNS = {
    "survey_id": "VARCHAR",
    "source": "VARCHAR",
    "event_id": "VARCHAR",
    "level": "VARCHAR",
    "metric": "VARCHAR",
    "value": "DOUBLE",
    "scale_min": "DOUBLE",
    "scale_max": "DOUBLE",
    "direction": "VARCHAR",
    "sent_at": "TIMESTAMPTZ",
    "answered_at": "TIMESTAMPTZ",
}
"""Columns of ``surveys.parquet``."""

IDENTIFIER_COLUMNS = {
    "source": "VARCHAR",
    "event_id": "VARCHAR",
    "kind": "VARCHAR",
    "value_hash": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
}
"""Columns of ``identifiers.parquet``."""

REJECTED_COLUMNS = {
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "reason": "VARCHAR",
    "file": "VARCHAR",
    "line": "BIGINT",
    "record": "VARCHAR",
}
"""Columns of ``rejected/<source>.parquet``; ``record`` (the raw record as JSON) is null unless the job asks for it."""

SILENT_EFFORT = "direction: missing, and effort is asked both ways"
_NO_TIME = "time: unreadable, without zone or outside 1990-2100"


@dataclass
class Candidates:
    """Candidates of one kind (events, surveys, records), in the order of their records."""

    record: NDArray[np.int64]
    """Place of the record in its portion."""
    rule: NDArray[np.int64]
    """Place of the rule."""
    hash: NDArray[np.uint64]
    """What the id is made of: two numbers per row."""
    columns: dict[str, Coded]
    """Those of the result; ``id:<name>``, texts of identifiers; ``o:<field>``, what the stream is ordered by."""
    flags: dict[str, NDArray[np.bool_]]
    """``_undeclared`` (the time needs a zone that nobody declared), ``_lost:<column>`` (a text says nothing)."""
    out: Coded
    """Why it is left out."""
    reason: Coded
    """Why it is rejected."""

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.record)

    def at(self, rows: NDArray[Any]) -> Candidates:
        """Return some of them, by their places or by a mask."""
        return Candidates(
            self.record[rows],
            self.rule[rows],
            self.hash[rows],
            {name: one.at(rows) for name, one in self.columns.items()},
            {name: one[rows] for name, one in self.flags.items()},
            self.out.at(rows),
            self.reason.at(rows),
        )


def rules_of(source: Source, name: str, stream: Stream) -> dict[str, Callable[[Portion, Coded | None], Candidates]]:
    """Return what makes candidates of a portion and the marks of its bots: of events, of answers, of linking records.

    Linking records carry identifiers and are nothing else.
    """
    kinds: dict[str, Callable[[Portion, Coded | None], Candidates]] = {}
    if stream.events:
        kinds["events"] = partial(_events, source, name, stream)
    if stream.survey:
        kinds["surveys"] = partial(_surveys, source, name, stream, stream.survey)
    if stream.identifiers and not kinds:
        kinds["records"] = partial(_links, source, name, stream)
    return kinds


def _events(source: Source, name: str, stream: Stream, portion: Portion, bots: Coded | None) -> Candidates:
    found = [_event(source, name, stream, portion, bots, place) for place in range(len(stream.events))]
    return _ordered(portion, found)


def _event(source: Source, name: str, stream: Stream, portion: Portion, bots: Coded | None, place: int) -> Candidates:
    event = stream.events[place]
    texts: dict[str, Sequence[Value]] = {"activity": event.activity}
    texts |= {one: getattr(event, one) or getattr(stream, one) for one in COLUMNS}
    numbers = {one: getattr(event, one) or getattr(stream, one) for one in NUMBERS}
    record = _applies(source, portion, event)
    columns, flags = _said(source, stream, portion, texts, numbers)
    columns |= {f"o:{field}": portion.fields[f"f:{field}"] for field in stream.order}
    columns |= _timed(source, portion, event.time or stream.time)
    found = _some(portion, record, place, columns, flags)
    columns, rows = found.columns, len(found)
    columns["initiator"] = _initiator(source, columns, rows)
    columns["stream"] = Coded.same(name, rows)
    if source.config.agents == "drop":
        columns["resource"] = Coded.same(None, rows)
    found.hash = found.hash ^ text_hash(source.name, name)
    found.hash ^= row_hashes(source.db, {"activity": columns["activity"]}, rows)
    found.out = _left_out("events", stream, source, portion, found, bots)
    cases = [
        (~portion.keyed[record], "key: missing"),
        (found.flags.get("_lost:activity", np.zeros(rows, bool)), "activity: a text the connector does not know"),
        (~columns["activity"].there, "activity: missing"),
        (~columns["time_text"].there, "time: missing"),
        (~columns["timestamp"].there, _NO_TIME),
        *((~columns[one].there, f"{one}: missing") for one in event.required or stream.required),
    ]
    found.reason = Coded.chosen(cases, rows)
    return found


def _applies(source: Source, portion: Portion, rule: Event | Survey) -> NDArray[np.int64]:
    """Return the places of the readable records that a rule is for."""
    if not (rule.when or rule.present):
        return portion.readable
    sql = when_sql(rule.when, rule.present)
    applies = made(source.db, {"applies": sql}, portion.fields, portion.rows)["applies"].true
    return portion.readable[applies[portion.readable]]


def _said(
    source: Source,
    stream: Stream,
    portion: Portion,
    texts: Mapping[str, Sequence[Value]],
    numbers: Mapping[str, Sequence[NumberValue]],
) -> tuple[dict[str, Coded], dict[str, NDArray[np.bool_]]]:
    """Return columns of texts, of numbers and of texts of identifiers, of all records, and what says nothing."""
    items = {one: value_sql(rules) for one, rules in texts.items()}
    items |= {one: _number(rules) for one, rules in numbers.items()}
    lost = {one: _says_nothing(rules, items[one]) for one, rules in {**texts, **numbers}.items() if may_be_lost(rules)}
    items |= {f"_lost:{one}": sql for one, sql in lost.items()}
    items |= {f"id:{one}": value_sql(rules) for one, rules in stream.identifiers.items()}
    found = made(source.db, items, portion.fields, portion.rows)
    flags = {f"_lost:{one}": found.pop(f"_lost:{one}").true for one in lost}
    return found, flags


def _some(
    portion: Portion,
    record: NDArray[np.int64],
    place: int,
    columns: Mapping[str, Coded],
    flags: Mapping[str, NDArray[np.bool_]],
) -> Candidates:
    """Return candidates of some records, of which nothing is judged yet."""
    undeclared = {name for name in columns if name.endswith("_undeclared")}
    rows: Any = slice(None) if len(record) == portion.rows else record
    needs = np.zeros(portion.rows, bool)
    for name in undeclared:
        needs |= columns[name].true
    nothing = Coded.same(None, len(record))
    return Candidates(
        record,
        np.full(len(record), place, np.int64),
        portion.key[rows],
        {name: one.at(rows) for name, one in columns.items() if name not in undeclared},
        {name: one[rows] for name, one in {**flags, "_undeclared": needs}.items()},
        nothing,
        nothing,
    )


def _initiator(source: Source, columns: Mapping[str, Coded], rows: int) -> Coded:
    sql = (
        """coalesce("initiator", CASE "direction" WHEN 'inbound' THEN 'customer' """
        """WHEN 'outbound' THEN 'organisation' END)"""
    )
    if not columns["direction"].there.any():
        return columns["initiator"]
    return made(source.db, {"initiator": sql}, columns, rows)["initiator"]


def _ordered(portion: Portion, found: Sequence[Candidates]) -> Candidates:
    """Return candidates of several rules in the order of their records: of equal ones the first counts."""
    if len(found) == 1 and portion.in_order:
        return found[0]
    one = _below(found)
    keys: list[NDArray[Any]] = [one.record, one.rule]
    if "timestamp" in one.columns:
        times = one.columns["timestamp"]
        keys.append(pc.fill_null(times.values.cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()[times.codes])
    keys += [portion.line[one.record], portion.file_rank[one.record]]
    return one.at(np.lexsort(keys))


def _below(found: Sequence[Candidates]) -> Candidates:
    first = found[0]
    return Candidates(
        np.concatenate([one.record for one in found]),
        np.concatenate([one.rule for one in found]),
        np.concatenate([one.hash for one in found]),
        {name: joined([one.columns[name] for one in found]) for name in first.columns},
        {
            name: np.concatenate([one.flags.get(name, np.zeros(len(one), bool)) for one in found])
            for name in dict.fromkeys(name for one in found for name in one.flags)
        },
        joined([one.out for one in found]),
        joined([one.reason for one in found]),
    )


def _timed(source: Source, portion: Portion, time: Time | None, prefix: str = "") -> dict[str, Coded]:
    """Return columns named like `TIME_COLUMNS`, after the prefix; every distinct text is read once."""
    db, zone, rows = source.db, source.zone, portion.rows
    if time is None:
        nothing = {name: Coded.same(None, rows) for name in TIME_COLUMNS}
        nothing["timestamp"] = Coded(np.zeros(rows, np.int32), pa.nulls(1, pa.timestamp("us", tz="UTC")))
        nothing["_undeclared"] = Coded(np.zeros(rows, np.int32), pa.nulls(1, pa.bool_()))
        return {f"{prefix}{name}": one for name, one in nothing.items()}
    items = {"_text": origin_sql(time.field, time.join)}
    if time.fold_by:
        items["_fold"] = value_sql([time.fold_by])
    given = made(db, items, portion.fields, rows)
    codes, table = combined(given, rows)
    read = with_instant("SELECT * FROM given_rows", time, "_text", zone=zone, fold="_fold" if time.fold_by else None)
    needs = time.zone == "source" and zone is None and time.form in {"iso", "pattern"}
    undeclared = "coalesce(_t_bare AND _t_wall IS NOT NULL, false)" if needs else "false"
    there = "_t_instant IS NOT NULL"
    query = f"""
        SELECT timezone('UTC', _t_instant) AS timestamp, {undeclared} AS _undeclared,
            CASE WHEN {there} THEN _t_rule END AS time_rule, CASE WHEN {there} THEN _t_exact END AS granularity
        FROM ({read})"""
    found = {"time_text": given["_text"], **_read(db, codes, table, query, "epoch" if time.fold_by else time.form)}
    return {f"{prefix}{name}": one for name, one in found.items()}


def _read(
    db: duckdb.DuckDBPyConnection, codes: NDArray[np.int32], table: pa.Table, query: str, form: str
) -> dict[str, Coded]:
    """Return what a query makes of the time texts of a table, where there are many of their minutes only."""
    if table.num_rows <= FEW:
        return looked_up(codes, queried(db, table, query))
    texts, places, later = whole_minutes(one_chunk(table.column("_text")), form)
    if len(texts) == table.num_rows:
        return looked_up(codes, queried(db, table, query))
    result = queried(db, pa.table({"_text": texts}), query)
    found = looked_up(places.astype(np.int32).take(codes), result)
    instant = one_chunk(result.column("timestamp"))
    moments = pc.add(instant.cast(pa.int64()).take(pa.array(places)), pa.array(later)).cast(instant.type)
    found["timestamp"] = Coded(codes + np.int32(1), after_null(moments))
    return found


def _number(rules: Sequence[NumberValue]) -> str:
    parts = [f"{number_sql(value_sql([rule]))} * {SECONDS[rule.unit]!r}" for rule in rules]
    return f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS DOUBLE)"


def may_be_lost(rules: Sequence[Value]) -> bool:
    """Whether something may be made of a text that is not the text: then it may come to nothing."""
    return any(
        rule.path or rule.pair or rule.convert or rule.map is not None or isinstance(rule, NumberValue)
        for rule in rules
    )


def _says_nothing(rules: Sequence[Value], made_of_it: str) -> str:
    """Return SQL that is true where a text was there and nothing was made of it."""
    # A map may say that a text means nothing: such a text is not lost.
    meant = [literal(text) for rule in rules for text, becomes in (rule.map or {}).items() if becomes is None]
    text = text_sql(rules)
    known = f" AND {text} NOT IN ({', '.join(meant)})" if meant else ""
    return f"({text} IS NOT NULL AND ({made_of_it}) IS NULL{known})"


def can_filter(name: str, kind: str, stream: Stream) -> bool:
    """Whether candidates of a kind (events, surveys, records) have what a ``keep`` or ``drop`` names."""
    return name in FILTERS[kind] or name in stream.known


def _left_out(
    kind: str, stream: Stream, source: Source, portion: Portion, found: Candidates, bots: Coded | None = None
) -> Coded:
    """Return why candidates are left out: a machine made them, or a filter of the job."""
    cases = [(bots.there[found.record], "bot")] if bots is not None else []
    for key, filters in (("keep", source.config.keep), ("drop", source.config.drop)):
        for name, texts in filters.items():
            if can_filter(name, kind, stream):
                own = name in FILTERS[kind]
                column = found.columns[name] if own else portion.fields[f"f:{name}"].at(found.record)
                among = column.among(texts)
                cases.append((~among if key == "keep" else among, f"{key}: {name}"))
    return Coded.chosen(cases, len(found))


def _links(source: Source, name: str, stream: Stream, portion: Portion, bots: Coded | None) -> Candidates:
    """Return records that carry identifiers but are no events; nobody looks whether a machine made them."""
    del bots
    columns, flags = _said(source, stream, portion, {}, {})
    columns |= _timed(source, portion, stream.time)
    found = _some(portion, portion.readable, 0, columns, flags)
    found.columns["stream"] = Coded.same(name, len(found))
    found.hash = found.hash ^ text_hash(source.name, name)
    found.out = _left_out("records", stream, source, portion, found)
    found.reason = Coded.chosen([(~portion.keyed[found.record], "key: missing")], len(found))
    return _ordered(portion, [found])


def _surveys(
    source: Source, name: str, stream: Stream, survey: Survey, portion: Portion, bots: Coded | None
) -> Candidates:
    """Return survey answers; nobody looks whether a machine gave them."""
    del bots
    texts = {one: getattr(survey, one) for one in ("metric", "direction", "level")}
    numbers = {one: getattr(survey, one) for one in ("value", "scale_min", "scale_max")}
    columns, flags = _said(source, stream, portion, texts, numbers)
    for prefix in ("sent_at", "answered_at"):
        columns |= _timed(source, portion, getattr(survey, prefix), f"{prefix}_")
    found = _some(portion, _applies(source, portion, survey), 0, columns, flags)
    columns, rows = found.columns, len(found)
    # Of these two metrics more is better, whether or not an answer says so.
    better = """coalesce("direction", CASE WHEN "metric" IN ('nps', 'csat') THEN 'higher_is_better' END)"""
    columns["direction"] = made(source.db, {"direction": better}, columns, rows)["direction"]
    columns["sent_at"], columns["answered_at"] = columns["sent_at_timestamp"], columns["answered_at_timestamp"]
    times = {"timestamp": 'coalesce("answered_at", "sent_at")'}
    columns["timestamp"] = made(source.db, times, columns, rows)["timestamp"]
    columns["stream"] = Coded.same(name, rows)
    found.hash = found.hash ^ text_hash(source.name, name)
    found.out = _left_out("surveys", stream, source, portion, found)
    found.reason = _wrong_answer(portion, found)
    return _ordered(portion, [found])


def _wrong_answer(portion: Portion, found: Candidates) -> Coded:
    columns, rows = found.columns, len(found)
    lost = {one: found.flags.get(f"_lost:{one}", np.zeros(rows, bool)) for one in ("direction", "value")}
    # Where one of two numbers is missing, no comparison is true.
    value, low, high = (_numbers(columns[one]) for one in ("value", "scale_min", "scale_max"))
    no_scale = np.isnan(low) | np.isnan(high) | (low >= high)
    unreadable = np.zeros(rows, bool)
    for one in ("sent_at", "answered_at"):
        unreadable |= columns[f"{one}_time_text"].there & ~columns[f"{one}_timestamp"].there
    cases = [
        (~portion.keyed[found.record], "key: missing"),
        (~columns["metric"].there, "metric: missing or unknown"),
        (lost["direction"], "direction: a text the connector does not know"),
        (columns["metric"].among(["ces"]) & ~columns["direction"].there, SILENT_EFFORT),
        (lost["value"], "value: no number"),
        (~np.isnan(value) & no_scale, "scale: missing or no range"),
        ((value < low) | (value > high), "value: outside its scale"),
        (unreadable, _NO_TIME),
    ]
    return Coded.chosen(cases, rows)


def _numbers(column: Coded) -> NDArray[np.float64]:
    values: NDArray[np.float64] = pc.fill_null(column.values, np.nan).to_numpy(zero_copy_only=False)
    return values[column.codes]
