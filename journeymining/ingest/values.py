"""Named conversions that a connector may apply to a text: each is DuckDB SQL over one text, null in, null out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_EMAIL_IN_PATH = r"[^/@\s]+(@|%40)[^/@\s]+\.[^/@\s]+"
_METHODS = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE|PROPFIND"


def literal(text: str) -> str:
    """Write a text as an SQL literal.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write a name as a quoted SQL identifier.

    Examples
    --------
    >>> identifier("a")
    '"a"'
    """
    return '"' + name.replace('"', '""') + '"'


def _url_path(sql: str) -> str:
    # Scheme and host go, then query and fragment; an e-mail address as a step of the path is a person.
    path = rf"regexp_replace(regexp_replace({sql}, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*', ''), '[?#;].*$', '', 's')"
    masked = f"regexp_replace({path}, {literal(_EMAIL_IN_PATH)}, '(email)', 'g')"
    return f"CASE WHEN {sql} IS NOT NULL THEN coalesce(nullif({masked}, ''), '/') END"


def _host_path(sql: str) -> str:
    has_host = rf"regexp_matches({sql}, '^([A-Za-z][A-Za-z0-9+.-]*://)?[A-Za-z0-9._-]+(:[0-9]+)?([/?#]|$)')"
    without = rf"regexp_replace({sql}, '^([A-Za-z][A-Za-z0-9+.-]*://)?[^/?#]*', '')"
    return f"CASE WHEN {has_host} THEN {_url_path(without)} END"


def _request(sql: str) -> str:
    method = rf"nullif(regexp_extract({sql}, '^({_METHODS}) [^ ]', 1), '')"
    target = rf"regexp_extract({sql}, '^[A-Z]+ ([^ ]*)', 1)"
    return f"({method} || ' ' || {_url_path(target)})"


def _snake_case(sql: str) -> str:
    humps = f"regexp_replace(trim({sql}), '([a-z0-9])([A-Z])', '\\1_\\2', 'g')"
    return f"nullif(trim(lower(regexp_replace({humps}, '[^\\p{{L}}\\p{{N}}]+', '_', 'g')), '_'), '')"


def _asterisk_epoch(sql: str) -> str:
    return f"nullif(regexp_extract({sql}, '(\\d{{9,10}})\\.\\d+$', 1), '')"


def _http_status(sql: str) -> str:
    return f"""CASE WHEN regexp_full_match({sql}, '[45]\\d\\d') THEN 'failed'
        WHEN regexp_full_match({sql}, '[123]\\d\\d') THEN 'ok' END"""


def _adobe_purchase(sql: str) -> str:
    return f"CASE WHEN regexp_matches({sql}, '(^|,)1($|[,=])') THEN 'purchase' END"


def _json_members(sql: str) -> str:
    # Parameters of one event may come in any order: sorted, so that copies of one record are equal.
    return f"""CASE WHEN json_valid({sql}) AND json_type({sql}) = 'ARRAY'
        THEN array_to_string(list_sort(CAST(json_extract({sql}, '$[*]') AS VARCHAR[])), ',') ELSE {sql} END"""


CONVERSIONS: dict[str, Callable[[str], str]] = {
    "adobe_purchase": _adobe_purchase,
    "asterisk_epoch": _asterisk_epoch,
    "before_comma": lambda sql: f"nullif(trim(split_part({sql}, ',', 1)), '')",
    "browser": lambda sql: f"nullif(browser({sql}), '')",
    "decode_url": lambda sql: f"url_decode({sql})",
    "device_class": lambda sql: f"nullif(device_class({sql}), '')",
    "host_path": _host_path,
    "http_status": _http_status,
    "ip_network": lambda sql: f"nullif(ip_network({sql}), '')",
    "lower": lambda sql: f"lower({sql})",
    "operating_system": lambda sql: f"nullif(operating_system({sql}), '')",
    "plus_is_space": lambda sql: f"replace({sql}, '+', ' ')",
    "request": _request,
    "snake_case": _snake_case,
    "sorted_members": _json_members,
    "trim": lambda sql: f"nullif(trim({sql}), '')",
    "url_path": _url_path,
}
"""Conversion -> how it is written in SQL.

``adobe_purchase``: ``purchase`` where a list of Adobe's events (``1,200=9.5``) has event 1. ``asterisk_epoch``: the
seconds in an Asterisk uniqueid (``pbx-1795317312.0`` -> ``1795317312``). ``url_path``: an URL without scheme, host,
query and fragment, e-mail addresses in it masked. ``host_path``: the same of an URL written without scheme.
``request``: method and path of the first line of an HTTP request; null where it has no known method. ``http_status``:
ok for 1xx to 3xx, failed for 4xx and 5xx. ``snake_case``: a name as `lower_case_words`. ``sorted_members``: the members
of a JSON list in alphabetical order. ``decode_url``: ``%20`` and the like as the characters they stand for.
``plus_is_space``: a space for every ``+``. ``before_comma``: what stands before the first comma. ``device_class``,
``browser``, ``operating_system``: what a user agent says of these, see `journeymining.ingest.agents`.
``ip_network``: the first 24 bits of an IPv4 address, 48 of IPv6, see `journeymining.ingest.addresses`.
"""


def pair_sql(sql: str, name: str) -> str:
    """Return SQL for what ``a=1; b=2`` gives a name; of a text that is no pairs, the text itself.

    A text is pairs if the name stands in it with a ``=``, or if anywhere a plain name (letters, digits, ``_``, ``.``,
    ``-``) with a ``=`` is followed by something other than a second ``=``. So the padding of a bare value in Base64
    (``fwAAAVdJabc==``) makes no pair of it.
    """
    start = r"(?:^|[;,&\s])"
    pattern = rf"{start}{re.escape(name)}=([^;,&\s]*)"
    found = f"nullif(regexp_extract({sql}, {literal(pattern)}, 1), '')"
    is_pairs = rf"{start}(?:{re.escape(name)}=|[\w.-]+=[^=])"
    return f"CASE WHEN regexp_matches({sql}, {literal(is_pairs)}) THEN {found} ELSE {sql} END"


def path_sql(sql: str, path: str) -> str:
    """Return SQL for what a text that is JSON has at a path; null where the text is none or has nothing there."""
    return f"CASE WHEN json_valid({sql}) THEN json_extract_string({sql}, {literal(json_path(path))}) END"


def json_path(dotted: str) -> str:
    """Write a path of names and places in lists as a JSON path.

    Examples
    --------
    >>> json_path("phones.0.number")
    '$."phones"[0]."number"'
    """
    steps = dotted.replace('"', "").split(".")
    return "$" + "".join(f"[{step}]" if step.isdecimal() else f'."{step}"' for step in steps if step)


def number_sql(sql: str) -> str:
    """Return SQL for a decimal number with a point; null for everything else, also for ``1e5``, ``inf`` and ``1,5``."""
    is_number = rf"regexp_full_match(trim({sql}), '[+-]?\d{{1,15}}(\.\d*)?')"
    return f"CASE WHEN {is_number} THEN try_cast(trim({sql}) AS DOUBLE) END"
