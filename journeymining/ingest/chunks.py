"""A stream's records, a portion at a time, so that memory does not grow with the stream.

Records that are made of their own raw record only are read from the raw files. Others (of what was pulled, the newest
version; with fields of other streams; several that are one) are made for the whole stream first, where DuckDB spills.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.ingest.coded import Coded, joined, made, queried
from journeymining.ingest.hashes import number_hashes, row_hashes
from journeymining.ingest.landing import ahead
from journeymining.ingest.raw import BYTES, GROUP
from journeymining.ingest.readers import FILE, LINE, PROBLEM, TEXT
from journeymining.ingest.records import column, fields_sql, is_plain, joined_sql, value_sql
from journeymining.ingest.remote import CURSOR
from journeymining.ingest.seen import Seen
from journeymining.ingest.values import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.ingest.specs import Stream
    from journeymining.ingest.streams import Source


PARSED = 4 << 20
"""Bytes of texts that are parsed at a time."""


@dataclass
class Portion:
    """Some records of a stream, with all fields that rules may use."""

    file: Coded
    line: NDArray[np.int64]
    problem: Coded
    """Why a record cannot be read; mostly null."""
    fields: dict[str, Coded]
    """``f:<field>`` -> its texts."""
    in_order: bool
    """Whether every record is in a line of its own, and lines come one after the other, as do files."""
    key: NDArray[np.uint64]
    """The hash of what identifies a record."""
    keyed: NDArray[np.bool_]
    """Whether a record has a key."""

    @property
    def rows(self) -> int:
        """The number of records."""
        return len(self.line)

    @cached_property
    def readable(self) -> NDArray[np.int64]:
        """The places of the records that can be read."""
        return np.flatnonzero(~self.problem.there)

    @cached_property
    def file_rank(self) -> NDArray[np.int64]:
        """Of every record the place of its file among their names."""
        ranks: NDArray[np.int64] = pc.rank(self.file.values, tiebreaker="dense").to_numpy().astype(np.int64)
        return ranks[self.file.codes]


def portions(source: Source, name: str, fields: Mapping[str, str]) -> Iterator[Portion]:
    """Yield one portion of a stream after the other, in the order of the records.

    Parameters
    ----------
    source : Source
        The source, with its database.
    name : str
        The stream.
    fields : mapping of str to str
        Stream -> SQL that reads its fields, of the streams whose fields were stored.
    """
    stream = source.connector.streams[name]
    repeats = Repeats() if stream.key == "content" else None
    for raw in _raw(source, name, stream, fields):
        table = _with_fields(source, stream, raw) if name not in fields else raw
        yield _portion(source, stream, table, repeats)


def _portion(source: Source, stream: Stream, table: Mapping[str, Coded], repeats: Repeats | None) -> Portion:
    found = dict(table)
    file, line, problem = found.pop(FILE), _numbers(found.pop(LINE)), found.pop(PROBLEM)
    rows = len(line)
    for name, rules in stream.values.items():
        found |= made(source.db, {f"f:{name}": value_sql(rules)}, found, rows)
    identifying = stream.names if stream.key == "content" else stream.key
    columns = {name: found[f"f:{name}"] for name in identifying}
    portion = Portion(file, line, problem, found, False, row_hashes(source.db, columns, rows), np.ones(rows, bool))
    portion.in_order = not stream.unfold and _in_order(portion)
    if repeats is not None:
        portion.key ^= number_hashes(repeats.numbers(portion))
    else:
        portion.keyed = np.logical_or.reduce([one.there for one in columns.values()])
    return portion


def _numbers(one: Coded) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = pc.fill_null(one.values, 0).to_numpy()
    return numbers[one.codes]


def _in_order(portion: Portion) -> bool:
    """Whether the lines of a file come one after the other, and one file after the other."""
    files, lines = portion.file_rank, portion.line
    return bool((np.where(files[1:] == files[:-1], lines[1:] > lines[:-1], files[1:] > files[:-1])).all())


def _raw(source: Source, name: str, stream: Stream, fields: Mapping[str, str]) -> Iterator[dict[str, Coded]]:
    if name in fields:
        order = f"ORDER BY {FILE}, {LINE}"
        query = fields[name] if is_plain(stream) else f"({joined_sql(stream, fields[name], fields)})"
        source.store(f"whole-{name}", f"SELECT * FROM {query} {order}")
        tables = ahead(_whole_lines(source.parquet(f"whole-{name}")))
    elif name in source.landings:
        tables = source.landings[name].told()
    else:
        tables = ahead(table for file in source.files(name) for table in read_portions(file))
    for table in tables:
        yield {name: Coded.of(table.column(name)) for name in table.column_names}


def read_portions(file: Path) -> Iterator[pa.Table]:
    """Yield the rows of a Parquet file, some row groups at a time; texts that come again as dictionaries."""
    with pq.ParquetFile(file) as opened:
        group = opened.metadata.row_group(0) if opened.num_row_groups else None
        columns = [group.column(place) for place in range(group.num_columns)] if group else []
        coded = [one.path_in_schema for one in columns if one.has_dictionary_page and one.physical_type == "BYTE_ARRAY"]
    with pq.ParquetFile(file, read_dictionary=coded) as opened:
        waiting: list[pa.Table] = []
        for place in range(opened.num_row_groups):
            waiting.append(opened.read_row_group(place))
            if sum(one.num_rows for one in waiting) >= GROUP or sum(one.nbytes for one in waiting) >= BYTES:
                yield from _cut(waiting)
                waiting = []
        yield from _cut(waiting)


def _cut(tables: list[pa.Table]) -> Iterator[pa.Table]:
    if not tables:
        return
    whole = pa.concat_tables(tables)
    # A row group is not cut for a few rows more.
    size = GROUP if whole.num_rows > 2 * GROUP else max(whole.num_rows, 1)
    for start in range(0, whole.num_rows, size):
        yield whole.slice(start, size)


def _whole_lines(file: Path) -> Iterator[pa.Table]:
    """Yield portions of a sorted file in which no line is cut: it may hold several records."""
    rest: pa.Table | None = None
    for portion in read_portions(file):
        table = portion if rest is None else pa.concat_tables([rest, portion])
        lines = table.column(LINE).to_numpy()
        others = np.flatnonzero(lines != lines[-1])
        cut = int(others[-1]) + 1 if len(others) else 0
        if cut:
            yield table.slice(0, cut)
        rest = table.slice(cut)
    if rest is not None and rest.num_rows:
        yield rest


def _with_fields(source: Source, stream: Stream, raw: dict[str, Coded]) -> dict[str, Coded]:
    """Return the fields of raw records, with their file, line and problem."""
    if stream.format.type in {"csv", "parquet", "w3c"}:
        return _own_columns(source, stream, raw, {name: source.config.columns.get(name, name) for name in stream.names})
    split = {name: column_name for name in stream.names if (column_name := f"f:{name}") in raw}
    if not split:
        return _parsed(source, stream, raw)
    whole = raw[TEXT].there
    if not whole.any():
        return _own_columns(source, stream, raw, split)
    # Lines that are not split yet are among those that are.
    two = (
        _own_columns(source, stream, {name: one.at(~whole) for name, one in raw.items()}, split),
        _parsed(source, stream, {name: one.at(whole) for name, one in raw.items()}),
    )
    back = np.argsort(np.concatenate([np.flatnonzero(~whole), np.flatnonzero(whole)]))
    return {name: joined([one[name] for one in two]).at(back) for name in two[0]}


def _own_columns(
    source: Source, stream: Stream, raw: Mapping[str, Coded], names: Mapping[str, str]
) -> dict[str, Coded]:
    """Return the fields that have columns of their own; the texts that mean nothing are null."""
    rows = len(raw[FILE])
    found = {name: raw[name] for name in (FILE, LINE, PROBLEM)}
    for name in stream.names:
        if name in source.config.set:
            found[f"f:{name}"] = Coded.same(source.config.set[name], rows)
        elif names.get(name) in raw:
            found[f"f:{name}"] = _cleared(raw[names[name]], stream.format.nulls)
        else:
            found[f"f:{name}"] = Coded.same(None, rows)
    return found


def _cleared(one: Coded, nulls: tuple[str, ...]) -> Coded:
    if not nulls:
        return one
    means_nothing = pc.is_in(pc.utf8_trim(one.values, " "), pa.array(nulls, pa.string()))
    if not pc.any(means_nothing).as_py():
        return one
    return Coded(one.codes, pc.if_else(means_nothing, pa.scalar(None, one.values.type), one.values))


def _parsed(source: Source, stream: Stream, raw: Mapping[str, Coded]) -> dict[str, Coded]:
    """Return the fields of records that are one text each."""
    table = pa.table({name: one.values.take(pa.array(one.codes)) for name, one in raw.items()})
    found = _parsed_table(source, stream, table)
    return {name: Coded.of(found.column(name)) for name in found.column_names}


def _parsed_table(source: Source, stream: Stream, table: pa.Table) -> pa.Table:
    query = fields_sql(stream, "given_rows", table.column_names, source.config)
    # DuckDB parses 2,048 records at a time, in up to thirty times the memory of their texts.
    rows = max(1, int(PARSED * table.num_rows / max(table.nbytes, 1)))
    if rows >= min(table.num_rows, 2048):
        return queried(source.db, table, query)
    slices = range(0, table.num_rows, rows)
    return pa.concat_tables([queried(source.db, table.slice(first, rows), query) for first in slices])


def raw_fields(source: Source, name: str, files: list[Path], label: str) -> str:
    """Return SQL of the fields of raw files; those of JSON are parsed, a portion at a time, and written first."""
    stream = source.connector.streams[name]
    if stream.format.type == "json_lines":
        return _store_parsed(source, f"{label}-{name}", stream, (one for file in files for one in read_portions(file)))
    raw = raw_sql(files)
    available = [row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {raw}")]
    return f"({fields_sql(stream, raw, available, source.config)})"


def _store_parsed(source: Source, label: str, stream: Stream, tables: Iterator[pa.Table]) -> str:
    """Write the fields of JSON records, a portion at a time, and return SQL that reads them."""
    path = source.parquet(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [(column_name, pa.string()) for column_name in (PROBLEM, *(f"f:{field}" for field in stream.names))]
    schema = pa.schema([(FILE, pa.string()), (LINE, pa.int64()), *texts])
    with pq.ParquetWriter(path, schema, compression="snappy") as writer:
        for table in ahead(tables):
            plain = [
                one.cast(one.type.value_type) if pa.types.is_dictionary(one.type) else one for one in table.columns
            ]
            found = _parsed_table(source, stream, pa.table(plain, names=table.column_names))
            writer.write_table(found.select(schema.names).cast(schema))
    return f"read_parquet({literal(str(path))})"


def _ranked(files: list[Path], ranks: pa.Table) -> Iterator[pa.Table]:
    """Yield raw records of batches, a portion at a time, as `journeymining.ingest.batches.ranked_sql` has them."""
    for file in files:
        for table in read_portions(file):
            columns = {one: table.column(one) for one in table.column_names}
            cursor = columns.pop(CURSOR, None)
            columns[FILE] = pa.repeat(pa.scalar(file.parent.name), table.num_rows)
            columns[LINE] = pa.array(np.zeros(table.num_rows, np.int64))
            if cursor is not None:
                texts = cursor.cast(pa.string()) if pa.types.is_dictionary(cursor.type) else cursor
                places = pc.index_in(texts, ranks.column("cursor"))
                columns[LINE] = pc.fill_null(ranks.column("rank").take(places), 0)
            yield pa.table(columns)


class Repeats:
    """Numbers equal records of one file: equal lines are different records, equal files are the same twice."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def numbers(self, portion: Portion) -> NDArray[np.int64]:
        """Return of every record how many of its file, with itself, have been equal to it so far."""
        known = portion.file.told()
        # Files come one after the other: only those of this portion can go on in the next one.
        self._seen = {name: self._seen.get(name, Seen()) for name in known}
        numbers = np.ones(portion.rows, np.int64)
        order = np.arange(portion.rows) if portion.in_order else np.lexsort([portion.line, portion.file_rank])
        for name, seen in self._seen.items():
            rows = order if len(known) == 1 else order[portion.file.among([name])[order]]
            numbers[rows] += seen.add(portion.key[rows])
        return numbers


def stored_fields(source: Source, name: str) -> str:
    """Write the fields of a stream's raw records, and return SQL that reads them; a stream without files has none."""
    from journeymining.ingest.batches import newest_sql, ranked_sql, ranks_sql

    stream = source.connector.streams[name]
    files = source.files(name)
    if not files:
        items = ", ".join(f"CAST(NULL AS VARCHAR) AS {column(field)}" for field in stream.names)
        ours = f"CAST(NULL AS VARCHAR) AS {FILE}, CAST(NULL AS BIGINT) AS {LINE}, CAST(NULL AS VARCHAR) AS {PROBLEM}"
        return source.store(f"fields-{name}", f"SELECT {ours}, {items} WHERE false")
    if source.config.from_files:
        found = raw_fields(source, name, files, "parsed")
        return found if stream.format.type == "json_lines" else source.store(f"fields-{name}", found)
    available = [row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {raw_sql(files)}")]
    cursor = CURSOR in available
    if stream.format.type == "json_lines":
        nothing = "SELECT CAST(NULL AS VARCHAR) AS cursor, CAST(0 AS BIGINT) AS rank WHERE false"
        ranks = source.db.sql(ranks_sql(files) if cursor else nothing).to_arrow_table()
        query = f"SELECT * FROM {_store_parsed(source, f'parsed-{name}', stream, _ranked(files, ranks))}"
    else:
        query = fields_sql(stream, ranked_sql(files, cursor=cursor), available, source.config)
    # What identifies a record only after others were joined to it cannot tell two versions of it.
    own = stream.key != "content" and not stream.collapse and set(stream.key) <= set(stream.names)
    key = [column(field) for field in stream.key] if own else None
    names = [column(field) for field in stream.names]
    repeats = source.config.scheme == "http"
    return source.store(f"fields-{name}", newest_sql(query, names, key, label=name, repeats=repeats))


def raw_sql(files: list[Path]) -> str:
    """Return SQL that reads raw files; what one of them lacks is null there."""
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name = true)"


def raw_files(files: list[Path]) -> set[str]:
    """Return the names of the files that raw records came from, as the statistics of row groups tell them.

    Where they do not tell, or a row group has several, two made-up names stand for them.
    """
    found: set[str] = set()
    for file in files:
        read = pq.ParquetFile(file).metadata
        place = read.schema.names.index(FILE)
        for group in range(read.num_row_groups):
            known = read.row_group(group).column(place).statistics
            found |= {known.min, known.max} if known is not None and known.has_min_max else {"?", "??"}
    return found
