"""What stitching reports, reads and refuses."""

from __future__ import annotations

import pyarrow as pa
import pytest

from journeymining.exceptions import InputError, UsageError
from journeymining.identity.stitching import stitch

from .conftest import event_table, identifier_table


def test_match_rates_say_both_directions(stitch_records):
    _, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:PA"),
            ("crm", "b", 0, "account:B phone:PB"),
            ("calls", "1", 1, "phone:PA"),
            ("calls", "2", 1, "phone:PX"),
            ("calls", "3", 1, "phone:PY"),
        ]
    )

    assert result.report["sources"] == [
        {"first": "calls", "second": "crm", "customers": 3, "also_second": 1, "share": pytest.approx(1 / 3)},
        {"first": "crm", "second": "calls", "customers": 2, "also_second": 1, "share": 0.5},
    ]
    assert result.report["channels"] == result.report["sources"]
    assert result.report["events_with_account"] == {"events": 3, "share": 0.6}
    assert result.report["customer_sizes"]["largest"] == 2


def test_sources_are_matched_by_all_records_and_channels_by_events():
    identifiers = identifier_table(
        [("crm", "contact", None, "account:A email:E"), ("survey", "answer", 3, "email:E"), ("web", "x", 4, "cookie:K")]
    )

    result = stitch(identifiers, event_table([("crm", "contact", None, ""), ("web", "x", 4, "")]))

    pairs = {(pair["first"], pair["second"]): pair["share"] for pair in result.report["sources"]}
    assert pairs["survey", "crm"] == pairs["crm", "survey"] == 1
    assert pairs["web", "survey"] == 0
    assert {pair["first"] for pair in result.report["channels"]} == {"crm", "web"}


def test_the_report_says_how_many_identifiers_customers_have_and_what_contradicts_itself(stitch_records):
    _, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:P1 email:E"),
            ("crm", "b", 0, "account:B phone:P2"),
            ("web", "both", 1, "phone:P1 phone:P2"),
            ("crm", "ab", 1, "account:A account:B"),
            ("web", "none", 2, ""),
        ]
    )

    sizes = {band: customers for band, customers in result.report["customer_identifiers"].items() if customers}
    # The record of two accounts, the one between two telephones and the one with nothing have no identifier that holds.
    assert sizes == {"0": 3, "2": 1, "3-5": 1, "largest": 3}
    assert result.report["conflicts"] == {
        "records_with_several_accounts": 1,
        "chains": 1,
        "uses_held_back": 2,
        "uses_unresolved": 0,
    }


def test_records_that_are_no_events_have_a_customer_too(stitch_records):
    identifiers = pa.table(
        {
            "source": ["crm", "crm", "survey"],
            "event_id": ["contact", "contact", "answer"],
            "kind": ["account", "email", "email"],
            "value_hash": ["A", "E", "E"],
            "timestamp": pa.nulls(3, pa.timestamp("us", tz="UTC")),
        }
    )

    result = stitch(identifiers, pa.table({"source": ["web"], "event_id": ["visit"]}))

    assert result.report["events"] == 1
    assert result.report["records_without_event"] == 2
    assert len(result.events["customer_id"].unique()) == 2


def test_no_identifiers_and_no_events_give_empty_tables(stitch_records):
    _, result = stitch_records([])

    assert result.events.num_rows == 0
    assert result.customers.num_rows == 0
    assert result.report["customers"]["all"] == 0
    assert result.report["events_with_account"]["share"] is None


def test_paths_of_parquet_are_read_as_tables_are(stitch_records, tmp_path):
    import pyarrow.parquet as pq

    identifiers = pa.table(
        {
            "source": ["a", "b"],
            "event_id": ["1", "2"],
            "kind": ["email"] * 2,
            "value_hash": ["E"] * 2,
            "timestamp": [None] * 2,
        }
    )
    events = pa.table({"source": ["a", "b"], "event_id": ["1", "2"]})
    pq.write_table(identifiers, tmp_path / "it's identifiers.parquet")
    pq.write_table(events, tmp_path / "events.parquet")

    from_paths = stitch(tmp_path / "it's identifiers.parquet", tmp_path / "events.parquet", memory_limit="1GB")

    assert from_paths.events.equals(stitch(identifiers, events).events)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keys": ("account_id",)}, "Did you mean 'account'"),
        ({"keys": ()}, "'keys' is empty"),
        ({"keys": ("email", "email")}, "twice"),
        ({"at_most": {"fone": 2}}, "Did you mean 'phone'"),
        ({"at_most": {"phone": 0}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(stitch_records, options, message):
    with pytest.raises(UsageError, match=message):
        stitch_records([("a", "1", 0, "email:E")], **options)


def test_missing_columns_and_files_are_named(tmp_path):
    events = pa.table({"source": ["a"], "event_id": ["1"]})

    with pytest.raises(InputError, match="identifiers: column 'kind' is missing"):
        stitch(events, events)
    with pytest.raises(InputError, match="no such file"):
        stitch(tmp_path / "nothing.parquet", events)
