"""The prepared log: events brought together by journey, in order, in small integers, once."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import polars as pl
import pyarrow as pa

from journeymining import __version__
from journeymining.engines.columns import CODED, EVENTS, JOURNEYS
from journeymining.engines.engine import Threads
from journeymining.engines.partition import Shuffle, suitable_buckets
from journeymining.exceptions import InputError, UsageError
from journeymining.writing import whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from journeymining.engines.engine import Engine

logger = logging.getLogger(__name__)

FORMAT = 2
MOST_BUCKETS = 1024
URL = re.compile(r"[A-Za-z][\w+.-]+:/")
"""The beginning of an address; a single letter before the colon is a drive of Windows."""

Partial = TypeVar("Partial")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Bucket:
    """A part of the log that holds whole journeys; what a kernel works on.

    ``events`` has the columns that were asked for, one row per event, sorted by journey, time, source order and event
    id: the next event of a journey is the next row. ``journeys`` has one row per journey, in the order of its code.
    """

    number: int
    directory: Path
    columns: tuple[str, ...] | None = None

    @cached_property
    def events(self) -> pl.DataFrame:
        """The events of the bucket, see `journeymining.engines.columns.EVENTS`."""
        wanted = list(EVENTS if self.columns is None else self.columns)
        counted = [name for name in wanted if name != "event_id"]
        events = pl.read_parquet(self.directory / "events.parquet", columns=counted)
        if "event_id" not in wanted:
            return events
        ids = pl.read_parquet(self.directory / "ids.parquet")
        return events.with_columns(ids["event_id"]).select(wanted)

    @cached_property
    def journeys(self) -> pl.DataFrame:
        """The journeys of the bucket, see `journeymining.engines.columns.JOURNEYS`."""
        return self.journey_columns(*JOURNEYS)

    def journey_columns(self, *names: str) -> pl.DataFrame:
        """Return these columns of the journeys; without their ids they are read in a fraction of the time."""
        return pl.read_parquet(self.directory / "journeys.parquet", columns=list(names))


class PreparedLog:
    """An event log that is ready for analysis; made by `prepare`, opened again by `PreparedLog.open`.

    Used as a context, it removes its folder at the end if the folder was temporary.
    """

    def __init__(
        self, directory: Path, *, threads: int | None = None, engine: Engine | None = None, temporary: bool = False
    ) -> None:
        self.directory = directory
        self.engine: Engine = engine or Threads(threads)
        self._temporary = temporary
        self.manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        self.dictionaries: dict[str, list[str]] = json.loads(
            (directory / "dictionaries.json").read_text(encoding="utf-8")
        )

    @classmethod
    def open(cls, directory: str | Path, *, threads: int | None = None, engine: Engine | None = None) -> PreparedLog:
        """Open a log that was prepared before, by whichever engine, to be analysed on this one.

        Raises
        ------
        InputError
            If the folder holds no prepared log, or one of another format.
        """
        directory = Path(directory)
        if not (directory / "manifest.json").is_file():
            raise InputError(f"{directory} holds no prepared log: manifest.json is missing. Make one with prepare().")
        log = cls(directory, threads=threads, engine=engine)
        if log.manifest.get("format") != FORMAT:
            raise InputError(
                f"{directory} has format {log.manifest.get('format')}, this version reads {FORMAT}: prepare it again."
            )
        return log

    @property
    def activities(self) -> list[str]:
        """Names of the activities in alphabetical order; the code of an activity is its index."""
        return self.dictionaries["activity"]

    @property
    def channels(self) -> list[str]:
        """Names of the channels in alphabetical order; an event without one has code -1."""
        return self.dictionaries["channel"]

    @property
    def phases(self) -> list[str]:
        """Names of the phases in alphabetical order; an event without one has code -1."""
        return self.dictionaries["phase"]

    @property
    def statuses(self) -> list[str]:
        """Statuses in alphabetical order; an event without one has code -1."""
        return self.dictionaries["status"]

    @property
    def resources(self) -> list[str]:
        """Resources in alphabetical order; an event without one has code -1."""
        return self.dictionaries["resource"]

    @property
    def event_count(self) -> int:
        """Number of events."""
        return int(self.manifest["events"])

    @property
    def journey_count(self) -> int:
        """Number of journeys."""
        return int(self.manifest["journeys"])

    @property
    def last_time(self) -> int:
        """Time of the last event of the log, microseconds UTC: what happened later is not known."""
        return int(self.manifest["last_time"])

    @property
    def bucket_paths(self) -> list[Path]:
        """Folders of the buckets, each with ``events.parquet`` and ``journeys.parquet``."""
        return [self.directory / f"bucket={number:03d}" for number in range(self.manifest["buckets"])]

    def code(self, column: str, name: str) -> int:
        """Return the code of a name in a coded column, or -2 if the log does not have it."""
        names = self.dictionaries[column]
        return names.index(name) if name in names else -2

    def run(
        self,
        kernel: Callable[[Bucket], Partial],
        merge: Callable[[list[Partial]], Result],
        *,
        columns: Sequence[str] | None = None,
    ) -> Result:
        """Run a kernel on every bucket, on the log's engine, and merge the partial results in the order of the buckets.

        Parameters
        ----------
        kernel : callable
            From a `Bucket` to a small partial result; must not depend on other buckets.
        merge : callable
            From the list of partial results, in bucket order, to the result.
        columns : sequence of str, default all
            The columns of ``bucket.events`` that the kernel needs; fewer are read faster.

        Examples
        --------
        >>> with prepare(example_log()) as log:
        ...     log.run(lambda bucket: bucket.events.height, sum, columns=["journey"])
        4
        """
        chosen = None if columns is None else tuple(columns)

        def work(place: tuple[int, Path]) -> Partial:
            # Made here, so that what it has read is forgotten with it.
            return kernel(Bucket(*place, chosen))

        return merge(self.engine.map(work, list(enumerate(self.bucket_paths))))

    def trace(self, keep: Callable[[Bucket], pl.Series]) -> pl.DataFrame:
        """Return the events behind a number.

        Parameters
        ----------
        keep : callable
            From a bucket to one boolean per row of ``bucket.events``.

        Returns
        -------
        polars.DataFrame
            ``journey_id``, ``event_id``, ``activity``, ``channel``, ``timestamp``: one row per event, by bucket,
            journey and order within the journey.
        """

        def kernel(bucket: Bucket) -> pl.DataFrame:
            return (
                bucket.events.filter(keep(bucket))
                .join(bucket.journeys.select("journey", "journey_id"), on="journey", maintain_order="left")
                .select(
                    "journey_id",
                    "event_id",
                    self.names("activity"),
                    self.names("channel"),
                    pl.from_epoch("time", time_unit="us").dt.replace_time_zone("UTC").alias("timestamp"),
                )
            )

        return self.run(kernel, lambda parts: pl.concat(parts))

    def names(self, column: str) -> pl.Expr:
        """Return the expression that turns the codes of a column into names, -1 into null."""
        names = self.dictionaries[column]
        return pl.col(column).replace_strict(list(range(len(names))), names, default=None, return_dtype=pl.String)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the engine behind: a kernel that travels to an executor may look at the log, not start work."""
        return self.__dict__ | {"engine": Threads(1), "_temporary": False}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder if it was temporary."""
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)


def prepare(
    log: pa.Table | str | Path | Sequence[str | Path],
    directory: str | Path | None = None,
    *,
    buckets: int | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
    journeys: pa.Table | None = None,
    engine: Engine | None = None,
    force: bool = False,
    tell: Callable[[str, int, int], None] | None = None,
) -> PreparedLog:
    """Bring the events of every journey together and in order, once, so that every analysis is local to a journey.

    Parameters
    ----------
    log : Table, or Parquet file, folder or files; one row per event
        An event log, see `journeymining.eventlog.schema`. Rows may be in any order. With Spark also an address that it
        reads, such as ``hdfs://host/events``.
    directory : path, default a temporary folder
        Where the prepared log is kept. A temporary one is removed when the log is closed: use it in ``with``.
        With Spark all executors must see it under the same path.
    buckets : int, default about half a million events each
        A power of two, at most 1024.
    memory_limit : str, default half of the machine's
        What the preparation may take, such as ``"2GB"``. It holds a part of half a million events per thread, and the
        rest on disk; a limit leaves fewer threads, then smaller parts. Below about 1 GB it cannot be kept.
    threads : int, default all cores
        How many parts of the log, and later buckets, are worked on at a time.
    journeys : Table, one row per journey, optional
        ``journey_id`` and the flags ``open`` and ``left_truncated``; unknown flags are null.
    engine : Engine, default threads of this machine
        Where the log is prepared and analysed, see `journeymining.engines.engine.engine_of`. Spark minds its own limits
        of memory and cores, not ``memory_limit`` and ``threads``.
    force : bool
        Replace a folder that holds something.
    tell : callable, optional
        Is told what happens now, how much of it is done and how much there is to do.

    Returns
    -------
    PreparedLog
        Equal buckets, code for code, whatever the order of the rows, the number of files or of threads, or the engine.
        Ties in time are broken by source order (events without one last), then event id; how often is in the manifest
        (``tied``, ``ordered_by_event_id``).

    Raises
    ------
    EmptyLogError
        If there are no events.
    InputError
        If a required column or value is missing, a timestamp is not in UTC microseconds, or a journey has events of
        more than one customer.
    UsageError
        If the folder holds something and ``force`` is not given, or the number of buckets is no power of two.

    Examples
    --------
    >>> with prepare(example_log()) as log:
    ...     log.activities, log.event_count, log.journey_count
    (['call', 'order', 'pay'], 4, 2)
    """
    if buckets is not None and (buckets < 1 or buckets > MOST_BUCKETS or buckets & (buckets - 1)):
        raise UsageError(f"buckets is {buckets}; a power of two from 1 to {MOST_BUCKETS} is needed.")
    runs_on = engine or Threads(threads)
    source = log if isinstance(log, pa.Table) else _files(log, urls=runs_on.name == "spark")
    if directory is not None:
        with whole_folder(directory, force=force) as folder:
            _write(source, folder, buckets, memory_limit, runs_on, journeys, tell)
        return PreparedLog(Path(directory), engine=runs_on)
    folder = Path(tempfile.mkdtemp(prefix="journeymining-"))
    try:
        _write(source, folder, buckets, memory_limit, runs_on, journeys, tell)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return PreparedLog(folder, engine=runs_on, temporary=True)


def example_log() -> pa.Table:
    """Return a log of two journeys, for examples."""
    from journeymining.eventlog.schema import REQUIRED

    rows = [
        ("1", "ann", "a", "order", 0, "web"),
        ("2", "ann", "a", "pay", 60, "web"),
        ("3", "bob", "b", "order", 0, "web"),
        ("4", "bob", "b", "call", 30, "phone"),
    ]
    names = ("event_id", "customer_id", "journey_id", "activity", "timestamp", "channel")
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns[4] = [seconds * 1_000_000 for seconds in columns[4]]
    table = {name: pa.array(column) for name, column in zip(names, columns, strict=True)}
    table["source"] = pa.array(["shop"] * len(rows))
    return pa.table({field.name: table[field.name].cast(field.type) for field in REQUIRED}, schema=REQUIRED)


def write_manifest(folder: Path, dictionaries: dict[str, list[str]], contents: list[dict[str, Any]]) -> None:
    """Write what a folder of buckets is read by, from what `write_bucket` gave for every bucket, in their order."""
    (folder / "dictionaries.json").write_text(json.dumps(dictionaries, ensure_ascii=False, indent=1), encoding="utf-8")
    digest = hashlib.sha256(json.dumps([dictionaries, [c["digest"] for c in contents]]).encode()).hexdigest()
    totals = {key: sum(int(c[key]) for c in contents) for key in ("events", "journeys", "tied", "ordered_by_event_id")}
    manifest = {
        "format": FORMAT,
        "journeymining": __version__,
        "buckets": len(contents),
        **totals,
        "first_time": min(c["first_time"] for c in contents if c["events"]),
        "last_time": max(c["last_time"] for c in contents if c["events"]),
        "distinct": {column: len(dictionaries[column]) for column in CODED},
        "digest": digest,
        "contents": contents,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    logger.info("Prepared %d events of %d journeys.", totals["events"], totals["journeys"])


def _write(
    source: pa.Table | Sequence[str | Path],
    folder: Path,
    buckets: int | None,
    memory_limit: str | None,
    engine: Engine,
    journeys: pa.Table | None,
    tell: Callable[[str, int, int], None] | None,
) -> None:
    if not isinstance(engine, Threads):
        from journeymining.engines.spark_shuffle import shuffle as shuffle_on_spark

        dictionaries, contents = shuffle_on_spark(source, folder, engine=engine, buckets=buckets, journeys=journeys)
    else:
        files = source if isinstance(source, pa.Table) else [Path(file) for file in source]
        shuffle = Shuffle(files, folder, memory_limit=memory_limit, threads=engine.width, tell=tell)
        buckets = buckets or suitable_buckets(shuffle.events)
        shuffle.partition(buckets)
        dictionaries = shuffle.dictionaries()
        contents = shuffle.sort_buckets(buckets, journeys=journeys)
    write_manifest(folder, dictionaries, contents)


def is_url(place: str | Path) -> bool:
    """Say whether a place is an address, such as ``s3a://bucket/events``, and no path of this machine."""
    return isinstance(place, str) and URL.match(place) is not None


def _files(log: str | Path | Sequence[str | Path], *, urls: bool) -> list[str | Path]:
    """Return the Parquet files of files and folders; addresses as they are, for an engine that reads them."""
    paths = [log] if isinstance(log, str | Path) else list(log)
    files: list[str | Path] = []
    for place in paths:
        if is_url(place):
            if not urls:
                raise UsageError(f"{place} is an address: only the engine 'spark' reads it, others read files.")
            files.append(place)
            continue
        path = Path(place)
        if not path.exists():
            raise InputError(f"{path} does not exist.")
        files += sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{', '.join(map(str, paths))}: no Parquet file found.")
    return files
