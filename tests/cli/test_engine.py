"""``--engine spark``: the same bytes as without, and words for whoever lacks Java."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from click.testing import CliRunner

from journeymining.cli.conform import command as conform
from journeymining.cli.discover import command as discover
from journeymining.cli.run import command as run
from journeymining.engines import spark

DESIGN = "journey: buy\nscope: {start: order}\nflow: order > (call)? > pay\n"
JOB = """
job: shop
timezone: UTC
sources:
  shop: {connector: csv, path: shop.csv}
identity: {keys: [account, email, cookie], pseudonymise: false}
journeys: {by: customer, cut: {gap: 30 days, end: [pay]}}
design: design.yaml
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a log, a design, and a job with one source."""
    place, rng = tmp_path_factory.mktemp("engine"), random.Random(5)
    rows = [
        (rng.randrange(60), rng.choice(["order", "pay", "call"]), rng.randrange(1, 29), rng.choice(["web", "phone"]))
        for _ in range(400)
    ]
    log = [f"c{who},{what},2026-03-{day:02}T10:00:00Z,{where}" for who, what, day, where in rows]
    (place / "log.csv").write_text("journey_id,activity,timestamp,channel\n" + "\n".join(log) + "\n")
    shop = [f"2026-03-{day:02}T10:00:00Z,{what},{where},c{who}," for who, what, day, where in rows]
    (place / "shop.csv").write_text("time,activity,channel,account,cookie\n" + "\n".join(shop) + "\n")
    (place / "design.yaml").write_text(DESIGN)
    (place / "job.yaml").write_text(JOB)
    return place


def settled(path):
    """Return what a file holds, without the engine and what differs from run to run anyway."""
    if path.name == "manifest.json":
        manifest = json.loads(path.read_text())
        steps = [{name: one for name, one in step.items() if name != "seconds"} for step in manifest["steps"]]
        return {name: one for name, one in manifest.items() if name not in ("created", "engine")} | {"steps": steps}
    if path.name == "quality.json":
        return json.loads(path.read_text())
    return path.read_bytes()


def results(place):
    """Return all files of a run but the report, which shows them and how long each step took."""
    files = [path for path in sorted(place.rglob("*")) if path.is_file() and path.name != "report.html"]
    return {str(path.relative_to(place)): settled(path) for path in files}


@pytest.mark.parametrize("name", ["discover", "conform", "run"])
def test_both_engines_write_the_same_bytes(spark_engine, folder, tmp_path, name):
    del spark_engine  # it runs; the command finds it
    log, design, job = (str(folder / file) for file in ("log.csv", "design.yaml", "job.yaml"))
    command, arguments = {
        "discover": (discover, [log, "--format", "csv"]),
        "conform": (conform, [log, "--design", design, "--open-after", "2 days", "--format", "csv"]),
        "run": (run, [job]),
    }[name]
    said = {}
    for engine in ("threads", "spark"):
        options = ["--engine", engine, "--out", str(tmp_path / engine)]
        options += ["--events", str(tmp_path / f"events of {engine}")] if name == "run" else []
        found = CliRunner().invoke(command, [*arguments, *options], catch_exceptions=False)
        assert found.exit_code == 0
        said[engine] = found.stdout.replace(engine, "")
        assert json.loads((tmp_path / engine / "manifest.json").read_text())["engine"] == engine

    assert said["spark"] == said["threads"]
    assert len(said["threads"]) > 20
    threads = results(tmp_path / "threads")
    assert results(tmp_path / "spark") == threads
    assert len(threads) > 5


def journeymining(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "journeymining", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_java_a_line_says_what_to_install(folder):
    found = journeymining("discover", str(folder / "log.csv"), "--engine", "spark", JAVA_HOME="/nowhere")

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == (
        "Error: The Spark engine cannot start: there is no Java in JAVA_HOME=/nowhere. It needs Java 17 or later "
        "(JAVA_HOME, or java on the path) and pyspark: pip install 'journeymining[spark]'.\n"
    )


def test_an_old_java_is_told_from_a_new_one(tmp_path, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    for version, fits in (("1.8.0_402", False), ("11.0.2", False), ("17.0.15", True), ("25", True)):
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
        java.chmod(0o755)
        if fits:
            spark._check_java()
            continue
        with pytest.raises(spark.SparkUnavailableError, match=r"is version (8|11)\. It needs Java 17") as error:
            spark._check_java()
        assert error.value.exit_code == 2


def test_without_pyspark_a_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)

    with pytest.raises(spark.SparkUnavailableError, match=r"pyspark is not installed.*journeymining\[spark\]") as error:
        spark.spark_session()
    assert error.value.exit_code == 2


def test_a_cluster_that_is_not_there_is_refused_at_once(folder):
    log = str(folder / "log.csv")
    nobody = journeymining("discover", log, "--engine", "spark", "--spark-master", "spark://127.0.0.1:1")
    useless = journeymining("discover", log, "--spark-master", "spark://127.0.0.1:1")

    assert (nobody.returncode, useless.returncode) == (2, 2)
    assert "spark://127.0.0.1:1': nobody answers there" in nobody.stderr
    assert "of use with --engine spark only" in useless.stderr
