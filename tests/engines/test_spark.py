"""On Spark: the buckets of one machine, code for code, and every analysis with the same result."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import random

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import journeymining.discovery
from journeymining.discovery.phases import phase_progress
from journeymining.engines.engine import Threads, engine_of
from journeymining.engines.prepared_log import PreparedLog, example_log, prepare
from journeymining.engines.spark import spark_session
from journeymining.exceptions import JourneyMiningError, UsageError

PHASES = ["orientation", "purchase", "use"]

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "journey_id": st.sampled_from(["j1", "j2", "Ω3", "", "j 5/%"]),
            "activity": st.sampled_from(["order", "pay", "call", "Éclair", "\uff5e", "😀"]),
            "seconds": st.sampled_from([0, 1, 1.000001, 86400, -20_000_000_000, 40 * 86400]),
            "channel": st.sampled_from([None, "web", "phone", "chat"]),
            "phase": st.sampled_from([None, *PHASES]),
            "status": st.sampled_from([None, "ok", "failed"]),
            "source_order": st.sampled_from([None, 1, 2]),
            "value": st.sampled_from([None, 0.1, -0.0, 1e300]),
        }
    ),
    max_size=40,
).map(lambda events: [{"journey_id": "j1", "activity": "call", "seconds": 0}, *events])

# What analyses need beside the log.
OPTIONS = {
    "repeat_contacts": {"activities": ["call"], "window": pd.Timedelta("30 days")},
    "phase_exits": {"order": PHASES},
    "phase_dropoff": {"order": PHASES},
    "phase_progress": {"order": PHASES},
    "phase_transitions": {"order": PHASES},
    "discover": {"phases": PHASES},
    "compare_groups": {"first": ["journey 1", "journey 2", "journey 3"], "phases": PHASES, "least": 1},
    "journey_masks": {"journeys": ["journey 1", "journey 2"]},
    "select_journeys": {"journeys": ["journey 1", "journey 2"]},
}

# What is no analysis of a log: steps on the way to one.
STEPS = {"summarise_values", "decode_paths", "compare_waits", "phase_places"}


def analyses():
    """Return every public function of discovery that takes a prepared log, by name."""
    found = {}
    for module in pkgutil.iter_modules(journeymining.discovery.__path__):
        loaded = importlib.import_module(f"journeymining.discovery.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            first = next(iter(inspect.signature(function).parameters.values()), None)
            own = function.__module__ == loaded.__name__ and not name.startswith("_")
            if own and first is not None and first.annotation == "PreparedLog" and name not in STEPS:
                found[name] = function
    return found


ANALYSES = analyses()


def analyse(name, log):
    options = OPTIONS.get(name, {})
    if name == "phase_dropoff":
        options = {**options, "exits": ANALYSES["phase_exits"](log, order=PHASES)}
    return ANALYSES[name](log, **options)


def plain(value):
    """Return what an analysis gave as values that are equal only if every digit is."""
    if isinstance(value, pd.DataFrame):
        return [(name, str(value[name].dtype), [repr(cell) for cell in value[name]]) for name in value.columns]
    if isinstance(value, pl.DataFrame):
        return [(column.name, str(column.dtype), column.to_list()) for column in value.get_columns()]
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.tolist())
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, PreparedLog):
        return plain(value.run(lambda bucket: (bucket.events, bucket.journeys), list))
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value) if one.name != "model"}
    return repr(value)


def contents(log):
    """Return all that a prepared log holds: codes, rows in their order, and the account with its digests."""
    buckets = log.run(lambda bucket: (bucket.events, bucket.journeys), list)
    return plain([log.manifest, log.dictionaries, *buckets])


@pytest.fixture(scope="module")
def both(many, spark_engine):
    """Return one log prepared and analysed by each engine: by threads, by Spark."""
    rng = random.Random(3)
    phase = pa.array([rng.choice([None, *PHASES]) for _ in range(many.num_rows)])
    table = many.set_column(many.schema.get_field_index("phase"), many.schema.field("phase"), phase)
    flags = pa.table({"journey_id": [f"journey {n}" for n in range(150)], "open": [n % 3 == 0 for n in range(150)]})
    with (
        prepare(table, buckets=4, journeys=flags) as threads,
        prepare(table, buckets=4, journeys=flags, engine=spark_engine) as spark,
    ):
        yield threads, spark


def test_buckets_are_equal_code_for_code(both):
    threads, spark = both

    assert (threads.engine.name, spark.engine.name) == ("threads", "spark")
    assert contents(threads) == contents(spark)
    assert {path.name for path in spark.directory.iterdir()} == {path.name for path in threads.directory.iterdir()}


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_every_analysis_gives_the_same_to_the_last_digit(both, name):
    threads, spark = both
    expected = plain(analyse(name, threads))

    assert plain(analyse(name, spark)) == expected
    assert len(str(expected)) > 30


def test_the_list_of_analyses_is_not_empty_by_accident():
    assert {"directly_follows", "variants", "channel_switches", "phase_progress", "rework", "discover"} <= set(ANALYSES)
    assert set(OPTIONS) <= set(ANALYSES)


def test_the_events_behind_a_number_are_the_same(both):
    threads, spark = both
    found = [log.trace(lambda bucket: bucket.events["channel"] == 1) for log in (threads, spark)]

    assert found[0].equals(found[1])
    assert found[0].height > 100


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS)
def test_random_logs_are_prepared_equally(event_log, spark_engine, events):
    table = event_log(events)

    with prepare(table, buckets=2) as threads, prepare(table, buckets=2, engine=spark_engine) as spark:
        assert contents(threads) == contents(spark)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS)
def test_random_logs_are_analysed_equally(event_log, spark_engine, events):
    names = [name for name in sorted(ANALYSES) if name not in ("discover", "compare_groups", "select_journeys")]
    with prepare(event_log(events), buckets=2) as threads:
        spark = PreparedLog.open(threads.directory, engine=spark_engine)

        for name in names:
            assert plain(analyse(name, threads)) == plain(analyse(name, spark)), name


def test_files_folders_and_addresses_give_the_same_buckets(many, spark_engine, tmp_path):
    folder = tmp_path / "events of 2026, [all] {x}" / "month=01"
    folder.mkdir(parents=True)
    # An optional column that a file does not have, and rows in another order.
    pq.write_table(many.slice(1200), folder / "b%20.parquet", row_group_size=100)
    first = many.slice(0, 1200)
    pq.write_table(first.drop_columns(["topic"]).take(list(range(1199, -1, -1))), folder / "a.parquet")
    (folder / "_SUCCESS").touch()
    sources = [folder.parent, folder.parent.as_uri(), sorted(map(str, folder.glob("*.parquet")), reverse=True)]

    with prepare(many, buckets=2) as expected:
        for source in sources:
            with prepare(source, buckets=2, engine=spark_engine) as found:
                assert contents(found) == contents(expected)


def test_what_spark_wrote_itself_is_read(many, spark_engine, tmp_path):
    session = spark_engine.session
    pq.write_table(many, tmp_path / "events.parquet")
    place = (tmp_path / "by_spark").as_uri()
    events = session.read.parquet((tmp_path / "events.parquet").as_uri()).repartition(3)
    events.write.parquet(place)
    events.withColumn("timestamp", events["timestamp"].cast("timestamp_ntz")).write.parquet(place + "_without_zone")

    with prepare(many, buckets=2) as expected, prepare(place, buckets=2, engine=spark_engine) as found:
        assert contents(found) == contents(expected)
    with pytest.raises(JourneyMiningError, match=r"column 'timestamp' is timestamp\[us\], needed"):
        prepare(place + "_without_zone", engine=spark_engine)


def without(log, name):
    return log.drop_columns([name])


def cast(log, kind):
    return log.set_column(log.schema.get_field_index("timestamp"), "timestamp", log["timestamp"].cast(kind))


def lacking(log, name):
    return log.set_column(log.schema.get_field_index(name), name, pa.array([None, *log[name].to_pylist()[1:]]))


REFUSED = {
    "empty": (lambda log: log.slice(0, 0), "no events"),
    "missing column": (lambda log: without(log, "activity"), "column 'activity' is missing"),
    "naive": (lambda log: cast(log, pa.timestamp("us")), "to_event_log"),
    "another zone": (lambda log: cast(log, pa.timestamp("us", "Europe/Amsterdam")), "Europe/Amsterdam"),
    "milliseconds": (lambda log: cast(log, pa.timestamp("ms", "UTC")), r"timestamp\[ms, tz=UTC\]"),
    "nanoseconds": (lambda log: cast(log, pa.timestamp("ns", "UTC")), r"timestamp\[ns, tz=UTC\]"),
    "no journey": (lambda log: lacking(log, "journey_id"), "1 of 4 events have no journey_id"),
    "no activity": (lambda log: lacking(log, "activity"), "1 of 4 events have no activity"),
    "mixed customers": (
        lambda log: log.set_column(1, "customer_id", pa.array(["ann", "eve", "bob", "bob"])),
        "1 journeys have events of more than one customer",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
@pytest.mark.parametrize("kept_in", ["memory", "a file"])
def test_what_is_no_event_log_is_refused_in_the_same_words(spark_engine, tmp_path, case, kept_in):
    change, words = REFUSED[case]
    log = change(example_log())
    if kept_in == "a file":
        pq.write_table(log, tmp_path / "events.parquet")
        log = tmp_path
    place = tmp_path / "prepared"

    with pytest.raises(JourneyMiningError, match=words) as expected:
        prepare(log, place)
    with pytest.raises(JourneyMiningError) as found:
        prepare(log, place, engine=spark_engine)

    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))
    assert not place.exists()


def test_other_refusals_are_the_same_too(spark_engine, event_log, tmp_path):
    crowded = event_log([{"journey_id": "j", "activity": "a", "status": f"status {n}"} for n in range(129)])
    twice = pa.table({"journey_id": ["a", "a"], "open": [True, True]})
    calls = [
        lambda **engine: prepare(crowded, **engine),
        lambda **engine: prepare(example_log(), journeys=twice, **engine),
        lambda **engine: prepare(tmp_path / "nothing", **engine),
        lambda **engine: prepare(tmp_path, **engine),
        lambda **engine: prepare(example_log(), buckets=3, **engine),
    ]
    for call in calls:
        with pytest.raises(JourneyMiningError) as expected:
            call()
        with pytest.raises(type(expected.value)) as found:
            call(engine=spark_engine)
        assert str(found.value) == str(expected.value)

    with pytest.raises(JourneyMiningError, match="file:///nowhere/at/all does not exist"):
        prepare("file:///nowhere/at/all", engine=spark_engine)
    with pytest.raises(UsageError, match="only the engine 'spark' reads it"):
        prepare("hdfs://host/events")


def test_an_error_of_a_kernel_comes_back_as_it_is(both):
    for log in both:
        with pytest.raises(UsageError, match="'purchase' has no place in the order orientation, use"):
            phase_progress(log, order=["orientation", "use"])


def test_an_engine_gives_results_in_order_however_large(spark_engine):
    def work(item):
        return np.full(item, item)

    sizes = [3, 6_000_000, 0, 1]
    found = spark_engine.map(work, sizes)

    assert [array.shape for array in found] == [(size,) for size in sizes]
    assert all((array == size).all() for array, size in zip(found, sizes, strict=True))
    assert spark_engine.map(work, []) == []


def test_a_folder_that_executors_do_not_see_is_said_so(spark_engine):
    def work(item):
        raise FileNotFoundError(2, "No such file or directory", f"/on/the/driver/{item}")

    with pytest.raises(UsageError, match=r"finds no /on/the/driver/7: .* all executors share"):
        spark_engine.map(work, [7])


def test_an_engine_is_chosen_by_name():
    assert engine_of("threads", threads=3).width == 3
    assert Threads(2).map(len, ["a", "bb", ""]) == [1, 2, 0]
    with pytest.raises(UsageError, match="no engine 'flink'; known: threads, spark"):
        engine_of("flink")
    with pytest.raises(UsageError, match="of use with --engine spark only"):
        engine_of("threads", spark_master="spark://host:7077")


def test_a_session_is_in_utc_and_its_settings_are_its_own(spark_engine):
    one, other = spark_session(), spark_session("local[2]")

    assert one.conf.get("spark.sql.session.timeZone") == "UTC"
    one.conf.set("spark.sql.session.timeZone", "Europe/Amsterdam")
    assert other.conf.get("spark.sql.session.timeZone") == "UTC"
    assert one.sparkContext is other.sparkContext is spark_engine.session.sparkContext
    with pytest.raises(UsageError, match=r"connected with local\[2\] already"):
        spark_session("local[1]")


@pytest.mark.parametrize("master", ["http://host:8080", "spark://", "lokal", "spark://host/path"])
def test_a_master_that_is_no_address_is_refused_at_once(master):
    with pytest.raises(UsageError, match="is no address"):
        spark_session(master)
