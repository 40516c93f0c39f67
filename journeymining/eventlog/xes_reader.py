"""XES and XES.gz, read as a stream: memory holds one batch of events, never the tree of the file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import polars as pl
import pyarrow as pa
from lxml import etree

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS_PER_BATCH = 50_000
_TYPES = {"string", "date", "int", "float", "boolean", "id"}
_GZIP = b"\x1f\x8b"


def read_xes(path: str | Path) -> tuple[pa.Table, dict[str, Any]]:
    """Read a XES file as a table with one row per event, and say what its traces were like.

    Parameters
    ----------
    path : path
        XES, compressed with gzip or not, in any namespace.

    Returns
    -------
    Table, one row per event
        The attributes of the event under their keys, those of its trace as ``case:<key>``, nested ones as
        ``<key>/<nested key>``, lists as JSON text, and ``source_order``: the place of the event in its trace.
        The event's time is text as written; other attributes have the type of their XES element (``id`` is text,
        values of different types under one key are text). The defaults of global elements are declarations, and
        fill nothing in. A trace without a name is named after its place in the file (``trace 12``).
    dict
        ``traces``, ``unnamed_traces``, ``empty_traces``, ``events_without_trace``, ``repeated_trace_names``,
        ``mixed_types`` (keys).

    Raises
    ------
    InputError
        The file is not well-formed XML, holds a document type declaration or is no XES.
    """
    facts: dict[str, Any] = {}
    types: dict[str, set[str]] = {}
    batches = list(xes_batches(path, types=types, facts=facts))
    table = pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")
    for name in ("case:concept:name", "concept:name", "time:timestamp"):
        if not table.num_rows and name not in table.column_names:
            table = table.append_column(name, pa.array([], pa.string()))
    typed, mixed = _typed(pl.DataFrame(pl.from_arrow(table)), types)
    facts["mixed_types"] = mixed
    names = typed["case:concept:name"].n_unique()
    facts["repeated_trace_names"] = facts["traces"] - facts["empty_traces"] - names
    return typed.to_arrow(), facts


def xes_batches(
    path: str | Path,
    *,
    types: dict[str, set[str]],
    facts: dict[str, Any],
    events_per_batch: int = _EVENTS_PER_BATCH,
) -> Iterator[pa.RecordBatch]:
    """Yield the events of a XES file in batches of text columns; `types` and `facts` are filled on the way.

    A batch ends with a trace, so memory is bounded by the batch and the longest trace.
    """
    facts |= {"traces": 0, "unnamed_traces": 0, "empty_traces": 0, "events_without_trace": 0}
    rows = _Rows(types)
    trace_start = 0
    with _open(Path(path)) as stream:
        for element in _elements(stream, str(path)):
            name = etree.QName(element).localname
            parent = element.getparent()
            if name == "log":
                continue
            if name == "event":
                if parent is None or etree.QName(parent).localname != "trace":
                    facts["events_without_trace"] += 1
                else:
                    rows.add(element, rows.count - trace_start + 1)
                # The event's content is no longer needed, its place in the tree is freed with its trace.
                element.clear()
                continue
            facts["traces"] += 1
            rows.end_trace(element, trace_start, facts)
            _forget(element)
            if rows.count >= events_per_batch:
                yield rows.take()
            trace_start = rows.count
    yield rows.take()


class _Rows:
    """Columns of text that grow event by event; a column is as long as its last value."""

    def __init__(self, types: dict[str, set[str]]) -> None:
        self.types = types
        self.columns: dict[str, list[str | None]] = {}
        self.places: list[int] = []
        self.count = 0

    def add(self, event: etree._Element, place: int) -> None:
        for key, kind, value in _attributes(event):
            column = self._column(key, kind, self.count)
            # Of a key that occurs twice in an event the last value counts.
            del column[self.count :]
            column.append(value)
        self.places.append(place)
        self.count += 1

    def end_trace(self, trace: etree._Element, start: int, facts: dict[str, Any]) -> None:
        length = self.count - start
        if not length:
            facts["empty_traces"] += 1
            return
        attributes = [(f"case:{key}", kind, value) for key, kind, value in _attributes(trace)]
        if not any(key == "case:concept:name" for key, _, _ in attributes):
            facts["unnamed_traces"] += 1
            attributes.append(("case:concept:name", "string", f"trace {facts['traces']}"))
        for key, kind, value in attributes:
            column = self._column(key, kind, start)
            of_events = column[start:] + [None] * (self.count - len(column))
            # An event may have an attribute of that very name; it is nearer to the event than its trace.
            column[start:] = [value if own is None else own for own in of_events]

    def _column(self, key: str, kind: str, row: int) -> list[str | None]:
        """Return the column of a key, filled up to a row."""
        column = self.columns.get(key)
        if column is None:
            column = self.columns[key] = []
        if self.types.get(key) != {kind}:
            self.types.setdefault(key, set()).add(kind)
        if len(column) < row:
            column.extend([None] * (row - len(column)))
        return column

    def take(self) -> pa.RecordBatch:
        arrays = [pa.array(self.places, pa.int64())]
        for column in self.columns.values():
            column.extend([None] * (self.count - len(column)))
            arrays.append(pa.array(column, pa.string()))
        batch = pa.RecordBatch.from_arrays(arrays, names=["source_order", *self.columns])
        self.columns, self.places, self.count = {}, [], 0
        return batch


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as start:
        packed = start.read(2) == _GZIP
    # An open file, so that no library gets to fetch what a path might point to.
    if packed:
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return path.open("rb")


def _elements(stream: IO[bytes], where: str) -> Iterator[etree._Element]:
    """Yield every event, then its trace, then the log, as they end; entities are not followed."""
    checked = False
    try:
        parser = etree.iterparse(
            stream,
            events=("end",),
            tag=("{*}event", "{*}trace", "{*}log"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            remove_comments=True,
            remove_pis=True,
        )
        for _, element in parser:
            if not checked:
                _check_document(element, where)
                checked = True
            yield element
    except etree.XMLSyntaxError as error:
        raise InputError(f"{where}: this is no well-formed XES: {error.msg}.") from error
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{where}: the compressed file is damaged: {error}.") from error
    if not checked:
        raise InputError(f"{where}: this is no XES: its root is not <log>.")


def _check_document(element: etree._Element, where: str) -> None:
    tree = element.getroottree()
    if tree.docinfo.doctype:
        raise InputError(f"{where}: a XES file must not hold a document type declaration (DOCTYPE). Remove it.")
    root = tree.getroot()
    if etree.QName(root).localname != "log":
        raise InputError(f"{where}: this is no XES: its root is <{etree.QName(root).localname}>, not <log>.")


def _forget(trace: etree._Element) -> None:
    """Free a trace and everything before it."""
    parent = trace.getparent()
    trace.clear()
    while parent is not None and len(parent) > 1:
        del parent[0]


def _attributes(element: etree._Element, prefix: str = "") -> list[tuple[str, str, str | None]]:
    """Return key, type and text of the attributes of an event or a trace, nested ones after their parent."""
    found: list[tuple[str, str, str | None]] = []
    for child in element:
        tag = child.tag
        kind = tag[tag.rindex("}") + 1 :] if "}" in tag else tag
        if kind in _TYPES:
            key = f"{prefix}{child.get('key')}"
            found.append((key, kind, child.get("value")))
            if len(child):
                found += _attributes(child, prefix=f"{key}/")
        elif kind in ("list", "container"):
            found.append((f"{prefix}{child.get('key')}", "string", json.dumps(_listed(child), ensure_ascii=False)))
    return found


def _listed(element: etree._Element) -> list[dict[str, Any]]:
    """Return the values of a list or container in their order, as one small object per value."""
    values: list[dict[str, Any]] = []
    for child in element:
        kind = etree.QName(child).localname
        if kind == "values":
            values += _listed(child)
        elif kind in ("list", "container"):
            values.append({str(child.get("key")): _listed(child)})
        else:
            values.append({str(child.get("key")): child.get("value")})
    return values


def _typed(frame: pl.DataFrame, types: dict[str, set[str]]) -> tuple[pl.DataFrame, list[str]]:
    """Give every column the type of its XES elements; what does not fit stays text and is named."""
    columns, mixed = [], []
    for column in frame.get_columns():
        kinds = types.get(column.name, set())
        if column.name == "time:timestamp" or not kinds or kinds <= {"string", "id"}:
            columns.append(column)
            continue
        try:
            columns.append(_cast(column, kinds))
        except pl.exceptions.PolarsError:
            columns.append(column)
            mixed.append(column.name)
    return pl.DataFrame(columns), sorted(mixed)


def _cast(column: pl.Series, kinds: set[str]) -> pl.Series:
    if kinds == {"int"}:
        return column.cast(pl.Int64)
    if kinds <= {"int", "float"}:
        return column.cast(pl.Float64)
    if kinds == {"boolean"}:
        return column.str.to_lowercase().replace_strict({"true": True, "1": True, "false": False, "0": False})
    if kinds == {"date"}:
        return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
    raise pl.exceptions.InvalidOperationError(f"values of types {sorted(kinds)} under one key")
