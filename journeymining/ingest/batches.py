"""What was pulled, in batches that never change, and the state that says which of them count.

A pull lands a batch as ``raw/<source>/<stream>/<batch>/*.parquet`` and then names it in ``raw/<source>/state.json``,
together with how far it got. The state is replaced in one step and last, so a pull that is killed at any point leaves
the state before it, and at most a folder that no state names: the next pull removes it and begins where the state says.
No clock is asked: batches are counted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from journeymining.exceptions import InputError
from journeymining.ingest.raw import RawWriter, sync
from journeymining.ingest.readers import FILE, LINE, PROBLEM
from journeymining.ingest.remote import CURSOR, is_ahead, rank
from journeymining.ingest.values import identifier, literal
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from journeymining.ingest.remote import Puller

logger = logging.getLogger(__name__)

STATE = "state.json"
SPILL = ".spill"
MEMORY = "600MB"
CHECKPOINT = 50_000
"""Records after which a long pull that can be resumed notes where it is."""


def read_state(folder: Path) -> dict[str, Any]:
    """Return the state of a source's pulls: stream -> its batches, cursor and columns; none before the first."""
    path = folder / STATE
    if not path.is_file():
        return {}
    streams: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["streams"]
    return streams


def batches(folder: Path, stream: str) -> list[Path]:
    """Return the Parquet files of a stream's batches that count, in the order they were pulled."""
    state = read_state(folder).get(stream, {"batches": []})
    return [file for name in state["batches"] for file in sorted((folder / stream / name).glob("*.parquet"))]


def pull_batches(puller: Puller, folder: Path, *, full_refresh: bool = False) -> dict[str, Any]:
    """Pull what is new of all streams of a source.

    Parameters
    ----------
    puller : Puller
        The source.
    folder : Path
        ``raw/<source>``.
    full_refresh : bool
        Pull everything again, and forget what was pulled before.

    Returns
    -------
    dict
        The new state: per stream ``batches``, ``records`` (in them), ``cursor``, ``columns``, ``changes`` (of the
        columns, as seen by the last pull that saw any) and ``settings``.
    """
    state = read_state(folder)
    tidy(folder, state)
    folder.mkdir(parents=True, exist_ok=True)
    gone = set(state) - set(puller.streams)
    state = {stream: known for stream, known in state.items() if stream not in gone}
    for stream in puller.streams:
        pull = _Pull(puller, folder, state, stream, full_refresh=full_refresh)
        pull.run()
        logger.info("%s: %d records in %d batches", stream, state[stream]["records"], len(state[stream]["batches"]))
    write_state(folder, state)
    tidy(folder, state)
    return state


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the state of a source's pulls, in one step; what it names is on the disk before it."""
    with whole_file(folder / STATE, force=True) as file:
        file.write_text(json.dumps({"streams": state}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        sync(file)
    sync(folder)


def tidy(folder: Path, state: dict[str, Any]) -> None:
    """Remove what the state does not name: parts of a pull that was cut, batches that were replaced."""
    if not folder.is_dir():
        return
    for place in folder.iterdir():
        if place.is_dir() and place.name in state:
            known = state[place.name]
            named = {*known["batches"], *(known.get("unfinished") or {"batches": []})["batches"]}
            for inner in place.iterdir():
                if inner.name not in named:
                    _remove(inner)
        elif place.name != STATE:
            _remove(place)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


class _Pull:
    """One pull of one stream: what it begins with, what it has landed, how it ends."""

    def __init__(self, puller: Puller, folder: Path, state: dict[str, Any], stream: str, *, full_refresh: bool) -> None:
        self.puller, self.folder, self.state, self.stream = puller, folder, state, stream
        told = json.dumps(puller.settings(stream), sort_keys=True, default=str)
        self.settings = hashlib.sha256(told.encode()).hexdigest()[:32]
        known = state.get(stream)
        same = known is not None and known["settings"] == self.settings and not full_refresh
        self.known: dict[str, Any] = known if same and known else {}
        self.incremental = puller.cursor(stream).cursor is not None and self.known.get("cursor") is not None
        unfinished = self.known.get("unfinished") or {}
        self.since: str | None = unfinished.get("since", self.known["cursor"] if self.incremental else None)
        self.landed: list[str] = list(unfinished.get("batches", []))
        self.records: int = unfinished.get("records", 0)
        self.cursor: str | None = unfinished.get("cursor", self.since)
        self.resume: str | None = unfinished.get("resume")
        self.columns: dict[str, str] = {}

    def run(self) -> None:
        """Pull the stream and write its new state."""
        self.columns = dict(self.puller.columns(self.stream))
        try:
            self._land()
        except InputError:
            # What came before the cut is kept where the source can go on from there.
            if self.landed:
                self._note()
            raise
        self._finish()

    def _land(self) -> None:
        pages = self.puller.pages(self.stream, self.since, self.resume)
        more = True
        while more:
            name = self._next_name()
            more, rows = False, 0
            checkpoint: tuple[int, str | None, str | None] | None = None
            with RawWriter(self.folder / self.stream / name) as writer:
                try:
                    for page in pages:
                        rows = self._write(writer, page.records, rows)
                        self.cursor = max((c for c in (self.cursor, page.cursor) if c), key=rank, default=None)
                        if page.resume:
                            checkpoint = (rows, self.cursor, page.resume)
                        if page.resume and rows >= CHECKPOINT:
                            more = True
                            break
                except InputError:
                    if checkpoint:
                        # Pages are whole: those before the cut count.
                        writer.finish()
                        self._took(name, checkpoint[0], checkpoint[2])
                    raise
            if rows:
                self._took(name, rows, checkpoint[2] if checkpoint else None)
            if more:
                self._note()

    def _next_name(self) -> str:
        known = self.state.get(self.stream, {"batches": []})
        used = [*known["batches"], *self.landed]
        return f"{max((int(name) for name in used), default=0) + 1:06d}"

    def _write(self, writer: RawWriter, records: pa.RecordBatch, rows: int) -> int:
        count: int = records.num_rows
        if not count:
            return rows
        ours = {
            LINE: pa.array(range(rows + 1, rows + count + 1), pa.int64()),
            FILE: pa.repeat(pa.scalar(self.stream), count),
        }
        if PROBLEM not in records.schema.names:
            ours[PROBLEM] = pa.nulls(count, pa.string())
        for name, column in ours.items():
            records = records.append_column(name, column)
        writer.write(records)
        return rows + count

    def _took(self, name: str, rows: int, resume: str | None) -> None:
        self.landed.append(name)
        self.records += rows
        self.resume = resume

    def _note(self) -> None:
        """Name the batches of a pull that is not at its end, so that it can go on; they do not count yet."""
        unfinished = {
            "since": self.since,
            "batches": self.landed,
            "records": self.records,
            "cursor": self.cursor,
            "resume": self.resume,
        }
        known = self.state.get(self.stream) or {"batches": [], "records": 0, "cursor": None, "columns": {}}
        self.state[self.stream] = {**known, "settings": self.settings, "unfinished": unfinished}
        write_state(self.folder, self.state)

    def _finish(self) -> None:
        if self.cursor is not None and is_ahead(self.cursor):
            logger.warning(
                "%s: the cursor of a record is %s, a time to come: the next pull asks from there on, and misses what "
                "changes before. Mend that record, then pull with --full-refresh.",
                self.stream,
                self.cursor,
            )
        before: list[str] = self.known.get("batches", [])
        landed = [file for name in self.landed for file in sorted((self.folder / self.stream / name).glob("*.parquet"))]
        counted = batches(self.folder, self.stream) if before else []
        columns = self.columns or json_columns(landed) or self.known.get("columns", {})
        changes = changed_columns(self.known.get("columns") or {}, columns)
        if self.known and _nothing_new(landed, counted, self.folder / SPILL, whole=not self.incremental):
            kept, records = before, self.known["records"]
        else:
            kept = [*(before if self.incremental else []), *self.landed]
            records = self.records + (self.known["records"] if self.incremental else 0)
        self.state[self.stream] = {
            "settings": self.settings,
            "batches": kept,
            "records": records,
            "cursor": self.cursor,
            "columns": columns,
            "changes": changes or self.known.get("changes", []),
        }
        write_state(self.folder, self.state)


def changed_columns(before: dict[str, str], now: dict[str, str]) -> list[dict[str, str]]:
    """Say which columns are new, gone, or of another type than at the pull before."""
    if not before:
        return []
    found = [{"column": name, "change": "new", "now": kind} for name, kind in now.items() if name not in before]
    found += [{"column": name, "change": "gone", "before": kind} for name, kind in before.items() if name not in now]
    found += [
        {"column": name, "change": "type", "before": before[name], "now": kind}
        for name, kind in now.items()
        if name in before and before[name] != kind
    ]
    return found


def json_columns(files: Sequence[Path]) -> dict[str, str]:
    """Return the names and types of what JSON records hold."""
    import duckdb

    from journeymining.ingest.readers import TEXT

    if not files:
        return {}
    listed = ", ".join(literal(str(file)) for file in files)
    query = f"""
        SELECT name, string_agg(DISTINCT kind, ' or ' ORDER BY kind) FROM (
            SELECT name, json_type({TEXT}, '$."' || replace(name, '"', '') || '"') AS kind
            FROM (SELECT {TEXT}, unnest(json_keys({TEXT})) AS name FROM (
                SELECT CASE WHEN json_valid({TEXT}) THEN {TEXT} END AS {TEXT} FROM read_parquet([{listed}]))))
        WHERE kind IS NOT NULL AND kind <> 'NULL' GROUP BY name ORDER BY name"""
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        # Whole numbers with and without a sign are one type.
        rows = connection.execute(query).fetchall()
    return {name: kind.replace("UBIGINT", "BIGINT").replace("BIGINT or BIGINT", "BIGINT") for name, kind in rows}


def _nothing_new(landed: Sequence[Path], counted: Sequence[Path], spill: Path, *, whole: bool) -> bool:
    """Say whether the records of a pull are all there already (or, of a whole table, the same ones)."""
    if not landed:
        return not whole or not counted
    if not counted:
        return False
    import duckdb

    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill)}) as db:
        db.execute("SET enable_progress_bar = false")
        tables = [
            f"read_parquet([{', '.join(literal(str(f)) for f in files)}], union_by_name = true, filename = true)"
            for files in (landed, counted)
        ]
        names = [{str(row[0]) for row in db.execute(f"DESCRIBE SELECT * FROM {one}").fetchall()} for one in tables]
        if names[0] != names[1]:
            return False
        packed = ", ".join(
            f"{identifier(name)} := {identifier(name)}" for name in sorted(names[0] - {LINE, "filename"})
        )
        for name, table in zip(("pulled", "known"), tables, strict=True):
            rows = f"SELECT md5(to_json(struct_pack({packed}))) AS h, parse_path(filename)[-2] AS batch FROM {table}"
            # Of a table that is not read whole, only what was pulled again matters.
            among = "WHERE h IN (SELECT h FROM pulled)" if name == "known" and not whole else ""
            counts = f"SELECT h, batch, count(*) AS n FROM ({rows}) {among} GROUP BY h, batch"
            db.execute(f"CREATE TABLE {name} AS SELECT h, max(n) AS n FROM ({counts}) GROUP BY h")
        unseen = "SELECT 1 FROM pulled LEFT JOIN known USING (h) WHERE coalesce(known.n, 0) < pulled.n LIMIT 1"
        gone = "SELECT 1 FROM known LEFT JOIN pulled USING (h) WHERE coalesce(pulled.n, 0) < known.n LIMIT 1"
        return not db.execute(unseen).fetchone() and not (whole and db.execute(gone).fetchone())


def newest_sql(fields: str, names: Sequence[str], key: Sequence[str] | None, *, label: str, repeats: bool) -> str:
    """Return a query of records in their newest version, once each, in an order that no pull decides.

    Parameters
    ----------
    fields : str
        SQL of the fields of raw records, whose ``_file`` is the batch and whose ``_line`` is the rank of the cursor.
    names : list of str
        Columns of the fields, quoted.
    key : list of str, optional
        Columns that identify a record; without them its whole content does.
    label : str
        What ``_file`` says of all of them.
    repeats : bool
        Whether equal records without a key may come twice in one pull, as pages of an API do: then they are one.
    """
    content = f"md5(concat_ws(chr(31), {', '.join(f'coalesce({name}, chr(30))' for name in names)}))"
    base = f"SELECT *, {content} AS _content FROM ({fields})"
    if key:
        # A part that is missing is none of the others; who has none of them is known by its content.
        parts = ", ".join(f"coalesce({name}, chr(30))" for name in key)
        same = f"CASE WHEN coalesce({', '.join(key)}) IS NULL THEN _content ELSE concat_ws(chr(31), {parts}) END"
        order = ", ".join([*(f"try_cast({name} AS DECIMAL(38, 9)), {name}" for name in key), "_content"])
    else:
        number = "1" if repeats else f"row_number() OVER (PARTITION BY {FILE}, _content)"
        base = f"SELECT *, {number} AS _copy FROM ({base})"
        same, order = "concat_ws(chr(31), _content, CAST(_copy AS VARCHAR))", "_content, _copy"
    # Rows of a table without cursor come with each pull: that is not what makes them new.
    order_ = f"{LINE} = 0, {FILE} DESC, {LINE} DESC, _content"
    newest = f"row_number() OVER (PARTITION BY {same}, {PROBLEM} ORDER BY {order_})"
    once = f"SELECT * FROM ({base}) QUALIFY {newest} = 1"
    extra = "_content" if key else "_content, _copy"
    line = f"row_number() OVER (ORDER BY {LINE}, {order}) AS {LINE}"
    return f"SELECT * EXCLUDE ({extra}) REPLACE ({literal(label)} AS {FILE}, {line}) FROM ({once})"


def ranked_sql(files: Sequence[Path], *, cursor: bool) -> str:
    """Return SQL of raw batches whose ``_file`` is the batch and whose ``_line`` is the rank of the cursor."""
    line = _RANK if cursor else "CAST(0 AS BIGINT)"
    excluded = f"filename, {CURSOR}" if cursor else "filename"
    return (
        f"(SELECT * EXCLUDE ({excluded}) REPLACE (parse_path(filename)[-2] AS {FILE}, {line} AS {LINE}) "
        f"FROM read_parquet([{_listed(files)}], union_by_name = true, filename = true))"
    )


def ranks_sql(files: Sequence[Path]) -> str:
    """Return SQL of the ranks that `ranked_sql` gives: a row per ``cursor``, with its ``rank``."""
    distinct = f"SELECT DISTINCT {CURSOR} FROM read_parquet([{_listed(files)}], union_by_name = true)"
    return f"SELECT {CURSOR} AS cursor, {_RANK} AS rank FROM ({distinct}) WHERE {CURSOR} IS NOT NULL"


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(literal(str(path)) for path in files)


# As `journeymining.ingest.remote.rank`: texts, then numbers, then times, and nothing (0) before all of them.
_NUMBER, _MOMENT = f"try_cast({CURSOR} AS DECIMAL(38, 9))", f"try_cast({CURSOR} AS TIMESTAMPTZ)"
_KIND = f"CASE WHEN {_NUMBER} IS NOT NULL THEN 1 WHEN {_MOMENT} IS NOT NULL THEN 2 ELSE 0 END"
_DENSE = f"dense_rank() OVER (ORDER BY {_KIND}, {_NUMBER}, {_MOMENT}, {CURSOR} NULLS FIRST)"
_RANK = f"CASE WHEN {CURSOR} IS NULL THEN 0 ELSE {_DENSE} END"
