"""Logs that need no reading: the same journeys, read or not; anything else is read."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.reading import read_event_log
from journeymining.eventlog.table import to_event_log
from journeymining.eventlog.written import written_log


@pytest.fixture
def table():
    rows = [(f"j{i % 40}", "abcd"[i * 7 % 4], i // 3, ["web", None][i % 2], i % 5) for i in range(600)]
    frame = pd.DataFrame(rows, columns=["journey_id", "activity", "second", "channel", "source_order"])
    frame["timestamp"] = pd.to_datetime("2026-01-01", utc=True) + pd.to_timedelta(frame.pop("second"), unit="s")
    return to_event_log(frame.sample(frac=1, random_state=4))


def write(table, path, **changes):
    for name, values in changes.items():
        place = table.schema.get_field_index(name)
        values = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        table = table.append_column(name, values) if place < 0 else table.set_column(place, name, values)
    pq.write_table(table, path, row_group_size=100)
    return path


def test_a_log_that_is_one_is_the_same_read_or_not(table, tmp_path):
    path = write(table, tmp_path / "log.parquet")

    found = written_log(path)

    assert (found.files, found.events) == ((path,), 600)
    assert found.report["rows_out"] == 600
    with prepare(list(found.files)) as unread, prepare(read_event_log(path)) as read:
        assert unread.manifest["digest"] == read.manifest["digest"]


def test_a_folder_may_hold_several_files(table, tmp_path):
    write(table.slice(0, 250), tmp_path / "a.parquet")
    write(table.slice(250), tmp_path / "b.parquet")

    found = written_log(tmp_path)

    assert [file.name for file in found.files] == ["a.parquet", "b.parquet"]
    with prepare(list(found.files)) as unread, prepare(table) as read:
        assert unread.manifest["digest"] == read.manifest["digest"]


@pytest.mark.parametrize(
    "changes",
    [
        {"activity": ["a"] * 599 + [None]},
        {"activity": ["a"] * 599 + [""]},
        {"activity": ["a"] * 599 + ["  "]},
        {"channel": ["web"] * 599 + [""]},
        {"customer_id": [None] * 600},
        {"journey_id": list(range(600))},
        {"lifecycle:transition": ["complete"] * 600},
        {"start_timestamp": ["2026-01-01T00:00:00Z"] * 600},
        {"value": ["12"] * 600},
    ],
    ids=lambda changes: f"{next(iter(changes))} {str(next(iter(changes.values()))[-1])!r}",
)
def test_whatever_reading_would_act_upon_is_read(changes, table, tmp_path):
    assert written_log(write(table, tmp_path / "log.parquet", **changes)) is None


def test_without_a_required_column_or_what_the_file_says_of_itself_it_is_read(table, tmp_path):
    write(table.drop_columns(["source"]), tmp_path / "lacking.parquet")
    pl.DataFrame(table).write_parquet(tmp_path / "silent.parquet", statistics=False)
    (tmp_path / "broken.parquet").write_text("no Parquet")

    assert written_log(tmp_path / "lacking.parquet") is None
    assert written_log(tmp_path / "silent.parquet") is None
    assert written_log(tmp_path / "broken.parquet") is None
    assert written_log(tmp_path / "absent.parquet") is None
    assert written_log(tmp_path / "log.csv") is None
