"""Which records are the same customer: the rules of stitching, on integers, one kind of identifier after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from journeymining.identity.connected import connected
from journeymining.identity.encoding import UNDATED
from journeymining.identity.intervals import NOBODY, SEVERAL, owner_at

if TYPE_CHECKING:
    from journeymining.identity.encoding import BoolArray, IntArray

SAME_VALUE, INTERVAL, BEFORE_WINDOW = 0, 1, 2
RULES = ("same_value", "interval", "before_window")
"""How a use came to its customer: nobody else has the value; it was this customer's at that time; it was so long before
the first log-in that it stays anonymous."""

WHOLE, BEFORE = -1, -2
"""Parts of a value beside its owners': the value as a whole, and what lies before the back window."""


@dataclass(frozen=True)
class Groups:
    """Records in groups that, as far as is known, are one customer each."""

    of_record: IntArray
    """Group of each record."""
    name: IntArray
    """Per group: its smallest value, so one of its strongest kind; -1 without any."""

    @classmethod
    def of_single_records(cls, records: int) -> Groups:
        """Start with every record on its own."""
        return cls(np.arange(records, dtype=np.int32), np.full(records, NOBODY, dtype=np.int32))


@dataclass(frozen=True)
class Joined:
    """What one kind of identifier did."""

    groups: Groups
    used: BoolArray
    """Which uses of the kind ended in a group."""
    rule: IntArray
    """By which of `RULES`, per use."""
    common: IntArray
    """Values left out because more customers than allowed share them."""
    counts: dict[str, int]


def join_kind(
    groups: Groups,
    record: IntArray,
    value: IntArray,
    time: IntArray,
    *,
    owner_of_group: IntArray,
    at_most: int | None,
    back_window: int | None,
) -> Joined:
    """Join the groups of records that share a value of one kind, without ever joining two owners.

    A value seen with more than ``at_most`` groups that stronger kinds name is left out. A value of two or more owners
    is split by time (`owner_at`); of one or none it joins all its records. Where records would still chain two owners,
    each goes to the owner it is nearer to, and to nobody when it is equally near to both.

    Parameters
    ----------
    record, value, time : int arrays, one element per use of the kind, sorted by value
    owner_of_group : int array
        Per group who it is for this kind, or -1.
    at_most : int, optional
        None: the kind is unique, nothing is left out or split.
    back_window : int, optional
        Microseconds before the first use by an owner that an ownerless use may lie; None is without end.
    """
    member = groups.of_record[record]
    owner = owner_of_group[member]
    number, of_use = _number(value)
    common = np.zeros(len(number), dtype=np.bool_)
    if at_most is not None:
        common = _distinct(of_use, np.where(groups.name[member] >= 0, member, NOBODY), len(number)) > at_most
    shared = _distinct(of_use, owner, len(number)) > 1
    part, early = _parts(of_use, time, owner, shared, back_window)
    used = ~common[of_use] & ~(shared[of_use] & (part == WHOLE))
    unresolved = int((~common[of_use] & ~used).sum())
    node = of_use if (part == WHOLE).all() else _number(_number_pairs(of_use, part))[1]
    held, chains, label = _held_back(member, node, owner, owner_of_group, used)
    used = used & ~held
    anonymous = owner == NOBODY
    counts = {
        "values": len(number),
        "uses": len(value),
        "values_left_out": int(common.sum()),
        "uses_left_out": int(common[of_use].sum()),
        "values_shared": int((shared & ~common).sum()),
        "uses_unresolved": unresolved,
        "uses_joined_back": int((used & anonymous & early & (part != BEFORE)).sum()),
        "uses_before_window": int((used & (part == BEFORE)).sum()),
        "conflicts": chains,
        "uses_held_back": int(held.sum()),
    }
    rule = np.where(part == BEFORE, BEFORE_WINDOW, np.where(part >= 0, INTERVAL, SAME_VALUE))
    names = np.where(part < 0, value, np.int32(NOBODY))
    if chains:
        label = connected(member[used], node[used], len(groups.name))
    merged = _merge(groups, label, member[used], names[used])
    return Joined(merged, used, rule, number[common], counts)


def _parts(
    value: IntArray, time: IntArray, owner: IntArray, shared: BoolArray, back_window: int | None
) -> tuple[IntArray, BoolArray]:
    """Return the part of its value that each use belongs to, and whether it was before the first use by an owner.

    For a shared value the part is its owner at the time; `WHOLE` there means that nobody can be named.
    """
    part = np.full(len(value), WHOLE, dtype=np.int32)
    known = (owner >= 0) & (time != UNDATED)
    if not known.any() and not shared.any():
        return part, np.zeros_like(known)
    of_shared = shared[value]
    part[of_shared] = owner_at(value[of_shared], time[of_shared], owner[of_shared])
    never = np.iinfo(np.int64).max
    first = np.full(len(shared), never, dtype=np.int64)
    np.minimum.at(first, value[known], time[known])
    early = (owner == NOBODY) & (time != UNDATED) & (first[value] < never) & (time < first[value])
    if back_window is not None:
        part[early & (time < first[value] - back_window)] = BEFORE
    return part, early


def _held_back(
    member: IntArray, node: IntArray, owner: IntArray, owner_of_group: IntArray, used: BoolArray
) -> tuple[BoolArray, int, IntArray]:
    """Return which uses would chain two owners, how many chains there are, and the label of each group with them."""
    held = np.zeros(len(member), dtype=np.bool_)
    label = connected(member[used], node[used], len(owner_of_group))
    label_of_use = label[member]
    chained = _distinct(label_of_use[used], owner[used], len(label)) > 1
    at_risk = np.flatnonzero(used & chained[label_of_use])
    if len(at_risk):
        held[at_risk] = ~_settle(member[at_risk], node[at_risk], owner_of_group)
    return held, int(chained.sum()), label


def _settle(member: IntArray, node: IntArray, owner_of_group: IntArray) -> BoolArray:
    """Let owners spread from use to use, one step per round; keep the uses that lead to one owner only.

    Every round looks at the state before it, so the result does not depend on the order of rows.
    """
    number, place = np.unique(member, return_inverse=True)
    owner = owner_of_group[number]
    nodes, node = np.unique(node, return_inverse=True)
    keep = np.ones(len(member), dtype=np.bool_)
    while True:
        of_node = _only(node[keep], owner[place[keep]], len(nodes))
        torn = keep & (of_node[node] == SEVERAL)
        open_use = keep & ~torn & (owner[place] == NOBODY)
        reached = _only(place[open_use], of_node[node[open_use]], len(number))
        torn |= open_use & (reached[place] == SEVERAL)
        fresh = reached >= 0
        if not torn.any() and not fresh.any():
            return keep
        keep &= ~torn
        owner = np.where(fresh, reached, owner)


def _only(index: IntArray, owner: IntArray, size: int) -> IntArray:
    """Return per index its one owner, `NOBODY` without any, `SEVERAL` when they differ."""
    index, owner = index[owner >= 0], owner[owner >= 0]
    low = np.full(size, np.iinfo(np.int64).max, dtype=np.int64)
    high = np.full(size, NOBODY, dtype=np.int64)
    np.minimum.at(low, index, owner)
    np.maximum.at(high, index, owner)
    return np.where(high == NOBODY, NOBODY, np.where(low == high, low, SEVERAL))


def _merge(groups: Groups, label: IntArray, member: IntArray, name: IntArray) -> Groups:
    """Make one group of those with one label; ``name`` is a value that the group of a use may be called by, or -1."""
    none = np.iinfo(np.int32).max
    smallest = np.full(len(groups.name) and int(label.max()) + 1, none, dtype=np.int32)
    np.minimum.at(smallest, label, np.where(groups.name < 0, none, groups.name))
    np.minimum.at(smallest, label[member], np.where(name < 0, none, name))
    return Groups(label[groups.of_record], np.where(smallest == none, NOBODY, smallest))


def _number(values: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct values, sorted, and the place of each among them; sorted values need no sorting."""
    if (values[1:] < values[:-1]).any():
        distinct, place = np.unique(values, return_inverse=True)
        return distinct, place.astype(np.int32)
    is_first = np.ones(len(values), dtype=np.bool_)
    is_first[1:] = values[1:] != values[:-1]
    return values[is_first], np.cumsum(is_first, dtype=np.int32) - 1


def _distinct(index: IntArray, owner: IntArray, size: int) -> IntArray:
    """Count per index its distinct owners."""
    index, owner = index[owner >= 0], owner[owner >= 0]
    if not len(index):
        return np.zeros(size, dtype=np.int64)
    base = int(owner.max()) + 1
    pairs = index.astype(np.int64) * base + owner
    # Sorted rather than asked from `numpy.unique`, whose hash table is several times as slow.
    pairs.sort()
    is_first = np.ones(len(pairs), dtype=np.bool_)
    is_first[1:] = pairs[1:] != pairs[:-1]
    return np.bincount(pairs[is_first] // base, minlength=size)


def _number_pairs(value: IntArray, part: IntArray) -> IntArray:
    """Give each pair of value and part one number."""
    base = int(part.max()) + 3 if len(part) else 1
    return value.astype(np.int64) * base + (part + 2)
