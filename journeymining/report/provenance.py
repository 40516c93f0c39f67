"""Where the numbers come from: what each step took in, left out and why, how sure identities are, which inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from journeymining.report.charts import bar, scale_of
from journeymining.report.headline import left_out
from journeymining.report.text_metrics import readable

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

SECTIONS = ("ingest", "identity", "touchpoints", "journeys")


def quality_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    """Return the steps with their rows, and the sections of quality.json; None without both."""
    steps = [_step(step, language) for step in run.manifest.get("steps", [])]
    sections = [
        (readable(name), _facts(run.quality[name], language))
        for name in [*SECTIONS, *sorted(set(run.quality) - set(SECTIONS))]
        if run.quality.get(name)
    ]
    if not steps and not sections:
        return None
    return {"steps": steps, "left_out": _left_out(run, language), "sections": sections}


def reading_chapter(run: Run, language: Language) -> dict[str, Any]:
    """Return versions, seed, settings and inputs with their hashes."""
    known = [(language.say("made with"), f"journeymining {run.manifest.get('version', '')}")]
    for key, title in (("created", "made on"), ("job", "job"), ("engine", "engine"), ("seed", "seed")):
        if run.manifest.get(key) not in (None, ""):
            known.append((language.say(title), str(run.manifest[key])))
    return {
        "facts": known,
        "settings": flatten(run.manifest.get("settings") or {}),
        "inputs": [
            (str(one.get("source", "")), str(one.get("path", "")), language.count(one.get("bytes")),
             str(one.get("sha256", "")))
            for one in run.manifest.get("inputs", [])
        ],
    }  # fmt: skip


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Write nested facts as lines of a name and a value.

    Examples
    --------
    >>> flatten({"crm": {"records": 5, "kinds": ["a", "b"]}})
    [('crm · records', '5'), ('crm · kinds', 'a, b')]
    """
    if isinstance(value, dict):
        return [
            line for key, inner in value.items() for line in flatten(inner, f"{name} · {key}" if name else str(key))
        ]
    if isinstance(value, list):
        if all(not isinstance(one, dict | list) for one in value):
            return [(name, ", ".join(map(str, value)))]
        return [line for place, inner in enumerate(value, 1) for line in flatten(inner, f"{name} · {place}")]
    return [(name, "–" if value is None else str(value))]


def _step(step: dict[str, Any], language: Language) -> dict[str, Any]:
    return {
        "name": readable(str(step.get("name", ""))),
        "rows_in": language.count(step.get("rows_in")),
        "rows_out": language.count(step.get("rows_out")),
        "left_out": [
            (readable(str(reason)), language.count(rows)) for reason, rows in (step.get("left_out") or {}).items()
        ],
        "seconds": language.decimals(step.get("seconds"), 1),
        "reused": bool(step.get("reused")),
    }


def _left_out(run: Run, language: Language) -> dict[str, Any] | None:
    named = left_out(run, language)
    numbers = sorted(
        (int(rows) for step in run.manifest.get("steps", []) for rows in (step.get("left_out") or {}).values()),
        reverse=True,
    )
    if not named:
        return None
    scale = scale_of([float(number) for number in numbers])
    rows = zip(named, numbers, strict=True)
    return {
        "rows": [
            {"label": f"{reason} ({readable(step).lower()})", "picture": bar(scale, float(number), None, None,
             colour="var(--neutral)"), "value": count, "interval": "", "covers": language.say("rows")}
            for (step, count, reason), number in rows
        ]
    }  # fmt: skip


def _facts(section: Any, language: Language) -> list[tuple[str, str]]:
    lines = []
    for name, value in flatten(section):
        shown = value
        try:
            number = float(value)
            share = name.endswith(("share", "rate")) and 0 <= number <= 1
            shown = language.percent(number) if share else language.decimals(number, 0 if number == int(number) else 3)
        except ValueError:
            pass
        lines.append((readable(name), shown))
    return lines
