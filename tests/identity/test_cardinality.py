"""Before stitching, what is shared or broken is counted and listed by its hash."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from journeymining.documents import parse_yaml, validate
from journeymining.exceptions import SpecError
from journeymining.identity.settings import IdentityConfig


def test_every_kind_is_counted_whether_it_is_used_or_not(stitch_records):
    _, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:P"),
            ("crm", "b", 0, "account:B phone:P"),
            ("crm", "b2", 0, "account:B"),
            ("calls", "c", 0, "phone:P cookie:K"),
        ],
        keys=("account", "phone"),
    )

    cardinality = result.report["cardinality"]
    assert cardinality["phone"] == {
        "used": True,
        "values": 1,
        "records": 3,
        "records_per_value": {"mean": 3.0, "max": 3},
        "accounts_per_value": {"mean": 2.0, "max": 2},
        "values_with_several_accounts": 1,
        "suspicious_values": 0,
        "suspicious": [],
    }
    assert cardinality["account"]["values"] == 2
    assert cardinality["cookie"]["used"] is False
    assert cardinality["cookie"]["accounts_per_value"] == {"mean": None, "max": 0}


def test_values_with_too_many_accounts_or_records_are_suspicious(stitch_records):
    kiosk = [("web", f"k{i}", i, f"account:A{i} cookie:KIOSK") for i in range(6)]
    hotline = [("calls", f"h{i}", i, "phone:HOTLINE") for i in range(100)]
    others = [("calls", f"o{i}", i, f"phone:P{i}") for i in range(20)]

    _, result = stitch_records([*kiosk, *hotline, *others])

    cardinality = result.report["cardinality"]
    assert cardinality["cookie"]["suspicious"] == [{"value_hash": "KIOSK", "records": 6, "accounts": 6}]
    assert cardinality["phone"]["suspicious"] == [{"value_hash": "HOTLINE", "records": 100, "accounts": 0}]
    assert cardinality["account"]["suspicious_values"] == 0


def test_the_list_of_suspicious_values_is_short_and_says_how_many_there_are(stitch_records):
    records = [("web", f"d{d}a{i}", i, f"account:A{i} device:D{d:02}") for d in range(12) for i in range(2)]

    _, result = stitch_records(records, at_most={"device": 1})

    device = result.report["cardinality"]["device"]
    assert device["suspicious_values"] == 12
    assert [row["value_hash"] for row in device["suspicious"]] == [f"D{d:02}" for d in range(10)]
    assert len(result.report["left_out"]) == 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys: [account, e-mail]\n", "job.yaml:1:1: unknown kind of identifier 'e-mail'. Did you mean 'email'?"),
        ("at_most: {phone: 0}\n", "job.yaml:1:11: 'phone': input should be greater than or equal to 1"),
        ("back_window: 90\n", "job.yaml:1:1: Not a duration: 90"),
        ("atmost: {phone: 2}\n", "Did you mean 'at_most'?"),
    ],
)
def test_mistakes_in_the_identity_section_are_named_with_their_line(text, message):
    with pytest.raises(SpecError) as caught:
        validate(IdentityConfig, parse_yaml(text, path="job.yaml"))

    assert message in str(caught.value)


def test_settings_cannot_be_changed_by_accident():
    with pytest.raises(ValidationError):
        IdentityConfig().keys = ("email",)
