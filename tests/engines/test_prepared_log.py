"""The prepared log: the same codes and rows whatever the order, files, threads or memory."""

from __future__ import annotations

import random
import weakref

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.engines import partition
from journeymining.engines.columns import EVENTS, JOURNEYS
from journeymining.engines.partition import bucket_of, suitable_buckets
from journeymining.engines.prepared_log import PreparedLog, example_log, prepare
from journeymining.eventlog.schema import TIMESTAMP
from journeymining.exceptions import EmptyLogError, InputError, UsageError


def shuffled(table, seed=1):
    order = list(range(table.num_rows))
    random.Random(seed).shuffle(order)
    return table.take(order)


def contents(log):
    """Return every file of a prepared log by name, byte for byte."""
    return {
        str(path.relative_to(log.directory)): path.read_bytes()
        for path in sorted(log.directory.rglob("*"))
        if path.is_file()
    }


def test_rows_in_any_order_give_the_same_bytes(many):
    with prepare(many, buckets=4) as one, prepare(shuffled(many), buckets=4) as other:
        assert contents(one) == contents(other)


def test_files_and_threads_give_the_same_bytes(many, tmp_path):
    for number in range(5):
        pq.write_table(shuffled(many).slice(number * 400, 400), tmp_path / f"part{number}.parquet")

    with (
        prepare(many, buckets=4, threads=1) as one,
        prepare(tmp_path, buckets=4, threads=2, memory_limit="200MB") as folder,
        prepare([str(path) for path in sorted(tmp_path.glob("*.parquet"), reverse=True)], buckets=4) as files,
    ):
        assert contents(one) == contents(folder) == contents(files)


@pytest.mark.parametrize("events", [1, 7, 64, 1999])
def test_the_size_of_what_is_read_at_once_changes_no_byte(many, tmp_path, monkeypatch, events):
    pq.write_table(shuffled(many), tmp_path / "log.parquet", row_group_size=150)
    with prepare(many, buckets=4) as whole:
        expected = contents(whole)
    monkeypatch.setattr(partition, "EVENTS_PER_CHUNK", events)

    with prepare(shuffled(many), buckets=4) as table, prepare(tmp_path / "log.parquet", buckets=4) as file:
        assert contents(table) == contents(file) == expected


def test_chunks_end_with_row_groups_but_for_far_larger_ones():
    found = [(chunk.first, chunk.rows) for chunk in partition._chunks(None, [60, 30, 30, 500, 10], 100)]

    assert found == [(0, 90), (90, 30), (120, 100), (220, 100), (320, 100), (420, 200), (620, 10)]
    assert sum(rows for _, rows in found) == 630


def test_a_column_that_a_file_lacks_is_empty_there(many, tmp_path):
    pq.write_table(many.slice(0, 1000), tmp_path / "1.parquet")
    pq.write_table(many.slice(1000).drop_columns(["status", "duration", "source_order"]), tmp_path / "2.parquet")
    rest = many.slice(1000).to_pandas().assign(status=None, duration=None, source_order=None)
    filled = pa.concat_tables([many.slice(0, 1000), pa.Table.from_pandas(rest, schema=many.schema)])

    with prepare(tmp_path, buckets=2) as files, prepare(filled, buckets=2) as table:
        assert contents(files) == contents(table)


def test_a_limit_leaves_fewer_threads_then_smaller_parts(many, tmp_path, monkeypatch):
    monkeypatch.setattr(partition, "half_of_memory", lambda: 16 * 10**9)

    def shuffle(limit):
        return partition.Shuffle(many, tmp_path, memory_limit=limit, threads=8)

    assert [shuffle(limit).workers for limit in (None, "16GB", "2GB", "100MB")] == [8, 8, 3, 1]
    assert [shuffle(limit).chunk for limit in (None, "2GB", "100MB")] == [1 << 19, 1 << 19, 1 << 15]
    with pytest.raises(UsageError, match="Unknown memory limit 'much'"):
        shuffle("much")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("4GB", 4 * 10**9), ("1.5 gb", 15 * 10**8), ("2G", 2 * 10**9), ("512MiB", 1 << 29), ("100000", 100_000)],
)
def test_limits_have_the_usual_units(text, expected):
    assert partition.bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "4XB", "-4GB", "0GB", "4 GB more"])
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(UsageError, match="A number with a unit is needed, such as 4GB"):
        partition.bytes_of(text)


def test_it_is_told_how_far_the_preparation_is(many):
    told = []

    with prepare(many, buckets=4, tell=lambda *what: told.append(what)):
        pass

    assert told == [("Partitioning", 2000, 2000), *(("Sorting", done, 4) for done in (1, 2, 3, 4))]


def test_text_may_come_as_dictionary_or_large_text(many):
    place = many.schema.get_field_index("activity")
    coded = many.set_column(place, "activity", many["activity"].dictionary_encode())
    large = many.set_column(place, "activity", many["activity"].cast(pa.large_string()))

    with prepare(many, buckets=2) as one, prepare(coded, buckets=2) as two, prepare(large, buckets=2) as three:
        assert contents(one) == contents(two) == contents(three)


def test_every_event_comes_back_in_order(many):
    rows = many.to_pylist()
    expected = sorted(
        rows,
        key=lambda row: (
            row["journey_id"],
            row["timestamp"],
            row["source_order"] is None,
            row["source_order"] or 0,
            row["event_id"],
        ),
    )

    with prepare(many, buckets=8) as log:
        found = log.trace(lambda bucket: pl.repeat(True, bucket.events.height, eager=True))

    found = found.sort("journey_id", maintain_order=True)
    for name in ("journey_id", "event_id", "activity", "channel", "timestamp"):
        assert found[name].to_list() == [row[name] for row in expected]


def test_codes_are_places_in_the_alphabetical_dictionary(many):
    with prepare(many, buckets=2) as log:
        assert log.activities == ["Straße", "call", "order", "pay"]
        assert log.channels == ["phone", "web"]
        assert log.statuses == ["failed", "ok"]
        assert log.resources == ["ann", "bob"]
        assert log.phases == []
        assert log.code("channel", "web") == 1
        assert log.code("channel", "fax") == -2
        tables = log.run(lambda bucket: (bucket.events, bucket.journeys), lambda parts: parts)

    for events, journeys in tables:
        assert dict(events.schema) == EVENTS
        assert dict(journeys.schema) == JOURNEYS
        assert journeys["journey_id"].is_sorted()
        assert journeys["journey"].to_list() == list(range(journeys.height))
        assert events["channel"].min() == -1
        assert events["phase"].unique().to_list() == [-1]


def test_a_journey_lies_in_the_bucket_its_digest_says_on_every_engine(many):
    with prepare(many, buckets=8) as log:
        found = log.run(lambda bucket: (bucket.number, bucket.journeys["journey_id"].to_list()), lambda parts: parts)

    assert sum(len(names) for _, names in found) == 200
    for number, names in found:
        for name in names:
            assert bucket_of(name, 8) == number


def test_more_buckets_hold_the_same_events(many):
    with prepare(many, buckets=1) as one, prepare(many, buckets=64) as other:
        everything = [
            log.trace(lambda bucket: pl.repeat(True, bucket.events.height, eager=True)).sort("event_id")
            for log in (one, other)
        ]
        assert [log.event_count for log in (one, other)] == [2000, 2000]
        assert one.manifest["tied"] == other.manifest["tied"]

    assert everything[0].equals(everything[1])


def test_ties_are_broken_by_source_order_then_event_id_and_are_counted(event_log):
    names = [("e3", None, "d"), ("e1", 2, "b"), ("e2", 1, "a"), ("e4", 2, "c")]
    log = event_log(
        [
            {"journey_id": "j", "activity": activity, "seconds": 0, "source_order": order, "event_id": event}
            for event, order, activity in names
        ]
    )

    with prepare(shuffled(log)) as prepared:
        found = prepared.trace(lambda bucket: pl.repeat(True, bucket.events.height, eager=True))

        assert found["activity"].to_list() == ["a", "b", "c", "d"]
        assert prepared.manifest["tied"] == 3
        assert prepared.manifest["ordered_by_event_id"] == 1


def test_even_events_with_one_id_have_one_order(event_log):
    twins = [
        {"journey_id": "j", "activity": name, "seconds": 0, "event_id": "same", "channel": channel}
        for name, channel in (("b", "web"), ("a", "web"), ("a", None))
    ]

    with prepare(event_log(twins)) as one, prepare(event_log(twins[::-1])) as other:
        assert contents(one) == contents(other)


def test_flags_of_journeys_are_kept_and_unknown_ones_are_null(event_log):
    log = event_log([{"journey_id": name, "activity": "a"} for name in ("x", "y", "z")])
    flags = pa.table({"journey_id": ["x", "y", "no such"], "open": [True, False, True]})

    with prepare(log, journeys=flags) as prepared:
        found = prepared.run(lambda bucket: bucket.journeys, lambda parts: parts[0])

    assert found["open"].to_list() == [True, False, None]
    assert found["left_truncated"].to_list() == [None, None, None]


def test_a_folder_is_kept_opened_again_and_replaced_only_by_force(tmp_path):
    place = tmp_path / "prepared"
    with prepare(example_log(), place) as log:
        digest = log.manifest["digest"]

    again = PreparedLog.open(place)

    assert again.manifest["digest"] == digest
    assert again.run(lambda bucket: bucket.events.height, sum) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["prepared"]
    with pytest.raises(UsageError, match="exists"):
        prepare(example_log(), place)
    assert prepare(example_log(), place, force=True).manifest["digest"] == digest


def test_a_temporary_folder_goes_with_its_log():
    with prepare(example_log()) as log:
        assert log.directory.is_dir()

    assert not log.directory.exists()


def test_a_digest_changes_with_the_content_only(event_log):
    events = [{"journey_id": "j", "activity": name} for name in "abc"]
    changed = [*events[:2], {**events[2], "duration": 1.0}]

    digests = []
    for table in (event_log(events), shuffled(event_log(events)), event_log(changed)):
        with prepare(table) as log:
            digests.append(log.manifest["digest"])

    assert digests[0] == digests[1] != digests[2]


def test_a_failure_leaves_nothing_behind(event_log, tmp_path):
    two = event_log([{"journey_id": "j", "activity": "a", "customer_id": name} for name in ("ann", "bob")])

    with pytest.raises(InputError, match="1 journeys have events of more than one customer"):
        prepare(two, tmp_path / "prepared")

    assert list(tmp_path.iterdir()) == []


def test_what_is_no_event_log_is_refused_in_words(event_log, tmp_path):
    log = event_log([{"journey_id": "j", "activity": "a"}])
    place = log.schema.get_field_index("timestamp")
    naive = log.set_column(place, "timestamp", log["timestamp"].cast(pa.timestamp("us")))
    nameless = pa.table({**{name: log[name] for name in log.schema.names}, "activity": pa.array([None], pa.string())})
    twice = pa.table({"journey_id": ["j", "j"], "open": [True, True]})

    with pytest.raises(EmptyLogError, match="no events"):
        prepare(log.slice(0, 0))
    with pytest.raises(InputError, match="column 'activity' is missing"):
        prepare(log.drop_columns(["activity"]))
    with pytest.raises(InputError, match="to_event_log"):
        prepare(naive)
    with pytest.raises(InputError, match="1 of 1 events have no activity"):
        prepare(nameless)
    with pytest.raises(InputError, match="repeat a journey_id"):
        prepare(log, journeys=twice)
    with pytest.raises(InputError, match="does not exist"):
        prepare(tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="no Parquet file"):
        prepare(tmp_path)
    with pytest.raises(InputError, match="holds no prepared log"):
        PreparedLog.open(tmp_path)
    with pytest.raises(UsageError, match="power of two"):
        prepare(log, buckets=3)


def test_too_many_values_for_a_code_are_refused(event_log):
    log = event_log([{"journey_id": "j", "activity": "a", "status": f"status {number}"} for number in range(129)])

    with pytest.raises(InputError, match="column 'status' has 129 distinct values"):
        prepare(log)


def test_buckets_grow_with_the_log():
    assert [suitable_buckets(n) for n in (1, 1 << 19, (1 << 19) + 1, 10**7, 10**12)] == [1, 1, 2, 32, 1024]


def test_an_event_without_source_order_comes_last_of_its_moment_as_in_the_event_log():
    log = example_log()
    same = log.set_column(log.schema.get_field_index("timestamp"), "timestamp", pa.array([0] * 4, TIMESTAMP))
    ordered = same.append_column("source_order", pa.array([None, 7, None, 3], pa.int64()))

    with prepare(ordered) as prepared:
        found = prepared.trace(lambda bucket: pl.repeat(value=True, n=bucket.events.height, eager=True))

    assert found["event_id"].to_list() == ["2", "1", "4", "3"]


def test_what_a_kernel_has_read_is_forgotten_before_the_next_bucket(many):
    read = []

    def alive(bucket):
        count = sum(one() is not None for one in read)
        read.append(weakref.ref(bucket.events))
        return count

    with prepare(many, buckets=8, threads=1) as log:
        assert log.run(alive, list, columns=["time"]) == [0] * 8
