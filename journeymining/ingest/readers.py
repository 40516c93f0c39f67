"""Raw files to raw tables: every record as it came, all columns text, with its file and line. Nothing is interpreted.

Read as a stream, a batch at a time, so that memory does not grow with the files. Compressed files (gzip, bzip2, xz) are
known by their first bytes. Bytes that are no text of the encoding become U+FFFD and are counted.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import lzma
import re
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.database import connect
from journeymining.exceptions import InputError
from journeymining.ingest.blocks import (
    CODED,
    LARGE,
    blocks,
    encoding_of,
    fields,
    line_count,
    lines,
    packing,
    replaced,
    smaller,
)
from journeymining.ingest.coded import one_chunk
from journeymining.ingest.shortcuts import SHORTCUTS
from journeymining.ingest.values import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.ingest.formats import Format
    from journeymining.ingest.raw import RawWriter
    from journeymining.ingest.shortcuts import Shortcut
    from journeymining.ingest.specs import Stream

Result = TypeVar("Result")

BATCH = 50_000
_FEW = 1_000
"""Rows of which nobody can tell whether texts differ."""

_LINES = 100_000
"""Lines of a record, at most: a quotation mark that is not closed would have one go on to the end of the file."""

FILE, LINE, PROBLEM, TEXT = "_file", "_line", "_problem", "line"
"""Columns of every raw table: the file, the line (or row) in it, why the record cannot be read (mostly null); and, of
files that are read line by line, the line."""


@dataclass
class Landed:
    """What was landed of one file."""

    records: int = 0
    replaced: int = 0
    """Records with bytes that are no text of the encoding."""


def land(file: Path, writer: RawWriter, *, stream: Stream, name: str, columns: Sequence[str]) -> Landed:
    """Write the records of a file to raw Parquet, as they are; see `records`."""
    landed = Landed()
    for batch in records(file, landed, stream=stream, name=name, columns=columns):
        writer.write(batch)
    return landed


def records(
    file: Path, landed: Landed, *, stream: Stream, name: str, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the records of a file as raw batches, as they are.

    Parameters
    ----------
    file : Path
        What to read.
    landed : Landed
        Where they are counted.
    stream : Stream
        Says how the file is written.
    name : str
        What ``_file`` says.
    columns : list of str
        Names of the columns that a table with a header is expected to have, or some of them.

    Raises
    ------
    InputError
        If the file cannot be read, or a table with a header has none of the fields.
    """
    format_ = stream.format
    try:
        if format_.type == "parquet":
            batches = _parquet(file, columns, landed)
        elif format_.type == "csv":
            batches = _csv(file, format_, columns, landed)
        elif format_.type == "w3c":
            batches = _w3c(file, format_, columns, landed)
        elif format_.shortcut:
            batches = _split_lines(file, format_, landed)
        elif format_.type == "json_lines" and (layout := _layout(file, format_)):
            batches = _document(file, layout, landed)
        else:
            batches = _lines(file, format_, landed)
        for batch in batches:
            yield batch.append_column(FILE, _same(name, batch.num_rows))
    except (OSError, EOFError, lzma.LZMAError, zlib.error, csv.Error, pa.ArrowInvalid, duckdb.Error) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{file}: cannot be read as {format_.type.replace('_', ' ')} ({reason}).") from None


def _same(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))


def _table(columns: dict[str, list[str | None]], lines: list[int], problems: list[str | None]) -> pa.RecordBatch:
    arrays = [pa.array(values, pa.string()) for values in columns.values()]
    return pa.record_batch(
        [*arrays, pa.array(lines, pa.int64()), pa.array(problems, pa.string())], names=[*columns, LINE, PROBLEM]
    )


def _columns(columns: list[pa.Array], names: Sequence[str], places: NDArray[np.int64]) -> pa.RecordBatch:
    numbers, problems = pa.array(places, pa.int64()), pa.nulls(len(places), pa.string())
    return pa.record_batch([*columns, numbers, problems], names=[*names, LINE, PROBLEM])


def _lines(file: Path, format_: Format, landed: Landed) -> Iterator[pa.RecordBatch]:
    # Only \n ends a line of a log: other characters that could are part of what somebody sent.
    before, further = 0, 0
    for block in blocks(file, format_.encoding):
        found = lines(block)
        if format_.type == "json_lines" and (found is None or not _one_object_each(block, found[0])):
            found = None
        if found is not None:
            texts, places = found
            landed.replaced += replaced(block)
            landed.records += len(texts)
            yield _columns([texts], [TEXT], places + before + further + 1)
        else:
            split: Iterable[tuple[int, str]] = enumerate(block.decode().split("\n"), start=before + further + 1)
            numbered = list(_objects(split) if format_.type == "json_lines" else split)
            further += len(numbered) - len(block.split(b"\n"))
            rows = [(number, text) for number, line in numbered if (text := line.rstrip("\r\n"))]
            landed.replaced += sum("\ufffd" in text for _, text in rows)
            landed.records += len(rows)
            yield _table({TEXT: [text for _, text in rows]}, [number for number, _ in rows], [None] * len(rows))
        before += line_count(block)


def _layout(file: Path, format_: Format) -> str | None:
    """Say in which way a file holds JSON that is not an object a line: as an array, or as objects over many lines."""
    # DuckDB reads these; names it would take for patterns, packings and encodings it does not know, are read by lines.
    if any(character in str(file) for character in "*?[") or packing(file) not in {None, "gzip"}:
        return None
    if encoding_of(file, format_.encoding)[0] != "utf-8":
        return None
    first, _, rest = next(blocks(file, format_.encoding), b"").lstrip().partition(b"\n")
    if first.startswith(b"["):
        one_of_several = first.rstrip().endswith(b"]") and rest.lstrip().startswith(b"[")
        return None if one_of_several else "array"
    return "unstructured" if first.strip() == b"{" else None


def _document(file: Path, layout: str, landed: Landed) -> Iterator[pa.RecordBatch]:
    """Read the objects of a file one by one; they have numbers, not lines."""
    query = (
        f"SELECT CAST(json AS VARCHAR) AS {TEXT} FROM read_json_objects({literal(str(file))}, "
        f"format = {literal(layout)}, compression = {literal(packing(file) or 'none')})"
    )
    try:
        with connect() as connection:
            for batch in connection.sql(query).to_arrow_reader(BATCH):
                first = landed.records + 1
                landed.records += batch.num_rows
                yield _columns([batch.column(TEXT)], [TEXT], np.arange(first, first + batch.num_rows))
    except (duckdb.Error, OSError) as error:
        # What DuckDB says of the place holds nothing of the data.
        place = re.search(r"at byte \d+ in record/value \d+|maximum_object_size", str(error))
        if place is None:
            raise
        what = "an object is over 16 MB" if place[0] == "maximum_object_size" else f"is no JSON, {place[0]}"
        raise InputError(f"{file}: {what}.") from None


def _split_lines(file: Path, format_: Format, landed: Landed) -> Iterator[pa.RecordBatch]:
    """Read lines of which a shortcut splits the usual ones: these have fields, all others are kept as they are."""
    before = 0
    shortcut = SHORTCUTS[str(format_.shortcut)]
    for columns, places, marked, count in _each_split(shortcut, blocks(file, format_.encoding, LARGE)):
        landed.records += len(places)
        landed.replaced += marked
        yield _columns(list(columns.values()), list(columns), places + before + 1)
        before += count


_Lines = tuple[dict[str, pa.Array], "NDArray[np.int64]", int, int]
"""The columns of a block, the places of its lines, and how many have broken text and there are in all."""


def _each_split(shortcut: Shortcut, read: Iterator[bytes]) -> Iterator[_Lines]:
    for first in read:
        columns, places, marked, count = _split(shortcut, frozenset(), first)
        differ = _differing(columns)
        yield columns | {name: columns[name].cast(pa.string()) for name in differ}, places, marked, count
        names = frozenset(name.removeprefix("f:") for name in differ)
        yield from _ahead(partial(_split, shortcut, names), read)


def _differing(columns: Mapping[str, pa.Array]) -> frozenset[str]:
    """Return the columns that are dictionaries in vain, as nearly all of their texts differ."""
    coded = {name: one for name, one in columns.items() if pa.types.is_dictionary(one.type)}
    return frozenset(name for name, one in coded.items() if 2 * len(one.dictionary) > max(len(one), _FEW))


def _split(shortcut: Shortcut, differ: frozenset[str], block: bytes) -> _Lines:
    count, marked = line_count(block), replaced(block)
    found = shortcut.split(block, differ)
    if found is not None and len(found.places) == count:
        columns = {f"f:{name}": column for name, column in found.fields.items()}
        return {**columns, TEXT: pa.nulls(count, pa.string())}, found.places, marked, count
    texts, places = _texts(block)
    if found is None:
        kinds = {name: pa.string() if name in differ else CODED for name in shortcut.fields}
        columns = {f"f:{name}": pa.nulls(len(places), kind) for name, kind in kinds.items()}
        return {**columns, TEXT: texts}, places, marked, count
    taken = np.isin(places, found.places)
    rows = pa.array(np.cumsum(taken) - 1, mask=~taken)
    columns = {f"f:{name}": column.take(rows) for name, column in found.fields.items()}
    kept = pc.if_else(pa.array(taken), pa.scalar(None, pa.string()), texts)
    return {**columns, TEXT: kept}, places, marked, count


def _texts(block: bytes) -> tuple[pa.StringArray, NDArray[np.int64]]:
    """Return the lines of a block that are not empty, and their places in it."""
    found = lines(block)
    if found is not None:
        return found
    rows = [(place, text) for place, line in enumerate(block.decode().split("\n")) if (text := line.rstrip("\r\n"))]
    return pa.array([text for _, text in rows], pa.string()), np.array([place for place, _ in rows], np.int64)


def _ahead(function: Callable[[bytes], Result], items: Iterable[bytes]) -> Iterator[Result]:
    """Yield what a function makes of items, in their order, while two of those that follow are worked on."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _one_object_each(block: bytes, texts: pa.StringArray) -> bool:
    """Whether every line is one JSON object from its first character to its last."""
    if not (pc.all(pc.starts_with(texts, "{")).as_py() and pc.all(pc.ends_with(texts, "}")).as_py()):
        return False
    return _JOINT_IN_LINE.search(block.decode()) is None


_JOINT_IN_LINE = re.compile(r"\}[^\S\n]*\{")
_JOINT = re.compile(r"\}\s*\{")


def _after_space(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _objects(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield JSON objects that stand on one line one by one; from there on they are counted like lines."""
    decoder, further = json.JSONDecoder(), 0
    for number, line in lines:
        text, start = line.strip(), 0
        while _JOINT.search(text, start):
            try:
                end = decoder.raw_decode(text, start)[1]
            except (ValueError, RecursionError):
                break
            rest = _after_space(text, end)
            if rest == len(text):
                break
            yield number + further, text[start:end]
            start, further = rest, further + 1
        yield number + further, text[start:]


def _w3c(file: Path, format_: Format, columns: Sequence[str], landed: Landed) -> Iterator[pa.RecordBatch]:
    """Read lines whose fields the latest ``#Fields:`` line names; the line itself is kept, for the other fields."""
    places: list[int | None] = [None] * len(columns)
    width, before = 0, 0
    for block in blocks(file, format_.encoding):
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        problems: list[str | None] = []
        for number, line in enumerate(block.decode().split("\n"), start=before + 1):
            stripped = line.rstrip("\r\n")
            if stripped.startswith("#Fields:"):
                names = stripped.removeprefix("#Fields:").split()
                places, width = [names.index(name) if name in names else None for name in columns], len(names)
            if not stripped or stripped.startswith("#"):
                continue
            landed.replaced += "\ufffd" in stripped
            found = stripped.split(format_.delimiter)
            fits = len(found) == width
            problems.append(None if fits else "number of fields" if width else "no #Fields line before it")
            rows.append([found[at] if fits and at is not None else None for at in places] + [stripped])
            numbers.append(number)
        before += line_count(block)
        landed.records += len(rows)
        yield _named([*columns, TEXT], rows, numbers, problems)


def _named(
    names: list[str], rows: Sequence[Sequence[str | None]], numbers: list[int], problems: list[str | None]
) -> pa.RecordBatch:
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    return _table({name: list(column) for name, column in zip(names, values, strict=True)}, numbers, problems)


def _csv(file: Path, format_: Format, columns: Sequence[str], landed: Landed) -> Iterator[pa.RecordBatch]:
    """Read blocks of simple records as columns, and all others row by row, by the rules of Python's ``csv``."""
    rows = _Rows(file, format_, landed)
    names = list(columns)
    if format_.header:
        header = rows.header()
        if header is None:
            # A quiet day: some systems write a file without even a header.
            return
        names = _header(file, format_, columns, header)
    differ: frozenset[str] | None = None
    while block := rows.block():
        table = _simple(block, names, format_, differ or frozenset())
        if table is None:
            if rows.retry(block):
                continue
            found = rows.slowly(block, len(names))
            landed.records += len(found)
            fields_ = [(row.fields + [""] * len(names))[: len(names)] for row in found]
            yield _named(names, fields_, [row.line for row in found], [row.problem for row in found])
            continue
        landed.replaced += replaced(block)
        taken = {name: one_chunk(column) for name, column in zip(table[0].column_names, table[0].columns, strict=True)}
        rows_ = table[0].num_rows
        if differ is None:
            differ = _differing(taken)
            taken |= {name: taken[name].cast(pa.string()) for name in differ}
        taken |= {name: pa.array([""] * rows_, pa.string()) for name in names[len(taken) :]}
        landed.records += rows_
        yield _columns(list(taken.values()), names, table[1] + rows.taken(block))


def _simple(
    block: bytes, names: list[str], format_: Format, differ: frozenset[str]
) -> tuple[pa.Table, NDArray[np.int64]] | None:
    if format_.escape is not None:
        return None
    width = len(names)
    if not format_.header:
        # Columns at the end that are not configured are simply not there.
        first = csv.reader(_split_rows(block[: block.find(b"\n") + 1 or None]), **_dialect(format_))
        width = min(width, len(next(first, [])))
    if not width:
        return None
    return fields(block, names[:width], delimiter=format_.delimiter, quote=format_.quote, differ=differ)


def _dialect(format_: Format) -> dict[str, Any]:
    return {
        "delimiter": format_.delimiter,
        "quotechar": format_.quote,
        "quoting": csv.QUOTE_MINIMAL if format_.quote else csv.QUOTE_NONE,
        "escapechar": format_.escape,
    }


@dataclass
class _Row:
    """A record that was read character by character."""

    line: int
    """The number of its last line, of a broken one that of its first."""
    fields: list[str]
    problem: str | None


class _Rows:
    """Where a table is read: block by block, or line by line where a record goes on in the next block."""

    def __init__(self, file: Path, format_: Format, landed: Landed) -> None:
        csv.field_size_limit(1 << 30)
        self._blocks, self._format, self._landed = blocks(file, format_.encoding, LARGE), format_, landed
        self._lines: Iterator[str] = iter(())
        self._waiting: deque[bytes] = deque()
        self._before = 0
        # Lines of the record that is being read, lines to be read again, and whether the last record did not end.
        self._taken: list[str] = []
        self._again: deque[str] = deque()
        self._open = False

    def header(self) -> list[str] | None:
        """Return the first record, None where there is nothing; what comes after it is the next block."""
        block = self.block()
        if not block:
            return None
        self._lines = _split_rows(block)
        names = next(csv.reader(self._fed(), **_dialect(self._format)), [])
        self._before += len(self._taken)
        self._taken = []
        self._waiting.extend(block for block in ["".join(self._lines).encode()] if block)
        return names

    def block(self) -> bytes:
        """Return the next block; nothing at the end."""
        return self._waiting.popleft() if self._waiting else next(self._blocks, b"")

    def retry(self, block: bytes) -> bool:
        """Whether a block that is not simple is now to be read in smaller ones, of which most may be."""
        pieces = list(smaller(block))
        if len(pieces) > 1:
            self._waiting.extendleft(reversed(pieces))
        return len(pieces) > 1

    def taken(self, block: bytes) -> int:
        """Go on behind a block, and return the number of its first line."""
        first = self._before + 1
        self._before += line_count(block)
        return first

    def slowly(self, block: bytes, width: int) -> list[_Row]:
        """Read the records that begin in a block.

        One over several lines that does not end, or has not as many fields as wanted, is not believed: its first line
        is a broken record, and the next one begins behind it. So a stray quotation mark costs one record, not all that
        follow.
        """
        self._lines = _split_rows(block)
        reader = csv.reader(self._fed(), **_dialect(self._format))
        rows = []
        while (row := next(reader, None)) is not None:
            taken, self._taken, opened, self._open = self._taken, [], self._open, False
            fits = len(row) == width or (len(row) < width and not self._format.header)
            problem = None if fits else "number of fields"
            if opened or (len(taken) > 1 and not fits):
                problem = "a quotation mark that is not closed" if opened else "number of fields, over several lines"
                self._again.extendleft(reversed(taken[1:]))
                taken = taken[:1]
                row = next(csv.reader(taken, **_dialect(self._format)))
                reader = csv.reader(self._fed(), **_dialect(self._format))
            self._before += len(taken)
            self._landed.replaced += sum("\ufffd" in line for line in taken)
            if row:
                rows.append(_Row(self._before, row, problem))
        return rows

    def _fed(self) -> Iterator[str]:
        """Yield the lines of a block, and of the next ones while a record that has begun is not at its end."""
        while (line := self._line()) is not None:
            text = line.replace("\0", "\ufffd") if "\0" in line else line
            self._taken.append(text)
            yield text
        self._open = bool(self._taken)

    def _line(self) -> str | None:
        if self._again:
            return self._again.popleft()
        line = next(self._lines, None)
        if line is None and self._taken and len(self._taken) < _LINES:
            self._lines = _split_rows(self.block())
            line = next(self._lines, None)
        return line


def _split_rows(block: bytes) -> Iterator[str]:
    r"""Return the lines of a block as tables have them: also ``\r`` alone ends one."""
    return iter(io.TextIOWrapper(io.BytesIO(block), encoding="utf-8", newline=""))


def _header(file: Path, format_: Format, columns: Sequence[str], header: list[str]) -> list[str]:
    names = [name.strip() for name in header]
    if not set(names) & set(columns):
        raise InputError(
            f"{file}: none of the expected columns is in the header. Expected some of {', '.join(columns[:8])}; "
            f"found {_told(names, columns)}. If they have other names, say so with 'columns'; if fields are not "
            f"separated by '{format_.delimiter}', with 'format: {{delimiter: {_separating(header, columns)}}}'."
        )
    # Of columns with one name the first counts; the others get their place as name.
    return [name if name not in names[:place] else f"{name} ({place + 1})" for place, name in enumerate(names)]


def _told(names: Sequence[str], columns: Sequence[str]) -> str:
    """Return what is said of the columns that were found: where there is no header, they may be of a person."""
    expected = [one.casefold() for one in columns]
    alike = [name for name in names if difflib.get_close_matches(name.casefold(), expected, n=1)]
    count = f"{len(names)} column{'s' * (len(names) != 1)}"
    return f"{count}, among them {', '.join(alike[:8])}" if alike else f"{count} of other names"


def _separating(header: list[str], columns: Sequence[str]) -> str:
    """Return the delimiter that a header of one column seems to have."""
    whole = header[0] if len(header) == 1 else ""
    others = (one for one in ",;\t|" if {name.strip(' "') for name in whole.split(one)} & set(columns))
    return repr(next(others, "..."))


def _parquet(file: Path, columns: Sequence[str], landed: Landed) -> Iterator[pa.RecordBatch]:
    opened = pq.ParquetFile(file)
    names = opened.schema_arrow.names
    if not set(names) & set(columns):
        raise InputError(
            f"{file}: has none of the expected columns. Expected some of {', '.join(columns[:8])}; found "
            f"{', '.join(names[:8]) or 'none'}. If they have other names, say so with 'columns'."
        )
    with connect() as connection:
        for batch in opened.iter_batches(batch_size=BATCH):
            source = pa.Table.from_batches([batch])
            connection.register("source", source)
            casts = ", ".join(_as_text(field) for field in source.schema)
            # The rows of a file have numbers, not lines.
            first = landed.records + 1
            query = (
                f"SELECT {casts}, row_number() OVER () + {first - 1} AS {LINE}, NULL::VARCHAR AS {PROBLEM} FROM source"
            )
            landed.records += batch.num_rows
            yield from connection.sql(query).to_arrow_table().to_batches()


def _as_text(field: pa.Field) -> str:
    name = identifier(field.name)
    if pa.types.is_nested(field.type):
        return f"CAST(to_json({name}) AS VARCHAR) AS {name}"
    if pa.types.is_timestamp(field.type) and field.type.tz:
        return f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%fZ') AS {name}"
    number = f"epoch({name})" if pa.types.is_duration(field.type) else name
    if pa.types.is_floating(field.type) or number != name:
        # Whole numbers with gaps are kept as floating: 123.0 is account 123 of all other files. Durations are seconds.
        whole = f"{number} = trunc({number}) AND abs({number}) < 1e15"
        text = f"CASE WHEN {whole} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"
        return f"{text} AS {name}"
    return f"CAST({name} AS VARCHAR) AS {name}"
