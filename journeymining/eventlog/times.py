"""Times as sources write them become instants in UTC; what could not be read is told apart and counted."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import Any, NamedTuple

import polars as pl

from journeymining.exceptions import InputError, UsageError, did_you_mean

INSTANT = pl.Datetime("us", "UTC")
NAIVE = pl.Datetime("us")

_CLOCK = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?\s*(?P<offset>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?\s*$"
)
_FORMS = {
    "year first": r"^\s*(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})" + _CLOCK,
    "dotted, day first": r"^\s*(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|\d{2})" + _CLOCK,
    "slashed": r"^\s*(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d{4}|\d{2})" + _CLOCK,
}
_EPOCH = r"^\s*(?P<whole>\d{9,10}|\d{13}|\d{16}|\d{19})(?:\.(?P<fraction>\d{1,9}))?\s*$"
_ROWS_AT_ONCE = 1 << 18
# A number below this, as seconds, is before 1973: a position or a year rather than a time.
_LEAST_EPOCH = 100_000_000


class Times(NamedTuple):
    """Instants (null where there is none), which rows had no time, and what was found."""

    instants: pl.Series
    missing: pl.Series
    facts: dict[str, Any]


def parse_times(
    values: pl.Series, *, timezone: str | None = None, time_format: str | None = None, where: str = "table"
) -> Times:
    """Read times of any usual form as instants in UTC, to the microsecond.

    Parameters
    ----------
    values : Series
        Text (ISO 8601 and its relatives, ``31.12.2026 23:59``, ``12/31/2026 11:59 PM``, epoch seconds to
        nanoseconds), timestamps, dates or epoch numbers. The name of the series is used in messages.
    timezone : str, optional
        IANA name of the zone of times that carry none. Local times that happen twice (the end of summer time)
        are taken as the first of the two; those that do not exist (its start) are read with the offset that held
        before the change. Both are counted.
    time_format : str, optional
        Form of the text in the letters of ``strptime``, where it is not one of the above.
    where : str
        Name of the table or file, for messages.

    Returns
    -------
    Times
        ``facts`` counts ``naive``, ``offsets`` (per offset as written), ``ambiguous``, ``nonexistent``,
        ``date_only``, ``midnight`` (by the clock as written), ``epoch``, ``finer_than_microseconds`` and
        ``unreadable`` values.

    Raises
    ------
    InputError
        Times without a zone while none is declared; dates whose day and month cannot be told apart.
    UsageError
        Unknown zone or unusable form.

    Examples
    --------
    >>> import polars as pl
    >>> times = parse_times(pl.Series("t", ["2026-10-25T02:30:00+01:00", "25.10.26 3:30"]), timezone="Europe/Berlin")
    >>> [time.isoformat() for time in times.instants]
    ['2026-10-25T01:30:00+00:00', '2026-10-25T02:30:00+00:00']
    """
    check_zone(timezone)
    if isinstance(values.dtype, pl.Categorical | pl.Enum):
        values = values.cast(pl.String)
    if _can_be_cut(values, time_format):
        parts = (values.slice(first, _ROWS_AT_ONCE) for first in range(0, len(values), _ROWS_AT_ONCE))
        try:
            return _put_together([parse_times(part, timezone=timezone, where=where) for part in parts])
        except InputError:
            # What is wrong is to be counted over all rows: as one piece, below.
            pass
    facts: dict[str, Any] = {"timezone": timezone, "offsets": {}}
    missing = values.is_null()
    if isinstance(values.dtype, pl.Datetime):
        micro = values.cast(pl.Datetime("us", values.dtype.time_zone))
        facts["midnight"] = int((micro.dt.time() == dt.time()).sum())
        facts["finer_than_microseconds"] = int((micro.cast(values.dtype) != values).sum())
        if values.dtype.time_zone is not None:
            return Times(micro.dt.convert_time_zone("UTC"), missing, facts | {"unreadable": 0})
        instants = _localise(micro, timezone, facts, where)
    elif values.dtype == pl.Date:
        facts["date_only"] = facts["midnight"] = len(values) - values.null_count()
        instants = _localise(values.cast(NAIVE), timezone, facts, where)
    elif values.dtype.is_numeric():
        instants = _from_numbers(values, facts)
    elif values.dtype in (pl.String, pl.Null):
        text = values.cast(pl.String)
        missing = text.is_null() | (text.str.strip_chars() == "").fill_null(value=True)
        if time_format is None:
            instants = _from_text(text, timezone, facts, where)
        else:
            instants = _from_format(text, time_format, timezone, facts, where)
    else:
        raise InputError(f"{where}: column '{values.name}' holds no times but {values.dtype}. Name another column.")
    facts["unreadable"] = int((instants.is_null() & ~missing).sum())
    return Times(instants.alias(values.name), missing, facts)


def _can_be_cut(values: pl.Series, time_format: str | None) -> bool:
    """Tell whether long text can be read part by part, which takes a tenth of the memory."""
    if values.dtype != pl.String or time_format is not None or len(values) <= _ROWS_AT_ONCE:
        return False
    # Day and month of slashed dates are told apart by all of them together.
    return not values.str.contains(_FORMS["slashed"]).any()


def _put_together(parts: list[Times]) -> Times:
    facts: dict[str, Any] = {"timezone": parts[0].facts["timezone"], "offsets": {}}
    offsets: dict[str, int] = {}
    for part in parts:
        for name, found in part.facts.items():
            if name == "offsets":
                for offset, count in found.items():
                    offsets[offset] = offsets.get(offset, 0) + count
            elif name != "timezone":
                facts[name] = facts.get(name, 0) + found
    facts["offsets"] = dict(sorted(offsets.items(), key=lambda item: (-item[1], item[0])))
    return Times(pl.concat([part.instants for part in parts]), pl.concat([part.missing for part in parts]), facts)


def check_zone(timezone: str | None) -> None:
    """Refuse a zone that the time zone database does not know."""
    known = zoneinfo.available_timezones()
    if timezone is not None and timezone not in known:
        raise UsageError(f"Unknown time zone '{timezone}'.{did_you_mean(timezone, known)} Example: Europe/Amsterdam.")


def _localise(naive: pl.Series, timezone: str | None, facts: dict[str, Any], where: str) -> pl.Series:
    """Read wall clock times in the declared zone."""
    count = len(naive) - naive.null_count()
    facts["naive"] = facts.get("naive", 0) + count
    if count and timezone is None:
        raise InputError(
            f"{where}: {count:,} of {len(naive):,} times in column '{naive.name}' carry no time zone. Declare the zone "
            'in which they were written, for example --timezone Europe/Amsterdam (timezone="Europe/Amsterdam").'
        )
    if timezone is None:
        return naive.dt.replace_time_zone("UTC")
    first = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    last = naive.dt.replace_time_zone(timezone, ambiguous="latest", non_existent="null")
    # Four hours earlier the clock had not yet gone forward, so that offset is the one before the change.
    shift = pl.duration(hours=4)
    before = pl.select(
        (naive - shift)
        .dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        + shift
    ).to_series()
    facts["ambiguous"] = int((first != last).sum())
    facts["nonexistent"] = int((first.is_null() & naive.is_not_null()).sum())
    return first.dt.convert_time_zone("UTC").zip_with(first.is_not_null(), before)


def _from_numbers(values: pl.Series, facts: dict[str, Any]) -> pl.Series:
    """Read epoch numbers; the unit follows from the size of the middle value."""
    numbers = values.cast(pl.Float64)
    middle = numbers.filter(numbers.is_finite()).abs().median()
    size = float(middle) if isinstance(middle, int | float) else 0.0
    unit, factor = next(
        (unit, factor)
        for unit, factor, limit in (("s", 1e6, 1e11), ("ms", 1e3, 1e14), ("us", 1, 1e17), ("ns", 1e-3, float("inf")))
        if size < limit
    )
    facts["epoch"] = len(values) - values.null_count()
    facts["epoch_unit"] = unit
    if values.dtype.is_integer():
        whole = values.cast(pl.Int64)
        micro = whole // 1000 if unit == "ns" else whole * int(factor)
    else:
        micro = (numbers * factor).round().cast(pl.Int64, strict=False)
    return micro.set(micro.abs() < _LEAST_EPOCH * 1_000_000, None).cast(INSTANT)


def _from_format(
    text: pl.Series, time_format: str, timezone: str | None, facts: dict[str, Any], where: str
) -> pl.Series:
    try:
        if any(letters in time_format for letters in ("%H", "%I", "%T", "%R", "%s", "%+", "%X", "%c")):
            parsed = text.str.strip_chars().str.to_datetime(time_format, time_unit="us", strict=False)
        else:
            parsed = text.str.strip_chars().str.to_date(time_format, strict=False).cast(NAIVE)
            facts["date_only"] = len(parsed) - parsed.null_count()
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"The form '{time_format}' of times is not usable; example: '%d/%m/%Y %H:%M'.") from error
    facts["midnight"] = int((parsed.dt.time() == dt.time()).sum())
    if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None:
        return parsed.dt.convert_time_zone("UTC")
    return _localise(parsed, timezone, facts, where)


def _from_text(text: pl.Series, timezone: str | None, facts: dict[str, Any], where: str) -> pl.Series:
    frame = pl.DataFrame({"text": text, "naive": pl.Series(values=[None] * len(text), dtype=NAIVE)})
    frame = frame.with_columns(pl.lit(None, pl.String).alias("offset"))
    facts |= {"date_only": 0, "finer_than_microseconds": 0}
    for form, pattern in _FORMS.items():
        rest = pl.col("naive").is_null() & pl.col("text").str.contains(pattern)
        rows = frame.with_row_index("row").filter(rest)
        if rows.is_empty():
            continue
        parts = rows.select("row", pl.col("text").str.extract_groups(pattern)).unnest("text")
        if form == "slashed":
            parts = _day_and_month(parts, text.name, where)
        facts["finer_than_microseconds"] += int(parts["fraction"].str.slice(6).str.contains("[1-9]").sum())
        read = parts.select("row", "hour", _naive().alias("read"), pl.col("offset").alias("read_offset"))
        facts["date_only"] += read.filter(pl.col("hour").is_null() & pl.col("read").is_not_null()).height
        read = read.drop("hour")
        frame = (
            frame.with_row_index("row")
            .join(read, on="row", how="left", maintain_order="left")
            .with_columns(
                pl.coalesce("naive", "read").alias("naive"), pl.coalesce("offset", "read_offset").alias("offset")
            )
            .drop("row", "read", "read_offset")
        )
    facts["midnight"] = int((frame["naive"].dt.time() == dt.time()).sum())
    counted = frame.filter(pl.col("offset").is_not_null())["offset"].value_counts(sort=True, name="n")
    facts["offsets"] = dict(counted.sort(["n", "offset"], descending=[True, False]).iter_rows())
    local = frame.select(pl.when(pl.col("offset").is_null()).then("naive").alias(text.name)).to_series()
    stated = frame.select((pl.col("naive") - _offset()).dt.replace_time_zone("UTC")).to_series()
    epoch = _from_epoch_text(text, facts)
    return stated.zip_with(frame["offset"].is_not_null(), _localise(local, timezone, facts, where)).zip_with(
        epoch.is_null(), epoch
    )


def _day_and_month(parts: pl.DataFrame, column: str, where: str) -> pl.DataFrame:
    """Tell 31/12 from 12/31 by the numbers above twelve; refuse where none or both occur."""
    first_is_day = bool((parts["day"].cast(pl.Int32) > 12).any())
    second_is_day = bool((parts["month"].cast(pl.Int32) > 12).any())
    if first_is_day == second_is_day:
        raise InputError(
            f"{where}: in the dates with slashes of column '{column}' day and month cannot be told apart. "
            "Declare the form, for example --time-format '%d/%m/%Y %H:%M'."
        )
    return parts.rename({"day": "month", "month": "day"}) if second_is_day else parts


def _naive() -> pl.Expr:
    """Put the parts together again in one form and read that; impossible dates give null."""
    year = pl.col("year").cast(pl.Int32)
    # Two digits as in POSIX: 69 to 99 are in the twentieth century.
    year = (
        pl.when(pl.col("year").str.len_chars() == 2)
        .then(year + pl.when(year >= 69).then(1900).otherwise(2000))
        .otherwise(year)
    )
    hour = pl.col("hour").fill_null("0").cast(pl.Int32)
    half = pl.col("half").str.to_lowercase().str.slice(0, 1)
    hour = pl.when(half == "p").then(hour % 12 + 12).when(half == "a").then(hour % 12).otherwise(hour)
    numbers = (
        year,
        pl.col("month").cast(pl.Int32),
        pl.col("day").cast(pl.Int32),
        hour,
        pl.col("minute").fill_null("0"),
    )
    fraction = pl.col("fraction").fill_null("0").str.slice(0, 6).str.pad_end(6, "0")
    text = pl.format("{}-{}-{} {}:{}:{}.{}", *numbers, pl.col("second").fill_null("0"), fraction)
    return text.str.to_datetime("%Y-%m-%d %H:%M:%S.%6f", time_unit="us", strict=False)


def _offset() -> pl.Expr:
    """Return the offset from UTC as a duration; Z, UTC and GMT are none."""
    digits = pl.col("offset").str.replace_all(r"[^0-9]", "")
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0) * 60
    minutes += digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    signed = pl.when(pl.col("offset").str.starts_with("-")).then(-minutes).otherwise(minutes)
    return pl.duration(minutes=signed)


def _from_epoch_text(text: pl.Series, facts: dict[str, Any]) -> pl.Series:
    """Read numbers of 10, 13, 16 or 19 digits as seconds, milli-, micro- or nanoseconds since 1970."""
    parts = pl.DataFrame({"text": text}).select(pl.col("text").str.extract_groups(_EPOCH)).unnest("text")
    whole, digits = pl.col("whole").cast(pl.Int64), pl.col("whole").str.len_chars()
    fraction = pl.col("fraction").fill_null("0").str.slice(0, 6).str.pad_end(6, "0").cast(pl.Int64)
    micro = (
        pl.when(digits <= 10)
        .then(whole * 1_000_000 + fraction)
        .when(digits == 13)
        .then(whole * 1_000)
        .when(digits == 16)
        .then(whole)
        .when(digits == 19)
        .then(whole // 1_000)
    )
    instants = parts.select(micro.cast(INSTANT)).to_series()
    facts["epoch"] = len(instants) - instants.null_count()
    return instants
