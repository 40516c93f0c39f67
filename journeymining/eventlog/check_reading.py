"""Checks of how a log was read: what was left out, guessed or read by a rule. They need its reading report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.eventlog.findings import Checked, Finding, Severity, percent, share, some

if TYPE_CHECKING:
    from collections.abc import Iterator

# From this share on, rows left out are no accident any more.
_TOO_MANY = 0.05
_REMEDIES = {
    "missing_journey": "Fill the journey column in the source, or choose another one with --journey.",
    "missing_activity": "Fill the activity column in the source, or choose another one with --activity.",
    "missing_timestamp": "Fill the times in the source: an event without time has no place in a journey.",
    "unreadable_timestamp": "Mend these times in the source, or declare their form with --time-format.",
    "wrong_number_of_fields": "Put fields that hold the delimiter in quotes, or choose the delimiter with --delimiter.",
    "event_without_trace": "Put these events into the trace of their journey.",
}

_FILE_FINDINGS: dict[str, tuple[Severity, str, str]] = {
    "invalid_bytes": ("warning", "bytes are no UTF-8 and became U+FFFD", "Write the file as UTF-8 again."),
    "unnamed_traces": ("warning", "traces have no name and were numbered", "Give every trace a concept:name."),
    "empty_traces": ("info", "traces have no events and were left out", "Nothing, or mend the export."),
    "repeated_trace_names": (
        "warning",
        "traces have the name of another one; they are one journey here",
        "Give every trace a name of its own.",
    ),
    "events_of_no_such_object": (
        "info",
        "events have no object of the chosen type and were left out",
        "Choose another type with --object-type.",
    ),
    "events_repeated": (
        "warning",
        "times an event is repeated, as it has several objects of the chosen type",
        "Mind that totals of events count these repeatedly.",
    ),
}


def left_out(checked: Checked) -> Iterator[Finding]:
    """Report rows that did not become events, by reason."""
    rows = checked.report.get("rows_in", 0)
    for reason, found in checked.report.get("left_out", {}).items():
        count = found["rows"]
        examples = ", ".join(str(row) for row in found["examples"])
        at = f"; for example rows {examples}" if examples else ""
        what = f"{count:,} of {rows:,} rows left out: {reason.replace('_', ' ')}{at}"
        if reason.startswith("lifecycle_"):
            remedy = "Choose what to keep of activities with start and end with --lifecycle."
            yield Finding(reason, "info", count, share(count, rows), what, remedy)
        else:
            severity: Severity = "error" if count >= _TOO_MANY * rows else "warning"
            yield Finding(reason, severity, count, share(count, rows), what, _REMEDIES.get(reason, ""))


def guessed_columns(checked: Checked) -> Iterator[Finding]:
    """Report columns whose meaning was guessed by their name, and attributes that had to be renamed."""
    guesses = checked.report.get("guesses", {})
    if guesses:
        what = "; ".join(f"{role}: '{column}'" for role, column in sorted(guesses.items()))
        yield Finding(
            "guessed_columns",
            "info",
            len(guesses),
            None,
            f"columns whose meaning was guessed by their name: {what}",
            "If a guess is wrong, name the column, for example with --journey.",
        )
    renamed = checked.report.get("renamed", {})
    if renamed:
        yield Finding(
            "renamed_columns",
            "info",
            len(renamed),
            None,
            f"attributes renamed, as their names have a fixed meaning here: {some(sorted(renamed))}",
            "Nothing, or rename them in the source.",
        )


def order_of_rows(checked: Checked) -> Iterator[Finding]:
    """Report rows that are earlier than the row before them of the same journey."""
    count = checked.report.get("rows_out_of_order", 0)
    if count:
        total = checked.report.get("rows_in", 0)
        yield Finding(
            "rows_out_of_order",
            "info",
            count,
            share(count, total),
            f"{count:,} rows ({percent(count, total)}) are earlier than the row before them of the same journey: "
            "the file is not in order of time; events were sorted",
            "Nothing here; tools that do not sort by themselves give wrong paths for this file.",
        )


def offsets(checked: Checked) -> Iterator[Finding]:
    """Report times written with several offsets from UTC; two that differ by an hour are summer time."""
    found = checked.report.get("times", {}).get("offsets", {})
    minutes = {_minutes(offset) for offset in found}
    if len(minutes) > 1:
        summer_time = len(minutes) == 2 and max(minutes) - min(minutes) == 60
        total = sum(found.values())
        listed = ", ".join(f"{offset} ({percent(count, total)})" for offset, count in list(found.items())[:5])
        yield Finding(
            "mixed_offsets",
            "info" if summer_time else "warning",
            len(minutes),
            None,
            f"times are written with {len(minutes)} offsets from UTC{', as with summer time' if summer_time else ''}: "
            f"{listed}; all were converted to UTC",
            "Nothing, if these are summer and winter time." if summer_time else "See whether the source mixes zones.",
        )


def local_times(checked: Checked) -> Iterator[Finding]:
    """Report times without zone, and those of them that the change of clocks makes doubtful."""
    times = checked.report.get("times", {})
    total = checked.report.get("rows_in", 0)
    naive, zone = times.get("naive", 0), times.get("timezone")
    if naive:
        what = f"{naive:,} times without zone were read as times of {zone}"
        yield Finding("times_without_zone", "info", naive, share(naive, total), what, "See that the zone is right.")
    if times.get("ambiguous"):
        count = times["ambiguous"]
        what = f"{count:,} local times happened twice, as the clock went back; the first of the two was taken"
        yield Finding("ambiguous_times", "warning", count, share(count, total), what, "Log times with their offset.")
    if times.get("nonexistent"):
        count = times["nonexistent"]
        what = f"{count:,} local times never happened, as the clock went forward; read as if it had not"
        remedy = "See whether --timezone is right; log times with their offset."
        yield Finding("nonexistent_times", "warning", count, share(count, total), what, remedy)


def granularity(checked: Checked) -> Iterator[Finding]:
    """Report times that are whole days, and those finer than a microsecond."""
    times = checked.report.get("times", {})
    count, total = times.get("midnight", 0), checked.report.get("rows_in", 0)
    # By chance one time in 86,400 is midnight.
    if count and count >= 0.01 * total:
        yield Finding(
            "whole_days",
            "warning",
            count,
            share(count, total),
            f"{count:,} of {total:,} times ({percent(count, total)}) are exactly midnight: they say the day only, and "
            "come before everything else of that day",
            "Take the full time from the source; waits shorter than a day mean nothing for these events.",
        )
    finer = times.get("finer_than_microseconds", 0)
    if finer:
        what = f"{finer:,} times were finer than a microsecond and were cut off there"
        yield Finding("finer_than_microseconds", "info", finer, share(finer, total), what, "Nothing.")


def durations(checked: Checked) -> Iterator[Finding]:
    """Report ends before their start and activities of which only one side is known."""
    after = checked.report.get("start_times", {}).get("after_end", 0)
    if after:
        total = checked.report.get("rows_in", 0)
        what = f"{after:,} of {total:,} events end before they start; their duration is unknown"
        yield Finding("end_before_start", "warning", after, share(after, total), what, "See which clock is wrong.")
    lifecycle = checked.report.get("lifecycle", {})
    ends, starts = lifecycle.get("completions_without_start", 0), lifecycle.get("starts_without_completion", 0)
    if ends + starts:
        what = (
            f"{lifecycle['paired']:,} activities have start and end; {ends:,} ends have no start, {starts:,} starts "
            "have no end: their duration is unknown"
        )
        remedy = "Nothing, if these activities take no time."
        yield Finding("unpaired_lifecycle", "info", ends + starts, None, what, remedy)


def file_format(checked: Checked) -> Iterator[Finding]:
    """Report what is particular to the file: damaged bytes, traces without name, mixed types."""
    facts = checked.report.get(checked.report.get("format", ""), {})
    for name, (severity, what, remedy) in _FILE_FINDINGS.items():
        count = facts.get(name, 0)
        if count:
            yield Finding(name, severity, count, None, f"{count:,} {what}", remedy)
    mixed = facts.get("mixed_types", [])
    if mixed:
        what = f"attributes whose values have different types, kept as text: {some(mixed)}"
        yield Finding("mixed_types", "info", len(mixed), None, what, "Write each attribute with one type.")


def _minutes(offset: str) -> int:
    digits = "".join(character for character in offset if character.isdigit()).ljust(4, "0")
    size = int(digits[:2]) * 60 + int(digits[2:4])
    return -size if offset.startswith("-") else size
