"""SQL from records to events, record identifiers and survey answers: all rules of a connector, one row per candidate.

A candidate is a record and a rule that applies to it. ``_reason`` says why it becomes no row of the result (null: it
does); nothing is left out before it was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.ingest.clocks import with_instant
from journeymining.ingest.readers import FILE, LINE, PROBLEM
from journeymining.ingest.records import column, origin_sql, text_sql, value_sql, when_sql
from journeymining.ingest.sources import FILTERS
from journeymining.ingest.specs import COLUMNS, NUMBERS, Event
from journeymining.ingest.values import identifier, literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import NumberValue, Stream, Survey, Time, Value

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


def events_sql(records: str, source: str, name: str, stream: Stream, config: SourceConfig, zone: str | None) -> str:
    """Return the query of all candidates of a stream's events.

    Columns: those of `EVENT_COLUMNS`, ``direction``, ``_file``, ``_line``, ``_rule`` (place of the rule), ``_reason``,
    ``_undeclared`` (the time needs a zone that nobody declared), ``_lost:<column>`` (a text was there and says
    nothing) and the texts of the identifiers (``id:<name>``).
    """
    kept = _filtered_fields("events", stream, config)
    candidates = " UNION ALL ".join(
        _candidates(records, place, event, stream, zone, kept) for place, event in enumerate(stream.events)
    )
    order = f"{LINE} * {len(stream.events)} + _rule"
    if stream.order:
        fields = ", ".join(f"{number_sql(identifier(f'o:{field}'))} NULLS FIRST" for field in stream.order)
        order = f"row_number() OVER (PARTITION BY timestamp ORDER BY {fields}, {FILE}, {LINE}, _rule)"
    initiator = (
        "coalesce(initiator, CASE direction WHEN 'inbound' THEN 'customer' WHEN 'outbound' THEN 'organisation' END)"
    )
    resource = "resource" if config.agents != "drop" else "CAST(NULL AS VARCHAR)"
    return f"""
        SELECT *, {_filters("events", stream, config)} AS _filtered FROM (
            SELECT * REPLACE ({initiator} AS initiator, {resource} AS resource),
                {row_id(source, name, "coalesce(activity, '')")} AS event_id, {literal(source)} AS source,
                {literal(name)} AS stream, {order} AS source_order
            FROM ({candidates}))"""


def _candidates(records: str, place: int, event: Event, stream: Stream, zone: str | None, kept: Sequence[str]) -> str:
    texts = {"activity": event.activity} | {name: getattr(event, name) or getattr(stream, name) for name in COLUMNS}
    numbers = {name: getattr(event, name) or getattr(stream, name) for name in NUMBERS}
    items = [f"{value_sql(rules)} AS {name}" for name, rules in texts.items()]
    items += [f"{_number(rules)} AS {name}" for name, rules in numbers.items()]
    items += [f"{_lost(rules, name)} AS {identifier(f'_lost:{name}')}" for name, rules in (texts | numbers).items()]
    items += [f"{column(field)} AS {identifier(f'o:{field}')}" for field in stream.order]
    items += kept
    items += [identifier(f"id:{name}") for name in stream.identifiers]
    required = event.required or stream.required
    missing = "".join(f" WHEN {name} IS NULL THEN {literal(f'{name}: missing')}" for name in required)
    timed = _timed(
        f"SELECT * FROM {records} WHERE {PROBLEM} IS NULL AND {when_sql(event.when, event.present)}",
        event.time or stream.time,
        zone,
    )
    return f"""
        SELECT *, CASE WHEN _key IS NULL THEN 'key: missing'
            WHEN "_lost:activity" THEN 'activity: a text the connector does not know'
            WHEN activity IS NULL THEN 'activity: missing'
            WHEN time_text IS NULL THEN 'time: missing'
            WHEN timestamp IS NULL THEN 'time: unreadable, without zone or outside 1990-2100'{missing} END AS _reason
        FROM (SELECT {FILE}, {LINE}, _key, _agent, {place} AS _rule, {", ".join(TIME_COLUMNS)}, {", ".join(items)}
            FROM ({timed}))"""


def _timed(query: str, time: Time | None, zone: str | None, prefix: str = "") -> str:
    """Return a query of records with the columns, each with the prefix, of `TIME_COLUMNS`."""
    names = {name: f"{prefix}{name}" for name in TIME_COLUMNS}
    if time is None:
        items = ", ".join(f"CAST(NULL AS {kind}) AS {names[name]}" for name, kind in TIME_COLUMNS.items())
        return f"SELECT *, {items} FROM ({query})"
    written = origin_sql(time.field, time.join)
    clock, fold = f"_{prefix}t_", f"_{prefix}t_fold"
    known = value_sql([time.fold_by]) if time.fold_by else "CAST(NULL AS VARCHAR)"
    base = f"SELECT *, {written} AS {names['time_text']}, {known} AS {fold} FROM ({query})"
    read = with_instant(base, time, names["time_text"], zone=zone, fold=fold, prefix=clock)
    needs = time.zone == "source" and zone is None and time.form in {"iso", "pattern"}
    undeclared = f"coalesce({clock}bare AND {clock}wall IS NOT NULL, false)" if needs else "false"
    there = f"{clock}instant IS NOT NULL"
    return f"""
        SELECT * EXCLUDE ({clock}instant, {clock}rule, {clock}exact, {fold}),
            timezone('UTC', {clock}instant) AS {names["timestamp"]},
            CASE WHEN {there} THEN {clock}rule END AS {names["time_rule"]},
            CASE WHEN {there} THEN {clock}exact END AS {names["granularity"]},
            {undeclared} AS {names["_undeclared"]} FROM ({read})"""


def _number(rules: Sequence[NumberValue]) -> str:
    parts = [f"{number_sql(value_sql([rule]))} * {SECONDS[rule.unit]!r}" for rule in rules]
    return f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS DOUBLE)"


def _lost(rules: Sequence[Value], name: str) -> str:
    if not rules:
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


def identifiers_sql(candidates: str, kinds: Mapping[str, str]) -> str:
    """Return a query of the identifiers of candidates, as texts: event_id, timestamp, name, kind, text."""
    parts = [
        f"SELECT event_id, source, timestamp, {literal(kind)} AS kind, {identifier(f'id:{name}')} AS text "
        f"FROM {candidates} WHERE {identifier(f'id:{name}')} IS NOT NULL"
        for name, kind in kinds.items()
    ]
    return " UNION ALL ".join(parts)


def record_rows_sql(
    records: str, source: str, name: str, stream: Stream, config: SourceConfig, zone: str | None
) -> str:
    """Return the query of records that carry identifiers but are no events, as candidates."""
    items = [identifier(f"id:{one}") for one in stream.identifiers] + _filtered_fields("records", stream, config)
    timed = _timed(f"SELECT * FROM {records} WHERE {PROBLEM} IS NULL", stream.time, zone)
    return f"""
        SELECT {row_id(source, name, "''")} AS event_id, {literal(source)} AS source, *,
            {_filters("records", stream, config)} AS _filtered,
            CASE WHEN _key IS NULL THEN 'key: missing' END AS _reason
        FROM (SELECT {FILE}, {LINE}, _key, {literal(name)} AS stream, {", ".join([*items, *TIME_COLUMNS])}
            FROM ({timed}))"""


def surveys_sql(
    records: str, source: str, name: str, stream: Stream, survey: Survey, config: SourceConfig, zone: str | None
) -> str:
    """Return the query of all candidates of survey answers, with ``_reason`` and ``_filtered`` as in `events_sql`."""
    texts = {name: getattr(survey, name) for name in ("metric", "direction", "level")}
    numbers = {name: getattr(survey, name) for name in ("value", "scale_min", "scale_max")}
    items = [f"{value_sql(rules)} AS {name}" for name, rules in texts.items()]
    items += [f"{_number(rules)} AS {name}" for name, rules in numbers.items()]
    items += [f"{_lost(rules, name)} AS {identifier(f'_lost:{name}')}" for name, rules in (texts | numbers).items()]
    items += [f"{text_sql(survey.value)} AS _answer"]
    items += [identifier(f"id:{one}") for one in stream.identifiers]
    items += [f"{literal(name)} AS stream", *_filtered_fields("surveys", stream, config)]
    times = ("sent_at_", "answered_at_")
    items += [f"{prefix}{name}" for prefix in times for name in TIME_COLUMNS]
    timed = f"SELECT * FROM {records} WHERE {PROBLEM} IS NULL AND {when_sql(survey.when, survey.present)}"
    for prefix in times:
        timed = _timed(timed, getattr(survey, prefix.removesuffix("_")), zone, prefix)
    unreadable = " OR ".join(
        f"({p}_time_text IS NOT NULL AND {p}_timestamp IS NULL)" for p in ("sent_at", "answered_at")
    )
    # Of these two metrics more is better, whether or not an answer says so.
    direction = "coalesce(direction, CASE WHEN metric IN ('nps', 'csat') THEN 'higher_is_better' END)"
    judged = f"""
        SELECT {row_id(source, name, "''")} AS survey_id, {row_id(source, name, "''")} AS event_id,
            {literal(source)} AS source, * REPLACE ({direction} AS direction),
            sent_at_timestamp AS sent_at, answered_at_timestamp AS answered_at,
            coalesce(answered_at_timestamp, sent_at_timestamp) AS timestamp,
            sent_at__undeclared OR answered_at__undeclared AS _undeclared,
            CASE WHEN _key IS NULL THEN 'key: missing'
            WHEN metric IS NULL THEN 'metric: missing or unknown'
            WHEN "_lost:direction" THEN 'direction: a text the connector does not know'
            WHEN metric = 'ces' AND direction IS NULL THEN 'direction: missing, and effort is asked both ways'
            WHEN "_lost:value" THEN 'value: no number'
            WHEN value IS NOT NULL AND (scale_min IS NULL OR scale_max IS NULL OR scale_min >= scale_max)
                THEN 'scale: missing or no range'
            WHEN value < scale_min OR value > scale_max THEN 'value: outside its scale'
            WHEN {unreadable} THEN 'time: unreadable, without zone or outside 1990-2100' END AS _reason
        FROM (SELECT {FILE}, {LINE}, _key, {", ".join(items)} FROM ({timed}))"""
    return f"SELECT *, {_filters('surveys', stream, config)} AS _filtered FROM ({judged})"
