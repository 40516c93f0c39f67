"""Write XES as a stream of slices; every row becomes its XML inside the columnar engine."""

from __future__ import annotations

import gzip
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, cast

import polars as pl

from journeymining.eventlog.schema import XES_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_ROWS_PER_SLICE = 100_000
_HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849-2016" xes.features="" xmlns="http://www.xes-standard.org/">
\t<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
\t<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
\t<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
\t<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
\t<global scope="trace">
\t\t<string key="concept:name" value=""/>
\t</global>
\t<global scope="event">
\t\t<string key="concept:name" value=""/>
\t\t<date key="time:timestamp" value="1970-01-01T00:00:00.000000+00:00"/>
\t</global>
\t<classifier name="Activity" keys="concept:name"/>
"""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
# XML 1.0 cannot hold these at all, not even escaped.
_UNWRITABLE = "[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]"


def write_xes(log: pa.Table, path: Path) -> int:
    """Write an event log as XES, compressed if the name ends with ``.gz``.

    Parameters
    ----------
    log : Table, one row per event
        An event log, in its order. Journey, activity, timestamp and resource get the names of the standard; the
        other columns keep theirs, with the XES type of theirs. Columns ``case:<name>`` and ``customer_id`` become
        attributes of the trace if they are constant in every journey. Nulls are omitted, and so is ``source_order``:
        the place in the trace says it.
    path : Path
        The file to write.

    Returns
    -------
    int
        How many values held characters that XML cannot hold; those were replaced by U+FFFD.
    """
    frame = pl.DataFrame(pl.from_arrow(log)).drop("source_order", strict=False)
    with path.open("wb") as raw:
        # No name and no time in the compressed file, so that equal logs give equal files.
        packed = path.suffix == ".gz"
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0)
            if packed
            else nullcontext(raw) as opened
        ):
            return _write(frame, cast("IO[bytes]", opened))


def _write(frame: pl.DataFrame, stream: IO[bytes]) -> int:
    of_trace = _trace_columns(frame)
    keys = {column: _key(column, column in of_trace) for column in frame.columns if column != "journey_id"}
    replaced = 0
    stream.write(_HEADER.encode())
    last: str | None = None
    for piece in frame.iter_slices(_ROWS_PER_SLICE):
        text, last, bad = _piece(piece, last, of_trace, keys)
        replaced += bad
        stream.write(text.encode())
    stream.write(b"\t</trace>\n</log>\n" if last is not None else b"</log>\n")
    return replaced


def _piece(
    piece: pl.DataFrame, last: str | None, of_trace: list[str], keys: dict[str, str]
) -> tuple[str, str | None, int]:
    """Return the XML of some rows, the journey they end in, and how many values could not be written whole."""
    texts = [name for name, kind in piece.schema.items() if kind == pl.String]
    bad = int(piece.select(pl.col(texts).str.contains(_UNWRITABLE).sum()).sum_horizontal().item()) if texts else 0
    starts = pl.col("journey_id") != pl.col("journey_id").shift(1, fill_value=last)
    close = (
        pl.when(pl.col("journey_id").shift(1, fill_value=last).is_null())
        .then(pl.lit(""))
        .otherwise(pl.lit("\t</trace>\n"))
    )
    trace = pl.concat_str(
        close,
        pl.lit('\t<trace>\n\t\t<string key="concept:name" value="') + _escaped("journey_id") + pl.lit('"/>\n'),
        *(_attribute(name, keys[name], piece.schema[name], indent=2) for name in of_trace),
    )
    event = pl.concat_str(
        pl.lit("\t\t<event>\n"),
        *(_attribute(name, key, piece.schema[name], indent=3) for name, key in keys.items() if name not in of_trace),
        pl.lit("\t\t</event>\n"),
    )
    begin = pl.when(starts.fill_null(value=True)).then(trace).otherwise(pl.lit(""))
    text = piece.select(pl.concat_str(begin, event).str.join("")).item()
    return text, piece["journey_id"][-1], bad


def _attribute(name: str, key: str, kind: pl.DataType, *, indent: int) -> pl.Expr:
    """Return the XML element of a column, empty where it is null."""
    tag, value = "string", _escaped(name)
    if isinstance(kind, pl.Datetime):
        tag, value = "date", pl.col(name).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f") + pl.lit("+00:00")
    elif kind == pl.Boolean:
        tag, value = "boolean", pl.col(name).cast(pl.String)
    elif kind.is_integer():
        tag, value = "int", pl.col(name).cast(pl.String)
    elif kind.is_float():
        tag, value = "float", pl.col(name).cast(pl.String)
    safe = pl.select(_escape(pl.lit(key))).item()
    start = "\t" * indent + f'<{tag} key="{safe}" value="'
    return (pl.lit(start) + value + pl.lit('"/>\n')).fill_null("")


def _escaped(name: str) -> pl.Expr:
    return _escape(pl.col(name).cast(pl.String))


def _escape(text: pl.Expr) -> pl.Expr:
    return text.str.replace_many(list(_ESCAPES), list(_ESCAPES.values())).str.replace_all(_UNWRITABLE, "\ufffd")


def _trace_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns that are the same throughout every journey and are meant to belong to it."""
    meant = [name for name in frame.columns if name.startswith("case:")]
    if not (frame["customer_id"] == frame["journey_id"]).all():
        meant.append("customer_id")
    changes = frame.group_by("journey_id").agg(pl.col(meant).n_unique()) if meant else frame.clear()
    return [name for name in meant if changes.is_empty() or changes[name].max() == 1]


def _key(column: str, of_trace: bool) -> str:
    """Return the name of a column in the file; one that the standard has for another column is marked."""
    standard = {name: xes for xes, name in XES_NAMES.items()}
    if column in standard:
        return standard[column]
    key = column.removeprefix("case:") if of_trace else column
    return f"attribute:{key}" if key in {*XES_NAMES} else key
