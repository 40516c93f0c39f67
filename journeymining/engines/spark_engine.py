"""The engine on Spark: one task per item, on whichever executor is free; a lost task is done again by Spark."""

from __future__ import annotations

import pickle
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from journeymining.engines.spark import spark_session
from journeymining.exceptions import JourneyMiningError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyspark.sql import DataFrame

Item = TypeVar("Item")
Result = TypeVar("Result")

ROW_BYTES = 1 << 24
"""A result goes to the driver in rows of this size: a single cell of Spark holds less than 2 GB."""

NOT_SHARED = (
    "An executor of Spark finds no {}: a prepared log that is made or read by Spark lies in a folder that this machine "
    "and all executors share, under the same path."
)

RESULTS = pa.schema([("number", pa.int64()), ("part", pa.int64()), ("data", pa.binary())])
RESULTS_OF_SPARK = "number long, part long, data binary"


class Spark:
    """The engine of a cluster, or of Spark on this machine.

    Parameters
    ----------
    master : str, default ``local[*]``, or the Spark that runs in this process
        See `journeymining.engines.spark.spark_session`.
    """

    name = "spark"

    def __init__(self, master: str | None = None) -> None:
        self.session = spark_session(master)

    @property
    def width(self) -> int:
        """How many tasks the cluster works on at a time."""
        return int(self.session.sparkContext.defaultParallelism)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Apply a function to every item, on executors."""
        if not items:
            return []
        chosen = list(items)

        def on_executor(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for number in batch.column("id").to_pylist():
                    yield from result_rows(number, lambda: function(chosen[number]))  # noqa: B023 - called at once

        numbers = self.session.range(0, len(chosen), 1, len(chosen))
        return collect_results(numbers.mapInArrow(on_executor, RESULTS_OF_SPARK))


def result_rows(number: int, work: Callable[[], Any]) -> Iterator[pa.RecordBatch]:
    """Do the work of an item on an executor, and give its result, or our own error, as rows for the driver."""
    try:
        outcome = (True, work())
    except JourneyMiningError as error:
        outcome = (False, error)
    except FileNotFoundError as error:
        outcome = (False, UsageError(NOT_SHARED.format(error.filename or error)))
    data = memoryview(_pickled(outcome))
    for part, start in enumerate(range(0, len(data), ROW_BYTES)):
        piece = data[start : start + ROW_BYTES].tobytes()
        yield pa.RecordBatch.from_pylist([{"number": number, "part": part, "data": piece}], schema=RESULTS)


def collect_results(rows: DataFrame) -> list[Any]:
    """Run a job of `result_rows` and return its results by number; raise the first error of ours."""
    parts: dict[int, list[tuple[int, bytes]]] = defaultdict(list)
    for number, part, data in _collected(rows):
        parts[number].append((part, data))
    results = []
    for number in sorted(parts):
        done, outcome = pickle.loads(b"".join(data for _, data in sorted(parts[number])))
        if not done:
            raise outcome
        results.append(outcome)
    return results


def _collected(rows: DataFrame) -> Iterator[tuple[int, int, bytes]]:
    from pyspark.errors import PythonException

    try:
        table = rows.toArrow()
    except PythonException as error:
        if "No module named" in str(error):
            missing = str(error).rpartition("No module named")[2].splitlines()[0].strip()
            raise UsageError(
                f"The Python of Spark's executors lacks {missing}: install the same journeymining there, or set "
                "PYSPARK_PYTHON to a Python that has it."
            ) from error
        raise
    for batch in table.to_batches():
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _pickled(outcome: tuple[bool, Any]) -> bytes:
    from pyspark import cloudpickle

    return bytes(cloudpickle.dumps(outcome))  # type: ignore[no-untyped-call]
