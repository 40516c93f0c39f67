"""Conversions that SQL cannot do, done once per distinct text: pseudonyms of identifiers and agents, and bots."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.ingest.coded import Coded, after_null
from journeymining.ingest.hashes import text_hashes
from journeymining.ingest.keys import normalise, pseudonym
from journeymining.ingest.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

REMEMBERED = 100_000
"""Texts whose conversion is kept from one portion to the next."""


class Converted:
    """What a function makes of texts: called once per distinct text of a portion, and rarely again for those before.

    Counts the distinct texts of all portions, and those of them that nothing is made of.

    Parameters
    ----------
    convert : function
        Text in, text or None out.

    Examples
    --------
    >>> converted = Converted({"a": "A"}.get)
    >>> converted(Coded.of(pa.array(["a", "b", None, "a"]))).array().to_pylist()
    ['A', None, None, 'A']
    >>> converted.distinct, converted.unusable
    (2, 1)
    """

    def __init__(self, convert: Callable[[str], str | None]) -> None:
        self.distinct, self.unusable = 0, 0
        self._convert = convert
        self._known: dict[str, str | None] = {}
        self._seen = Seen()

    def __call__(self, column: Coded) -> Coded:
        """Return a column converted."""
        given = column.compact()
        if len(self._known) > REMEMBERED:
            self._known = {}
        known, texts = self._known, given.values.slice(1).to_pylist()
        unknown = [text for text in texts if text not in known]
        for text in unknown:
            known[text] = self._convert(text)
        self._count(unknown)
        return Coded(given.codes, after_null(pa.array([known[text] for text in texts], pa.string())))

    def _count(self, texts: list[str]) -> None:
        """Count texts that were forgotten or not there before."""
        if texts:
            new = self._seen.add(text_hashes(texts)) == 0
            self.distinct += int(new.sum())
            unusable = np.array([self._known[text] is None for text in texts])
            self.unusable += int((new & unusable).sum())


def identifier_hash(kind: str, region: str | None, key: bytes | None) -> Callable[[str], str | None]:
    """Return a function from an identifier as written to its pseudonym, or None where it stands for nobody.

    Without a key it returns the normalised identifier itself, after its kind: ``email:anna@example.org``.
    """
    return partial(_hash, kind, region, key)


def _hash(kind: str, region: str | None, key: bytes | None, text: str) -> str | None:
    value = normalise(kind, text, region)
    if value is None:
        return None
    return f"{kind}:{value}" if key is None else pseudonym(kind, value, key)


def agent_hash(key: bytes) -> Callable[[str], str | None]:
    """Return a function from the name of an employee to a pseudonym that is short enough for a table."""
    return lambda name: f"agent-{pseudonym('agent', name.strip(), key)[:12]}"


def bot_mark(agent: str) -> str | None:
    """Return ``bot`` for the user agent of a crawler, monitor or script, None for that of a person's browser or app."""
    import crawleruseragents

    return "bot" if crawleruseragents.is_crawler(agent) else None
