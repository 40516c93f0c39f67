"""Each rule of stitching on a case that a person can check by hand."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa


def together(customers):
    """Return the sets of event ids that are one customer, sorted."""
    groups = {}
    for (_, event_id), customer in customers.items():
        groups.setdefault(customer, []).append(event_id)
    return sorted(sorted(group) for group in groups.values())


def links(result, **wanted):
    """Return the rows of the customers table with these values."""
    return [row for row in result.customers.to_pylist() if all(row[name] == value for name, value in wanted.items())]


def day(row, column):
    return (
        None
        if row[column] is None
        else (row[column].replace(tzinfo=None) - pa.scalar(0, pa.timestamp("s")).as_py()).days - 20454
    )


def days(row):
    """Return from and until of a link as days."""
    return day(row, "valid_from"), day(row, "valid_to")


def test_one_customer_across_four_channels(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "contact", None, "account:A contact:C email:E phone:P"),
            ("web", "login", 3, "email:E cookie:K"),
            ("web", "visit", 4, "cookie:K"),
            ("calls", "call", 5, "phone:P"),
            ("app", "tap", 6, "account:A device:D"),
        ]
    )

    assert together(customers) == [["call", "contact", "login", "tap", "visit"]]
    assert result.report["customers"] == {"all": 1, "anonymous": 0, "named_by": {"account": 1}}


def test_a_phone_shared_by_two_accounts_joins_neither_and_is_split_by_time(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:P"),
            ("crm", "b", 10, "account:B phone:P"),
            ("calls", "before", -5, "phone:P"),
            ("calls", "early", 5, "phone:P"),
            ("calls", "late", 15, "phone:P"),
        ]
    )

    assert together(customers) == [["a", "before", "early"], ["b", "late"]]
    intervals = links(result, kind="phone")
    assert [(row["rule"], *days(row)) for row in intervals] == [
        ("interval", -5, 10),
        ("interval", 10, None),
    ]
    assert result.report["kinds"]["phone"]["values_shared"] == 1


def test_a_phone_used_by_two_accounts_at_the_same_moment_is_nobodys_until_the_next_use(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:P"),
            ("crm", "b", 0, "account:B phone:P"),
            ("calls", "unresolved", 5, "phone:P"),
            ("crm", "b2", 10, "account:B phone:P"),
            ("calls", "late", 15, "phone:P"),
        ]
    )

    assert together(customers) == [["a"], ["b", "b2", "late"], ["unresolved"]]
    assert result.report["kinds"]["phone"]["uses_unresolved"] == 1
    assert [row["rule"] for row in links(result, kind="phone")] == ["tie", "tie", "interval"]


def test_a_value_back_with_its_former_user_is_that_users_again(stitch_records):
    customers, result = stitch_records(
        [
            ("web", "a1", 0, "login:A cookie:K"),
            ("web", "b1", 5, "login:B cookie:K"),
            ("web", "a2", 9, "login:A cookie:K"),
            ("web", "x1", 1, "cookie:K"),
            ("web", "x6", 6, "cookie:K"),
            ("web", "x9", 9, "cookie:K"),
        ]
    )

    assert together(customers) == [["a1", "a2", "x1", "x9"], ["b1", "x6"]]
    assert [day(row, "valid_from") for row in links(result, kind="cookie")] == [0, 5, 9]
    assert [day(row, "valid_to") for row in links(result, kind="cookie")] == [5, 9, None]


def test_a_kiosk_used_by_more_customers_than_allowed_links_nobody_but_stays_on_the_event(stitch_records):
    records = [("web", f"login{i}", i, f"account:A{i} device:KIOSK") for i in range(6)]

    customers, result = stitch_records(
        [*records, ("web", "visit", 20, "device:KIOSK"), ("web", "v2", 21, "device:KIOSK")]
    )

    assert len(set(customers.values())) == 8
    assert result.report["left_out"] == [{"kind": "device", "value_hash": "KIOSK"}]
    assert result.report["kinds"]["device"]["uses_left_out"] == 8
    assert links(result, kind="device") == []


def test_the_limit_is_what_the_job_says(stitch_records):
    records = [("web", f"login{i}", i, f"account:A{i} device:D") for i in range(6)] + [("web", "x", 9, "device:D")]

    customers, result = stitch_records(records, at_most={"device": 6})

    assert customers["web", "x"] == customers["web", "login5"]
    assert result.report["left_out"] == []


def test_a_number_of_many_without_any_account_makes_no_giant(stitch_records):
    records = [("calls", f"c{i}", i, f"email:E{i} phone:HOTLINE") for i in range(50)]

    customers, _ = stitch_records(records)

    assert len(set(customers.values())) == 50


def test_an_address_of_many_contacts_joins_none_of_them(stitch_records):
    records = [("crm", f"c{i}", i, f"contact:C{i} email:INFO") for i in range(6)]

    customers, result = stitch_records(
        [*records, ("web", "form", 9, "email:INFO phone:P"), ("calls", "q", 9, "phone:P")]
    )

    assert together(customers) == [["c0"], ["c1"], ["c2"], ["c3"], ["c4"], ["c5"], ["form", "q"]]
    assert result.report["left_out"] == [{"kind": "email", "value_hash": "INFO"}]


def test_two_unknown_callers_of_a_number_are_one_until_it_is_known_whose_it_is(stitch_records):
    calls = [("calls", "one", 1, "phone:P"), ("calls", "two", 40, "phone:P")]
    customers, _ = stitch_records(calls)
    known, _ = stitch_records([*calls, ("crm", "a", 5, "account:A phone:P"), ("crm", "b", 30, "account:B phone:P")])

    assert together(customers) == [["one", "two"]]
    assert together(known) == [["a", "one"], ["b", "two"]]


def test_a_weak_identifier_never_joins_two_customers_that_stronger_ones_name(stitch_records):
    customers, _ = stitch_records(
        [("web", "one", 0, "email:E1 cookie:K"), ("web", "two", 1, "email:E2 cookie:K"), ("web", "x", 2, "cookie:K")]
    )

    assert together(customers) == [["one"], ["two", "x"]]


def test_strong_identifiers_join_as_long_as_no_two_accounts_meet(stitch_records):
    customers, _ = stitch_records(
        [
            ("crm", "c1", 0, "contact:C1 email:E"),
            ("crm", "c2", 1, "contact:C2 email:E"),
            ("shop", "o1", 2, "order:O1 email:E"),
            ("shop", "o2", 3, "order:O2 email:E"),
            ("calls", "q", 4, "order:O2 phone:P"),
        ]
    )

    assert together(customers) == [["c1", "c2", "o1", "o2", "q"]]


def test_two_accounts_chained_by_cookie_and_phone_stay_two(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", 0, "account:A cookie:K"),
            ("web", "bridge", 1, "cookie:K phone:P"),
            ("crm", "b", 2, "account:B phone:P"),
        ]
    )

    # The phone is the stronger kind: the bridge is B's, so that the cookie is shared by A and B.
    assert together(customers) == [["a"], ["b", "bridge"]]
    assert result.report["kinds"]["cookie"]["values_shared"] == 1


def test_a_record_equally_near_to_two_accounts_is_held_back_and_counted(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", 0, "account:A phone:P1"),
            ("crm", "b", 0, "account:B phone:P2"),
            ("web", "both", 1, "phone:P1 phone:P2"),
            ("web", "near_a", 2, "phone:P1 phone:P3"),
            ("web", "far_a", 3, "phone:P3"),
        ]
    )

    assert together(customers) == [["a", "far_a", "near_a"], ["b"], ["both"]]
    assert result.report["kinds"]["phone"]["conflicts"] == 1
    assert result.report["kinds"]["phone"]["uses_held_back"] == 2


def test_a_record_with_two_accounts_is_left_out(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", 0, "account:A email:E"),
            ("crm", "b", 0, "account:B"),
            ("crm", "ab", 1, "account:A account:B email:E"),
        ]
    )

    assert together(customers) == [["a"], ["ab"], ["b"]]
    assert result.report["kinds"]["account"]["records_with_several"] == 1


def test_a_changed_phone_number_goes_with_its_user(stitch_records):
    customers, _ = stitch_records(
        [
            ("crm", "a_old", 0, "account:A phone:OLD"),
            ("crm", "a_new", 100, "account:A phone:NEW"),
            ("crm", "b", 200, "account:B phone:OLD"),
            ("calls", "a1", 50, "phone:OLD"),
            ("calls", "a2", 250, "phone:NEW"),
            ("calls", "b1", 250, "phone:OLD"),
        ]
    )

    assert together(customers) == [["a1", "a2", "a_new", "a_old"], ["b", "b1"]]


def test_visits_before_the_log_in_are_joined_back_within_the_window_only(stitch_records):
    customers, result = stitch_records(
        [
            ("web", "long_ago", 0, "cookie:K"),
            ("web", "long_ago_too", 1, "cookie:K"),
            ("web", "edge", 10, "cookie:K"),
            ("web", "login", 100, "account:A cookie:K"),
            ("web", "after", 900, "cookie:K"),
        ]
    )

    assert together(customers) == [["after", "edge", "login"], ["long_ago", "long_ago_too"]]
    assert result.report["kinds"]["cookie"]["uses_joined_back"] == 1
    assert result.report["kinds"]["cookie"]["uses_before_window"] == 2
    assert [row["rule"] for row in links(result, kind="cookie")] == ["before_window", "same_value"]
    assert result.report["customers"]["anonymous"] == 1


def test_a_reused_cookie_keeps_the_window_before_its_first_user(stitch_records):
    customers, _ = stitch_records(
        [
            ("web", "long_ago", 0, "cookie:K"),
            ("web", "a", 100, "account:A cookie:K"),
            ("web", "b", 200, "account:B cookie:K"),
        ],
        window=timedelta(days=30),
    )

    assert together(customers) == [["a"], ["b"], ["long_ago"]]


def test_what_stays_anonymous_is_one_customer_per_cookie_or_per_event(stitch_records):
    customers, result = stitch_records(
        [("web", "v1", 0, "cookie:K"), ("web", "v2", 500, "cookie:K"), ("web", "n1", 0, ""), ("web", "n2", 0, "")]
    )

    assert together(customers) == [["n1"], ["n2"], ["v1", "v2"]]
    assert result.report["customers"] == {"all": 3, "anonymous": 3, "named_by": {"cookie": 1, "none": 2}}
    assert result.report["events_of_anonymous"] == {"events": 4, "share": 1.0}


def test_blocked_values_and_kinds_outside_the_keys_take_no_part(stitch_records):
    customers, result = stitch_records(
        [("a", "1", 0, "email:INFO phone:P"), ("b", "2", 0, "email:INFO"), ("b", "3", 0, "phone:P")],
        keys=("email", "cookie"),
        blocked=("INFO",),
    )

    assert together(customers) == [["1"], ["2"], ["3"]]
    assert result.report["cardinality"]["phone"]["used"] is False


def test_undated_uses_of_a_shared_value_keep_their_own_account(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "a", None, "account:A email:E"),
            ("crm", "b", None, "account:B email:E"),
            ("web", "x", 3, "email:E"),
        ]
    )

    assert together(customers) == [["a"], ["b"], ["x"]]
    assert [row["rule"] for row in links(result, kind="email")] == ["undated", "undated"]


def test_the_worked_example_of_the_documentation(stitch_records):
    customers, result = stitch_records(
        [
            ("crm", "contact1", 0, "account:A phone:P"),
            ("crm", "contact2", 10, "account:B phone:P"),
            ("web", "login", 11, "account:B cookie:K"),
            ("web", "visit", 2, "cookie:K"),
            ("calls", "call1", 5, "phone:P"),
            ("calls", "call2", 19, "phone:P"),
            ("web", "library", 19, "cookie:L"),
        ]
    )

    assert together(customers) == [["call1", "contact1"], ["call2", "contact2", "login", "visit"], ["library"]]
    names = {customers["crm", "contact1"]: "A", customers["crm", "contact2"]: "B", customers["web", "library"]: "L"}
    rows = [
        (row["value_hash"], names[row["customer_id"]], *days(row), row["rule"], row["strength"])
        for row in result.customers.to_pylist()
    ]
    assert sorted(rows, key=str) == [
        ("A", "A", 0, None, "same_value", "unique"),
        ("B", "B", 10, None, "same_value", "unique"),
        ("K", "B", 2, None, "same_value", "weak"),
        ("L", "L", 19, None, "same_value", "weak"),
        ("P", "A", 0, 10, "interval", "weak"),
        ("P", "B", 10, None, "interval", "weak"),
    ]
