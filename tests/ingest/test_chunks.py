"""Portions are a matter of memory only: of any size, they give the same tables and counts."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pyarrow.parquet as pq
import pytest

from journeymining.exceptions import InputError
from journeymining.ingest.library import SPEC, connector_folder
from journeymining.ingest.pull import ingest_sources
from journeymining.ingest.sources import SourceConfig
from journeymining.ingest.specs import read_connector


def tables(connector, out):
    folder = connector_folder(connector)
    sample = read_connector(folder / SPEC).sample.model_dump()
    config = SourceConfig.model_validate({"connector": connector, **sample})
    ingest_sources({"s": config}, timezone=None, region=None, key=b"0123456789abcdef", out=out, base=folder, threads=1)
    found = {path.name: pq.read_table(path).to_pylist() for path in sorted(out.glob("*.parquet"))}
    found["rejected"] = pq.read_table(out / "rejected/s.parquet").to_pylist()
    rows = {name: sorted(json.dumps(row, default=str) for row in rows) for name, rows in found.items()}
    return rows, (out / "quality.json").read_text()


# Repeated lines, unfolded lists, an order of their own, answers, collapsed legs, linking records, lookups.
@pytest.mark.parametrize(
    "connector", ["access_log", "genesys", "ga4", "survey_csv", "asterisk_cdr", "hubspot", "matomo"]
)
def test_portions_of_two_records_give_what_one_portion_gives(tmp_path, portions_of, connector):
    whole = tables(connector, tmp_path / "whole")
    portions_of(2)

    assert tables(connector, tmp_path / "portions") == whole


def test_repeated_lines_are_numbered_and_copied_files_left_out_across_portions(tmp_path, portions_of):
    portions_of(2)
    row = "2026-03-01T10:00:00Z,visit,a@example.org\n"
    other = row.replace("10:00", "11:00")
    (tmp_path / "a.csv").write_text("time,activity,email\n" + row * 3 + other + row)
    (tmp_path / "b.csv").write_text("time,activity,email\n" + row * 2 + other * 2)
    config = SourceConfig.model_validate({"connector": "csv", "path": "*.csv"})

    quality = ingest_sources(
        {"s": config}, timezone=None, region=None, key=None, out=tmp_path / "out", base=tmp_path, threads=1
    )

    # Four equal visits and one other in the first file; of the second only its second other one is new.
    assert quality["events"] == 6
    assert quality["sources"]["s"]["streams"]["rows"]["left_out"] == {"duplicate": 3}
    ids = pq.read_table(tmp_path / "out/source_events.parquet").column("event_id").to_pylist()
    assert len(set(ids)) == 6


def test_files_of_one_name_outside_the_job_are_two_files(tmp_path):
    row = "2026-03-01T10:00:00Z,visit,a@example.org\n"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "log.csv").write_text("time,activity,email\n" + row)
    (tmp_path / "job").mkdir()
    config = SourceConfig.model_validate({"connector": "csv", "path": str(tmp_path / "*/log.csv")})

    quality = ingest_sources(
        {"s": config}, timezone=None, region=None, key=None, out=tmp_path / "out", base=tmp_path / "job"
    )

    # The second is a copy of the first, not a second visit within one file.
    assert quality["sources"]["s"]["files"] == {"rows": ["a/log.csv", "b/log.csv"]}
    assert quality["sources"]["s"]["streams"]["rows"]["left_out"] == {"duplicate": 1}
    assert quality["events"] == 1


def test_a_table_that_cannot_be_read_to_its_end_changes_nothing(tmp_path):
    config = SourceConfig.model_validate({"connector": "csv", "path": "*.csv"})
    (tmp_path / "a.csv").write_text("time,activity,email\n2026-03-01T10:00:00Z,visit,a@example.org\n")

    def pull():
        return ingest_sources({"s": config}, timezone=None, region=None, key=None, out=tmp_path / "out", base=tmp_path)

    pull()
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "b.csv").write_text("none,of,these\n1,2,3\n")

    with pytest.raises(InputError, match=r"b\.csv: none of the expected columns"):
        pull()

    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("connector", "name", "field"), [("segment", "events", "messageId"), ("genesys", "conversations", "conversationId")]
)
def test_long_records_of_json_are_mapped_within_little_memory(tmp_path, connector, name, field):
    sample = connector_folder(connector) / f"sample/{name}.jsonl"
    record = json.loads(sample.read_text(encoding="utf-8").splitlines()[0])
    lines = [json.dumps(record | {field: f"r{number}", "note": f"{number} " * 8_000}) for number in range(400)]
    (tmp_path / "long").mkdir()
    (tmp_path / f"long/{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "short").mkdir()
    (tmp_path / f"short/{name}.jsonl").write_text(json.dumps(record), encoding="utf-8")

    def events(folder, memory):
        config = SourceConfig.model_validate({"connector": connector, "path": folder})
        given = {"timezone": None, "region": None, "key": None, "base": tmp_path, "threads": 2}
        return ingest_sources({"s": config}, out=tmp_path / "out", memory=memory, **given)["events"]

    # Fourteen megabytes; each function that parses them took as much again, several times over.
    assert events("long", "200MB") == 400 * events("short", "200MB") > 0


def test_a_record_that_is_too_long_is_said_in_one_line(tmp_path):
    sample = connector_folder("segment") / "sample/events.jsonl"
    record = json.loads(sample.read_text(encoding="utf-8").splitlines()[0])
    (tmp_path / "events.jsonl").write_text(json.dumps(record | {"note": "x" * (20 << 20)}), encoding="utf-8")
    config = SourceConfig.model_validate({"connector": "segment", "path": "events.jsonl"})
    given = {"timezone": None, "region": None, "key": None, "base": tmp_path, "out": tmp_path / "out"}

    with pytest.raises(InputError, match="records do not fit into the 100MB of memory"):
        ingest_sources({"s": config}, memory="100MB", **given)


def test_long_records_of_an_api_are_mapped_within_little_memory_pull_after_pull(tmp_path, serve):
    sample = connector_folder("segment") / "sample/events.jsonl"
    record = json.loads(sample.read_text(encoding="utf-8").splitlines()[0])
    there = 200

    def answer(handler):
        start = int(parse_qs(urlsplit(handler.path).query).get("offset", ["0"])[0])
        numbers = range(start, min(start + 50, there))
        found = [record | {"messageId": f"r{one}", "seen": one, "note": f"{one} " * 8_000} for one in numbers]
        return handler.reply({"results": found})

    page = {"by": "offset", "parameter": "offset", "size": 50}
    http = {"records": "results", "page": page, "cursor": "seen", "since": "since"}
    config = SourceConfig.model_validate({"connector": "segment", "url": serve(answer), "http": http})
    events = []
    for there in (200, 1000):  # noqa: B007 - the server asks for it
        given = {"timezone": None, "region": None, "key": None, "out": tmp_path / "out", "memory": "200MB"}
        events.append(ingest_sources({"s": config}, **given)["events"])

    # The second pull is a batch of its own, which is looked at by itself as well.
    assert events == [200, 1000]
    assert len(list((tmp_path / "out/raw/s").glob("*/*/*.parquet"))) == 2
