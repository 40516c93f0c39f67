"""Where a job keeps its events, and which of its steps need not be done again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from journeymining.jobs.manifest import write_json
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Store:
    """The folder of a job under ``event_logs/``.

    Every step leaves its files and a note in ``steps.json``: the digest of all that went into it, and what it counted.
    A step whose digest is the same, and whose files are there, is not done again. The note is written last, so a job
    that is killed at any point does the unfinished step again.
    """

    folder: Path

    def path(self, name: str) -> Path:
        """Return the path of a file of the store."""
        return self.folder / name

    def noted(self, step: str, digest: str, files: tuple[str, ...]) -> dict[str, Any] | None:
        """Return what a step counted, if it was done with the same input and its files are there."""
        note = self._notes().get(step)
        if note is None or note["digest"] != digest or not all(self.path(name).exists() for name in files):
            return None
        return self.last(step)

    def last(self, step: str) -> dict[str, Any]:
        """Return what a step counted when it was last done, with whatever input; empty if it never was."""
        counts: dict[str, Any] = self._notes().get(step, {"counts": {}})["counts"]
        return counts

    def note(self, step: str, digest: str, counts: dict[str, Any]) -> None:
        """Note that a step is done."""
        notes = self._notes() | {step: {"digest": digest, "counts": counts}}
        with whole_file(self.path("steps.json"), force=True) as work:
            write_json(work, notes)

    def _notes(self) -> dict[str, Any]:
        path = self.path("steps.json")
        if not path.is_file():
            return {}
        notes: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return notes
