"""The first page: what was looked at, and the few numbers a board asks for, each with its interval and coverage."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.proportions import wilson
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

WHOLE = {"", "all", "total", "overall"}


@dataclass(frozen=True)
class Figure:
    """A number for the first page; ``span`` is where value and interval lie on a line from 0 to 100."""

    label: str
    value: str
    interval: str
    covers: str
    span: tuple[float, float, float] | None
    chapter: str


def headline(run: Run, language: Language) -> dict[str, Any]:
    """Return title, scope, counts and key figures."""
    journeys = run.journeys
    named = {
        "customers": language.say("customers"),
        "journeys": language.say("journeys"),
        "events": language.say("events"),
        "open_journeys": language.say("still open"),
    }
    counted = {} if journeys is None else {
        "customers": journeys.customers, "journeys": journeys.journeys, "events": journeys.events,
        "open_journeys": journeys.open,
    }  # fmt: skip
    counts = counted | (run.manifest.get("counts") or {})
    sources = sorted({str(one.get("source")) for one in run.manifest.get("inputs", [])})
    return {
        # A date is not broken over two lines.
        "scope": re.sub(r"(?<=\d)-(?=\d)", "\u2011", str(run.manifest.get("scope") or "")),
        "period": (language.day(journeys.first), language.day(journeys.last)) if journeys else None,
        "counts": [(language.count(counts[key]), word) for key, word in named.items() if counts.get(key) is not None],
        "sources": sources,
        "left_out": [
            (readable(step), [(language.count(rows), readable(reason).lower()) for _, rows, reason in reasons])
            for step, reasons in groupby(left_out(run), key=lambda one: one[0])
        ],
        "figures": [figure for figure in _figures(run, language) if figure is not None],
    }


def left_out(run: Run) -> list[tuple[str, int, str]]:
    """Return what the steps of the run left out: step, rows and reason, in the order of the steps."""
    return [
        (str(step.get("name", "")), int(rows), str(reason))
        for step in run.manifest.get("steps", [])
        for reason, rows in sorted((step.get("left_out") or {}).items(), key=lambda one: (-one[1], one[0]))
    ]


def share_figure(language: Language, label: str, hits: float, total: float, covers: str, chapter: str) -> Figure | None:
    """Return a share with its Wilson interval; None when there is nothing to take a share of."""
    if not total:
        return None
    low, high = (float(end) for end in wilson(hits, total))
    share = hits / total
    return Figure(
        label,
        language.percent(share),
        language.interval(low, high),
        covers,
        (100 * share, 100 * low, 100 * high),
        chapter,
    )


def _figures(run: Run, language: Language) -> list[Figure | None]:
    return [
        _follows_design(run, language) or _most_frequent_path(run, language),
        _fitness(run, language),
        _forced(run, language),
        _nps(run, language),
        *(
            _outcome_rate(outcome.card, outcome.name, language)
            for outcome in run.outcomes[:3]
            if outcome.name not in run.experience
        ),
        _several_channels(run, language),
    ][:7]


def _follows_design(run: Run, language: Language) -> Figure | None:
    summary = run.conformance_summary or {}
    fitting = summary.get("fitting") or {}
    if fitting.get("share") is None:
        return None
    inside = (summary.get("journeys") or {}).get("in_scope")
    covers = language.say("of {n} journeys in scope", n=language.count(inside))
    if run.free_of_deviations is not None and inside:
        covers += language.say(
            "; {share} also in time, without failures", share=language.percent(run.free_of_deviations / inside)
        )
    share, low, high = (fitting.get(key) for key in ("share", "low", "high"))
    return Figure(
        language.say("take the designed path"),
        language.percent(share),
        language.interval(low, high),
        covers,
        _span(share, low, high),
        "designed",
    )


def _most_frequent_path(run: Run, language: Language) -> Figure | None:
    if run.variants is None or run.variants.top.empty:
        return None
    covers = language.say(
        "of {n} journeys, which take {paths} paths", n=language.count(run.variants.journeys),
        paths=language.count(run.variants.variants),
    )  # fmt: skip
    most = int(run.variants.top["journeys"].iloc[0])
    return share_figure(
        language, language.say("take the most frequent path"), most, run.variants.journeys, covers, "variants"
    )


def _fitness(run: Run, language: Language) -> Figure | None:
    summary = run.conformance_summary or {}
    fitness = summary.get("fitness") or {}
    if fitness.get("mean") is None:
        return None
    mean, low, high = (fitness.get(key) for key in ("mean", "low", "high"))
    covers = language.say("1 is exactly as designed")
    if summary.get("log_fitness") is not None:
        covers += language.say("; of the whole log {fitness}", fitness=language.decimals(summary["log_fitness"], 3))
    return Figure(
        language.say("mean fitness of a journey"),
        language.decimals(mean, 3),
        language.interval(low, high, scale=1, digits=3),
        covers,
        _span(mean, low, high),
        "designed",
    )


def _span(value: Any, low: float | None, high: float | None) -> tuple[float, float, float]:
    """Return a share and its interval in percent of a line."""
    return 100 * value, 100 * (value if low is None else low), 100 * (value if high is None else high)


def _forced(run: Run, language: Language) -> Figure | None:
    table = run.channel_switches
    if table is None or "forced" not in table or table["forced"].isna().all():
        return None
    forced, switches = int(table["forced"].fillna(0).sum()), int(table["switches"].sum())
    covers = language.say(
        "{forced} of {n} channel switches; the interval takes switches as independent",
        forced=language.count(forced), n=language.count(switches),
    )  # fmt: skip
    return share_figure(language, language.say("of channel switches are forced"), forced, switches, covers, "channels")


def _nps(run: Run, language: Language) -> Figure | None:
    table = run.experience.get("nps")
    if table is None or table.empty or "nps" not in table:
        return None
    whole = table[table["segment"].str.lower().isin(WHOLE)] if "segment" in table else table
    row = (whole if len(whole) else table).iloc[0].to_dict()
    if pd.isna(row["nps"]):
        return None
    low, high = row.get("low"), row.get("high")
    return Figure(
        language.say("Net Promoter Score"),
        language.decimals(row["nps"], 0, signed=True),
        language.interval(low, high, scale=1, digits=0, signed=True),
        language.many(row.get("n"), "{n} answer", "{n} answers"),
        tuple(50 + row.get(key, row["nps"]) / 2 for key in ("nps", "low", "high")),
        "experience",
    )


def _outcome_rate(card: dict[str, Any] | None, name: str, language: Language) -> Figure | None:
    known = (card or {}).get("labelled")
    if not card or not known or card.get("positives") is None:
        return None
    covers = language.say(
        "{positives} of {n} journeys whose outcome is known",
        positives=language.count(card["positives"]), n=language.count(known),
    )  # fmt: skip
    return share_figure(language, readable(name).lower(), card["positives"], known, covers, "outcomes")


def _several_channels(run: Run, language: Language) -> Figure | None:
    # Where no event has a channel, that nobody uses two says nothing.
    if run.journeys is None or (run.touchpoints is not None and not run.touchpoints["channel"].any()):
        return None
    covers = language.say("of {n} journeys", n=language.count(run.journeys.journeys))
    return share_figure(
        language, language.say("use more than one channel"), run.journeys.several_channels, run.journeys.journeys,
        covers, "channels",
    )  # fmt: skip
