"""The job file: which sources, which customers, which journeys, which design, which outcomes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from journeymining.documents import Document, load_yaml, validate
from journeymining.durations import Duration  # noqa: TC001 - pydantic reads it
from journeymining.exceptions import did_you_mean
from journeymining.identity.settings import IdentityConfig
from journeymining.ingest.sources import SourceConfig, check_zone
from journeymining.journeys.cutting import JourneyConfig  # noqa: TC001 - pydantic reads it
from journeymining.journeys.filters import parse_filter
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


class ContactConfig(_Section):
    """Contacts of the `discovery:` section: which activities, and within what time another one is a repeat."""

    activities: list[str] = Field(min_length=1)
    window: Duration = timedelta(days=7)


class DiscoveryConfig(_Section):
    """The `discovery:` section: how journeys are looked at."""

    collapse: bool = False
    personas: int = Field(default=8, ge=0)
    contacts: ContactConfig | None = None


class ComparisonConfig(_Section):
    """One entry of the `compare:` section: two groups by filters, or by an outcome of the job."""

    first: list[str] = Field(default_factory=list)
    second: list[str] = Field(default_factory=list)
    names: tuple[str, str] | None = None
    outcome: str | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> ComparisonConfig:
        if (self.outcome is None) == (not self.first):
            raise ValueError("say either 'first: [filters]' (and 'second:', or all others are it), or 'outcome: NAME'")
        if self.outcome is not None and self.second:
            raise ValueError("'second' has no meaning beside 'outcome'")
        for text in (*self.first, *self.second):
            parse_filter(text)
        return self


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
    discovery: DiscoveryConfig = DiscoveryConfig()
    compare: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")], ComparisonConfig] = Field(
        default_factory=dict
    )
    outcomes: dict[str, OutcomeConfig] = Field(default_factory=dict)
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _compares_what_there_is(self) -> JobConfig:
        for name, one in self.compare.items():
            if one.outcome is not None and one.outcome not in self.outcomes:
                near = did_you_mean(one.outcome, self.outcomes)
                raise ValueError(f"compare: '{name}' names the outcome '{one.outcome}', which the job has not.{near}")
        return self

    @field_validator("outcomes")
    @classmethod
    def _outcomes_are_in_the_log(cls, outcomes: dict[str, OutcomeConfig]) -> dict[str, OutcomeConfig]:
        for name, one in outcomes.items():
            if one.table is not None:
                raise ValueError(
                    f"'{name}' is in a table, whose customers have other names than those of a stitched log; let a "
                    "connector make events of it and write event: instead"
                )
        return outcomes

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
