"""How good the data is: rows in and out of every step, sources, how customers were stitched, how journeys were cut."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.paths import HEAT
from journeymining.report.provenance import flatten
from journeymining.report.tables import data_uri, records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
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
        "sources": _sources(run.quality.get("ingest") or {}, language),
        "identity": _identity_facts(identity, language),
        "kinds": _kinds(identity, language),
        "sensitivity": _sensitivity(run.sensitivity, language),
        "overlap": _overlap(identity.get("sources") or [], language),
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


def _identity_facts(identity: dict[str, Any], language: Language) -> list[tuple[str, str, str]]:
    """Return value, name and coverage of the figures that say how sure customers are."""
    customers, facts = identity.get("customers") or {}, []
    known, anonymous = identity.get("events_with_account") or {}, identity.get("events_of_anonymous") or {}
    if customers.get("all") is not None:
        facts.append((language.count(customers["all"]), language.say("customers stitched"),
                      language.say("from {n} records", n=language.count(identity.get("records")))))  # fmt: skip
    if known.get("share") is not None:
        facts.append((language.percent(known["share"]), language.say("of events belong to an account"),
                      language.say("{n} events", n=language.count(known.get("events")))))  # fmt: skip
    if anonymous.get("share") is not None:
        of = language.say(
            "{n} events of {customers} customers without a name", n=language.count(anonymous.get("events")),
            customers=language.count(customers.get("anonymous")),
        )  # fmt: skip
        facts.append((language.percent(anonymous["share"]), language.say("of events stay anonymous"), of))
    kinds = (identity.get("kinds") or {}).values()
    if kinds:
        found = identity.get("conflicts")
        conflicts = (
            sum(found.values()) if isinstance(found, dict) else sum(kind.get("conflicts") or 0 for kind in kinds)
        )
        shared = sum(int(kind.get("values_shared") or 0) for kind in kinds)
        facts.append((language.count(conflicts), language.say("conflicts between identifiers"),
                      language.say("{n} values shared by several customers, split by time",
                                   n=language.count(shared))))  # fmt: skip
    return facts


def _kinds(identity: dict[str, Any], language: Language) -> Any:
    rows = [{"kind": name, **kind} for name, kind in (identity.get("kinds") or {}).items()]
    if not rows:
        return None
    columns = {
        "kind": (language.say("identifier"), "text"), "values": (language.say("values"), "count"),
        "uses": (language.say("uses"), "count"), "values_shared": (language.say("shared"), "count"),
        "uses_joined_back": (language.say("joined back in time"), "count"),
        "uses_unresolved": (language.say("unresolved"), "count"), "uses_left_out": (language.say("left out"), "count"),
        "conflicts": (language.say("conflicts"), "count"),
    }  # fmt: skip
    return show_table(pd.DataFrame(rows), columns, language, name="identifiers.csv")


def _sensitivity(table: pd.DataFrame | None, language: Language) -> dict[str, Any] | None:
    """Return the headline numbers with all identifiers and without the weakest kind."""
    if table is None or table.empty:
        return None

    def write(measure: str, value: float, *, signed: bool = False) -> str:
        if measure.endswith(("(share)", "rate")):
            return language.points(value) if signed else language.percent(value)
        if pd.notna(value) and float(value).is_integer():
            return language.decimals(value, 0, signed=signed)
        return language.decimals(value, 3, signed=signed)

    return {
        "weakest": str(table["weakest"].iloc[0]),
        "rows": [
            (
                readable(row["measure"]),
                write(row["measure"], row["with_all"]),
                write(row["measure"], row["without_weakest"]),
                write(row["measure"], row["difference"], signed=True),
            )
            for row in records(table)
        ],
    }


def _overlap(pairs: list[dict[str, Any]], language: Language) -> dict[str, Any] | None:
    """Return the matrix of customers of one source who are also known in another."""
    shares = {(str(pair["first"]), str(pair["second"])): pair for pair in pairs if pair.get("share") is not None}
    if not shares:
        return None
    names = sorted({name for pair in shares for name in pair})
    cells = {
        pair: {
            "share": language.percent(one["share"], digits=0),
            "strength": round(HEAT * one["share"]),
            "customers": language.count(one.get("also_second")),
        }
        for pair, one in shares.items()
    }
    return {"names": names, "rows": [(here, [cells.get((here, there)) for there in names]) for here in names]}


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
