"""Whose a shared identifier was at a time: it is a customer's from a use by that customer until a use by another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from journeymining.identity.encoding import UNDATED

if TYPE_CHECKING:
    from journeymining.identity.encoding import IntArray

NOBODY = -1
"""No customer is known."""

SEVERAL = -2
"""More than one customer at once."""


def owner_at(value: IntArray, time: IntArray, owner: IntArray) -> IntArray:
    """Say for each use of shared values whose value it was then.

    A use with a known owner is that owner's. Any other use is of whoever used the value last, at the same time
    included; before the first known use, of its first known user. It is nobody's when two customers used the value at
    that last moment, or when its own time is unknown.

    Parameters
    ----------
    value, time, owner : int arrays, one element per use
        Time in microseconds or `UNDATED`, owner or `NOBODY`.

    Returns
    -------
    int array
        The owner of each use, or `NOBODY`.

    Examples
    --------
    >>> import numpy as np
    >>> owner_at(np.array([7, 7, 7, 7]), np.array([1, 2, 5, 6]), np.array([-1, 3, 4, -1])).tolist()
    [3, 3, 4, 4]
    """
    found = owner.copy()
    dated = time != UNDATED
    moment_value, moment_time, moment_owner = _moments(*(part[dated & (owner >= 0)] for part in (value, time, owner)))
    asked = np.flatnonzero(dated & (owner < 0))
    if not len(asked) or not len(moment_value):
        return found
    # Moments and questions in one order; the running maximum is the last moment at or before each question.
    both_value = np.concatenate([moment_value, value[asked]])
    both_time = np.concatenate([moment_time, time[asked]])
    is_question = np.arange(len(both_value)) >= len(moment_value)
    order = np.lexsort((is_question, both_time, both_value))
    last_in_order = np.maximum.accumulate(np.where(is_question[order], -1, order))
    last = np.empty_like(last_in_order)
    last[order] = last_in_order
    last = last[len(moment_value) :]
    before_first = (last < 0) | (moment_value[last] != value[asked])
    place = np.minimum(last + before_first, len(moment_value) - 1)
    # A value whose known uses are all undated has no moment: then nobody can be named.
    answer = np.where(moment_value[place] == value[asked], moment_owner[place], NOBODY)
    found[asked] = np.maximum(answer, NOBODY)
    return found


def _moments(value: IntArray, time: IntArray, owner: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return value, time and owner of each distinct moment of use, sorted; `SEVERAL` where owners differ."""
    order = np.lexsort((owner, time, value))
    value, time, owner = value[order], time[order], owner[order]
    is_first = np.ones(len(value), dtype=np.bool_)
    is_first[1:] = (value[1:] != value[:-1]) | (time[1:] != time[:-1])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(value)) - 1
    same = owner[first] == owner[last] if len(first) else np.zeros(0, dtype=np.bool_)
    return value[first], time[first], np.where(same, owner[first], SEVERAL)
