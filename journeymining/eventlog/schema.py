"""What an event log is: its columns, their types and their order."""

from __future__ import annotations

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

REQUIRED = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("journey_id", pa.string(), nullable=False),
        pa.field("activity", pa.string(), nullable=False),
        pa.field("timestamp", TIMESTAMP, nullable=False),
        pa.field("channel", pa.string()),
        pa.field("source", pa.string()),
    ]
)
"""The columns every event log has; channel and source are null where a source does not tell."""

OPTIONAL = pa.schema(
    [
        pa.field("phase", pa.string()),
        pa.field("resource", pa.string()),
        pa.field("initiator", pa.string()),
        pa.field("status", pa.string()),
        pa.field("duration", pa.float64()),
        pa.field("topic", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("source_order", pa.int64()),
    ]
)
"""Columns with a fixed meaning that a log may have: duration is in seconds, status is ok or failed, initiator is
customer, organisation or system, source_order is the place of an event within its source where the source has one."""

ORDER = ("journey_id", "timestamp", "source_order", "event_id")
"""The total order of events: time, then the order of the source where it has one, then the event's own id."""

XES_NAMES = {
    "case:concept:name": "journey_id",
    "concept:name": "activity",
    "time:timestamp": "timestamp",
    "org:resource": "resource",
}
"""Names of the XES standard, used at the borders only: import and export."""
