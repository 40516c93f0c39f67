"""Alignments where a model has too many states to list them: states are made as the search meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from journeymining.conformance.alignment import LOG, MODEL, Alignments, Costs
from journeymining.conformance.reachability import arcs
from journeymining.conformance.searching import search_paths
from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from journeymining.conformance.petri import PetriNet


def search(
    net: PetriNet,
    paths: Sequence[NDArray[np.int32]],
    *,
    symbol_labels: NDArray[np.int32],
    transition_labels: NDArray[np.int32],
    costs: Costs,
    unfinished: NDArray[np.bool_] | None = None,
    budget: int = 2_000_000,
) -> Alignments:
    """Align paths with a model by searching its states on demand.

    Takes what `journeymining.conformance.alignment.align` takes, with the net instead of its graph. The cheapest way is
    looked for first, counting what is sure to be paid ahead: events whose label can no longer come, and labels that
    must still come while no event has them. Among ways of equal cost the one found last is followed, a matched event
    before an unmatched one; so which optimal alignment is returned depends on the order of the net's transitions only.

    Parameters
    ----------
    net, paths, symbol_labels, transition_labels, costs, unfinished
        See `journeymining.conformance.alignment.align`.
    budget : int
        How many states may be looked at for one path. Where it is spent, ``cost`` is a proven lower bound and ``upper``
        the cost of all events and a way through the model alone (the shortest that was found), which are the moves
        returned.

    Returns
    -------
    Alignments
        ``state`` is -1: states have no numbers here.

    Raises
    ------
    InputError
        If no way through the model is found within the budget.

    References
    ----------
    B. van Dongen, *Efficiently computing alignments*, BPM 2018, for the search in the synchronous product.
    """
    flags = np.zeros(len(paths), dtype=np.bool_) if unfinished is None else unfinished
    nothing = [np.zeros(0, dtype=np.int32)]
    # The empty path comes first: what it costs is the shortest way through the model.
    todo = [*nothing, *paths]
    lengths = np.array([len(path) for path in todo], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    symbols = np.concatenate([*todo, nothing[0]]).astype(np.int32)
    finals = np.array([final.astype(np.uint8) for final in net.finals])
    model = (arcs(net), net.initial.astype(np.uint8), finals, transition_labels)
    events = np.array([symbol_labels, costs.log, costs.both], dtype=np.int32)
    lower, found, number, kind, position, transition = search_paths(
        *model, costs.model, events, symbols, offsets, np.append(False, flags), budget
    )
    starts = np.concatenate([[0], np.cumsum(number)]).astype(np.int64)
    way = transition[: starts[1]]
    if not found[0]:
        way = _any_way(model, budget)
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]] = []
    upper = lower.copy()
    for path in range(1, len(todo)):
        moves = slice(starts[path], starts[path + 1])
        if found[path]:
            parts.append((kind[moves], position[moves], transition[moves]))
            continue
        events = np.arange(lengths[path], dtype=np.int32)
        alone = np.full(len(events), LOG, dtype=np.int32), events, np.full(len(events), -1, dtype=np.int32)
        upper[path] = int(costs.log[todo[path]].sum())
        if not flags[path - 1]:
            upper[path] += int(costs.model[way].sum())
            walk = np.full(len(way), MODEL, dtype=np.int32), np.full(len(way), -1, dtype=np.int32), way
            alone = tuple(np.concatenate(pair) for pair in zip(alone, walk, strict=True))  # type: ignore[assignment]
        parts.append(alone)
    columns = [np.concatenate([*(part[column] for part in parts), nothing[0]]) for column in range(3)]
    bounds = np.concatenate([[0], np.cumsum([len(part[0]) for part in parts])]).astype(np.int64)
    state = np.full(len(paths), -1, dtype=np.int32)
    return Alignments(
        lower[1:], np.maximum(upper, lower)[1:], state, bounds, columns[0].astype(np.int8), columns[1], columns[2]
    )


def _any_way(model: tuple[Any, ...], budget: int) -> NDArray[np.int32]:
    """Return the transitions of some way through a model, found by going ahead as far as possible."""
    # Where no step costs anything, the search goes on from where it came to last: depth first.
    free, nothing = np.zeros(len(model[-1]), dtype=np.int32), np.zeros(0, dtype=np.int32)
    no_event, unfinished = np.ones((3, 1), dtype=np.int32), np.zeros(1, dtype=np.bool_)
    _, found, _, _, _, transition = search_paths(
        *model, free, no_event, nothing, np.zeros(2, dtype=np.int64), unfinished, budget
    )
    if not found[0]:
        raise InputError(f"the end of the model was not found within {budget} states: it may be dead or unbounded.")
    way: NDArray[np.int32] = transition
    return way
