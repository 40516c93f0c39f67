"""Records from databases: whatever SQLAlchemy knows, a batch at a time, so that memory does not grow with the tables.

Cursors stay on the server (PostgreSQL, MariaDB, MySQL); values come as the texts that the database writes where the
driver lets them: no time is interpreted here. Only where MariaDB and MySQL write an instant like a local time
(``TIMESTAMP``), its offset is added. Binary values are written in hexadecimal.

What a database says of an error may quote a row, so its words are told only where no row has been read yet.

A stream that unfolds lists reads each row as a JSON record: its columns are the first names of the paths, and those
that a path goes into hold JSON, as text or in a type of the database.
"""

from __future__ import annotations

import json
import logging
import math
import re
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from journeymining.exceptions import InputError, MissingDependencyError, did_you_mean
from journeymining.ingest.readers import PROBLEM, TEXT
from journeymining.ingest.remote import CURSOR, Page, before, rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from journeymining.ingest.remote import Cursor, TableConfig

logger = logging.getLogger(__name__)

ROWS = 10_000
"""Rows that are in memory at a time."""

DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"} | dict.fromkeys(
    ("mysql", "mariadb"), "mysql+pymysql"
)
_AS_TEXT = ("date", "timestamp", "timestamptz", "time", "timetz", "interval", "numeric", "json", "jsonb", "uuid")
_SAFE = re.compile(r"[\w .:+/-]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")

TIMESTAMP = 7
"""What MariaDB and MySQL call the type of an instant in the description of a result."""
UTC = "+00:00"

_SPELLING = (
    "it is written like postgresql://user:password@host:5432/name. "
    "In a user or password write @ as %40, : as %3A, / as %2F, % as %25."
)
_CHECKS = {
    "postgresql": ("PREPARE journeymining AS {query}", "DEALLOCATE journeymining"),
    "mysql": ("PREPARE journeymining FROM %s", "DEALLOCATE PREPARE journeymining"),
    "sqlite": ("EXPLAIN {query}",),
}
"""Dialect -> statements that read a query, and no row."""

_STRING = r"'(?:''|[^'])*'"
_ESCAPED = r"'(?:\\.|''|[^'\\])*'"
_OTHERS = r'"[^"]*"|`[^`]*`|/\*.*?\*/|;|[^;]'
_PIECES = {
    "mysql": re.compile(rf"""{_ESCAPED}|"(?:\\.|[^"\\])*"|--(?=\s|\Z)[^\n]*|\#[^\n]*|{_OTHERS}""", re.DOTALL),
    "": re.compile(rf"[eE]{_ESCAPED}|{_STRING}|(\$\w*\$).*?\1|--[^\n]*|{_OTHERS}", re.DOTALL),
}
"""Dialect -> the pieces of a query, of which a semicolon is one only where it ends a statement."""
SHOWN = 20
"""Tables that a message names."""


class _Columns(NamedTuple):
    """What a database knows of the columns of a table or query."""

    kinds: dict[str, str]
    """Column -> its type; nothing of those of a query."""
    instants: frozenset[str]
    """Columns whose instants look like local times."""
    texts: dict[str, float]
    """Column of a table that holds texts -> how long they can be."""


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
        except (sqlalchemy.exc.SQLAlchemyError, ValueError):
            raise complain(f"'url' is none of a database that can be read: {_SPELLING}") from None
        if "@" in (parsed.host or ""):
            raise complain(f"'url' is none of a database that can be read: {_SPELLING}")
        parsed = parsed.set(drivername=DRIVERS.get(parsed.drivername, parsed.drivername))
        self._place = [parsed.drivername, parsed.host, parsed.port, parsed.database]
        self._secret = parsed.password
        if parsed.drivername.startswith("sqlite") and parsed.database:
            if not (base / parsed.database).is_file():
                raise complain(
                    f"there is no database '{parsed.database}': no such file, seen from the folder of the job."
                )
            parsed = parsed.set(database=str(base / parsed.database))
        try:
            self._engine = sqlalchemy.create_engine(
                parsed, poolclass=sqlalchemy.NullPool, **_options(parsed.drivername)
            )
        except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
            raise complain(f"'url' is none of a database that can be read ({self._said(error)}).") from None
        dialect = self._engine.dialect.name
        self._dialect = "mysql" if dialect == "mariadb" else dialect
        self._known: tuple[type[Exception], ...] = (sqlalchemy.exc.SQLAlchemyError, OSError)
        if self._engine.dialect.dbapi:
            self._known = (*self._known, self._engine.dialect.dbapi.Error)
        self._looked: dict[str, _Columns] = {}

    @property
    def streams(self) -> tuple[str, ...]:
        """Streams that have a table."""
        return tuple(self._tables)

    def settings(self, stream: str) -> Any:
        """Return what decides which records a stream has."""
        told = [self._place, self._tables[stream].model_dump(exclude={"overlap"}), self._wanted[stream]]
        # What was pulled while they came without an offset is of no use.
        instants = sorted(self._look(stream).instants & set(self._wanted[stream]))
        return [*told, instants] if instants else told

    def cursor(self, stream: str) -> Cursor:
        """Return the cursor of a stream."""
        return self._tables[stream]

    def columns(self, stream: str) -> dict[str, str]:
        """Return the columns of a table or query, with the types of a table."""
        return self._look(stream).kinds

    def pages(self, stream: str, since: str | None, resume: str | None) -> Iterator[Page]:
        """Yield the rows of a stream from a value of the cursor on; a pull that was cut begins again.

        Rows whose cursor is empty come each time: nothing tells whether they are new.
        """
        del resume
        one = self._tables[stream]
        available, instants, lengths = self._look(stream)
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
        # The cursor comes a second time, last, and as the database compares it.
        texts = [_instant if name in instants else _text for name in names] + [_text] * (one.cursor is not None)
        empty = 0
        with self._rows(stream, self._query(one, names, since)) as rows:
            while some := rows.fetchmany(ROWS):
                values = zip(texts, zip(*some, strict=True), strict=True)
                columns = [pa.array(map(text, column), pa.string()) for text, column in values]
                cursors = columns[-1].drop_null().to_pylist() if one.cursor else []
                empty += len(some) - len(cursors) if one.cursor else 0
                last = max(cursors, key=rank, default=None)
                if last and _NUMBER.fullmatch(last) and lengths.get(str(one.cursor), 0) > len(last):
                    raise self._complain(
                        f"column '{one.cursor}' of stream '{stream}' holds numbers as texts: the database takes 10 for "
                        "less than 9, and the next pull would miss it. Cast it to a number in a 'query'."
                    )
                labels = [*names, CURSOR] if one.cursor else names
                if stream in self._nested:
                    records = _records(names, columns[: len(names)], self._nested[stream])
                    columns = [*records.values(), *columns[len(names) :]]
                    labels = [*records, *labels[len(names) :]]
                yield Page(pa.record_batch(columns, names=labels), last)
        if empty:
            logger.warning(
                "stream '%s': rows with nothing in '%s', the cursor: %s. Every pull reads them again; "
                "a 'query' can give them a value: coalesce(%s, ...).",
                stream, one.cursor, f"{empty:,}", one.cursor,
            )  # fmt: skip

    def _look(self, stream: str) -> _Columns:
        if stream not in self._looked:
            one, texts = self._tables[stream], {}
            if one.table is not None:
                found = {column["name"]: column["type"] for column in self._listed(stream, one.table)}
                kinds = {name: str(kind) for name, kind in found.items()}
                instants = [name for name, kind in found.items() if isinstance(kind, self._sql.TIMESTAMP)]
                strings = {name: kind.length for name, kind in found.items() if isinstance(kind, self._sql.String)}
                texts = {name: length or math.inf for name, length in strings.items()}
            else:
                with self._rows(stream, f"SELECT * FROM {self._from(one)} WHERE 1 = 0") as rows:
                    described = rows.description
                    rows.fetchall()
                kinds = dict.fromkeys((about[0] for about in described), "")
                instants = [about[0] for about in described if about[1] == TIMESTAMP]
            self._looked[stream] = _Columns(kinds, frozenset(instants if self._dialect == "mysql" else ()), texts)
        return self._looked[stream]

    def _listed(self, stream: str, table: str) -> Any:
        """Return what the database knows of the columns of a table."""
        schema, _, name = table.rpartition(".")
        with self._errors("the database"):
            connection = self._engine.connect()
        with connection, self._errors(self._named(stream)):
            inspector = self._sql.inspect(connection)
            with suppress(self._sql.exc.NoSuchTableError):
                return inspector.get_columns(name, schema=schema or None)
            there = sorted({*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)})
        more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
        raise self._complain(
            f"there is no table or view '{table}' for stream '{stream}', or none that this user may read."
            f"{did_you_mean(name, there)} There are: {', '.join(there[:SHOWN]) or 'none'}{more}. "
            "Name it under 'tables', one of another schema as schema.table."
        )

    def _named(self, stream: str) -> str:
        one = self._tables[stream]
        return f"the query of stream '{stream}'" if one.table is None else f"table '{one.table}' of stream '{stream}'"

    def _from(self, one: TableConfig) -> str:
        quote = self._engine.dialect.identifier_preparer.quote
        if one.table is not None:
            return ".".join(map(quote, one.table.split(".")))
        # A query may end in a comment, which a line ends.
        return f"(\n{without_end(str(one.query), self._dialect)}\n) AS q"

    def _query(self, one: TableConfig, names: list[str], since: str | None) -> str:
        quote = self._engine.dialect.identifier_preparer.quote
        items = ", ".join(quote(name) for name in [*names, *([one.cursor] if one.cursor else [])])
        if since is None or one.cursor is None:
            return f"SELECT {items} FROM {self._from(one)}"
        low = before(since, one.overlap)
        if not _SAFE.fullmatch(low):
            raise self._complain(f"column '{one.cursor}' is no cursor: it holds neither numbers nor times.")
        # A quoted literal takes the type of its column; SQLite's may have none, and there no number is >= a text.
        value = low if self._dialect == "sqlite" and _NUMBER.fullmatch(low) else f"'{low}'"
        column = quote(one.cursor)
        return f"SELECT {items} FROM {self._from(one)} WHERE {column} >= {value} OR {column} IS NULL"

    @contextmanager
    def _rows(self, stream: str, query: str) -> Iterator[Any]:
        """Run a query whose rows stay on the server, and give the driver's cursor, which fetches them."""
        with self._errors("the database"):
            connection = self._engine.raw_connection()
        driver = self._engine.dialect.driver
        cursor: Any = None
        try:
            with self._errors(self._named(stream)):
                self._set_up(connection)
            with self._errors(self._named(stream), rows=True):
                if driver == "pymysql":
                    from pymysql.cursors import SSCursor  # type: ignore[import-untyped]

                    cursor = connection.cursor(SSCursor)
                else:
                    cursor = connection.cursor(*(["journeymining"] if driver == "psycopg" else []))
                try:
                    cursor.execute(query)
                except self._known:
                    with self._errors(self._named(stream)):
                        self._check(connection, query)
                    raise
                yield cursor
        finally:
            if driver == "pymysql" and cursor is not None:
                # It would read what is left of a result before it closes, and again when it is forgotten.
                with suppress(AttributeError):
                    cursor._result.unbuffered_active = False
                cursor.connection = None
            elif cursor is not None:
                with suppress(Exception):  # the connection may be gone, which has been said
                    cursor.close()
            connection.invalidate()

    def _set_up(self, connection: Any) -> None:
        """Have instants written in UTC, and values as texts."""
        if self._dialect == "mysql":
            connection.cursor().execute(f"SET time_zone = '{UTC}'")
        elif self._engine.dialect.driver == "psycopg":
            from psycopg.types.string import TextLoader

            for name in _AS_TEXT:
                connection.driver_connection.adapters.register_loader(name, TextLoader)
            connection.cursor().execute("SET TIME ZONE 'UTC'")

    def _check(self, connection: Any, query: str) -> None:
        """Have the database read a query but no row, so that what is wrong with it can be told in its words."""
        connection.rollback()
        for statement in _CHECKS.get(self._dialect, ()):
            with closing(connection.cursor()) as cursor:
                cursor.execute(*((statement, (query,)) if "%s" in statement else (statement.format(query=query),)))

    @contextmanager
    def _errors(self, place: str, *, rows: bool = False) -> Iterator[None]:
        """Turn what the database says into an error of ours, without the password, and without what rows may hold."""
        try:
            yield
        except self._known as error:
            said = _code(error) if rows else self._said(error)
            hint = " What the database says of it may quote a record: read it in a client of your own." if rows else ""
            raise self._complain(f"{place} could not be read ({said}).{hint}") from None

    def _said(self, error: Exception) -> str:
        cause = getattr(error, "orig", None) or error
        told = getattr(cause, "diag", None)
        # PyMySQL says a number and a text.
        text = str(cause.args[-1]) if cause.args else str(cause)
        if told and told.message_primary:
            text = f"{told.message_primary} {told.message_hint or ''}"
        text = " ".join(text.split())
        secret = str(self._secret) if self._secret else None
        return (text.replace(secret, "***") if secret else text)[:200]


def without_end(query: str, dialect: str = "") -> str:
    """Return a SELECT without the semicolons that end it, and what stands behind them.

    Examples
    --------
    >>> without_end("SELECT ';' AS a; -- all"), without_end("SELECT 1 -- no end;")
    ("SELECT ';' AS a", 'SELECT 1 -- no end;')
    """
    end = len(query)
    for piece in _PIECES.get(dialect, _PIECES[""]).finditer(query):
        text = piece.group()
        if text == ";":
            end = min(end, piece.start())
        elif not text.isspace() and not text.startswith(("--", "/*", "#")):
            end = len(query)
    return query[:end]


def _code(error: Exception) -> str:
    """Name an error without its words."""
    cause = getattr(error, "orig", None) or error
    kind = type(cause).__name__
    if state := getattr(cause, "sqlstate", None):
        return f"{kind}, SQLSTATE {state}"
    if name := getattr(cause, "sqlite_errorname", None):
        return f"{kind}, {name}"
    number = cause.args[0] if cause.args else None
    return f"{kind}, error {number}" if isinstance(number, int) else kind


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


def _instant(value: Any) -> str | None:
    text = _text(value)
    # 0000-00-00 is no instant; a connector may say that it means nothing.
    return text if text is None or text.startswith("0000") else text + UTC


def _text(value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return bytes(value).hex().upper() if isinstance(value, bytes | bytearray | memoryview) else str(value)
