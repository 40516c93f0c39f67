"""The same seed gives the same bytes; memory holds one chunk; bad arguments are refused."""

from __future__ import annotations

import hashlib

import pytest

from journeymining.documents import load_yaml
from journeymining.exceptions import UsageError
from journeymining.simulation import Company, Deviations, simulate, write


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path):
    first, second, other = (
        digests(simulate(tmp_path / name, customers=300, seed=seed)) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert first == second
    assert first["truth/journeys.csv"] != other["truth/journeys.csv"]
    assert {"job.yaml", "design.yaml", "truth.json", "raw/web/access.log.1.gz", "raw/asterisk/queue_log"} <= set(first)


def test_nothing_but_one_chunk_is_in_memory_and_files_are_still_in_the_order_of_time(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CUSTOMERS_PER_CHUNK", 50)
    sizes, told = [], []
    live = write.live
    monkeypatch.setattr(write, "live", lambda size, *rest: sizes.append(size) or live(size, *rest))

    folder = simulate(tmp_path / "demo", customers=420, seed=3, progress=told.append)

    assert sizes == told == [50] * 8 + [20]
    times = [int(line.split("|")[0]) for line in (folder / "raw/asterisk/queue_log").read_text().splitlines()]
    assert times == sorted(times)
    assert len((folder / "truth/journeys.csv").read_text().splitlines()) == 421
    assert not list(folder.glob("runs-*"))


def test_a_chunk_does_not_depend_on_those_before_or_after_it(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CUSTOMERS_PER_CHUNK", 50)

    few = simulate(tmp_path / "few", customers=100, seed=3)
    many = simulate(tmp_path / "many", customers=150, seed=3)

    for name in ("journeys", "identifiers"):
        text = (few / f"truth/{name}.csv").read_text()
        assert (many / f"truth/{name}.csv").read_text().startswith(text)


def test_no_two_customers_of_different_chunks_share_an_identifier(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CUSTOMERS_PER_CHUNK", 50)
    folder = simulate(tmp_path / "demo", customers=200, seed=3)
    lines = (folder / "truth/identifiers.csv").read_text().splitlines()[1:]
    strong = [line.rsplit(",", 1)[0] for line in lines if not line.startswith("phone")]

    assert len(strong) == len(set(strong))


def test_other_rates_than_the_usual_can_be_planted(tmp_path):
    company = Company(deviations=Deviations(late=1.0, missing_confirmation=0.0, wrong_order=0.0))
    folder = simulate(tmp_path / "demo", customers=50, seed=1, company=company)
    rows = [line.split(",") for line in (folder / "truth/journeys.csv").read_text().splitlines()]
    late, missing = rows[0].index("late"), rows[0].index("missing_confirmation")

    assert {row[late] for row in rows[1:]} == {"1"}
    assert {row[missing] for row in rows[1:]} == {"0"}


def test_one_customer_is_enough(tmp_path):
    folder = simulate(tmp_path / "demo", customers=1, seed=0)

    assert len((folder / "raw/salesforce/Contact.csv").read_text().splitlines()) >= 2


@pytest.mark.parametrize(("customers", "seed"), [(0, 1), (-5, 1), (5_000_000, 1), (10, -1)])
def test_impossible_numbers_are_refused_before_anything_is_written(tmp_path, customers, seed):
    with pytest.raises(UsageError, match="must be"):
        simulate(tmp_path / "demo", customers=customers, seed=seed)

    assert not list(tmp_path.iterdir())


def test_what_is_there_is_replaced_only_when_asked(tmp_path):
    folder = simulate(tmp_path / "demo", customers=20, seed=1)
    (folder / "mine.txt").write_text("keep me", encoding="utf-8")

    with pytest.raises(UsageError, match="--force"):
        simulate(folder, customers=20, seed=1)
    assert (folder / "mine.txt").exists()
    simulate(folder, customers=20, seed=1, force=True)

    assert not (folder / "mine.txt").exists()


def test_job_and_design_are_yaml_that_names_the_same_activities(company):
    job, design = (load_yaml(company / f"{name}.yaml").data for name in ("job", "design"))
    told = {rule["is"] for rule in job["touchpoints"]["rules"] if "is" in rule}
    staged = {activity for phase in job["phases"].values() for activity in phase}

    assert set(design["touchpoints"]) <= told
    assert told == staged
