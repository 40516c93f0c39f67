"""Named shortcuts: how the usual lines of a log are split faster than by the pattern, which reads all others.

A shortcut is right if it gives what the pattern of its connector gives, on every line that it takes. Splitting lines by
a pattern costs more than all that comes after it, so it is worth a second way: a reader of tables splits a whole block,
and what it says is checked against the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from journeymining.ingest.blocks import CODED

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """What a shortcut made of a block of lines."""

    fields: dict[str, pa.Array]
    """The fields of the lines that it took, as dictionaries of their texts or, where these differ, as they are."""
    places: NDArray[np.int64]
    """Where in the block these lines are."""


@dataclass(frozen=True)
class Shortcut:
    """A way to split lines: the fields that these have, and a function of a block of them."""

    fields: tuple[str, ...]
    split: Callable[[bytes, frozenset[str]], Split | None]


# Column -> whether it stands in quotation marks, and what it has to be.
_WORD, _FREE = r'^[^\s"]+$', r'^[^"\\]*$'
_COMBINED = {
    "host": (False, _WORD),
    "identity": (False, _WORD),
    "user": (False, r'^[^\s"]*$'),
    "clock": (False, r'^\[[^\]\s"]*$'),
    "zone": (False, r'^[^\]\s"]*\]$'),
    "request": (True, _FREE),
    "status": (False, r"^\d{3}$"),
    "bytes": (False, _WORD),
    "referer": (True, _FREE),
    "agent": (True, _FREE),
    "cookie": (True, _FREE),
}
COMBINED = ("host", "identity", "user", "time", "request", "status", "bytes", "referer", "agent", "cookie")


def combined_log(block: bytes, differ: frozenset[str] = frozenset()) -> Split | None:
    r"""Split the usual lines of a log in the combined format; None if the block does not begin with one.

    Looking for equal texts is in vain in the fields of which it is said that they ``differ``.

    Examples
    --------
    >>> line = b'192.0.2.1 - - [29/Mar/2026:01:59:59 +0100] "GET / HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
    >>> split = combined_log(line + b"nonsense\n" + line)
    >>> split.fields["time"].to_pylist(), split.places.tolist()
    (['29/Mar/2026:01:59:59 +0100', '29/Mar/2026:01:59:59 +0100'], [0, 2])
    """
    block = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if b"\0" in block or b"\r" in block:
        return None
    block = block if block.endswith(b"\n") else block + b"\n"
    plain, places = _without_escapes(block)
    names = list(_COMBINED)[: 11 if plain[: plain.find(b"\n")].count(b'"') == 8 else 10]
    types = {name: pa.string() if name in differ else CODED for name in names}
    found = _as_table(plain, types)
    if found is None:
        # Mostly a line that was cut: a quotation mark that is not closed hides the end of its line.
        plain, places = _with_closed_quotes(plain, places)
        found = _as_table(plain, types)
    if found is None:
        return None
    table, rows = found
    columns = {name: table.column(name).combine_chunks() for name in names}
    good = _stands_there(plain, columns, rows)
    if not (len(good) and good[0] and rows[0] == 0):
        return None
    fields = columns if good.all() else {name: column.filter(pa.array(good)) for name, column in columns.items()}
    fields["time"] = _time(fields.pop("clock"), fields.pop("zone"))
    if "cookie" not in fields:
        fields["cookie"] = pa.nulls(len(fields["time"]), pa.string() if "cookie" in differ else CODED)
    return Split({name: fields[name] for name in COMBINED}, places[rows[good]])


def _without_escapes(block: bytes) -> tuple[bytes, NDArray[np.int64]]:
    """Return a block without the lines that hold a backslash, and the places of those that are left.

    Such lines may hold quotation marks that end nothing, which would confuse a reader of tables for many lines.
    """
    at = block.find(b"\\")
    if at < 0:
        return block, np.arange(block.count(b"\n"))
    kept, left, first, begun = [], [], 0, 0
    while at >= 0:
        start, end = block.rfind(b"\n", 0, at) + 1, block.find(b"\n", at) + 1
        place = first + block.count(b"\n", begun, start)
        kept.append(block[begun:start])
        left.append(place)
        first, begun = place + 1, end
        at = block.find(b"\\", end)
    kept.append(block[begun:])
    lines = np.ones(first + block.count(b"\n", begun), bool)
    lines[left] = False
    return b"".join(kept), np.flatnonzero(lines)


def _with_closed_quotes(block: bytes, places: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int64]]:
    lines = [line + b"\n" for line in block.split(b"\n")[:-1]]
    closed = [line.count(b'"') % 2 == 0 for line in lines]
    return b"".join(line for line, fine in zip(lines, closed, strict=True) if fine), places[closed]


def _as_table(block: bytes, types: dict[str, pa.DataType]) -> tuple[pa.Table, NDArray[np.int64]] | None:
    """Return the lines that have as many fields as there are names, and their places; None if these are not sure."""
    others: list[int] = []

    def other(row: Any) -> str:
        others.append(row.number - 1)
        return "skip"

    lines = block.count(b"\n")
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(block),
            # One block: places of lines are counted from its beginning.
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(types), use_threads=False, block_size=len(block) + 1
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=" ",
                quote_char='"',
                double_quote=False,
                escape_char=False,
                ignore_empty_lines=False,
                invalid_row_handler=other,
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False, check_utf8=False),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(others) != lines:
        return None
    taken = np.ones(lines, bool)
    taken[others] = False
    return table, np.flatnonzero(taken)


def _stands_there(block: bytes, columns: dict[str, pa.Array], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of which lines the fields are the line: with their quotation marks, and one space between two of them."""
    good = np.ones(len(rows), bool)
    widths = []
    for name, column in columns.items():
        texts, codes = (column, None) if column.type == pa.string() else (column.dictionary, column.indices.to_numpy())
        fits = pc.match_substring_regex(texts, _COMBINED[name][1]).to_numpy(zero_copy_only=False)
        width = pc.binary_length(texts).to_numpy()
        if not fits.all():
            good &= fits if codes is None else fits.take(codes)
        widths.append(width if codes is None else width.take(codes))
    quotes = sum(2 for name in columns if _COMBINED[name][0])
    length = np.sum(widths, axis=0, dtype=np.int64) + (len(widths) + quotes)
    ends = np.cumsum(length)
    data = np.frombuffer(block, np.uint8)
    at = ends - length
    if not len(ends) or ends[-1] != len(data):
        # Some lines are none of these: where each begins has to be looked up.
        at = np.concatenate([[0], np.flatnonzero(data == ord("\n")) + 1])[rows]
    for (name, width), end in zip(zip(columns, widths, strict=True), [*" " * (len(widths) - 1), "\n"], strict=True):
        if _COMBINED[name][0]:
            good &= data.take(at, mode="clip") == ord('"')
            at += 1
            at += width
            good &= data.take(at, mode="clip") == ord('"')
            at += 1
        else:
            at += width
        good &= data.take(at, mode="clip") == ord(end)
        at += 1
    return good


def _time(clock: pa.DictionaryArray, zone: pa.DictionaryArray) -> pa.DictionaryArray:
    pairs = clock.indices.to_numpy().astype(np.int64) * len(zone.dictionary) + zone.indices.to_numpy()
    coded = pa.array(pairs).dictionary_encode()
    distinct = coded.dictionary.to_numpy()
    clocks = pc.utf8_slice_codeunits(clock.dictionary, 1).take(pa.array(distinct // len(zone.dictionary)))
    zones = pc.utf8_slice_codeunits(zone.dictionary, 0, -1).take(pa.array(distinct % len(zone.dictionary)))
    return pa.DictionaryArray.from_arrays(coded.indices, pc.binary_join_element_wise(clocks, zones, " "))


SHORTCUTS = {"combined_log": Shortcut(COMBINED, combined_log)}
