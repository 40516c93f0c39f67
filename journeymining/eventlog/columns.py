"""Which column of a foreign table means what: as declared, or by the names that tools use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from journeymining.eventlog.schema import OPTIONAL, REQUIRED, XES_NAMES
from journeymining.exceptions import InputError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Earlier names win; case, spaces, dots, dashes and underscores do not matter.
WELL_KNOWN = {
    "journey": ("journey_id", "case:concept:name", "case_id", "case", "journey", "trace_id", "case_key", "instance_id"),
    "activity": (
        "activity",
        "concept:name",
        "activity_name",
        "activity_id",
        "event_name",
        "event_type",
        "event",
        "touchpoint",
        "task",
    ),
    "timestamp": (
        "timestamp",
        "time:timestamp",
        "complete_timestamp",
        "end_timestamp",
        "event_time",
        "event_timestamp",
        "datetime",
        "time",
        "end_time",
        "end_date",
        "completion_time",
        "date",
    ),
    "customer": ("customer_id", "case:customer_id", "customer", "case:customer"),
    "channel": ("channel", "case:channel"),
    "start_timestamp": ("start_timestamp",),
    "resource": ("resource", "org:resource"),
    "event_id": ("event_id", "ocel:eid"),
    "order": ("source_order",),
}
"""The roles a column may have, with the names by which they are recognised."""

# Our own names and those of the XES standard say what they mean; any other name that is recognised is a guess.
_NO_GUESS = {*REQUIRED.names, *OPTIONAL.names, *XES_NAMES}

REQUIRED_ROLES = {
    "journey": "which journey (case) an event belongs to",
    "activity": "what happened",
    "timestamp": "when it happened",
}


def find_columns(
    names: Sequence[str], declared: Mapping[str, str | None], *, where: str = "table"
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the column of every role, and those of them that were guessed.

    A declared column is looked up under its own name and, as the attributes of XES traces are columns
    ``case:<name>``, with or without that prefix.

    Examples
    --------
    >>> find_columns(["Case ID", "concept:name", "time", "case:CANALE"], {"channel": "CANALE"})
    ({'journey': 'Case ID', 'activity': 'concept:name', 'timestamp': 'time', 'channel': 'case:CANALE'}, \
{'journey': 'Case ID', 'timestamp': 'time'})
    """
    for role in declared:
        if role not in WELL_KNOWN:
            raise UsageError(f"Unknown column role '{role}'.{did_you_mean(role, WELL_KNOWN)}")
    columns: dict[str, str] = {}
    guesses: dict[str, str] = {}
    for role in WELL_KNOWN:
        wanted = declared.get(role)
        if wanted is not None:
            columns[role] = _declared(wanted, names, where)
            continue
        guess = _guess(role, names)
        if guess is not None:
            columns[role] = guess
            if guess not in _NO_GUESS:
                guesses[role] = guess
        elif role in REQUIRED_ROLES:
            raise InputError(
                f"{where}: no column is known to say {REQUIRED_ROLES[role]}. "
                f'Name it with --{role} COLUMN ({role}="..."). Found: {", ".join(names)}.'
            )
    return columns, guesses


def unique_names(names: Sequence[str]) -> list[str]:
    """Give names that occur again a number, and empty ones their place.

    Examples
    --------
    >>> unique_names(["a", "", "a"])
    ['a', 'column_2', 'a_2']
    """
    unique: dict[str, None] = {}
    for place, name in enumerate(names, start=1):
        wanted = candidate = name or f"column_{place}"
        again = 2
        while candidate in unique:
            candidate = f"{wanted}_{again}"
            again += 1
        unique[candidate] = None
    return list(unique)


def _declared(column: str, names: Sequence[str], where: str) -> str:
    for candidate in (column, f"case:{column}", column.removeprefix("case:")):
        if candidate in names:
            return candidate
    raise InputError.missing_column(column, names, where=where)


def _guess(role: str, names: Sequence[str]) -> str | None:
    for known in WELL_KNOWN[role]:
        if known in names:
            return known
    simplified = {_simplify(name): name for name in reversed(names)}
    return next((simplified[_simplify(known)] for known in WELL_KNOWN[role] if _simplify(known) in simplified), None)


def _simplify(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).lower()
