"""Journeys as the models see them: one row per journey, its events beside it in flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from journeymining.exceptions import EmptyLogError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    import pyarrow as pa
    from numpy.typing import NDArray

    from journeymining.engines.prepared_log import Bucket, PreparedLog

MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS

CODED = ("activity", "channel", "phase", "status")
"""Coded columns of the prepared log that analyses of outcomes use."""


@dataclass(frozen=True)
class Coded:
    """A text column as codes: the index in ``levels``, -1 where there is no value."""

    codes: NDArray[np.int32]
    levels: tuple[str, ...]

    def take(self, where: NDArray[Any]) -> Coded:
        """Return the rows that are asked for, with the same levels."""
        return Coded(self.codes[where], self.levels)

    def recode(self, levels: Sequence[str]) -> NDArray[np.int32]:
        """Return codes for other levels, -1 for a value that is none of them."""
        return self.codes if tuple(levels) == self.levels else self.places(levels)[self.codes]

    def places(self, levels: Sequence[str]) -> NDArray[np.int32]:
        """Return the code in other levels of every level of this column; -1 for none, and last for a missing value."""
        place = {name: code for code, name in enumerate(levels)}
        return np.array([place.get(name, -1) for name in self.levels] + [-1], dtype=np.int32)


@dataclass(frozen=True, eq=False)
class JourneyFrame:
    """Journeys and their events; scikit-learn can slice it, so encoders are fitted inside a pipeline.

    A row is a journey (or the beginning of one). The events of row i are ``offsets[i]:offsets[i + 1]`` of the arrays
    ``time`` (microseconds UTC), ``coded`` (activity, channel, phase, status and further text) and ``numbers``.
    """

    journey_id: NDArray[Any]
    customer_id: NDArray[Any]
    open: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    time: NDArray[np.int64]
    coded: Mapping[str, Coded]
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    conformance: pd.DataFrame | None = None
    """What a comparison with the designed journey says of each journey, see `journeymining.outcomes.deviations`."""

    def __len__(self) -> int:
        return len(self.journey_id)

    @property
    def shape(self) -> tuple[int]:
        """Number of journeys, as scikit-learn asks for it."""
        return (len(self),)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Number of events per journey."""
        return np.diff(self.offsets)

    @cached_property
    def row(self) -> NDArray[np.int64]:
        """Row of the journey that an event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def activity(self) -> NDArray[np.int32]:
        """Code of the activity per event."""
        return self.coded["activity"].codes

    @property
    def activities(self) -> tuple[str, ...]:
        """Names of the activities; the code of an activity is its index."""
        return self.coded["activity"].levels

    @cached_property
    def start(self) -> NDArray[np.int64]:
        """Time of the first event, microseconds UTC; the least integer for a journey without events."""
        return self._edge(self.offsets[:-1])

    @cached_property
    def end(self) -> NDArray[np.int64]:
        """Time of the last event, microseconds UTC; the least integer for a journey without events."""
        return self._edge(self.offsets[1:] - 1)

    def _edge(self, place: NDArray[np.int64]) -> NDArray[np.int64]:
        edge = np.full(len(self), np.iinfo(np.int64).min)
        some = self.lengths > 0
        edge[some] = self.time[place[some]]
        return edge

    def __getitem__(self, which: Any) -> JourneyFrame:
        """Return the journeys that are asked for, in that order: a mask, positions or a slice."""
        rows = np.arange(len(self))[which]
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Position of every kept event: start of its journey, plus its place within the journey.
        events = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(
            self._with_events(events, offsets),
            journey_id=self.journey_id[rows],
            customer_id=self.customer_id[rows],
            open=self.open[rows],
            conformance=None if self.conformance is None else self.conformance.iloc[rows].reset_index(drop=True),
        )

    def keep_events(self, keep: NDArray[np.bool_]) -> JourneyFrame:
        """Return the same journeys with only some of their events; journeys may become empty."""
        lengths = np.bincount(self.row[keep], minlength=len(self))
        return self._with_events(np.flatnonzero(keep), np.concatenate([[0], np.cumsum(lengths)]))

    def _with_events(self, events: NDArray[np.int64], offsets: NDArray[np.int64]) -> JourneyFrame:
        return replace(
            self,
            offsets=offsets.astype(np.int64),
            time=self.time[events],
            coded={name: column.take(events) for name, column in self.coded.items()},
            numbers={name: column[events] for name, column in self.numbers.items()},
        )

    def with_conformance(self, table: pd.DataFrame) -> JourneyFrame:
        """Return the journeys with the numbers of a table by its ``journey_id``; missing where it has no row."""
        if table["journey_id"].duplicated().any():
            raise InputError("The table of deviations has a journey_id twice; one row per journey is needed.")
        numbers = table.set_index("journey_id").astype(float).reindex(self.journey_id).reset_index(drop=True)
        return replace(self, conformance=numbers)

    def forget_conformance(self, of: NDArray[np.bool_] | None = None) -> JourneyFrame:
        """Return the journeys without what was compared, or with it missing for some: it was not known by then."""
        if self.conformance is None:
            return self
        kept = None if of is None else self.conformance[~of].reindex(self.conformance.index)
        return replace(self, conformance=kept)

    def is_activity(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Return which events are one of these activities."""
        codes = [code for code, name in enumerate(self.activities) if name in set(names)]
        return np.isin(self.activity, codes)

    @cached_property
    def variants(self) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
        """Number of the path per journey, and the distinct paths as activity codes, in order of first appearance."""
        return distinct_sequences(self.activity, self.offsets)


def distinct_sequences(
    codes: NDArray[np.int32], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[tuple[int, ...]]]:
    """Return the number of the sequence per row and the distinct sequences, in order of first appearance."""
    # Bytes as keys: a dictionary of them is the fastest exact way to tell a million short sequences apart.
    raw, width = np.ascontiguousarray(codes, dtype=np.int32).tobytes(), 4
    seen: dict[bytes, int] = {}
    bounds = (offsets * width).tolist()
    number = [seen.setdefault(raw[first:last], len(seen)) for first, last in pairwise(bounds)]
    paths = [tuple(np.frombuffer(key, dtype=np.int32).tolist()) for key in seen]
    return np.array(number, dtype=np.int64), paths


def journeys_for_outcomes(log: PreparedLog) -> JourneyFrame:
    """Read from a prepared log what analyses of outcomes need: path, channels, times and customer of every journey.

    Journeys come in the order of the buckets. A journey that nobody marked as open counts as ended.

    Raises
    ------
    EmptyLogError
        If the log has no journeys.
    """
    import polars as pl

    columns = ["journey", "time", *CODED, "value"]

    def kernel(bucket: Bucket) -> tuple[pl.DataFrame, pl.DataFrame]:
        return bucket.journeys.select("journey_id", "customer_id", "events", "open"), bucket.events

    parts = log.run(kernel, list, columns=columns)
    journeys, events = pl.concat([part[0] for part in parts]), pl.concat([part[1] for part in parts])
    if not journeys.height:
        raise EmptyLogError("The log has no journeys.")
    return JourneyFrame(
        journey_id=journeys["journey_id"].to_numpy(),
        customer_id=journeys["customer_id"].to_numpy(),
        open=journeys["open"].fill_null(False).to_numpy(),
        offsets=np.concatenate([[0], np.cumsum(journeys["events"].to_numpy())]).astype(np.int64),
        time=events["time"].to_numpy(),
        coded={
            name: Coded(events[name].to_numpy().astype(np.int32), tuple(log.dictionaries[name]))
            for name in CODED
            if name == "activity" or log.dictionaries[name]
        },
        numbers={"value": events["value"].cast(pl.Float64).fill_null(float("nan")).to_numpy()},
    )


def journeys_from_events(
    events: pd.DataFrame | pa.Table, *, attributes: Sequence[str] = (), journeys: pd.DataFrame | None = None
) -> JourneyFrame:
    """Build the journeys from an event log in memory.

    Parameters
    ----------
    events : DataFrame or Table, one row per event
        ``journey_id``, ``activity``, ``timestamp``; optionally ``customer_id`` (default: the journey), ``channel``,
        ``phase``, ``status``, ``value``, ``source_order``, ``event_id``. Rows may be in any order; ties in time are
        broken by source order, then event id, then the order of the rows.
    attributes : sequence of str
        Further columns to keep: numbers, and text that is a number throughout, as numbers; everything else as text.
    journeys : DataFrame, one row per journey, optional
        ``journey_id`` and ``open``.

    Returns
    -------
    JourneyFrame
        Journeys by their id.

    Examples
    --------
    >>> log = pd.DataFrame({"journey_id": ["b", "a", "a"], "activity": ["call", "pay", "order"],
    ...     "timestamp": pd.to_datetime(["2026-01-01", "2026-01-03", "2026-01-02"], utc=True)})
    >>> journeys = journeys_from_events(log)
    >>> journeys.journey_id.tolist(), [journeys.activities[code] for code in journeys.activity]
    (['a', 'b'], ['order', 'pay', 'call'])
    """
    frame: pd.DataFrame = events if isinstance(events, pd.DataFrame) else events.to_pandas()
    for column in ("journey_id", "activity", "timestamp", *attributes):
        if column not in frame:
            raise InputError.missing_column(column, frame.columns, where="The events")
    if frame.empty:
        raise EmptyLogError("The log has no events.")
    order = [column for column in ("journey_id", "timestamp", "source_order", "event_id") if column in frame]
    frame = frame.sort_values(order, kind="stable", ignore_index=True)
    ids, first, lengths = _runs(frame["journey_id"].astype(str).to_numpy(dtype=object))
    customers = frame["customer_id" if "customer_id" in frame else "journey_id"].astype(str).to_numpy(dtype=object)
    unfinished = np.zeros(len(ids), dtype=bool)
    if journeys is not None:
        known = journeys.set_index("journey_id")["open"].astype("boolean").fillna(value=False)
        unfinished = known.reindex(ids, fill_value=False).to_numpy(dtype=bool)
    coded: dict[str, Coded] = {}
    numbers: dict[str, NDArray[np.float64]] = {}
    for name in dict.fromkeys([*CODED, "value", *attributes]):
        if name not in frame:
            continue
        values = frame[name] if name in CODED else _as_numbers(frame[name])
        if name not in CODED and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            numbers[name] = values.to_numpy(dtype=float)
        else:
            codes, levels = pd.factorize(values.astype("str").where(values.notna()), sort=True)
            coded[name] = Coded(codes.astype(np.int32), tuple(map(str, levels)))
    return JourneyFrame(
        journey_id=ids,
        customer_id=customers[first],
        open=unfinished,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        time=microseconds(frame["timestamp"]),
        coded=coded,
        numbers=numbers,
    )


def _as_numbers(values: pd.Series) -> pd.Series:
    """Return a text column as numbers if every value is one; a code such as 0123 keeps its zero and stays text."""
    if pd.api.types.is_numeric_dtype(values):
        return values
    distinct = pd.Series(values.dropna().unique()).astype("str")
    if distinct.empty or distinct.str.fullmatch(r"-?0\d+").any():
        return values
    numbers = pd.to_numeric(distinct, errors="coerce")
    if numbers.isna().any():
        return values
    result: pd.Series = values.astype("str").map(dict(zip(distinct, numbers, strict=True))).astype("float64")
    return result


def microseconds(times: pd.Series) -> NDArray[np.int64]:
    """Return times as microseconds UTC; times without a zone count as UTC, missing ones give the least integer."""
    return pd.to_datetime(times, utc=True).to_numpy(dtype="datetime64[us]").astype(np.int64)


def _runs(ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    first = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    return ids[first], first, np.diff(np.concatenate([first, [len(ids)]]))
