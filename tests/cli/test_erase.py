"""``journeymining erase``: nothing of the customer is left, everything of the others is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.cli import main
from journeymining.identity import erasure
from journeymining.identity.stitching import stitch
from journeymining.identity.traces import record_test
from journeymining.ingest.keys import normalise, pseudonym
from journeymining.journeys.cutting import JourneyConfig
from journeymining.journeys.event_log import make_event_log

KEY = "sixteen bytes or more"
ANNA = {"account": "ACC-ANNA", "email": "anna@example.org", "cookie": "c00c1e00aa", "order": "ORDER-77"}
BEN = {"account": "ACC-BEN", "email": "ben@example.org"}
HOME = "030 23125701"


def contact(account, email, order):
    """Return a row of the CRM, as its columns are there."""
    return {"AccountId": account, "Email": email, "Phone": HOME, "Order": order}


# source, record, day, what it carries, the record as its source wrote it (columns of a table, or one line)
RECORDS = [
    ("crm", "contact-anna", 0, {**ANNA, "phone": HOME}, contact("ACC-ANNA", "Anna@Example.org", "ORDER-77")),
    ("crm", "contact-ben", 50, {**BEN, "phone": HOME}, contact("ACC-BEN", "ben@example.org", None)),
    ("web", "visit-1", 2, {"cookie": "c00c1e00aa"}, '1.2.3.4 - - [x] "GET /a?m=anna%40example.org" "uid=c00c1e00aa"'),
    ("web", "visit-old", -200, {"cookie": "c00c1e00aa"}, '1.2.3.4 - - [x] "GET /b" "uid=c00c1e00aa; lang=de"'),
    ("web", "visit-ben", 52, {"email": "ben@example.org"}, '1.2.3.5 - ben@example.org [x] "GET /c" "-"'),
    ("calls", "call-anna", 3, {"phone": HOME}, "1767225600|1.1|support|NONE|ENTERQUEUE||+493023125701|1"),
    ("calls", "call-other", 4, {"phone": "030 99887766"}, "1767225601|1.2|support|NONE|ENTERQUEUE||03099887766|1"),
]


def hashed(kind, value):
    return pseudonym(kind, normalise(kind, value, "DE"), KEY.encode())


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Lay out the events of a job and two runs; only the first run holds Anna."""
    monkeypatch.setenv("JOURNEYMINING_KEY", KEY)
    store = tmp_path / "event_logs" / "job"
    times = {record: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for _, record, day, _, _ in RECORDS}
    rows = [
        (source, record, kind, hashed(kind, value), times[record])
        for source, record, _, carries, _ in RECORDS
        for kind, value in carries.items()
    ]
    time = pa.timestamp("us", tz="UTC")
    names = ["source", "event_id", "kind", "value_hash", "timestamp"]
    schema = pa.schema([*((name, pa.string()) for name in names[:4]), (names[4], time)])
    identifiers = pa.table(list(zip(*rows, strict=True)), schema=schema)
    events = pa.table(
        {
            "event_id": [record for _, record, *_ in RECORDS],
            "source": [source for source, *_ in RECORDS],
            "activity": ["seen"] * len(RECORDS),
            "timestamp": pa.array([times[record] for _, record, *_ in RECORDS], time),
        }
    )
    stitching = stitch(identifiers, events)
    store.mkdir(parents=True)
    make_event_log(events, stitching.events, journeys=JourneyConfig(), out=store)
    tables = {"source_events": events, "identifiers": identifiers}
    tables |= {"customers": stitching.customers, "records": stitching.events}
    tables["surveys"] = pa.table({"survey_id": ["s1"], "event_id": ["contact-anna"], "value": [3.0]})
    for name, table in tables.items():
        pq.write_table(table, store / f"{name}.parquet")
    for source in ("crm", "web", "calls"):
        texts = [raw if isinstance(raw, dict) else {"line": raw} for one, *_, raw in RECORDS if one == source]
        (store / "raw" / source / "stream").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(texts), store / "raw" / source / "stream" / "00000.parquet")
    (store / "rejected").mkdir()
    rejected = ['{"Email": "anna@example.org"}', '{"Email": "x@example.org"}']
    pq.write_table(pa.table({"reason": ["time", "time"], "record": rejected}), store / "rejected" / "crm.parquet")
    (store / "identity.json").write_text(json.dumps({"suspicious": [hashed("email", ANNA["email"])]}))
    notes = {"pull": {"digest": "d", "counts": {"rows_out": 8, "left_out": {}}}, "cut": {"digest": "c", "counts": {}}}
    (store / "steps.json").write_text(json.dumps(notes))
    (store / "prepared").mkdir()
    (store / "prepared" / "manifest.json").write_text("{}")
    customer = {row["event_id"]: row["customer_id"] for row in stitching.events.to_pylist()}
    for run, whose in (("first", "contact-anna"), ("second", "contact-ben")):
        folder = tmp_path / "outputs" / run
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"job": "job"}))
        pq.write_table(pa.table({"customer_id": [customer[whose]], "path": [["a", "b"]]}), folder / "journeys.parquet")
    monkeypatch.chdir(tmp_path)
    return store, customer


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["erase", *arguments])
    return left.value.code


def everything(folder):
    """Return all bytes and all decoded Parquet of a folder as one text."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts.append(path.name + path.read_bytes().decode("latin-1"))
            if path.suffix == ".parquet":
                parts.append(json.dumps(pq.read_table(path).to_pylist(), default=str))
    return "\n".join(parts)


def rows_of(store):
    files = sorted(store.rglob("*.parquet"))
    return {path.relative_to(store).as_posix(): pq.read_table(path).to_pylist() for path in files}


def test_nothing_of_the_customer_is_left_and_everything_of_others_is(world, tmp_path, capsys):
    store, customer = world
    before = rows_of(store)
    journeys = {row["customer_id"]: row["journey_id"] for row in before["journeys.parquet"]}
    annas = {customer["contact-anna"], customer["visit-old"]}
    needles = [*ANNA.values(), "Anna@", "anna%40", *(hashed(kind, value) for kind, value in ANNA.items())]
    needles += ["contact-anna", "visit-1", "visit-old", "call-anna", *annas, *(journeys[one] for one in annas)]
    assert all(needle in everything(tmp_path) for needle in needles)

    code = run("--email", " ANNA@example.org", "--region", "DE", "--yes", "--proof", "proof.json", "--reference", "T-1")

    assert code == 0
    left = everything(tmp_path)
    assert [needle for needle in needles if needle in left] == []
    after = rows_of(store)
    for name, rows in after.items():
        assert all(row in before[name] for row in rows)
        kept = [row for row in before[name] if row not in rows]
        assert not any(one in json.dumps(kept, default=str) for one in ("ben@example.org", "ACC-BEN", "x@example.org"))
    assert {row["event_id"] for row in after["records.parquet"]} == {"contact-ben", "visit-ben", "call-other"}
    assert [row["Phone"] for row in after["raw/crm/stream/00000.parquet"]] == [HOME]
    assert hashed("phone", HOME) in {row["value_hash"] for row in after["customers.parquet"]}
    assert not (store / "prepared").exists()
    assert not (store / "identity.json").exists()
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["second"]
    assert capsys.readouterr().out == (tmp_path / "proof.json").read_text()


def test_the_proof_counts_without_personal_data(world, tmp_path, capsys):
    store, customer = world

    run(customer["contact-anna"], "--region", "DE", "--yes", "--reference", "T-1")

    text = capsys.readouterr().out
    proof = json.loads(text)
    files = {one["file"]: one for one in proof["events"][0]["files"]}
    assert {name: (one["rows"], one["removed"]) for name, one in files.items()} == {
        "prepared": (None, None),
        "identity.json": (None, None),
        "events.parquet": (7, 4),
        "identifiers.parquet": (13, 8),
        "journeys.parquet": (4, 2),
        "raw/calls/stream/00000.parquet": (2, 1),
        "raw/crm/stream/00000.parquet": (2, 1),
        "raw/web/stream/00000.parquet": (3, 2),
        "rejected/crm.parquet": (2, 1),
        "source_events.parquet": (7, 4),
        "surveys.parquet": (1, 1),
        "customers.parquet": (10, 6),
        "records.parquet": (7, 4),
    }
    assert all(one["after"] == erasure.digest(store / name) for name, one in files.items() if one["after"])
    assert proof["runs"][0]["again"] == "journeymining run JOB.yaml --out outputs/first"
    assert proof["reference"] == "T-1"
    personal = [*ANNA.values(), customer["contact-anna"], *(hashed(kind, value) for kind, value in ANNA.items())]
    assert not any(needle in text for needle in personal)
    steps = json.loads((store / "steps.json").read_text())
    assert steps == {"pull": {"digest": "d", "counts": {"rows_out": 3, "left_out": {"erased": 5}}}}


def test_an_interrupted_erasure_can_be_done_again(world, monkeypatch):
    store, customer = world
    erase_file = erasure._erase_file

    def fails_late(path, *rest):
        if path.name == "surveys.parquet":
            raise KeyboardInterrupt
        return erase_file(path, *rest)

    monkeypatch.setattr(erasure, "_erase_file", fails_late)
    assert run(customer["contact-anna"], "--region", "DE", "--yes") == 130
    monkeypatch.setattr(erasure, "_erase_file", erase_file)

    assert run(customer["contact-anna"], "--region", "DE", "--yes") == 0
    assert customer["contact-anna"] not in everything(store)
    assert "anna@example.org" not in everything(store)


def test_without_the_region_the_kept_raw_records_are_pointed_at(world, capsys):
    _, customer = world

    run(customer["call-other"], "--yes")

    assert "raw/calls: the customer had 1 records from there" in capsys.readouterr().err


def test_nothing_happens_without_a_yes(world, tmp_path, monkeypatch):
    _, customer = world
    monkeypatch.setattr("click.confirm", lambda *_, **__: (_ for _ in ()).throw(__import__("click").Abort()))
    before = everything(tmp_path)

    assert run(customer["contact-anna"]) == 130
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Give a CUSTOMER or one identifier"),
        (["someone", "--email", "a@example.org"], 2, "Give a CUSTOMER or one identifier"),
        (["nobody-we-know"], 1, "knows this customer"),
        (["--email", "stranger@example.org"], 1, "knows this customer"),
        (["--email", "no address"], 2, "this is nobody's email"),
        (["--phone", HOME], 2, "--region"),
        (["--phone", HOME, "--region", "DE"], 2, "belongs or belonged to 2 customers; give one:"),
        (["--account", "ACC-ANNA", "--events", "elsewhere"], 1, "elsewhere: no events of a job here"),
        (["--account", "ACC-ANNA", "--proof", "there.json"], 2, "there.json"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_changes_nothing(world, tmp_path, capsys, arguments, code, message):
    (tmp_path / "there.json").write_text("{}")
    before = everything(tmp_path)

    assert run(*arguments, "--yes") == code
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1
    assert message in shown[0]
    assert everything(tmp_path) == before


def test_a_key_is_needed_to_recognise_raw_records(world, monkeypatch, capsys):
    monkeypatch.delenv("JOURNEYMINING_KEY")

    assert run("someone", "--yes") == 2
    assert "JOURNEYMINING_KEY is not set" in capsys.readouterr().err


def test_a_raw_record_with_a_shared_identifier_stays_only_with_somebody_elses_own(world):
    from journeymining.identity.traces import find_traces

    store, customer = world
    is_theirs = record_test(find_traces(store, customer["contact-anna"]), key=KEY.encode(), region="DE")

    assert is_theirs([None, "call from +49 30 23125701 (mobile)"]) is True
    assert is_theirs([None, "call from +49 30 23125702"]) is False
    assert is_theirs(["+49 30 23125701", "ben@example.org"]) is False
    assert is_theirs(["+49 30 23125701", "ben@example.org", "ORDER-77"]) is True
    assert is_theirs([None, ""]) is False
