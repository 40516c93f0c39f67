"""Checks of the events themselves: doubles, ties, names, channels and impossible times."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from journeymining.eventlog.findings import Checked, Finding, percent, share, some

if TYPE_CHECKING:
    from collections.abc import Iterator

_ODD = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\x{a0}\x{2000}-\x{200b}\x{202f}\x{3000}]|^\s|\s$"
_TEXTS = ("journey_id", "customer_id", "activity", "channel", "resource")
_HANDFUL = 5


def duplicated_rows(checked: Checked) -> Iterator[Finding]:
    """Report events that are equal to another one in everything but their id and place."""
    events = checked.events
    copies = events.height - events.drop("event_id", "source_order").unique().height
    if copies:
        yield Finding(
            "duplicated_rows",
            "warning",
            copies,
            share(copies, events.height),
            f"{copies:,} of {events.height:,} events repeat another one: same journey, activity, time and attributes",
            "Remove them in the source, or see whether a join has multiplied rows.",
        )


def repeated_event_ids(checked: Checked) -> Iterator[Finding]:
    """Report ids that stand for several events of one journey."""
    events = checked.events
    surplus = events.height - events.select("journey_id", "event_id").unique().height
    if surplus:
        what = f"{surplus:,} of {events.height:,} events have the id of another event of their journey"
        remedy = "Give every event its own id, or leave the column of ids out."
        yield Finding("repeated_event_ids", "error", surplus, share(surplus, events.height), what, remedy)


def ties(checked: Checked) -> Iterator[Finding]:
    """Report equal times within a journey, and the journeys whose path depends on how these are ordered."""
    events = checked.events
    groups = (
        events.group_by("journey_id", "timestamp")
        .agg(
            pl.len().alias("events"),
            pl.col("activity").n_unique().alias("activities"),
            pl.col("source_order").n_unique().alias("places"),
        )
        .filter(pl.col("events") > 1)
    )
    tied = int(groups["events"].sum())
    if not tied:
        return
    total = events["journey_id"].n_unique()
    what = f"{tied:,} of {events.height:,} events have the same time as another one of their journey"
    yield Finding("ties", "info", tied, share(tied, events.height), what, "Log finer times, or a number of the order.")
    deciding = groups.filter(pl.col("activities") > 1)
    arbitrary = deciding.filter(pl.col("places") < pl.col("events"))["journey_id"].n_unique()
    journeys = deciding["journey_id"].n_unique()
    if journeys - arbitrary:
        count = journeys - arbitrary
        yield Finding(
            "ties_ordered_by_source",
            "info",
            count,
            share(count, total),
            f"{count:,} of {total:,} journeys would have another path if equal times were ordered otherwise; "
            "the source's own order was taken",
            "Nothing, if the source writes events in the order in which they happen.",
        )
    if arbitrary:
        yield Finding(
            "ties_decide_paths",
            "warning",
            arbitrary,
            share(arbitrary, total),
            f"{arbitrary:,} of {total:,} journeys would have another path if equal times were ordered otherwise; "
            "no source order tells, so event ids decided: always the same, but arbitrary",
            "Log finer times, or a column source_order with the number of the event in its source.",
        )


def impossible_times(checked: Checked) -> Iterator[Finding]:
    """Report events in the future, at the zero of computer clocks, and before 1990."""
    events, times = checked.events, pl.col("timestamp")
    future = events.filter(times > checked.now).height
    if future:
        what = f"{future:,} of {events.height:,} events are in the future (after {checked.now:%Y-%m-%d %H:%M} UTC)"
        remedy = "See whether these are plans, or a clock or zone is wrong."
        yield Finding("future_times", "error", future, share(future, events.height), what, remedy)
    day = dt.timedelta(days=1)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    zero = events.filter((times > epoch - day) & (times < epoch + day)).height
    if zero:
        what = f"{zero:,} of {events.height:,} events are at or near 1970-01-01, where computer clocks begin"
        remedy = "Write a missing time as missing, not as zero."
        yield Finding("epoch_times", "error", zero, share(zero, events.height), what, remedy)
    early = events.filter(times < dt.datetime(1990, 1, 1, tzinfo=dt.UTC)).height - zero
    if early > 0:
        what = f"{early:,} of {events.height:,} events are before 1990"
        remedy = "See whether the year or the form of the time was misread."
        yield Finding("early_times", "warning", early, share(early, events.height), what, remedy)


def days_without_events(checked: Checked) -> Iterator[Finding]:
    """Report days without any event whose weekday had at least ten on average in the eight weeks before and after."""
    if checked.events.is_empty():
        return
    daily = checked.events.group_by(pl.col("timestamp").dt.date().alias("day")).len()
    days = daily.select(pl.date_range(pl.col("day").min(), pl.col("day").max()).alias("day"))
    counts = days.join(daily, on="day", how="left", maintain_order="left").with_columns(pl.col("len").fill_null(0))
    before = pl.mean_horizontal(pl.col("len").shift(7 * week) for week in range(1, 9))
    after = pl.mean_horizontal(pl.col("len").shift(-7 * week) for week in range(1, 9))
    gaps = counts.with_columns(before.alias("before"), after.alias("after")).filter(
        (pl.col("len") == 0) & (pl.col("before") >= 10) & (pl.col("after") >= 10)
    )
    if gaps.height:
        yield Finding(
            "days_without_events",
            "warning",
            gaps.height,
            share(gaps.height, days.height),
            f"{gaps.height:,} of {days.height:,} days (UTC) have no event, though their weekday is busy in the weeks "
            f"around; first {gaps['day'][0]}",
            "See whether records of these days are missing; public holidays look the same.",
        )


def similar_names(checked: Checked) -> Iterator[Finding]:
    """Report activities and channels that differ in case or white space only."""
    for column, plural in (("activity", "activities"), ("channel", "channels")):
        names = checked.events.select(pl.col(column).drop_nulls().unique().sort())
        same = pl.col(column).str.to_lowercase().str.replace_all(r"[\s\x{a0}_-]+", " ").str.strip_chars()
        groups = names.group_by(same.alias("same"), maintain_order=True).agg(pl.col(column))
        groups = groups.filter(pl.col(column).list.len() > 1)
        if groups.height:
            involved = int(groups[column].list.len().sum())
            examples = some([name for group in groups[column].to_list() for name in group], 4)
            what = f"{involved} of {names.height} {plural} differ from another one in case or space only: {examples}"
            remedy = "Write each with one name, in the source or by a touchpoint rule."
            yield Finding(f"similar_{plural}", "warning", involved, share(involved, names.height), what, remedy)


def odd_characters(checked: Checked) -> Iterator[Finding]:
    """Report names and ids with invisible characters, blanks around them, or characters lost in transit."""
    events = checked.events
    columns = [name for name in _TEXTS if name in events.columns]
    for check, pattern, what in (
        ("odd_characters", _ODD, "invisible characters (control, non-breaking) or blanks at an end"),
        ("lost_characters", "\ufffd", "characters that were lost in an earlier conversion (U+FFFD)"),
    ):
        found = {}
        for name in columns:
            values = events[name].unique()
            odd = values.filter(values.str.contains(pattern).fill_null(value=False))
            if odd.len():
                found[name] = pl.col(name).is_in(odd.to_list())
        concerned = events.filter(pl.any_horizontal(found.values()).fill_null(value=False)).height if found else 0
        if concerned:
            where = ", ".join(found)
            text = f"{concerned:,} of {events.height:,} events have {what} in {where}"
            yield Finding(
                check, "warning", concerned, share(concerned, events.height), text, "Clean them in the source."
            )


def channels(checked: Checked) -> Iterator[Finding]:
    """Report events without channel and channels with only a handful of events."""
    events = checked.events
    unknown = events["channel"].null_count()
    if unknown and unknown == events.height:
        what = "no event has a channel: channel switches and wrong channels cannot be seen"
        yield Finding("missing_channel", "info", unknown, 1.0, what, "Name the column of the channel with --channel.")
    elif unknown:
        what = f"{unknown:,} of {events.height:,} events ({percent(unknown, events.height)}) have no channel"
        remedy = "Fill the channel in the source or by a rule; unknown is counted as unknown."
        yield Finding("missing_channel", "warning", unknown, share(unknown, events.height), what, remedy)
    sizes = events.group_by("channel").len().drop_nulls().sort("channel")
    rare = sizes.filter((pl.col("len") < _HANDFUL) & (pl.col("len") < 0.001 * events.height))
    if rare.height:
        names = some(rare["channel"].to_list())
        what = f"{rare.height} of {sizes.height} channels have fewer than {_HANDFUL} events: {names}"
        yield Finding(
            "rare_channels",
            "info",
            rare.height,
            share(rare.height, sizes.height),
            what,
            "See whether a name is misspelt.",
        )
