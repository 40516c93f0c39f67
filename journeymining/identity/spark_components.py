"""Connected components on Spark: the same components as scipy's, each called by its smallest node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.exceptions import InputError
from journeymining.identity.connected import connected

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import Column, DataFrame

MOST_ROUNDS = 100
"""Rounds grow with the logarithm of the largest component; this many are never needed."""

MOST_IN_ONE_TASK = 1 << 23
"""So many edges one task settles as one machine does; some 100 bytes of memory for each between numbers."""


def connected_components(edges: DataFrame, *, most_in_one_task: int = MOST_IN_ONE_TASK) -> DataFrame:
    """Call every node by the smallest node that it hangs together with.

    The graph shrinks until one task can settle the rest by `journeymining.identity.connected`. In every round each node
    goes to whichever of its neighbours and itself comes first, and nodes that went to the same one are one node from
    then on. What comes first is in the first round the smallest, later a matter of chance: so, whatever the graph, a
    quarter of the nodes is gone after a round on average. No edges grow beyond those given, and a hub of millions is
    one group of an aggregation and no list in anybody's memory. What a round left is checkpointed, so that plans do not
    grow with the rounds.

    Parameters
    ----------
    edges : DataFrame, one row per edge
        ``one`` and ``other``, nodes of one type that can be ordered (numbers or texts), not null. Order and repetition
        of rows mean nothing; an edge from a node to itself only says that the node is there. Read several times.
    most_in_one_task : int
        Rounds go on while more edges than this are left.

    Returns
    -------
    DataFrame, one row per node
        ``node`` and ``label``, the smallest node of its component; checkpointed.

    References
    ----------
    H. Bögeholz, M. Brand, R.-A. Todor, In-database connected component analysis, ICDE 2020.
    """
    left, moves = edges.select("one", "other"), list["DataFrame"]()
    while left.count() > most_in_one_task:
        if len(moves) == MOST_ROUNDS:
            raise InputError(f"Connected components have not settled after {MOST_ROUNDS} rounds.")
        step = _moves(left, len(moves)).localCheckpoint()
        before, left = left, _contracted(left, step).localCheckpoint()
        if moves:
            before.unpersist()
        moves.append(step)
    moves.append(_in_one_task(left).localCheckpoint())
    return _named_by_smallest(moves)


def _moves(edges: DataFrame, number: int) -> DataFrame:
    """Say where each node goes in this round: ``node``, ``place``."""
    from pyspark.sql import functions as sql

    def turn(node: str) -> Column:
        return sql.xxhash64(sql.lit(number), node) if number else sql.col(node)

    both = edges.selectExpr("one AS node", "other AS place").union(edges.selectExpr("other", "one"))
    nearest = sql.min_by("place", turn("place")) if number else sql.min("place")
    stays = turn("node") <= turn("place")
    place = sql.when(stays, sql.col("node")).otherwise(sql.col("place")).alias("place")
    return both.groupBy("node").agg(nearest.alias("place")).select("node", place)


def _in_one_task(edges: DataFrame) -> DataFrame:
    """Do what all further rounds would do, in one task."""
    kind = edges.schema["one"].dataType.simpleString()

    def settle(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = list(batches)
        if not found:
            return
        table = pa.Table.from_batches(found)
        ends = pa.chunked_array([*table["one"].chunks, *table["other"].chunks]).combine_chunks().dictionary_encode()
        # An edge is a node between two members.
        edge = np.tile(np.arange(len(table), dtype=np.int32), 2)
        label = connected(ends.indices.to_numpy(), edge, len(ends.dictionary))
        first = np.unique(label, return_index=True)[1]
        place = ends.dictionary.take(pa.array(first[label]))
        yield from pa.table({"node": ends.dictionary, "place": place}).to_batches()

    return edges.repartition(1).mapInArrow(settle, f"node {kind}, place {kind}")


def _contracted(edges: DataFrame, moves: DataFrame) -> DataFrame:
    """Return each edge that is left between the places of nodes, once."""
    from pyspark.sql import functions as sql

    for end in ("one", "other"):
        edges = edges.join(moves.withColumnRenamed("node", end), end).drop(end).withColumnRenamed("place", end)
    return (
        edges.where("one <> other")
        .select(sql.least("one", "other").alias("one"), sql.greatest("one", "other").alias("other"))
        .distinct()
    )


def _named_by_smallest(moves: list[DataFrame]) -> DataFrame:
    """Follow every node through all rounds; call the nodes that ended in one place by the smallest of them."""
    from pyspark.sql import functions as sql

    end = moves[-1]
    for step in reversed(moves[:-1]):
        further = end.selectExpr("node AS place", "place AS last")
        end = step.join(further, "place", "left").select("node", sql.coalesce("last", "place").alias("place"))
    smallest = end.groupBy("place").agg(sql.min("node").alias("label"))
    found = end.join(smallest, "place").select("node", "label").localCheckpoint()
    for step in moves:
        step.unpersist()
    return found
