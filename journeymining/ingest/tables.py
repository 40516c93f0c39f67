"""The tables that one stream of a source gives: events, answers, identifiers and what was rejected, as Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.ingest.chunks import raw_sql
from journeymining.ingest.coded import Coded, one_chunk
from journeymining.ingest.mapping import EVENT_COLUMNS, IDENTIFIER_COLUMNS, REJECTED_COLUMNS, SURVEY_COLUMNS
from journeymining.ingest.parts import PartWriter, schema_of
from journeymining.ingest.readers import FILE, LINE
from journeymining.ingest.values import identifier, literal, number_sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from journeymining.ingest.chunks import Portion
    from journeymining.ingest.mapping import Candidates
    from journeymining.ingest.specs import Stream
    from journeymining.ingest.streams import Source


class Tables:
    """The tables of a stream while its portions are mapped: one part of each result table, none where nothing came.

    Parameters
    ----------
    source : Source
        The source, with its folder for tables.
    name : str
        The stream.
    stream : Stream
        Its rules.
    kinds : mapping of str to str
        Identifier of the stream -> its kind.
    """

    def __init__(self, source: Source, name: str, stream: Stream, kinds: Mapping[str, str]) -> None:
        self.source, self.name, self.stream, self.kinds = source, name, stream, kinds
        self.parts: dict[str, PartWriter] = {}

    def finish(self) -> int:
        """Finish the tables, and return the number of identifiers."""
        for part in self.parts.values():
            part.close()
        identifiers = self._finish_identifiers()
        if self.stream.order and "source_events" in self.parts:
            self._number_events()
        if self.source.config.rejected_text and "rejected" in self.parts:
            self._add_text()
        return identifiers

    def events(self, portion: Portion, events: Candidates, ids: pa.Array) -> None:
        """Write events."""
        columns = events.columns
        ordered = {name: one.array() for name, one in columns.items() if name.startswith("o:")}
        lines = portion.line[events.record]
        number = lines * len(self.stream.events) + events.rule
        given = {
            **self._constants(len(events)),
            **{name: columns[name].array() for name in EVENT_COLUMNS if name in columns},
            "event_id": ids,
            # By the fields of the stream, where it has such: see `_number_events`.
            "source_order": pa.nulls(len(events), pa.int64()) if ordered else pa.array(number),
        }
        extra = dict.fromkeys(ordered, "VARCHAR")
        if ordered:
            ours = {FILE: portion.file.at(events.record).array(), LINE: pa.array(lines), "_rule": pa.array(events.rule)}
            given |= {**ordered, **ours}
            extra |= {FILE: "VARCHAR", LINE: "BIGINT", "_rule": "BIGINT"}
        self._part("source_events", {**EVENT_COLUMNS, **extra}).write(given)

    def surveys(self, answers: Candidates, ids: pa.Array) -> None:
        """Write answers."""
        columns = {name: answers.columns[name].array() for name in SURVEY_COLUMNS if name in answers.columns}
        given = {**columns, **self._constants(len(answers)), "survey_id": ids, "event_id": ids}
        self._part("surveys", SURVEY_COLUMNS).write(given)

    def _constants(self, rows: int) -> dict[str, pa.Array]:
        texts = {"source": self.source.name, "stream": self.name}
        return {name: Coded.same(text, rows).array() for name, text in texts.items()}

    def _number_events(self) -> None:
        """Say in which order events of one time came, where records have an order of their own."""
        fields = ", ".join(f"{number_sql(identifier(f'o:{field}'))} NULLS FIRST" for field in self.stream.order)
        number = f"row_number() OVER (PARTITION BY timestamp ORDER BY {fields}, {FILE}, {LINE}, _rule, event_id)"
        items = ", ".join(f"{number} AS {one}" if one == "source_order" else one for one in EVENT_COLUMNS)
        path = self.parts["source_events"].path
        query = f"SELECT {items} FROM read_parquet({literal(str(path))})"
        self._replace(path, f"{query} ORDER BY {FILE}, {LINE}, _rule, timestamp, event_id")

    def _replace(self, path: Path, query: str) -> int:
        """Write a part again, as a query of itself says; return its rows."""
        work = path.with_suffix(".again")
        copied = self.source.rows(f"COPY ({query}) TO {literal(str(work))} (FORMAT parquet, COMPRESSION zstd)")
        work.replace(path)
        return int(copied[0][0])

    def identifiers(self, good: Candidates, ids: pa.Array, pseudonyms: Mapping[str, Coded]) -> None:
        """Write the identifiers of candidates."""
        tables = []
        for one, kind in self.kinds.items():
            values = pseudonyms[one].at(good.record)
            there = np.flatnonzero(values.there)
            all_there = len(there) == len(good)
            columns = {
                "source": Coded.same(self.source.name, len(there)),
                "kind": Coded.same(kind, len(there)),
                "value_hash": values.at(there),
                "timestamp": good.columns["timestamp"].at(there),
            }
            arrays = {name: column.array() for name, column in columns.items()}
            tables.append({**arrays, "event_id": ids if all_there else ids.take(pa.array(there))})
        # A record may say one thing twice, in two fields of one kind.
        if len(set(self.kinds.values())) < len(self.kinds):
            tables = [_once(tables)]
        for table in tables:
            if len(table["event_id"]):
                self._part("identifiers", IDENTIFIER_COLUMNS).write(table)

    def _finish_identifiers(self) -> int:
        """Return the number of identifiers; of records that only link them, those that are there twice count once."""
        part = self.parts.get("identifiers")
        if part is None:
            return 0
        if self.stream.events or self.stream.survey:
            return part.rows
        once = f"""
            SELECT source, event_id, kind, value_hash, min(timestamp) AS timestamp
            FROM read_parquet({literal(str(part.path))}) GROUP BY ALL ORDER BY event_id, kind, value_hash"""
        return self._replace(part.path, once)

    def reject(self, portion: Portion, records: NDArray[np.int64], reasons: Coded) -> None:
        """Write records that are rejected."""
        rows = {
            "file": portion.file.at(records).array(),
            "line": pa.array(portion.line[records]),
            "reason": reasons.array(),
        }
        order = [(name, "ascending") for name in rows]
        table = pa.table(
            {name: array.cast(schema_of(REJECTED_COLUMNS).field(name).type) for name, array in rows.items()}
        )
        table = table.sort_by(order)
        given = {name: one_chunk(table.column(name)) for name in rows}
        nothing = pa.nulls(len(records), pa.string())
        self._part("rejected", REJECTED_COLUMNS).write({**self._constants(len(records)), **given, "record": nothing})

    def _add_text(self) -> None:
        """Give the rejected rows the text of their records."""
        source, path = self.source, self.parts["rejected"].path
        kept = raw_sql(source.files(self.name))
        if not source.config.from_files:
            kept = f"read_parquet({literal(str(source.parquet(f'fields-{self.name}')))})"
        raw = f"SELECT {FILE} AS file, {LINE} AS line, any_value(to_json(raw)) AS text FROM {kept} AS raw GROUP BY ALL"
        self._replace(
            path,
            f"SELECT r.* REPLACE (CAST(t.text AS VARCHAR) AS record) FROM read_parquet({literal(str(path))}) AS r "
            f"LEFT JOIN ({raw}) AS t USING (file, line) ORDER BY file, line, reason",
        )

    def _part(self, table: str, columns: Mapping[str, str]) -> PartWriter:
        """Return the writer of a part of a result table."""
        if table not in self.parts:
            folder = self.source.work / table
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{len(list(folder.iterdir())):03d}-{self.name}.parquet"
            self.parts[table] = PartWriter(path, columns, self.source.writers)
        return self.parts[table]


def _once(tables: list[dict[str, pa.Array]]) -> dict[str, pa.Array]:
    """Return the rows of some tables, equal ones once."""
    schema = schema_of(IDENTIFIER_COLUMNS)
    whole = pa.concat_tables(
        pa.table([table[one.name].cast(one.type) for one in schema], schema=schema) for table in tables
    )
    once = whole.group_by(schema.names, use_threads=False).aggregate([])
    return {name: one_chunk(once.column(name)) for name in schema.names}
