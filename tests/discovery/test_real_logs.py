"""Public logs: our counts against those of pm4py, which needs its rows sorted first."""

from __future__ import annotations

import pandas as pd
import pytest

from journeymining.discovery.directly_follows import directly_follows
from journeymining.discovery.results import discover
from journeymining.discovery.touchpoints import end_activities, start_activities
from journeymining.discovery.variants import variants
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.reading import read_event_log

LOGS = [
    ("event_logs/running-example.xes", {}),
    ("event_logs/SEPSIS.xes.gz", {}),
    ("event_logs/BPI_2020_PrepaidTravelCost.xes.gz", {}),
    ("event_logs/BPI_2020_RequestForPayment.xes.gz", {}),
    ("event_logs/BPI_2020_DomesticDeclarations.xes.gz", {}),
    pytest.param("event_logs/bpic2012.xes.gz", {}, marks=pytest.mark.slow),
    ("omnichannel/inail_contact_centre.xes.gz", {}),
]


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "options"), LOGS)
def test_counts_equal_those_of_pm4py(shared_data, name, options):
    import pm4py

    table = read_event_log(shared_data / name, **options)
    # The same total order as ours, with the codes of XES.
    rows = table.to_pandas().sort_values(
        ["journey_id", "timestamp", "source_order", "event_id"], na_position="last", kind="stable"
    )
    frame = pm4py.format_dataframe(
        rows.reset_index(drop=True), case_id="journey_id", activity_key="activity", timestamp_key="timestamp"
    )

    follows, starts, ends = pm4py.discover_dfg(frame)
    paths = pm4py.get_variants(frame)
    with prepare(table.take(list(range(table.num_rows))[::-1]), buckets=4) as log:
        pairs, found = directly_follows(log), variants(log)
        edges = [
            dict(zip(f["activity"], f["journeys"], strict=True)) for f in (start_activities(log), end_activities(log))
        ]

    assert dict(zip(zip(pairs["source"], pairs["target"], strict=True), pairs["events"], strict=True)) == dict(follows)
    assert dict(zip(map(tuple, found["path"]), found["journeys"], strict=True)) == {
        path: count if isinstance(count, int) else len(count) for path, count in paths.items()
    }
    assert edges == [dict(starts), dict(ends)]


@pytest.mark.real_data
def test_waits_equal_those_of_pandas(shared_data):
    table = read_event_log(shared_data / "event_logs/SEPSIS.xes.gz")
    rows = table.to_pandas().sort_values(["journey_id", "timestamp", "source_order", "event_id"], na_position="last")
    following = rows.groupby("journey_id").shift(-1)
    wait = (following["timestamp"] - rows["timestamp"]).dt.total_seconds()
    pairs = wait.groupby([rows["activity"].rename("source"), following["activity"].rename("target")])
    expected = pd.DataFrame({"median": pairs.median(), "mean": pairs.mean(), "p95": pairs.quantile(0.95)})

    with prepare(table, buckets=8) as log:
        found = directly_follows(log).set_index(["source", "target"]).sort_index()

    for name in ("median", "mean", "p95"):
        pd.testing.assert_series_equal(
            found[f"{name}_wait"], expected[name], check_names=False, check_index_type=False, rtol=1e-9
        )


@pytest.mark.real_data
def test_the_contact_centre_log_is_discovered_whole(shared_data):
    table = read_event_log(shared_data / "omnichannel/inail_contact_centre.xes.gz")

    with prepare(table) as log:
        found = discover(log)

    assert found.tables["journeys"]["events"].sum() == table.num_rows == found.coverage["events"]
    assert found.tables["touchpoints"]["events"].sum() == table.num_rows
    assert found.tables["touchpoints"]["starts"].sum() == found.coverage["journeys"]
    assert found.variants["journeys"].sum() == found.coverage["journeys"]
    assert found.tables["directly_follows"]["events"].sum() == table.num_rows - found.coverage["journeys"]


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
def test_unsorted_rows_mislead_pm4py_and_not_us(shared_data):
    import pm4py

    table = read_event_log(shared_data / "event_logs/running-example.xes")
    # By activity, as a table of a database may come: the rows of a journey lie apart and in another order.
    unsorted = table.sort_by([("activity", "ascending"), ("timestamp", "descending")])
    frame = unsorted.select(["journey_id", "activity", "timestamp"]).to_pandas()
    columns = {"case_id_key": "journey_id", "activity_key": "activity", "timestamp_key": "timestamp"}

    theirs = pm4py.get_variants(frame, **columns)
    with prepare(unsorted) as log, prepare(table) as in_order:
        ours, expected = variants(log), variants(in_order)

    pd.testing.assert_frame_equal(ours, expected)
    journeys = {journey: [] for journey in frame["journey_id"]}
    for row in sorted(table.to_pylist(), key=lambda row: (row["timestamp"], row["source_order"])):
        journeys[row["journey_id"]].append(row["activity"])
    assert sorted(ours["path"].map(tuple)) == sorted({tuple(path) for path in journeys.values()})
    assert set(theirs) != set(ours["path"].map(tuple))
