"""The table behind a picture: every cell written for people, every row to download."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.report.language import Language

MOST_ROWS = 200
MOST_BYTES = 400_000


@dataclass(frozen=True)
class Table:
    """A table as the page shows it; ``download`` is a data URI, or None where the file is too large for a page."""

    heads: list[tuple[str, str]]
    rows: list[list[str]]
    all_rows: int
    file: str
    download: str | None
    kept_in: str


def show_table(
    frame: pd.DataFrame,
    columns: dict[str, tuple[str, str]],
    language: Language,
    *,
    file: Path | None = None,
    name: str | None = None,
    all_rows: int | None = None,
    kept_in: str = "",
) -> Table:
    """Write the columns of a table that exist; a column has a title and a kind.

    Kinds: ``text``, ``count``, ``percent`` (of a share), ``points`` (difference of shares), ``decimal``, ``one``
    (decimal) and ``duration`` (seconds). The download is the file as it is in the run; a table that is no file of
    the run is written as CSV.
    ``all_rows`` says how many rows there are where the table holds the first only, and ``kept_in``
    which file of the run has them all.
    """
    present = {column: kind for column, kind in columns.items() if column in frame}
    rows = [
        [cell(row[column], kind, language) for column, (_, kind) in present.items()]
        for row in records(frame.head(MOST_ROWS))
    ]
    heads = [(title, "left" if kind == "text" else "right") for title, kind in present.values()]
    if file is not None:
        small = file.stat().st_size <= MOST_BYTES
        content = file.read_bytes() if small else None
    else:
        content = frame[list(present)].to_csv(index=False, lineterminator="\n").encode()
        content = content if len(content) <= MOST_BYTES else None
    shown_name = name or (file.name if file else "table.csv")
    return Table(
        heads,
        rows,
        all_rows or len(frame),
        shown_name,
        None if content is None else data_uri(content),
        kept_in or shown_name,
    )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def data_uri(content: bytes, kind: str = "text/csv") -> str:
    """Put content into an address, so that it can be saved without a request."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def cell(value: Any, kind: str, language: Language) -> str:
    """Write one value of a table."""
    if value is None or (isinstance(value, float) and pd.isna(value)) or value is pd.NA:
        return "" if kind == "text" else "–"
    if kind == "text":
        return (
            " → ".join(map(str, value)) if isinstance(value, list | tuple) or hasattr(value, "tolist") else str(value)
        )
    number = float(value)
    if kind == "count":
        return language.count(number)
    if kind == "percent":
        return language.percent(number)
    if kind == "points":
        return language.points(number)
    if kind == "duration":
        return language.duration(number)
    return language.decimals(number, 1 if kind == "one" else 3)
