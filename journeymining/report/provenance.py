"""Where the numbers come from: versions, seed, settings, and inputs with their hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journeymining.report.language import Language
    from journeymining.report.run_files import Run

# Settings that other chapters show.
SHOWN = {"process_model", "ties"}


def reading_chapter(run: Run, language: Language) -> dict[str, Any]:
    """Return versions, seed, settings and inputs with their hashes."""
    known = [(language.say("made with"), f"journeymining {run.manifest.get('version', '')}")]
    for key, title in (("created", "made on"), ("job", "job"), ("engine", "engine"), ("seed", "seed")):
        if run.manifest.get(key) not in (None, ""):
            known.append((language.say(title), str(run.manifest[key])))
    return {
        "facts": known,
        "settings": flatten({k: v for k, v in (run.manifest.get("settings") or {}).items() if k not in SHOWN}),
        "sources": _by_source(run, language),
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


def _by_source(run: Run, language: Language) -> list[tuple[str, str]]:
    """Return per source how many files and bytes were read."""
    files: dict[str, list[int]] = {}
    for one in run.manifest.get("inputs", []):
        files.setdefault(str(one.get("source", "")), []).append(int(one.get("bytes") or 0))
    return [
        (name, f"{language.many(len(sizes), '{n} file', '{n} files')}, {language.decimals(sum(sizes) / 1e6)} MB")
        for name, sizes in sorted(files.items())
    ]
