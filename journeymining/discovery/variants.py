"""Which paths journeys take: the distinct sequences of activities, and which journey takes which."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from journeymining.discovery.quantiles import SortedValues

if TYPE_CHECKING:
    from journeymining.engines.prepared_log import Bucket, PreparedLog

SEPARATOR = "\x1f"


@dataclass(frozen=True)
class Paths:
    """The variants of a log as codes, and the variant of every journey.

    ``variants`` has one row per variant, the most frequent first: ``path`` (bytes), ``journeys``, ``length``.
    ``of_journey`` has one array per bucket: the row of the variant of every journey, in the order of its code.
    """

    variants: pl.DataFrame
    of_journey: list[np.ndarray]
    kind: np.dtype

    def codes(self, row: int) -> np.ndarray:
        """Return the activity codes of a variant."""
        return np.frombuffer(self.variants["path"][row], dtype=self.kind)


def find_paths(log: PreparedLog) -> Paths:
    """Group the journeys of a prepared log by their sequence of activities, exactly.

    Most frequent first, ties by path: code by code, which is alphabetical by activity, the shorter path first.
    """
    kind = _smallest_type(len(log.activities))

    def kernel(bucket: Bucket) -> tuple[pl.DataFrame, np.ndarray]:
        paths = _path_bytes(bucket.events, kind).dictionary_encode()
        rows, distinct = paths.indices.to_numpy(), pl.Series(paths.dictionary)
        counts = np.bincount(rows, minlength=distinct.len())
        return pl.DataFrame({"path": distinct, "journeys": counts.astype(np.int64)}), rows

    parts = log.run(kernel, lambda found: found, columns=["journey", "activity"])
    variants = (
        pl.concat([part for part, _ in parts])
        .group_by("path")
        .agg(pl.col("journeys").sum())
        .sort(["journeys", "path"], descending=[True, False])
        .with_columns((pl.col("path").bin.size() // kind.itemsize).cast(pl.Int64).alias("length"))
    )
    every = pl.concat([part.select("path") for part, _ in parts])
    places = every.join(variants.select("path").with_row_index("variant"), on="path", how="left", maintain_order="left")
    ends = np.cumsum([part.height for part, _ in parts])
    of_part = np.split(places["variant"].to_numpy(), ends[:-1])
    return Paths(variants, [found[rows] for found, (_, rows) in zip(of_part, parts, strict=True)], kind)


def variants(log: PreparedLog, *, paths: Paths | None = None) -> pd.DataFrame:
    """List the distinct paths of activities, with how often, when and how long.

    Parameters
    ----------
    log : PreparedLog
    paths : Paths, optional
        The result of `find_paths`, where it is used more than once.

    Returns
    -------
    DataFrame, one row per variant
        ``variant_id`` (first 12 hexadecimal digits of the MD5 of the activities joined by U+001F; all 32 where two
        variants of the log would share 12), ``path`` (list of activities), ``journeys``, ``events``, ``first_seen``
        and ``last_seen`` (start of its first and of its last journey, UTC), ``median_duration`` (seconds from a
        journey's first event to its last, interpolated linearly), most frequent first, ties in the alphabetical
        order of the path.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     variants(log)[["variant_id", "path", "journeys"]]
         variant_id           path  journeys
    0  7e963a4a8be5  [order, call]         1
    1  21e65fe5ece0   [order, pay]         1
    """
    paths = paths or find_paths(log)
    spans = log.run(
        lambda bucket: bucket.journey_columns("start", "end").with_columns(
            pl.Series("variant", paths.of_journey[bucket.number])
        ),
        lambda parts: pl.concat(parts),
        columns=["journey"],
    )
    variant, start = spans["variant"].to_numpy(), spans["start"].to_numpy()
    first, last = (np.full(paths.variants.height, end) for end in (np.iinfo(np.int64).max, np.iinfo(np.int64).min))
    np.minimum.at(first, variant, start)
    np.maximum.at(last, variant, start)
    durations = pl.DataFrame({"key": spans["variant"].cast(pl.Int64), "value": spans["end"] - spans["start"]})
    names = decode_paths(log, paths)
    found = paths.variants
    return pd.DataFrame(
        {
            "variant_id": pd.Series(variant_ids(names), dtype="str"),
            "path": names,
            "journeys": found["journeys"].to_numpy(),
            "events": (found["journeys"] * found["length"]).to_numpy(),
            "first_seen": moments(pl.Series(first)),
            "last_seen": moments(pl.Series(last)),
            "median_duration": SortedValues.of(durations).medians() / 1e6,
        }
    )


def variant_coverage(found: pd.DataFrame) -> pd.DataFrame:
    """Say which share of journeys the most frequent variants cover.

    Parameters
    ----------
    found : DataFrame
        The result of `variants`.

    Returns
    -------
    DataFrame, one row per variant in the same order
        ``variants`` (how many, counted from the most frequent), ``variant_share`` (of all variants), ``journeys`` (of
        these variants together) and ``journey_share`` (of all journeys).
    """
    count = len(found)
    journeys = found["journeys"].to_numpy().cumsum()
    ranks = np.arange(1, count + 1)
    return pd.DataFrame(
        {
            "variants": ranks,
            "variant_share": ranks / max(count, 1),
            "journeys": journeys,
            "journey_share": journeys / journeys[-1] if count else journeys.astype(float),
        }
    )


def decode_paths(log: PreparedLog, paths: Paths) -> list[list[str]]:
    """Return the activities of every variant by name."""
    names = np.array(log.activities, dtype=object)
    codes = np.frombuffer(b"".join(paths.variants["path"].to_list()), dtype=paths.kind)
    steps = names[codes].tolist()
    ends = np.cumsum(paths.variants["length"].to_numpy()).tolist()
    return [steps[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def variant_ids(paths: list[list[str]]) -> list[str]:
    """Return the id of every path, see `variants`."""
    digests = [hashlib.md5(SEPARATOR.join(path).encode(), usedforsecurity=False).hexdigest() for path in paths]
    short = [digest[:12] for digest in digests]
    seen: dict[str, int] = {}
    for text in short:
        seen[text] = seen.get(text, 0) + 1
    return [text if seen[text] == 1 else digest for text, digest in zip(short, digests, strict=True)]


def moments(microseconds: pl.Series) -> pd.Series[pd.Timestamp]:
    """Return microseconds since 1970 as timestamps in UTC."""
    return pd.Series(microseconds.to_numpy().astype("datetime64[us]")).dt.tz_localize("UTC")


def _smallest_type(activities: int) -> np.dtype:
    """Return an unsigned type that holds every code; big-endian, so that bytes sort as codes do."""
    return np.dtype("u1" if activities <= 1 << 8 else ">u2" if activities <= 1 << 16 else ">u4")


def _path_bytes(events: pl.DataFrame, kind: np.dtype) -> pa.LargeBinaryArray:
    """Return the path of every journey as the bytes of its activity codes; no copy, the events lie in order."""
    journey = events["journey"].to_numpy()
    codes = events["activity"].to_numpy().astype(kind)
    starts = np.flatnonzero(np.r_[True, journey[1:] != journey[:-1]]) if len(journey) else np.empty(0, np.int64)
    offsets = np.append(starts, len(journey)).astype(np.int64) * kind.itemsize
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(codes)]
    )
