"""The account of one analysis of one log: what it read, what it left out, what it was set to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeymining.jobs.manifest import Manifest, Step, describe_inputs, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journeymining.eventlog.written import AnyLog


def write_account(
    folder: Path,
    command: str,
    table: AnyLog,
    log: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
    counts: Mapping[str, int] | None = None,
    quality: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Path] | None = None,
    seed: int = 0,
    engine: str = "threads",
) -> None:
    """Write ``manifest.json`` and ``quality.json`` beside the results of a command that took a LOG.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    command : str
        Name of the command.
    table : pa.Table or WrittenLog
        The log as it was read, with its reading report, or as it stands in its files.
    log : mapping
        The options of the log as the command got them; ``log`` is its path, ``-`` for stdin.
    settings, counts, quality : mappings
        What else made the results, how many of what, and what was left out of them.
    inputs : mapping of str to Path
        Further files that were read, such as the design, by what they are.
    seed : int
    engine : str
        Where the analysis ran.
    """
    from journeymining.eventlog.written import WrittenLog, report_of

    reading, rows = report_of(table), table.events if isinstance(table, WrittenLog) else table.num_rows
    left_out = {reason: int(found["rows"]) for reason, found in reading.get("left_out", {}).items()}
    paired = int((reading.get("lifecycle") or {}).get("paired", 0))
    if paired:
        left_out["start and end are one event"] = paired
    place = Path(log["log"])
    files = (
        [] if log["log"] == "-" else [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    )
    manifest = Manifest(
        job=command,
        title=place.name,
        scope=reading.get("scope", "all journeys of the log"),
        seed=seed,
        engine=engine,
        settings={name: value for name, value in log.items() if value and name != "log"} | dict(settings or {}),
        inputs=describe_inputs(
            [*(("log", file) for file in files if log["log"] != "-"), *(inputs or {}).items()],
            base=Path.cwd(),
        ),
        counts=dict(counts or {}),
        steps=[Step("read", reading.get("rows_in"), rows, left_out)],
    )
    manifest.write(folder)
    write_json(folder / "quality.json", {"read": reading, **(quality or {})})
