"""A log is read by its name, from a file, a folder or stdin; what cannot work is said at once."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet
import pytest

from journeymining.eventlog.reading import format_of, read_event_log, reading_report
from journeymining.eventlog.table import to_event_log
from journeymining.exceptions import InputError, UsageError

TABLE = pa.table({"case_id": ["1", "1"], "activity": ["a", "b"], "time": ["2026-01-01Z", "2026-01-02Z"]})


def test_a_folder_of_parquet_files_is_one_log_even_if_a_column_lacks_somewhere(tmp_path):
    (tmp_path / "deep").mkdir()
    pyarrow.parquet.write_table(TABLE.slice(0, 1).append_column("x", pa.array([1])), tmp_path / "one.parquet")
    pyarrow.parquet.write_table(TABLE.slice(1, 1), tmp_path / "deep" / "two.parquet")
    pyarrow.parquet.write_table(pa.table({"no": [1]}), tmp_path / "_ignored.parquet")

    log = read_event_log(tmp_path)

    assert log["activity"].to_pylist() == ["a", "b"]
    assert log["x"].to_pylist() == [1, None]
    assert reading_report(log)["parquet"] == {"files": 2}


def test_in_a_folder_of_a_job_only_the_events_are_read(tmp_path):
    pyarrow.parquet.write_table(to_event_log(TABLE), tmp_path / "events.parquet")
    pyarrow.parquet.write_table(pa.table({"kind": ["email"]}), tmp_path / "identifiers.parquet")

    assert read_event_log(tmp_path).num_rows == 2


def test_our_own_parquet_comes_back_as_it_is(tmp_path):
    log = to_event_log(TABLE)
    pyarrow.parquet.write_table(log, tmp_path / "log.parquet")

    assert read_event_log(tmp_path / "log.parquet") == log


def test_foreign_parquet_with_times_without_zone_needs_one(tmp_path):
    path = tmp_path / "log.parquet"
    naive = TABLE.set_column(2, "time", pa.array([0, 1], pa.timestamp("ns")))
    pyarrow.parquet.write_table(naive, path)

    with pytest.raises(InputError, match="carry no time zone"):
        read_event_log(path)
    assert read_event_log(path, timezone="Europe/Amsterdam")["timestamp"].to_pylist()[0].hour == 23


def test_columns_are_declared_by_role(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("k;what;when;medium\n1;a;2026-01-01Z;web\n", encoding="utf-8")

    log = read_event_log(path, columns={"journey": "k", "activity": "what", "timestamp": "when", "channel": "medium"})

    assert log.select(["journey_id", "activity", "channel"]).to_pylist() == [
        {"journey_id": "1", "activity": "a", "channel": "web"}
    ]


def test_examples_count_the_rows_of_the_file_also_after_rows_of_wrong_width(tmp_path, caplog):
    path = tmp_path / "log.csv"
    path.write_text("case_id,activity,time\n1,a,2026-01-01Z\n1,a\n1,b,soon\n", encoding="utf-8")

    report = reading_report(read_event_log(path))

    assert report["left_out"]["wrong_number_of_fields"] == {"rows": 1, "examples": [2]}
    assert report["left_out"]["unreadable_timestamp"] == {"rows": 1, "examples": [3]}
    assert (report["rows_in"], report["rows_out"]) == (3, 1)
    assert "left out 1 rows, wrong number of fields (rows 2)" in caplog.text


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.csv", "csv"),
        ("a.tsv.gz", "csv"),
        ("-", "csv"),
        ("A.XES.GZ", "xes"),
        ("a.pq", "parquet"),
        ("a.jsonocel", "ocel_json"),
        ("a.xml", "ocel_xml"),
        ("a.sqlite", "ocel_sqlite"),
    ],
)
def test_the_format_follows_from_the_name(name, found):
    assert format_of(name) == found


def test_what_cannot_be_read_is_said_with_what_would_work(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    (tmp_path / "broken.json").write_text("{}", encoding="utf-8")
    (tmp_path / "empty").mkdir()

    with pytest.raises(InputError, match="there is no such file"):
        read_event_log(tmp_path / "nothing.csv")
    with pytest.raises(UsageError, match=r"Known endings: \.csv"):
        read_event_log(tmp_path / "log.docx")
    with pytest.raises(InputError, match="no Parquet"):
        read_event_log(tmp_path / "broken.parquet")
    with pytest.raises(InputError, match=r"holds no Parquet files\. Found: nothing"):
        read_event_log(tmp_path / "empty")
    with pytest.raises(InputError, match=r"no OCEL 2\.0"):
        read_event_log(tmp_path / "broken.json")
    with pytest.raises(UsageError, match="delimiter has no meaning"):
        read_event_log(tmp_path / "broken.parquet", delimiter=";")
    with pytest.raises(UsageError, match="object type has no meaning"):
        read_event_log(tmp_path / "broken.parquet", object_type="order")
    with pytest.raises(UsageError, match="Unknown lifecycle"):
        read_event_log(tmp_path / "broken.parquet", lifecycle="end")
