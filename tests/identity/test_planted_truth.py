"""Stitching of 20,000 made-up customers against what is true of them, with what goes wrong in life planted on top.

``python -m tests.benchmarks.identity --truth 1000000`` does the same with a million.
"""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from journeymining.identity.stitching import stitch

from .planted import HOTLINE, INFO, KIOSK, NO_CHAIN, OTHER, accuracy, plant

CUSTOMERS = 20_000

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    plant(folder, customers=CUSTOMERS, seed=17)
    return folder


@pytest.fixture(scope="module")
def stitched(planted):
    # As a user does who has seen the number at the top of the list of suspicious ones.
    return stitch(planted / "identifiers.parquet", planted / "events.parquet", blocked=[HOTLINE])


def test_of_what_is_given_to_one_customer_99_percent_is_and_95_percent_of_the_truth_is_found(planted, stitched):
    found, _ = accuracy(planted, stitched)

    assert found["customers"] == CUSTOMERS
    assert found["records"] > 150_000
    assert found["precision of pairs of identifiers"] >= 0.99
    assert found["precision of pairs of records"] >= 0.99
    assert found["recall of pairs of identifiers that occur"] >= 0.95
    assert found["recall of links of identifiers that occur"] >= 0.95


def test_pairs_of_records_that_are_missed_are_those_that_no_identifier_tells(planted, stitched):
    found, missed = accuracy(planted, stitched)

    # Cookies that never logged in, the company's own number, the kiosk, the address of many; who of a household calls.
    assert set(missed) == {
        *(NO_CHAIN + kind for kind in ("cookie", "phone", "device", "email")),
        OTHER + "phone",
        "two causes",
    }
    recall, ceiling = (found["recall of pairs of records" + name] for name in ("", ", ceiling"))
    assert sum(share for _, _, share in missed.values()) == pytest.approx(1 - recall)
    assert ceiling < 0.95
    assert recall / ceiling > 0.995
    # The ceiling holds for every stitching; what is under it is the telephones of households alone.
    assert ceiling - recall == pytest.approx(missed[OTHER + "phone"][2], abs=2e-4)


def test_no_giant_grows(stitched):
    assert stitched.report["customers"]["named_by"]["account"] == CUSTOMERS
    assert stitched.report["customer_sizes"]["largest"] < 60
    assert {row["value_hash"] for row in stitched.report["left_out"]} == {INFO, KIOSK}


def test_what_stands_for_nobody_is_listed_before_stitching(stitched):
    listed = {
        kind: [row["value_hash"] for row in one["suspicious"]] for kind, one in stitched.report["cardinality"].items()
    }

    assert (listed["email"], listed["device"], listed["phone"][0]) == ([INFO], [KIOSK], HOTLINE)


def test_a_number_that_changed_hands_goes_with_its_owner(planted, stitched):
    customer = {(row["source"], row["event_id"]): row["customer_id"] for row in stitched.events.to_pylist()}
    truth = pq.read_table(planted / "records.parquet").to_pylist()
    of_crm = {row["customer"]: customer[row["source"], row["event_id"]] for row in truth if row["source"] == "crm"}

    calls_of_heirs = [row for row in truth if row["source"] == "heirs"]

    assert len(calls_of_heirs) > 500
    assert all(customer[row["source"], row["event_id"]] == of_crm[row["customer"]] for row in calls_of_heirs)
