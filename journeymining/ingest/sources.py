"""A source of a job: which connector reads which files, and what differs from what the connector says."""

from __future__ import annotations

import glob
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from journeymining.exceptions import InputError, SpecError, did_you_mean
from journeymining.ingest.formats import Format, Text, Texts  # noqa: TC001  (pydantic reads them at run time)
from journeymining.ingest.remote import HttpConfig, Tables  # noqa: TC001  (likewise)
from journeymining.ingest.specs import (
    COLUMNS,
    Connector,
    Conversions,
    IdentifierValue,
    Kind,
    Stream,
    Time,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

FileName = TypeVar("FileName", bound=PurePath)

FILTERS = {
    "events": ("stream", "activity", *COLUMNS),
    "surveys": ("stream", "metric", "direction", "level"),
    "records": ("stream",),
}
"""Kind of candidate -> columns that ``keep`` and ``drop`` may use besides the fields of its stream."""


class IdentifierChange(BaseModel):
    """What a job changes about an identifier of a connector."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind | None = None
    field: Texts = ()
    pair: str | None = None
    convert: Conversions = ()


def _as_change(given: Any) -> Any:
    return {"kind": given} if isinstance(given, str) else given


class SourceConfig(BaseModel):
    """An entry of ``sources:`` in a job.

    Examples
    --------
    >>> source = SourceConfig(connector="access_log", path="raw/access.log*", identifiers={"user": "email"})
    >>> source.identifiers["user"].kind
    'email'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    connector: str
    """Name of a shipped connector, or a folder with a connector.yaml."""
    path: str = ""
    """A file, a pattern or a folder, relative to the job file; or those of an object store: ``s3://bucket/logs/*.gz``."""
    url: str | None = Field(default=None, repr=False)
    """Instead of a path: a database or an HTTP API."""
    tables: Tables = Field(default_factory=dict)
    """Of a database: stream -> table, or ``{table: ..., query: ..., cursor: ..., overlap: ...}``."""
    query: str | None = None
    """Of a database, for a connector of one stream: a SELECT instead of ``tables``."""
    cursor: str | None = None
    """With ``query``: the column that only grows."""
    http: HttpConfig | None = Field(default=None, repr=False)
    """Of an API: its pages, its cursor, how it knows us."""
    timezone: str | None = None
    """Zone of times without an offset, where it is not that of the job."""
    region: str | None = Field(default=None, pattern="^[A-Z]{2}$")
    """Country of telephone numbers without a country code, where it is not that of the job."""
    identifiers: dict[str, Annotated[IdentifierChange, BeforeValidator(_as_change)] | None] = Field(
        default_factory=dict
    )
    """Identifier of the connector -> its kind here, or null: do not read it."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Field of the connector -> name of the column in these files."""
    set: dict[str, Text] = Field(default_factory=dict)
    """Field of the connector -> the text it has in every record."""
    maps: dict[str, dict[Text, Text | None]] = Field(default_factory=dict)
    """Name of a mapped value or column of the connector -> further texts and what they become."""
    keep: dict[str, Texts] = Field(default_factory=dict)
    """Field or column -> texts: of the events, answers and linking records that have it, only these."""
    drop: dict[str, Texts] = Field(default_factory=dict)
    """Field or column -> texts: likewise, but not these."""
    format: dict[str, Any] = Field(default_factory=dict)
    """What differs from the connector's format: ``{delimiter: ";", encoding: latin-1}``."""
    time: dict[str, Any] = Field(default_factory=dict)
    """What differs from the connector's time rules: ``{form: pattern, pattern: "%d.%m.%Y %H:%M", zone: source}``."""
    bots: Literal["drop", "keep"] = "drop"
    agents: Literal["pseudonym", "name", "drop"] = "pseudonym"
    """What becomes of the names of employees."""
    rejected_text: bool = False
    """Whether the rejected rows keep their text, personal data and all."""

    @model_validator(mode="after")
    def _records_come_from_one_place(self) -> SourceConfig:
        if bool(self.path) == bool(self.url):
            raise ValueError("a source needs either 'path' (files) or 'url' (a database or an API)")
        for key, given, fits in (
            ("tables", self.tables, self.scheme == "database"),
            ("query", self.query, self.scheme == "database"),
            ("cursor", self.cursor, bool(self.query)),
            ("http", self.http, self.scheme == "http"),
        ):
            if given and not fits:
                raise ValueError(f"'{key}' does not go with {'this url' if self.url else 'path'}")
        if self.query and self.tables:
            raise ValueError("'query' and 'tables' both say where the records are: keep one of them")
        return self

    @property
    def scheme(self) -> Literal["files", "objects", "http", "database"]:
        """By which of the ways the records come."""
        if not self.url:
            return "objects" if "://" in self.path else "files"
        name = self.url.partition(":")[0].partition("+")[0].lower()
        return "http" if name in {"http", "https"} else "database"

    @property
    def pulled(self) -> bool:
        """Whether records come in batches that are kept, rather than in files that are there."""
        return self.scheme != "files"

    @property
    def from_files(self) -> bool:
        """Whether records have a file and a line, rather than a table or a reply."""
        return self.scheme in {"files", "objects"}

    @property
    def shown(self) -> str:
        """Where the records come from, without user, password and parameters."""
        scheme, mark, rest = (self.url or self.path).partition("://")
        return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}" if mark else self.path

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str | None) -> str | None:
        if name is not None:
            check_zone(name)
        return name


def check_zone(name: str) -> None:
    """Refuse a name that is no time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone '{name}'; zones are named like Europe/Amsterdam or UTC") from None


def adapt(connector: Connector, config: SourceConfig, complain: Callable[[str, str], SpecError]) -> Connector:
    """Return the connector as a job changes it.

    Raises
    ------
    SpecError
        For a name that the connector does not know, or a change that makes no sense.
    """
    filters = {name for stream in connector.streams.values() for kind in stream.kinds for name in FILTERS[kind]}
    filters |= {name for stream in connector.streams.values() if stream.kinds for name in stream.known}
    raw = {name for stream in connector.streams.values() for name in stream.names}
    identifiers = {name for stream in connector.streams.values() for name in stream.identifiers}
    mapped = {name for stream in connector.streams.values() for name in _mapped(stream)}
    for key, names, allowed in (
        ("identifiers", config.identifiers, identifiers),
        ("columns", config.columns, raw),
        ("set", config.set, raw),
        ("maps", config.maps, mapped),
        ("keep", config.keep, filters),
        ("drop", config.drop, filters),
    ):
        _refuse_unknown(key, names, allowed, connector.connector, complain)
    streams = {name: _adapt_stream(stream, config, complain) for name, stream in connector.streams.items()}
    return connector.model_copy(update={"streams": streams})


def _refuse_unknown(
    key: str, names: Iterable[str], allowed: set[str], connector: str, complain: Callable[[str, str], SpecError]
) -> None:
    for name in names:
        if name not in allowed:
            shown = ", ".join(sorted(allowed)) or "none"
            hint = did_you_mean(name, sorted(allowed))
            raise complain(key, f"connector '{connector}' has no '{name}' for '{key}'.{hint} It has: {shown}.")


def _mapped(stream: Stream) -> set[str]:
    """Names of values and columns of a stream that a map decides."""
    rules = [*stream.values.items(), *((name, getattr(stream, name)) for name in COLUMNS)]
    rules += [(name, getattr(event, name)) for event in stream.events for name in (*COLUMNS, "activity")]
    return {name for name, values in rules if any(value.map is not None for value in values)}


def _adapt_stream(stream: Stream, config: SourceConfig, complain: Callable[[str, str], SpecError]) -> Stream:
    changes: dict[str, Any] = {}
    if config.format:
        changes["format"] = _merged(stream.format, config.format, "format", complain)
    if config.time:
        changes["time"] = _retimed(stream.time, config, complain)
    if config.maps:
        changes["values"] = {name: _remapped(name, rules, config) for name, rules in stream.values.items()}
        changes |= {name: _remapped(name, getattr(stream, name), config) for name in COLUMNS}
    if config.maps or config.time:
        changes["events"] = tuple(
            event.model_copy(
                update={name: _remapped(name, getattr(event, name), config) for name in (*COLUMNS, "activity")}
                | {"time": _retimed(event.time, config, complain)}
            )
            for event in stream.events
        )
    if config.time and stream.survey:
        times = {name: _retimed(getattr(stream.survey, name), config, complain) for name in ("sent_at", "answered_at")}
        changes["survey"] = stream.survey.model_copy(update=times)
    if config.identifiers:
        changes["identifiers"] = _identifiers(stream, config)
    return stream.model_copy(update=changes)


def _merged(part: Any, changes: dict[str, Any], key: str, complain: Callable[[str, str], SpecError]) -> Any:
    model: type[Format | Time] = type(part)
    try:
        return model.model_validate(part.model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        reason = f"unknown key '{name}'" if first["type"] == "extra_forbidden" else f"{name}: {first['msg']}"
        raise complain(key, f"'{key}': {reason}. Allowed: {', '.join(model.model_fields)}.") from None


def _retimed(time: Time | None, config: SourceConfig, complain: Callable[[str, str], SpecError]) -> Time | None:
    retimed: Time | None = _merged(time, config.time, "time", complain) if time and config.time else time
    return retimed


def _remapped(name: str, rules: tuple[Value, ...], config: SourceConfig) -> tuple[Value, ...]:
    if name not in config.maps:
        return rules
    return tuple(
        rule.model_copy(update={"map": rule.map | config.maps[name]}) if rule.map is not None else rule
        for rule in rules
    )


def _identifiers(stream: Stream, config: SourceConfig) -> dict[str, tuple[IdentifierValue, ...]]:
    changed = {}
    for name, rules in stream.identifiers.items():
        change = config.identifiers.get(name)
        if name not in config.identifiers:
            changed[name] = rules
        elif change is not None:
            update = {key: value for key, value in change.model_dump().items() if value}
            changed[name] = tuple(rule.model_copy(update=update) for rule in rules)
    return changed


def find_files(
    connector: Connector, config: SourceConfig, base: Path, complain: Callable[[str], InputError]
) -> tuple[dict[str, list[Path]], list[Path]]:
    """Return the files of each stream (none: an empty list), in the order of their names, and those of no stream.

    Raises
    ------
    InputError
        If the path does not exist, a pattern matches nothing, or no file belongs to a stream.
    """
    place = base / config.path
    if glob.has_magic(config.path):
        # Not Path.glob: it refuses patterns that begin at the root.
        found = glob.glob(config.path, root_dir=base, recursive=True)  # noqa: PTH207
        files = sorted(base / name for name in found if (base / name).is_file())
        if not files:
            raise complain(f"no file matches '{config.path}'.")
    elif place.is_dir():
        files = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
    elif place.is_file():
        files = [place]
    else:
        raise complain(f"'{config.path}' does not exist.")
    return files_of_streams(connector, config, files, named=not place.is_dir(), complain=complain)


def files_of_streams(
    connector: Connector,
    config: SourceConfig,
    files: Sequence[FileName],
    *,
    named: bool,
    complain: Callable[[str], InputError],
) -> tuple[dict[str, list[FileName]], list[FileName]]:
    """Return the files of each stream, by their names, and those of no stream.

    Parameters
    ----------
    connector : Connector
        Has the patterns of the names.
    config : SourceConfig
        Where the files are, for errors.
    files : list of path
        All that are there.
    named : bool
        Whether the job names the files, rather than a folder.
    complain : function
        Makes an error of a message.
    """
    streams: dict[str, list[FileName]] = {name: [] for name in connector.streams}
    if len(streams) == 1 and named:
        # A single kind of record and files that are named: their names need not follow the pattern.
        return {next(iter(streams)): list(files)}, []
    ignored = []
    for file in files:
        owners = [name for name, stream in connector.streams.items() if _matches(file, stream.files)]
        if owners:
            streams[owners[0]].append(file)
        else:
            ignored.append(file)
    if not any(streams.values()):
        patterns = ", ".join(pattern for stream in connector.streams.values() for pattern in stream.files)
        raise complain(
            f"no file at '{config.shown}' has a name that connector '{connector.connector}' reads: {patterns}."
        )
    return streams, ignored


def expected_columns(stream: Stream, config: SourceConfig) -> list[str]:
    """Return the columns that the records of a stream are expected to have, as they are called in these files."""
    # A header need not have the fields that the job sets; without a header all have their place.
    given = config.set if stream.format.header else {}
    return [config.columns.get(field, field) for field in stream.names if field not in given]


def _matches(file: PurePath, patterns: Iterable[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(file.name.lower(), pattern.lower()) for pattern in patterns)
