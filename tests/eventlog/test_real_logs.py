"""Real logs are read whole: as many events and journeys as their publishers and an independent reader count."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections import Counter

import polars as pl
import pytest

from journeymining.eventlog.checks import check_event_log
from journeymining.eventlog.reading import read_event_log, reading_report
from journeymining.exceptions import InputError

pytestmark = pytest.mark.real_data

# Events and journeys as published; of logs with starts and schedules, completions and all events.
XES = {
    "event_logs/running-example.xes": (42, 42, 6),
    "event_logs/SEPSIS.xes.gz": (15_214, 15_214, 1_050),
    "event_logs/BPI_2020_DomesticDeclarations.xes.gz": (56_437, 56_437, 10_500),
    "event_logs/BPI_2020_PrepaidTravelCost.xes.gz": (18_246, 18_246, 2_099),
    "event_logs/BPI_2020_RequestForPayment.xes.gz": (36_796, 36_796, 6_886),
    "conformance/logs/BPIC2013-ClosedProblems.xes.gz": (6_660, 6_660, 1_487),
    "conformance/logs/BPIC2013-OpenProblems.xes.gz": (2_351, 2_351, 819),
    "conformance/logs/08_receipt.xes.gz": (8_577, 8_577, 1_434),
    "conformance/logs/M1.xes.gz": (6_555, 6_555, 500),
}
SLOW_XES = {
    "event_logs/bpic2012.xes.gz": (164_506, 262_200, 13_087),
    "conformance/logs/BPIC2013-incidents.xes.gz": (65_533, 65_533, 7_554),
}
HELPDESK = {"columns": {"journey": "CaseID", "activity": "ActivityID"}, "timezone": "Europe/Rome"}
CALLS = {
    # Each service id is one matter of a customer; an operation lasts from start to end, so it counts at its end.
    "journey": "Service ID",
    "activity": "Operation",
    "timestamp": "End Date",
    "start_timestamp": "Start Date",
    "customer": "Customer ID",
    "resource": "Agent",
}


@pytest.fixture(scope="module")
def contact_centre(shared_data):
    return read_event_log(shared_data / "omnichannel/inail_contact_centre.xes.gz", columns={"channel": "case:CANALE"})


def counts(path, **options) -> tuple[int, int, int]:
    log = read_event_log(path, **options)
    report = reading_report(log)
    paired = report.get("lifecycle", {}).get("paired", 0)
    assert report["rows_in"] == log.num_rows + paired + sum(found["rows"] for found in report["left_out"].values())
    return log.num_rows, report["rows_in"], len(log["journey_id"].unique())


@pytest.mark.parametrize("name", XES)
def test_xes_logs_have_their_published_size(shared_data, name):
    assert counts(shared_data / name) == XES[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_XES)
def test_large_xes_logs_have_their_published_size(shared_data, name):
    assert counts(shared_data / name) == SLOW_XES[name]


@pytest.mark.parametrize(
    ("name", "options", "events", "journeys"),
    [
        ("event_logs/running-example.csv", {}, 42, 6),
        ("omnichannel/receipt_permit_channels.csv", {}, 8_577, 1_434),
        ("event_logs/helpdesk.csv", HELPDESK, 13_710, 3_804),
        ("outcomes/sepsis_cases_2.csv.gz", {"timezone": "Europe/Amsterdam"}, 10_924, 782),
        ("outcomes/Production.csv", {"timezone": "UTC"}, 2_489, 220),
        ("calls/callcentre_and_mail_2010.csv", {"columns": CALLS, "timezone": "Europe/Amsterdam"}, 7_548, 3_885),
    ],
)  # fmt: skip
def test_csv_logs_have_their_published_size(shared_data, name, options, events, journeys):
    assert counts(shared_data / name, **options) == (events, events, journeys)


@pytest.mark.parametrize(
    "name",
    ["event_logs/running-example.xes", "event_logs/SEPSIS.xes.gz", "conformance/logs/BPIC2013-OpenProblems.xes.gz"],
)
def test_every_event_is_the_one_that_pm4py_reads(shared_data, name):
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import pm4py

        theirs = pm4py.read_xes(str(shared_data / name), variant="iterparse")
    expected = Counter(
        zip(
            theirs["case:concept:name"].astype(str),
            theirs["concept:name"],
            theirs["time:timestamp"].dt.tz_convert("UTC"),
            strict=True,
        )
    )

    log = read_event_log(shared_data / name, lifecycle="all").to_pandas()

    assert Counter(zip(log["journey_id"], log["activity"], log["timestamp"], strict=True)) == expected


def test_the_case_whose_id_is_na_stays_a_case(shared_data, tmp_path):
    from journeymining.eventlog.writing import write_event_log

    log = read_event_log(shared_data / "event_logs/SEPSIS.xes.gz")
    write_event_log(log, tmp_path / "sepsis.csv")

    back = read_event_log(tmp_path / "sepsis.csv")

    events = log["journey_id"].to_pylist().count("NA")
    assert events > 0
    assert back["journey_id"].to_pylist().count("NA") == events


def test_the_contact_centre_has_its_published_size(contact_centre):
    assert reading_report(contact_centre)["rows_in"] == 74_046
    assert len(contact_centre["journey_id"].unique()) == 15_445


def test_channels_of_the_contact_centre_have_their_published_cases(contact_centre):
    cases = pl.DataFrame(pl.from_arrow(contact_centre)).group_by("channel").agg(pl.col("journey_id").n_unique()).rows()

    assert dict(cases) == {
        "Telefono": 10_180,
        "INAIL Risponde autenticato": 2_607,
        "INAIL Risponde non autenticato": 1_357,
        "Chat": 761,
        "Sportello": 540,
    }


def test_every_activity_of_the_contact_centre_has_its_duration(contact_centre):
    durations = contact_centre["duration"]

    assert reading_report(contact_centre)["lifecycle"]["paired"] == 37_023
    assert durations.null_count == 0
    assert min(durations.to_pylist()) >= 0


def test_the_call_centre_has_customers_agents_and_durations(shared_data):
    log = read_event_log(shared_data / "calls/callcentre_and_mail_2010.csv", columns=CALLS, timezone="Europe/Amsterdam")

    first = log.slice(0, 1).to_pylist()[0]

    assert len(log["customer_id"].unique()) == 3_232
    assert (first["journey_id"], first["activity"], first["resource"], first["duration"]) == (
        "Case 1",
        "Inbound Call",
        "Helen",
        300.0,
    )
    assert first["timestamp"].isoformat() == "2010-03-09T07:10:00+00:00"
    assert first["Product"] == "MacBook Pro"


def test_a_log_without_zone_is_refused_by_name(shared_data):
    with pytest.raises(InputError, match=r"14_Billing_1t_per_variant\.xes\.gz: 12,506 of 12,506 times"):
        read_event_log(shared_data / "conformance/logs/14_Billing_1t_per_variant.xes.gz")


def test_the_check_finds_what_real_logs_are_known_for(shared_data, contact_centre):
    helpdesk = read_event_log(shared_data / "event_logs/helpdesk.csv", **HELPDESK)
    sepsis = read_event_log(shared_data / "event_logs/SEPSIS.xes.gz")

    of_helpdesk, of_sepsis, of_centre = (
        dict(check_event_log(log).set_index("check")["count"]) for log in (helpdesk, sepsis, contact_centre)
    )

    assert of_helpdesk["duplicated_rows"] == 91
    assert of_sepsis["mixed_offsets"] == 2
    assert of_sepsis["ties_ordered_by_source"] > 0
    assert "ties_decide_paths" not in of_sepsis
    frame = contact_centre.to_pandas()
    assert of_centre["ties"] == frame.duplicated(["journey_id", "timestamp"], keep=False).sum()
