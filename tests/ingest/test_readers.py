"""Landing: every record as it came, whatever the bytes, with its line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError
from journeymining.ingest import readers
from journeymining.ingest.raw import RawWriter
from journeymining.ingest.readers import land
from journeymining.ingest.specs import Stream


def landed(tmp_path, content, *, columns=("id", "name"), **format_):
    file = tmp_path / "in"
    file.write_bytes(content)
    stream = Stream.model_validate({"format": {"type": "csv", **format_}, "fields": list(columns)})
    with RawWriter(tmp_path / "raw") as writer:
        result = land(file, writer, stream=stream, name="in", columns=columns)
    return result, pq.read_table(tmp_path / "raw/00000.parquet").to_pylist()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_packed_files_are_known_by_their_first_bytes(tmp_path, pack):
    result, rows = landed(tmp_path, pack(b"id,name\n1,a\n2,b\n"))

    assert result.records == 2
    assert rows == [
        {"id": "1", "name": "a", "_line": 2, "_problem": None, "_file": "in"},
        {"id": "2", "name": "b", "_line": 3, "_problem": None, "_file": "in"},
    ]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"id,name\r1,a\r2,b\r", ["a", "b"]),
        (b"id,name\r\n1,a\r\n\r\n2,b", ["a", "b"]),
        (b'\xef\xbb\xbfid,name\n1,"a, ""b""\nc"\n', ['a, "b"\nc']),
        ("id,name\n1,Größe\n".encode("utf-16"), ["Größe"]),
        (b"id,name\n1,\n2,NULL\n", ["", "NULL"]),
        (b"id,name,name\n1,a,b\n", ["a"]),
        (b'id,name\n1,""""" <+49>"\n', ['"" <+49>']),
    ],
)
def test_tables_as_they_are_written_in_the_world(tmp_path, content, names):
    _, rows = landed(tmp_path, content)

    assert [row["name"] for row in rows] == names
    assert not any(row["_problem"] for row in rows)


def test_a_row_with_another_number_of_fields_is_kept_and_marked(tmp_path):
    result, rows = landed(tmp_path, b"id,name\n1\n2,b,c\n3,d\n")

    assert result.records == 3
    assert [row["_problem"] for row in rows] == ["number of fields", "number of fields", None]
    assert [row["_line"] for row in rows] == [2, 3, 4]


def test_without_a_header_fields_at_the_end_may_be_absent(tmp_path):
    _, rows = landed(tmp_path, b"1\n2,b\n3,c,d\n", header=False)

    assert [row["_problem"] for row in rows] == [None, None, "number of fields"]
    assert [row["name"] for row in rows] == ["", "b", "c"]


def test_lines_of_quoted_fields_are_those_of_the_file(tmp_path):
    _, rows = landed(tmp_path, b'id,name\n1,"a\nb"\n2,c\n')

    assert [row["_line"] for row in rows] == [3, 4]


def test_bytes_that_are_no_text_are_replaced_and_counted(tmp_path):
    result, rows = landed(tmp_path, b"id,name\n1,M\xfcller\n2,ok\0\n")

    assert rows[0]["name"] == "M\ufffdller"
    # A NUL is no text either.
    assert result.replaced == 2
    assert landed(tmp_path, b"id,name\n1,M\xfcller\n", encoding="latin-1")[1][0]["name"] == "Müller"


def test_lines_are_kept_as_they_are_and_empty_ones_are_none(tmp_path):
    content = b'a "b"\r\n\n c\x85d\x1ce \xe2\x80\xa8 f\nlast'

    _, rows = landed(tmp_path, content, type="lines", separator="|", encoding="utf-8")

    assert [row["_line"] for row in rows] == [1, 3, 4]
    assert rows[0]["line"] == 'a "b"'
    assert rows[2]["line"] == "last"


def test_batches_do_not_change_a_result(tmp_path, monkeypatch):
    content = b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(25))
    whole = landed(tmp_path, content)[1]

    monkeypatch.setattr(readers, "BATCH", 5)

    assert landed(tmp_path, content)[1] == whole


def test_parquet_becomes_text_with_times_in_utc(tmp_path):
    table = pa.table(
        {
            "id": [1, None],
            "name": [{"a": [1]}, None],
            "at": pa.array([1_795_317_312_000_007, None], pa.timestamp("us", tz="Europe/Berlin")),
            "local": pa.array([0, None], pa.timestamp("us")),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    stream = Stream.model_validate({"format": {"type": "parquet"}, "fields": ["id"]})

    with RawWriter(tmp_path / "raw") as writer:
        land(tmp_path / "in.parquet", writer, stream=stream, name="in.parquet", columns=["id"])

    rows = pq.read_table(tmp_path / "raw/00000.parquet").to_pylist()
    assert rows[0] == {
        "id": "1",
        "name": '{"a":[1]}',
        "at": "2026-11-22T03:15:12.000007Z",
        "local": "1970-01-01 00:00:00",
        "_line": 1,
        "_problem": None,
        "_file": "in.parquet",
    }
    assert [rows[1][name] for name in ("id", "name", "at", "local")] == [None] * 4


PACKED = gzip.compress(b"id,name\n" + bytes(range(32, 127)) * 900)
GARBLED = PACKED[:60] + bytes(40) + PACKED[100:]


@pytest.mark.parametrize(
    ("content", "format_", "message"),
    [
        (b"a;b\n1;2\n", {}, "none of the expected columns .* found 1 column of other names.*delimiter: '...'"),
        (b"id;name\n1;2\n", {}, r"found 1 column.*'format: \{delimiter: ';'\}'"),
        (b"ID,Nam,x\n1,2,3\n", {}, "found 3 columns, among them ID, Nam. If they have other names"),
        (b"anna@example.org,+49 30 23125701\n", {}, "^(?!.*(anna|23125701))"),
        (b"\x1f\x8bbroken", {}, "cannot be read as csv"),
        (gzip.compress(b"id,name\n" * 1000)[:-20], {}, "cannot be read as csv"),
        (GARBLED, {}, "cannot be read as csv"),
        (b"PK\x03\x04 and more", {}, "is packed with zip. Unpack it"),
        (b"\x28\xb5\x2f\xfd and more", {"type": "json_lines"}, "is packed with zstd"),
        (b'[{"id": 1}, {"id": "anna@x.org" "a": 1}]', {"type": "json_lines"}, "is no JSON, at byte (?!.*anna)"),
        (b'[{"id": 1}, {"id"', {"type": "json_lines"}, "is no JSON, at byte"),
        (b"no parquet", {"type": "parquet"}, "cannot be read as parquet"),
        (b"id,name\n", {"encoding": "klingon"}, "unknown encoding 'klingon'"),
    ],
)
def test_files_that_cannot_be_read_say_what_would_work(tmp_path, content, format_, message):
    with pytest.raises(InputError, match=message):
        landed(tmp_path, content, **format_)


def test_a_file_without_a_byte_has_no_records(tmp_path):
    (tmp_path / "in").write_bytes(b"")
    stream = Stream.model_validate({"format": {"type": "csv"}, "fields": ["id"]})

    with RawWriter(tmp_path / "raw") as writer:
        assert land(tmp_path / "in", writer, stream=stream, name="in", columns=["id"]).records == 0


def test_a_quotation_mark_that_is_not_closed_costs_one_record(tmp_path):
    rows = "".join(f"{number},visit\n" for number in range(2, 2001))

    result, found = landed(tmp_path, f'id,name\n1,"visit\n{rows}'.encode())

    assert result.records == 2000
    assert found[0] == {
        "id": "1",
        "name": "visit\n",
        "_line": 2,
        "_problem": "a quotation mark that is not closed",
        "_file": "in",
    }
    assert [(row["id"], row["_line"], row["_problem"]) for row in found[1:]] == [
        (str(number), number + 1, None) for number in range(2, 2001)
    ]


def test_numbers_of_parquet_are_written_as_those_of_tables(tmp_path):
    columns = {
        "id": pa.array([123.0, None, 0.5, 1e300, float("nan")]),
        "name": pa.array([90_500_000, None, 0, 1, 2_000_000], pa.duration("us")),
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    stream = Stream.model_validate({"format": {"type": "parquet"}, "fields": ["id", "name"]})

    with RawWriter(tmp_path / "raw") as writer:
        land(tmp_path / "in.parquet", writer, stream=stream, name="in", columns=["id", "name"])

    found = pq.read_table(tmp_path / "raw/00000.parquet")
    assert found["id"].to_pylist() == ["123", None, "0.5", "1e+300", "nan"]
    assert found["name"].to_pylist() == ["90.5", None, "0", "1e-06", "2"]


OBJECTS = [{"id": 1, "by": {"name": "é\n"}}, {"id": 2}, {"id": 3}]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "content",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        "\n  [\n" + ",\n".join(map(json.dumps, OBJECTS)) + "\n]\n",
        "\n".join(json.dumps(one, indent=2) for one in OBJECTS),
        "\n".join(map(json.dumps, OBJECTS)),
    ],
)
def test_json_is_read_however_its_objects_stand(tmp_path, content, pack):
    result, rows = landed(tmp_path, pack(content.encode()), type="json_lines")

    assert [json.loads(row["line"]) for row in rows] == OBJECTS
    assert [row["_line"] for row in rows] == [1, 2, 3]
    assert result.records == 3


def test_lines_that_are_arrays_are_no_array_of_records(tmp_path):
    assert [row["line"] for row in landed(tmp_path, b"[1]\n[2]\n", type="json_lines")[1]] == ["[1]", "[2]"]


def test_an_array_in_another_encoding_is_read_by_lines(tmp_path):
    _, rows = landed(tmp_path, json.dumps(OBJECTS).encode("utf-16"), type="json_lines")

    assert [row["line"] for row in rows] == [json.dumps(OBJECTS)]
