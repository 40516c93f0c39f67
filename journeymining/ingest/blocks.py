"""Text files as blocks of whole lines in UTF-8, and blocks as columns, without a look at every line in Python."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = 1 << 20
"""Bytes of a block."""

CODED = pa.dictionary(pa.int32(), pa.string())
"""Type of a column whose texts come again."""

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_OPENERS: dict[str, Callable[[Path, str], Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_UNREAD = {b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x9d": "compress", b"7z\xbc\xaf": "7z"}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8"}
_REPLACED = "\ufffd".encode()


LARGE = 8
"""Times `SIZE`: bytes of a block that is read as columns."""


def blocks(file: Path, encoding: str, times: int = 1) -> Iterator[bytes]:
    r"""Yield a file as blocks that end where a line ends (with ``\n``), unpacked and as UTF-8.

    A block is `SIZE` so many ``times``, more where a line is longer.

    Its byte order mark tells more than the encoding that is said. Bytes that are no text become U+FFFD.
    """
    said, marked = encoding_of(file, encoding)
    with _unpacked(file) as binary:
        if said == "utf-8":
            if marked:
                binary.read(len(codecs.BOM_UTF8))
            while block := binary.read(times * SIZE):
                yield _as_text(block if block.endswith(b"\n") else block + binary.readline())
            return
        with io.TextIOWrapper(binary, encoding=said, errors="replace", newline="") as text:
            yield from _whole_lines(lambda: text.read(times * SIZE).encode())


def encoding_of(file: Path, encoding: str) -> tuple[str, bool]:
    """Return the encoding of a file, which its byte order mark tells better than what is said, and if it has one.

    Raises
    ------
    InputError
        If the encoding that is said is unknown.
    """
    with _unpacked(file) as binary:
        start = binary.read(3)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name, True
    try:
        known = codecs.lookup(encoding).name
    except LookupError:
        raise InputError(f"{file}: unknown encoding '{encoding}'. Known are utf-8, latin-1, cp1252 ...") from None
    return ("utf-8" if known in {"utf-8", "utf-8-sig"} else encoding), False


def packing(file: Path) -> str | None:
    """Return how a file is packed (gzip, bzip2, xz), as its first bytes tell; None where it is not.

    Raises
    ------
    InputError
        If it is packed in a way that is not read.
    """
    with file.open("rb") as probe:
        first = probe.read(6)
    if unread := next((name for magic, name in _UNREAD.items() if first.startswith(magic)), None):
        raise InputError(f"{file}: is packed with {unread}. Unpack it, or pack it with gzip, bzip2 or xz.")
    return next((name for magic, name in _MAGIC.items() if first.startswith(magic)), None)


@contextmanager
def _unpacked(file: Path) -> Iterator[IO[bytes]]:
    packed = packing(file)
    with cast("IO[bytes]", _OPENERS[packed](file, "rb") if packed else file.open("rb")) as binary:
        yield binary


def _whole_lines(read: Callable[[], bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    while block := read():
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*rest, block[:cut]])
            rest = []
        rest.append(block[cut:])
    if last := b"".join(rest):
        yield last


def _as_text(block: bytes) -> bytes:
    if block.isascii():
        return block
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return block.decode("utf-8", errors="replace").encode()
    return block


def replaced(block: bytes) -> int:
    """Count the lines with a character that stands for bytes that are no text."""
    if block.isascii() or _REPLACED not in block:
        return 0
    return sum(_REPLACED in line for line in block.split(b"\n"))


def smaller(block: bytes) -> Iterator[bytes]:
    """Yield a block as blocks of `SIZE`."""
    read = io.BytesIO(block)
    yield from _whole_lines(lambda: read.read(SIZE))


def line_count(block: bytes) -> int:
    """Count the lines of a block; the last one of a file need not end."""
    return block.count(b"\n") + (not block.endswith(b"\n"))


def lines(block: bytes) -> tuple[pa.StringArray, NDArray[np.int64]] | None:
    r"""Return the lines of a block that are not empty, and their places in it; None if it takes more than to cut it.

    Examples
    --------
    >>> texts, places = lines(b"one\r\n\r\nthree")
    >>> texts.to_pylist(), places.tolist()
    (['one', 'three'], [0, 2])
    """
    plain = block.replace(b"\r\n", b"\n") if b"\r\n" in block else block
    if b"\r\n" in plain or plain.endswith(b"\r"):
        return None
    ends = np.flatnonzero(np.frombuffer(plain, np.uint8) == ord("\n"))
    if not plain.endswith(b"\n"):
        ends = np.append(ends, len(plain))
    # Without the line ends, of which there is one less before every line than before its end.
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    texts = pa.StringArray.from_buffers(
        len(ends), pa.py_buffer(offsets), pa.py_buffer(plain.replace(b"\n", b"") if len(ends) else b"")
    )
    there = offsets[1:] > offsets[:-1]
    if there.all():
        return texts, np.arange(len(ends))
    return texts.filter(pa.array(there)), np.flatnonzero(there)


def fields(
    block: bytes, names: Sequence[str], *, delimiter: str, quote: str | None, differ: frozenset[str] = frozenset()
) -> tuple[pa.Table, NDArray[np.int64]] | None:
    """Return the records of a block as columns of text, and the places of their lines; None if one is not simple.

    Columns are dictionaries of their texts, but for those of which it is said that the texts differ.

    Simple: a record is a line, has as many fields as there are names, and quotes stand around whole fields only. What
    is not simple has to be read by rules that look at one character after the other.
    """
    bare = b"\r" in block and block.count(b"\r") != block.count(b"\r\n")
    if b"\0" in block or not delimiter.isascii() or bare:
        return None
    quoted = quote is not None and quote.encode() in block
    if quoted and not _quotes_are_plain(block, delimiter, str(quote)):
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(names), use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char=quote if quoted else False, escape_char=False, ignore_empty_lines=True
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() if name in differ else CODED for name in names},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    count = line_count(block)
    if table.num_rows == count:
        return table, np.arange(count)
    places = np.flatnonzero([bool(line.strip(b"\r")) for line in block.split(b"\n")])
    return (table, places) if len(places) == table.num_rows else None


def _quotes_are_plain(block: bytes, delimiter: str, quote: str) -> bool:
    """Whether every quote begins or ends a field of one line, or is one of two that stand for one inside a field."""
    if not quote.isascii():
        return False
    padded = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    at = np.flatnonzero(padded == ord(quote))
    if len(at) % 2:
        return False
    opening, closing = at[::2], at[1::2]
    before, after = padded[opening - 1], padded[closing + 1]
    edges = (ord(delimiter), ord("\n"), ord(quote))
    begins = np.isin(before, edges)
    ends = np.isin(after, (*edges, ord("\r")))
    if not (begins.all() and ends.all()):
        return False
    newlines = np.flatnonzero(padded == ord("\n"))
    return bool((np.searchsorted(newlines, opening) == np.searchsorted(newlines, closing)).all())
