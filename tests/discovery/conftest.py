from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def journey_of(event_log):
    """Return a function that makes a log of one journey from one column, an event per second."""

    def build(column, values):
        return event_log([{"journey_id": "j", "activity": "a", column: value} for value in values])

    return build
