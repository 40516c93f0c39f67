"""CSV as people have it: any delimiter, encoding and line end; every field is read as text."""

from __future__ import annotations

import codecs
import csv
import io
import sys
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv

from journeymining.eventlog.columns import unique_names
from journeymining.exceptions import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 16
_CHUNK = 1 << 20
_REPLACEMENT = "\ufffd"
_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_csv(path: str | Path, *, delimiter: str | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Read a CSV file as a table of text, and say how it was read.

    Parameters
    ----------
    path : path
        CSV, compressed with gzip if its name ends with ``.gz``; ``-`` is stdin. The first row holds the names.
    delimiter : str, optional
        One character; by default that of comma, semicolon, tab and bar which splits the first rows most evenly.

    Returns
    -------
    Table, one row per record
        All columns are text, so that an id such as ``007`` or ``NA`` stays as it is; an empty field is null,
        ``""`` is empty text. Names that
        occur twice get a number (``name_2``), empty names become ``column_<place>``.
    dict
        ``delimiter``, ``encoding`` (UTF-8, else Windows-1252, else Latin-1), ``invalid_bytes`` (replaced by U+FFFD
        in text that is otherwise UTF-8) and ``wrong_number_of_fields`` (row numbers left out).

    Raises
    ------
    InputError
        The file is empty or no table.
    """
    where = "stdin" if str(path) == "-" else str(path)
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"The delimiter must be one character, found {delimiter!r}. For a tab give a real tab.")
    # A pipe can be read once only, so it is kept; a file is read as often as needed.
    kept = sys.stdin.buffer.read() if str(path) == "-" else None
    encoding, invalid = _encoding(_open(path, kept))
    with _open(path, kept) as stream:
        sample = stream.read(_SAMPLE).decode(encoding, errors="replace")
    if not sample.strip():
        raise InputError(f"{where}: the file is empty.")
    rows = sample.splitlines()[:100]
    delimiter = delimiter or _sniff(rows)
    header = next(csv.reader(io.StringIO("\n".join(rows)), delimiter=delimiter))
    names = unique_names([name.strip() for name in header])
    wrong: list[int] = []

    def skip(row: Any) -> str:
        # Row numbers count from 1 after the header, as everywhere.
        wrong.append(row.number - 1)
        return "skip"

    with _open(path, kept) as stream:
        source: Any = stream
        if encoding != "utf-8":
            source = _Recoded(stream, encoding)
        elif invalid:
            source = _Recoded(stream, "utf-8")
        try:
            table = pyarrow.csv.read_csv(
                source,
                read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, skip_rows_after_names=1),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{where}: this is no CSV with delimiter {delimiter!r}. Declare it: --delimiter ';'."
            ) from error
    facts = {"delimiter": delimiter, "encoding": encoding, "invalid_bytes": invalid, "wrong_number_of_fields": wrong}
    return table, facts


class _Recoded(io.RawIOBase):
    """A stream of UTF-8, made on the fly of a stream in another encoding."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = self._stream.read(_CHUNK)
            self._rest += self._decoder.decode(chunk, final=not chunk).encode()
            if not chunk:
                break
        size = len(self._rest) if size < 0 else size
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _open(path: str | Path, kept: bytes | None) -> IO[bytes]:
    if kept is not None:
        return io.BytesIO(kept)
    stream: IO[bytes] = pa.input_stream(str(path), compression="gzip" if str(path).endswith(".gz") else None)
    return stream


def _encoding(stream: IO[bytes]) -> tuple[str, int]:
    """Return the encoding, and how many bytes do not fit it.

    A file that is UTF-8 apart from fewer bytes than it has good accents was damaged; any other file that is not
    UTF-8 is of the older one-byte kind.
    """
    good = bad = 0
    older = True
    with stream:
        first = stream.read(_CHUNK)
        for mark, name in _BYTE_ORDER_MARKS.items():
            if first.startswith(mark):
                return name, 0
        chunk, rest = first, b""
        while chunk or rest:
            data = rest + chunk
            text, rest = _decode(data, final=not chunk)
            if not text.isascii():
                # A replacement character that the file itself holds is no damage.
                marks = text.count(_REPLACEMENT)
                own = data[: len(data) - len(rest)].count(_REPLACEMENT.encode())
                bad += marks - own
                good += sum(character > "\x7f" for character in text) - marks + own
            older = older and not any(code in chunk for code in b"\x81\x8d\x8f\x90\x9d")
            chunk = stream.read(_CHUNK) if chunk else b""
    if not bad or good > bad:
        return "utf-8", bad
    return ("cp1252" if older else "latin-1"), 0


def _decode(data: bytes, *, final: bool) -> tuple[str, bytes]:
    """Decode as UTF-8 as far as whole characters go, and return what remains."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    text = decoder.decode(data, final=final)
    return text, b"" if final else decoder.getstate()[0]


def _sniff(rows: list[str]) -> str:
    """Return the delimiter that gives most rows the same number of fields as the header, and then most fields."""

    def evenness(delimiter: str) -> tuple[int, int]:
        # The last row may be cut off by the end of the sample.
        fields = [len(row) for row in csv.reader(rows[:-1] or rows, delimiter=delimiter)]
        width = fields[0] if fields else 0
        return (sum(count == width for count in fields) if width > 1 else 0, width)

    return max(_DELIMITERS, key=evenness)
