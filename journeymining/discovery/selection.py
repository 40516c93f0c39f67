"""Some journeys of a prepared log, as a prepared log: every analysis runs on them as it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import polars as pl

from journeymining.engines.prepared_log import Bucket, PreparedLog
from journeymining.exceptions import EmptyLogError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

Partial = TypeVar("Partial")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SelectedBucket(Bucket):
    """A bucket without the journeys that are not asked for; the others are counted from 0 again."""

    of: Bucket | None = None
    keep: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_), compare=False)

    @cached_property
    def events(self) -> pl.DataFrame:
        """The events of the journeys that are left."""
        assert self.of is not None
        events, codes = self.of.events, pl.Series("journey", np.cumsum(self.keep) - 1, dtype=pl.Int32)
        kept = events.filter(pl.Series(self.keep[events["journey"].to_numpy()], dtype=pl.Boolean))
        return kept.with_columns(codes.gather(kept["journey"]))

    def journey_columns(self, *names: str) -> pl.DataFrame:
        """Return these columns of the journeys that are left, in the order of their new codes."""
        assert self.of is not None
        kept = self.of.journey_columns(*names).filter(pl.Series(self.keep, dtype=pl.Boolean))
        codes = pl.Series("journey", np.arange(kept.height), dtype=pl.Int32)
        return kept.with_columns(codes) if "journey" in names else kept


class Selection(PreparedLog):
    """Some journeys of a prepared log; its names, codes and end of observation stay those of the whole log.

    Parameters
    ----------
    log : PreparedLog
    keep : list of arrays
        Per bucket, for every journey in the order of its code, whether it is meant.
    """

    def __init__(self, log: PreparedLog, keep: list[NDArray[np.bool_]]) -> None:
        # All else is as of the log, whatever runs its kernels.
        self.__dict__.update(log.__dict__)
        self.log, self.keep, self._temporary = log, keep, False
        journeys = int(sum(mask.sum() for mask in keep))
        events = log.run(_sizes, lambda parts: _total(parts, keep), columns=["journey"])
        self.manifest: dict[str, Any] = log.manifest | {"journeys": journeys, "events": events}

    def run(
        self,
        kernel: Callable[[Bucket], Partial],
        merge: Callable[[list[Partial]], Result],
        *,
        columns: Sequence[str] | None = None,
    ) -> Result:
        """Run a kernel on what is left of every bucket, see `PreparedLog.run`."""
        keep = self.keep

        def inner(bucket: Bucket) -> Partial:
            number, place = bucket.number, bucket.directory
            return kernel(SelectedBucket(number, place, bucket.columns, of=bucket, keep=keep[number]))

        # Without the journey of an event nobody can tell whether it is meant.
        needed = None if columns is None else list(dict.fromkeys(["journey", *columns]))
        return self.log.run(inner, merge, columns=needed)

    def __enter__(self) -> Self:
        return self


def select_journeys(log: PreparedLog, journeys: Collection[str]) -> Selection:
    """Return the journeys with these ids as a log of their own.

    Raises
    ------
    EmptyLogError
        If the log has none of them.

    Examples
    --------
    >>> from journeymining.discovery.variants import variants
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     variants(select_journeys(log, ["b"]))["path"].tolist()
    [['order', 'call']]
    """
    selection = Selection(log, journey_masks(log, journeys))
    if not selection.journey_count:
        raise EmptyLogError(f"None of the {len(journeys):,} journeys asked for is in the log.")
    return selection


def journey_masks(log: PreparedLog, journeys: Collection[str]) -> list[NDArray[np.bool_]]:
    """Return per bucket which of its journeys have one of these ids."""
    wanted = pl.Series(sorted(journeys), dtype=pl.String)

    def kernel(bucket: Bucket) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = bucket.journey_columns("journey_id")["journey_id"].is_in(wanted.implode()).to_numpy()
        return found

    return log.run(kernel, lambda parts: parts, columns=["journey"])


def _sizes(bucket: Bucket) -> NDArray[np.int64]:
    """Return the number of events of every journey, in the order of its code."""
    return bucket.journey_columns("events")["events"].to_numpy().astype(np.int64)


def _total(parts: list[NDArray[np.int64]], keep: list[NDArray[np.bool_]]) -> int:
    return int(sum(sizes[mask].sum() for sizes, mask in zip(parts, keep, strict=True)))
