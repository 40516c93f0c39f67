"""Raw files to raw tables: every record as it came, all columns text, with its file and line. Nothing is interpreted.

Read as a stream, a batch at a time, so that memory does not grow with the files. Compressed files (gzip, bzip2, xz) are
known by their first bytes. Bytes that are no text of the encoding become U+FFFD and are counted.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from journeymining.database import connect
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from journeymining.ingest.formats import Format
    from journeymining.ingest.raw import RawWriter
    from journeymining.ingest.specs import Stream

BATCH = 50_000
_MAGIC: dict[bytes, Callable[[Path, str], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}

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
    """Write the records of a file to raw Parquet, as they are.

    Parameters
    ----------
    file : Path
        What to read.
    writer : RawWriter
        Where the records go.
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
    landed = Landed()
    format_ = stream.format
    try:
        if format_.type == "parquet":
            batches = _parquet(file, landed)
        elif format_.type == "csv":
            batches = _csv(file, format_, columns, landed)
        elif format_.type == "w3c":
            batches = _w3c(file, format_, columns, landed)
        else:
            batches = _lines(file, format_, landed)
        for batch in batches:
            writer.write(batch.append_column(FILE, pa.repeat(pa.scalar(name), batch.num_rows)))
    except (OSError, EOFError, lzma.LZMAError, csv.Error, pa.ArrowInvalid) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{file}: cannot be read as {format_.type.replace('_', ' ')} ({reason}).") from None
    return landed


def _table(columns: dict[str, list[str | None]], lines: list[int], problems: list[str | None]) -> pa.RecordBatch:
    arrays = [pa.array(values, pa.string()) for values in columns.values()]
    return pa.record_batch(
        [*arrays, pa.array(lines, pa.int64()), pa.array(problems, pa.string())], names=[*columns, LINE, PROBLEM]
    )


@contextmanager
def _opened(file: Path, encoding: str, newline: str) -> Iterator[io.TextIOWrapper]:
    """Open a file as text: unpacked, in its encoding or that of its byte order mark."""
    with file.open("rb") as probe:
        packed = probe.read(6)
    opener = next((opener for magic, opener in _MAGIC.items() if packed.startswith(magic)), None)
    with cast("IO[bytes]", opener(file, "rb") if opener else file.open("rb")) as binary:
        start = binary.read(3)
        binary.seek(0)
        mark = next((name for magic, name in _MARKS.items() if start.startswith(magic)), encoding)
        try:
            text = io.TextIOWrapper(binary, encoding=mark, errors="replace", newline=newline)
        except LookupError:
            raise InputError(f"{file}: unknown encoding '{encoding}'. Known are utf-8, latin-1, cp1252 ...") from None
        with text:
            yield text


def _lines(file: Path, format_: Format, landed: Landed) -> Iterator[pa.RecordBatch]:
    # Only \n ends a line of a log: other characters that could are part of what somebody sent.
    with _opened(file, format_.encoding, "\n") as text:
        lines: list[str | None] = []
        numbers: list[int] = []
        numbered = enumerate(text, start=1)
        for number, line in _objects(numbered) if format_.type == "json_lines" else numbered:
            stripped = line.rstrip("\r\n")
            if not stripped:
                continue
            landed.replaced += "\ufffd" in stripped
            lines.append(stripped)
            numbers.append(number)
            if len(lines) == BATCH:
                landed.records += len(lines)
                yield _table({TEXT: lines}, numbers, [None] * len(lines))
                lines, numbers = [], []
        landed.records += len(lines)
        yield _table({TEXT: lines}, numbers, [None] * len(lines))


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
    with _opened(file, format_.encoding, "\n") as text:
        places: list[int | None] = [None] * len(columns)
        width = 0
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        problems: list[str | None] = []
        for number, line in enumerate(text, start=1):
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
            if len(rows) == BATCH:
                landed.records += len(rows)
                yield _named([*columns, TEXT], rows, numbers, problems)
                rows, numbers, problems = [], [], []
        landed.records += len(rows)
        yield _named([*columns, TEXT], rows, numbers, problems)


def _named(
    names: list[str], rows: list[list[str | None]], numbers: list[int], problems: list[str | None]
) -> pa.RecordBatch:
    values = zip(*rows, strict=True) if rows else ([] for _ in names)
    return _table({name: list(column) for name, column in zip(names, values, strict=True)}, numbers, problems)


def _csv(file: Path, format_: Format, columns: Sequence[str], landed: Landed) -> Iterator[pa.RecordBatch]:
    csv.field_size_limit(1 << 30)
    with _opened(file, format_.encoding, "") as text:
        reader = csv.reader(
            _counted(text, landed),
            delimiter=format_.delimiter,
            quotechar=format_.quote,
            quoting=csv.QUOTE_MINIMAL if format_.quote else csv.QUOTE_NONE,
            escapechar=format_.escape,
        )
        names = _header(file, format_, columns, reader) if format_.header else list(columns)
        rows: list[list[str]] = []
        numbers: list[int] = []
        for row in reader:
            if not row:
                continue
            rows.append(row)
            numbers.append(reader.line_num)
            if len(rows) == BATCH:
                landed.records += len(rows)
                yield _rows(names, rows, numbers, header=format_.header)
                rows, numbers = [], []
        landed.records += len(rows)
        yield _rows(names, rows, numbers, header=format_.header)


def _counted(text: Iterable[str], landed: Landed) -> Iterator[str]:
    for line in text:
        landed.replaced += "\ufffd" in line
        yield line.replace("\0", "\ufffd") if "\0" in line else line


def _header(file: Path, format_: Format, columns: Sequence[str], reader: Iterator[list[str]]) -> list[str]:
    names = [name.strip() for name in next(reader, [])]
    if not set(names) & set(columns):
        found = ", ".join(names[:8]) or "nothing"
        raise InputError(
            f"{file}: none of the expected columns is in the header. Expected some of {', '.join(columns[:8])}; "
            f"found {found}. If they have other names, say so with 'columns'; if fields are not separated by "
            f"'{format_.delimiter}', with 'format: {{delimiter: ...}}'."
        )
    # Of columns with one name the first counts; the others get their place as name.
    return [name if name not in names[:place] else f"{name} ({place + 1})" for place, name in enumerate(names)]


def _rows(names: list[str], rows: list[list[str]], numbers: list[int], *, header: bool) -> pa.RecordBatch:
    width = len(names)
    problems: list[str | None] = [None] * len(rows)
    for place, row in enumerate(rows):
        if len(row) == width:
            continue
        # Without a header, columns at the end that are not configured are simply not there.
        if header or len(row) > width:
            problems[place] = "number of fields"
        rows[place] = (row + [""] * width)[:width]
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return _table({name: list(column) for name, column in zip(names, columns, strict=True)}, numbers, problems)


def _parquet(file: Path, landed: Landed) -> Iterator[pa.RecordBatch]:

    with connect() as connection:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=BATCH):
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
    from journeymining.ingest.values import identifier

    name = identifier(field.name)
    if pa.types.is_nested(field.type):
        return f"CAST(to_json({name}) AS VARCHAR) AS {name}"
    if pa.types.is_timestamp(field.type) and field.type.tz:
        return f"strftime(timezone('UTC', {name}), '%Y-%m-%dT%H:%M:%S.%fZ') AS {name}"
    return f"CAST({name} AS VARCHAR) AS {name}"
