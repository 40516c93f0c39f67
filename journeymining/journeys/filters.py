"""Which journeys are looked at: one small language for the command line and for Python."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from journeymining.database import connect
from journeymining.exceptions import EmptyLogError, InputError, UsageError, did_you_mean
from journeymining.journeys.cutting import EVENT_ORDER
from journeymining.journeys.touchpoints import sql_name, sql_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

SYNTAX = {
    "begun": "begun 2026-01-01 .. 2026-04-01",
    "channel": "channel web, app",
    "attribute": "attribute status=failed",
    "contains": "contains order_placed, complaint",
    "reaches": "reaches modem_active, order_cancelled",
    "follows": "follows order_placed, confirmation",
    "starts with": "starts with offer_viewed",
    "ends with": "ends with modem_active",
    "variants": "variants 80%",
}
"""Every filter, by example. ``not`` in front turns all but ``variants`` around."""


@dataclass(frozen=True)
class Filter:
    """One condition on journeys.

    Attributes
    ----------
    condition : str
        SQL over the events of one journey; for ``variants`` empty.
    sentence : str
        What the journeys do, to be read after "journeys that".
    activities, channels, column :
        What the log must have, so that a misspelt name is found.
    coverage : float, optional
        For ``variants``: the share of journeys to keep, in percent.
    """

    condition: str
    sentence: str
    activities: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    column: str | None = None
    coverage: float | None = None


@dataclass(frozen=True)
class Scope:
    """How much of a log is looked at.

    Examples
    --------
    >>> Scope("contain complaint", journeys=12, all_journeys=40, events=90, all_events=300).sentence
    '12 of 40 journeys (30.0 %) with 90 of 300 events: journeys that contain complaint.'
    """

    condition: str
    journeys: int
    all_journeys: int
    events: int
    all_events: int

    @property
    def sentence(self) -> str:
        """The scope in plain English, with counts."""
        if not self.condition:
            return f"All {self.all_journeys:,} journeys with {self.all_events:,} events."
        share = f"{self.journeys / self.all_journeys:.1%}".replace("%", " %")
        return (
            f"{self.journeys:,} of {self.all_journeys:,} journeys ({share}) with {self.events:,} of "
            f"{self.all_events:,} events: journeys that {self.condition}."
        )


def parse_filter(text: str) -> Filter:
    """Read one filter.

    ==================  ==============================================================================================
    ``begun A .. B``    the first event is at A or later and before B; days in UTC; one of the two may be left out
    ``channel``         an event is in one of the channels
    ``attribute c=v``   an event has this value in the column
    ``contains``        all of the activities occur
    ``reaches``         at least one of the activities occurs
    ``follows a, b``    after an a there is a b, at once or later
    ``starts with``     the first event is one of the activities
    ``ends with``       the last event is one of the activities
    ``variants 80%``    the most frequent paths that together hold at least this share of the journeys that the other
                        filters leave; equally frequent paths in alphabetical order
    ==================  ==============================================================================================

    Raises
    ------
    UsageError
        When it is none of these, or what follows cannot be meant.

    Examples
    --------
    >>> parse_filter("not contains complaint, refund").sentence
    'do not contain complaint and refund'
    """
    words = " ".join(text.split())
    negated = words.startswith("not ")
    body = words.removeprefix("not ")
    name = next((name for name in SYNTAX if body == name or body.startswith(name + " ")), None)
    if name is None:
        first = " ".join(body.split()[:2])
        allowed = "; ".join(SYNTAX.values())
        raise UsageError(f"filter '{text}': unknown.{did_you_mean(first, SYNTAX)} Write it like one of: {allowed}.")
    rest = body[len(name) :].strip()
    if name == "variants":
        if negated:
            raise UsageError(f"filter '{text}': variants cannot be turned around.")
        return _variants(text, rest)
    found = _begun(text, rest) if name == "begun" else _of_names(text, name, rest)
    if not negated:
        return found
    return Filter(
        f"NOT coalesce({found.condition}, false)",
        f"do not {found.sentence}",
        activities=found.activities,
        channels=found.channels,
        column=found.column,
    )


def filter_log(log: pa.Table | str | Path, filters: Sequence[str]) -> tuple[pa.Table, Scope]:
    """Keep the journeys that meet all filters, whole.

    Parameters
    ----------
    log : pa.Table or path of Parquet, one row per event
        An event log, see `journeymining.eventlog.schema`.
    filters : texts
        See `parse_filter`.

    Returns
    -------
    pa.Table
        The rows of the journeys that are left, sorted by journey and in the order of events.
    Scope
        How much that is, and a sentence that says so.

    Raises
    ------
    UsageError
        When a filter cannot be read, or names an activity or channel that no event has.
    InputError
        When a filter names a column the log does not have.
    EmptyLogError
        When no journey is left.
    """
    parsed = [parse_filter(text) for text in filters]
    with connect() as connection:
        added = _keep(connection, log, parsed)
        exclude = f" EXCLUDE ({', '.join(added)})" if added else ""
        rows = connection.sql(
            f"SELECT *{exclude} FROM events SEMI JOIN kept USING (journey_id) ORDER BY journey_id, {EVENT_ORDER}"
        ).to_arrow_table()
        return rows, _scope(connection, parsed)


def find_journeys(log: pa.Table | str | Path, filters: Sequence[str]) -> tuple[list[str], Scope]:
    """Return the ids of the journeys that meet all filters, in alphabetical order, and how much of the log they are.

    Parameters and errors as of `filter_log`; of a file only what the filters need is read.
    """
    parsed = [parse_filter(text) for text in filters]
    with connect() as connection:
        _keep(connection, log, parsed)
        found = connection.execute("SELECT journey_id FROM kept ORDER BY journey_id").fetchall()
        return [row[0] for row in found], _scope(connection, parsed)


def _keep(connection: duckdb.DuckDBPyConnection, log: pa.Table | str | Path, filters: Sequence[Filter]) -> list[str]:
    """Leave a view ``events`` and a table ``kept`` of journeys; return the columns that the log does not have."""
    if isinstance(log, pa.Table):
        connection.register("given", log)
    elif Path(log).exists():
        connection.execute(f"CREATE VIEW given AS SELECT * FROM read_parquet({sql_text(str(log))})")
    else:
        raise InputError(f"{log}: no such file.")
    columns = [row[0] for row in connection.execute("DESCRIBE given").fetchall()]
    _check_names(connection, filters, columns)
    added = [name for name in ("source_order", "channel") if name not in columns]
    nulls = "".join(f", NULL AS {name}" for name in added)
    connection.execute(f"CREATE VIEW events AS SELECT *{nulls} FROM given")
    connection.execute(_kept_journeys(filters))
    return added


def _scope(connection: duckdb.DuckDBPyConnection, filters: Sequence[Filter]) -> Scope:
    """Say how much the table ``kept`` is; nothing is an error."""
    all_journeys, all_events = _row(connection, "SELECT count(DISTINCT journey_id), count(*) FROM events")
    query = "SELECT count(DISTINCT journey_id), count(*) FROM events SEMI JOIN kept USING (journey_id)"
    journeys, events = _row(connection, query)
    condition = ", and ".join(one.sentence for one in sorted(filters, key=lambda one: one.coverage is not None))
    scope = Scope(condition, journeys, all_journeys, events, all_events)
    if not journeys:
        raise EmptyLogError(f"no journey is left: {scope.sentence}" if filters else "the log has no events.")
    return scope


def _kept_journeys(filters: Sequence[Filter]) -> str:
    """Write the SQL of a table ``kept`` (journey_id)."""
    conditions = [f"coalesce({one.condition}, false)" for one in filters if one.coverage is None]
    coverages = [one.coverage for one in filters if one.coverage is not None]
    enough = f"covered_before * 100 < {min(coverages)} * journeys" if coverages else "true"
    return f"""
    CREATE TABLE kept AS
    WITH placed AS (
        SELECT *, row_number() OVER ordered AS place, lead(event_id) OVER ordered IS NULL AS is_last
        FROM events WINDOW ordered AS (PARTITION BY journey_id ORDER BY {EVENT_ORDER})
    ), left_over AS (
        SELECT journey_id, string_agg(activity, chr(31) ORDER BY place) AS path
        FROM placed GROUP BY journey_id HAVING {" AND ".join(conditions) or "true"}
    ), paths AS (
        SELECT path, count(*) AS often FROM left_over GROUP BY path
    ), covered AS (
        -- A path is needed as long as the more frequent ones do not cover enough.
        SELECT path, sum(often) OVER () AS journeys,
            coalesce(sum(often) OVER (ORDER BY often DESC, path ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                AS covered_before
        FROM paths
    )
    SELECT journey_id FROM left_over JOIN covered USING (path) WHERE {enough}
    """


def _row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row: tuple[int, ...] = connection.execute(query).fetchall()[0]
    return row


def _check_names(connection: duckdb.DuckDBPyConnection, filters: Sequence[Filter], columns: Sequence[str]) -> None:
    """Find misspelt names: a filter on them would leave nothing, or everything, without a word."""
    for column in ("journey_id", "event_id", "activity", "timestamp", *(one.column for one in filters if one.column)):
        if column not in columns:
            raise InputError.missing_column(column, columns, where="event log")
    for column, wanted in (
        ("activity", [name for one in filters for name in one.activities]),
        ("channel", [name for one in filters for name in one.channels]),
    ):
        if wanted:
            query = f"SELECT DISTINCT {column} FROM given WHERE {column} IS NOT NULL ORDER BY ALL"
            known = [row[0] for row in connection.execute(query).fetchall()] if column in columns else []
            for name in wanted:
                if name not in known:
                    raise UsageError(f"filter: no event has the {column} '{name}'.{did_you_mean(name, known)}")


def _of_names(text: str, name: str, rest: str) -> Filter:
    if name == "attribute":
        column, equals, value = (part.strip() for part in rest.partition("="))
        if not (column and equals):
            raise UsageError(f"filter '{text}': no column and value. Write it like: {SYNTAX[name]}.")
        condition = f"bool_or({sql_name(column)}::VARCHAR = {sql_text(value)})"
        return Filter(condition, f"have an event with {column} {value}", column=column)
    names = tuple(part.strip() for part in rest.split(","))
    if not all(names):
        raise UsageError(f"filter '{text}': a name is missing. Write it like: {SYNTAX[name]}.")
    listed = f"({', '.join(sql_text(one) for one in names)})"
    either, both = " or ".join(names), " and ".join(names)
    if name == "channel":
        return Filter(f"bool_or(channel IN {listed})", f"have an event by {either}", channels=names)
    if name == "follows":
        if len(names) != 2:
            raise UsageError(f"filter '{text}': two activities are needed. Write it like: {SYNTAX[name]}.")
        first, last = (sql_text(one) for one in names)
        condition = f"min(place) FILTER (activity = {first}) < max(place) FILTER (activity = {last})"
        return Filter(condition, f"have {names[1]} some time after {names[0]}", activities=names)
    conditions = {
        "contains": (" AND ".join(f"bool_or(activity = {sql_text(one)})" for one in names), f"contain {both}"),
        "reaches": (f"bool_or(activity IN {listed})", f"reach {either}"),
        "starts with": (f"bool_or(place = 1 AND activity IN {listed})", f"start with {either}"),
        "ends with": (f"bool_or(is_last AND activity IN {listed})", f"end with {either}"),
    }
    condition, sentence = conditions[name]
    return Filter(f"({condition})", sentence, activities=names)


def _begun(text: str, rest: str) -> Filter:
    parts = [part.strip() for part in rest.split("..")]
    if len(parts) != 2 or not any(parts):
        raise UsageError(f"filter '{text}': not a range of times. Write it like: {SYNTAX['begun']}.")
    conditions, sentences = [], []
    for part, sign, word in zip(parts, (">=", "<"), ("on or after", "before"), strict=True):
        if part:
            moment = _moment(text, part)
            micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
            conditions.append(f"epoch_us(min(timestamp)) {sign} {micros}")
            sentences.append(f"{word} {part}")
    return Filter(f"({' AND '.join(conditions)})", f"begin {' and '.join(sentences)}")


def _moment(text: str, part: str) -> datetime:
    try:
        moment = datetime.fromisoformat(part)
    except ValueError:
        raise UsageError(f"filter '{text}': '{part}' is not a date or time such as 2026-01-31T12:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _variants(text: str, rest: str) -> Filter:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", rest)
    if not match or not 0 < float(match[1]) <= 100:
        raise UsageError(f"filter '{text}': not a share above 0% up to 100%. Write it like: {SYNTAX['variants']}.")
    sentence = f"follow the most frequent paths, which cover {match[1]} %"
    return Filter("", sentence, coverage=float(match[1]))
