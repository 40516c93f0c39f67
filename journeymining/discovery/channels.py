"""How journeys move between channels: switches, returns, containment and repeat contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import polars as pl

from journeymining.discovery.quantiles import summarise_values
from journeymining.discovery.touchpoints import FAILED
from journeymining.exceptions import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journeymining.engines.prepared_log import Bucket, PreparedLog

SAME_JOURNEY = pl.col("journey").diff() == 0
MICROSECOND = pd.Timedelta(microseconds=1)


def channel_switches(log: PreparedLog) -> pd.DataFrame:
    """Count how often journeys move from one channel to another, after what wait, and after a failure.

    Events without a channel are passed over: the switch is between the known channels around them.

    Parameters
    ----------
    log : PreparedLog

    Returns
    -------
    DataFrame, one row per pair of different channels that occurs
        ``from_channel``, ``to_channel``, ``switches``, ``journeys`` (in how many), ``median_wait`` (seconds from the
        last event in the one channel to the first in the other, interpolated linearly), ``forced`` (switches whose
        earlier event failed), ``mean_wait`` and ``p95_wait``, ``chosen`` (switches whose earlier event is known not to
        have failed; of the others nobody told) and ``forced_journeys`` (journeys with a forced one), most switches
        first, ties alphabetical.

    Examples
    --------
    >>> from journeymining.engines.prepared_log import example_log, prepare
    >>> with prepare(example_log()) as log:
    ...     channel_switches(log)[["from_channel", "to_channel", "switches", "median_wait", "forced"]]
      from_channel to_channel  switches  median_wait  forced
    0          web      phone         1         30.0       0
    """
    width = max(len(log.channels), 1)
    failed = log.code("status", FAILED)
    columns = ["journey", "channel", "time", "status"]

    def switches(bucket: Bucket) -> pl.DataFrame:
        channel = pl.col("channel").cast(pl.Int64)
        moved = SAME_JOURNEY & (channel.diff() != 0)
        return (
            bucket.events.filter(channel >= 0)
            .select(
                "journey",
                (channel.shift() * width + channel).alias("key"),
                pl.col("time").diff().alias("value"),
                (pl.col("status").shift() == failed).alias("forced"),
                ((pl.col("status").shift() >= 0) & (pl.col("status").shift() != failed)).alias("chosen"),
                moved.alias("moved"),
            )
            .filter("moved")
        )

    def count(bucket: Bucket) -> pl.DataFrame:
        return (
            switches(bucket)
            .group_by("key")
            .agg(
                # Journeys come in order within a pair, so a new journey is a change of its code.
                ((pl.col("journey").diff() != 0).sum() + 1).cast(pl.Int64).alias("journeys"),
                pl.col("forced", "chosen").sum().cast(pl.Int64),
                pl.col("journey").filter("forced").n_unique().cast(pl.Int64).alias("forced_journeys"),
            )
        )

    summary = summarise_values(
        log, lambda bucket: switches(bucket).select("key", "value"), [0.5, 0.95], columns=columns
    )
    counts = log.run(count, lambda parts: pl.concat(parts).group_by("key").sum(), columns=columns)
    summary = summary.join(counts, on="key").sort(["count", "key"], descending=[True, False])
    keys = summary["key"].to_list()
    return pd.DataFrame(
        {
            "from_channel": pd.Series([log.channels[key // width] for key in keys], dtype="str"),
            "to_channel": pd.Series([log.channels[key % width] for key in keys], dtype="str"),
            "switches": summary["count"].to_numpy(),
            "journeys": summary["journeys"].to_numpy(),
            "median_wait": summary["q0"].to_numpy() / 1e6,
            "forced": summary["forced"].to_numpy(),
            "mean_wait": summary["mean"].to_numpy() / 1e6,
            "p95_wait": summary["q1"].to_numpy() / 1e6,
            "chosen": summary["chosen"].to_numpy(),
            "forced_journeys": summary["forced_journeys"].to_numpy(),
        }
    )


def channel_reach(log: PreparedLog) -> pd.DataFrame:
    """Count the events of every channel, and the journeys that use it.

    Returns
    -------
    DataFrame, one row per channel
        ``channel``, ``events``, ``journeys`` and ``share`` (of all journeys), most journeys first, ties alphabetical.
        Events without a channel are in no row.
    """

    def kernel(bucket: Bucket) -> pl.DataFrame:
        known = bucket.events.filter(pl.col("channel") >= 0)
        return known.group_by("channel").agg(
            pl.len().cast(pl.Int64).alias("events"), pl.col("journey").n_unique().cast(pl.Int64).alias("journeys")
        )

    found = (
        log.run(kernel, lambda parts: pl.concat(parts).group_by("channel").sum(), columns=["journey", "channel"])
        .sort(["journeys", "channel"], descending=[True, False])
        .with_columns(log.names("channel"))
    )
    return pd.DataFrame(
        {
            "channel": pd.Series(found["channel"].to_list(), dtype="str"),
            "events": found["events"].to_numpy(),
            "journeys": found["journeys"].to_numpy(),
            "share": found["journeys"].to_numpy() / log.journey_count,
        }
    )


def channel_returns(log: PreparedLog) -> pd.DataFrame:
    """Count how often journeys go to another channel and straight back (ping-pong: A, B, A).

    Successive events in one channel are one visit; a return is a visit to A, one to B and one to A again.

    Returns
    -------
    DataFrame, one row per pair that occurs
        ``channel`` (A), ``via`` (B), ``returns`` and ``journeys``, most returns first, ties alphabetical.
    """

    def kernel(bucket: Bucket) -> pl.DataFrame:
        visits = _visits(bucket)
        back = SAME_JOURNEY & (pl.col("journey").shift(2) == pl.col("journey"))
        back &= pl.col("channel").shift(2) == pl.col("channel")
        return (
            visits.with_columns(pl.col("channel").shift().alias("via"), back.alias("back"))
            .filter("back")
            .group_by("channel", "via")
            .agg(
                pl.len().cast(pl.Int64).alias("returns"),
                ((pl.col("journey").diff() != 0).sum() + 1).cast(pl.Int64).alias("journeys"),
            )
        )

    found = log.run(
        kernel,
        lambda parts: pl.concat(parts).group_by("channel", "via").sum(),
        columns=["journey", "channel"],
    ).sort(["returns", "channel", "via"], descending=[True, False, False])
    return pd.DataFrame(
        {
            "channel": pd.Series([log.channels[code] for code in found["channel"]], dtype="str"),
            "via": pd.Series([log.channels[code] for code in found["via"]], dtype="str"),
            "returns": found["returns"].to_numpy(),
            "journeys": found["journeys"].to_numpy(),
        }
    )


def channel_use(log: PreparedLog) -> pd.DataFrame:
    """Describe the channels of every journey: how many, how mixed, how often they change.

    Events without a channel are passed over and counted.

    Returns
    -------
    DataFrame, one row per journey, by journey_id
        ``journey_id``, ``events`` (with a known channel), ``unknown`` (events without one), ``channels`` (different
        ones), ``switches``, ``switch_rate`` (switches per step, missing for a single event), ``entropy`` (bits, of the
        distribution of the events over channels; missing without any) and ``returns`` (A, B, A; see
        `channel_returns`).

    References
    ----------
    C. E. Shannon, A Mathematical Theory of Communication, *Bell System Technical Journal* 27, 1948.
    """

    def kernel(bucket: Bucket) -> pl.DataFrame:
        known = bucket.events.filter(pl.col("channel") >= 0)
        share = pl.col("n") / pl.col("n").sum()
        per_channel = known.group_by("journey", "channel").agg(pl.len().cast(pl.Int64).alias("n"))
        # In the order of the counts, so that a sum of floats does not depend on the order of rows.
        mix = (
            per_channel.sort("journey", "n")
            .group_by("journey", maintain_order=True)
            .agg(
                pl.col("n").sum().alias("known"),
                pl.len().cast(pl.Int64).alias("channels"),
                (-(share * share.log(2)).sum()).abs().alias("entropy"),
            )
        )
        again = SAME_JOURNEY & (pl.col("journey").shift(2) == pl.col("journey"))
        again &= pl.col("channel").shift(2) == pl.col("channel")
        visits = (
            _visits(bucket)
            .with_columns(again.alias("again"))
            .group_by("journey")
            .agg((pl.len().cast(pl.Int64) - 1).alias("switches"), pl.col("again").sum().cast(pl.Int64).alias("returns"))
        )
        return (
            bucket.journeys.select("journey", "journey_id", "events")
            .join(mix, on="journey", how="left")
            .join(visits, on="journey", how="left")
            .with_columns(pl.col("known", "channels", "switches", "returns").fill_null(0))
        )

    found = log.run(kernel, lambda parts: pl.concat(parts), columns=["journey", "channel"]).sort("journey_id")
    known = found["known"].to_numpy()
    switches = found["switches"].to_numpy()
    return pd.DataFrame(
        {
            "journey_id": pd.Series(found["journey_id"].to_list(), dtype="str"),
            "events": known,
            "unknown": found["events"].to_numpy() - known,
            "channels": found["channels"].to_numpy(),
            "switches": switches,
            "switch_rate": pd.Series(switches).div(pd.Series(known - 1).where(known > 1)),
            "entropy": found["entropy"].to_numpy(),
            "returns": found["returns"].to_numpy(),
        }
    )


def containment(log: PreparedLog) -> pd.DataFrame:
    """Say how many journeys stay in the channel they started in.

    Returns
    -------
    DataFrame, one row per channel in which a journey starts
        ``channel`` (of the first event with a known one), ``journeys`` (that start there), ``contained`` (that use no
        other channel), ``share`` and ``open`` (contained journeys that are known to be still going on, and so may yet
        leave), most journeys first, ties alphabetical. Journeys without any channel are in no row.
    """

    def kernel(bucket: Bucket) -> pl.DataFrame:
        return (
            bucket.events.filter(pl.col("channel") >= 0)
            .group_by("journey")
            .agg(
                pl.col("channel").first(),
                (pl.col("channel").min() == pl.col("channel").max()).alias("contained"),
            )
            .join(bucket.journeys.select("journey", "open"), on="journey")
            .group_by("channel")
            .agg(
                pl.len().cast(pl.Int64).alias("journeys"),
                pl.col("contained").sum().cast(pl.Int64),
                (pl.col("contained") & pl.col("open").fill_null(False)).sum().cast(pl.Int64).alias("open"),
            )
        )

    found = (
        log.run(kernel, lambda parts: pl.concat(parts).group_by("channel").sum(), columns=["journey", "channel"])
        .sort(["journeys", "channel"], descending=[True, False])
        .with_columns(log.names("channel"))
    )
    journeys, contained = found["journeys"].to_numpy(), found["contained"].to_numpy()
    return pd.DataFrame(
        {
            "channel": pd.Series(found["channel"].to_list(), dtype="str"),
            "journeys": journeys,
            "contained": contained,
            "share": contained / journeys,
            "open": found["open"].to_numpy(),
        }
    )


def repeat_contacts(log: PreparedLog, *, activities: Sequence[str], window: pd.Timedelta) -> pd.DataFrame:
    """Say how many contacts are followed by another one within a window of time, in the same journey.

    Parameters
    ----------
    log : PreparedLog
    activities : sequence of str
        Which events are contacts, such as ``["call_queued"]``: one event per contact.
    window : Timedelta
        From the contact to the next one, inclusive.

    Returns
    -------
    DataFrame, one row per activity
        ``activity``, ``contacts``, ``observed`` (contacts whose whole window lies before the last event of the log;
        later ones cannot be judged yet), ``repeated`` (observed contacts with another contact, of any of the
        activities, within the window) and ``share`` (repeated of observed, missing where none is observed), in the
        order given.

    Raises
    ------
    UsageError
        If an activity does not occur in the log, or the window is not positive.
    """
    for name in activities:
        if name not in log.activities:
            raise UsageError(f"Activity '{name}' does not occur.{did_you_mean(name, log.activities)}")
    if window <= pd.Timedelta(0):
        raise UsageError(f"The window of repeat contacts is {window}; a positive time is needed.")
    codes = [log.code("activity", name) for name in activities]
    length = window // MICROSECOND
    last = log.last_time

    def kernel(bucket: Bucket) -> pl.DataFrame:
        within = pl.col("time").shift(-1) - pl.col("time") <= length
        again = (pl.col("journey") == pl.col("journey").shift(-1)) & within
        observed = pl.col("time") + length <= last
        return (
            bucket.events.filter(pl.col("activity").is_in(codes))
            .with_columns(observed.alias("observed"), (observed & again.fill_null(False)).alias("repeated"))
            .group_by("activity")
            .agg(pl.len().cast(pl.Int64).alias("contacts"), pl.col("observed", "repeated").sum().cast(pl.Int64))
        )

    found = log.run(
        kernel, lambda parts: pl.concat(parts).group_by("activity").sum(), columns=["journey", "activity", "time"]
    )
    counts: pd.DataFrame = found.to_pandas()
    frame = counts.set_index("activity").loc[codes].reset_index(drop=True)
    frame.insert(0, "activity", pd.Series(list(activities), dtype="str"))
    frame["share"] = frame["repeated"].div(frame["observed"].where(frame["observed"] > 0))
    return frame


def _visits(bucket: Bucket) -> pl.DataFrame:
    """Return the first event of every visit: successive events of a journey in one channel are one."""
    stayed = SAME_JOURNEY & (pl.col("channel").diff() == 0)
    known = bucket.events.filter(pl.col("channel") >= 0).select("journey", "channel")
    return known.filter(~stayed.fill_null(False))
