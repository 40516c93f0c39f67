"""The job file: which sources, which customers, which journeys, which design, which outcomes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from journeymining.documents import Document, load_yaml, validate
from journeymining.identity.settings import IdentityConfig
from journeymining.ingest.sources import SourceConfig, check_zone
from journeymining.journeys.cutting import JourneyConfig  # noqa: TC001 - pydantic reads it
from journeymining.journeys.touchpoints import TouchpointConfig
from journeymining.outcomes.config import OutcomeConfig  # noqa: TC001 - pydantic reads it

_ENVIRONMENT = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReportConfig(_Section):
    """The `report:` section."""

    language: str = "en"
    title: str | None = None


class ProcessModelConfig(_Section):
    """The `process_model:` section: how the process model is discovered."""

    miner: Literal["inductive", "heuristics", "split"] = "inductive"
    noise: float = Field(default=0.2, ge=0, le=1)


class JobConfig(_Section):
    """A job file, checked."""

    job: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    timezone: str | None = None
    region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    sources: dict[str, SourceConfig] = Field(min_length=1)
    touchpoints: TouchpointConfig = TouchpointConfig()
    identity: IdentityConfig = IdentityConfig()
    journeys: JourneyConfig
    phases: dict[str, list[str]] = Field(default_factory=dict)
    design: str | None = None
    process_model: ProcessModelConfig = ProcessModelConfig()
    outcomes: dict[str, OutcomeConfig] = Field(default_factory=dict)
    report: ReportConfig = ReportConfig()

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str | None) -> str | None:
        if name is not None:
            check_zone(name)
        return name


@dataclass(frozen=True)
class Job:
    """A job file and the folder its paths are relative to."""

    config: JobConfig
    document: Document
    base: Path

    @property
    def name(self) -> str:
        """Name of the job, and of its folders."""
        return self.config.job

    @property
    def title(self) -> str:
        """What the report is called."""
        return self.config.report.title or self.config.job

    @property
    def design(self) -> Path | None:
        """Where the designed journey is described, if the job has one."""
        return self.base / self.config.design if self.config.design else None


def read_job(path: str | Path) -> Job:
    """Read and check a job file.

    Parameters
    ----------
    path : path of a YAML file
        ``${NAME}`` in a text stands for an environment variable, so that no secret is in the file.

    Raises
    ------
    InputError
        When there is no such file.
    SpecError
        For the first thing wrong, with file, line, column and the closest allowed name.
    """
    document = load_yaml(path)
    if not isinstance(document.data, dict):
        raise document.error("a job file is a mapping with the keys job, sources, journeys, ...")
    filled = Document(path=document.path, data=_fill(document.data, (), document), places=document.places)
    job = Job(config=validate(JobConfig, filled), document=filled, base=Path(path).resolve().parent)
    if job.design is not None and not job.design.is_file():
        raise document.error(f"no such file: {job.config.design} (relative to the job file).", ("design",))
    return job


def _fill(node: Any, place: tuple[str | int, ...], document: Document) -> Any:
    """Replace ``${NAME}`` by the environment's value, wherever a text stands."""
    if isinstance(node, dict):
        return {key: _fill(value, (*place, key), document) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(value, (*place, number), document) for number, value in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise document.error(f"the environment variable {match[1]} is not set. Run: export {match[1]}=...", place)
        return found

    return _ENVIRONMENT.sub(value, node)
