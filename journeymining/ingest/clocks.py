r"""SQL that turns the time texts of a source into instants: by a stated rule, or not at all.

What comes out of a text is the instant in UTC, the rule that was applied and how exact the text was:

==============================  ==========================================================================
rule                            when
==============================  ==========================================================================
``epoch s|ms|us``               a count since 1970 in UTC
``offset in the text``          the text carries its offset from UTC
``declared UTC``                no offset in the text; the connector says that the source writes UTC
``local ZONE``                  no offset; the wall clock of a zone, an hour that occurs once
``local ZONE, fold by epoch``   an hour that occurs twice; the reading nearer to the record's own epoch seconds
``local ZONE, first of two``    an hour that occurs twice and nothing decides: the earlier reading
``local ZONE, in the gap``      an hour that does not exist: moved on by the gap, as the clock was
==============================  ==========================================================================

Dates without a time are placed at the start of the day, with granularity ``day``. A granularity that the connector
declares only makes an instant coarser: a text that says less than the source knows keeps its own. An instant before
1990 or from 2100 on is no instant (mostly a wrong unit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.ingest.values import literal

if TYPE_CHECKING:
    from journeymining.ingest.specs import Time

EARLIEST = "TIMESTAMP '1990-01-01'"
LATEST = "TIMESTAMP '2100-01-01'"

_ISO = r"^\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?\s*$"
_CLF = r"^\[?(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) ([+-]\d{4})\]?$"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
GRANULARITIES = ("us", "ms", "s", "day")
"""How exact an instant is, finest first."""

MACROS = f"""
CREATE OR REPLACE TEMP MACRO jm_minutes(text) AS
    60 * CAST(text[2:3] AS INT) + CAST(coalesce(nullif(replace(text[4:], ':', ''), ''), '0') AS INT);
CREATE OR REPLACE TEMP MACRO jm_wall(p) AS CASE WHEN p['minute'] NOT LIKE '24%' THEN try_cast(p['day'] || ' ' ||
    coalesce(nullif(p['minute'], ''), '00:00') || ':' || coalesce(nullif(p['second'], ''), '00') || '.' ||
    rpad(p['fraction'][1:6], 6, '0') AS TIMESTAMP) END;
CREATE OR REPLACE TEMP MACRO jm_exact(p) AS CASE WHEN p['minute'] = '' THEN 'day' WHEN p['fraction'] = '' THEN 's'
    WHEN length(p['fraction']) <= 3 THEN 'ms' ELSE 'us' END;
CREATE OR REPLACE TEMP MACRO jm_in_zone(zone, instant) AS timezone(zone, timezone('UTC', instant));
CREATE OR REPLACE TEMP MACRO jm_within(instant) AS
    CASE WHEN instant >= {EARLIEST} AND instant < {LATEST} THEN instant END;
"""
"""DuckDB macros that the queries below use; to be created once per connection."""

Layer = list[str]
"""Columns that one SELECT adds. Each step is a SELECT of its own, so that nothing is computed twice."""


def with_instant(query: str, time: Time, text: str, *, zone: str | None, fold: str | None, prefix: str = "_t_") -> str:
    """Return a query that adds an instant: ``<prefix>instant``, ``<prefix>rule`` and ``<prefix>exact``.

    Parameters
    ----------
    query : str
        SQL of a table.
    time : Time
        The rule of the connector.
    text : str
        Column of the time text.
    zone : str, optional
        Zone that the job declares for the source (IANA name).
    fold : str, optional
        Column of the record's own epoch seconds (text), for hours that occur twice.
    prefix : str
        What the names of added columns begin with. Among them, but for epochs, are ``<prefix>bare`` and
        ``<prefix>wall``: whether the text has no offset, and its wall-clock time.
    """
    layers = _epoch(time, text, prefix) if time.form == "epoch" else _written(time, text, zone, fold, prefix)
    # The text may say more than the source knows, or less: an optional time of day that is not there.
    finer = GRANULARITIES[: GRANULARITIES.index(time.granularity or "us")]
    coarsened = "".join(f" WHEN {literal(one)} THEN {literal(str(time.granularity))}" for one in finer)
    precise = f"{prefix}precise"
    layers.append([f"{f'CASE {precise}{coarsened} ELSE {precise} END' if finer else precise} AS {prefix}exact"])
    for layer in layers:
        query = f"SELECT *, {', '.join(layer)} FROM ({query})"
    return query


def _epoch(time: Time, text: str, prefix: str) -> list[Layer]:
    factor = 1_000_000 // _PER_SECOND[time.unit]
    is_count = rf"regexp_full_match(trim({text}), '\d{{1,17}}(\.\d{{1,9}})?')"
    # Limits first, in the unit of the source: a count in a wrong unit would overflow below.
    low, high = (seconds * _PER_SECOND[time.unit] for seconds in (631_152_000, 4_102_444_800))
    number, rough = f"{prefix}number", f"{prefix}rough"
    return [
        [f"CASE WHEN {is_count} THEN trim({text}) END AS {number}"],
        [f"try_cast({number} AS DOUBLE) AS {rough}"],
        [
            f"CASE WHEN {rough} >= {low} AND {rough} < {high} "
            f"THEN make_timestamp(CAST(floor(CAST({number} AS DECIMAL(38, 9)) * {factor}) AS BIGINT)) "
            f"END AS {prefix}instant",
            f"{literal(f'epoch {time.unit}')} AS {prefix}rule",
            f"CASE WHEN contains({number}, '.') THEN 'us' ELSE {literal(time.unit)} END AS {prefix}precise",
        ],
    ]


def _written(time: Time, text: str, zone: str | None, fold: str | None, prefix: str) -> list[Layer]:
    parts, offset, minutes = f"{prefix}parts", f"{prefix}offset", f"{prefix}minutes"
    bare, wall, precise = f"{prefix}bare", f"{prefix}wall", f"{prefix}precise"
    if time.form == "pattern":
        pattern = time.pattern or ""
        exact = "us" if "%f" in pattern or "%g" in pattern else "s" if "%H" in pattern or "%I" in pattern else "day"
        layers = [
            [f"try_strptime(trim({text}), {literal(pattern)}) AS {wall}", f"{literal(exact)} AS {precise}"],
            [f"CAST(NULL AS INT) AS {offset}", f"true AS {bare}"],
        ]
    else:
        is_iso = time.form == "iso"
        names = ["day", "minute", "second", "fraction", "zone"] if is_iso else ["wall", "zone"]
        found = f"regexp_extract({text}, {literal(_ISO if is_iso else _CLF)}, [{', '.join(map(literal, names))}])"
        clock = f"jm_wall({parts})" if is_iso else f"try_strptime({parts}['wall'], '%d/%b/%Y:%H:%M:%S')"
        zone_text, signed = f"{parts}['zone']", f"regexp_matches({parts}['zone'], '^[+-]')"
        layers = [
            [f"{found} AS {parts}"],
            [
                f"{clock} AS {wall}",
                f"{f'jm_exact({parts})' if is_iso else literal('s')} AS {precise}",
                f"{zone_text} = '' AS {bare}",
                f"CASE WHEN {signed} THEN jm_minutes({zone_text}) WHEN {zone_text} <> '' THEN 0 END AS {minutes}",
            ],
            # Nowhere is a clock more than fourteen hours away from UTC.
            [
                f"CASE WHEN {minutes} <= 900 THEN (CASE WHEN {zone_text}[1] = '-' THEN -60 ELSE 60 END) * {minutes} "
                f"END AS {offset}"
            ],
        ]
    declared, rule = _declared(time, zone, fold, prefix)
    return [
        *layers,
        *declared,
        [
            f"jm_within(CASE WHEN NOT {bare} THEN {wall} - to_seconds({offset}) ELSE {prefix}local END) "
            f"AS {prefix}instant",
            f"CASE WHEN NOT {bare} THEN 'offset in the text' ELSE {rule} END AS {prefix}rule",
        ],
    ]


def _declared(time: Time, zone: str | None, fold: str | None, prefix: str) -> tuple[list[Layer], str]:
    """Return layers that end in ``<prefix>local``, the instant of a text without offset, and SQL of the rule."""
    wall, local = f"{prefix}wall", f"{prefix}local"
    if time.zone == "UTC":
        return [[f"{wall} AS {local}"]], "'declared UTC'"
    if time.zone == "text" or zone is None:
        return [[f"CAST(NULL AS TIMESTAMP) AS {local}"]], "CAST(NULL AS VARCHAR)"
    name, before, after, epoch = literal(zone), f"{prefix}before", f"{prefix}after", f"{prefix}epoch"
    two, none = f"{prefix}two", f"{prefix}none"
    layers = [
        # The offsets of the day before and the day after: around a change of the clock they differ.
        [
            f"{wall} - INTERVAL 1 DAY AS {prefix}yesterday",
            f"{wall} + INTERVAL 1 DAY AS {prefix}tomorrow",
            f"{f'try_cast({fold} AS DOUBLE)' if fold else 'CAST(NULL AS DOUBLE)'} AS {epoch}",
        ],
        [
            f"{wall} - (jm_in_zone({name}, {prefix}yesterday) - {prefix}yesterday) AS {before}",
            f"{wall} - (jm_in_zone({name}, {prefix}tomorrow) - {prefix}tomorrow) AS {after}",
        ],
        [
            f"jm_in_zone({name}, {before}) = {wall} AS {before}_shown",
            f"jm_in_zone({name}, {after}) = {wall} AS {after}_shown",
        ],
        # Of a time that is shown twice both readings are right, of one that is never shown neither.
        [
            f"{before} <> {after} AND {before}_shown AND {after}_shown AS {two}",
            f"NOT {before}_shown AND NOT {after}_shown AS {none}",
        ],
        [
            f"CASE WHEN {none} THEN {before} "
            f"WHEN {two} AND abs(epoch({after}) - {epoch}) < abs(epoch({before}) - {epoch}) THEN {after} "
            f"WHEN {before}_shown THEN {before} ELSE {after} END AS {local}"
        ],
    ]
    rule = (
        f"CASE WHEN {none} THEN {literal(f'local {zone}, in the gap')} "
        f"WHEN {two} AND {epoch} IS NOT NULL THEN {literal(f'local {zone}, fold by epoch')} "
        f"WHEN {two} THEN {literal(f'local {zone}, first of two')} ELSE {literal(f'local {zone}')} END"
    )
    return layers, rule
