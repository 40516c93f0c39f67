"""SQL from records to events, record identifiers and survey answers: all rules of a connector, one row per candidate.

A candidate is a record and a rule that applies to it. ``_reason`` says why it becomes no row of the result (null: it
does); nothing is left out before it was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.ingest.clocks import with_instant
from journeymining.ingest.readers import FILE, LINE, PROBLEM
from journeymining.ingest.records import Joins, column, origin_sql, text_sql, value_sql, when_sql
from journeymining.ingest.sources import FILTERS
from journeymining.ingest.specs import COLUMNS, NUMBERS, Event, NumberValue
from journeymining.ingest.values import identifier, literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Stream, Survey, Time, Value

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
    "duration": "DOUBLE",
    "value": "DOUBLE",
    "source_order": "BIGINT",
    "time_text": "VARCHAR",
    "time_rule": "VARCHAR",
    "granularity": "VARCHAR",
}
"""Columns of ``source_events.parquet``."""

TIME_COLUMNS = {
    "time_text": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "time_rule": "VARCHAR",
    "granularity": "VARCHAR",
    "_undeclared": "BOOLEAN",
}
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


def row_id(source: str, stream: str, activity: str) -> str:
    """Return SQL of the id of an event; of a record, with an empty activity."""
    return f"md5(concat_ws(chr(31), {literal(source)}, {literal(stream)}, _key, {activity}))"


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

RECORDS, KEYED = "records", "keyed"
"""The tables that the queries below read: a portion of records, and the same with their ``_key``."""


def events_sql(source: str, name: str, stream: Stream, config: SourceConfig, zone: str | None) -> str:
    """Return the query of all candidates of a stream's events, in the order of their records.

    Columns: those of `EVENT_COLUMNS`, ``direction``, ``_file``, ``_line``, ``_rule`` (place of the rule), ``_out`` (why
    it is left out), ``_reason``, ``_undeclared`` (the time needs a zone that nobody declared), ``_lost:<column>`` (a
    text was there and says nothing) and the texts of the identifiers (``id:<name>``). ``source_order`` of a stream with
    an ``order`` is to come, by ``o:<field>``.
    """
    candidates = " UNION ALL ".join(
        _candidates(place, event, stream, zone, config) for place, event in enumerate(stream.events)
    )
    order = f"{LINE} * {len(stream.events)} + _rule" if not stream.order else "CAST(NULL AS BIGINT)"
    initiator = (
        "coalesce(initiator, CASE direction WHEN 'inbound' THEN 'customer' WHEN 'outbound' THEN 'organisation' END)"
    )
    resource = "resource" if config.agents != "drop" else "CAST(NULL AS VARCHAR)"
    # Candidates of one rule come as their records do; only several have to be brought into one order.
    ordered = "" if len(stream.events) == 1 and not stream.unfold else f"ORDER BY {ROW_ORDER}"
    judged = f"""
        SELECT *, {_filters("events", stream, config)} AS _filtered FROM (
            SELECT * REPLACE ({initiator} AS initiator, {resource} AS resource),
                {row_id(source, name, "coalesce(activity, '')")} AS event_id, {literal(source)} AS source,
                {literal(name)} AS stream, {order} AS source_order
            FROM ({candidates}))"""
    return f"SELECT * EXCLUDE (_key, _bot, _filtered), {_OUT} AS _out FROM ({judged}) {ordered}"


ROW_ORDER = f"{FILE}, {LINE}, timestamp, _rule, _place"
"""The order of candidates: of equal ones the first counts."""

_OUT = "CASE WHEN _bot THEN 'bot' ELSE _filtered END"

BOTS = "bots"
"""Table of user agents, converted to a mark where they are a machine's."""


def _candidates(place: int, event: Event, stream: Stream, zone: str | None, config: SourceConfig) -> str:
    joins = Joins(RECORDS)
    texts = {"activity": event.activity} | {name: getattr(event, name) or getattr(stream, name) for name in COLUMNS}
    numbers = {name: getattr(event, name) or getattr(stream, name) for name in NUMBERS}
    items = [f"{value_sql(rules, joins)} AS {name}" for name, rules in texts.items()]
    items += [f"{_number(rules)} AS {name}" for name, rules in numbers.items()]
    items += _lost(texts | numbers)
    items += [f"{column(field)} AS {identifier(f'o:{field}')}" for field in stream.order]
    items += _filtered_fields("events", stream, config)
    items += _identifiers(stream, joins)
    items += _timed(joins, event.time or stream.time, zone)
    bot = "false"
    if stream.bots and config.bots == "drop":
        bot = f"{joins.join(f'SELECT * FROM {BOTS}', text='_agent')}.converted IS NOT NULL"
    required = event.required or stream.required
    missing = "".join(f" WHEN {name} IS NULL THEN {literal(f'{name}: missing')}" for name in required)
    unknown = "WHEN \"_lost:activity\" THEN 'activity: a text the connector does not know'"
    return f"""
        SELECT *, CASE WHEN _key IS NULL THEN 'key: missing'
            {unknown if may_be_lost(event.activity) else ""}
            WHEN activity IS NULL THEN 'activity: missing'
            WHEN time_text IS NULL THEN 'time: missing'
            WHEN timestamp IS NULL THEN 'time: unreadable, without zone or outside 1990-2100'{missing} END AS _reason
        FROM (SELECT {FILE}, {LINE}, _place, _key, {place} AS _rule, {bot} AS _bot, {", ".join(items)}
            FROM {joins.sql(KEYED)} WHERE {PROBLEM} IS NULL AND {when_sql(event.when, event.present)})"""


def _identifiers(stream: Stream, joins: Joins) -> list[str]:
    return [f"{value_sql(rules, joins)} AS {identifier(f'id:{name}')}" for name, rules in stream.identifiers.items()]


def _timed(joins: Joins, time: Time | None, zone: str | None, prefix: str = "") -> list[str]:
    """Return items of a SELECT named like `TIME_COLUMNS`, after the prefix; every distinct text is read once."""
    names = {name: f"{prefix}{name}" for name in TIME_COLUMNS}
    if time is None:
        return [f"CAST(NULL AS {kind}) AS {names[name]}" for name, kind in TIME_COLUMNS.items()]
    texts = {"_text": origin_sql(time.field, time.join)}
    if time.fold_by:
        texts["_fold"] = value_sql([time.fold_by])
    read = with_instant(joins.distinct(**texts), time, "_text", zone=zone, fold="_fold" if time.fold_by else None)
    needs = time.zone == "source" and zone is None and time.form in {"iso", "pattern"}
    undeclared = "coalesce(_t_bare AND _t_wall IS NOT NULL, false)" if needs else "false"
    there = "_t_instant IS NOT NULL"
    query = f"""
        SELECT {", ".join(texts)}, timezone('UTC', _t_instant) AS timestamp, {undeclared} AS _undeclared,
            CASE WHEN {there} THEN _t_rule END AS time_rule, CASE WHEN {there} THEN _t_exact END AS granularity
        FROM ({read})"""
    join = joins.join(query, **texts)
    return [
        f"{texts['_text']} AS {names['time_text']}",
        *(f"{join}.{name} AS {names[name]}" for name in ("timestamp", "time_rule", "granularity")),
        f"coalesce({join}._undeclared, false) AS {names['_undeclared']}",
    ]


def _number(rules: Sequence[NumberValue]) -> str:
    parts = [f"{number_sql(value_sql([rule]))} * {SECONDS[rule.unit]!r}" for rule in rules]
    return f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS DOUBLE)"


def may_be_lost(rules: Sequence[Value]) -> bool:
    """Whether something may be made of a text that is not the text: then it may come to nothing."""
    return any(
        rule.path or rule.pair or rule.convert or rule.map is not None or isinstance(rule, NumberValue)
        for rule in rules
    )


def _lost(rules: Mapping[str, Sequence[Value]]) -> list[str]:
    """Return items of a SELECT: of every column that may lose one, whether a text was there that says nothing."""
    return [f"{_says_nothing(some, name)} AS {identifier(f'_lost:{name}')}" for name, some in rules.items()]


def _says_nothing(rules: Sequence[Value], name: str) -> str:
    if not may_be_lost(rules):
        return "false"
    # A map may say that a text means nothing: such a text is not lost.
    meant = [literal(text) for rule in rules for text, becomes in (rule.map or {}).items() if becomes is None]
    text = text_sql(rules)
    known = f" AND {text} NOT IN ({', '.join(meant)})" if meant else ""
    return f"({text} IS NOT NULL AND {name} IS NULL{known})"


def can_filter(name: str, kind: str, stream: Stream) -> bool:
    """Whether candidates of a kind (events, surveys, records) have what a ``keep`` or ``drop`` names."""
    return name in FILTERS[kind] or name in stream.known


def _filtered_fields(kind: str, stream: Stream, config: SourceConfig) -> list[str]:
    """Return the items of a SELECT that `_filters` needs: the fields, besides the columns of the kind."""
    fields = [name for name in {**config.keep, **config.drop} if name not in FILTERS[kind] and name in stream.known]
    return [f"{column(field)} AS {identifier(f'k:{field}')}" for field in fields]


def _filters(kind: str, stream: Stream, config: SourceConfig) -> str:
    """Return SQL of the filter that leaves a candidate out, null where none does."""
    cases = []
    for key, filters in (("keep", config.keep), ("drop", config.drop)):
        for name, texts in filters.items():
            if not can_filter(name, kind, stream):
                continue
            sql = name if name in FILTERS[kind] else identifier(f"k:{name}")
            among = f"{sql} IN ({', '.join(map(literal, texts))})"
            out = f"NOT coalesce({among}, false)" if key == "keep" else f"coalesce({among}, false)"
            cases.append(f"WHEN {out} THEN {literal(f'{key}: {name}')}")
    return f"CASE {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"


def record_rows_sql(source: str, name: str, stream: Stream, config: SourceConfig, zone: str | None) -> str:
    """Return the query of records that carry identifiers but are no events, as candidates; see `events_sql`."""
    joins = Joins(RECORDS)
    items = [*_identifiers(stream, joins), *_filtered_fields("records", stream, config)]
    items += _timed(joins, stream.time, zone)
    return f"""
        SELECT {row_id(source, name, "''")} AS event_id, {literal(source)} AS source, * EXCLUDE (_key),
            {_filters("records", stream, config)} AS _out, CASE WHEN _key IS NULL THEN 'key: missing' END AS _reason
        FROM (SELECT {FILE}, {LINE}, _place, _key, 0 AS _rule, {literal(name)} AS stream, {", ".join(items)}
            FROM {joins.sql(KEYED)} WHERE {PROBLEM} IS NULL) ORDER BY {ROW_ORDER}"""


def surveys_sql(source: str, name: str, stream: Stream, survey: Survey, config: SourceConfig, zone: str | None) -> str:
    """Return the query of all candidates of survey answers, as in `events_sql`."""
    joins = Joins(RECORDS)
    texts = {one: getattr(survey, one) for one in ("metric", "direction", "level")}
    numbers = {one: getattr(survey, one) for one in ("value", "scale_min", "scale_max")}
    items = [f"{value_sql(rules, joins)} AS {one}" for one, rules in texts.items()]
    items += [f"{_number(rules)} AS {one}" for one, rules in numbers.items()]
    items += _lost(texts | numbers)
    items += _identifiers(stream, joins)
    items += [f"{literal(name)} AS stream", *_filtered_fields("surveys", stream, config)]
    for prefix in ("sent_at_", "answered_at_"):
        items += _timed(joins, getattr(survey, prefix.removesuffix("_")), zone, prefix)
    unreadable = " OR ".join(
        f"({p}_time_text IS NOT NULL AND {p}_timestamp IS NULL)" for p in ("sent_at", "answered_at")
    )
    # Of these two metrics more is better, whether or not an answer says so.
    direction = "coalesce(direction, CASE WHEN metric IN ('nps', 'csat') THEN 'higher_is_better' END)"
    lost = {one: f'"_lost:{one}"' if may_be_lost(getattr(survey, one)) else "false" for one in ("direction", "value")}
    judged = f"""
        SELECT {row_id(source, name, "''")} AS survey_id, {row_id(source, name, "''")} AS event_id,
            {literal(source)} AS source, * REPLACE ({direction} AS direction),
            sent_at_timestamp AS sent_at, answered_at_timestamp AS answered_at,
            coalesce(answered_at_timestamp, sent_at_timestamp) AS timestamp,
            sent_at__undeclared OR answered_at__undeclared AS _undeclared,
            CASE WHEN _key IS NULL THEN 'key: missing'
            WHEN metric IS NULL THEN 'metric: missing or unknown'
            WHEN {lost["direction"]} THEN 'direction: a text the connector does not know'
            WHEN metric = 'ces' AND direction IS NULL THEN 'direction: missing, and effort is asked both ways'
            WHEN {lost["value"]} THEN 'value: no number'
            WHEN value IS NOT NULL AND (scale_min IS NULL OR scale_max IS NULL OR scale_min >= scale_max)
                THEN 'scale: missing or no range'
            WHEN value < scale_min OR value > scale_max THEN 'value: outside its scale'
            WHEN {unreadable} THEN 'time: unreadable, without zone or outside 1990-2100' END AS _reason
        FROM (SELECT {FILE}, {LINE}, _place, _key, 0 AS _rule, {", ".join(items)}
            FROM {joins.sql(KEYED)} WHERE {PROBLEM} IS NULL AND {when_sql(survey.when, survey.present)})"""
    return f"""
        SELECT * EXCLUDE (_key), {_filters("surveys", stream, config)} AS _out
        FROM ({judged}) ORDER BY {ROW_ORDER}"""
