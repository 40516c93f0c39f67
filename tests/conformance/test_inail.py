"""The contact centre of INAIL against its design: the numbers of docs/explanation/inail.md."""

from __future__ import annotations

import re
from collections import Counter

import pyarrow.compute as pc
import pytest

from journeymining.conformance.conform import conform
from journeymining.conformance.design import read_design
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.reading import read_event_log

FIRST = "A INAIL - CSM Contact Center"
LOCAL = "Territoriali Lavoratori|Territoriali Aziende|Prevenzione|DIT|DIMEILA|UOT"
FOLLOWS = re.compile(
    rf"C Sportello|(N INAIL - CSM Contact Center,)?{FIRST},C INAIL - CSM Contact Center|"
    rf"((N INAIL - CSM Contact Center,)?{FIRST}|N BO Centrale),A BO Centrale(,S BO Centrale,A BO Centrale)*,"
    rf"(C BO Centrale|A BO ({LOCAL}),C BO (?P<closed>{LOCAL}))"
)
SHORT = {"Nuovo ": "N ", "Assegnato ": "A ", "Chiuso ": "C ", "In sospeso ": "S ", "Annullato ": "X "}


@pytest.fixture(scope="module")
def log(shared_data):
    return read_event_log(shared_data / "omnichannel/inail_contact_centre.xes.gz", columns={"channel": "CANALE"})


@pytest.fixture(scope="module")
def found(log, checkout):
    with prepare(log) as prepared:
        return conform(prepared, read_design(checkout / "docs/examples/inail_service_desk.yaml"))


@pytest.mark.real_data
def test_the_numbers_of_the_documentation(found):
    rows = found.entries.set_index("entry_channel")[["journeys", "following"]]

    assert {channel: tuple(row) for channel, row in zip(rows.index, rows.values.tolist(), strict=True)} == {
        "Telefono": (10180, 10061),
        "INAIL Risponde autenticato": (2607, 2153),
        "INAIL Risponde non autenticato": (1357, 1005),
        "Chat": (761, 760),
        "Sportello": (540, 528),
    }
    assert found.summary["fitting"]["journeys"] == 14507
    assert found.summary["journeys"]["ended_otherwise"] == 7
    counted = found.deviations.set_index(["type", "touchpoint"])["journeys"]
    assert counted["missing", "Assegnato BO Centrale"] == 876
    assert counted["missing", "Assegnato INAIL - CSM Contact Center"] == 564


@pytest.mark.real_data
def test_the_same_requests_follow_a_regular_expression(log, found):
    """The flow again, as a regular expression on the joined path: an independent way to the same number."""
    log = log.sort_by([("journey_id", "ascending"), ("timestamp", "ascending"), ("source_order", "ascending")])
    paths: dict[str, list[str]] = {}
    for journey, activity in zip(log["journey_id"].to_pylist(), log["activity"].to_pylist(), strict=True):
        paths.setdefault(journey, []).append(
            next(activity.replace(k, v) for k, v in SHORT.items() if activity.startswith(k))
        )

    def follows(path):
        if path[-1].startswith("X "):
            # Cancelled: what came before must only be the beginning of a designed way.
            return path[:-1] == ["N BO Centrale"]
        match = FOLLOWS.fullmatch(",".join(path))
        closes = match and (match["closed"] is None or path[-2] == "A BO " + match["closed"])
        return bool(closes)

    counted = Counter(follows(path) for path in paths.values())

    assert len(paths) == pc.count_distinct(log["journey_id"]).as_py() == 15445
    assert counted[True] == found.summary["fitting"]["journeys"]
