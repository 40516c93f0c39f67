"""A stream's records, a portion at a time, so that memory does not grow with the stream.

Records that are made of their own raw record only are read from the raw files. Others (of what was pulled, the newest
version; with fields of other streams; several that are one) are made for the whole stream first, where DuckDB spills.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.ingest.mapping import KEYED, RECORDS
from journeymining.ingest.readers import FILE, LINE
from journeymining.ingest.records import column, fields_sql, is_plain, joined_sql, records_sql
from journeymining.ingest.seen import Seen
from journeymining.ingest.values import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from journeymining.ingest.specs import Stream
    from journeymining.ingest.streams import Source

CHUNK = 200_000
"""Raw records of a portion."""

_BATCH = 50_000
"""Rows that one thread reads at a time."""

_RAW = "raw_rows"


def portions(source: Source, name: str, fields: Mapping[str, str]) -> Iterator[None]:
    """Make the tables `RECORDS` and `KEYED` of one portion of a stream after the other, in the order of the records.

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
        source.db.register(_RAW, raw)
        base = _RAW
        if name not in fields:
            base = f"({fields_sql(stream, _RAW, raw.column_names, source.config)})"
        source.db.execute(f"CREATE OR REPLACE TEMP TABLE {RECORDS} AS {records_sql(stream, base)}")
        source.db.unregister(_RAW)
        keyed = f"SELECT * FROM {RECORDS}" if repeats is None else repeats.keyed(source)
        source.db.execute(f"CREATE OR REPLACE TEMP VIEW {KEYED} AS {keyed}")
        yield


def _raw(source: Source, name: str, stream: Stream, fields: Mapping[str, str]) -> Iterator[pa.Table]:
    if name not in fields:
        for file in source.files(name):
            for batch in pq.ParquetFile(file).iter_batches(batch_size=CHUNK):
                yield _sliced(pa.Table.from_batches([batch]))
        return
    order = f"ORDER BY {FILE}, {LINE}"
    query = fields[name] if is_plain(stream) else f"({joined_sql(stream, fields[name], fields)})"
    source.store(f"whole-{name}", f"SELECT * FROM {query} {order}")
    yield from _whole_lines(source.parquet(f"whole-{name}"))


def _whole_lines(file: Path) -> Iterator[pa.Table]:
    """Yield portions of a sorted file in which no line is cut: it may hold several records."""
    rest: pa.Table | None = None
    for batch in pq.ParquetFile(file).iter_batches(batch_size=CHUNK):
        table = pa.Table.from_batches([batch])
        table = table if rest is None else pa.concat_tables([rest, table])
        lines = table.column(LINE).to_numpy()
        others = np.flatnonzero(lines != lines[-1])
        cut = int(others[-1]) + 1 if len(others) else 0
        if cut:
            yield _sliced(table.slice(0, cut))
        rest = table.slice(cut)
    if rest is not None and rest.num_rows:
        yield _sliced(rest)


def _sliced(table: pa.Table) -> pa.Table:
    return pa.Table.from_batches(table.combine_chunks().to_batches(max_chunksize=_BATCH), table.schema)


class Repeats:
    """Numbers equal records of one file: equal lines are different records, equal files are the same twice."""

    def __init__(self) -> None:
        self._seen: dict[str, Seen] = {}

    def keyed(self, source: Source) -> str:
        """Return a query of the table of records with their ``_key``: the hash of the content, and its number."""
        query = f"SELECT {FILE}, {LINE}, _content FROM {RECORDS}"
        rows = source.db.sql(query).to_arrow_table().combine_chunks()
        names = rows.column(FILE).unique().to_pylist()
        if len(names) > 1 or not _ascending(rows.column(LINE)):
            rows = rows.sort_by([(FILE, "ascending"), (LINE, "ascending")])
        # Files come one after the other: only those of this portion can go on in the next one.
        self._seen = {name: self._seen.get(name, Seen()) for name in names}
        numbers = []
        for name, seen in self._seen.items():
            part = rows if len(names) == 1 else rows.filter(pc.equal(rows.column(FILE), name))
            earlier = seen.add(part.column("_content").combine_chunks())
            again = np.flatnonzero(earlier)
            if len(again):
                found = part.take(again).select([FILE, LINE])
                numbers.append(found.append_column("_number", pa.array(earlier[again] + 1)))
        if not numbers:
            return f"SELECT * EXCLUDE (_content), _content || '#1' AS _key FROM {RECORDS}"
        source.db.register("numbered", pa.concat_tables(numbers))
        return (
            f"SELECT r.* EXCLUDE (_content), _content || '#' || coalesce(_number, 1) AS _key "
            f"FROM {RECORDS} AS r LEFT JOIN numbered AS n USING ({FILE}, {LINE})"
        )


def _ascending(numbers: pa.ChunkedArray) -> bool:
    """Whether no number is smaller than the one before it."""
    values = numbers.to_numpy()
    return bool((values[1:] >= values[:-1]).all())


def stored_fields(source: Source, name: str) -> str:
    """Write the fields of a stream's raw records, and return SQL that reads them; a stream without files has none."""
    from journeymining.ingest.batches import newest_sql, ranked_sql
    from journeymining.ingest.readers import PROBLEM
    from journeymining.ingest.remote import CURSOR

    stream = source.connector.streams[name]
    files = source.files(name)
    if not files:
        items = ", ".join(f"CAST(NULL AS VARCHAR) AS {column(field)}" for field in stream.names)
        ours = f"CAST(NULL AS VARCHAR) AS {FILE}, CAST(NULL AS BIGINT) AS {LINE}, CAST(NULL AS VARCHAR) AS {PROBLEM}"
        return source.store(f"fields-{name}", f"SELECT {ours}, {items} WHERE false")
    raw = raw_sql(files)
    available = [row[0] for row in source.rows(f"DESCRIBE SELECT * FROM {raw}")]
    if source.config.from_files:
        return source.store(f"fields-{name}", fields_sql(stream, raw, available, source.config))
    query = fields_sql(stream, ranked_sql(files, cursor=CURSOR in available), available, source.config)
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
