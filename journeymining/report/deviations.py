"""Deviations in the words of people who look after a journey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language

SHORT = {
    "missing": "missing",
    "ad_hoc": "not in the design",
    "wrong_order": "wrong order",
    "repeated": "repeated",
    "wrong_channel": "wrong channel",
    "wrong_actor": "wrong actor",
    "failing": "failed",
    "late": "late",
    "bounced_back": "bounced back",
    "dead_end": "dead end",
}

# An ad hoc event of a touchpoint that the design has elsewhere.
OUT_OF_PLACE = "not foreseen here"


def deviation_sentence(row: dict[str, Any], language: Language) -> str:
    """Say a deviation in a few words.

    Examples
    --------
    >>> from journeymining.report.language import read_language
    >>> row = {"type": "wrong_channel", "touchpoint": "order_placed", "expected": "web", "observed": "phone"}
    >>> deviation_sentence(row, read_language("en"))
    'Order placed: wrong channel (phone instead of web)'
    """
    name = readable(row["touchpoint"]) if row["touchpoint"] else language.say("whole journey")
    text = f"{name}: {language.say(SHORT.get(row['type'], readable(row['type']).lower()))}"
    expected, observed = (str(row.get(key) or "").replace("_", " ") for key in ("expected", "observed"))
    details = {
        "wrong_channel": language.say("{observed} instead of {expected}", observed=observed, expected=expected),
        "wrong_actor": language.say("{observed} instead of {expected}", observed=observed, expected=expected),
        "wrong_order": observed,
        "late": expected if observed in {"", "late"} else f"{expected}; {observed}",
    }
    if row["type"] == "ad_hoc" and expected == "not on this way":
        return f"{name}: {language.say(OUT_OF_PLACE)}"
    detail = details.get(row["type"], "") if expected or observed else ""
    return f"{text} ({detail})" if detail else text
