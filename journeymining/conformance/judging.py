"""Judge the events of a bucket: which deviations each journey has, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from journeymining.conformance.promises import BROKEN, KEPT, UNDECIDED, Deadlines, judge_promise
from journeymining.conformance.satisfaction import RULE_WORDS, Events, judge_rule
from journeymining.conformance.scope import ENDED_OTHERWISE, OPEN, OUTSIDE, Codes, Scoped, scope_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from journeymining.conformance.design import Design, Promise
    from journeymining.conformance.scope import Paths
    from journeymining.engines.prepared_log import Bucket, PreparedLog

FINDING = {
    "journey": pl.Int32,
    "row": pl.Int64,
    "type": pl.String,
    "touchpoint": pl.String,
    "expected": pl.String,
    "observed": pl.String,
}
"""A row is one deviation of one journey; ``row`` is the event in the bucket, null where there is none."""

PATH_DEVIATION = {
    "path": pl.Int64,
    "type": pl.String,
    "touchpoint": pl.String,
    "expected": pl.String,
    "observed": pl.String,
    "position": pl.Int64,
    "far": pl.Int64,
}
"""A row is one deviation of one path, see `journeymining.conformance.deviations.Deviation`."""

PROMISE_WORDS = {KEPT: "kept", BROKEN: "broken", UNDECIDED: "undecided"}

SIDES = {"end_user": ("customer",), "provider": ("organisation", "system"), "system": ("system",)}
"""Which values of ``initiator`` an actor of a role may have."""

ALL_SIDES = ("customer", "organisation", "system")


@dataclass(frozen=True)
class Judged:
    """What was found in a bucket; ``counts`` says how often something could not be judged, or was let pass."""

    journeys: pl.DataFrame
    findings: pl.DataFrame
    verdicts: NDArray[np.int8]
    took: NDArray[np.int64]
    rules: NDArray[np.int64]
    activity: NDArray[np.int64]
    counts: dict[str, int]


def judge_bucket(
    bucket: Bucket,
    log: PreparedLog,
    design: Design,
    codes: Codes,
    paths: Paths,
    path_deviations: pl.DataFrame,
    watched_until: int,
) -> Judged:
    """Find the deviations of every journey of a bucket."""
    scoped = scope_bucket(bucket, codes, design)
    path = np.full(len(scoped.path), -1, dtype=np.int64)
    inside = scoped.path >= 0
    path[inside] = paths.number[bucket.number][scoped.path[inside]]
    counts: dict[str, int] = {}
    placed = _from_paths(bucket, scoped, path, path_deviations, design, counts)
    deadlines = list(_deadlines(bucket, scoped, log, design, watched_until))
    found = [
        _less_failed_attempts(placed, bucket, scoped, log),
        _wrong_channels(bucket, scoped, log, design, counts),
        _wrong_actors(bucket, scoped, log, design, counts),
        _failing(bucket, scoped, log),
        *(_late(design.promises[number], one) for number, one in enumerate(deadlines)),
    ]
    verdicts, rules = _rules(bucket, scoped, log, design)
    journeys = bucket.journeys.select("journey_id", "customer_id").with_columns(
        _entry_channels(bucket, scoped, log),
        pl.Series("path", path),
        pl.Series("stands", scoped.stands),
        _late_by(design, deadlines, len(path)),
        *(_words(f"promise_{number}", one.verdict, PROMISE_WORDS) for number, one in enumerate(deadlines)),
        *(_words(f"rule_{number}", verdict, RULE_WORDS) for number, verdict in enumerate(verdicts)),
    )
    return Judged(
        journeys=journeys,
        findings=_told(pl.concat(found), bucket, log),
        verdicts=np.array([one.verdict for one in deadlines], dtype=np.int8).reshape(len(deadlines), len(path)),
        took=np.array([one.took for one in deadlines], dtype=np.int64).reshape(len(deadlines), len(path)),
        rules=rules,
        activity=np.bincount(bucket.events["activity"].to_numpy()[scoped.scoped], minlength=len(log.activities)),
        counts=counts,
    )


def _entry_channels(bucket: Bucket, scoped: Scoped, log: PreparedLog) -> pl.Series:
    """Return the channel of each journey's first event in scope."""
    journey = bucket.events["journey"].to_numpy()[scoped.scoped]
    first = np.full(bucket.journeys.height, -1, dtype=np.int64)
    # Assigned backwards, so that the first event of a journey is the one that stays.
    first[journey[::-1]] = bucket.events["channel"].to_numpy()[scoped.scoped][::-1]
    names = [log.channels[code] if code >= 0 else None for code in first.tolist()]
    return pl.Series("entry_channel", names, dtype=pl.String)


def _words(name: str, verdict: NDArray[np.int8], words: dict[int, str]) -> pl.Series:
    return pl.Series(name, [words.get(one) for one in verdict.tolist()], dtype=pl.String)


def _told(findings: pl.DataFrame, bucket: Bucket, log: PreparedLog) -> pl.DataFrame:
    """Say which journey and event each finding is about."""
    events = bucket.events.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("row"),
        "event_id",
        pl.from_epoch("time", time_unit="us").dt.replace_time_zone("UTC").alias("timestamp"),
        log.names("channel"),
    )
    return (
        findings.sort("journey", "row", "type", "touchpoint", nulls_last=True, maintain_order=True)
        .join(bucket.journeys.select("journey", "journey_id"), on="journey", maintain_order="left")
        .join(events, on="row", how="left", maintain_order="left")
        .select("journey_id", "type", "touchpoint", "expected", "observed", "event_id", "timestamp", "channel")
    )


def _from_paths(
    bucket: Bucket,
    scoped: Scoped,
    path: NDArray[np.int64],
    path_deviations: pl.DataFrame,
    design: Design,
    counts: dict[str, int],
) -> pl.DataFrame:
    """Give every journey the deviations of its path, less what its times excuse."""
    journeys = pl.DataFrame({"journey": np.arange(len(path), dtype=np.int32), "path": path, "first": scoped.first})
    rows = journeys.join(path_deviations, on="path", maintain_order="left_right")
    if not rows.height:
        return pl.DataFrame(schema=FINDING)

    def event(position: str) -> pl.Series:
        place = (rows["first"] + rows[position].clip(0)).clip(0, max(len(scoped.judged) - 1, 0)).to_numpy()
        row = scoped.judged[place] if len(scoped.judged) else np.zeros(len(place), dtype=np.int64)
        return pl.Series(position, row).set(rows[position] < 0, None)

    here, far = event("position"), event("far")
    time = bucket.events["time"]
    apart = (time.gather(here.fill_null(0)) - time.gather(far.fill_null(0))).abs()
    tolerance = int(design.order_tolerance / timedelta(microseconds=1))
    # Events of the same moment have no order of their own.
    excused = (rows["type"] == "wrong_order") & (apart <= tolerance)
    counts["order_within_tolerance"] = int(excused.sum())
    return rows.with_columns(here.alias("row")).filter(~excused).select(list(FINDING))


def _less_failed_attempts(placed: pl.DataFrame, bucket: Bucket, scoped: Scoped, log: PreparedLog) -> pl.DataFrame:
    """Take a repetition for what it is where an attempt failed: the failing is the deviation, not the next attempt."""
    again = placed["type"] == "repeated"
    failed = _failing(bucket, scoped, log).group_by("journey", "touchpoint").agg(pl.len().alias("failed"))
    if not again.any() or not failed.height:
        return placed
    repeated = (
        placed.filter(again)
        .join(failed, on=["journey", "touchpoint"], how="left", maintain_order="left")
        .with_columns(pl.col("row").rank("ordinal").over("journey", "touchpoint").alias("rank"))
        .filter(pl.col("rank") > pl.col("failed").fill_null(0))
    )
    return pl.concat([placed.filter(~again), repeated.select(list(FINDING))])


def _findings(
    events: pl.DataFrame,
    rows: NDArray[np.int64],
    kind: str,
    touchpoint: pl.Series,
    expected: pl.Series,
    seen: pl.Series,
) -> pl.DataFrame:
    """Put findings about events together."""
    return pl.DataFrame(
        {
            "journey": events["journey"].gather(rows),
            "row": rows,
            "type": pl.Series([kind] * len(rows), dtype=pl.String),
            "touchpoint": touchpoint.cast(pl.String),
            "expected": expected.cast(pl.String),
            "observed": seen.cast(pl.String),
        },
        schema=FINDING,
    )


def _named(names: list[str], codes: NDArray[np.int32]) -> pl.Series:
    return pl.Series([names[code] for code in codes.tolist()], dtype=pl.String)


def _wrong_channels(
    bucket: Bucket, scoped: Scoped, log: PreparedLog, design: Design, counts: dict[str, int]
) -> pl.DataFrame:
    """Find events of a touchpoint in a channel that the design does not give it."""
    activity = bucket.events["activity"].to_numpy()[scoped.scoped]
    channel = bucket.events["channel"].to_numpy()[scoped.scoped]
    bad, unknown = np.zeros(len(activity), dtype=np.bool_), 0
    for code, name in enumerate(log.activities):
        allowed = design.touchpoints[name].channels if name in design.touchpoints else ()
        if allowed:
            here = activity == code
            unknown += int((here & (channel < 0)).sum())
            bad |= here & (channel >= 0) & ~np.isin(channel, [log.code("channel", one) for one in allowed])
    counts["channel_unknown"] = unknown
    rows, names = scoped.scoped[bad], _named(log.activities, activity[bad])
    expected = pl.Series([" or ".join(design.touchpoints[one].channels) for one in names], dtype=pl.String)
    return _findings(bucket.events, rows, "wrong_channel", names, expected, _named(log.channels, channel[bad]))


def _wrong_actors(
    bucket: Bucket, scoped: Scoped, log: PreparedLog, design: Design, counts: dict[str, int]
) -> pl.DataFrame:
    """Find events that someone else began than the design says.

    A resource that bears the name of an actor is that actor; otherwise ``initiator`` tells which side it was.
    """
    activity = bucket.events["activity"].to_numpy()[scoped.scoped]
    resource = bucket.events["resource"].to_numpy()[scoped.scoped]
    initiator = bucket.events["initiator"].to_numpy()[scoped.scoped]
    sides = log.dictionaries["initiator"]
    by_name = np.isin(resource, [log.code("resource", actor) for actor in design.actors])
    bad, unknown = np.zeros(len(activity), dtype=np.bool_), 0
    for code, name in enumerate(log.activities):
        sender = design.touchpoints[name].sender if name in design.touchpoints else None
        if sender is None:
            continue
        here = activity == code
        # An actor without a role (a lane) is known by name only, unless it bears the name of a side.
        right = SIDES.get(design.actors.get(sender, ""), (sender,) if sender in ALL_SIDES else ())
        side_known = ~by_name & (initiator >= 0) & bool(right)
        bad |= here & by_name & (resource != log.code("resource", sender))
        bad |= here & side_known & ~np.isin(initiator, [sides.index(one) for one in right if one in sides])
        unknown += int((here & ~by_name & ~side_known).sum())
    counts["actor_unknown"] = unknown
    rows, names = scoped.scoped[bad], _named(log.activities, activity[bad])
    expected = pl.Series([str(design.touchpoints[one].sender) for one in names], dtype=pl.String)
    pairs = zip(by_name[bad].tolist(), resource[bad].tolist(), initiator[bad].tolist(), strict=True)
    seen = pl.Series([log.resources[who] if named else sides[side] for named, who, side in pairs], dtype=pl.String)
    return _findings(bucket.events, rows, "wrong_actor", names, expected, seen)


def _failing(bucket: Bucket, scoped: Scoped, log: PreparedLog) -> pl.DataFrame:
    """Find events that failed."""
    status = bucket.events["status"].to_numpy()[scoped.scoped]
    rows = scoped.scoped[status == log.code("status", "failed")]
    names = _named(log.activities, bucket.events["activity"].to_numpy()[rows])
    count = len(rows)
    return _findings(bucket.events, rows, "failing", names, pl.Series(["ok"] * count), pl.Series(["failed"] * count))


def _deadlines(
    bucket: Bucket, scoped: Scoped, log: PreparedLog, design: Design, watched_until: int
) -> Iterator[Deadlines]:
    """Judge the promises of a design in every journey of a bucket."""
    events = bucket.events[scoped.scoped]
    journey, activity, time = (events[name].to_numpy() for name in ("journey", "activity", "time"))
    ended = np.full(bucket.journeys.height, watched_until, dtype=np.int64)
    # A journey that ended otherwise (a cancelled order) is held to its promises until that moment.
    last = np.zeros(bucket.journeys.height, dtype=np.int64)
    np.maximum.at(last, journey, time)
    ended[scoped.stands == ENDED_OTHERWISE] = last[scoped.stands == ENDED_OTHERWISE]
    for promise in design.promises:
        found = judge_promise(
            promise,
            design.calendar,
            journey=journey,
            time=time,
            is_start=activity == log.code("activity", promise.start),
            is_to=activity == log.code("activity", promise.to),
            stands=scoped.stands,
            ended=ended,
        )
        row = np.full(len(found.row), -1, dtype=np.int64)
        row[found.row >= 0] = scoped.scoped[found.row[found.row >= 0]]
        yield found._replace(row=row)


def _late(promise: Promise, found: Deadlines) -> pl.DataFrame:
    """Find the journeys in which a promise was broken."""
    journeys = np.flatnonzero(found.verdict == BROKEN).astype(np.int32)
    row = pl.Series("row", found.row[journeys])
    count = len(journeys)
    return pl.DataFrame(
        {
            "journey": journeys,
            "row": row.set(row < 0, None),
            "type": ["late"] * count,
            "touchpoint": [promise.to] * count,
            "expected": [promise.text] * count,
            "observed": ["late" if one >= 0 else "not at all, or not yet" for one in row.to_list()],
        },
        schema=FINDING,
    )


def _late_by(design: Design, deadlines: list[Deadlines], journeys: int) -> pl.Series:
    """Return by how many seconds the latest fulfilment of a promise was late; null where none was fulfilled late."""
    most = np.zeros(journeys, dtype=np.int64)
    for promise, one in zip(design.promises, deadlines, strict=True):
        late = (one.verdict == BROKEN) & (one.took >= 0)
        most = np.where(late, np.maximum(most, one.took - int(promise.within / timedelta(microseconds=1))), most)
    return pl.Series("late_by", most / 1e6).set(pl.Series(most == 0), None)


def _rules(
    bucket: Bucket, scoped: Scoped, log: PreparedLog, design: Design
) -> tuple[list[NDArray[np.int8]], NDArray[np.int64]]:
    """Judge the rules: verdicts per journey; per rule the journeys of each verdict, activations and fulfilled."""
    events = bucket.events[scoped.scoped]
    names = ("activity", "channel", "status", "resource")
    table = Events(
        journey=events["journey"].to_numpy(),
        time=events["time"].to_numpy(),
        columns={name: events[name].to_numpy() for name in names},
        names={name: log.dictionaries[name] for name in names},
        journeys=len(scoped.stands),
    )
    inside = scoped.stands != OUTSIDE
    verdicts, totals = [], np.zeros((len(design.rules), 6), dtype=np.int64)
    for number, rule in enumerate(design.rules):
        verdict, activations, fulfilled = judge_rule(rule, table, scoped.stands == OPEN)
        verdict[~inside] = -1
        totals[number] = [*np.bincount(verdict[inside], minlength=4)[:4], activations, fulfilled]
        verdicts.append(verdict)
    return verdicts, totals
