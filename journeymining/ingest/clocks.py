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

Dates without a time are placed at the start of the day, with granularity ``day``. An instant before 1990 or from 2100
on is no instant (mostly a wrong unit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.ingest.values import literal

if TYPE_CHECKING:
    from journeymining.ingest.specs import Time

EARLIEST = "TIMESTAMP '1990-01-01'"
LATEST = "TIMESTAMP '2100-01-01'"

_ISO = r"^\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?\s*$"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}

MACROS = rf"""
CREATE OR REPLACE TEMP MACRO jm_minutes(text) AS
    60 * CAST(text[2:3] AS INT) + CAST(coalesce(nullif(replace(text[4:], ':', ''), ''), '0') AS INT);
CREATE OR REPLACE TEMP MACRO jm_offset(text) AS CASE
    WHEN text = '' THEN NULL
    WHEN upper(text) IN ('Z', 'UTC') THEN 0
    WHEN jm_minutes(text) > 900 THEN NULL
    WHEN text[1] = '-' THEN -60 * jm_minutes(text)
    ELSE 60 * jm_minutes(text) END;
CREATE OR REPLACE TEMP MACRO jm_iso(text) AS regexp_extract(text, {literal(_ISO)},
    ['day', 'minute', 'second', 'fraction', 'zone']);
CREATE OR REPLACE TEMP MACRO jm_wall(p) AS CASE WHEN p['minute'] NOT LIKE '24%' THEN try_cast(p['day'] || ' ' ||
    coalesce(nullif(p['minute'], ''), '00:00') || ':' || coalesce(nullif(p['second'], ''), '00') || '.' ||
    rpad(p['fraction'][1:6], 6, '0') AS TIMESTAMP) END;
CREATE OR REPLACE TEMP MACRO jm_exact(p) AS CASE WHEN p['minute'] = '' THEN 'day' WHEN p['fraction'] = '' THEN 's'
    WHEN length(p['fraction']) <= 3 THEN 'ms' ELSE 'us' END;
CREATE OR REPLACE TEMP MACRO jm_offset_at(zone, instant) AS
    timezone(zone, timezone('UTC', instant)) - instant;
CREATE OR REPLACE TEMP MACRO jm_before(zone, wall) AS wall - jm_offset_at(zone, wall - INTERVAL 1 DAY);
CREATE OR REPLACE TEMP MACRO jm_after(zone, wall) AS wall - jm_offset_at(zone, wall + INTERVAL 1 DAY);
CREATE OR REPLACE TEMP MACRO jm_shows(zone, instant, wall) AS timezone(zone, timezone('UTC', instant)) = wall;
CREATE OR REPLACE TEMP MACRO jm_within(instant) AS
    CASE WHEN instant >= {EARLIEST} AND instant < {LATEST} THEN instant END;
"""
"""DuckDB macros that the expressions below use; to be created once per connection."""


def instant_columns(time: Time, text: str, *, zone: str | None, fold: str | None, prefix: str) -> list[str]:
    """Return SELECT items for an instant: ``<prefix>instant``, ``<prefix>rule`` and ``<prefix>exact``.

    Parameters
    ----------
    time : Time
        The rule of the connector.
    text : str
        SQL of the time text.
    zone : str, optional
        Zone that the job declares for the source (IANA name).
    fold : str, optional
        SQL of the record's own epoch seconds (text), for hours that occur twice.
    prefix : str
        What the names of the items begin with; later items use earlier ones, so it must not be a name of a field.
    """
    columns = _epoch(time, text, prefix) if time.form == "epoch" else _written(time, text, zone, fold, prefix)
    if time.granularity:
        columns[-1] = f"{literal(time.granularity)} AS {prefix}exact"
    return columns


def _epoch(time: Time, text: str, prefix: str) -> list[str]:
    factor = 1_000_000 // _PER_SECOND[time.unit]
    number = rf"CASE WHEN regexp_full_match(trim({text}), '\d{{1,17}}(\.\d{{1,9}})?') THEN trim({text}) END"
    # Limits first, in the unit of the source: a count in a wrong unit would overflow below.
    low, high = (seconds * _PER_SECOND[time.unit] for seconds in (631_152_000, 4_102_444_800))
    return [
        f"{number} AS {prefix}number",
        f"CASE WHEN try_cast({prefix}number AS DOUBLE) >= {low} AND try_cast({prefix}number AS DOUBLE) < {high} "
        f"THEN make_timestamp(CAST(floor(CAST({prefix}number AS DECIMAL(38, 9)) * {factor}) AS BIGINT)) "
        f"END AS {prefix}instant",
        f"{literal(f'epoch {time.unit}')} AS {prefix}rule",
        f"CASE WHEN contains({prefix}number, '.') THEN 'us' ELSE {literal(time.unit)} END AS {prefix}exact",
    ]


def _written(time: Time, text: str, zone: str | None, fold: str | None, prefix: str) -> list[str]:
    if time.form == "iso":
        columns = [
            f"jm_iso({text}) AS {prefix}parts",
            f"jm_wall({prefix}parts) AS {prefix}wall",
            f"jm_offset({prefix}parts['zone']) AS {prefix}offset",
            f"jm_exact({prefix}parts) AS {prefix}precise",
            f"{prefix}parts['zone'] = '' AS {prefix}bare",
        ]
    elif time.form == "clf":
        pattern = literal(r"^\[?(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) ([+-]\d{4})\]?$")
        columns = [
            f"regexp_extract({text}, {pattern}, ['wall', 'zone']) AS {prefix}parts",
            f"try_strptime({prefix}parts['wall'], '%d/%b/%Y:%H:%M:%S') AS {prefix}wall",
            f"jm_offset({prefix}parts['zone']) AS {prefix}offset",
            f"'s' AS {prefix}precise",
            f"false AS {prefix}bare",
        ]
    else:
        pattern = time.pattern or ""
        precise = "us" if "%f" in pattern or "%g" in pattern else "s" if "%H" in pattern or "%I" in pattern else "day"
        columns = [
            f"try_strptime(trim({text}), {literal(pattern)}) AS {prefix}wall",
            f"CAST(NULL AS INT) AS {prefix}offset",
            f"{literal(precise)} AS {prefix}precise",
            f"true AS {prefix}bare",
        ]
    declared, rule = _declared(time, zone, fold, prefix)
    return [
        *columns,
        *declared,
        f"jm_within(CASE WHEN NOT {prefix}bare THEN {prefix}wall - to_seconds({prefix}offset) "
        f"ELSE {prefix}local END) AS {prefix}instant",
        f"CASE WHEN NOT {prefix}bare THEN 'offset in the text' ELSE {rule} END AS {prefix}rule",
        f"{prefix}precise AS {prefix}exact",
    ]


def _declared(time: Time, zone: str | None, fold: str | None, prefix: str) -> tuple[list[str], str]:
    """Return items that end in ``<prefix>local``, the instant of a text without offset, and SQL of the rule."""
    if time.zone == "UTC":
        return [f"{prefix}wall AS {prefix}local"], "'declared UTC'"
    if time.zone == "text" or zone is None:
        return [f"CAST(NULL AS TIMESTAMP) AS {prefix}local"], "CAST(NULL AS VARCHAR)"
    name, wall = literal(zone), f"{prefix}wall"
    before, after = f"{prefix}before", f"{prefix}after"
    epoch = f"try_cast({fold} AS DOUBLE)" if fold else "CAST(NULL AS DOUBLE)"
    items = [
        f"jm_before({name}, {wall}) AS {before}",
        f"jm_after({name}, {wall}) AS {after}",
        f"jm_shows({name}, {before}, {wall}) AS {before}_shown",
        f"jm_shows({name}, {after}, {wall}) AS {after}_shown",
        # Around a change of the clock the two differ: of a time shown twice both are right, of one never shown neither.
        f"{before} <> {after} AND {before}_shown AND {after}_shown AS {prefix}two",
        f"NOT {before}_shown AND NOT {after}_shown AS {prefix}none",
        f"{epoch} AS {prefix}epoch",
        f"CASE WHEN {prefix}none THEN {before} "
        f"WHEN {prefix}two AND abs(epoch({after}) - {prefix}epoch) < abs(epoch({before}) - {prefix}epoch) THEN {after} "
        f"WHEN {before}_shown THEN {before} ELSE {after} END AS {prefix}local",
    ]
    rule = (
        f"CASE WHEN {prefix}none THEN {literal(f'local {zone}, in the gap')} "
        f"WHEN {prefix}two AND {prefix}epoch IS NOT NULL THEN {literal(f'local {zone}, fold by epoch')} "
        f"WHEN {prefix}two THEN {literal(f'local {zone}, first of two')} ELSE {literal(f'local {zone}')} END"
    )
    return items, rule
