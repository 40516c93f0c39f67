"""Small logs and designs, written down in a line each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from journeymining.conformance.conform import conform
from journeymining.conformance.design_file import design_of_document
from journeymining.documents import parse_yaml
from journeymining.engines.prepared_log import prepare
from journeymining.eventlog.schema import TIMESTAMP

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def table(journeys):
    """Make an event log of ``{journey: [event, ...]}``; an event is its activity, or a dict with more columns.

    Events are an hour apart unless they say ``hour`` (after Monday 2 March 2026, 09:00 UTC).
    """
    rows = []
    for journey, events in journeys.items():
        for place, event in enumerate(events):
            event = {"activity": event} if isinstance(event, str) else event
            row = {
                "event_id": f"{journey}-{place:03d}",
                "customer_id": journey,
                "journey_id": journey,
                "timestamp": START + timedelta(hours=event.get("hour", place)),
                "source_order": place,
                **{name: event.get(name) for name in ("activity", "channel", "status", "resource", "initiator")},
            }
            rows.append(row)
    names = list(rows[0])
    columns = {name: pa.array([row[name] for row in rows]) for name in names}
    columns["timestamp"] = columns["timestamp"].cast(TIMESTAMP)
    for name in ("channel", "status", "resource", "initiator"):
        columns[name] = columns[name].cast(pa.string())
    return pa.table({**columns, "source": pa.array(["test"] * len(rows))})


@pytest.fixture
def make_design():
    return lambda text, path="design.yaml": design_of_document(parse_yaml(text, path=path))


@pytest.fixture
def check(make_design):
    """Compare journeys with the text of a design."""

    def run(design, journeys, *, flags=None, buckets=None, **options):
        design = make_design(design) if isinstance(design, str) else design
        marked = None if flags is None else pa.table({"journey_id": list(flags), "open": list(flags.values())})
        with prepare(table(journeys), journeys=marked, buckets=buckets) as log:
            return conform(log, design, **options)

    return run


@pytest.fixture
def said():
    """Type, touchpoint, expected, observed and journeys of every deviation."""

    def rows(found, *columns):
        columns = columns or ("type", "touchpoint", "journeys")
        return [tuple(row) for row in found.deviations[list(columns)].itertuples(index=False)]

    return rows


@pytest.fixture
def make_table():
    return table
