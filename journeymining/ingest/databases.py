"""Records from databases: whatever SQLAlchemy knows, a batch at a time, so that memory does not grow with the tables.

Cursors stay on the server (PostgreSQL, MariaDB, MySQL); values come as the texts that the database writes where the
driver lets them: no time is interpreted here. Binary values are written in hexadecimal.

A stream that unfolds lists reads each row as a JSON record: its columns are the first names of the paths, and those
that a path goes into hold JSON, as text or in a type of the database.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from journeymining.exceptions import InputError, MissingDependencyError
from journeymining.ingest.readers import PROBLEM, TEXT
from journeymining.ingest.remote import CURSOR, Page, before, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from journeymining.ingest.remote import Cursor, TableConfig

ROWS = 10_000
"""Rows that are in memory at a time."""

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"} | dict.fromkeys(
    ("mysql", "mariadb"), "mysql+pymysql"
)
_AS_TEXT = ("date", "timestamp", "timestamptz", "time", "timetz", "interval", "numeric", "json", "jsonb", "uuid")
_SAFE = re.compile(r"[\w .:+/-]*")


class Database:
    """Pulls the tables that a job names from a database; see `journeymining.ingest.remote.Puller`.

    Parameters
    ----------
    url : str
        As SQLAlchemy writes it: ``postgresql://user:password@host/name``, ``mysql://...``, ``sqlite:///file.db``.
    tables : mapping
        Stream -> where its records are.
    wanted : mapping of str to list of str
        Stream -> columns that the connector reads: nothing else leaves the database.
    nested : mapping of str to list of str
        Stream whose lists are unfolded -> its columns that hold JSON.
    complain : function
        Makes an error of a message, naming the line of the job.
    base : Path
        What the file of an SQLite database is relative to.
    """

    def __init__(
        self,
        url: str,
        tables: Mapping[str, TableConfig],
        wanted: Mapping[str, list[str]],
        nested: Mapping[str, list[str]],
        complain: Callable[[str], InputError],
        base: Path,
    ) -> None:
        try:
            import sqlalchemy
        except ImportError:
            raise MissingDependencyError.extra("sqlalchemy", "databases") from None
        self._sql = sqlalchemy
        self._complain, self._tables, self._wanted = complain, dict(tables), wanted
        self._nested = nested
        try:
            parsed = sqlalchemy.make_url(url)
            parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
            self._place = [parsed.drivername, parsed.host, parsed.port, parsed.database]
            if parsed.drivername.startswith("sqlite") and parsed.database:
                if not (base / parsed.database).is_file():
                    raise complain(f"there is no database '{parsed.database}'.")
                parsed = parsed.set(database=str(base / parsed.database))
            self._secret = parsed.password
            self._engine = sqlalchemy.create_engine(parsed, **_options(parsed.drivername))
        except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
            raise complain(f"'url' is none of a database that can be read ({self._said(error)}).") from None

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that have a table."""
        return tuple(self._tables)

    def settings(self, stream: str) -> Any:
        """Return what decides which records a stream has."""
        return [self._place, self._tables[stream].model_dump(exclude={"overlap"}), self._wanted[stream]]

    def cursor(self, stream: str) -> Cursor:
        """Return the cursor of a stream."""
        return self._tables[stream]

    def columns(self, stream: str) -> dict[str, str]:
        """Return the columns of a table or query, with the types of a table."""
        one = self._tables[stream]
        with self._errors():
            if one.table is None:
                with self._engine.connect() as connection:
                    found = connection.execute(self._sql.text(f"SELECT * FROM ({one.query}) AS q WHERE 1 = 0"))
                    return dict.fromkeys(found.keys(), "")
            schema, _, table = one.table.rpartition(".")
            listed = self._sql.inspect(self._engine).get_columns(table, schema=schema or None)
            return {column["name"]: str(column["type"]) for column in listed}

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the rows of a stream from a value of the cursor on; a pull that was cut begins again."""
        del resume
        one = self._tables[stream]
        available = self.columns(stream)
        names = [name for name in available if one.table is None or name in self._wanted[stream]]
        if one.cursor is not None and one.cursor not in available:
            raise self._complain(
                f"stream '{stream}' has no column '{one.cursor}' for its cursor. It has: {', '.join(available)}."
            )
        if not set(names) & set(self._wanted[stream]):
            raise self._complain(f"stream '{stream}' has none of the columns {', '.join(self._wanted[stream])}.")
        if absent := [name for name in self._nested.get(stream, ()) if name not in available]:
            raise self._complain(
                f"stream '{stream}' unfolds JSON in a column '{absent[0]}', which is not there. "
                f"Name it so in a 'query'. There are: {', '.join(available)}."
            )
        with self._errors(), self._rows(self._query(one, names, since)) as fetch:
            while rows := fetch():
                columns = [pa.array(map(_text, values), pa.string()) for values in zip(*rows, strict=True)]
                cursors = columns[-1].drop_null().to_pylist() if one.cursor else []
                labels = [*names, CURSOR] if one.cursor else names
                if stream in self._nested:
                    records = _records(names, columns[: len(names)], self._nested[stream])
                    columns = [*records.values(), *columns[len(names) :]]
                    labels = [*records, *labels[len(names) :]]
                yield Page(pa.record_batch(columns, names=labels), max(cursors, key=rank, default=None))

    def _query(self, one: TableConfig, names: list[str], since: str | None) -> str:
        quote = self._engine.dialect.identifier_preparer.quote
        items = ", ".join(quote(name) for name in [*names, *([one.cursor] if one.cursor else [])])
        place = f"({one.query}) AS q" if one.table is None else ".".join(map(quote, one.table.split(".")))
        if since is None or one.cursor is None:
            return f"SELECT {items} FROM {place}"
        low = before(since, one.overlap)
        if not _SAFE.fullmatch(low):
            raise self._complain(f"column '{one.cursor}' is no cursor: it holds neither numbers nor times.")
        # A quoted literal takes the type of its column, whatever that is.
        return f"SELECT {items} FROM {place} WHERE {quote(one.cursor)} >= '{low}'"

    @contextmanager
    def _rows(self, query: str) -> Iterator[Callable[[], list[Any]]]:
        """Run a query whose rows stay on the server, and give a function that fetches the next ones."""
        connection = self._engine.raw_connection()
        driver = self._engine.dialect.driver
        cursor: Any = None
        try:
            if driver == "pymysql":
                from pymysql.cursors import SSCursor  # type: ignore[import-untyped]

                connection.cursor().execute("SET time_zone = '+00:00'")
                cursor = connection.cursor(SSCursor)
            elif driver == "psycopg":
                from psycopg.types.string import TextLoader

                for name in _AS_TEXT:
                    connection.driver_connection.adapters.register_loader(name, TextLoader)  # type: ignore[union-attr]
                connection.cursor().execute("SET TIME ZONE 'UTC'")
                cursor = connection.cursor("journeymining")
            else:
                cursor = connection.cursor()
            cursor.execute(query)
            yield lambda: list(cursor.fetchmany(ROWS))
        finally:
            if cursor is not None and driver != "pymysql":
                with suppress(Exception):  # the connection may be gone, which has been said
                    cursor.close()
            # Not given back: PyMySQL would read what is left of a result first.
            connection.invalidate()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the database says into an error of ours, without the password."""
        known: tuple[type[Exception], ...] = (self._sql.exc.SQLAlchemyError, OSError)
        if self._engine.dialect.dbapi:
            known = (*known, self._engine.dialect.dbapi.Error)
        try:
            yield
        except known as error:
            raise self._complain(f"the database could not be read ({self._said(error)}).") from None

    def _said(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        text = " ".join(str(cause).split())
        secret = str(self._secret) if getattr(self, "_secret", None) else None
        return (text.replace(secret, "***") if secret else text)[:200]


def _options(driver: str) -> dict[str, Any]:
    """Return what lets a driver hand over texts as the database writes them."""
    if driver == "mysql+pymysql":
        from pymysql.converters import encoders  # type: ignore[import-untyped]

        return {"connect_args": {"conv": encoders, "charset": "utf8mb4"}}
    return {}


def _records(names: list[str], columns: list[pa.Array], nested: list[str]) -> dict[str, pa.Array]:
    """Return rows as JSON records, and what is wrong with them: a column that should hold JSON holds a text."""
    keys = [json.dumps(name, ensure_ascii=False) + ":" for name in names]
    values = [column.to_pylist() for column in columns]
    problems: list[str | None] = [None] * len(columns[0])
    for place, name in enumerate(names):
        for row, text in enumerate(values[place]):
            if name in nested and _is_json(text):
                continue
            values[place][row] = json.dumps(text, ensure_ascii=False)
            if name in nested and text is not None:
                problems[row] = f"no JSON in column '{name}'"
    rows = zip(*values, strict=True)
    records = ["{" + ",".join(map("".join, zip(keys, row, strict=True))) + "}" for row in rows]
    return {TEXT: pa.array(records, pa.string()), PROBLEM: pa.array(problems, pa.string())}


def _is_json(text: str | None) -> bool:
    try:
        json.loads(text or "")
    except ValueError:
        return False
    return True


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return bytes(value).hex().upper() if isinstance(value, bytes | bytearray | memoryview) else str(value)
