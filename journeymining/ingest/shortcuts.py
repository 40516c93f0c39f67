"""Named shortcuts: how the usual lines of a log are split faster than by the pattern, which reads all others.

A shortcut is right if it gives what the pattern of its connector gives, on every line that it takes. Splitting lines by
patterns costs as much as all that comes after it, so it is worth a second way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COMBINED = ("host", "user", "time", "request", "status", "bytes", "referer", "agent", "cookie")


def _combined(line: str, table: str) -> tuple[str, str, dict[str, str]]:
    # Without a backslash every quote begins or ends a field; without further spaces words are fields.
    quoted = f"SELECT *, string_split({line}, '\"') AS _q FROM {table}"
    words = f"(SELECT *, string_split(_q[1], ' ') AS _w FROM ({quoted}))"
    blank = " AND ".join(f"NOT contains(_q[1], chr({code}))" for code in (9, 10, 12, 13))
    takes = rf"""len(_q) IN (7, 9) AND len(_w) = 6 AND _q[5] = ' ' AND _q[-1] = '' AND NOT contains({line}, '\')
        AND _w[1] <> '' AND _w[2] <> '' AND _w[6] = '' AND starts_with(_w[4], '[') AND NOT contains(_w[4], ']')
        AND ends_with(_w[5], ']') AND strpos(_w[5], ']') = length(_w[5])
        AND {blank} AND regexp_full_match(_q[3], ' \d{{3}} \S+ ')"""
    fields = {
        "host": "_w[1]",
        "user": "_w[3]",
        "time": "_w[4][2:] || ' ' || _w[5][:-2]",
        "request": "_q[2]",
        "status": "_q[3][2:4]",
        "bytes": "_q[3][6:-2]",
        "referer": "_q[4]",
        "agent": "_q[6]",
        "cookie": "CASE WHEN len(_q) = 9 THEN _q[8] ELSE '' END",
    }
    return words, takes, fields


SHORTCUTS: dict[str, Callable[[str, str], tuple[str, str, dict[str, str]]]] = {"combined_log": _combined}
"""Name -> function of the column of the line and a table: a query of the table with what the rest needs, SQL that says
which lines it takes, and SQL of the fields of those."""
