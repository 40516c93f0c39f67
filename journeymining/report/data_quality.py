"""How good the data is: rows in and out of every step, sources, how journeys were cut."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.ingest.drift import columns_changed, of_last_batch
from journeymining.report.provenance import flatten
from journeymining.report.stitching import stitching_section
from journeymining.report.tables import data_uri, records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeymining.report.language import Language
    from journeymining.report.run_files import Run


def quality_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the account of the steps and of the data; None without both."""
    steps = [_step(step, language) for step in run.manifest.get("steps", [])]
    if not steps and not run.quality:
        return None
    identity = run.quality.get("identity") or {}
    ties = (run.manifest.get("settings") or {}).get("ties") or {}
    file = run.folder / "quality.json"
    return {
        "steps": steps,
        "changed": _changed(run.quality.get("ingest") or {}, language),
        "absent": _absent(run.quality.get("ingest") or {}, language),
        "sources": _sources(run.quality.get("ingest") or {}, language),
        "stitching": stitching_section(identity, run.sensitivity, language),
        "touchpoints": _rules(run.quality.get("touchpoints") or {}, language),
        "gaps": _gaps(run, language),
        "journeys": _facts(run.quality.get("journeys") or {}, language) + _facts(ties, language),
        "download": data_uri(file.read_bytes(), "application/json") if file.is_file() else None,
    }


def _step(step: dict[str, Any], language: Language) -> dict[str, Any]:
    reasons = sorted((step.get("left_out") or {}).items(), key=lambda one: (-one[1], one[0]))
    lost, rows = sum(count for _, count in reasons), step.get("rows_in") or 0
    return {
        "name": readable(str(step.get("name", ""))),
        "rows_in": language.count(step.get("rows_in")),
        "rows_out": language.count(step.get("rows_out")),
        "left_out": [(readable(str(reason)).lower(), language.count(count)) for reason, count in reasons],
        "lost": 100 * min(lost / rows, 1.0) if rows else 0.0,
        "lost_share": language.percent(lost / rows) if rows and lost else "",
        "seconds": language.decimals(step.get("seconds"), 1),
        "reused": bool(step.get("reused")),
    }


def _sources(ingest: dict[str, Any], language: Language) -> Any:
    """Return a table of the sources: what came, what was rejected and left out, and why."""
    rows = []
    for name, source in (ingest.get("sources") or {}).items():
        reasons: Counter[str] = Counter()
        unanswered, unfiltered = 0, []
        for stream_name, stream in (source.get("streams") or {}).items():
            for kind in ("rejected", "left_out"):
                reasons.update(stream.get(kind) or {})
            unanswered += stream.get("unanswered") or 0
            for filters in (stream.get("not_filtered_by") or {}).values():
                unfiltered += [
                    language.say("'{filter}' does not apply to {stream}", filter=one, stream=stream_name)
                    for one in filters
                ]
        why = [f"{language.count(n)} {reason}" for reason, n in reasons.most_common() if n]
        counts = {key: source.get(key) for key in ("records", "events", "identifiers", "rejected", "left_out")}
        counts |= {"answers": (source.get("surveys") or 0) - unanswered, "unanswered": unanswered}
        rows.append(
            {"source": name, "connector": source.get("connector"), **counts, "why": ", ".join([*why, *unfiltered])}
        )
    if not rows:
        return None
    asked = {"unanswered": (language.say("asked in vain"), "count")} if any(row["unanswered"] for row in rows) else {}
    columns = {
        "source": (language.say("source"), "text"), "connector": (language.say("connector"), "text"),
        "records": (language.say("records"), "count"), "events": (language.say("events"), "count"),
        "identifiers": (language.say("identifiers"), "count"), "answers": (language.say("answers"), "count"),
        **asked, "rejected": (language.say("rejected"), "count"), "left_out": (language.say("left out"), "count"),
        "why": (language.say("why"), "text"),
    }  # fmt: skip
    return show_table(pd.DataFrame(rows), columns, language, name="sources.csv")


def _streams(ingest: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, source in (ingest.get("sources") or {}).items():
        for stream, counts in (source.get("streams") or {}).items():
            yield name, stream, counts


def _changed(ingest: dict[str, Any], language: Language) -> list[tuple[str, ...]]:
    """Return source, stream, field or column, how it is and how it was, of what came, went or is of another type."""
    rows: list[tuple[str, ...]] = []
    for name, stream, counts in _streams(ingest):
        values = counts.get("field_values") or {}
        for field in counts.get("fields_changed") or {}:
            one = values[field]
            if of_last_batch(one):
                now, before = _records_with(one["last"], language), _records_with(one, language)
                now, before = language.say("{n} that came last", n=now), language.say("{n} of all", n=before)
            else:
                now, before = _records_with(one, language), _records_with(one["before"], language)
            rows.append((name, stream, field, now, before))
    for name, source in (ingest.get("sources") or {}).items():
        for stream, before_it in (source.get("streams_emptied") or {}).items():
            now, before = (language.many(number, "{n} record", "{n} records") for number in (0, before_it))
            rows.append((name, stream, language.say("all fields"), now, before))
        for stream, changes in columns_changed(source).items():
            for one in changes:
                there = language.say("a column")
                now, before = (one.get(when) or there for when in ("now", "before"))
                now = language.say("no column") if one["change"] == "gone" else now
                before = language.say("no column") if one["change"] == "new" else before
                rows.append((name, stream, one["column"], now, before))
    return rows


def _records_with(one: dict[str, Any], language: Language) -> str:
    records = language.many(one["with"] + one["without"], "{n} record", "{n} records")
    if not one["with"]:
        return language.say("in none of {records}", records=records)
    return language.say("in {some} of {records}", some=language.count(one["with"]), records=records)


def _absent(ingest: dict[str, Any], language: Language) -> Any:
    """Return a table of the fields that a connector reads and no record has."""
    rows = []
    for name, stream, counts in _streams(ingest):
        values = counts.get("field_values") or {}
        rows += [
            {"source": name, "stream": stream, "field": field, "records": values[field]["without"]}
            for field in counts.get("absent_fields") or ()
            if field in values
        ]
    if not rows:
        return None
    columns = {
        "source": (language.say("source"), "text"), "stream": (language.say("kind of record"), "text"),
        "field": (language.say("field"), "text"), "records": (language.say("records, none of which has it"), "count"),
    }  # fmt: skip
    return show_table(pd.DataFrame(rows), columns, language, name="absent_fields.csv")


def _rules(section: dict[str, Any], language: Language) -> Any:
    found = (section.get("touchpoints") or {}).get("rules") or []
    if not found:
        return None
    rows = [
        {"rule": rule.get("rule"), "is": rule.get("is") or language.say("(dropped)"), "events": rule.get("events")}
        for rule in found
    ]
    columns = {
        "rule": (language.say("rule"), "count"),
        "is": (language.say("makes it"), "text"),
        "events": (language.say("events"), "count"),
    }
    return show_table(pd.DataFrame(rows), columns, language, name="touchpoint_rules.csv")


def _gaps(run: Run, language: Language) -> dict[str, Any] | None:
    """Return what other gaps between journeys would have given, beside the one that was chosen."""
    if run.gaps is None or run.gaps.empty:
        return None
    most = int(run.gaps["journeys"].max())
    return {
        "rows": [
            {
                "gap": row["gap"],
                "chosen": bool(row.get("chosen")),
                "journeys": language.count(row["journeys"]),
                "width": 100 * row["journeys"] / most,
                "events": language.decimals(row.get("median_events"), 1),
                "open": language.percent(row["share_open"]),
            }
            for row in records(run.gaps)
        ],
        "table": show_table(
            run.gaps,
            {
                "gap": (language.say("gap"), "text"),
                "journeys": (language.say("journeys"), "count"),
                "median_events": (language.say("median events"), "one"),
                "open": (language.say("open"), "count"),
                "share_open": (language.say("share open"), "percent"),
                "left_truncated": (language.say("may have begun earlier"), "count"),
                "reached_goal": (language.say("reached the goal"), "percent"),
            },
            language,
            file=run.folder / "gap_sensitivity.csv",
        ),
    }


def _facts(section: dict[str, Any], language: Language) -> list[tuple[str, str]]:
    """Write the facts of a section, numbers as numbers."""
    lines = []
    for name, value in flatten(section):
        shown = language.count(float(value)) if value.removeprefix("-").isdigit() else value
        lines.append((readable(name), shown))
    return lines
