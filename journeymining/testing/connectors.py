"""The check that every connector passes: its sample becomes exactly the events that its author expects."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from journeymining.documents import load_yaml, validate
from journeymining.exceptions import InputError
from journeymining.ingest.library import SPEC
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journeymining.documents import Document, Key, Place

EXPECTED = "expected.csv"

COLUMNS = (
    "table",
    "stream",
    "activity",
    "timestamp",
    "channel",
    "topic",
    "resource",
    "initiator",
    "status",
    "device_class",
    "browser",
    "operating_system",
    "duration",
    "metric",
    "value",
    "scale_min",
    "scale_max",
    "direction",
    "level",
    "sent_at",
    "answered_at",
    "time_rule",
    "granularity",
    "reason",
    "place",
    "identifiers",
)
"""Columns of ``expected.csv``; those that are empty everywhere are left away."""


def check_connector(folder: str | Path) -> None:
    """Check a connector: its file is valid, and its sample becomes what ``expected.csv`` says.

    Parameters
    ----------
    folder : path
        With ``connector.yaml``, ``README.md``, the sample it names and ``expected.csv``.

    Raises
    ------
    AssertionError
        If a row differs; the message shows the first ones.
    InputError
        If a file is missing.
    SpecError
        If the connector is wrong.
    """
    differences = connector_differences(folder)
    if differences:
        shown = "\n".join(differences[:10])
        raise AssertionError(f"{Path(folder).name}: {len(differences)} rows differ from {EXPECTED}\n{shown}")


def connector_differences(folder: str | Path) -> list[str]:
    """Return the rows that a connector's sample gives and should not (``+``), or should and does not (``-``)."""
    place = Path(folder)
    for name in (SPEC, "README.md", EXPECTED):
        if not (place / name).is_file():
            raise InputError(
                f"{place / name}: no such file; a connector has {SPEC}, README.md, a sample and {EXPECTED}."
            )
    with (place / EXPECTED).open(encoding="utf-8", newline="") as file:
        expected = [_line({name: row.get(name) or "" for name in COLUMNS}) for row in csv.DictReader(file)]
    found = [_line(row) for row in sample_rows(place)]
    extra, lacking = _without(found, expected), _without(expected, found)
    return [f"- {line}" for line in lacking] + [f"+ {line}" for line in extra]


def _line(row: dict[str, str]) -> str:
    return "  ".join(f"{name}={value}" for name, value in row.items() if value)


def _without(some: list[str], others: Iterable[str]) -> list[str]:
    """Return what of a list is not in another, counting repetitions."""
    left = list(some)
    for other in others:
        if other in left:
            left.remove(other)
    return left


def sample_rows(folder: str | Path) -> list[dict[str, str]]:
    """Return what a connector makes of its sample, as rows of ``expected.csv``.

    Identifiers are in clear (a sample holds made-up people only), written ``kind:value`` and sorted. Order: events,
    records that carry identifiers only, answers to surveys, rejected records; each by time and place.
    """
    place = Path(folder)
    connector = read_connector(place / SPEC)
    document = load_yaml(place / SPEC)
    given = {"connector": str(place.resolve()), **connector.sample.model_dump()}
    config = validate(SourceConfig, replace(document, data=given, places=_places(document, ())))
    job = replace(document, places=_places(document, ("sources", "sample")))
    with tempfile.TemporaryDirectory() as out:
        ingest_sources(
            {"sample": config}, timezone=None, region=None, key=None, out=out, base=place, document=job, threads=1
        )
        return _rows(Path(out))


def _places(document: Document, below: tuple[Key, ...]) -> dict[tuple[Key, ...], Place]:
    """Return where the keys of the sample stand, as those of a document that has them elsewhere."""
    return {(*below, *path[1:]): place for path, place in document.places.items() if path[:1] == ("sample",)}


def _rows(out: Path) -> list[dict[str, str]]:
    import pyarrow.parquet as pq

    links: dict[str, set[str]] = {}
    for link in pq.read_table(out / "identifiers.parquet").to_pylist():
        links.setdefault(link["event_id"], set()).add(link["value_hash"])
    events = pq.read_table(out / "source_events.parquet").sort_by(
        [("timestamp", "ascending"), ("stream", "ascending"), ("source_order", "ascending")]
    )
    rows = [_row("event", event, links) for event in events.to_pylist()]
    surveys = pq.read_table(out / "surveys.parquet").to_pylist()
    known = {row["event_id"] for row in (*events.to_pylist(), *surveys)}
    records = sorted(" ".join(sorted(ids)) for event_id, ids in links.items() if event_id not in known)
    rows += [_row("record", {"identifiers": ids}, {}) for ids in records]
    rows += [_row("survey", survey, links) for survey in surveys]
    for file in sorted((out / "rejected").glob("*.parquet")):
        for rejected in pq.read_table(file).to_pylist():
            where = f"{rejected['file']}:{rejected['line']}"
            rows.append(_row("rejected", {**rejected, "place": where}, {}))
    return rows


def _row(table: str, values: dict[str, Any], links: dict[str, set[str]]) -> dict[str, str]:
    ids = " ".join(sorted(links.get(values.get("event_id", ""), ())))
    row = {"table": table, **values, "identifiers": ids or values.get("identifiers", "")}
    return {name: _text(row.get(name)) for name in COLUMNS}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def expected_text(rows: list[dict[str, str]]) -> str:
    """Return the text of an ``expected.csv`` with these rows, without the columns that are empty everywhere."""
    used = [name for name in COLUMNS if any(row[name] for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, used or list(COLUMNS), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
