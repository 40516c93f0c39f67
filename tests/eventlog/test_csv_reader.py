"""CSV is read whatever its delimiter, encoding and line ends; every field stays the text it was."""

from __future__ import annotations

import gzip
import io
import sys
from types import SimpleNamespace

import pytest

from journeymining.eventlog.csv_reader import read_csv
from journeymining.exceptions import InputError, UsageError


def read(folder, content: bytes, **options):
    path = folder / "log.csv"
    path.write_bytes(content)
    table, facts = read_csv(path, **options)
    return table.to_pydict(), facts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_found(tmp_path, delimiter, end):
    lines = [delimiter.join(fields) for fields in (("a", "b", "c"), ("1", "x y", "3"), ("4", "", "NA"))]

    columns, facts = read(tmp_path, end.join(lines).encode())

    assert columns == {"a": ["1", "4"], "b": ["x y", None], "c": ["3", "NA"]}
    assert facts["delimiter"] == delimiter


def test_a_declared_delimiter_wins(tmp_path):
    assert list(read(tmp_path, b"a,b;c\n1,2;3\n", delimiter=";")[0]) == ["a,b", "c"]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_encodings_are_found(tmp_path, encoding, found):
    columns, facts = read(tmp_path, "k;straße\n1;Müller €\n".encode(encoding))

    assert columns == {"k": ["1"], "straße": ["Müller €"]}
    assert facts["encoding"] == found
    assert facts["invalid_bytes"] == 0


def test_latin_1_with_control_codes_is_read_too(tmp_path):
    columns, facts = read(tmp_path, b"k;v\n1;\xe9\x81\n")

    assert columns == {"k": ["1"], "v": ["é\x81"]}
    assert facts["encoding"] == "latin-1"


def test_damaged_bytes_in_utf_8_are_replaced_and_counted(tmp_path):
    columns, facts = read(tmp_path, "k,v\n1,éàü\n2,".encode() + b"a\xffb\n")

    assert columns["v"] == ["éàü", "a�b"]
    assert facts["invalid_bytes"] == 1


def test_replacement_characters_of_the_file_are_no_damage(tmp_path):
    columns, facts = read(tmp_path, "k,v\n1,a�\n".encode())

    assert columns["v"] == ["a�"]
    assert (facts["encoding"], facts["invalid_bytes"]) == ("utf-8", 0)


def test_a_character_across_two_chunks_is_read_whole(tmp_path):
    filling = "x" * ((1 << 20) - 5)

    columns, facts = read(tmp_path, f"k,v\n{filling},é\n1,ü\n".encode())

    assert columns["v"] == ["é", "ü"]
    assert facts["invalid_bytes"] == 0


def test_ids_stay_text(tmp_path):
    columns, _ = read(tmp_path, b"case_id,x\nNA,1\n007,2\nnull,3\n1e5,4\n")

    assert columns["case_id"] == ["NA", "007", "null", "1e5"]


def test_an_empty_field_is_null_and_a_quoted_one_is_empty_text(tmp_path):
    assert read(tmp_path, b'a,b\n,""\n')[0] == {"a": [None], "b": [""]}


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path):
    assert read(tmp_path, b'a,b\n"x, ""y""\nz",1\n')[0] == {"a": ['x, "y"\nz'], "b": ["1"]}


def test_rows_of_another_width_are_left_out_with_their_number(tmp_path):
    columns, facts = read(tmp_path, b"a,b\n1,2\n1,2,3\n4,5\n6\n")

    assert columns == {"a": ["1", "4"], "b": ["2", "5"]}
    assert facts["wrong_number_of_fields"] == [2, 4]


def test_names_that_repeat_or_lack_are_told_apart(tmp_path):
    assert list(read(tmp_path, b",a,a\n1,2,3\n")[0]) == ["column_1", "a", "a_2"]


def test_compressed_csv_is_read(tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress("a,b\n1,é\n".encode()))

    assert read_csv(path)[0].to_pydict() == {"a": ["1"], "b": ["é"]}


def test_a_dash_is_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a;b\n1;2\n")))

    assert read_csv("-")[0].to_pydict() == {"a": ["1"], "b": ["2"]}


def test_empty_files_and_odd_delimiters_are_refused(tmp_path):
    with pytest.raises(InputError, match="the file is empty"):
        read(tmp_path, b"")
    with pytest.raises(UsageError, match="one character"):
        read(tmp_path, b"a,b\n", delimiter="::")
