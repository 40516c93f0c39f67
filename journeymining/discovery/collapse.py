"""A prepared log without self-loops: the same activity in the same channel several times in a row is one event."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import polars as pl

from journeymining.engines.prepared_log import Bucket, PreparedLog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Partial = TypeVar("Partial")
Result = TypeVar("Result")

NEEDED = ("journey", "activity", "channel")


@dataclass(frozen=True)
class CollapsedBucket(Bucket):
    """A bucket in which an event that repeats the one before it is left out; journeys end when they ended."""

    of: Bucket | None = None

    @cached_property
    def events(self) -> pl.DataFrame:
        """The first event of every run."""
        assert self.of is not None
        repeats = pl.all_horizontal(pl.col(name).diff() == 0 for name in NEEDED)
        return self.of.events.filter(~repeats.fill_null(False))

    def journey_columns(self, *names: str) -> pl.DataFrame:
        """Return these columns of the journeys; their events are those that are left."""
        assert self.of is not None
        found = self.of.journey_columns(*names)
        if "events" not in names:
            return found
        # Every journey has an event, and both come in the order of its code.
        left = self.events.group_by("journey", maintain_order=True).agg(pl.len().cast(pl.Int32).alias("events"))
        return found.with_columns(left["events"])


class CollapsedLog(PreparedLog):
    """A prepared log whose self-loops are collapsed.

    Parameters
    ----------
    log : PreparedLog

    Examples
    --------
    >>> from journeymining.discovery.variants import variants
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> import pyarrow as pa
    >>> table = example_log()
    >>> twice = table.set_column(table.schema.get_field_index("activity"), "activity", pa.array(["a", "a", "a", "b"]))
    >>> with prepare(twice) as log:
    ...     variants(CollapsedLog(log))["path"].tolist(), CollapsedLog(log).collapsed
    ([['a'], ['a', 'b']], 1)
    """

    def __init__(self, log: PreparedLog) -> None:
        self.__dict__.update(log.__dict__)
        self.log, self._temporary = log, False
        left = self.run(_height, lambda parts: sum(parts), columns=["journey"])
        self.collapsed = log.event_count - left
        """How many events are left out."""
        self.manifest: dict[str, Any] = log.manifest | {"events": left}

    def run(
        self,
        kernel: Callable[[Bucket], Partial],
        merge: Callable[[list[Partial]], Result],
        *,
        columns: Sequence[str] | None = None,
    ) -> Result:
        """Run a kernel on the collapsed buckets, see `PreparedLog.run`."""

        def inner(bucket: Bucket) -> Partial:
            return kernel(CollapsedBucket(bucket.number, bucket.directory, bucket.columns, of=bucket))

        needed = None if columns is None else list(dict.fromkeys([*NEEDED, *columns]))
        return self.log.run(inner, merge, columns=needed)

    def __enter__(self) -> Self:
        return self


def _height(bucket: Bucket) -> int:
    return bucket.events.height
