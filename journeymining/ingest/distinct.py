"""Conversions that SQL cannot do, done once per distinct text: pseudonyms of identifiers and agents, and bots."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from journeymining.ingest.coded import Coded, after_null
from journeymining.ingest.keys import normalise, normalise_all, pseudonym, pseudonyms
from journeymining.ingest.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    Convert = Callable[[pa.Array], list[str | None]]

REMEMBERED = 100_000
"""Texts whose conversion is kept from one portion to the next."""


class Converted:
    """What a function makes of texts: called once per distinct text of a portion, and rarely again for those before.

    Counts the distinct texts of all portions, and those of them that nothing is made of.

    Parameters
    ----------
    convert : function
        Texts in (none twice), for each a text or None out.

    Examples
    --------
    >>> converted = Converted(each({"a": "A"}.get))
    >>> converted(Coded.of(pa.array(["a", "b", None, "a"]))).array().to_pylist()
    ['A', None, None, 'A']
    >>> converted.distinct, converted.unusable
    (2, 1)
    """

    def __init__(self, convert: Convert) -> None:
        self.distinct, self.unusable = 0, 0
        self._convert = convert
        self._known: dict[str, str | None] = {}
        self._seen: Seen | None = None

    def __call__(self, column: Coded) -> Coded:
        """Return a column converted."""
        given = column.compact()
        if len(self._known) > REMEMBERED:
            self._forget()
        known, texts = self._known, given.values.slice(1).to_pylist()
        unknown = [text for text in texts if text not in known] if known else texts
        if unknown:
            made = self._convert(pa.array(unknown, pa.string()))
            known.update(zip(unknown, made, strict=True))
            self._count(unknown, made)
        return Coded(given.codes, after_null(pa.array([known[text] for text in texts], pa.string())))

    def _forget(self) -> None:
        if self._seen is None:
            self._seen = Seen()
            self._seen.add(_keys(self._known))
        self._known = {}

    def _count(self, texts: list[str], made: list[str | None]) -> None:
        """Count texts that were not there before; once some were forgotten, their hashes tell."""
        unusable = np.array([one is None for one in made])
        if self._seen is not None:
            new = self._seen.add(_keys(texts)) == 0
            self.distinct += int(new.sum())
            self.unusable += int((new & unusable).sum())
        else:
            self.distinct += len(texts)
            self.unusable += int(unusable.sum())


def _keys(texts: Collection[str]) -> NDArray[np.uint64]:
    # Python's own hashes, twice 64 bits: they need to be the same within this process only.
    halves = map(hash, texts), (hash(text + "\x1f") for text in texts)
    return np.stack([np.fromiter(half, np.int64) for half in halves], axis=1).view(np.uint64)


def each(convert: Callable[[str], str | None]) -> Convert:
    """Return what converts texts one by one."""
    return lambda texts: [convert(text) for text in texts.to_pylist()]


def identifier_hashes(kind: str, region: str | None, key: bytes | None) -> Convert:
    """Return a function from identifiers as written to what `identifier_hash` makes of each."""

    def converted(texts: pa.Array) -> list[str | None]:
        values = normalise_all(kind, texts, region)
        if key is None:
            return [value and f"{kind}:{value}" for value in values]
        return pseudonyms(kind, values, key)

    return converted


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
