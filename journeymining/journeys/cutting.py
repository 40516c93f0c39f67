"""Where one journey of a customer ends and the next begins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journeymining.database import connect
from journeymining.durations import Duration, write_duration
from journeymining.exceptions import EmptyLogError, InputError
from journeymining.journeys.touchpoints import sql_name, sql_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    import pandas as pd
    import pyarrow as pa

Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]

EVENT_ORDER = "timestamp, source_order NULLS LAST, event_id"
"""The order of a customer's events, as everywhere: see `journeymining.eventlog.schema.ORDER`."""


class CutConfig(BaseModel):
    """What separates journeys of one customer; without any of these, all a customer does is one journey."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gap: Duration | None = None
    """A silence longer than this ends a journey."""
    start: Names = ()
    """Activities that always begin a journey."""
    end: Names = ()
    """Activities that always end a journey."""
    goal: Names = ()
    """Activities that say that a journey reached what it was for; they do not cut."""

    @model_validator(mode="after")
    def _is_possible(self) -> CutConfig:
        if self.gap is not None and not self.gap:
            raise ValueError("a gap of nothing would cut between all events; leave 'gap' out or make it longer")
        if both := sorted(set(self.start) & set(self.end)):
            raise ValueError(f"'{both[0]}' is a start and an end: an activity can only be one of them")
        return self


class JourneyConfig(BaseModel):
    """The `journeys:` section of a job.

    Examples
    --------
    >>> config = JourneyConfig.model_validate({"cut": {"gap": "30 days", "end": "modem_active"}})
    >>> config.by, config.cut.end
    ('customer', ('modem_active',))
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str = Field(default="customer", min_length=1)
    """``customer``, or the column whose value names a case; within it `cut` works as within a customer."""
    cut: CutConfig = CutConfig()


def cut_query(config: JourneyConfig, relation: str) -> str:
    """Write the SQL that adds ``journey_id``, ``begun_by`` and ``is_last`` to the events of a relation.

    Events are taken per customer, or per customer and case column, in the order of time, then source order (events
    without one last), then event id. An event begins a new journey, and ``begun_by`` says the first reason that holds:

    ``first``
        it is the first event;
    ``end``
        the event before it is an end activity;
    ``start``
        it is itself a start activity (a second start right after a first begins a journey again);
    ``gap``
        the event before it is longer ago than the gap; exactly the gap is not longer.

    Of events with the same timestamp those after an end in that order belong to the next journey. ``begun_by`` is null
    on all other events; ``is_last`` says that none follows. ``journey_id`` is a hash of the customer and the
    first event of the journey.
    """
    case = "" if config.by == "customer" else f", {sql_name(config.by)}"
    cut = config.cut
    gap = f"epoch_us(timestamp) - epoch_us(previous_time) > {_microseconds(cut.gap)}" if cut.gap else "false"
    return f"""
    WITH neighbours AS (
        SELECT *, lag(timestamp) OVER ordered AS previous_time, lag(activity) OVER ordered AS previous_activity,
            lead(timestamp) OVER ordered IS NULL AS is_last
        FROM {relation} WINDOW ordered AS (PARTITION BY customer_id{case} ORDER BY {EVENT_ORDER})
    ), beginnings AS (
        SELECT * EXCLUDE (previous_time, previous_activity), CASE
            WHEN previous_time IS NULL THEN 'first'
            WHEN {_is_one_of("previous_activity", cut.end)} THEN 'end'
            WHEN {_is_one_of("activity", cut.start)} THEN 'start'
            WHEN {gap} THEN 'gap' END AS begun_by
        FROM neighbours
    )
    SELECT *, md5(customer_id || ':' || last_value(CASE WHEN begun_by IS NOT NULL THEN event_id END IGNORE NULLS) OVER (
        PARTITION BY customer_id{case} ORDER BY {EVENT_ORDER} ROWS UNBOUNDED PRECEDING)) AS journey_id
    FROM beginnings
    """


def outlines_query(config: JourneyConfig, relation: str) -> str:
    """Write the SQL for what is known of every journey of a relation that `cut_query` made, whatever the observation.

    One row per journey: journey_id, customer_id, ``first_time``, ``last_time``, ``is_last`` and ``is_first`` (of its
    customer or case), ``started`` and ``ended`` (it has a start, an end activity), ``reached_goal`` (null when the job
    names none) and ``begun_by``, see `cut_query`.
    """
    cut = config.cut
    return f"""
    SELECT journey_id, any_value(customer_id) AS customer_id,
        min(timestamp) AS first_time, max(timestamp) AS last_time,
        any_value(begun_by) = 'first' AS is_first, bool_or(is_last) AS is_last,
        bool_or({_is_one_of("activity", cut.start)}) AS started, bool_or({_is_one_of("activity", cut.end)}) AS ended,
        {f"bool_or({_is_one_of('activity', cut.goal)})" if cut.goal else "NULL::BOOLEAN"} AS reached_goal,
        any_value(begun_by) AS begun_by
    FROM {relation} GROUP BY journey_id
    """


def journeys_query(config: JourneyConfig, outlines: str, observed: str) -> str:
    """Write the SQL for one row per journey, from a relation that `outlines_query` made.

    ``observed`` is a relation of one row with ``observed_from`` and ``observed_until``. Columns: journey_id,
    customer_id, and

    ``open``
        no end activity was reached, and the journey may go on: it is the last of its customer (or case), and its last
        event is at most the gap before the end of observation (without a gap: whenever that was).
    ``left_truncated``
        the beginning may lie before the observation: it is the first of its customer (or case), does not begin with
        a start activity, and its first event is at most the gap after the beginning of observation. False without a
        gap: nothing then tells.
    ``reached_goal``
        it has a goal activity; null when the job names none.
    ``begun_by``
        see `cut_query`.
    """
    gap = _microseconds(config.cut.gap) if config.cut.gap else None
    near_end = f"epoch_us(observed_until) - epoch_us(last_time) <= {gap}" if gap else "true"
    near_start = f"epoch_us(first_time) - epoch_us(observed_from) <= {gap}" if gap else "false"
    return f"""
    SELECT journey_id, customer_id, NOT ended AND is_last AND {near_end} AS open,
        is_first AND NOT started AND {near_start} AS left_truncated, reached_goal, begun_by
    FROM {outlines}, {observed}
    """


def cut_journeys(events: pa.Table, config: JourneyConfig) -> tuple[pa.Table, pa.Table]:
    """Cut the events of customers into journeys.

    Parameters
    ----------
    events : pa.Table, one row per event
        customer_id, event_id, activity, timestamp; source_order where there is one; the case column of ``config.by``.
        A ``journey_id`` that is there is replaced.
    config : JourneyConfig

    Returns
    -------
    events : pa.Table
        The same rows with ``journey_id``, sorted by journey and in the order of `cut_query`. Events without a case
        (null in the case column) are left out.
    journeys : pa.Table, one row per journey, sorted by journey_id
        See `journeys_query`; observed is what the events span.

    Raises
    ------
    InputError
        When a column is missing.
    """
    case = [config.by] if config.by != "customer" else []
    for column in ("customer_id", "event_id", "activity", "timestamp", *case):
        if column not in events.column_names:
            raise InputError.missing_column(column, events.column_names, where="events")
    with connect() as connection:
        connection.register("given", events)
        kept = "* EXCLUDE (journey_id)" if "journey_id" in events.column_names else "*"
        order = "" if "source_order" in events.column_names else ", NULL::BIGINT AS source_order"
        has_case = f"{sql_name(config.by)} IS NOT NULL" if case else "true"
        connection.execute(f"CREATE VIEW events AS SELECT {kept}{order} FROM given WHERE {has_case}")
        span = "min(timestamp) AS observed_from, max(timestamp) AS observed_until"
        connection.execute(f"CREATE VIEW observed AS SELECT {span} FROM given")
        connection.execute(f"CREATE TABLE cut AS {cut_query(config, 'events')}")
        extra = "begun_by, is_last" + (", source_order" if order else "")
        rows = connection.sql(f"SELECT * EXCLUDE ({extra}) FROM cut ORDER BY journey_id, {EVENT_ORDER}")
        connection.execute(f"CREATE VIEW outlines AS {outlines_query(config, 'cut')}")
        journeys = connection.sql(f"{journeys_query(config, 'outlines', 'observed')} ORDER BY journey_id")
        return rows.to_arrow_table(), journeys.to_arrow_table()


def gap_sensitivity(
    events: pa.Table | str | Path,
    gaps: Sequence[timedelta],
    config: JourneyConfig | None = None,
    *,
    observed: tuple[datetime, datetime] | None = None,
) -> pd.DataFrame:
    """Show how much depends on the gap: cut the same events with each of several gaps.

    Parameters
    ----------
    events : pa.Table or path of Parquet
        As in `cut_journeys`.
    gaps : durations
    config : JourneyConfig, optional
        The other rules of the cut.
    observed : pair of moments, default what the events span
        Between which events were observed at all.

    Returns
    -------
    DataFrame, one row per gap in the order given
        ``gap`` (text), ``journeys``, ``median_events``, ``open`` (journeys), ``share_open``, ``left_truncated``
        (journeys), ``reached_goal`` (share, missing without a goal) and ``chosen`` (whether it is the gap of the
        config).

    Raises
    ------
    EmptyLogError
        Without any event there is nothing to compare.
    """
    import pandas as pd

    config = config or JourneyConfig()
    case = [config.by] if config.by != "customer" else []
    rows = []
    with connect() as connection:
        if isinstance(events, str | Path):
            connection.execute(f"CREATE VIEW given AS SELECT * FROM read_parquet({sql_text(str(events))})")
        else:
            connection.register("given", events)
        columns = [row[0] for row in connection.execute("DESCRIBE given").fetchall()]
        order = "source_order" if "source_order" in columns else "NULL::BIGINT AS source_order"
        needed = ", ".join(["customer_id", "event_id", "activity", "timestamp", order, *map(sql_name, case)])
        has_case = f"{sql_name(config.by)} IS NOT NULL" if case else "true"
        connection.execute(f"CREATE VIEW events AS SELECT {needed} FROM given WHERE {has_case}")
        span = "min(timestamp) AS observed_from, max(timestamp) AS observed_until"
        connection.execute(f"CREATE TABLE observed AS SELECT {span} FROM given")
        if observed is not None:
            connection.execute("UPDATE observed SET observed_from = ?, observed_until = ?", list(observed))
        if connection.execute("SELECT observed_from IS NULL FROM observed").fetchall()[0][0]:
            raise EmptyLogError("events: no rows, so there are no gaps to compare.")
        for gap in gaps:
            with_gap = config.model_copy(update={"cut": config.cut.model_copy(update={"gap": gap})})
            connection.execute(f"CREATE OR REPLACE TABLE cut AS {cut_query(with_gap, 'events')}")
            connection.execute(f"CREATE OR REPLACE TABLE outlines AS {outlines_query(with_gap, 'cut')}")
            found = connection.execute(
                f"""
                SELECT count(*), (SELECT median(n) FROM (SELECT count(*) AS n FROM cut GROUP BY journey_id)),
                    count(*) FILTER (open), count(*) FILTER (open) / count(*), count(*) FILTER (left_truncated),
                    avg(reached_goal::DOUBLE)
                FROM ({journeys_query(with_gap, "outlines", "observed")})
                """
            ).fetchall()[0]
            rows.append((write_duration(gap), *found, gap == config.cut.gap))
    frame = pd.DataFrame(rows, columns=list(GAP_COLUMNS))
    return frame.astype({"reached_goal": "float64"})


GAP_COLUMNS = (
    "gap", "journeys", "median_events", "open", "share_open", "left_truncated", "reached_goal", "chosen",
)  # fmt: skip


def gaps_around(gap: timedelta) -> list[timedelta]:
    """Return the gaps to compare a gap with: a quarter, half, the gap itself, twice and four times.

    Examples
    --------
    >>> from datetime import timedelta
    >>> [write_duration(one) for one in gaps_around(timedelta(days=30))]
    ['180 hours', '15 days', '30 days', '60 days', '120 days']
    """
    return [gap / 4, gap / 2, gap, 2 * gap, 4 * gap]


def _is_one_of(column: str, names: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(sql_text(name) for name in names)})" if names else "false"


def _microseconds(gap: timedelta) -> int:
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds
