"""What is written comes back: every event, its order, its time to the microsecond, its attributes and their types."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from journeymining.eventlog.reading import read_event_log
from journeymining.eventlog.table import to_event_log
from journeymining.eventlog.writing import write_event_log
from journeymining.exceptions import InputError, UsageError

FORMATS = ["csv", "csv.gz", "tsv", "parquet", "xes", "xes.gz", "json", "xml", "sqlite"]
TYPED = {"parquet", "xes", "xes.gz"}

# Any text but the characters that XML 1.0 forbids, unpaired surrogates and a byte order mark.
FORBIDDEN = [chr(code) for code in (*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, 0xFEFF)]
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=FORBIDDEN), min_size=1, max_size=8)
NAME = TEXT.filter(lambda text: bool(text.strip()))
EVENT = st.fixed_dictionaries(
    {
        "case_id": st.sampled_from(["1", "NA", "ü & <b>", "007"]),
        "activity": NAME,
        "timestamp": st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2100, 1, 1)),
        "channel": st.none() | NAME,
        "resource": st.none() | NAME,
        "customer_id": st.sampled_from(["c1", "c2"]),
        "text": st.none() | TEXT,
        "whole": st.none() | st.integers(-(2**53), 2**53),
        "number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.none() | st.booleans(),
        "due": st.none() | st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2100, 1, 1)),
    }
)
SCHEMA = pa.schema(
    [
        ("case_id", pa.string()),
        ("activity", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("channel", pa.string()),
        ("resource", pa.string()),
        ("customer_id", pa.string()),
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("number", pa.float64()),
        ("flag", pa.bool_()),
        ("due", pa.timestamp("us", "UTC")),
    ]
)


def there_and_back(log: pa.Table, ending: str) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"log.{ending}"
        write_event_log(log, path)
        return pl.DataFrame(pl.from_arrow(read_event_log(path)))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(EVENT, min_size=1, max_size=12),
    st.sampled_from([ending for ending in FORMATS if ending not in ("json", "xml", "sqlite")]),
)
def test_a_log_comes_back_from_every_tabular_format_and_xes(rows, ending):
    log = to_event_log(pa.Table.from_pylist(rows, schema=SCHEMA))
    frame = pl.DataFrame(pl.from_arrow(log))

    back = there_and_back(log, ending)

    for column in frame.columns:
        if column == "source_order" and ending.startswith("xes"):
            continue
        if column not in back.columns:
            assert frame[column].null_count() == frame.height
        elif ending in TYPED:
            assert back[column].equals(frame[column], null_equal=True), column
        elif column == "due":
            texts = back[column].str.to_datetime(time_unit="us", time_zone="UTC")
            assert texts.equals(frame[column], null_equal=True)
        elif column == "flag":
            assert (back[column] == "true").equals(frame[column], null_equal=True)
        else:
            assert back[column].cast(frame[column].dtype).equals(frame[column], null_equal=True), column


@pytest.mark.parametrize("ending", ["json", "xml", "sqlite"])
def test_a_log_comes_back_from_ocel(ending):
    log = to_event_log(
        pa.table(
            {
                "case_id": ["1", "1", "2"],
                "activity": ["a", "b & <c>", "a"],
                "timestamp": ["2026-01-01T10:00:00.123456Z", "2026-01-01T10:00:00.123457Z", "2026-01-02Z"],
                "customer_id": ["x", "x", "1"],
                "channel": ["web", None, "chat"],
                "source_order": [5, 4, 3],
                "amount": [1.5, None, 2.25],
                "note": ["NA", "ü\n", None],
            }
        )
    )

    back = there_and_back(log, ending)

    columns = [*log.column_names[:6], "source_order", "amount", "note"]
    assert_frame_equal(back.select(columns), pl.DataFrame(pl.from_arrow(log)).select(columns))


def test_an_event_of_several_journeys_is_one_event_of_ocel(tmp_path):
    rows = {
        "case_id": ["1", "2", "2"],
        "activity": ["a", "a", "b"],
        "timestamp": ["2026-01-01Z"] * 3,
        "event_id": ["e", "e", "f"],
    }
    path = tmp_path / "log.json"

    write_event_log(to_event_log(pa.table(rows)), path)
    log = read_event_log(path)

    assert path.read_text(encoding="utf-8").count('"id": "e"') == 1
    assert log.select(["journey_id", "event_id"]).to_pylist() == [
        {"journey_id": "1", "event_id": "e"},
        {"journey_id": "2", "event_id": "e"},
        {"journey_id": "2", "event_id": "f"},
    ]


def test_ocel_journeys_can_be_taken_by_customer(tmp_path):
    rows = {
        "case_id": ["1", "2"],
        "activity": ["a", "b"],
        "timestamp": ["2026-01-01Z", "2026-01-02Z"],
        "customer_id": ["x", "x"],
    }
    path = tmp_path / "log.sqlite"
    write_event_log(to_event_log(pa.table(rows)), path)

    assert read_event_log(path, object_type="customer")["journey_id"].to_pylist() == ["x", "x"]
    with pytest.raises(UsageError, match=r"Did you mean 'customer'\? Found: customer, journey\."):
        read_event_log(path, object_type="custmer")


def test_one_id_for_different_events_cannot_be_ocel(tmp_path):
    rows = {"case_id": ["1", "1"], "activity": ["a", "b"], "timestamp": ["2026-01-01Z"] * 2, "event_id": ["e", "e"]}

    with pytest.raises(InputError, match="stands for different events"):
        write_event_log(to_event_log(pa.table(rows)), tmp_path / "log.json")
    assert list(tmp_path.iterdir()) == []


def test_xes_has_the_names_of_the_standard(tmp_path):
    rows = {
        "case_id": ["1"],
        "activity": ["a"],
        "timestamp": ["2026-01-01T10:00:00.5Z"],
        "resource": ["r"],
        "case:kind": ["k"],
    }

    write_event_log(to_event_log(pa.table(rows)), tmp_path / "log.xes")
    text = (tmp_path / "log.xes").read_text(encoding="utf-8")

    assert '<string key="concept:name" value="a"/>' in text
    assert '<date key="time:timestamp" value="2026-01-01T10:00:00.500000+00:00"/>' in text
    assert '<string key="org:resource" value="r"/>' in text
    assert '\t\t<string key="kind" value="k"/>\n\t\t<event>' in text
    assert "source_order" not in text


def test_attributes_of_the_case_that_change_within_it_stay_with_the_events(tmp_path):
    rows = {
        "case_id": ["1", "1"],
        "activity": ["a", "b"],
        "timestamp": ["2026-01-01Z", "2026-01-02Z"],
        "case:kind": ["k", "l"],
    }

    write_event_log(to_event_log(pa.table(rows)), tmp_path / "log.xes")

    assert read_event_log(tmp_path / "log.xes")["case:kind"].to_pylist() == ["k", "l"]


def test_characters_that_xml_forbids_are_replaced_and_said(tmp_path, caplog):
    rows = {"case_id": ["1"], "activity": ["a\x01b"], "timestamp": ["2026-01-01Z"]}

    write_event_log(to_event_log(pa.table(rows)), tmp_path / "log.xes")

    assert read_event_log(tmp_path / "log.xes")["activity"].to_pylist() == ["a�b"]
    assert "in 1 values characters that XML forbids" in caplog.text


def test_long_journeys_across_slices_stay_one_trace(tmp_path, monkeypatch):
    monkeypatch.setattr("journeymining.eventlog.xes_writer._ROWS_PER_SLICE", 2)
    rows = {
        "case_id": ["1"] * 5 + ["2"],
        "activity": list("abcdef"),
        "timestamp": [f"2026-01-0{day}Z" for day in range(1, 7)],
    }

    write_event_log(to_event_log(pa.table(rows)), tmp_path / "log.xes")

    assert (tmp_path / "log.xes").read_text(encoding="utf-8").count("<trace>") == 2
    assert read_event_log(tmp_path / "log.xes")["activity"].to_pylist() == list("abcdef")


def test_what_only_parquet_can_hold_becomes_text_elsewhere(tmp_path):
    table = pa.table(
        {
            "case_id": ["1"],
            "activity": ["a"],
            "timestamp": ["2026-01-01Z"],
            "list": [[1, 2]],
            "day": pa.array([dt.date(2026, 1, 1)]),
            "wall": pa.array([dt.datetime(2026, 1, 1, 10)]),
            "kind": pa.array(["x"]).dictionary_encode(),
        }
    )
    for ending in ("csv", "xes"):
        write_event_log(to_event_log(table), tmp_path / f"log.{ending}")

        row = read_event_log(tmp_path / f"log.{ending}").to_pylist()[0]

        assert (row["list"], row["kind"]) == ("[1, 2]", "x")
        assert str(row["day"]).startswith("2026-01-01 00:00:00")
        assert row["wall"].startswith("2026-01-01 10:00:00")


def test_equal_logs_give_equal_files(tmp_path):
    log = to_event_log(pa.table({"case_id": ["1"], "activity": ["a"], "timestamp": ["2026-01-01Z"]}))

    for ending in ("csv.gz", "xes.gz", "parquet"):
        write_event_log(log, tmp_path / f"one.{ending}")
        write_event_log(log, tmp_path / f"two.{ending}")
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_nothing_is_overwritten_without_force_and_nothing_is_left_behind(tmp_path):
    log = to_event_log(pa.table({"case_id": ["1"], "activity": ["a"], "timestamp": ["2026-01-01Z"]}))
    path = tmp_path / "deep" / "log.csv"
    write_event_log(log, path)

    with pytest.raises(UsageError, match="Overwrite it with --force"):
        write_event_log(log, path)
    write_event_log(log, path, force=True)

    assert [entry.name for entry in path.parent.iterdir()] == ["log.csv"]


def test_what_is_no_event_log_is_not_written(tmp_path):
    with pytest.raises(InputError, match="column 'event_id' is missing"):
        write_event_log(pa.table({"a": [1]}), tmp_path / "log.csv")


def test_an_empty_log_is_written_and_read(tmp_path):
    log = to_event_log(pa.table({"case_id": [], "activity": [], "timestamp": []}))

    for ending in ("csv", "parquet", "xes"):
        write_event_log(log, tmp_path / f"log.{ending}")
        assert read_event_log(tmp_path / f"log.{ending}").num_rows == 0
