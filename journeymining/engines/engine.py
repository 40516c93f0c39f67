"""Where work runs that splits into parts: on threads of this machine, or on the executors of Spark."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

from journeymining.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENGINES = ("threads", "spark")
"""Names of the engines, the usual one first."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Engine(Protocol):
    """What an engine can do: apply a function to every item, wherever that is, and bring the results back in order."""

    @property
    def name(self) -> str:
        """The name by which the engine is chosen."""
        ...

    @property
    def width(self) -> int:
        """How many items it can work on at a time."""
        ...

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Return the results in the order of the items; an error of ours is raised as it is, the first by order."""
        ...


class Threads:
    """The engine of one machine.

    Parameters
    ----------
    threads : int, default one per core
        How many items are worked on at a time.

    Examples
    --------
    >>> Threads(2).map(len, ["order", "pay"])
    [5, 3]
    """

    name = "threads"

    def __init__(self, threads: int | None = None) -> None:
        self.width = threads or os.cpu_count() or 1

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Apply a function to every item."""
        if self.width == 1 or len(items) <= 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(min(self.width, len(items))) as pool:
            return list(pool.map(function, items))


def engine_of(name: str, *, spark_master: str | None = None, threads: int | None = None) -> Engine:
    """Return the engine of a name.

    Parameters
    ----------
    name : ``threads`` or ``spark``
    spark_master : str, optional
        Address of the cluster, see `journeymining.engines.spark.spark_session`.
    threads : int, optional
        Of the engine ``threads``.

    Raises
    ------
    UsageError
        If there is no such engine, or an address of Spark is given with another one.
    SparkUnavailableError
        If Spark is asked for and cannot start.
    """
    if name == "spark":
        from journeymining.engines.spark_engine import Spark

        return Spark(spark_master)
    if name != "threads":
        raise UsageError(f"There is no engine '{name}'; known: {', '.join(ENGINES)}.")
    if spark_master is not None:
        raise UsageError(f"A Spark master ({spark_master}) is of use with --engine spark only.")
    return Threads(threads)
