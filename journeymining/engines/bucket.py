"""One bucket of the prepared log: its unsorted rows become sorted, coded files, on whatever engine they arrive."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from journeymining.engines.columns import CODED, EVENTS, FLAGS, IDS, JOURNEYS, NUMBERS, ROWS
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from pathlib import Path

TIE_BREAKERS = ("source_order", "event_id", *CODED, *NUMBERS)
"""What orders events of a journey at the same time; after the event's own id every other column, so that even events
with the same id have one order."""


def code_columns(events: pl.DataFrame, dictionaries: dict[str, list[str]]) -> pl.DataFrame:
    """Turn events of an event log into rows for `write_bucket`.

    Parameters
    ----------
    events : DataFrame, one row per event
        Columns of an event log, see `journeymining.eventlog.schema`; the optional ones may be missing.
    dictionaries : dict of list of str
        The alphabetical names of every coded column; they must hold every value that occurs.

    Returns
    -------
    DataFrame
        The columns of `journeymining.engines.columns.ROWS`, rows in the same order.
    """
    coded = [
        pl.col(name).cast(pl.String).cast(pl.Enum(dictionaries[name])).to_physical().cast(kind).fill_null(-1)
        if name in events.columns
        else pl.lit(-1, kind).alias(name)
        for name, kind in CODED.items()
    ]
    plain = [
        (pl.col(name) if name in events.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in ROWS.items()
        if name not in CODED and name != "time"
    ]
    time = pl.col("timestamp").to_physical().cast(pl.Int64).alias("time")
    return events.select(time, *coded, *plain).select(list(ROWS))


def no_rows() -> pl.DataFrame:
    """Return the rows of a bucket without journeys."""
    return pl.DataFrame(schema=ROWS)


def write_bucket(rows: pl.DataFrame, target: Path, *, flags: pl.DataFrame | None = None) -> dict[str, Any]:
    """Sort and code the events of one bucket and write its files.

    Parameters
    ----------
    rows : DataFrame, one row per event
        All events of the bucket in any order: the columns of `journeymining.engines.columns.ROWS`, with codes of the
        alphabetical dictionaries of the whole log.
    target : Path
        The folder to make: ``events.parquet``, ``ids.parquet`` and ``journeys.parquet``.
    flags : DataFrame, optional
        ``journey_id``, ``open`` and ``left_truncated`` of the bucket's journeys; others are passed over.

    Returns
    -------
    dict
        ``events``, ``journeys``, ``first_time``, ``last_time``, ``tied`` (events at the time of the previous one of
        their journey), ``ordered_by_event_id`` (those of them that no source order tells apart) and ``digest`` of the
        content, which is the same whatever wrote the files.

    Raises
    ------
    InputError
        If a journey has events of more than one customer.
    """
    codes, names = _code_journeys(rows["journey_id"])
    order = _order(codes, rows["time"].to_numpy())
    journey = codes[order]
    order, tied, by_id = _break_ties(rows, order, journey)
    place = pl.Series(order)
    starts = np.flatnonzero(np.r_[True, journey[1:] != journey[:-1]]) if len(journey) else np.empty(0, np.int64)
    _check_customers(rows["customer_id"], order, journey)

    journey_column = pl.Series("journey", journey.astype(np.int32))
    values = rows.select(name for name in EVENTS if name not in ("journey", "event_id"))
    # One column after the other, so that only one unsorted copy is held.
    events = pl.DataFrame(
        [journey_column, *(column if _is_constant(column) else column.gather(place) for column in values.get_columns())]
    )
    ids = rows.select(pl.col(name).cast(kind).gather(place) for name, kind in IDS.items())
    ends = np.r_[starts[1:], len(journey)] - 1 if len(starts) else starts
    journeys = pl.DataFrame(
        {
            "journey": np.arange(len(starts)),
            "journey_id": names,
            "customer_id": rows["customer_id"].gather(pl.Series(order[starts])),
            "events": ends - starts + 1,
            "start": events["time"].gather(pl.Series(starts)),
            "end": events["time"].gather(pl.Series(ends)),
        }
    )
    journeys = _with_flags(journeys, flags).select(pl.col(name).cast(kind) for name, kind in JOURNEYS.items())

    target.mkdir()
    tables = {"events": events, "ids": ids, "journeys": journeys}
    for name, table in tables.items():
        _write(table, target / f"{name}.parquet")
    return {
        "events": events.height,
        "journeys": journeys.height,
        "first_time": events["time"].min(),
        "last_time": events["time"].max(),
        "tied": tied,
        "ordered_by_event_id": by_id,
        "digest": _digest(tables.values()),
    }


def _code_journeys(ids: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Return the place of every id in the alphabetical list of the distinct ones, and that list."""
    first_seen = ids.cast(pl.Categorical(pl.Categories.random()))
    distinct = first_seen.unique()
    names = distinct.cast(pl.String)
    order = names.arg_sort()
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[distinct.to_physical().to_numpy()[order.to_numpy()]] = np.arange(len(names))
    return ranks[first_seen.to_physical().to_numpy()], names.gather(order)


def _order(journey: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the order by journey and time; as one packed integer where both fit, which sorts several times faster."""
    if not len(time):
        return np.empty(0, np.int64)
    earliest, latest = int(time.min()), int(time.max())
    bits = (latest - earliest).bit_length()
    if int(journey.max()).bit_length() + bits > 63:
        return np.lexsort((time, journey))
    return np.argsort((journey << bits) | (time - earliest))


def _break_ties(rows: pl.DataFrame, order: np.ndarray, journey: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Order the events of a journey at the same time by all that is left; return how many, and how many by their id."""
    time = rows["time"].to_numpy()[order]
    same = np.r_[False, (journey[1:] == journey[:-1]) & (time[1:] == time[:-1])] if len(order) else np.empty(0, bool)
    if not same.any():
        return order, 0, 0
    # A group is a first event and those at its time.
    places = np.flatnonzero(same | np.r_[same[1:], False])
    group = np.cumsum(~same)[places]
    tied = rows.select(TIE_BREAKERS)[order[places]].with_columns(
        pl.Series("group", group), pl.Series("row", order[places])
    )
    tied = tied.sort("group", *TIE_BREAKERS, nulls_last=True)
    order = order.copy()
    order[places] = tied["row"].to_numpy()
    again = pl.col("group").diff() == 0
    by_id = again & pl.col("source_order").eq_missing(pl.col("source_order").shift())
    return order, int(same.sum()), int(tied.select(by_id.sum()).item())


def _check_customers(customers: pl.Series, order: np.ndarray, journey: np.ndarray) -> None:
    # 64 bits of hash compare in a tenth of the time of texts, and miss a difference once in 10^19.
    who = customers.hash().to_numpy()[order]
    differs = (who[1:] != who[:-1]) & (journey[1:] == journey[:-1])
    if mixed := len(np.unique(journey[1:][differs])):
        raise InputError(
            f"event log: {mixed} journeys have events of more than one customer; a journey belongs to one customer."
        )


def _with_flags(journeys: pl.DataFrame, flags: pl.DataFrame | None) -> pl.DataFrame:
    if flags is not None:
        journeys = journeys.join(flags, on="journey_id", how="left", maintain_order="left")
    missing = [name for name in FLAGS if name not in journeys.columns]
    return journeys.with_columns(pl.lit(None, pl.Boolean).alias(name) for name in missing)


def _write(table: pl.DataFrame, path: Path) -> None:
    # LZ4 is read twice as fast as Zstandard, and is a fifth larger; dictionaries are ours already.
    pq.write_table(
        table.to_arrow(compat_level=pl.CompatLevel.oldest()),
        path,
        compression="lz4",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
        row_group_size=1 << 20,
    )


def _digest(tables: Any) -> str:
    """Return a digest of the values, column by column: not of files, which differ between writers and versions."""
    digest = hashlib.sha256()
    for table in tables:
        for column in table.get_columns():
            digest.update(f"{column.name} {column.dtype} {len(column)} {column.null_count()} ".encode())
            if _is_constant(column):
                # As the columns that nobody fills: one value says it all.
                digest.update(str(column.first()).encode())
                continue
            if column.null_count():
                digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
            if column.dtype == pl.String:
                digest.update(column.str.len_bytes().fill_null(0).to_numpy())
                text = column.to_arrow(compat_level=pl.CompatLevel.oldest())
                offsets = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
                digest.update(memoryview(text.buffers()[2] or b"")[offsets[0] : offsets[-1]])
                continue
            numbers = column.cast(pl.Int8) if column.dtype == pl.Boolean else column
            digest.update(numbers.fill_null(0).to_numpy())
    return digest.hexdigest()


def _is_constant(column: pl.Series) -> bool:
    if column.null_count():
        return column.null_count() == len(column)
    return column.dtype.is_integer() and column.min() == column.max()
