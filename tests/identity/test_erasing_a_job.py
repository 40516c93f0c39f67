"""From raw records through a whole run, and then no trace of one customer: of jobs with pseudonyms and in clear."""

from __future__ import annotations

import json
import zipfile

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from journeymining.cli.erase import command as erase
from journeymining.cli.run import command as run
from journeymining.ingest.keys import normalise, pseudonym

KEY = "a key that only tests have"
ENV = {"JOURNEYMINING_KEY": KEY}
HEAD = "time,activity,channel,account,email,phone,cookie\n"
ANNAS = """2026-01-01T10:00:00Z,order,web,"KD 7, Süd",anna@example.org,030 23125701,
2026-01-02T10:00:00Z,pay,app,,ANNA@example.org,,
2026-01-02T09:00:00Z,look,web,,anna@example.org,,c00c1e00aa
2025-06-01T09:00:00Z,look,web,,,,c00c1e00aa
yesterday,pay,web,"KD 7, Süd",anna@example.org,,
"""
OTHERS = """2026-01-03T10:00:00Z,order,web,KD 8,ben@example.org,030 23125709,
2026-01-04T10:00:00Z,pay,web,KD 8,,,
2026-01-05T10:00:00Z,look,web,,,,c00c1e00bb
tomorrow,pay,web,KD 8,,,
"""
ASKED = "survey_id,email,level,metric,value,scale_min,scale_max,sent_at,answered_at\n"
ANNAS_ANSWER = "S-1,anna@example.org,relation,nps,9,0,10,2026-01-03T10:00:00Z,2026-01-03T11:00:00Z\n"
BENS_ANSWER = "S-2,ben@example.org,relation,nps,3,0,10,2026-01-06T10:00:00Z,2026-01-06T11:00:00Z\n"
JOB = """
job: shop
timezone: UTC
region: DE
sources:
  shop: {connector: csv, path: shop.csv, rejected_text: true}
  asked: {connector: survey_csv, path: answers.csv}
identity: {keys: [account, email, phone, cookie], pseudonymise: PSEUDONYMISE}
journeys: {by: customer, cut: {gap: 30 days, end: [pay]}}
design: design.yaml
"""
IN_CLEAR = ["KD 7, Süd", "anna@example.org", "ANNA@example.org", "030 23125701", "c00c1e00aa"]
ANNA = {"account": "KD 7, Süd", "email": "anna@example.org", "phone": "030 23125701", "cookie": "c00c1e00aa"}


def write_job(folder, lines, answers, pseudonymise):
    folder.mkdir(exist_ok=True)
    (folder / "shop.csv").write_text(HEAD + lines, encoding="utf-8")
    (folder / "answers.csv").write_text(ASKED + answers, encoding="utf-8")
    (folder / "design.yaml").write_text("journey: shop\nscope: {start: order, end: [pay]}\nflow: order > pay\n")
    (folder / "job.yaml").write_text(JOB.replace("PSEUDONYMISE", str(pseudonymise).lower()), encoding="utf-8")


def call(command, *arguments):
    result = CliRunner().invoke(command, list(arguments), env=ENV)
    assert result.exit_code == 0, result.output
    return result


def everything(*folders):
    """Return all bytes, all decoded Parquet and all unpacked archives below folders as one text."""
    parts = []
    for path in sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        parts += [str(path), data.decode("utf-8", errors="replace"), data.decode("latin-1")]
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            parts += [json.dumps(table.to_pylist(), default=str, ensure_ascii=False), str(table.schema)]
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                parts += [file.read(name).decode("utf-8", errors="replace") for name in file.namelist()]
    return "\n".join(parts)


def tables(store):
    names = ("source_events", "identifiers", "surveys", "customers", "records", "events", "journeys")
    return {name: sorted(map(str, pq.read_table(store / f"{name}.parquet").to_pylist())) for name in names}


@pytest.mark.parametrize("pseudonymise", [True, False], ids=["with pseudonyms", "in clear"])
def test_an_erased_customer_leaves_no_trace_and_the_rest_is_as_if_they_had_never_been(
    pseudonymise, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path, ANNAS + OTHERS, ANNAS_ANSWER + BENS_ANSWER, pseudonymise)
    call(run, "job.yaml")
    store, results = tmp_path / "event_logs/shop", tmp_path / "outputs/shop"
    hashed = {
        kind: pseudonym(kind, normalise(kind, value, "DE"), KEY.encode())
        if pseudonymise
        else f"{kind}:{normalise(kind, value, 'DE')}"
        for kind, value in ANNA.items()
    }
    customers = pq.read_table(store / "customers.parquet").to_pylist()
    annas = {row["customer_id"] for row in customers if row["value_hash"] in hashed.values()}
    records = pq.read_table(store / "records.parquet").to_pylist()
    journeys = pq.read_table(store / "journeys.parquet").to_pylist()
    needles = [*IN_CLEAR, *hashed.values(), *annas]
    needles += [row["event_id"] for row in records if row["customer_id"] in annas]
    needles += [row["journey_id"] for row in journeys if row["customer_id"] in annas]
    before = everything(store, results)
    assert [needle for needle in needles if needle not in before] == []
    # The visit of last summer is too old to be hers by the rules, but it is her cookie: two customers.
    assert (len(annas), len(needles)) == (2, 5 + 4 + 2 + 5 + 2)
    # A result that nobody would look into.
    with zipfile.ZipFile(results / "model.skops", "w") as file:
        file.writestr("schema.json", json.dumps({"of": sorted(annas)}))

    write_job(tmp_path, OTHERS, BENS_ANSWER, pseudonymise)
    answer = call(erase, "--email", "Anna@Example.org", "--region", "DE", "--job", "job.yaml", "--yes")

    left = everything(tmp_path / "event_logs", tmp_path / "outputs")
    assert [needle for needle in needles if needle in left] == []
    assert "KD 8" in left or pseudonymise
    proof = json.loads(answer.stdout)
    assert [(one["job"], one["computed_again"]) for one in proof["runs"]] == [("shop", True)]
    assert [needle for needle in needles if needle in answer.stdout] == []
    assert proof["events"][0]["records"]["shop"]["raw_removed"] == 5
    # All that is left, and the run made of it, is what the others alone would have given.
    write_job(tmp_path / "fresh", OTHERS, BENS_ANSWER, pseudonymise)
    monkeypatch.chdir(tmp_path / "fresh")
    call(run, "job.yaml")
    assert tables(store) == tables(tmp_path / "fresh/event_logs/shop")
    for name in ("variants.parquet", "journeys.parquet"):
        fresh = pq.read_table(tmp_path / "fresh/outputs/shop" / name)
        assert pq.read_table(results / name).equals(fresh), name


def test_sources_that_did_not_change_bring_nobody_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path, ANNAS + OTHERS, BENS_ANSWER, False)
    call(run, "job.yaml")

    call(erase, "--account", "KD 7, Süd", "--job", "job.yaml", "--yes", "--region", "DE")

    left = everything(tmp_path / "event_logs", tmp_path / "outputs")
    assert [needle for needle in IN_CLEAR if needle in left] == []


def test_a_source_that_brings_the_customer_back_is_an_error_and_no_proof_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_job(tmp_path, ANNAS + OTHERS, BENS_ANSWER, False)
    call(run, "job.yaml")
    write_job(tmp_path, ANNAS + OTHERS + "2026-01-07T10:00:00Z,look,web,KD 9,,,\n", BENS_ANSWER, False)

    arguments = ["--account", "KD 7, Süd", "--job", "job.yaml", "--yes", "--region", "DE", "--proof", "proof.json"]
    result = CliRunner().invoke(erase, arguments, env=ENV)

    assert "A source still has the customer" in str(result.exception)
    assert not (tmp_path / "proof.json").exists()
