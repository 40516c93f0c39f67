"""The rules of stitching, kind by kind, on identifiers in one process; on Spark it runs on each part of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.identity.components import Groups, join_kind
from journeymining.identity.encoding import encode
from journeymining.identity.intervals import NOBODY
from journeymining.identity.links import find_links, name_records
from journeymining.identity.settings import DEFAULT_AT_MOST, STRENGTH, WINDOWED, IdentityConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from journeymining.identity.encoding import BoolArray, IntArray, Uses

Steps = dict[str, dict[str, Any]]
"""Per kind of identifier: the counts of `journeymining.identity.components.join_kind`, ``left_out`` (hashes of values
that too many share, sorted) and, of the unique kind, ``records_with_several`` of its values."""


def limits_of(settings: IdentityConfig) -> dict[str, int]:
    """Return per kind how many customers may share one value."""
    return {kind: settings.at_most.get(kind, DEFAULT_AT_MOST) for kind in settings.keys}


def resolve(connection: duckdb.DuckDBPyConnection, settings: IdentityConfig) -> Steps:
    """Run the rules of `journeymining.identity.stitching.stitch` on the table ``identifiers`` of a connection.

    Everything is local to what hangs together by identifiers: identifiers that hang together with no others can be
    resolved apart from them, with the same result.

    Leaves two tables: ``named_records`` (source, event_id, named_by, customer_id), one row per record with an
    identifier that may join; and ``customers``, as `stitch` returns it, without order.

    Returns
    -------
    Steps
    """
    uses = encode(connection, settings.keys, settings.blocked)
    steps, links, groups = _join_kinds(uses, limits_of(settings), settings.back_window)
    hashes = dict(
        connection.execute(_HASHES, [[code for step in steps.values() for code in step["common"]]]).fetchall()
    )
    for step in steps.values():
        step["left_out"] = sorted(hashes[code] for code in step.pop("common"))
    name_records(connection, groups)
    find_links(connection, links, unique=settings.keys[0])
    return steps


_HASHES = "SELECT value, value_hash FROM value_codes WHERE value IN (SELECT unnest(?::BIGINT[]))"


def _join_kinds(uses: Uses, limits: Mapping[str, int], window: timedelta) -> tuple[Steps, dict[str, IntArray], Groups]:
    """Join records kind by kind; return what each kind did, which uses hold, and the final groups."""
    groups = Groups.of_single_records(uses.records)
    torn = np.bincount(uses.record[uses.of_kind(0)], minlength=uses.records) > 1
    steps: Steps = {}
    kept: list[tuple[IntArray, IntArray, IntArray, IntArray]] = []
    for rank, kind in enumerate(uses.kind):
        place = uses.of_kind(rank)
        whole = ~torn[uses.record[place]]
        record, value, time = (part[place][whole] for part in (uses.record, uses.value, uses.time))
        is_owner = (groups.name >= 0) & _tells_apart(uses.kind, rank)[uses.rank_of(groups.name)]
        joined = join_kind(
            groups,
            record,
            value,
            time,
            owner_of_group=np.where(is_owner, np.arange(len(is_owner)), NOBODY),
            at_most=limits[kind] if rank else None,
            back_window=window // timedelta(microseconds=1) if kind in WINDOWED else None,
        )
        groups = joined.groups
        kept.append((record[joined.used], value[joined.used], time[joined.used], joined.rule[joined.used]))
        steps[kind] = {**joined.counts, "common": joined.common.tolist()}
    steps[uses.kind[0]]["records_with_several"] = int(torn.sum())
    columns = ("record", "value", "time", "rule")
    links = {name: np.concatenate(parts) for name, parts in zip(columns, zip(*kept, strict=True), strict=True)}
    return steps, links, groups


def _tells_apart(kinds: Sequence[str], rank: int) -> BoolArray:
    """Say per kind whether two customers it names are never joined by the kind in this place.

    For a strong kind that is the unique kind, for a weak one every strong kind as well; for the unique kind none.
    """
    strong = np.array([STRENGTH[kind] == "strong" for kind in kinds])
    unique = np.arange(len(kinds)) == 0
    tells_apart: BoolArray = unique if strong[rank] else unique | strong
    return tells_apart if rank else np.zeros_like(unique)
