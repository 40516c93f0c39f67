"""Time texts as whole minutes and what goes beyond: a log has far fewer minutes than texts, and only they need a rule.

Zones, changes of the clock and offsets are matters of minutes. So the usual texts are read as the text of their minute,
and their seconds are added to the instant of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.ingest.coded import one_chunk

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 2_000
"""Texts that are read as they are: splitting them would take longer."""

# Form -> how many characters tell the minute, and what the minute and the rest look like in the usual texts.
_FORMS = {
    "iso": (16, r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d$", r"^:[0-5]\d(?:[.,]\d{1,9})?(?:Z|z|UTC|[+-]\d\d(?::?\d\d)?)?$"),
    "clf": (17, r"^\d\d/\w{3}/\d{4}:\d\d:\d\d$", r"^:[0-5]\d [+-]\d{4}$"),
}
_LONGEST = 64
_SECONDS = r"^:\d\d(?:[.,]\d+)?"


def whole_minutes(texts: pa.Array, form: str) -> tuple[pa.Array, NDArray[np.int64], NDArray[np.int64]]:
    """Return texts that are to be read instead of others, of each of these its place among them, and what it is later.

    Parameters
    ----------
    texts : Array of texts
        Time texts, mostly distinct; null is none.
    form : str
        As of `journeymining.ingest.specs.Time`. Texts of forms other than ``iso`` and ``clf``, and unusual ones, are
        read as they are.

    Returns
    -------
    tuple
        Texts to be read; place of each given text among them; microseconds from the instant of the one to that of the
        other. A text to be read has as many digits after the point as the given one, in three steps (0, 3, 6): how
        exact it is can be told from it.

    Examples
    --------
    >>> given = ["2026-03-01T10:00:01.5Z", "2026-03-01T10:00:59.25Z", "2026-03-01", "2026-03-01T10:00:02Z"]
    >>> read, places, later = whole_minutes(pa.array(given), "iso")
    >>> read.to_pylist()
    ['2026-03-01', '2026-03-01T10:00:00.000Z', '2026-03-01T10:00:00Z']
    >>> places.tolist(), later.tolist()
    ([1, 1, 0, 2], [1500000, 59250000, 0, 2000000])
    """
    everything = np.arange(len(texts)), np.zeros(len(texts), np.int64)
    if form not in _FORMS:
        return texts, *everything
    width, minute, rest = _FORMS[form]
    packed = texts.cast(pa.binary())
    heads = pc.binary_slice(packed, 0, width).dictionary_encode()
    # No usual text is as long as that.
    tails = pc.binary_slice(packed, width, width + _LONGEST).dictionary_encode()
    usual = _of(heads, _fits(heads.dictionary, minute)) & _of(tails, _fits(tails.dictionary, rest))
    if not usual.any():
        return texts, *everything
    micros, zones = _read_tails(tails.dictionary, _fits(tails.dictionary, rest))
    # Of every text the combination of its minute with the zone and the number of digits that follow.
    pairs = heads.indices.fill_null(0).to_numpy()[usual].astype(np.int64) * len(tails.dictionary)
    pairs += zones.indices.to_numpy().take(tails.indices.fill_null(0).to_numpy()[usual])
    coded = pa.array(pairs).dictionary_encode()
    head, zone = np.divmod(coded.dictionary.to_numpy(), len(tails.dictionary))
    whole = pc.binary_join_element_wise(
        heads.dictionary.take(pa.array(head)), zones.dictionary.take(pa.array(zone)).cast(pa.binary()), b""
    )
    others = texts.filter(pa.array(~usual))
    places, later = everything
    places[~usual] = np.arange(len(others))
    places[usual] = len(others) + coded.indices.to_numpy()
    later[usual] = micros.take(tails.indices.fill_null(0).to_numpy()[usual])
    return pa.concat_arrays([others, whole.cast(pa.string())]), places, later


def _fits(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _of(column: pa.DictionaryArray, said: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of every row what is said of its value; false where there is none."""
    places: NDArray[np.int32] = column.indices.fill_null(-1).to_numpy()
    return np.append(said, False).take(places)


def _read_tails(tails: pa.Array, usual: NDArray[np.bool_]) -> tuple[NDArray[np.int64], pa.DictionaryArray]:
    """Return the microseconds that the usual ones say, and zero seconds in their place."""
    texts = pc.if_else(pa.array(usual), tails, pa.scalar(b":00")).cast(pa.string())
    zone = pc.replace_substring_regex(texts, _SECONDS, "")
    digits = pc.utf8_slice_codeunits(pc.replace_substring_regex(texts, r"^:\d\d[.,]?(\d*).*$", r"\1"), 0, 6)
    fraction = pc.utf8_rpad(digits, 6, "0").cast(pa.int64()).to_numpy()
    seconds: Any = pc.utf8_slice_codeunits(texts, 1, 3).cast(pa.int64()).to_numpy()
    length = pc.utf8_length(digits).to_numpy()
    zero = pa.array([":00", ":00.000", ":00.000000"]).take(pa.array(np.where(length > 3, 2, np.minimum(length, 1))))
    return seconds * 1_000_000 + fraction, one_chunk(pc.binary_join_element_wise(zero, zone, "")).dictionary_encode()
