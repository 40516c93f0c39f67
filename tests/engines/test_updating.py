"""A prepared log that was brought up to date is the log prepared anew, file for file."""

from __future__ import annotations

import random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from journeymining.engines import partition
from journeymining.engines.prepared_log import prepare
from journeymining.engines.updating import update

PER_BUCKET = 32


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch):
    """Let a log of a few hundred events have several buckets."""
    monkeypatch.setattr(partition, "EVENTS_PER_BUCKET", PER_BUCKET)


def journey(draw, number, activities="abcd"):
    """Draw the events of a journey, many at the same time, with and without an order of the source."""
    return [
        {
            "journey_id": f"j{number:03d}",
            "event_id": f"{number:03d}-{draw.randrange(10**6):06d}",
            "activity": draw.choice(activities),
            "seconds": draw.randrange(4),
            "channel": draw.choice(["web", "phone", None]),
            "status": draw.choice(["done", None]),
            "source_order": draw.choice([None, 1, 2]),
            "value": draw.choice([None, 1.5]),
        }
        for _ in range(draw.randrange(1, 6))
    ]


def tables(log):
    """Return all that is on disk of a log, but for what names its making."""
    found = {}
    for path in log.bucket_paths:
        for name in ("events", "ids", "journeys"):
            found[path.name, name] = pl.read_parquet(path / f"{name}.parquet")
    return found


def assert_equal(one, other):
    """Compare two prepared logs: manifests, dictionaries and every row."""
    assert one.manifest == other.manifest
    assert one.dictionaries == other.dictionaries
    ours, theirs = tables(one), tables(other)
    assert ours.keys() == theirs.keys()
    for key, table in ours.items():
        assert table.equals(theirs[key]), key


def written(event_log, journeys, path):
    """Write the event log of some journeys, shuffled; return its journeys with a mark."""
    rows = [event for events in journeys.values() for event in events]
    random.Random(len(rows)).shuffle(rows)
    pq.write_table(event_log(rows), path)
    return pa.table(
        {
            "journey_id": pa.array(list(journeys), pa.string()),
            "open": pa.array([len(events) % 2 == 0 for events in journeys.values()]),
            "left_truncated": pa.array([False] * len(journeys)),
        }
    )


@pytest.mark.parametrize("seed", range(6))
def test_an_update_is_what_preparing_everything_gives(seed, event_log, tmp_path):
    draw = random.Random(seed)
    now = {f"j{number:03d}": journey(draw, number) for number in range(60)}
    marks = written(event_log, now, tmp_path / "events.parquet")
    kept = prepare(tmp_path / "events.parquet", tmp_path / "kept", journeys=marks)
    assert kept.manifest["buckets"] > 1
    for day in range(3):
        changed = draw.sample(sorted(now), 5)
        for name in changed[:2]:
            del now[name]
        for name in changed[2:]:
            now[name] = journey(draw, int(name[1:]), "abcdx" if day == 1 else "abcd")
        new = 100 + day
        now[f"j{new}"] = journey(draw, new)
        marks = written(event_log, now, tmp_path / "events.parquet")

        kept, again = update(
            kept, tmp_path / "events.parquet", [*changed, f"j{new}"], tmp_path / "kept", journeys=marks
        )

        assert again == 6
        assert_equal(kept, prepare(tmp_path / "events.parquet", tmp_path / f"fresh{day}", journeys=marks))


def test_only_buckets_of_changed_journeys_are_written_again(event_log, tmp_path):
    draw = random.Random(1)
    now = {f"j{number:03d}": journey(draw, number) for number in range(60)}
    marks = written(event_log, now, tmp_path / "events.parquet")
    before = prepare(tmp_path / "events.parquet", tmp_path / "before", journeys=marks)
    now["j007"] = [dict(event, seconds=99) for event in now["j007"]]
    written(event_log, now, tmp_path / "events.parquet")

    after, _ = update(before, tmp_path / "events.parquet", ["j007"], tmp_path / "after", journeys=marks)

    place = partition.bucket_of("j007", before.manifest["buckets"])
    digests = zip(before.manifest["contents"], after.manifest["contents"], strict=True)
    assert [number for number, (one, other) in enumerate(digests) if one != other] == [place]


def test_names_that_nobody_has_any_more_leave_the_dictionaries(event_log, tmp_path):
    now = {
        f"j{number}": [
            {"journey_id": f"j{number}", "event_id": f"{number}", "activity": name, "seconds": 0, "channel": "web"}
        ]
        for number, name in enumerate("zbbbbbb")
    }
    marks = written(event_log, now, tmp_path / "events.parquet")
    before = prepare(tmp_path / "events.parquet", tmp_path / "before", journeys=marks)
    now["j0"][0]["activity"] = "a"
    written(event_log, now, tmp_path / "events.parquet")

    after, _ = update(before, tmp_path / "events.parquet", ["j0"], tmp_path / "after", journeys=marks)

    assert (before.activities, after.activities) == (["b", "z"], ["a", "b"])
    assert_equal(after, prepare(tmp_path / "events.parquet", tmp_path / "fresh", journeys=marks))


def test_journeys_that_are_not_named_are_not_read_again(event_log, tmp_path):
    now = {f"j{number}": [{"journey_id": f"j{number}", "activity": "a", "seconds": 0}] for number in range(9)}
    marks = written(event_log, now, tmp_path / "events.parquet")
    before = prepare(tmp_path / "events.parquet", tmp_path / "before", journeys=marks)
    now["j3"][0]["activity"] = now["j4"][0]["activity"] = "b"
    written(event_log, now, tmp_path / "events.parquet")

    after, _ = update(before, tmp_path / "events.parquet", ["j3"], tmp_path / "after", journeys=marks)

    assert after.run(lambda bucket: (bucket.events["activity"] == 1).sum(), sum) == 1


def test_a_log_that_grew_into_more_buckets_is_prepared_as_a_whole(event_log, tmp_path):
    draw = random.Random(2)
    now = {f"j{number:03d}": journey(draw, number) for number in range(60)}
    marks = written(event_log, now, tmp_path / "events.parquet")
    before = prepare(tmp_path / "events.parquet", tmp_path / "kept", journeys=marks)
    buckets = before.manifest["buckets"]
    new = {f"j{number}": journey(draw, number) for number in range(100, 160)}
    now |= new
    marks = written(event_log, now, tmp_path / "events.parquet")

    after, again = update(before, tmp_path / "events.parquet", sorted(new), tmp_path / "kept", journeys=marks)

    assert after.manifest["buckets"] > buckets
    assert again == after.journey_count
    assert_equal(after, prepare(tmp_path / "events.parquet", tmp_path / "fresh", journeys=marks))
