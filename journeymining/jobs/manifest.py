"""What a run was made of: versions, inputs, and the rows that went into and came out of every step."""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from journeymining import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK = 1 << 20


@dataclass
class Step:
    """One step of a run: how many rows went in and came out, and why others did not."""

    name: str
    rows_in: int | None = None
    rows_out: int | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    reused: bool = False
    again: dict[str, int] | None = None
    """How much had changed since its last time, and of how much, where a step takes over what had not."""

    def as_dict(self) -> dict[str, Any]:
        """Return the step as it stands in manifest.json; reasons that concern no row are left away."""
        return {
            "name": self.name,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "left_out": {reason: rows for reason, rows in sorted(self.left_out.items()) if rows},
            "seconds": round(self.seconds, 3),
            "reused": self.reused,
            **({} if self.again is None else {"again": self.again}),
        }


@dataclass
class Manifest:
    """The account of a run, written beside its results as manifest.json."""

    job: str
    title: str
    scope: str = ""
    seed: int = 0
    engine: str = "threads"
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step and add it to the account."""
        step = Step(name)
        begun = time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - begun
        self.steps.append(step)

    def write(self, folder: Path) -> None:
        """Write manifest.json into a folder."""
        write_json(
            folder / "manifest.json",
            {
                "version": __version__,
                "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "job": self.job,
                "title": self.title,
                "scope": self.scope,
                "engine": self.engine,
                "seed": self.seed,
                "settings": self.settings,
                "inputs": self.inputs,
                "counts": self.counts,
                "steps": [step.as_dict() for step in self.steps],
            },
        )


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def describe_inputs(files: Iterable[tuple[str, Path]], *, base: Path) -> list[dict[str, Any]]:
    """Say of every input file its source, its path as the job names it, its size and its SHA-256.

    Paths are given relative to ``base`` where they lie below it, so that a manifest says nothing of the machine.
    """
    return [
        {
            "source": source,
            "path": str(path.relative_to(base)) if path.is_relative_to(base) else path.name,
            "bytes": path.stat().st_size,
            "sha256": fingerprint(path),
        }
        for source, path in sorted(files)
    ]


def write_json(path: Path, content: Any) -> None:
    """Write JSON as people read it: indented, in UTF-8, with a line end."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def digest_of(*parts: Any) -> str:
    """Return a short digest of settings, equal for equal settings.

    Examples
    --------
    >>> digest_of({"gap": "30 days"}) == digest_of({"gap": "30 days"})
    True
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
