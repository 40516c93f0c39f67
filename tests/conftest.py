"""What all tests share: where real logs lie, if they are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from journeymining.eventlog.schema import OPTIONAL, REQUIRED

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Folder of the checkout the tests run in."""
    return CHECKOUT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real logs beside the checkout; a test that needs it skips, saying so, where it is not."""
    folder = Path(os.environ.get("JOURNEYMINING_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real logs are not here ({folder}); set JOURNEYMINING_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Path:
    """Folder in which ``journeymining demo`` ran as people run it: event_logs/demo and outputs/demo.

    While writing tests, JOURNEYMINING_DEMO may name a folder in which it ran before.
    """
    if kept := os.environ.get("JOURNEYMINING_DEMO"):
        return Path(kept)
    folder = tmp_path_factory.mktemp("demo")
    answer = subprocess.run(
        [sys.executable, "-m", "journeymining", "demo", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "outputs/demo/report.html\n"
    return folder


@pytest.fixture(scope="session")
def spark_engine():
    """The engine on Spark, started once. Where it cannot start tests skip, unless JOURNEYMINING_NEEDS_SPARK is set."""
    from journeymining.engines.spark import SparkUnavailableError
    from journeymining.engines.spark_engine import Spark

    try:
        engine = Spark("local[2]")
    except SparkUnavailableError as error:
        if os.environ.get("JOURNEYMINING_NEEDS_SPARK"):
            raise
        pytest.skip(str(error))
    # Small tables: what a shuffle of many parts costs would be all that is measured.
    engine.session.conf.set("spark.sql.shuffle.partitions", "1")
    return engine


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
