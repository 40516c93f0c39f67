"""On a cluster of a master and two workers, one of which dies while a log is prepared: nothing changes."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from journeymining.engines.engine import Threads

SECONDS_TO_START = 90
SECONDS_TO_ANSWER = 400
DRIVER = Path(__file__).with_name("spark_driver.py")
DESIGN = """\
journey: order
flow: order > (call)? > pay
"""


@contextmanager
def running(command, log, **options):
    """Run a command in a process group of its own; all of it is gone at the end."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **options)
    try:
        yield process
    finally:
        kill(process)


def kill(process):
    """End a process and all it started, as a machine that loses power does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def wait_for(found, what, seconds):
    """Return what a function finds, as soon as it finds something."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (value := found()) is not None:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def said(log, pattern):
    match = re.search(pattern, log.read_text(errors="replace")) if log.exists() else None
    return match and match[0]


@pytest.fixture
def cluster(spark_engine, tmp_path):
    """Start a master and two workers of one core on this machine; return the master's address and the workers."""
    import pyspark

    del spark_engine  # where Spark cannot start there is no cluster either
    spark_class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    environment = {
        **os.environ,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(tmp_path / "work"),
        "SPARK_LOCAL_DIRS": str(tmp_path / "scratch"),
    }
    here = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    master_log = tmp_path / "master.log"
    with running([spark_class, "org.apache.spark.deploy.master.Master", *here], master_log, env=environment):
        address = wait_for(lambda: said(master_log, r"spark://127\.0\.0\.1:\d+"), "master", SECONDS_TO_START)
        worker = [spark_class, "org.apache.spark.deploy.worker.Worker", *here, "--cores", "1", "--memory", "600m"]
        logs = [tmp_path / f"worker{number}.log" for number in (1, 2)]
        with (
            running([*worker, address], logs[0], env=environment) as one,
            running([*worker, address], logs[1], env=environment) as other,
        ):
            for log in logs:
                wait_for(lambda log=log: said(log, "Successfully registered with master"), "worker", SECONDS_TO_START)
            yield address, [one, other]


def test_a_worker_that_dies_while_a_log_is_prepared_changes_no_digit(cluster, event_log, tmp_path):
    address, workers = cluster
    rng = random.Random(11)
    table = event_log(
        [
            {
                "journey_id": f"journey {rng.randrange(900)}",
                "activity": rng.choice(["order", "pay", "call", "Éclair"]),
                "seconds": rng.randrange(100_000) / 7,
                "channel": rng.choice([None, "web", "phone"]),
            }
            for _ in range(6000)
        ]
    )
    pq.write_table(table, tmp_path / "events.parquet", row_group_size=1500)
    (tmp_path / "design.yaml").write_text(DESIGN)
    for name in ("cluster", "here"):
        (tmp_path / name).mkdir()
    place = [tmp_path / "events.parquet", tmp_path / "design.yaml"]
    # Little memory, and an executor on each worker.
    limits = "--driver-memory 512m --conf spark.executor.memory=512m --conf spark.executor.cores=1 pyspark-shell"
    command = [sys.executable, str(DRIVER), address, *map(str, place), str(tmp_path / "cluster")]
    log = tmp_path / "driver.log"

    def buckets_of_the_second_log():
        assert driver.poll() is None, "the driver has ended"
        written = list((tmp_path / "cluster").glob(".*-second/bucket=*"))
        return len(written) or None

    with running(command, log, env={**os.environ, "PYSPARK_SUBMIT_ARGS": limits}) as driver:
        try:
            executors = lambda: [*(tmp_path / "work").glob("app-*/*/stderr")]  # noqa: E731
            written = wait_for(buckets_of_the_second_log, "first bucket", SECONDS_TO_ANSWER)
            kill(workers[1])
            assert written < 32
            assert len(executors()) == 2
            assert driver.wait(SECONDS_TO_ANSWER) == 0
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text(errors='replace')[-4000:]}") from error

    found = json.loads((tmp_path / "cluster" / "answers.json").read_text(encoding="utf-8"))
    expected = answers_of_this_machine(*place, tmp_path / "here")
    assert found == expected
    assert found["second"]["events"] == 6000
    assert found["conformance"][2]["journeys"]["in_scope"] > 100
    assert found["command line"].count("\n") > 5


def answers_of_this_machine(events, design, folder):
    import importlib.util

    spec = importlib.util.spec_from_file_location("spark_driver", DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answers(events, design, folder, engine=Threads(2), options=[])
