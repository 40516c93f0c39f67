"""Source events become the event log of a job: touchpoint rules, phases, customers, journeys."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from journeymining.database import connect
from journeymining.eventlog.schema import OPTIONAL, REQUIRED
from journeymining.exceptions import EmptyLogError, InputError, did_you_mean
from journeymining.journeys.cutting import EVENT_ORDER, JourneyConfig, cut_query, journeys_query, outlines_query
from journeymining.journeys.phases import phase_of_activity
from journeymining.journeys.recutting import (
    CHANGED,
    OUTLINES,
    PRINTS,
    LastCut,
    mark_changed,
    settings_digest,
    version_of,
)
from journeymining.journeys.touchpoints import (
    TouchpointConfig,
    matching_rule,
    rule_results,
    sql_name,
    sql_text,
    touchpoint_counts,
)
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

logger = logging.getLogger(__name__)

READ = {
    "stream": "VARCHAR",
    "channel": "VARCHAR",
    "topic": "VARCHAR",
    "status": "VARCHAR",
    "source_order": "BIGINT",
}
"""Columns that rules and order read; a source without them has them as nulls."""

NEEDED = ("event_id", "source", "activity", "timestamp")


def make_event_log(
    source_events: pa.Table | str | Path,
    customers: pa.Table | str | Path,
    touchpoints: TouchpointConfig | None = None,
    phases: Mapping[str, Sequence[str]] | None = None,
    journeys: JourneyConfig | None = None,
    *,
    out: str | Path,
    last: str | Path | None = None,
    memory_limit: str | None = None,
) -> dict[str, Any]:
    """Write ``events.parquet`` and ``journeys.parquet`` of a job into a folder.

    Parameters
    ----------
    source_events : pa.Table or path of Parquet, one row per event
        event_id, source, activity, timestamp, and what else ingest writes. All columns are kept.
    customers : pa.Table or path of Parquet, one row per record
        source, event_id, customer_id: `Stitching.events`. Records that are no events are ignored.
    touchpoints, phases, journeys : the sections of the job
    out : folder
        Both files are written under a temporary name and then moved; what was there is replaced.
    last : folder, optional
        Where notes for the next cut are kept: customers whose source events and settings are those of the cut that
        noted them there keep their rows, see `journeymining.journeys.recutting`. The result is the same without.
    memory_limit : str, optional
        What DuckDB may use, such as ``2GB``; beyond it goes to disk, beside the result.

    Returns
    -------
    dict
        ``events_in`` = ``events`` + the sum of ``left_out``: by reason ``dropped_by_rule``, ``unmatched``,
        ``without_time``, ``without_case``. ``journeys``, ``open``, ``left_truncated``, ``customers``,
        ``begun_by``; ``touchpoints``: see `touchpoint_counts`; ``phases``: events per phase, and ``none``;
        ``never_seen``: activities that phases or the cut name but no event has, with the closest name that occurs;
        ``observed_from``, ``observed_until`` (ISO 8601, UTC): what the source events span. ``cut_again``:
        how many ``customers`` with source events were cut again, ``of`` how many; all without ``last``.

    Raises
    ------
    InputError
        When a column is missing, or an event has no customer.
    EmptyLogError
        When no event is left.

    Notes
    -----
    ``events.parquet`` has the columns of `journeymining.eventlog.schema`, then the other columns of the source events;
    sorted by journey, time, source order (nulls last), event id. ``journeys.parquet``: see `journeys_query`.
    """
    touchpoints, phases, journeys = touchpoints or TouchpointConfig(), phases or {}, journeys or JourneyConfig()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".cutting-") as work,
        connect(Path(work) / "work.duckdb") as connection,
    ):
        # Order is restored by the final sort; keeping it before would only cost memory.
        connection.execute("SET preserve_insertion_order = false")
        if memory_limit:
            connection.execute("SET memory_limit = ?", [memory_limit])
        columns = _open(connection, source_events, customers, journeys)
        counts = _count(connection, touchpoints)
        settings = settings_digest(touchpoints.model_dump(), phases, journeys.model_dump(), columns=columns)
        notes = LastCut(Path(last or work) / "cut", folder / "events.parquet", folder / "journeys.parquet")
        state = notes.state()
        is_usable = state.get("settings") == settings
        mark_changed(connection, notes if is_usable else None)
        _mark(connection, touchpoints, phases, journeys, columns)
        _join_what_stays(connection, notes if is_usable else None, journeys)
        counts |= _coverage(connection, counts)
        version = version_of(connection, settings)
        notes.forget()
        with (
            whole_file(notes.events, force=True) as events_file,
            whole_file(notes.journeys, force=True) as journeys_file,
            whole_file(notes.folder / CHANGED, force=True) as changed_file,
            whole_file(notes.folder / OUTLINES, force=True) as outlines_file,
            whole_file(notes.folder / PRINTS, force=True) as prints_file,
        ):
            _write(connection, _events_query(connection, columns), events_file)
            _write(connection, f"{journeys_query(journeys, 'outlines', 'observed')} ORDER BY journey_id", journeys_file)
            _write(connection, _changed_query(journeys_file, notes.journeys if is_usable else None), changed_file)
            _write(connection, "FROM outlines ORDER BY journey_id", outlines_file)
            _write(connection, "FROM prints ORDER BY customer_id", prints_file)
            counts |= _summary(connection, events_file, journeys_file, phases, journeys)
        notes.note(settings=settings, version=version, since=state["version"] if is_usable else None)
    logger.info("cut %d events into %d journeys", counts["events"], counts["journeys"])
    return counts


def _open(
    connection: duckdb.DuckDBPyConnection,
    source_events: pa.Table | str | Path,
    customers: pa.Table | str | Path,
    journeys: JourneyConfig,
) -> list[str]:
    """Make both tables known to the connection, with the columns that rules read; return the columns of the events."""
    for name, table in (("given_events", source_events), ("given_customers", customers)):
        if isinstance(table, pa.Table):
            connection.register(name, table)
        elif Path(table).exists():
            connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM read_parquet({sql_text(str(table))})")
        else:
            raise InputError(f"{table}: no such file.")
    columns = [row[0] for row in connection.execute("DESCRIBE given_events").fetchall()]
    for column in (*NEEDED, *([journeys.by] if journeys.by != "customer" else [])):
        if column not in columns:
            raise InputError.missing_column(column, columns, where="source events")
    missing = [f"NULL::{kind} AS {name}" for name, kind in READ.items() if name not in columns]
    connection.execute(f"CREATE TEMP VIEW source_events AS SELECT {', '.join(['*', *missing])} FROM given_events")
    return columns


def _count(connection: duckdb.DuckDBPyConnection, touchpoints: TouchpointConfig) -> dict[str, Any]:
    """Count what every rule matches, and note the span of observation."""
    connection.execute(
        """
        CREATE TEMP TABLE observed AS
            SELECT min(timestamp) AS observed_from, max(timestamp) AS observed_until FROM source_events
        """
    )
    rows = connection.execute(
        f"""
        SELECT {matching_rule(touchpoints)} AS rule, source, activity, count(*), count(timestamp)
        FROM source_events GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    dropping = rule_results(touchpoints)["is_dropped"]
    timed = [(rule, source, activity, with_time) for rule, source, activity, _, with_time in rows]
    return {
        "events_in": sum(row[3] for row in rows),
        "left_out": {
            "dropped_by_rule": sum(row[4] for row in rows if row[0] and dropping[row[0]]),
            "unmatched": sum(row[4] for row in rows if not row[0] and dropping[0]),
            "without_time": sum(row[3] - row[4] for row in rows),
        },
        "touchpoints": touchpoint_counts(touchpoints, timed),
    }


def _mark(
    connection: duckdb.DuckDBPyConnection,
    touchpoints: TouchpointConfig,
    phases: Mapping[str, Sequence[str]],
    journeys: JourneyConfig,
    columns: Sequence[str],
) -> None:
    """Leave a table ``cut``: the events of customers to be cut again, renamed, with phase, customer and journey."""
    results = rule_results(touchpoints)
    kinds = pa.schema([("rule", pa.int64()), ("is_dropped", pa.bool_())])
    texts = pa.schema([(name, pa.string()) for name in results if name not in kinds.names])
    connection.register("rules", pa.table(results, schema=pa.schema([*kinds, *texts])))
    of_activity = phase_of_activity(phases)
    named = pa.table({"name": list(of_activity), "phase": list(of_activity.values())}, schema=_TWO_TEXTS)
    connection.register("activity_phases", named)
    changed = [
        name for name in ("activity", "channel", "status", "phase", "customer_id", "journey_id") if name in columns
    ]
    exclude = ", ".join(dict.fromkeys([*changed, "activity", "channel", "status"]))
    own_phase = "m.phase, " if "phase" in columns else ""
    connection.execute(
        f"""
        CREATE TEMP VIEW touched AS
        WITH matched AS (
            SELECT *, {matching_rule(touchpoints)} AS rule_number FROM source_events WHERE timestamp IS NOT NULL
        )
        SELECT m.* EXCLUDE ({exclude}, rule_number), coalesce(r.new_activity, m.activity) AS activity,
            coalesce(r.new_channel, m.channel) AS channel, coalesce(r.new_status, m.status) AS status,
            coalesce(r.new_phase, {own_phase}p.phase) AS phase, c.customer_id
        FROM matched m JOIN rules r ON r.rule = m.rule_number
        LEFT JOIN activity_phases p ON p.name = coalesce(r.new_activity, m.activity)
        LEFT JOIN given_customers c ON c.source = m.source AND c.event_id = m.event_id
        WHERE NOT r.is_dropped AND (c.customer_id IS NULL OR c.customer_id IN (FROM again))
        """
    )
    has_case = "true" if journeys.by == "customer" else f"{sql_name(journeys.by)} IS NOT NULL"
    connection.execute(f"CREATE TEMP VIEW of_cases AS SELECT * FROM touched WHERE {has_case}")
    connection.execute(f"CREATE TABLE cut AS {cut_query(journeys, 'of_cases')}")


_ISO = "'%Y-%m-%dT%H:%M:%SZ'"
_TWO_TEXTS = pa.schema([("name", pa.string()), ("phase", pa.string())])


def _join_what_stays(connection: duckdb.DuckDBPyConnection, last: LastCut | None, journeys: JourneyConfig) -> None:
    """Leave ``all_events`` and ``outlines``: what was cut now, and what the last cut said of everybody else."""
    if last is None:
        connection.execute("CREATE TEMP VIEW all_events AS FROM cut")
        connection.execute(f"CREATE TEMP TABLE outlines AS {outlines_query(journeys, 'cut')}")
        return
    stays = "WHERE customer_id NOT IN (FROM again)"
    events, outlines = (sql_text(str(path)) for path in (last.events, last.folder / OUTLINES))
    connection.execute(f"CREATE TEMP VIEW all_events AS FROM cut UNION ALL BY NAME FROM read_parquet({events}) {stays}")
    connection.execute(
        f"""
        CREATE TEMP TABLE outlines AS
            {outlines_query(journeys, "cut")} UNION ALL BY NAME FROM read_parquet({outlines}) {stays}
        """
    )


def _changed_query(journeys_file: Path, before: Path | None) -> str:
    """Write the SQL for the journeys that came, went, have other marks, or whose customer was cut again."""
    now = f"read_parquet({sql_text(str(journeys_file))})"
    if before is None:
        return f"SELECT journey_id FROM {now} ORDER BY journey_id"
    then = f"read_parquet({sql_text(str(before))})"
    return f"""
        SELECT journey_id FROM (FROM {now} EXCEPT FROM {then})
        UNION SELECT journey_id FROM (FROM {then} EXCEPT FROM {now})
        UNION SELECT journey_id FROM {now} WHERE customer_id IN (FROM again)
        ORDER BY journey_id
    """


def _coverage(connection: duckdb.DuckDBPyConnection, counts: Mapping[str, Any]) -> dict[str, Any]:
    """Check that every event is accounted for once."""
    events, without_customer = connection.execute(
        "SELECT count(*), count(*) FILTER (customer_id IS NULL) FROM all_events"
    ).fetchall()[0]
    if without_customer:
        raise InputError(f"customers: {without_customer} events have no customer. Stitch the same source events again.")
    left = counts["events_in"] - sum(counts["left_out"].values()) - events
    if left < 0:
        raise InputError(f"customers: {-left} records are in the table more than once. One row per record is needed.")
    if not events:
        reasons = ", ".join(f"{name} {count}" for name, count in {**counts["left_out"], "without_case": left}.items())
        raise EmptyLogError(f"no event is left of {counts['events_in']} source events: {reasons}.")
    return {"events": events, "left_out": {**counts["left_out"], "without_case": left}}


def _events_query(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> str:
    """Write the SQL of the event log: the columns of the schema first, then the others in their order."""
    there = [row[0] for row in connection.execute("DESCRIBE cut").fetchall()]
    types = {"double": "DOUBLE", "int64": "BIGINT", "string": "VARCHAR"}
    known = [
        f"{name}::{types[str(field.type)]} AS {name}" if str(field.type) in types else name
        for field in (*REQUIRED, *OPTIONAL)
        if (name := field.name) in there
    ]
    further = [sql_name(name) for name in columns if name in there and name not in {*REQUIRED.names, *OPTIONAL.names}]
    return f"SELECT {', '.join([*known, *further])} FROM all_events ORDER BY journey_id, {EVENT_ORDER}"


def _write(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    connection.execute(f"COPY ({query}) TO {sql_text(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def _summary(
    connection: duckdb.DuckDBPyConnection,
    events_file: Path,
    journeys_file: Path,
    phases: Mapping[str, Sequence[str]],
    journeys: JourneyConfig,
) -> dict[str, Any]:
    """Count journeys, phases and names that never occur."""
    file, events = sql_text(str(journeys_file)), f"read_parquet({sql_text(str(events_file))})"
    all_journeys, is_open, truncated, customers = connection.execute(
        f"""
        SELECT count(*), count(*) FILTER (open), count(*) FILTER (left_truncated), count(DISTINCT customer_id)
        FROM read_parquet({file})
        """
    ).fetchall()[0]
    begun = connection.execute(
        f"SELECT begun_by, count(*) FROM read_parquet({file}) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    of_phase = connection.execute(
        f"SELECT coalesce(phase, 'none') AS phase, count(*) FROM {events} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    seen = [row[0] for row in connection.execute(f"SELECT DISTINCT activity FROM {events} ORDER BY 1").fetchall()]
    named = [*phase_of_activity(phases), *journeys.cut.start, *journeys.cut.end, *journeys.cut.goal]
    span = connection.execute(
        f"SELECT strftime(observed_from, {_ISO}), strftime(observed_until, {_ISO}) FROM observed"
    ).fetchall()[0]
    again = "count(*) FILTER (customer_id IN (FROM again))"
    cut_again, cut_customers = connection.execute(f"SELECT {again}, count(*) FROM prints").fetchall()[0]
    return {
        "cut_again": {"customers": cut_again, "of": cut_customers},
        "journeys": all_journeys,
        "open": is_open,
        "left_truncated": truncated,
        "customers": customers,
        "begun_by": dict(begun),
        "phases": dict(of_phase),
        "never_seen": {name: did_you_mean(name, seen).strip() for name in dict.fromkeys(named) if name not in seen},
        "observed_from": span[0],
        "observed_until": span[1],
    }
