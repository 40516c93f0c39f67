"""Outcomes and experience: which paths go with what customers did afterwards, and what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.charts import axis, calibration, dots, scale_of
from journeymining.report.deviations import SHORT
from journeymining.report.explanation import dependence_picture, importance_picture, shap_picture
from journeymining.report.fixes import fixes_picture
from journeymining.report.moments import moments_picture
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.report.language import Language
    from journeymining.report.run_files import Outcome, Run

MOST_EFFECTS = 16
# From what is simple to explain to what is particular; the picture shows the simple ones, the table all.
LEVELS = ("deviation", "channel", "activity", "sequence", "subsequence", "abstract", "variant", "level")

SUPPORT = {"variant": "Exact paths", "abstract": "Paths by phase and channel"}
"""Levels of variants whose use depends on how many journeys share one, and what they are called."""

# What a model must beat to be worth anything.
DUMMIES = {
    "prior": "the overall rate for everybody",
    "length": "journey length alone",
    "last activity": "the last activity alone",
}


def outcomes_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return per outcome its effects and its model; None without outcomes."""
    outcomes = [_outcome(run, outcome, language) for outcome in run.outcomes]
    return {"outcomes": outcomes} if outcomes else None


def experience_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return NPS by segment, and every other survey table; None without answers."""
    if not run.experience:
        return None
    nps = run.experience.get("nps")
    return {
        "nps": None if nps is None or nps.empty else _nps(nps, language),
        "tables": [
            (readable(name), show_table(frame, _kinds(frame), language, file=run.folder / "experience" / f"{name}.csv"))
            for name, frame in run.experience.items()
        ],
    }


def pattern_words(level: str, pattern: str, language: Language) -> str:
    """Say what journeys with a pattern have.

    Examples
    --------
    >>> from journeymining.report.language import read_language
    >>> pattern_words("subsequence", "welcome_call ... helpdesk_call", read_language("en"))
    'Welcome call, later helpdesk call'
    """
    words = readable(pattern)
    if level == "deviation":
        return language.say("Deviation: {words}", words=language.say(SHORT.get(pattern, words.lower())))
    if level == "activity":
        return language.say("Passes: {words}", words=words.lower())
    if level == "variant":
        return language.say("Exactly the path: {words}", words=words.replace(" > ", " → "))
    return words.replace(" > ", " → ").replace(" ... ", language.say(", later ")).replace("@", language.say(" by "))


def _outcome(run: Run, outcome: Outcome, language: Language) -> dict[str, Any]:
    card = outcome.card or {}
    nested = run.folder / "outcomes" / outcome.name
    place = nested if nested.is_dir() else run.folder
    return {
        "name": readable(outcome.name),
        "definition": card.get("definition"),
        "headline": card.get("headline"),
        "warnings": card.get("warnings") or [],
        "left_out": [
            (readable(reason).lower(), language.count(rows))
            for reason, rows in (card.get("left_out") or {}).items()
            if rows
        ],
        "support": [_support(one, language) for one in card.get("variants") or [] if one["level"] in SUPPORT],
        "effects": _effects(outcome, language, place / "outcome_effects.csv"),
        "fixes": fixes_picture(outcome, language, place / "fix_list.csv"),
        "moments": moments_picture(outcome, language, place),
        "models": _models(card, language),
        "calibration": _calibration(card, language),
        "importance": importance_picture(card, language),
        "dependence": dependence_picture(card, language),
        "shap": shap_picture(card, language),
        "labelled": language.count(card["labelled"]) if card.get("labelled") is not None else None,
        "positives": language.count(card.get("positives")),
        "rate": language.percent(card.get("rate")),
        "interval": language.interval(card.get("rate_low"), card.get("rate_high")),
    }


def _support(one: dict[str, Any], language: Language) -> str:
    """Say whether a level of variants is compared, and why."""
    level = language.say(SUPPORT[one["level"]])
    used = language.say("compared") if one["used"] else language.say("not compared")
    return language.say("{level}: {used}, {reason}", level=level, used=used, reason=one["reason"])


def _effects(outcome: Outcome, language: Language, file: Path) -> dict[str, Any] | None:
    effects = outcome.effects
    if effects is None or effects.empty:
        return None
    claimed = effects["verdict"].str.startswith("claimed")
    rank = effects["level"].map({level: place for place, level in enumerate(LEVELS)}).fillna(len(LEVELS))
    ordered = effects.assign(
        _claimed=claimed,
        _rank=rank.where(~claimed, 0),
        _size=-effects["difference"].abs(),
        _words=[pattern_words(row["level"], row["pattern"], language) for row in records(effects)],
    ).sort_values(["_claimed", "_rank", "_size", "pattern"], ascending=[False, True, True, True])
    shown = ordered[ordered["_claimed"] | (ordered["_rank"] < LEVELS.index("sequence"))].head(MOST_EFFECTS)
    return {
        "forest": _forest(shown if len(shown) else ordered.head(MOST_EFFECTS), language),
        "claims": [_claim(row, language) for row in records(ordered[ordered["_claimed"]].head(8))],
        "claimed": int(claimed.sum()),
        "not_claimed": int((~claimed).sum()),
        "shown": len(shown) or min(len(ordered), MOST_EFFECTS),
        "table": show_table(ordered, _effect_columns(language), language, file=file),
    }


def _claim(row: dict[str, Any], language: Language) -> tuple[str, str]:
    """Say a claimed association: the pattern, and a sentence with its numbers."""
    text = language.say(
        "{rate} of {journeys} have the outcome, against {other} of the others: a difference of {points} points "
        "{interval}",
        rate=language.percent(row["rate"]), journeys=language.many(row["n"], "{n} journey", "{n} journeys"),
        other=language.percent(row["rate"] - row["difference"]), points=language.points(row["difference"]),
        interval=language.interval(row["difference_low"], row["difference_high"], signed=True),
    )  # fmt: skip
    held = _number(row.get("holdout_difference"))
    if held is not None:
        text += language.say(
            "; on held-out journeys {held} {interval}", held=language.points(held),
            interval=language.interval(row.get("holdout_low"), row.get("holdout_high"), signed=True),
        )  # fmt: skip
    adjusted = _number(row.get("adjusted"))
    if adjusted is not None:
        text += language.say(
            "; among journeys that begin alike {adjusted} {interval}", adjusted=language.points(adjusted),
            interval=language.interval(row.get("adjusted_low"), row.get("adjusted_high"), signed=True),
        )  # fmt: skip
    return row["_words"], text + "."


def _forest(effects: pd.DataFrame, language: Language) -> dict[str, Any]:
    rows = records(effects)
    columns = ("difference", "difference_low", "difference_high", "holdout_difference", "holdout_low", "holdout_high")
    scale = scale_of([_number(row.get(column)) for row in rows for column in columns])
    shown = []
    for row in rows:
        train, held = _marks(row, columns[:3]), _marks(row, columns[3:])
        colour = "var(--design)" if row["_claimed"] else "var(--neutral)"
        shown.append(
            {
                "label": row["_words"],
                "picture": dots(scale, [(*train, colour), (*held, colour)]),
                "value": language.points(train[0]),
                "interval": language.interval(train[1], train[2], signed=True),
                "held": language.points(held[0]) if held[0] is not None else None,
                "held_interval": language.interval(held[1], held[2], signed=True),
                "covers": language.many(row["n"], "{n} journey", "{n} journeys"),
                "claimed": bool(row["_claimed"]),
                "verdict": row["verdict"],
            }
        )
    return {"axis": axis(scale, [language.points(tick, digits=scale.digits()) for tick in scale.ticks]), "rows": shown}


def _models(card: dict[str, Any], language: Language) -> dict[str, Any] | None:
    models = [one for one in card.get("models") or [] if isinstance(one, dict) and one.get("auc") is not None]
    if not models:
        return None
    scale = scale_of(
        [one.get(key) for one in models for key in ("auc", "auc_low", "auc_high")] + [0.5], zero=False, steps=2
    )
    rows = []
    for one in sorted(models, key=lambda one: (one["name"] in DUMMIES, -one["auc"], one["name"])):
        dummy = one["name"] in DUMMIES
        colour = "var(--neutral)" if dummy else "var(--design)"
        rows.append(
            {
                "label": readable(one["name"]) if not dummy else language.say(DUMMIES[one["name"]]),
                "picture": dots(scale, [(one["auc"], one.get("auc_low"), one.get("auc_high"), colour)]),
                "value": language.decimals(one["auc"], 3),
                "interval": language.interval(one.get("auc_low"), one.get("auc_high"), scale=1, digits=3),
                "covers": "" if one.get("brier") is None else f"Brier {language.decimals(one['brier'], 3)}",
            }
        )
    return {"axis": axis(scale, [language.decimals(tick, scale.digits(1)) for tick in scale.ticks]), "rows": rows}


def _calibration(card: dict[str, Any], language: Language) -> Any:
    points = [
        (one["predicted"], one["observed"], one["low"], one["high"],
         language.say("foretold {a}, observed {b} {c}, {n} journeys", a=language.percent(one["predicted"]),
                      b=language.percent(one["observed"]), c=language.interval(one["low"], one["high"]),
                      n=language.count(one.get("n"))))
        for one in card.get("calibration") or []
        if isinstance(one, dict) and {"predicted", "observed", "low", "high"} <= one.keys()
    ]  # fmt: skip
    if not points:
        return None
    labels = (language.say("Calibration on journeys the model has not seen"), language.say("foretold"),
              language.say("observed"))  # fmt: skip
    return calibration(points, labels=labels)


def _nps(nps: pd.DataFrame, language: Language) -> dict[str, Any]:
    rows = records(nps[nps["n"] > 0])
    scale = scale_of([_number(row.get(column)) for row in rows for column in ("nps", "low", "high")])
    return {
        "axis": axis(scale, [language.decimals(tick, 0, signed=True) for tick in scale.ticks]),
        "rows": [
            {
                "label": _segment(str(row.get("segment") or "all"), language),
                "picture": dots(scale, [(row["nps"], _number(row.get("low")), _number(row.get("high")),
                                         "var(--design)")]),
                "value": language.decimals(row["nps"], 0, signed=True),
                "interval": language.interval(row.get("low"), row.get("high"), scale=1, digits=0, signed=True),
                "covers": language.many(row["n"], "{n} answer", "{n} answers"),
                "split": [(kind, 100 * row[kind] / row["n"], language.count(row[kind]))
                          for kind in ("detractors", "passives", "promoters") if kind in row],
            }
            for row in rows
        ],
    }  # fmt: skip


def _segment(name: str, language: Language) -> str:
    """Say a segment; those that are deviations in the words for deviations."""
    kind = name.replace(" ", "_")
    return language.say("Deviation: {words}", words=language.say(SHORT[kind])) if kind in SHORT else readable(name)


def _effect_columns(language: Language) -> dict[str, tuple[str, str]]:
    say = language.say
    return {
        "level": (say("level"), "text"),
        "pattern": (say("pattern"), "text"),
        "n": (say("journeys"), "count"),
        "rate": (say("rate"), "percent"),
        "difference": (say("difference"), "points"),
        "difference_low": (say("from"), "points"),
        "difference_high": (say("to"), "points"),
        "adjusted": (say("adjusted"), "points"),
        "adjusted_low": (say("from"), "points"),
        "adjusted_high": (say("to"), "points"),
        "p": ("p", "decimal"),
        "q": ("q", "decimal"),
        "holdout_n": (say("hold-out journeys"), "count"),
        "holdout_difference": (say("hold-out"), "points"),
        "holdout_low": (say("from"), "points"),
        "holdout_high": (say("to"), "points"),
        "smallest_detectable": (say("smallest detectable"), "points"),
        "reversed_within": (say("turns round within"), "text"),
        "verdict": (say("verdict"), "text"),
    }


def _kinds(frame: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Write whole numbers as counts, others with one decimal, the rest as text."""
    return {
        str(name): (readable(str(name)).lower(),
                    "count" if frame[name].dtype.kind in "iu" else "one" if frame[name].dtype.kind == "f" else "text")
        for name in frame.columns
    }  # fmt: skip


def _marks(row: dict[str, Any], names: tuple[str, ...]) -> tuple[float | None, float | None, float | None]:
    value, low, high = (_number(row.get(name)) for name in names)
    return value, low, high


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
