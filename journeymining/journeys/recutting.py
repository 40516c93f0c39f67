"""Cut again only what has changed: the customers whose events, or whose settings, are not those of the last cut.

Everything a cut says of a customer follows from the customer's own events and the settings; only the end and the
beginning of observation are shared, and they enter after the cut. So customers whose events are the same keep their
rows, and the result equals a cut of everything.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow.parquet as pq

from journeymining import __version__
from journeymining.journeys.touchpoints import sql_text
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STATE = "state.json"
PRINTS, OUTLINES, CHANGED = "customers.parquet", "outlines.parquet", "changed.parquet"

PRINTS_QUERY = """
    SELECT c.customer_id, count(*) AS records, sum(hash(s))::VARCHAR AS total, bit_xor(hash(s)) AS mixed
    FROM given_events s JOIN given_customers c ON c.source = s.source AND c.event_id = s.event_id
    WHERE c.customer_id IS NOT NULL GROUP BY c.customer_id
"""
"""One row per customer: what tells whether one of their source events is another than before, in any order."""


@dataclass(frozen=True)
class LastCut:
    """What the last cut left: files of the event log, and in ``folder`` what a next cut compares with.

    ``customers.parquet`` has the fingerprint of every customer's source events (`PRINTS_QUERY`); ``outlines.parquet``
    one row per journey, see `journeymining.journeys.cutting.outlines_query`; ``changed.parquet`` the ``journey_id`` of
    every journey that came, went or changed between version ``since`` and ``version`` of the event log.
    """

    folder: Path
    events: Path
    journeys: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a next cut reads, whose sizes the state notes."""
        return (self.events, self.journeys, self.folder / PRINTS, self.folder / OUTLINES)

    def state(self) -> dict[str, Any]:
        """Return what was noted of the last cut; empty when it was not finished, or a file is not as it was left."""
        path = self.folder / STATE
        if not path.is_file() or not all(file.is_file() for file in self.files):
            return {}
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return state if state["files"] == [_size(file) for file in self.files] else {}

    def forget(self) -> None:
        """Unmake the note: until `note` is called, there is no last cut."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / STATE).unlink(missing_ok=True)

    def note(self, *, settings: str, version: str, since: str | None) -> None:
        """Note that all files are written."""
        state = {
            "settings": settings,
            "version": version,
            "since": since,
            "files": [_size(file) for file in self.files],
        }
        with whole_file(self.folder / STATE, force=True) as work:
            work.write_text(json.dumps(state, indent=1), encoding="utf-8")


def settings_digest(*sections: Any, columns: Sequence[str]) -> str:
    """Return the digest of all that decides about a cut beside the events: sections of the job, columns, versions."""
    # A fingerprint is DuckDB's own hash, which may be another in another version.
    text = json.dumps([sections, list(columns), __version__, duckdb.__version__], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def mark_changed(connection: duckdb.DuckDBPyConnection, last: LastCut | None) -> None:
    """Leave ``prints`` and ``again``: the fingerprint of every customer, and those to be cut again or no longer there.

    Without a last cut all are cut again.
    """
    connection.execute(f"CREATE TEMP TABLE prints AS {PRINTS_QUERY}")
    if last is None:
        connection.execute("CREATE TEMP TABLE again AS SELECT customer_id FROM prints")
        return
    before = f"read_parquet({sql_text(str(last.folder / PRINTS))})"
    connection.execute(
        f"""
        CREATE TEMP TABLE again AS
            SELECT customer_id FROM (FROM prints EXCEPT FROM {before})
            UNION SELECT customer_id FROM (FROM {before} EXCEPT FROM prints)
        """
    )


def version_of(connection: duckdb.DuckDBPyConnection, settings: str) -> str:
    """Return what tells versions of the event log apart: all fingerprints, the settings, and the observed span."""
    row = connection.execute(
        """
        SELECT count(*), sum(hash(p))::VARCHAR, bit_xor(hash(p)),
            (SELECT epoch_us(observed_from) || '-' || epoch_us(observed_until) FROM observed)
        FROM prints p
        """
    ).fetchone()
    return hashlib.sha256(json.dumps([settings, row], default=str).encode()).hexdigest()[:32]


def _size(path: Path) -> list[Any]:
    """Return the name of a Parquet file, its rows and its bytes."""
    return [path.name, pq.read_metadata(path).num_rows, path.stat().st_size]
