"""The audit report of a run: one page that needs nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from journeymining.report.comparison import comparison_chapter
from journeymining.report.data_quality import quality_chapter
from journeymining.report.designed import designed_chapter
from journeymining.report.headline import headline
from journeymining.report.language import Language, read_language
from journeymining.report.loyalty import experience_chapter, outcomes_chapter
from journeymining.report.map_chapter import map_chapter, standalone_map
from journeymining.report.palette import colour_variables
from journeymining.report.paths import channels_chapter, variants_chapter
from journeymining.report.personas import personas_chapter
from journeymining.report.phases import phases_chapter
from journeymining.report.process_picture import safe_picture
from journeymining.report.provenance import reading_chapter
from journeymining.report.run_files import read_run
from journeymining.report.tables import data_uri, show_table
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.report.run_files import Run

# Chapter, its short name, its title, and what a run must hold for it.
CHAPTERS = (
    ("map", "Journey map", "The journey map", "touchpoints.csv, directly_follows.csv"),
    ("designed", "Designed and actual", "Designed against actual", "deviations.csv"),
    ("variants", "Paths", "The most frequent paths", "variants.parquet"),
    ("channels", "Channels", "Between channels", "channel_switches.csv"),
    ("phases", "Phases", "Through the phases", "phase_progress.csv"),
    ("personas", "Found personas", "Found personas", "found_personas.json"),
    ("comparison", "Comparison", "Groups compared", "comparisons/*.csv"),
    ("outcomes", "Outcomes", "What paths go with", "outcome_effects.csv"),
    ("experience", "Experience", "What customers said", "experience/*.csv"),
    ("model", "Process model", "The process model", "process_model.svg"),
    ("quality", "Data quality", "Data quality and identity", "manifest.json, quality.json"),
    ("reading", "How to read this", "How to read this", "manifest.json"),
)


def write_report(run_dir: Path, *, language: str = "en", title: str | None = None) -> Path:
    """Write the audit report of a run, from its tables alone.

    Writes ``report.html``, one file that loads nothing and sends nothing, and ``journey_map.svg``; both replace what
    is there. A chapter whose files are absent is left out, and the report says so.

    Parameters
    ----------
    run_dir : path
        A folder that ``journeymining run`` wrote. Only manifest.json must be there.
    language : str, default "en"
        Language of the report.
    title : str, optional
        Title; that of the job by default.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        If the folder is no run, or a file of it lacks a column.
    UsageError
        If the report does not speak the language.
    """
    speaks = read_language(language)
    run = read_run(run_dir)
    heading = title or str(run.manifest.get("title") or run.manifest.get("job") or "Journeys")
    picture = standalone_map(run, speaks, title=heading)
    if picture is not None:
        with whole_file(run_dir / "journey_map.svg", force=True) as file:
            file.write_text(picture + "\n", encoding="utf-8")
    page = render(run, speaks, heading)
    with whole_file(run_dir / "report.html", force=True) as file:
        file.write_text(page, encoding="utf-8")
    return run_dir / "report.html"


def render(run: Run, language: Language, title: str) -> str:
    """Return the page as HTML."""
    found: dict[str, dict[str, Any] | None] = {
        "map": map_chapter(run, language),
        "designed": designed_chapter(run, language),
        "variants": variants_chapter(run, language),
        "channels": channels_chapter(run, language),
        "phases": phases_chapter(run, language),
        "personas": personas_chapter(run, language),
        "comparison": comparison_chapter(run, language),
        "outcomes": outcomes_chapter(run, language),
        "experience": experience_chapter(run, language),
        "model": _model_chapter(run, language),
        "quality": quality_chapter(run, language),
        "reading": reading_chapter(run, language),
    }
    environment = Environment(
        loader=PackageLoader("journeymining.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    present = [
        (key, language.say(short), language.say(name)) for key, short, name, _ in CHAPTERS if found[key] is not None
    ]
    return environment.get_template("report.html.j2").render(
        language=language,
        title=title,
        head=headline(run, language),
        chapters=present,
        absent=[(language.say(name), files) for key, _, name, files in CHAPTERS if found[key] is None],
        colours=Markup(colour_variables()),
        **found,
    )


def _model_chapter(run: Run, language: Language) -> dict[str, Any] | None:
    if run.process_model is None:
        return None
    card = (run.manifest.get("settings") or {}).get("process_model") or {}
    quality = card.get("quality") or {}
    facts = [
        (language.decimals(quality[key], 3), language.say(key))
        for key in ("fitness", "precision", "simplicity")
        if quality.get(key) is not None
    ]
    return {
        "others": _models(run, language),
        "picture": safe_picture(run.process_model, title=language.say("Process model")),
        "facts": facts,
        "journeys": language.count(quality.get("journeys")),
        "all_journeys": language.count(quality.get("all_journeys")),
        "miner": f"{card['miner']}, noise {card['noise']}" if {"miner", "noise"} <= card.keys() else "",
        "download": data_uri((run.folder / "process_model.svg").read_bytes(), "image/svg+xml"),
    }


def _models(run: Run, language: Language) -> Any:
    """Return the models of all miners beside each other; None where there is one only."""
    if run.process_models is None or len(run.process_models) < 2:
        return None
    columns = {
        "miner": (language.say("miner"), "text"),
        "noise": (language.say("noise"), "decimal"),
        "fitness": (language.say("fitness"), "decimal"),
        "precision": (language.say("precision"), "decimal"),
        "simplicity": (language.say("simplicity"), "decimal"),
        "journeys": (language.say("journeys measured"), "count"),
        "reason": (language.say("not known because"), "text"),
    }
    if not run.process_models["reason"].any():
        del columns["reason"]
    return show_table(run.process_models, columns, language, file=run.folder / "process_models.csv")
