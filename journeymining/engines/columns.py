"""What the prepared log keeps of an event: the columns, their types, and which are codes."""

from __future__ import annotations

from typing import Final

import polars as pl

CODED: Final = {
    "activity": pl.Int32,
    "channel": pl.Int16,
    "phase": pl.Int16,
    "status": pl.Int8,
    "initiator": pl.Int8,
    "source": pl.Int16,
    "resource": pl.Int32,
    "topic": pl.Int32,
}
"""Text columns that are kept as codes: the index in the alphabetical dictionary of the column, -1 for no value."""

MOST_CODES: Final = {pl.Int8: 1 << 7, pl.Int16: 1 << 15, pl.Int32: 1 << 31}
"""How many distinct values a coded column of a type can have."""

NUMBERS: Final = {"duration": pl.Float64, "value": pl.Float64}
"""Columns kept as they are; null where there is no value."""

EVENTS: Final = {"journey": pl.Int32, "time": pl.Int64, **CODED, **NUMBERS, "event_id": pl.String}
"""What is known of an event; ``journey`` counts from 0 in its bucket, ``time`` is microseconds UTC. All but the id are
in ``events.parquet``; the same row of ``ids.parquet`` is the id, kept apart because no count needs it."""

IDS: Final = {"event_id": pl.String, "source_order": pl.Int64}
"""A row of ``ids.parquet``: the id of the event, and the order its source gave it, by which ties were broken."""

ROWS: Final = {
    "journey_id": pl.String,
    "customer_id": pl.String,
    "event_id": pl.String,
    "time": pl.Int64,
    "source_order": pl.Int64,
    **CODED,
    **NUMBERS,
}
"""The events of a bucket before they are sorted and their journeys coded."""

JOURNEYS: Final = {
    "journey": pl.Int32,
    "journey_id": pl.String,
    "customer_id": pl.String,
    "events": pl.Int32,
    "start": pl.Int64,
    "end": pl.Int64,
    "open": pl.Boolean,
    "left_truncated": pl.Boolean,
}
"""A row of ``journeys.parquet`` is a journey, in the order of ``journey``; the flags are null where nobody told."""

FLAGS: Final = ("open", "left_truncated")
