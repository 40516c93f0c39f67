from __future__ import annotations

import random

import pytest


@pytest.fixture(scope="session")
def many(event_log):
    """Return a log of 200 journeys with ties, gaps and every optional column."""
    rng = random.Random(7)
    return event_log(
        [
            {
                "journey_id": f"journey {rng.randrange(200)}",
                "activity": rng.choice(["order", "pay", "call", "Straße"]),
                "seconds": rng.choice([0, 1, 2, 60, 3600]),
                "channel": rng.choice([None, "web", "phone"]),
                "status": rng.choice([None, "ok", "failed"]),
                "resource": rng.choice([None, "ann", "bob"]),
                "duration": rng.choice([None, 1.5]),
                "source_order": rng.choice([None, 1, 2]),
            }
            for _ in range(2000)
        ]
    )
