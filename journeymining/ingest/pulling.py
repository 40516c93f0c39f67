"""The way a source that is no file is pulled, and its connector as it reads what was pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.ingest.formats import Format
from journeymining.ingest.remote import HttpConfig, TableConfig

if TYPE_CHECKING:
    from pathlib import Path

    from journeymining.ingest.pull import Place
    from journeymining.ingest.remote import Puller
    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream


def as_pulled(connector: Connector, config: SourceConfig) -> Connector:
    """Return a connector that reads rows of tables, or JSON records, instead of files; objects are read like files."""
    if config.from_files:
        return connector
    streams = {}
    for name, stream in connector.streams.items():
        format_ = Format(type="json_lines" if config.scheme == "http" else "parquet")
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
        if connector.streams[name].unfold:
            raise place.spec_error("url", f"stream '{name}' is nested JSON, which a table does not hold.")
    wanted = {name: _columns(connector.streams[name], config) for name in tables}
    return Database(str(config.url), tables, wanted, lambda message: place.input_error(message, "url"), base)


def _columns(stream: Stream, config: SourceConfig) -> list[str]:
    return [config.columns.get(field, field) for field in stream.names]


def _refuse_unknown(key: str, given: object, names: list[str], place: Place) -> None:
    from journeymining.exceptions import did_you_mean

    for name in given if isinstance(given, dict) else ():
        if name not in names:
            raise place.spec_error(
                key, f"the connector has no stream '{name}'.{did_you_mean(name, names)} It has: {', '.join(names)}."
            )
