"""Bring a prepared log up to date: only the rows of journeys that changed are read again from the event log."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import polars as pl

from journeymining.database import connect
from journeymining.engines.bucket import code_columns, no_rows, write_bucket
from journeymining.engines.columns import CODED, ROWS
from journeymining.engines.partition import bucket_of, buckets_of, suitable_buckets
from journeymining.engines.prepared_log import Bucket, PreparedLog, prepare, write_manifest
from journeymining.writing import whole_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa

Dictionaries = dict[str, list[str]]
Codes = dict[str, list[int]]


def update(
    previous: PreparedLog,
    events: Path,
    changed: Sequence[str],
    directory: Path,
    *,
    journeys: pa.Table,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> tuple[PreparedLog, int]:
    """Prepare an event log from an earlier state of it and the journeys that have changed since.

    Parameters
    ----------
    previous : PreparedLog
        The log as it was prepared before.
    events : path of Parquet, one row per event
        The event log as it is now.
    changed : sequence of str
        ``journey_id`` of every journey that came, went, or has other events or marks than in ``previous``. Journeys
        that are not named are taken from ``previous``, whatever ``events`` says of them.
    directory : path
        Where the log is kept; may be that of ``previous``, which is then replaced when all is written.
    journeys : Table, one row per journey
        As of `journeymining.engines.prepared_log.prepare`; of all journeys, as they are now.
    memory_limit, threads : as of `prepare`

    Returns
    -------
    log : PreparedLog
        Equal to what `prepare` makes of ``events``, row for row and code for code. Buckets whose journeys and codes are
        as before are copied; the others are written from their earlier rows and those read anew. A log that has grown
        into another number of buckets, or of which more than half has changed, is prepared as a whole.
    again : int
        Journeys that were read anew; all of them where the log was prepared as a whole.
    """

    def whole() -> tuple[PreparedLog, int]:
        log = prepare(events, directory, journeys=journeys, memory_limit=memory_limit, threads=threads, force=True)
        return log, log.journey_count

    gone = frozenset(changed)
    if 2 * len(gone) > previous.journey_count:
        return whole()
    fresh = _fresh_rows(events, changed)
    kept = previous.run(lambda bucket: _kept(bucket, gone), list, columns=["journey", *CODED])
    count = fresh.height + sum(events for events, _ in kept)
    if not count or suitable_buckets(count) != len(kept):
        return whole()
    dictionaries = _dictionaries(previous.dictionaries, [codes for _, codes in kept], fresh)
    rows = code_columns(fresh, dictionaries)
    number = pl.Series(buckets_of(rows["journey_id"], len(kept)))
    flags = pl.DataFrame(pl.from_arrow(journeys.select(["journey_id", "open", "left_truncated"])))
    touched = {bucket_of(one, len(kept)) for one in gone}
    if dictionaries != previous.dictionaries:
        touched = set(range(len(kept)))
    with whole_folder(directory, force=True) as folder:

        def renew(place: int) -> dict[str, Any]:
            source, target = previous.bucket_paths[place], folder / f"bucket={place:03d}"
            if place not in touched:
                shutil.copytree(source, target)
                entry: dict[str, Any] = previous.manifest["contents"][place]
                return entry
            known = _recoded(_rows_of(Bucket(place, source), gone), previous.dictionaries, dictionaries)
            both = pl.concat([no_rows(), known, rows.filter(number == place)])
            ours = flags.join(both.select("journey_id").unique(), on="journey_id", how="semi")
            return write_bucket(both, target, flags=ours)

        with ThreadPoolExecutor(threads) as pool:
            contents = list(pool.map(renew, range(len(kept))))
        write_manifest(folder, dictionaries, contents)
    return PreparedLog.open(directory, threads=threads), len(gone)


def _fresh_rows(events: Path, changed: Sequence[str]) -> pl.DataFrame:
    """Return the events of the journeys that changed, as the event log has them."""
    ids = pl.DataFrame({"journey_id": sorted(changed)}, schema={"journey_id": pl.String}).to_arrow()
    with connect() as database:
        database.register("changed", ids)
        query = "SELECT e.* FROM read_parquet($path) e SEMI JOIN changed c ON c.journey_id = e.journey_id"
        found = pl.from_arrow(database.sql(query, params={"path": str(events)}).to_arrow_table())
        assert isinstance(found, pl.DataFrame)
        return found


def _kept(bucket: Bucket, gone: frozenset[str]) -> tuple[int, Codes]:
    """Return how many events of a bucket stay, and the codes that they have."""
    rows = bucket.events.join(_staying_journeys(bucket, gone), on="journey", how="semi")
    return rows.height, {name: rows[name].unique().to_list() for name in CODED}


def _staying_journeys(bucket: Bucket, gone: frozenset[str]) -> pl.DataFrame:
    stays = bucket.journeys.filter(~pl.col("journey_id").is_in(sorted(gone)))
    return stays.select("journey", "journey_id", "customer_id")


def _rows_of(bucket: Bucket, gone: frozenset[str]) -> pl.DataFrame:
    """Return the events that stay in a bucket as they were before they were sorted and their journeys coded."""
    orders = pl.read_parquet(bucket.directory / "ids.parquet", columns=["source_order"])["source_order"]
    rows = bucket.events.with_columns(orders).join(_staying_journeys(bucket, gone), on="journey", maintain_order="left")
    return rows.select(pl.col(name).cast(kind) for name, kind in ROWS.items())


def _dictionaries(before: Dictionaries, kept: Sequence[Codes], fresh: pl.DataFrame) -> Dictionaries:
    """Return the names that occur now, in the order of their code points."""
    found = {}
    for column in CODED:
        names = {before[column][code] for codes in kept for code in codes[column] if code >= 0}
        if column in fresh.columns:
            names |= set(fresh[column].drop_nulls().cast(pl.String))
        found[column] = sorted(names)
    return found


def _recoded(rows: pl.DataFrame, before: Dictionaries, now: Dictionaries) -> pl.DataFrame:
    """Give the codes of the new dictionaries to rows with those of the old ones."""
    changes = []
    for column, kind in CODED.items():
        if before[column] != now[column]:
            place = {name: code for code, name in enumerate(now[column])}
            # What no row has any more gets no code, and is not asked for.
            codes = [place.get(name, -1) for name in before[column]]
            changes.append(pl.col(column).replace_strict([-1, *range(len(codes))], [-1, *codes], return_dtype=kind))
    return rows.with_columns(changes)
