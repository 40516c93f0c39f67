"""Small tables of events, written as a person would note them down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("source", pa.string()),
        ("stream", pa.string()),
        ("activity", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
        ("channel", pa.string()),
        ("topic", pa.string()),
        ("status", pa.string()),
        ("source_order", pa.int64()),
        ("time_text", pa.string()),
        ("customer_id", pa.string()),
    ]
)


def _at(day):
    return None if day is None else datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


@pytest.fixture
def make_events():
    """Make source events of (customer, day, activity) or dictionaries with more."""

    def make(*events):
        rows = []
        for number, event in enumerate(events):
            given = (
                event if isinstance(event, dict) else dict(zip(("customer_id", "day", "activity"), event, strict=True))
            )
            row = {"event_id": f"e{number:03}", "source": "crm", **given}
            row["timestamp"] = _at(row.pop("day"))
            rows.append({name: row.get(name) for name in SCHEMA.names})
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    return make
