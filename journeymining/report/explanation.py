"""What a model leans on, in pictures: importance, how the chance goes with one thing, and SHAP values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import axis, bar, curve, dots, scale_of
from journeymining.report.deviations import SHORT
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language

MOST_GROUPS = 8

WORDS = {"1 - fitness": "lack of fitness", "log events": "events (logarithm)"}
"""Features whose names are formulas, in words."""


def importance_picture(card: dict[str, Any], language: Language) -> dict[str, Any] | None:
    """Draw how much worse held-out journeys are ranked when what is said of one activity is shuffled."""
    groups = [one for one in card.get("importance") or [] if one.get("importance", 0) > 0][:MOST_GROUPS]
    if not groups:
        return None
    scale = scale_of([one["importance"] + one["spread"] for one in groups])
    rows = [
        {
            "label": _group_words(one["group"], language),
            "picture": bar(scale, one["importance"], one["importance"] - one["spread"],
                           one["importance"] + one["spread"]),
            "value": language.decimals(one["importance"], 3),
            "interval": f"± {language.decimals(one['spread'], 3)}",
            "covers": language.many(one["columns"], "{n} feature", "{n} features"),
        }
        for one in groups
    ]  # fmt: skip
    return {"axis": axis(scale, [language.decimals(tick, scale.digits(1)) for tick in scale.ticks]), "rows": rows}


def dependence_picture(card: dict[str, Any], language: Language) -> list[dict[str, Any]]:
    """Draw, per feature, the mean chance of held-out journeys if it had another value; all on one scale of chances."""
    features = [one for one in card.get("dependence") or [] if len(one.get("points") or []) > 1]
    scale = scale_of([point["chance"] for one in features for point in one["points"]], zero=False, steps=3)
    ticks = [language.percent(tick, digits=scale.digits()) for tick in scale.ticks]
    found = []
    for one in features:
        words = feature_words(one["feature"], language)
        points = [(point["value"], point["chance"]) for point in one["points"]]
        ends = [_value(one["feature"], value, language) for value in (points[0][0], points[-1][0])]
        sentence = language.say(
            "{feature}: from {a} at {low} to {b} at {high}",
            feature=words, a=language.percent(points[0][1]), b=language.percent(points[-1][1]), low=ends[0],
            high=ends[1],
        )  # fmt: skip
        found.append({"label": words, "picture": curve(scale, points, ticks=ticks, ends=ends, title=sentence)})
    return found


def shap_picture(card: dict[str, Any], language: Language) -> list[dict[str, Any]]:
    """Draw, per model and feature, the SHAP values of journeys with much of the feature and of those with little."""
    return [_shap(one, language) for one in card.get("shap") or [] if one.get("features")]


def feature_words(feature: str, language: Language) -> str:
    """Say what a feature of a model is.

    Examples
    --------
    >>> from journeymining.report.language import read_language
    >>> english = read_language("en")
    >>> feature_words("count activity helpdesk_call", english), feature_words("first channel web", english)
    ('How often: helpdesk call', 'Begins with: channel web')
    """
    kind, _, rest = feature.partition(" ")
    column, _, level = rest.partition(" ")
    named = readable(level).lower() if column == "activity" else f"{column} {level}"
    if kind == "count" and column == "deviation":
        return language.say("Deviation: {words}", words=language.say(SHORT.get(level, readable(level).lower())))
    if kind == "count" and level:
        return language.say("How often: {words}", words=named)
    if kind == "first" and level:
        return language.say("Begins with: {words}", words=named)
    if kind == "last" and level:
        return language.say("Ends with: {words}", words=named)
    return readable(language.say(WORDS.get(feature, feature)))


def _group_words(group: str, language: Language) -> str:
    column, _, level = group.partition(" ")
    if column == "deviation" and level in SHORT:
        return language.say("Deviation: {words}", words=language.say(SHORT[level]))
    return readable(level) if column == "activity" and level else readable(group)


def _value(feature: str, value: float, language: Language) -> str:
    if feature.startswith(("first ", "last ")) and value in (0.0, 1.0):
        return language.say("yes") if value else language.say("no")
    return language.decimals(value, 0 if value == round(value) else 1)


def _shap(one: dict[str, Any], language: Language) -> dict[str, Any]:
    sides = ("above", "not_above")
    known = [feature[side] for feature in one["features"] for side in sides if side in feature]
    scale = scale_of([part[key] for part in known for key in ("mean", "low", "high")])
    rows = []
    for feature in one["features"]:
        marks = [(feature[side]["mean"], feature[side]["low"], feature[side]["high"], "var(--design)")
                 if side in feature else (None, None, None, "") for side in sides]  # fmt: skip
        counts = [language.count(feature[side]["n"]) if side in feature else "0" for side in sides]
        rows.append(
            {
                "label": feature_words(feature["feature"], language),
                "picture": dots(scale, marks),
                "value": language.decimals(feature["mean_size"], 2),
                "interval": language.say("mean size"),
                "covers": language.say("{a} and {b} journeys", a=counts[0], b=counts[1]),
            }
        )
    return {
        "model": language.say(one["model"]),
        "journeys": language.count(one["journeys"]),
        "chart": {
            "axis": axis(scale, [language.decimals(tick, scale.digits(1), signed=True) for tick in scale.ticks]),
            "rows": rows,
        },
    }
