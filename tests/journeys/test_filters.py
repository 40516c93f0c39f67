"""Filters keep whole journeys, say how many, and refuse names that nobody has."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journeymining.exceptions import EmptyLogError, InputError, UsageError
from journeymining.journeys.filters import filter_log, find_journeys, parse_filter

PATHS = {"j1": "a b c", "j2": "a b c", "j3": "b a", "j4": "c", "j5": "a d a"}
LETTERS = "abcd"
WORDS = ("contains", "reaches", "follows", "starts with", "ends with")


def log_of(paths):
    """Make a log: journey jN begins on day N, an event per hour, d by phone and the rest by web."""
    rows = [
        {
            "event_id": f"{journey}-{place}",
            "customer_id": journey,
            "journey_id": journey,
            "activity": activity,
            "timestamp": (int(journey[1:]) * 24 + place) * 3_600_000_000,
            "channel": "phone" if activity == "d" else "web",
            "status": "failed" if activity == "d" else None,
        }
        for journey, path in paths.items()
        for place, activity in enumerate(path.split())
    ]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("event_id", "customer_id", "journey_id", "activity")),
            ("timestamp", pa.timestamp("us", tz="UTC")),
            *((name, pa.string()) for name in ("channel", "status")),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def kept(*filters, paths=PATHS):
    return sorted(set(filter_log(log_of(paths), filters)[0]["journey_id"].to_pylist()))


@pytest.mark.parametrize(
    ("filters", "journeys"),
    [
        ([], ["j1", "j2", "j3", "j4", "j5"]),
        (["begun 1970-01-03 .. 1970-01-05"], ["j2", "j3"]),
        (["begun 1970-01-05 .."], ["j4", "j5"]),
        (["begun .. 1970-01-02T00:00:01+00:00"], ["j1"]),
        (["begun 1970-01-02T01:00+01:00 .. 1970-01-03"], ["j1"]),
        (["channel phone"], ["j5"]),
        (["channel phone, web"], ["j1", "j2", "j3", "j4", "j5"]),
        (["attribute status=failed"], ["j5"]),
        (["not attribute status = failed"], ["j1", "j2", "j3", "j4"]),
        (["contains b, c"], ["j1", "j2"]),
        (["reaches c, d"], ["j1", "j2", "j4", "j5"]),
        (["follows a, b"], ["j1", "j2"]),
        (["follows a, a"], ["j5"]),
        (["not follows a, b"], ["j3", "j4", "j5"]),
        (["starts with b, c"], ["j3", "j4"]),
        (["ends with a"], ["j3", "j5"]),
        (["not contains a"], ["j4"]),
        (["contains a", "contains b", "not contains c"], ["j3"]),
        (["variants 40%"], ["j1", "j2"]),
        (["variants 41 %"], ["j1", "j2", "j5"]),
        (["variants 100%"], ["j1", "j2", "j3", "j4", "j5"]),
        (["variants 50%", "not contains c"], ["j5"]),
    ],
)
def test_each_filter_on_a_log_checked_by_hand(filters, journeys):
    assert kept(*filters) == journeys


def test_journeys_are_kept_whole_and_the_scope_says_how_many():
    rows, scope = filter_log(log_of(PATHS), ["variants 50%", "not contains d", "begun 1970-01-02 .."])

    assert rows.column_names == log_of(PATHS).column_names
    assert rows["activity"].to_pylist() == list("abcabc")
    assert scope.sentence == (
        "2 of 5 journeys (40.0 %) with 6 of 12 events: journeys that do not contain d, and begin on or after "
        "1970-01-02, and follow the most frequent paths, which cover 50 %."
    )


def test_without_filters_the_scope_is_everything(tmp_path):
    pq.write_table(log_of(PATHS), tmp_path / "log.parquet")

    rows, scope = filter_log(tmp_path / "log.parquet", [])

    assert (len(rows), scope.sentence) == (12, "All 5 journeys with 12 events.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("contain a", "Did you mean 'contains'"),
        ("", "unknown"),
        ("not", "unknown"),
        ("contains", "a name is missing"),
        ("contains a,,b", "a name is missing"),
        ("follows a", "two activities are needed"),
        ("attribute status", "no column and value"),
        ("begun yesterday .. 2026-01-01", "'yesterday' is not a date"),
        ("begun 2026-01-01", "not a range of times"),
        ("begun ..", "not a range of times"),
        ("variants 0%", "not a share"),
        ("variants 101%", "not a share"),
        ("not variants 50%", "cannot be turned around"),
        ("contains order", "no event has the activity 'order'"),
        ("channel fax", "no event has the channel 'fax'"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        filter_log(log_of(PATHS), [text])


def test_a_missing_column_and_file_are_named_and_nothing_left_is_an_error(tmp_path):
    with pytest.raises(InputError, match="column 'state' is missing"):
        filter_log(log_of(PATHS), ["attribute state=failed"])
    with pytest.raises(InputError, match="no such file"):
        filter_log(tmp_path / "nothing.parquet", [])
    with pytest.raises(EmptyLogError, match="0 of 5 journeys"):
        filter_log(log_of(PATHS), ["contains d", "contains c"])
    with pytest.raises(EmptyLogError, match="no events"):
        filter_log(log_of({}), [])


def test_names_cannot_leave_their_quotes():
    paths = {"j1": "it's", "j2": "a"}

    assert kept("contains it's", paths=paths) == ["j1"]
    assert "''" in parse_filter("contains x' OR true --").condition


def plain(path, text):
    """Decide one filter on one path in plain Python."""
    negated, body = text.startswith("not "), text.removeprefix("not ")
    name = next(
        name for name in ("contains", "reaches", "follows", "starts with", "ends with") if body.startswith(name)
    )
    names = body.removeprefix(name).replace(",", " ").split()
    if name == "follows":
        found = any(x == names[0] and names[1] in path[place + 1 :] for place, x in enumerate(path))
    else:
        found = {
            "contains": all(one in path for one in names),
            "reaches": any(one in path for one in names),
            "starts with": path[0] in names,
            "ends with": path[-1] in names,
        }[name]
    return found != negated


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=5), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(WORDS),
    st.tuples(st.sampled_from(LETTERS), st.sampled_from(LETTERS)),
)
def test_filters_equal_plain_python(paths, negated, name, names):
    # The last journey has every letter, so that no name is unknown.
    paths = [*paths, list(LETTERS)]
    text = f"{'not ' * negated}{name} {', '.join(names)}"
    journeys = {f"j{number}": " ".join(path) for number, path in enumerate(paths)}

    expected = sorted(f"j{number}" for number, path in enumerate(paths) if plain(path, text))
    try:
        found = kept(text, paths=journeys)
    except EmptyLogError:
        found = []

    assert found == expected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("begun 1970-01-02 .. 1970-01-04", ["j1", "j2"]),
        ("channel phone", ["j5"]),
        ("attribute status=failed", ["j5"]),
        ("contains a, c", ["j1", "j2"]),
        ("reaches c, d", ["j1", "j2", "j4", "j5"]),
        ("follows b, a", ["j3"]),
        ("variants 40%", ["j1", "j2"]),
        ("not channel phone", ["j1", "j2", "j3", "j4"]),
    ],
)
def test_the_journeys_found_are_those_that_are_kept(text, kept):
    rows, scope = filter_log(log_of(PATHS), [text])

    assert find_journeys(log_of(PATHS), [text]) == (kept, scope)
    assert sorted(set(rows["journey_id"].to_pylist())) == kept
    assert scope.sentence.startswith(f"{len(kept)} of 5 journeys")
