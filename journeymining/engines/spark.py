"""A Spark session as the analyses need it: in UTC, quiet, on this machine or on a cluster that is there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

import journeymining
from journeymining.exceptions import MissingDependencyError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = 17
"""Spark 4 needs this version of Java, or a later one."""

MASTER = re.compile(r"local(\[[^\]]+\])?|spark://[^/\s]+|yarn|k8s://\S+")
HERE = {"localhost", "127.0.0.1", "::1"}
SECONDS_TO_ANSWER = 5

QUIET = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n
"""
"""What log4j of Spark's driver is told; a task that fails for good ends in a Python exception anyway."""

SESSION_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.sql.execution.arrow.maxBytesPerBatch": "64m",
    # A file in a folder of events that lacks an optional column is read, its values are missing.
    "spark.sql.parquet.mergeSchema": "true",
}


class SparkUnavailableError(MissingDependencyError):
    """Spark was asked for and cannot be started here; exit code of wrong usage."""

    exit_code = 2


def spark_session(master: str | None = None) -> SparkSession:
    """Return a Spark session in UTC: of the Spark that runs in this process, or else of one that is started.

    Parameters
    ----------
    master : str, default ``local[*]``, or the Spark that runs in this process
        Address of a cluster that is there, such as ``spark://host:7077``, ``yarn`` or ``k8s://https://host``.

    Returns
    -------
    SparkSession
        A session of its own: its settings change no other one. What Spark logs is kept from the terminal.

    Raises
    ------
    SparkUnavailableError
        If pyspark or Java is missing, or Spark does not start.
    UsageError
        If the master is no address, nobody answers there, or this process is with another one already.

    Notes
    -----
    Memory, cores and packages are Spark's own settings: ``spark-defaults.conf`` or ``PYSPARK_SUBMIT_ARGS``. Executors
    on other machines need the same version of journeymining, and the environment variable ``PYSPARK_PYTHON`` if their
    Python is not called ``python3``.
    """
    if master is not None and not MASTER.fullmatch(master):
        raise UsageError(
            f"Spark master '{master}' is no address; write local[*], spark://host:7077, yarn or k8s://https://host:443."
        )
    if find_spec("pyspark") is None:
        raise SparkUnavailableError(_needs("pyspark is not installed"))
    # Said at every turn; tables go to and from Spark by Arrow here, never by way of pandas.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    running = _running_session()
    if running is None:
        running = _started(master or "local[*]")
    elif master not in (None, found := running.sparkContext.master):
        raise UsageError(f"Spark master '{master}': this process is connected with {found} already.")
    session = running.newSession()
    for name, value in SESSION_SETTINGS.items():
        session.conf.set(name, value)
    return session


def _needs(what: str) -> str:
    return (
        f"The Spark engine cannot start: {what}. It needs Java {JAVA} or later (JAVA_HOME, or java on the path) "
        "and pyspark: pip install 'journeymining[spark]'."
    )


def _running_session() -> SparkSession | None:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    return None if SparkContext._active_spark_context is None else SparkSession.builder.getOrCreate()


def _started(master: str) -> SparkSession:
    _check_java()
    _check_answers(master)
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    settings = _settings(master)
    # What Java says goes to a file without a name: the terminal is for results.
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        quiet = Path(folder) / "log4j2.properties"
        quiet.write_text(QUIET, encoding="utf-8")
        settings["spark.driver.extraJavaOptions"] = f"-Dlog4j2.configurationFile={quiet.as_uri()}"
        conf = SparkConf(loadDefaults=False).setAll(list(settings.items()))
        said = {"stdout": log, "stderr": log}
        try:
            gateway = SparkContext._gateway or launch_gateway(conf, said)  # type: ignore[no-untyped-call]
            return SparkSession(SparkContext(conf=conf, gateway=gateway))
        except Exception as error:
            # Java's errors come in many forms; what it said last is what helps.
            raise SparkUnavailableError(_needs(_last_words(log) or type(error).__name__)) from error


def _settings(master: str) -> dict[str, str]:
    """Return what Spark is started with; where all is on this machine, nothing listens to the outside."""
    settings = {
        "spark.master": master,
        "spark.app.name": "journeymining",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        # Partial results are small one by one; there may be many.
        "spark.driver.maxResultSize": "0",
        **SESSION_SETTINGS,
    }
    if _is_here(master):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        code = str(Path(journeymining.__file__).resolve().parents[1])
        paths = [code, *filter(None, [os.environ.get("PYTHONPATH")])]
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executorEnv.PYTHONPATH": os.pathsep.join(paths),
        }
    return settings


def _is_here(master: str) -> bool:
    addresses = _addresses(master)
    return master.startswith("local") or (bool(addresses) and all(host in HERE for host, _ in addresses))


def _addresses(master: str) -> list[tuple[str, int]]:
    """Return host and port of every master of a standalone cluster."""
    if not master.startswith("spark://"):
        return []
    found = []
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise UsageError(f"Spark master '{master}': '{address}' is no host:port, such as spark://host:7077.")
        found.append((host.strip("[]"), int(port)))
    return found


def _check_answers(master: str) -> None:
    """Refuse a cluster that is not there; Spark itself would try for a minute."""
    addresses = _addresses(master)
    for address in addresses:
        try:
            socket.create_connection(address, timeout=SECONDS_TO_ANSWER).close()
        except OSError:
            continue
        return
    if addresses:
        raise UsageError(f"Spark master '{master}': nobody answers there. Is the cluster up, and the port its own?")


def _check_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home) / "bin" / "java") if home else "java")
    if java is None:
        raise SparkUnavailableError(_needs(f"there is no Java in JAVA_HOME={home}" if home else "there is no Java"))
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) < JAVA:
        raise SparkUnavailableError(_needs(f"{java} is version {version[1] if version else 'unknown'}"))


def _last_words(log: IO[bytes]) -> str:
    """Return the last line of what Spark said."""
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith("at ")), "")
