"""The way a source that is no file is pulled, and its connector as it reads what was pulled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from journeymining.ingest.formats import Format
from journeymining.ingest.raw import RawWriter
from journeymining.ingest.remote import HttpConfig, TableConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from journeymining.ingest.pull import Place
    from journeymining.ingest.remote import Cursor, Page, Puller
    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream


Landed = Callable[[str, int], None]
"""Is told how many records of a stream have come so far."""


def landing_nothing(stream: str, records: int) -> None:
    """Tell nobody."""


class TellingWriter(RawWriter):
    """A writer of raw records that tells how many it has."""

    def __init__(self, folder: Path, stream: str, landed: Landed, before: int = 0) -> None:
        super().__init__(folder)
        self._stream, self._landed, self._before = stream, landed, before

    def write(self, batch: pa.RecordBatch) -> None:
        """Add a batch and tell."""
        super().write(batch)
        self._landed(self._stream, self._before + self.rows)


class Telling:
    """A way to pull that tells how many records have come."""

    def __init__(self, puller: Puller, landed: Landed) -> None:
        self._puller, self._landed = puller, landed

    @property
    def streams(self) -> tuple[str, ...]:
        """As of the way to pull."""
        return self._puller.streams

    def settings(self, stream: str) -> Any:
        """As of the way to pull."""
        return self._puller.settings(stream)

    def cursor(self, stream: str) -> Cursor:
        """As of the way to pull."""
        return self._puller.cursor(stream)

    def columns(self, stream: str) -> dict[str, str]:
        """As of the way to pull."""
        return self._puller.columns(stream)

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the pages of the way to pull, and tell of each."""
        count = 0
        for page in self._puller.pages(stream, since, resume):
            count += page.records.num_rows
            self._landed(stream, count)
            yield page


def as_pulled(connector: Connector, config: SourceConfig) -> Connector:
    """Return a connector that reads rows of tables, or JSON records, instead of files; objects are read like files.

    A row of a table whose lists are unfolded is a JSON record as well, see `journeymining.ingest.databases`.
    """
    if config.from_files:
        return connector
    streams = {}
    for name, stream in connector.streams.items():
        format_ = Format(type="json_lines" if config.scheme == "http" or stream.unfold else "parquet")
        streams[name] = stream.model_copy(update={"format": format_})
    return connector.model_copy(update={"streams": streams})


def puller_of(connector: Connector, config: SourceConfig, base: Path, place: Place) -> Puller:
    """Return the way to pull a source with a ``url``.

    Raises
    ------
    InputError
        If the URL is none that can be read.
    SpecError
        If the job names streams that the connector does not have.
    MissingDependencyError
        If the extra is not installed.
    """
    names = list(connector.streams)
    if config.scheme == "http":
        from journeymining.ingest.apis import Api

        http = config.http or HttpConfig()
        _refuse_unknown("http", http.paths, names, place)
        return Api(str(config.url), http, names, lambda message: place.input_error(message, "url"))
    from journeymining.ingest.databases import Database

    tables = dict(config.tables)
    if config.query:
        if len(names) > 1:
            raise place.spec_error(
                "query", f"the connector has several streams: name their 'tables': {', '.join(names)}."
            )
        tables = {names[0]: TableConfig(query=config.query, cursor=config.cursor)}
    elif not tables:
        tables = {name: TableConfig(table=name) for name in names}
    _refuse_unknown("tables", tables, names, place)
    for name, one in tables.items():
        if (one.table is None) == (one.query is None):
            raise place.spec_error("tables", f"stream '{name}' needs either 'table' or 'query'.")
    wanted = {name: _columns(connector.streams[name], config) for name in tables}
    nested = {name: _inner(connector.streams[name], config) for name in tables if connector.streams[name].unfold}
    return Database(str(config.url), tables, wanted, nested, lambda message: place.input_error(message, "url"), base)


def _columns(stream: Stream, config: SourceConfig) -> list[str]:
    """Return the columns of a table that a stream reads: its fields; of nested JSON what their paths begin with."""
    if not stream.unfold:
        return [config.columns.get(field, field) for field in stream.names]
    begins = [path.partition(".")[0] for path in _paths(stream, config)]
    return list(dict.fromkeys(name for name in begins if name not in stream.unfold))


def _inner(stream: Stream, config: SourceConfig) -> list[str]:
    """Return the columns of a table that hold JSON: those with lists, and those that a path goes into."""
    paths = [*(f"{path}." for path in stream.unfold.values()), *_paths(stream, config)]
    begins = [path.partition(".")[0] for path in paths if "." in path]
    return list(dict.fromkeys(name for name in begins if name not in stream.unfold))


def _paths(stream: Stream, config: SourceConfig) -> list[str]:
    paths = list(stream.unfold.values())
    for name in stream.names:
        origin = stream.fields[name] if isinstance(stream.fields, dict) else name
        path = origin if isinstance(origin, str) else origin.list
        paths.append(config.columns.get(name, path))
    return paths


def _refuse_unknown(key: str, given: object, names: list[str], place: Place) -> None:
    from journeymining.exceptions import did_you_mean

    for name in given if isinstance(given, dict) else ():
        if name not in names:
            raise place.spec_error(
                key, f"the connector has no stream '{name}'.{did_you_mean(name, names)} It has: {', '.join(names)}."
            )
