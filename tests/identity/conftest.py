"""Small tables of identifiers, written as a person would note them down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from journeymining.identity.stitching import stitch

DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("event_id", pa.string()),
        ("kind", pa.string()),
        ("value_hash", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)


def identifier_table(records):
    """Make the identifiers table of records (source, event_id, day or None, "kind:value kind:value")."""
    rows = [
        (source, event_id, *item.split(":"), None if day is None else DAY_ZERO + timedelta(days=day))
        for source, event_id, day, items in records
        for item in items.split()
    ]
    return pa.table(list(zip(*rows, strict=True)) or [[]] * 5, schema=SCHEMA)


def event_table(records):
    """Make an events table with the records as events; the source is the channel."""
    return pa.table(
        {
            "source": pa.array([record[0] for record in records], pa.string()),
            "event_id": pa.array([record[1] for record in records], pa.string()),
            "channel": pa.array([record[0] for record in records], pa.string()),
        }
    )


@pytest.fixture
def stitch_records():
    """Stitch records; return {(source, event_id): customer_id} and the whole result."""

    def run(records, **options):
        result = stitch(identifier_table(records), event_table(records), **options)
        customers = {(row["source"], row["event_id"]): row["customer_id"] for row in result.events.to_pylist()}
        assert len(customers) == result.events.num_rows
        return customers, result

    return run
