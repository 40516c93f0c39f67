"""Sources that are no files: what a job says about a database or an HTTP API, and what every way to pull gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from journeymining.durations import parse_duration
from journeymining.exceptions import JourneyMiningError
from journeymining.ingest.formats import Strict, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

CURSOR = "_cursor"
"""Column of raw records that were pulled with a cursor: what the cursor said of the record."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class Cursor(Strict):
    """What only grows in a source, so that a pull can go on where the last one ended."""

    cursor: str | None = None
    """Column or field: a number that counts up, or the time of the last change."""
    overlap: Text | None = None
    """How far before its last value a pull begins again, for records that come late: ``1 hour``, or ``1000`` of ids."""

    @field_validator("overlap")
    @classmethod
    def _overlap_is_a_number_or_a_duration(cls, text: str | None) -> str | None:
        if text is not None and not _NUMBER.fullmatch(text):
            try:
                parse_duration(text)
            except JourneyMiningError as error:
                raise ValueError(str(error)) from None
        return text


class TableConfig(Cursor):
    """Where the records of a stream are in a database."""

    table: str | None = None
    query: str | None = None
    """A SELECT, where a table or view is not enough."""


def _as_table(given: Any) -> Any:
    return {"table": given} if isinstance(given, str) else given


Tables = dict[str, Annotated[TableConfig, BeforeValidator(_as_table)]]
"""Stream -> its table, or what else says where its records are."""


class ClientCredentials(Strict):
    """OAuth 2: a token for a machine."""

    token_url: str
    client_id: SecretStr
    client_secret: SecretStr
    scope: str | None = None


class Auth(Strict):
    """How a source knows us; one of the three. Secrets come from the environment: ``${NAME}``."""

    bearer: SecretStr | None = None
    basic: tuple[str, SecretStr] | None = None
    oauth2: ClientCredentials | None = None


class Paging(Strict):
    """How an API splits its records into pages."""

    by: Literal["none", "page", "offset", "link", "cursor"] = "none"
    """A page number, a count of records, the address of the next page, or a token for it."""
    parameter: str | None = None
    """Name of the page, offset or token in the query."""
    first: int | None = None
    """Number of the first page (1) or record (0)."""
    next: str | None = None
    """Place of the next address or token in the answer (``paging.next.after``, ``items.-1.token`` of the last record);
    without it, of links, the header."""
    more: str | None = None
    """Place of what is true while there are further pages (``has_more``), where a next one is always named."""
    last: str | None = None
    """Place of what is true on the last page (``end_of_stream``), likewise."""
    size: int | None = Field(default=None, ge=1)
    """Records of a full page: one with fewer is the last, where nothing else tells."""


class Answers(Cursor):
    """How an HTTP API gives the records of a stream."""

    body: dict[str, Any] | None = None
    """What is asked for, of an API that is asked by POST: the parameters of the page and of ``since`` are then places
    in it, such as ``paging.pageNumber``."""
    form: bool = False
    """Whether the body is sent as a form, rather than as JSON."""
    records: str | None = None
    """Place of the list of records in the answer (``results``); without it the answer is the list, and with ``.`` it is
    one record."""
    parameters: dict[str, Text] = Field(default_factory=dict)
    page: Paging = Paging()
    since: str | None = None
    """Name of the parameter that asks for records from a value of the cursor on."""


class PathConfig(Answers):
    """Where the records of a stream are, and what of its answers differs from those of the other streams."""

    path: str


def _as_path(given: Any) -> Any:
    return {"path": given} if isinstance(given, str) else given


class HttpConfig(Answers):
    """How an HTTP API gives its records."""

    paths: dict[str, Annotated[PathConfig, BeforeValidator(_as_path)]] = Field(default_factory=dict)
    """Stream -> path after the URL, or ``{path: ..., records: ...}`` where its answers differ; without it, a connector
    of one stream reads the URL itself."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    auth: Auth = Auth()
    attempts: int = Field(default=6, ge=1, le=20)
    """How often a request is made before the pull gives up (429, 5xx, cut connections), with growing pauses."""
    timeout: float = Field(default=60, gt=0)

    def of(self, stream: str) -> HttpConfig:
        """Return how the API gives the records of a stream."""
        own = self.paths.get(stream)
        if own is None:
            return self
        changes = {name: getattr(own, name) for name in own.model_fields_set - {"path"}}
        return self.model_copy(update=changes | {"parameters": self.parameters | own.parameters})


@dataclass(frozen=True)
class Page:
    """Some records, and where the ones after them are."""

    records: pa.RecordBatch
    cursor: str | None
    """The largest value of the cursor among them."""
    resume: str | None = None
    """Where a pull that is cut here goes on; None: it cannot."""


class Puller(Protocol):
    """A way to pull; see `journeymining.ingest.databases` and `journeymining.ingest.apis`.

    Whatever the way, the records of a page are columns of text, and a page may come twice.
    """

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams of the connector that this source has."""

    def settings(self, stream: str) -> Any:
        """Return what decides which records a stream has, without secrets: others make a cursor worthless."""

    def cursor(self, stream: str) -> Cursor:
        """Return the cursor of a stream."""

    def columns(self, stream: str) -> dict[str, str]:
        """Return the columns that the source has now, with their types; empty where only records tell."""

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the records of a stream, from a value of the cursor on, or from where a pull was cut."""


def rank(value: str) -> tuple[int, Decimal, str]:
    """Return what orders the values of a cursor: numbers by size, times by instant, other texts as they are.

    Texts come before all others: one ``unknown`` among times would otherwise be the last value for ever, and nothing
    after it would be pulled.

    Examples
    --------
    >>> max("9", "10", key=rank), max("2026-01-01T10:00:00Z", "2026-01-01T10:00:00.5Z", key=rank)
    ('10', '2026-01-01T10:00:00.5Z')
    >>> max("2026-01-01", "unknown", key=rank)
    '2026-01-01'
    """
    if _NUMBER.fullmatch(value):
        return 1, Decimal(value), value
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return 0, Decimal(0), value
    aware = read if read.tzinfo else read.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return 2, Decimal(whole * 1_000_000 + aware.microsecond), value


def is_ahead(value: str) -> bool:
    """Whether a value of a cursor is a time that has not come yet, by more than a day.

    Examples
    --------
    >>> is_ahead("2099-01-01T00:00:00Z"), is_ahead("2026-01-01 10:00:00"), is_ahead("20990101")
    (True, False, False)
    """
    kind, microseconds, _ = rank(value)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    return kind == 2 and microseconds > Decimal(tomorrow.timestamp()) * 1_000_000


def before(value: str, overlap: str | None) -> str:
    """Return the value of a cursor from which to pull again, so that late records are seen.

    Examples
    --------
    >>> before("1200", "1000"), before("2026-03-29 02:30:00", "1 hour"), before("2026-03-29T00:10:00Z", "15 min")
    ('200', '2026-03-29 01:30:00', '2026-03-28T23:55:00Z')
    >>> before("abc", "1 hour")
    'abc'
    """
    if overlap is None:
        return value
    if _NUMBER.fullmatch(value) and _NUMBER.fullmatch(overlap):
        return str(Decimal(value) - Decimal(overlap))
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return value
    if _NUMBER.fullmatch(overlap):
        return value
    earlier = (read - parse_duration(overlap)).isoformat("T" if "T" in value else " ")
    return earlier.replace("+00:00", "Z") if value.endswith("Z") else earlier
