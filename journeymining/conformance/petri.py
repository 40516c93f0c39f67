"""Petri nets: what a designed journey becomes before journeys are compared with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from journeymining.exceptions import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

MOST_TOKENS = 250


@dataclass(frozen=True)
class PetriNet:
    """A Petri net with weights, one initial and at least one final marking.

    Transitions are numbered in the order of the file or the flow; a label of ``None`` means that a transition is
    silent: it routes, and no event shows it.
    """

    places: tuple[str, ...]
    transitions: tuple[str, ...]
    labels: tuple[str | None, ...]
    pre: NDArray[np.int32] = field(repr=False)
    post: NDArray[np.int32] = field(repr=False)
    initial: NDArray[np.int32] = field(repr=False)
    finals: tuple[NDArray[np.int32], ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def alphabet(self) -> list[str]:
        """Labels of the visible transitions, sorted, each once."""
        return sorted({label for label in self.labels if label is not None})


@dataclass
class NetBuilder:
    """Collects places, transitions and arcs, then makes a `PetriNet` of them.

    Examples
    --------
    >>> build = NetBuilder()
    >>> build.transition("order", "order", ["start"], ["end"])
    >>> net = build.net(initial={"start": 1}, finals=[{"end": 1}])
    >>> net.places, net.labels
    (('start', 'end'), ('order',))
    """

    _places: dict[str, int] = field(default_factory=dict)
    _transitions: list[tuple[str, str | None]] = field(default_factory=list)
    _arcs: list[tuple[int, int, int]] = field(default_factory=list)

    def place(self, name: str) -> str:
        """Add a place unless it is there, and return its name."""
        self._places.setdefault(name, len(self._places))
        return name

    def fresh(self, stem: str = "p") -> str:
        """Add a place of a new name."""
        return self.place(f"{stem}{len(self._places)}")

    def transition(self, name: str, label: str | None, sources: Iterable[str], targets: Iterable[str]) -> None:
        """Add a transition with arcs of weight 1 from and to places."""
        number = self.bare_transition(name, label)
        for place in sources:
            self.arc(place, number, 1)
        for place in targets:
            self.arc(place, number, -1)

    def bare_transition(self, name: str, label: str | None) -> int:
        """Add a transition without arcs and return its number."""
        self._transitions.append((name, label))
        return len(self._transitions) - 1

    def arc(self, place: str, transition: int, weight: int) -> None:
        """Add an arc: a positive weight takes tokens from the place, a negative one puts them there."""
        self.place(place)
        self._arcs.append((self._places[place], transition, weight))

    def net(
        self, *, initial: Mapping[str, int], finals: Iterable[Mapping[str, int]], notes: Iterable[str] = ()
    ) -> PetriNet:
        """Return the net."""
        shape = (len(self._transitions), len(self._places))
        pre, post = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
        for place, transition, weight in self._arcs:
            (pre if weight > 0 else post)[transition, place] += abs(weight)
        return PetriNet(
            places=tuple(self._places),
            transitions=tuple(name for name, _ in self._transitions),
            labels=tuple(label for _, label in self._transitions),
            pre=pre,
            post=post,
            initial=self._marking(initial),
            finals=tuple(self._marking(one) for one in finals),
            notes=tuple(notes),
        )

    def _marking(self, tokens: Mapping[str, int]) -> NDArray[np.int32]:
        marking = np.zeros(len(self._places), dtype=np.int32)
        for name, number in tokens.items():
            if not 0 <= number <= MOST_TOKENS:
                raise InputError(f"Place '{name}' holds {number} tokens; 0 to {MOST_TOKENS} can be checked.")
            marking[self._places[name]] = number
        return marking


def markings_when_unsaid(net: PetriNet) -> tuple[NDArray[np.int32], list[NDArray[np.int32]], list[str]]:
    """Return the initial and final marking that a net without them must mean, and a sentence on each guess.

    A net with exactly one place that nothing leads to starts there; one with exactly one place that leads nowhere
    ends there. Where there is no such single place the marking stays empty, and the caller refuses the net.
    """
    initial, finals, notes = net.initial, list(net.finals), []
    if not initial.any():
        sources = np.flatnonzero(net.post.sum(axis=0) == 0)
        if len(sources) == 1:
            initial = np.zeros(len(net.places), dtype=np.int32)
            initial[sources[0]] = 1
            notes.append(f"no initial marking: taken as one token in the source place '{net.places[sources[0]]}'")
    if not finals:
        sinks = np.flatnonzero(net.pre.sum(axis=0) == 0)
        if len(sinks) == 1:
            final = np.zeros(len(net.places), dtype=np.int32)
            final[sinks[0]] = 1
            finals.append(final)
            notes.append(f"no final marking: taken as one token in the sink place '{net.places[sinks[0]]}'")
    return initial, finals, notes


def fires(net: PetriNet, marking: NDArray[np.int32], transition: int) -> NDArray[np.int32] | None:
    """Return the marking after a transition fires, or None where it cannot.

    Examples
    --------
    >>> build = NetBuilder()
    >>> build.transition("order", "order", ["start"], ["end"])
    >>> net = build.net(initial={"start": 1}, finals=[{"end": 1}])
    >>> fires(net, net.initial, 0).tolist()
    [0, 1]
    """
    if (marking < net.pre[transition]).any():
        return None
    after: NDArray[np.int32] = marking - net.pre[transition] + net.post[transition]
    return after
