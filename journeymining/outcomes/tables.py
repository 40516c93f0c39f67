"""Outcomes and answers that lie in a file beside the log."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from journeymining.exceptions import InputError

TIMES = ("time", "observed_until", "sent_at", "answered_at")
NAMES = ("customer_id", "journey_id", "type", "metric")


def read_occurrences(path: str | Path) -> pd.DataFrame:
    """Read a table of outcomes, one row per occurrence: CSV or Parquet.

    Needs ``customer_id``, ``type`` and ``time``; ``value`` and ``observed_until`` are read where they are. A customer
    who was watched and had nothing has a row without a time, if it has an ``observed_until``. Times without an offset
    are UTC.

    Raises
    ------
    InputError
        If the file cannot be read, a column is missing, or a time is none.
    """
    return _read(path, ("customer_id", "type", "time"))


def read_answers(path: str | Path) -> pd.DataFrame:
    """Read answers to surveys, one row per survey sent: CSV or Parquet.

    Needs ``metric``, ``value`` and ``customer_id`` or ``journey_id``, and ``sent_at`` or ``answered_at``.

    Raises
    ------
    InputError
        As `read_occurrences`.
    """
    table = _read(path, ("metric", "value"))
    for one, other in (("customer_id", "journey_id"), ("sent_at", "answered_at")):
        if one not in table and other not in table:
            raise InputError(f"{path}: neither '{one}' nor '{other}' is there. It has: {', '.join(table.columns)}.")
    return table


def _read(path: str | Path, needed: tuple[str, ...]) -> pd.DataFrame:
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=dict.fromkeys(NAMES, "str"))
    except (OSError, ValueError) as error:  # the errors of pandas and Arrow are among them
        raise InputError(f"{path}: not a table ({type(error).__name__}). CSV or Parquet is needed.") from None
    for column in needed:
        if column not in table:
            raise InputError.missing_column(column, table.columns, where=str(path))
    for column in (one for one in TIMES if one in table):
        given = table[column].notna()
        table[column] = pd.to_datetime(table[column], utc=True, format="ISO8601", errors="coerce")
        if table.loc[given, column].isna().any():
            wrong = int(table.loc[given, column].isna().sum())
            raise InputError(f"{path}: {wrong} values of '{column}' are no times; write 2026-03-01T12:00:00Z.")
    return table
