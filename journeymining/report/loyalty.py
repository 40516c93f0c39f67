"""Outcomes and experience: which paths go with what customers did afterwards, and what they said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from journeymining.report.charts import axis, calibration, dots, scale_of
from journeymining.report.tables import records, show_table
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Outcome, Run

MOST_EFFECTS = 16
NOT_CLAIMED = ("not", "no ", "unclear", "insufficient")


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


def is_claimed(verdict: object) -> bool:
    """Say whether the verdict of an effect claims it."""
    text = str(verdict).lower().replace("_", " ")
    return bool(text) and text != "nan" and not text.startswith(NOT_CLAIMED)


def _outcome(run: Run, outcome: Outcome, language: Language) -> dict[str, Any]:
    card = outcome.card or {}
    effects = outcome.effects
    nested = run.folder / "outcomes" / outcome.name / "outcome_effects.csv"
    file = nested if nested.is_file() else run.folder / "outcome_effects.csv"
    shown = None
    if effects is not None and len(effects):
        claimed = effects["verdict"].map(is_claimed) if "verdict" in effects else pd.Series(False, index=effects.index)
        ordered = effects.assign(_claimed=claimed).sort_values(
            ["_claimed", "difference", "pattern"], ascending=[False, False, True]
        )
        shown = {
            "forest": _forest(ordered.head(MOST_EFFECTS), language),
            "claimed": int(claimed.sum()),
            "not_claimed": int((~claimed).sum()),
            "more": max(len(effects) - MOST_EFFECTS, 0),
            "table": show_table(ordered, _effect_columns(language), language, file=file),
        }
    return {
        "name": readable(outcome.name),
        "headline": card.get("headline"),
        "effects": shown,
        "models": _models(card, language),
        "calibration": _calibration(card, language),
        "n": language.count(card["n"]) if card.get("n") is not None else None,
        "positives": language.count(card["positives"]) if card.get("positives") is not None else None,
    }


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
                "label": readable(str(row["pattern"])),
                "picture": dots(scale, [(*train, colour), (*held, colour)]),
                "value": language.points(train[0]),
                "interval": language.interval(train[1], train[2], signed=True),
                "held": language.points(held[0]) if held[0] is not None else None,
                "held_interval": language.interval(held[1], held[2], signed=True),
                "covers": language.say("{n} journeys", n=language.count(row["n"])),
                "claimed": bool(row["_claimed"]),
                "verdict": "" if pd.isna(row.get("verdict")) else str(row.get("verdict") or ""),
            }
        )
    return {"axis": axis(scale, [language.points(tick, digits=scale.digits()) for tick in scale.ticks]), "rows": shown}


def _models(card: dict[str, Any], language: Language) -> dict[str, Any] | None:
    metrics = [one for one in card.get("metrics") or [] if isinstance(one, dict) and one.get("auc") is not None]
    if not metrics:
        return None
    scale = scale_of([value for one in metrics for value in (one["auc"], one.get("auc_low"), one.get("auc_high"))]
                     + [0.5], zero=False, steps=2)  # fmt: skip
    return {
        "axis": axis(scale, [language.decimals(tick, scale.digits(1)) for tick in scale.ticks]),
        "rows": [
            {
                "label": readable(str(one.get("model", ""))),
                "picture": dots(scale, [(one["auc"], one.get("auc_low"), one.get("auc_high"), "var(--design)")]),
                "value": language.decimals(one["auc"], 3),
                "interval": language.interval(one.get("auc_low"), one.get("auc_high"), scale=1, digits=3),
                "covers": "" if one.get("brier") is None else f"Brier {language.decimals(one['brier'], 3)}",
            }
            for one in metrics
        ],
    }


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
                "label": readable(str(row.get("segment") or "all")),
                "picture": dots(scale, [(row["nps"], _number(row.get("low")), _number(row.get("high")),
                                         "var(--design)")]),
                "value": language.decimals(row["nps"], 0, signed=True),
                "interval": language.interval(row.get("low"), row.get("high"), scale=1, digits=0, signed=True),
                "covers": language.say("{n} answers", n=language.count(row["n"])),
                "split": [(kind, 100 * row[kind] / row["n"], language.count(row[kind]))
                          for kind in ("detractors", "passives", "promoters") if kind in row],
            }
            for row in rows
        ],
    }  # fmt: skip


def _effect_columns(language: Language) -> dict[str, tuple[str, str]]:
    say = language.say
    return {
        "pattern": (say("pattern"), "text"),
        "n": (say("journeys"), "count"),
        "rate": (say("rate"), "percent"),
        "difference": (say("difference"), "points"),
        "difference_low": (say("from"), "points"),
        "difference_high": (say("to"), "points"),
        "adjusted": (say("adjusted"), "points"),
        "q": ("q", "decimal"),
        "holdout_n": (say("hold-out journeys"), "count"),
        "holdout_difference": (say("hold-out"), "points"),
        "holdout_low": (say("from"), "points"),
        "holdout_high": (say("to"), "points"),
        "smallest_detectable": (say("smallest detectable"), "points"),
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
