"""What a record means to the customer: rules of a job that rename, enrich or drop events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import duckdb
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from journeymining.database import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT = ("source", "stream", "activity", "channel", "status")
"""What a rule compares letter by letter; the topic is searched with a regular expression."""


class SetValues(BaseModel):
    """What a rule writes into the events it matches, besides their name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channel: str | None = None
    status: Literal["ok", "failed"] | None = None
    phase: str | None = None


class TouchpointRule(BaseModel):
    """One rule: which events it matches, and what becomes of them.

    Examples
    --------
    >>> TouchpointRule.model_validate({"source": "web", "topic": "^GET /help", "is": "help_page"}).name
    'help_page'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = None
    stream: str | None = None
    activity: str | None = None
    channel: str | None = None
    status: str | None = None
    topic: str | None = None
    name: str | None = Field(default=None, alias="is", min_length=1)
    drop: bool = False
    set: SetValues | None = None

    @field_validator("topic")
    @classmethod
    def _is_regular_expression(cls, topic: str | None) -> str | None:
        if topic is not None:
            try:
                with connect() as database:
                    database.execute("SELECT regexp_matches('', ?)", [topic])
            except duckdb.Error as error:
                reason = str(error).removeprefix("Invalid Input Error: ")
                raise ValueError(f"topic {topic!r} is not a regular expression as RE2 reads them: {reason}") from None
        return topic

    @model_validator(mode="after")
    def _does_one_thing(self) -> TouchpointRule:
        if all(getattr(self, key) is None for key in (*EXACT, "topic")):
            raise ValueError(f"the rule matches every event: give one of {', '.join(EXACT)}, topic; or use 'unmatched'")
        if self.drop and (self.name or self.set):
            raise ValueError("the rule drops its events, so 'is' and 'set' have no meaning: leave out one of them")
        if not self.drop and not self.name and not self.set:
            raise ValueError("the rule does nothing: say 'is: NAME', 'set: {...}' or 'drop: true'")
        return self


class TouchpointConfig(BaseModel):
    """The `touchpoints:` section of a job.

    For each event the first rule of which all keys match counts; what no rule matches keeps its name, or is dropped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[TouchpointRule, ...] = ()
    unmatched: Literal["keep", "drop"] = "keep"


def matching_rule(config: TouchpointConfig) -> str:
    """Compile the rules into one SQL expression: the number of the first rule that matches, from 1; 0 for none.

    The expression reads the columns of ``source_events``. A null value matches no key.

    Examples
    --------
    >>> rule = {"source": "web", "topic": "^GET /help", "is": "help_page"}
    >>> matching_rule(TouchpointConfig.model_validate({"rules": [rule]}))
    "CASE WHEN source = 'web' AND regexp_matches(topic, '^GET /help') THEN 1 ELSE 0 END"
    """
    branches = []
    for number, rule in enumerate(config.rules, start=1):
        tests = [f"{key} = {sql_text(value)}" for key in EXACT if (value := getattr(rule, key)) is not None]
        if rule.topic is not None:
            tests.append(f"regexp_matches(topic, {sql_text(rule.topic)})")
        branches.append(f"WHEN {' AND '.join(tests)} THEN {number}")
    return f"CASE {' '.join(branches)} ELSE 0 END" if branches else "0"


def rule_results(config: TouchpointConfig) -> dict[str, list[Any]]:
    """Return a table, as columns, of what each rule does: rule 0 is what happens to events no rule matches."""
    sets = [rule.set or SetValues() for rule in config.rules]
    return {
        "rule": list(range(len(config.rules) + 1)),
        "is_dropped": [config.unmatched == "drop", *(rule.drop for rule in config.rules)],
        "new_activity": [None, *(rule.name for rule in config.rules)],
        "new_channel": [None, *(one.channel for one in sets)],
        "new_status": [None, *(one.status for one in sets)],
        "new_phase": [None, *(one.phase for one in sets)],
    }


def touchpoint_counts(config: TouchpointConfig, counts: Sequence[tuple[int, str, str, int]]) -> dict[str, Any]:
    """Say how often each rule matched, which never did, and what no rule matched.

    Parameters
    ----------
    counts : rows of rule number, source, activity, events

    Returns
    -------
    dict
        ``rules``: rule (from 1), is (the new name, None where it stays), dropped, events; ``never_matched``: numbers of
        rules without an event, often a misspelt name; ``unmatched``: source, activity, events, most frequent first;
        ``unmatched_events`` and whether they were kept or dropped (``unmatched_are``).
    """
    total = dict.fromkeys(range(len(config.rules) + 1), 0)
    for number, _, _, events in counts:
        total[number] += events
    unmatched = [
        {"source": source, "activity": activity, "events": events}
        for number, source, activity, events in counts
        if number == 0
    ]
    return {
        "rules": [
            {"rule": number, "is": rule.name, "dropped": rule.drop, "events": total[number]}
            for number, rule in enumerate(config.rules, start=1)
        ],
        "never_matched": [number for number in range(1, len(config.rules) + 1) if not total[number]],
        "unmatched": sorted(unmatched, key=lambda row: (-row["events"], str(row["source"]), str(row["activity"]))),
        "unmatched_events": total[0],
        "unmatched_are": "kept" if config.unmatched == "keep" else "dropped",
    }


def apply_rules(log: pa.Table, config: TouchpointConfig) -> tuple[pa.Table, dict[str, Any]]:
    """Rename, enrich or drop the events of an event log by touchpoint rules; the first that matches wins.

    Parameters
    ----------
    log : pa.Table, one row per event
        An event log; a column that a rule reads and the log does not have is null, so that the rule matches nothing.
    config : TouchpointConfig

    Returns
    -------
    pa.Table
        The events that are left, in the same order.
    dict
        See `touchpoint_counts`.
    """
    written = ("activity", "channel", "status", "phase")
    results = rule_results(config)
    texts = [(name, pa.string()) for name in results if name.startswith("new_")]
    rules = pa.table(results, schema=pa.schema([("rule", pa.int64()), ("is_dropped", pa.bool_()), *texts]))
    missing = [name for name in dict.fromkeys([*EXACT, "topic", *written]) if name not in log.column_names]
    nulls = "".join(f", NULL::VARCHAR AS {name}" for name in missing)
    with connect() as connection:
        connection.register("given", log.append_column("place", pa.array(range(len(log)), pa.int64())))
        connection.register("rules", rules)
        connection.execute(
            f"""
            CREATE TEMP TABLE matched AS
            SELECT place, source, {", ".join(written)}, {matching_rule(config)} AS rule_number
            FROM (SELECT *{nulls} FROM given)
            """
        )
        counts = connection.execute(
            "SELECT rule_number, source, activity, count(*) FROM matched GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        new = ", ".join(f"coalesce(new_{name}, {name}) AS {name}" for name in written)
        found = connection.sql(
            f"SELECT place, {new} FROM matched JOIN rules ON rule = rule_number WHERE NOT is_dropped ORDER BY place"
        ).to_arrow_table()
    kept = log.take(found["place"])
    for name in written:
        place = kept.schema.get_field_index(name)
        if place >= 0:
            kept = kept.set_column(place, kept.schema.field(place), found[name].cast(kept.schema.field(place).type))
        elif found[name].null_count < len(found):
            kept = kept.append_column(name, found[name].cast(pa.string()))
    return kept, touchpoint_counts(config, counts)


def sql_text(value: str) -> str:
    """Write a text as an SQL literal.

    Examples
    --------
    >>> sql_text("it's")
    "'it''s'"
    """
    return "'" + value.replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """Write the name of a column as SQL.

    Examples
    --------
    >>> sql_name("case:id")
    '"case:id"'
    """
    return '"' + name.replace('"', '""') + '"'
