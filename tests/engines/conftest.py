from __future__ import annotations

import pyarrow as pa
import pytest

from journeymining.eventlog.schema import OPTIONAL, REQUIRED


@pytest.fixture(scope="session")
def event_log():
    """Return a function from events (mappings; journey_id, activity and seconds at least) to an event log."""

    def build(events):
        columns = {field.name: [] for field in (*REQUIRED, *OPTIONAL)}
        for number, event in enumerate(events):
            row = {
                "event_id": f"e{number:05d}",
                "customer_id": f"customer of {event['journey_id']}",
                "timestamp": round(event.get("seconds", number) * 1_000_000),
                **{name: value for name, value in event.items() if name != "seconds"},
            }
            for name, values in columns.items():
                values.append(row.get(name))
        schema = pa.schema([*REQUIRED, *OPTIONAL])
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in schema]
        return pa.table(arrays, schema=schema)

    return build


@pytest.fixture(scope="session")
def journey_of(event_log):
    """Return a function that makes a log of one journey from one column, an event per second."""

    def build(column, values):
        return event_log([{"journey_id": "j", "activity": "a", column: value} for value in values])

    return build
