"""Identifiers of customers: brought to one spelling, then replaced by keyed pseudonyms before anything is written."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.exceptions import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("account", "contact", "login", "email", "order", "phone", "device", "cookie")
"""What an identifier can be."""

KEY_VARIABLE = "JOURNEYMINING_KEY"
"""Environment variable that holds the secret key of the pseudonyms."""

_SHORTEST_KEY = 16
_SHORTEST_NUMBER = 7  # fewer digits are an extension, a short code or a test

_NOBODY = frozenset(
    {"null", "none", "nil", "nan", "undefined", "unknown", "anonymous", "anonym", "restricted", "withheld", "private"}
    | {"unavailable", "not available", "blocked", "n/a", "na", "guest", "gast", "test", "false"}
    | {"(null)", "(none)", "(unknown)", "(not set)"}
)
_HIDDEN = frozenset({"+266696687", "+2562533", "+7378742833", "+86282452253", "+8656696"})
"""What a network says instead of a number, on the keys of a telephone: ANONYMOUS, BLOCKED, RESTRICTED, UNAVAILABLE,
UNKNOWN."""
_ZEROS = re.compile(r"[0\s._-]*|-1")
_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]+")
_MACHINES = re.compile(r"(no[._-]?reply|do[._-]?not[._-]?reply|mailer-daemon|postmaster|bounces?)([+._-][^@]*)?")
_HEXADECIMAL = re.compile(r"[0-9a-f-]+", re.IGNORECASE)
_USUAL = re.compile(r"[!-~]+")


def normalise(kind: str, value: str, region: str | None = None) -> str | None:
    """Bring an identifier to the one spelling that all sources share.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    value : str
        The identifier as a source has it.
    region : str, optional
        Country (ISO 3166, ``DE``) that telephone numbers without a country code belong to.

    Returns
    -------
    str or None
        E.164 for a phone, lower case for an e-mail address and for hexadecimal ids, trimmed NFKC text otherwise. None
        where the value stands for nobody: placeholders (``null``, ``anonymous``, ``-``, zeros), senders that are
        machines (``noreply@``), numbers of fewer than seven digits, what is no number or address at all.

    Examples
    --------
    >>> [normalise("phone", text, "DE") for text in ("030 23125701", "0049 30 23125701", "+493023125701")]
    ['+493023125701', '+493023125701', '+493023125701']
    >>> normalise("email", " Anna.Ahorn+shop@Example.ORG ")
    'anna.ahorn+shop@example.org'
    >>> [normalise("phone", "6001", "DE"), normalise("phone", "anonymous", "DE"), normalise("cookie", "0000-0000")]
    [None, None, None]
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of identifier '{kind}'; allowed: {', '.join(KINDS)}")
    text = (value if value.isascii() else unicodedata.normalize("NFKC", value)).strip()
    if _ZEROS.fullmatch(text) or text.casefold() in _NOBODY:
        return None
    if kind == "phone":
        return _phone(text, region)
    if kind == "email":
        return _email(text)
    if kind in {"cookie", "device"} and _HEXADECIMAL.fullmatch(text):
        return text.lower()
    return text


def normalise_all(kind: str, texts: pa.Array, region: str | None = None) -> list[str | None]:
    """Bring many identifiers of one kind to their spelling: `normalise` of each, those of plain ASCII all at once.

    Examples
    --------
    >>> import pyarrow as pa
    >>> normalise_all("email", pa.array(["Anna@Example.org", "noreply@example.org", "anna"]))
    ['anna@example.org', None, None]
    """
    if kind == "phone":
        return [normalise(kind, text, region) for text in texts.to_pylist()]
    lower = pc.ascii_lower(texts)
    nobody = pc.or_(_fits(texts, _ZEROS), pc.is_in(lower, pa.array(sorted(_NOBODY))))
    found = texts
    if kind == "email":
        found = pc.replace_substring_regex(lower, "^mailto:", "")
        machine = pc.match_substring_regex(found, f"^(?:{_MACHINES.pattern})@")
        nobody = pc.or_(nobody, pc.or_(machine, pc.invert(_fits(found, _EMAIL))))
    elif kind in {"cookie", "device"}:
        found = pc.if_else(_fits(lower, _HEXADECIMAL), lower, texts)
    spelled: list[str | None] = pc.if_else(nobody, pa.scalar(None, pa.string()), found).to_pylist()
    for place in np.flatnonzero(~_fits(texts, _USUAL).to_numpy(zero_copy_only=False)).tolist():
        spelled[place] = normalise(kind, texts[place].as_py(), region)
    return spelled


def _fits(texts: pa.Array, pattern: re.Pattern[str]) -> pa.BooleanArray:
    """Say of every text whether all of it fits a pattern; of plain ASCII as `re` would."""
    return pc.match_substring_regex(texts, f"^(?:{pattern.pattern})$")


def _email(text: str) -> str | None:
    address = text.lower().removeprefix("mailto:")
    if not _EMAIL.fullmatch(address) or _MACHINES.fullmatch(address.partition("@")[0]):
        return None
    return address


@lru_cache(maxsize=1 << 16)  # one number stands in the CRM, in the call log and in the survey
def _phone(text: str, region: str | None) -> str | None:
    import phonenumbers

    number = re.sub(r"^(tel|sips?):", "", text, flags=re.IGNORECASE).partition("@")[0]
    if region is None and number.startswith("00"):
        number = f"+{number[2:]}"
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    # Possible, not valid: plans of numbers change faster than libraries, and a real caller must not vanish.
    if len(str(parsed.national_number)) < _SHORTEST_NUMBER or not phonenumbers.is_possible_number(parsed):
        return None
    found = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return None if found in _HIDDEN else found


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """Replace a normalised identifier by a keyed hash that nobody can try out without the key.

    The first 128 bits of HMAC-SHA-256 over ``kind:value``, as 32 hexadecimal digits. Equal values of one kind give
    equal pseudonyms under one key, and unlinkable ones under another key.

    Examples
    --------
    >>> pseudonym("email", "anna@example.org", b"0123456789abcdef")
    'b2f10119c573212af45c062c9b945e68'
    """
    return hmac.digest(key, f"{kind}:{value}".encode(), hashlib.sha256).hex()[:32]


def pseudonyms(kind: str, values: Iterable[str | None], key: bytes) -> list[str | None]:
    """Return the `pseudonym` of each of many values of one kind; None for None.

    Examples
    --------
    >>> pseudonyms("email", ["anna@example.org", None], b"0123456789abcdef")
    ['b2f10119c573212af45c062c9b945e68', None]
    """
    # The key is taken in once, not once per value.
    begun = hmac.new(key, f"{kind}:".encode(), hashlib.sha256)
    found: list[str | None] = []
    for value in values:
        if value is not None:
            one = begun.copy()
            one.update(value.encode())
            value = one.hexdigest()[:32]
        found.append(value)
    return found


def key_from_environment() -> bytes:
    """Return the secret key of the pseudonyms from the environment variable ``JOURNEYMINING_KEY``.

    Raises
    ------
    UsageError
        If it is not set or has fewer than 16 bytes; the message names a command that makes one.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode()
    if len(key) >= _SHORTEST_KEY:
        return key
    found = "is not set" if not key else f"has {len(key)} bytes, at least {_SHORTEST_KEY} are needed"
    raise UsageError(
        f"{KEY_VARIABLE} {found}: it is the secret that turns identifiers into pseudonyms. Make one, once, and keep it "
        f"safe: export {KEY_VARIABLE}=$(python3 -c 'import secrets; print(secrets.token_hex(32))')"
    )
