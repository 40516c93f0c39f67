"""Checks of journeys: how long they are, whose they are, and whether the log cuts them off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from journeymining.eventlog.findings import Checked, Finding, Severity, percent, share

if TYPE_CHECKING:
    from collections.abc import Iterator

# An activity is a usual start (or end) if at least this share of the journeys well inside the log starts with it.
_USUAL = 0.05


def sizes(checked: Checked) -> Iterator[Finding]:
    """Report journeys of one event, and those far longer than the others.

    Far longer: above the outer fence of Tukey (third quartile plus three times the interquartile range) on the
    logarithm of the number of events, and at least fifty events.
    """
    lengths = checked.events.group_by("journey_id").len()["len"]
    single = int((lengths == 1).sum())
    if single:
        what = f"{single:,} of {lengths.len():,} journeys ({percent(single, lengths.len())}) have one event only"
        severity: Severity = "warning" if single > 0.5 * lengths.len() else "info"
        remedy = "See whether the journey column is right; such journeys have no path."
        yield Finding("one_event_journeys", severity, single, share(single, lengths.len()), what, remedy)
    if lengths.is_empty():
        return
    logarithms = lengths.cast(pl.Float64).log()
    low, high = (float(logarithms.quantile(part, "linear") or 0.0) for part in (0.25, 0.75))
    limit = max(math.exp(high + 3 * (high - low)), 50.0)
    longest = lengths.sort()[-1]
    long = int((lengths > limit).sum())
    if long:
        what = f"{long:,} of {lengths.len():,} journeys are far longer than the others, up to {longest:,} events"
        remedy = "See whether a default id (guest, test, unknown) joins many people's events."
        yield Finding("very_long_journeys", "warning", long, share(long, lengths.len()), what, remedy)


def customers(checked: Checked) -> Iterator[Finding]:
    """Report journeys with more than one customer, and customers that were not known."""
    owners = checked.events.group_by("journey_id").agg(pl.col("customer_id").n_unique())["customer_id"]
    several = int((owners > 1).sum())
    if several:
        what = f"{several:,} of {owners.len():,} journeys have events of more than one customer"
        remedy = "See whether the journey or the customer column is right."
        yield Finding("several_customers", "warning", several, share(several, owners.len()), what, remedy)
    said = checked.report.get("customers")
    if said:
        own = checked.events.filter(pl.col("customer_id") == pl.col("journey_id")).height
        yield Finding(
            "unknown_customers",
            "info",
            own,
            share(own, checked.events.height),
            said,
            "Name the column of the customer with --customer.",
        )


def truncation(checked: Checked) -> Iterator[Finding]:
    """Report journeys that the log seems to cut off at its begin or its end.

    A journey that starts within the median duration of a journey from the first event of the log, with an activity
    with which fewer than one in twenty of the later journeys start, probably began before; likewise at the end.
    """
    if checked.events.is_empty():
        return
    journeys = checked.events.group_by("journey_id", maintain_order=True).agg(
        pl.col("timestamp").first().alias("start"),
        pl.col("timestamp").last().alias("end"),
        pl.col("activity").first().alias("first"),
        pl.col("activity").last().alias("last"),
    )
    total = journeys.height
    middle = (journeys["end"] - journeys["start"]).median()
    near_start = journeys["start"] < journeys["start"].min() + middle  # type: ignore[operator]
    near_end = journeys["end"] > journeys["end"].max() - middle  # type: ignore[operator]
    for check, near, column, text in (
        ("cut_off_start", near_start, "first", "began before the log"),
        ("cut_off_end", near_end, "last", "go on after the log"),
    ):
        inside = journeys.filter(~near)[column].value_counts()
        usual = inside.filter(pl.col("count") >= _USUAL * pl.col("count").sum())[column]
        if inside.is_empty():
            continue
        count = journeys.filter(near & ~journeys[column].is_in(usual.to_list())).height
        if count:
            what = (
                f"{count:,} of {total:,} journeys ({percent(count, total)}) probably {text}, by their time and activity"
            )
            remedy = "Take more time into the log, or leave such journeys out where whole ones are compared."
            yield Finding(check, "info", count, share(count, total), what, remedy)
