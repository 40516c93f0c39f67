"""Forgetting a customer: every row that leads to them goes, and what was removed is written down."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from journeymining.exceptions import InputError
from journeymining.identity.traces import is_store, name_test, record_test
from journeymining.writing import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from journeymining.identity.traces import Traces

    Rows = Callable[[pa.Table], pa.ChunkedArray | pa.Array]
    Named = Callable[[str], bool]
    RecordTest = Callable[[list[str | None]], bool]

LAST = ("customers.parquet", "records.parquet")
"""Where the customer is looked up: emptied last, so that an erasure that was interrupted can be done again."""

MADE_AGAIN = ("cut", "prepared")
"""Folders that the next run makes from the events that are left."""

TEXTS = {".json", ".jsonl", ".csv", ".html", ".svg", ".txt", ".log", ".bpmn", ".pnml", ".yaml", ".xml", ".md"}
BATCH = 50_000


def stores_below(folder: Path) -> list[Path]:
    """Return the folders of jobs in and below a folder, sorted."""
    return sorted(path.parent for path in folder.rglob("records.parquet") if is_store(path.parent))


def erase_customer(store: Path, traces: Traces, *, key: bytes | None, region: str | None) -> dict[str, Any]:
    """Remove a customer, by what `find_traces` found of them, from the folder of a job.

    Rows of Parquet and CSV files that name the customer, one of their journeys or records, or an identifier that is
    only theirs are removed, as are the landed raw records that carry their identifiers (see `traces.record_test`).
    JSON files that name them, and the folders of `MADE_AGAIN`, are deleted: the next run writes them again, from what
    is left. The notes of the steps after ``pull`` are removed for the same reason, and the note of ``pull`` counts what
    was erased.

    Parameters
    ----------
    store : Path
    traces : Traces
    key : bytes or None
        Secret of the pseudonyms; None for a job that writes identifiers in clear.
    region : str, optional
        Country of telephone numbers without a country code.

    Returns
    -------
    dict
        ``files``: per changed file its name, rows before and removed (null when it was deleted), SHA-256 before and
        after; ``records``: per source how many records the customer had, and how many raw records were removed.

    Raises
    ------
    InputError
        When something of the customer is still found afterwards.
    """
    is_raw = record_test(traces, key=key, region=region)
    is_named = name_test(traces.names)
    files: list[dict[str, Any]] = []
    raw_removed = dict.fromkeys(traces.records, 0)
    for name in MADE_AGAIN:
        if (store / name).is_dir():
            files.append({"file": name, "rows": None, "removed": None, "before": None, "after": None})
            shutil.rmtree(store / name)
    for path in _files(store):
        changed = _erase_file(path, _rows_of(path, store, traces, is_raw), is_named)
        if changed:
            files.append({"file": path.relative_to(store).as_posix(), **changed})
            if path.is_relative_to(store / "raw"):
                source = path.relative_to(store / "raw").parts[0]
                raw_removed[source] = raw_removed.get(source, 0) + changed["removed"]
    _count_in_steps(store, files)
    for path in _files(store):
        if _holds(path, _rows_of(path, store, traces, is_raw), is_named):
            raise InputError(f"{path}: still names the customer after erasing; run the erasure again.")
    sources = sorted({*traces.records, *raw_removed})
    return {
        "files": files,
        "records": {
            source: {"records": traces.records.get(source, 0), "raw_removed": raw_removed.get(source, 0)}
            for source in sources
        },
    }


def runs_with(outputs: Path, names: frozenset[str], tests: Sequence[RecordTest]) -> list[Path]:
    """Return the runs in and below a folder that hold a trace of the customer anywhere in a file, sorted.

    Parameters
    ----------
    outputs : Path
    names : what names the customer in any job
    tests : what `journeymining.identity.traces.record_test` returns, one per job
        For the text of rejected rows, which is as their source wrote it.
    """
    runs = sorted(path.parent for path in outputs.rglob("manifest.json"))
    is_named = name_test(names)
    in_cells = partial(_has_name, names=names)
    in_records = partial(_is_record, is_theirs=lambda texts: any(is_theirs(texts) for is_theirs in tests))

    def holds(run: Path, path: Path) -> bool:
        is_rejected = path.relative_to(run).parts[0] == "rejected"
        return _holds(path, in_cells, is_named) or (is_rejected and _holds(path, in_records, is_named))

    return [run for run in runs if any(holds(run, path) for path in _files(run))]


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[Path]:
    """Return all files below a folder, those where the customer is looked up last."""
    return sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name in LAST, path.as_posix())
    )


def _rows_of(path: Path, store: Path, traces: Traces, is_raw: RecordTest) -> Rows:
    """Return the test for the rows of a file: by content where the source wrote it, by names elsewhere."""
    if path.relative_to(store).parts[0] in {"raw", "rejected"}:
        return partial(_is_record, is_theirs=is_raw)
    return partial(_has_name, names=traces.names)


def _has_name(table: pa.Table, names: frozenset[str]) -> pa.Array:
    """Say per row whether a text of it is one of the names."""
    wanted, is_named = pa.array(sorted(names), pa.string()), name_test(names)
    found = pa.array([False] * len(table))
    for column in _texts(table):
        found = pc.or_(found, pc.is_in(column, value_set=wanted).combine_chunks())
    for column in table.columns:
        if pa.types.is_nested(column.type):
            # Lists and structures are searched as text, so that nothing hides in them.
            inside = [is_named(json.dumps(value, default=str)) for value in column.to_pylist()]
            found = pc.or_(found, pa.array(inside, pa.bool_()))
    return found


def _is_record(table: pa.Table, is_theirs: RecordTest) -> pa.Array:
    """Say per row whether its texts are a raw record of the customer."""
    columns = [column.to_pylist() for column in _texts(table)]
    return pa.array([is_theirs(list(row)) for row in zip(*columns, strict=True)] or [False] * len(table), pa.bool_())


def _texts(table: pa.Table) -> list[pa.ChunkedArray]:
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            columns.append(column.cast(pa.string()))
    return columns


def _erase_file(path: Path, rows: Rows, is_named: Named) -> dict[str, Any] | None:
    """Remove the customer from one file; say what changed, or None when nothing did."""
    if not _holds(path, rows, is_named):
        return None
    before = digest(path)
    if path.suffix == ".parquet":
        total, removed = _filter_parquet(path, rows)
    elif path.suffix == ".csv":
        total, removed = _filter_csv(path, is_named)
    else:
        path.unlink()
        return {"rows": None, "removed": None, "before": before, "after": None}
    return {"rows": total, "removed": removed, "before": before, "after": digest(path)}


def _filter_parquet(path: Path, rows: Rows) -> tuple[int, int]:
    total = removed = 0
    with (
        pq.ParquetFile(path) as file,
        whole_file(path, force=True) as work,
        pq.ParquetWriter(work, file.schema_arrow, compression="zstd") as writer,
    ):
        for table in _batches(file):
            theirs = rows(table)
            total, removed = total + len(table), removed + (pc.sum(theirs).as_py() or 0)
            writer.write_table(table.filter(pc.invert(theirs)))
    return total, removed


def _filter_csv(path: Path, is_named: Named) -> tuple[int, int]:
    with path.open(encoding="utf-8", newline="") as file, whole_file(path, force=True) as work:
        lines = list(csv.reader(file))
        kept = [line for line in lines if not any(map(is_named, line))]
        with work.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, lineterminator="\n").writerows(kept)
    return max(len(lines) - 1, 0), len(lines) - len(kept)


def _holds(path: Path, rows: Rows, is_named: Named) -> bool:
    """Say whether a file has anything of the customer: Parquet decoded, texts line by line, others by their bytes."""
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            return any(pc.any(rows(table)).as_py() for table in _batches(file))
    if path.suffix in TEXTS:
        with path.open(encoding="utf-8", errors="replace") as file:
            return any(map(is_named, file))
    if zipfile.is_zipfile(path):
        # A model is a zip of files.
        with zipfile.ZipFile(path) as file:
            return any(is_named(file.read(name).decode("utf-8", errors="replace")) for name in file.namelist())
    return is_named(path.read_bytes().decode("utf-8", errors="replace"))


def _batches(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for batch in file.iter_batches(BATCH):
        yield pa.Table.from_batches([batch])


def _count_in_steps(store: Path, files: list[dict[str, Any]]) -> None:
    """Make the next run do again what follows ``pull``, and count what ``pull`` no longer gives."""
    path = store / "steps.json"
    if not path.is_file():
        return
    steps = json.loads(path.read_text(encoding="utf-8"))
    removed = sum(one["removed"] for one in files if one["file"] in {"source_events.parquet", "surveys.parquet"})
    kept = {name: note for name, note in steps.items() if name == "pull"}
    for note in kept.values():
        counts = note.get("counts", {})
        left_out = counts.setdefault("left_out", {})
        left_out["erased"] = left_out.get("erased", 0) + removed
        counts["rows_out"] = counts.get("rows_out", 0) - removed
    with whole_file(path, force=True) as work:
        work.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
