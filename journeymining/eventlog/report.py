"""What happened while a log was read: rows in and out, what was left out and why, what was guessed."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_KEY = b"journeymining"
_logger = logging.getLogger(__name__)


def reading_report(table: pa.Table) -> dict[str, Any]:
    """Return how an event log was read.

    Parameters
    ----------
    table : Table
        An event log from `to_event_log` or `read_event_log`.

    Returns
    -------
    dict
        ``where`` (file or table), ``rows_in``, ``rows_out``, ``left_out`` (reason: ``rows`` and up to five
        ``examples``, row numbers counted from 1 after the header), ``columns`` (role: column), ``guesses`` (the
        roles whose column was guessed), ``renamed`` (attributes whose name has another meaning here),
        ``times`` (see `parse_times`), ``rows_out_of_order`` (rows earlier than the row before of the same journey),
        ``customers``, and what the file format adds. Empty for a table that was not read here.
    """
    metadata = table.schema.metadata or {}
    report: dict[str, Any] = json.loads(metadata.get(_KEY, b"{}"))
    return report


def with_report(table: pa.Table, report: dict[str, Any]) -> pa.Table:
    """Return the table with a reading report in the metadata of its schema, instead of any other metadata."""
    text = json.dumps(report, ensure_ascii=False, sort_keys=True)
    return table.replace_schema_metadata({_KEY: text.encode()})


def add_left_out(report: dict[str, Any], reason: str, rows: int, examples: list[int] | None = None) -> None:
    """Count rows that did not become events; nothing is added for none."""
    if rows:
        report.setdefault("left_out", {})[reason] = {"rows": rows, "examples": (examples or [])[:5]}


def log_report(report: dict[str, Any]) -> None:
    """Say in the log what was left out (as a warning) and what was guessed."""
    where = report.get("where", "table")
    for role, column in report.get("guesses", {}).items():
        _logger.info("%s: took column '%s' as the %s", where, column, role)
    for reason, found in report.get("left_out", {}).items():
        rows = ", ".join(str(row) for row in found["examples"])
        at = f" (rows {rows}{', ...' if found['rows'] > len(found['examples']) else ''})" if rows else ""
        _logger.warning("%s: left out %s rows, %s%s", where, f"{found['rows']:,}", reason.replace("_", " "), at)
