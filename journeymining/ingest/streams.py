"""One source, stream by stream: from raw Parquet to tables of events, identifiers, answers and rejected records."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from journeymining.ingest.batches import batches
from journeymining.ingest.chunks import portions, raw_files, stored_fields
from journeymining.ingest.coded import Coded, made
from journeymining.ingest.connection import SESSION, connect
from journeymining.ingest.distinct import Converted, agent_hash, bot_mark, each, identifier_hashes
from journeymining.ingest.drift import FieldValues, absent_fields, last_batch_fields
from journeymining.ingest.hashes import ids as row_ids
from journeymining.ingest.hashes import row_hashes
from journeymining.ingest.landing import ahead
from journeymining.ingest.mapping import SILENT_EFFORT, can_filter, rules_of
from journeymining.ingest.readers import PROBLEM
from journeymining.ingest.records import column, is_plain, value_sql
from journeymining.ingest.seen import Seen
from journeymining.ingest.specs import kind_of
from journeymining.ingest.tables import Tables
from journeymining.ingest.values import literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import duckdb
    from numpy.typing import NDArray

    from journeymining.ingest.chunks import Portion
    from journeymining.ingest.landing import Landing
    from journeymining.ingest.mapping import Candidates
    from journeymining.ingest.pull import Place
    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Connector, Stream


@dataclass
class Source:
    """What all streams of a source share while it is mapped."""

    name: str
    connector: Connector
    config: SourceConfig
    raw: Path
    work: Path
    zone: str | None
    region: str | None
    key: bytes | None
    place: Place
    db: duckdb.DuckDBPyConnection
    writers: ThreadPoolExecutor
    landings: Mapping[str, Landing]
    """Streams whose records are landed while they are mapped."""

    def files(self, stream: str) -> list[Path]:
        """Return the files of a stream's raw records: of what was pulled, only the batches that count."""
        if self.config.pulled:
            return batches(self.raw, stream)
        return sorted((self.raw / stream).glob("*.parquet"))

    def parquet(self, name: str) -> Path:
        """Return the file of an intermediate table."""
        return self.work / "steps" / f"{name}.parquet"

    def store(self, name: str, query: str) -> str:
        """Write a query to an intermediate file and return SQL that reads it."""
        path = self.parquet(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Read again within seconds: packing them well would take longer than writing more of them.
        self.db.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)")
        return f"read_parquet({literal(str(path))})"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a small query."""
        return self.db.execute(query).fetchall()


def map_streams(
    name: str,
    connector: Connector,
    config: SourceConfig,
    *,
    raw: Path,
    landed: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    landings: Mapping[str, Landing] = MappingProxyType({}),
    work: Path,
    zone: str | None,
    region: str | None,
    key: bytes | None,
    place: Place,
    memory: str,
    threads: int | None,
) -> dict[str, Any]:
    """Map the records of a source, and return the counts; see `journeymining.ingest.pull.ingest_source`.

    Parameters
    ----------
    landed : mapping, optional
        Stream -> what was counted when its records landed, where they have.
    landings : mapping of str to Landing, optional
        Stream -> what lands its records, where they have not.
    """
    import shutil

    # Packing what is done and mapping what comes next go on at the same time.
    with (
        _enough(memory, place),
        connect(work, memory, threads) as db,
        ThreadPoolExecutor(max_workers=1) as writers,
    ):
        source = Source(name, connector, config, raw, work, zone, region, key, place, db, writers, landings)
        stored = _stored(source)
        for stream in stored:
            if stream in source.landings:
                source.landings[stream].land()
        fields = {stream: stored_fields(source, stream) for stream in stored}
        streams = {}
        for stream, spec in connector.streams.items():
            if stream not in source.landings and not landed[stream]["records"]:
                continue
            mapping = _Mapping(source, stream, spec)
            mapping.run(fields)
            counts = source.landings[stream].counts if stream in source.landings else dict(landed[stream])
            if not counts["records"]:
                continue
            if not config.from_files:
                once = int(source.rows(f"SELECT count(*) FROM {fields[stream]}")[0][0])
                # Seen by several pulls: the overlap, and records that changed meanwhile.
                counts |= {"records": once, "read_again": counts["records"] - once}
            streams[stream] = {**counts, **mapping.finish()}
    shutil.rmtree(work / "steps", ignore_errors=True)
    shutil.rmtree(work / "spill", ignore_errors=True)
    return {**_totals(streams), "streams": streams}


@contextmanager
def _enough(memory: str, place: Place) -> Iterator[None]:
    """Say what is wrong where the memory of mapping is not enough: what is large spills, but for a single record."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise place.input_error(
            f"records do not fit into the {memory} of memory they are mapped in. Is one of them very long? "
            "One record may have about 20 MB."
        ) from None


def _totals(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    plain = ("records", "candidates", "events", "surveys", "linking_records", "identifiers")
    totals = {name: sum(counts[name] for counts in streams.values()) for name in plain}
    for name in ("rejected", "left_out"):
        totals[name] = sum(sum(counts[name].values()) for counts in streams.values())
    return totals


def _stored(source: Source) -> list[str]:
    """Return the streams whose fields are made for the whole stream: for themselves or for others."""
    streams = source.connector.streams
    wanted = {lookup.stream for stream in streams.values() for lookup in stream.lookups.values()}
    return [name for name, stream in streams.items() if source.config.pulled or name in wanted or not is_plain(stream)]


class _Mapping:
    """What becomes of the records of one stream, and what is counted on the way."""

    def __init__(self, source: Source, name: str, stream: Stream) -> None:
        self.source, self.name, self.stream = source, name, stream
        self.rules = rules_of(source, name, stream)
        self.counts: dict[str, Any] = dict.fromkeys(("candidates", "events", "surveys", "linking_records"), 0)
        self.rejected, self.left_out, self.lost, self.undeclared = (Counter[str]() for _ in range(4))
        self.effort, self.unanswered = 0, 0
        self.time_rules: Counter[str] = Counter()
        self.without: Counter[str] = Counter()
        self.field_values = FieldValues(stream.names)
        self.seen = {kind: Seen() for kind in self.rules if self._may_repeat(kind)}
        kinds = {one: str(kind_of(one, rules)) for one, rules in stream.identifiers.items()}
        self.tables = Tables(source, name, stream, kinds)
        self.bots = Converted(each(bot_mark))
        self.agents = Converted(each(agent_hash(source.key))) if source.key else None
        self.pseudonyms = {
            one: Converted(identifier_hashes(kind, source.region, source.key)) for one, kind in kinds.items()
        }

    def _may_repeat(self, kind: str) -> bool:
        """Whether two candidates may have one id. Records of one file that are numbered cannot, by one rule."""
        numbered = self.stream.key == "content" and (kind == "surveys" or len(self.stream.events) == 1)
        landing = self.source.landings.get(self.name)
        files = raw_files(self.source.files(self.name)) if landing is None else landing.paths
        return not (numbered and len(files) == 1)

    def run(self, fields: Mapping[str, str]) -> None:
        """Map the stream."""
        if self.name in fields:
            # Before others are joined to them or several become one: of these the first one's fields count.
            self._count_values(fields[self.name])
        with self.source.db.cursor() as cursor:
            cursor.execute(SESSION)
            # The next portion is made while this one is mapped.
            source = replace(self.source, db=cursor)
            for portion, pseudonyms in ahead(self._read(source, fields)):
                self._take(portion, pseudonyms)
        self._refuse_undeclared()

    def finish(self) -> dict[str, Any]:
        """Finish the tables, and return the counts."""
        source, stream = self.source, self.stream
        return {
            **self.counts,
            "identifiers": self.tables.finish(),
            **({"unanswered": self.unanswered} if "surveys" in self.rules else {}),
            **({"records_without_question": self.without["surveys"]} if "surveys" in self.rules else {}),
            **({"records_without_event": self.without["events"]} if "events" in self.rules else {}),
            **({"time_rules": dict(sorted(self.time_rules.items()))} if "events" in self.rules else {}),
            "rejected": dict(sorted(self.rejected.items())),
            "left_out": dict(sorted(self.left_out.items())),
            "values_left_empty": dict(sorted(self.lost.items())),
            "identifier_values": {
                one: {"distinct": converted.distinct, "unusable": converted.unusable}
                for one, converted in self.pseudonyms.items()
            },
            "field_values": self.field_values.told,
            "absent_fields": absent_fields(self.field_values.told),
            "not_filtered_by": _not_filtered_by(source, stream),
        }

    def _count_values(self, fields: str) -> None:
        """Count how many records have each field."""
        names = self.stream.names
        items = ", ".join(["count(*)", *(f"count({column(name)})" for name in names)])
        rows, *found = self.source.rows(f"SELECT {items} FROM {fields} WHERE {PROBLEM} IS NULL")[0]
        self.field_values.add_counts(rows, dict(zip(names, found, strict=True)))
        if last := last_batch_fields(self.source, self.name):
            rows, *found = self.source.rows(f"SELECT {items} FROM {last} WHERE {PROBLEM} IS NULL")[0]
            self.field_values.add_last(rows, dict(zip(names, found, strict=True)))

    def _read(self, source: Source, fields: Mapping[str, str]) -> Iterator[tuple[Portion, dict[str, Coded]]]:
        for portion in portions(source, self.name, fields):
            if self.name not in fields:
                self.field_values.add(portion)
            yield portion, self._pseudonyms(source, portion)

    def _take(self, portion: Portion, pseudonyms: Mapping[str, Coded]) -> None:
        """Map one portion."""
        bots = None
        if self.stream.bots and self.source.config.bots == "drop":
            bots = self.bots(portion.fields[f"f:{self.stream.bots}"])
        for kind, candidates_of in self.rules.items():
            candidates = candidates_of(portion, bots)
            self._judge(kind, portion, candidates, pseudonyms)
            self.without[kind] += _without(portion, candidates, unfolded=bool(self.stream.unfold))
        self._unreadable(portion)

    def _pseudonyms(self, source: Source, portion: Portion) -> dict[str, Coded]:
        """Return the pseudonyms of all records that can be read."""
        found = {}
        for one, rules in self.stream.identifiers.items():
            texts = made(source.db, {"text": value_sql(rules)}, portion.fields, portion.rows)["text"]
            if portion.problem.there.any():
                converted = self.pseudonyms[one](texts.at(portion.readable))
                codes = np.zeros(portion.rows, np.int32)
                codes[portion.readable] = converted.codes
                found[one] = Coded(codes, converted.values)
            else:
                found[one] = self.pseudonyms[one](texts)
        return found

    def _judge(self, kind: str, portion: Portion, found: Candidates, pseudonyms: Mapping[str, Coded]) -> None:
        """Say of every candidate what becomes of it, count it and write it."""
        again = self._repeated(kind, found, pseudonyms)
        left = found.out.there | again
        rejected = found.reason.there & ~left
        self.counts["candidates"] += len(found)
        self.left_out.update(found.out.told())
        self.left_out.update({"duplicate": int(again.sum())} if again.any() else {})
        self.undeclared[kind] += int(found.flags["_undeclared"].sum())
        if kind == "surveys":
            self.effort += found.reason.told().get(SILENT_EFFORT, 0)
        if rejected.any():
            reasons = found.reason.at(rejected)
            self.rejected.update(reasons.told())
            self.tables.reject(portion, found.record[rejected], reasons)
        good = found.at(~(left | rejected)) if left.any() or rejected.any() else found
        self.counts["linking_records" if kind == "records" else kind] += len(good)
        for name, flags in good.flags.items():
            if name.startswith("_lost:") and flags.any():
                self.lost[name.removeprefix("_lost:")] += int(flags.sum())
        if not len(good):
            return
        ids = row_ids(self.source.db, good.hash, self.source.key)
        if kind == "events":
            self.time_rules.update(good.columns["time_rule"].told())
            if self.agents and self.source.config.agents == "pseudonym":
                good.columns["resource"] = self.agents(good.columns["resource"])
            self.tables.events(portion, good, ids)
        elif kind == "surveys":
            # Whom nobody heard of was asked all the same: without them there is no response rate.
            self.unanswered += int((~good.columns["value"].there).sum())
            self.tables.surveys(good, ids)
        self.tables.identifiers(good, ids, pseudonyms)

    def _repeated(self, kind: str, found: Candidates, pseudonyms: Mapping[str, Coded]) -> NDArray[np.bool_]:
        """Say which good candidates came before: a file copied, an export repeated.

        An event or an answer by its id; a record that only links by all that it says, as a newer version may link more.
        """
        repeated = np.zeros(len(found), bool)
        if kind in self.seen:
            good = ~(found.out.there | found.reason.there)
            keys = found.hash
            if kind == "records":
                said = {one: values.at(found.record) for one, values in pseudonyms.items()}
                said |= {"time": found.columns["time_text"]}
                keys = keys ^ row_hashes(self.source.db, said, len(found))
            repeated[good] = self.seen[kind].add(keys[good]) > 0
        return repeated

    def _unreadable(self, portion: Portion) -> None:
        records = np.flatnonzero(portion.problem.there)
        if not len(records):
            return
        problems = portion.problem.at(records)
        texts = [text and f"record: {text.removeprefix('record: ')}" for text in problems.values.to_pylist()]
        reasons = Coded(problems.codes, pa.array(texts, pa.string()))
        self.counts["candidates"] += len(records)
        self.rejected.update(reasons.told())
        self.tables.reject(portion, records, reasons)

    def _refuse_undeclared(self) -> None:
        """Stop where times need a zone that nobody declared, or effort scores a direction."""
        if undeclared := max(self.undeclared.values(), default=0):
            raise self.source.place.spec_error(
                "timezone",
                f"times of '{self.name}' carry no zone ({undeclared} records), and neither the source nor the job "
                f"declares one. Add `timezone: Europe/Amsterdam` (the zone of the system's clock).",
            )
        if self.effort:
            raise self.source.place.spec_error(
                "set",
                f"customer effort (ces) is asked both ways, and {self.effort} answers do not say which. "
                "Add `set: {direction: lower_is_better}` or `set: {direction: higher_is_better}`.",
            )


def _without(portion: Portion, candidates: Candidates, *, unfolded: bool) -> int:
    """Count records of which nothing came, not even something to reject; members of one list are one record."""
    if not unfolded:
        used = np.zeros(portion.rows, bool)
        used[candidates.record] = True
        return len(portion.readable) - int(used.sum())
    # The members of a list are told apart by their line.
    files = int(portion.file_rank.max(initial=0)) + 1
    record = portion.line * files + portion.file_rank
    return len(np.unique(record[portion.readable])) - len(np.unique(record[candidates.record]))


def _not_filtered_by(source: Source, stream: Stream) -> dict[str, list[str]]:
    """Return, per kind of candidate, the filters of the job for which a stream has neither column nor field."""
    given = [("keep", name) for name in source.config.keep] + [("drop", name) for name in source.config.drop]
    unfit = {
        kind: [f"{key}: {one}" for key, one in given if not can_filter(one, kind, stream)] for kind in stream.kinds
    }
    return {kind: filters for kind, filters in unfit.items() if filters}
