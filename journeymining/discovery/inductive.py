"""Parts of the inductive miner on graphs of steps: equal to those of pm4py, which are tested beside them, and faster.

A graph of steps has ``graph`` (pairs of activities), ``start_activities`` and ``end_activities``, each with
frequencies, as `pm4py.objects.dfg.obj.DFG`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import chain, groupby
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    Path = tuple[str, ...]
    Step = tuple[str, str]


class Steps(Protocol):
    """A graph of steps."""

    graph: Mapping[Step, int]
    start_activities: Mapping[str, int]
    end_activities: Mapping[str, int]


def exclusive_groups(steps: Steps) -> list[set[str]] | None:
    """Return the parts of an exclusive choice, between which no step leads; None if there is one part only."""
    near = _neighbours(chain(steps.graph, ((b, a) for a, b in steps.graph)))
    groups = _parts(sorted(_activities(steps)), lambda one, left: left & near[one])
    return groups if len(groups) > 1 else None


def parallel_groups(steps: Steps) -> list[set[str]] | None:
    """Return the parts of a concurrency cut, between which every step leads both ways; None if there is none.

    A part in which no path starts, or none ends, goes with the one before it, the smallest being first.
    """
    both = _neighbours(step for step in steps.graph if step[::-1] in steps.graph)
    groups = sorted(_parts(sorted(_activities(steps)), lambda one, left: left - both[one]), key=len)
    place = 0
    while place < len(groups) > 1:
        group = groups[place]
        if group & steps.start_activities.keys() and group & steps.end_activities.keys():
            place += 1
        else:
            del groups[place]
            groups[max(place - 1, 0)].update(group)
    return groups if len(groups) > 1 else None


def transitive_relations(steps: Steps) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return by activity the other activities from which steps lead to it, and those to which they lead from it."""
    after, before = _neighbours(steps.graph), _neighbours((b, a) for a, b in steps.graph)
    names = _activities(steps)
    return {one: _reached(one, before) for one in names}, {one: _reached(one, after) for one in names}


def steps_without_each(paths: Collection[Path], steps: Steps) -> Iterator[tuple[str, set[Step], set[str], set[str]]]:
    """Yield every activity in alphabetical order with the steps, starts and ends of the paths without it.

    One pass over the paths is enough for all: without an activity those around it follow each other.

    Examples
    --------
    >>> from journeymining.discovery.process_models import count_steps
    >>> paths = Counter({("order", "pay", "ship"): 2})
    >>> for activity, graph, starts, ends in steps_without_each(paths, count_steps(paths)):
    ...     activity, graph, starts, ends
    ('order', {('pay', 'ship')}, {'pay'}, {'ship'})
    ('pay', {('order', 'ship')}, {'order'}, {'ship'})
    ('ship', {('order', 'pay')}, {'order'}, {'pay'})
    """
    around: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    triples: set[tuple[str | None, str, str | None]] = set()
    for path in paths:
        names = [name for name, _ in groupby(path)]
        triples.update(zip([None, *names], names, [*names[1:], None], strict=False))
    for before, name, after in triples:
        around[name].add((before, after))
    for name in sorted(around):
        graph = {step for step in steps.graph if name not in step}
        graph |= {(a, b) for a, b in around[name] if a is not None and b is not None}
        starts = (steps.start_activities.keys() - {name}) | {b for a, b in around[name] if a is None and b is not None}
        ends = (steps.end_activities.keys() - {name}) | {a for a, b in around[name] if b is None and a is not None}
        yield name, graph, starts, ends


def project_paths(paths: Mapping[Path, int], group: Collection[str]) -> Counter[Path]:
    """Return the paths with only the activities of a group, and how many journeys take them.

    Examples
    --------
    >>> project_paths({("order", "call", "pay"): 2, ("order", "pay"): 3}, {"order", "pay"})
    Counter({('order', 'pay'): 5})
    """
    found: Counter[Path] = Counter()
    for path, journeys in paths.items():
        found[tuple([name for name in path if name in group])] += journeys
    return found


def _activities(steps: Steps) -> set[str]:
    return {*steps.start_activities, *steps.end_activities, *chain.from_iterable(steps.graph)}


def _neighbours(steps: Collection[Step] | Iterator[Step]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one, other in steps:
        found[one].add(other)
    return found


def _parts(names: list[str], together: Callable[[str, set[str]], set[str]]) -> list[set[str]]:
    """Return the connected parts, by their first name; ``together`` says which of those left go with one."""
    left, parts = set(names), []
    for name in names:
        if name not in left:
            continue
        part, new = set[str](), {name}
        left.discard(name)
        while new:
            one = new.pop()
            part.add(one)
            joined = together(one, left)
            left -= joined
            new |= joined
        parts.append(part)
    return parts


def _reached(name: str, neighbours: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    new = neighbours[name]
    while new:
        reached |= new
        new = set[str]().union(*(neighbours[one] for one in new)) - reached
    return reached - {name}
