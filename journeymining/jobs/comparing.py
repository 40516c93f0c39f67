"""Two groups of journeys, told apart by filters or by an outcome, and what they differ in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from journeymining.discovery.comparison import compare_groups
from journeymining.journeys.filters import find_journeys

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pyarrow as pa

    from journeymining.discovery.comparison import Comparison
    from journeymining.engines.prepared_log import PreparedLog


def compare_filters(
    log: PreparedLog,
    events: pa.Table | str | Path,
    first: Sequence[str],
    second: Sequence[str] | None = None,
    *,
    names: tuple[str, str] | None = None,
    phases: Sequence[str] | None = None,
) -> Comparison:
    """Compare the journeys that meet some filters with those that meet others, see `compare_groups`.

    Parameters
    ----------
    log : PreparedLog
    events : pa.Table or path of Parquet
        The same journeys as an event log, with the columns that the filters read.
    first, second : texts
        Filters of both groups, see `journeymining.journeys.filters.parse_filter`; without a second one, all others.
    names : pair of str, optional
        What the groups are called; by default what the filters say.
    phases : sequence of str, optional
        The phases from first to last.

    Returns
    -------
    Comparison
        Its summary also has ``sentence``: who was compared, with counts.

    Raises
    ------
    UsageError, InputError, EmptyLogError
        As of `find_journeys` and `compare_groups`.
    """
    one, scope = find_journeys(events, first)
    called = [scope.condition, "all others"]
    other = None
    if second is not None:
        other, scope = find_journeys(events, second)
        called[1] = scope.condition
    conditions = {"first": called[0], "second": called[1]}
    return _told(compare_groups(log, one, other, names=names or (called[0], called[1]), phases=phases), conditions)


def compare_outcome(
    log: PreparedLog,
    name: str,
    happened: Collection[str],
    not_happened: Collection[str],
    *,
    phases: Sequence[str] | None = None,
) -> Comparison:
    """Compare the journeys after which an outcome came with those after which it did not; of others nobody knows."""
    names = (f"{name} came", f"{name} did not come")
    conditions = {"first": f"were followed by {name}", "second": "were not, as far as known"}
    return _told(compare_groups(log, happened, not_happened, names=names, phases=phases), conditions)


def _told(found: Comparison, conditions: dict[str, str]) -> Comparison:
    summary: dict[str, Any] = found.summary | {"conditions": conditions}
    (one, other), twice = summary["journeys"], summary["journeys_in_both"]
    sentence = (
        f"{one:,} journeys that {conditions['first']} against {other:,} "
        + ("others" if conditions["second"] == "all others" else f"that {conditions['second']}")
        + f": {summary['distinguishable']:,} of {summary['tested']:,} differences can be told from chance."
    )
    if twice:
        sentence += f" {twice:,} journeys are of both groups and in neither."
    return replace(found, summary=summary | {"sentence": sentence})
