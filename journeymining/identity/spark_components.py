"""Connected components on Spark: the same components as scipy's, each called by its smallest node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_ROUNDS = 100
"""Rounds grow with the logarithm of the largest component; this many are never needed."""


def connected_components(edges: DataFrame) -> DataFrame:
    """Call every node by the smallest node that it hangs together with.

    Alternates two steps until nothing changes: large-star hangs all greater neighbours of a node, small-star all
    smaller ones, on the smallest node among them. Each keeps the components as they are and no edges grow beyond those
    given, so that a hub of millions is one group of an aggregation and no list in anybody's memory. A chain of n nodes
    needs some log2(n) rounds. What a round left is checkpointed, so that plans do not grow with the rounds.

    Parameters
    ----------
    edges : DataFrame, one row per edge
        ``one`` and ``other``, nodes of one type that can be ordered (numbers or texts), not null. Order and repetition
        of rows mean nothing; an edge from a node to itself only says that the node is there.

    Returns
    -------
    DataFrame, one row per node
        ``node`` and ``label``, the smallest node of its component; checkpointed.

    References
    ----------
    R. Kiveris, S. Lattanzi, V. Mirrokni, V. Rastogi, S. Vassilvitskii, Connected components in MapReduce and beyond,
    SoCC 2014.
    """
    from pyspark.sql import functions as sql

    nodes = edges.select(sql.col("one").alias("node")).union(edges.select("other")).distinct()
    stars, before = _downwards(edges).localCheckpoint(), None
    for _ in range(MOST_ROUNDS):
        last, stars = stars, _small_star(_large_star(stars)).localCheckpoint()
        last.unpersist()
        # Equal numbers of edges with equal sums of hashes: the edges are the same as before.
        now = stars.agg(sql.count("*"), sql.sum(sql.xxhash64("node", "label").cast("decimal(38,0)"))).collect()[0]
        if now == before:
            break
        before = now
    else:
        raise InputError(f"Connected components have not settled after {MOST_ROUNDS} rounds.")
    # A node that hangs on no smaller one is the smallest itself.
    own = sql.coalesce(sql.col("label"), sql.col("node")).alias("label")
    found = nodes.join(stars, "node", "left").select("node", own).localCheckpoint()
    stars.unpersist()
    return found


def _downwards(edges: DataFrame) -> DataFrame:
    """Return each edge once, from the greater node to the smaller one; an edge to itself is dropped."""
    from pyspark.sql import functions as sql

    return (
        edges.where("one <> other")
        .select(sql.greatest("one", "other").alias("node"), sql.least("one", "other").alias("label"))
        .distinct()
    )


def _large_star(stars: DataFrame) -> DataFrame:
    """Hang the greater neighbours of each node on the smallest of its neighbours and itself."""
    from pyspark.sql import functions as sql

    # Edges lead to the smaller node: without any from the end, all its neighbours are greater than it.
    lowest = stars.groupBy("node").agg(sql.min("label").alias("lowest"))
    moved = stars.alias("edge").join(lowest.alias("end"), sql.col("edge.label") == sql.col("end.node"), "left")
    return moved.select(sql.col("edge.node"), sql.coalesce("end.lowest", "edge.label").alias("label"))


def _small_star(stars: DataFrame) -> DataFrame:
    """Hang the smaller neighbours of each node, and the node itself, on the smallest of them."""
    from pyspark.sql import functions as sql

    lowest = stars.groupBy("node").agg(sql.min("label").alias("lowest"))
    smaller = stars.join(lowest, "node").where("label <> lowest")
    return (
        smaller.select(sql.col("label").alias("node"), sql.col("lowest").alias("label"))
        .union(lowest.select("node", sql.col("lowest").alias("label")))
        .distinct()
    )
