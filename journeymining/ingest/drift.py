"""Drift of the sources: fields that came, went or are in no record, as told by how many records have each of them.

A file of JSON has no header, so that a renamed field looks like one that is empty: only counts tell, of any format.
"""

from __future__ import annotations

from math import exp, lgamma
from typing import TYPE_CHECKING, Any

from journeymining.ingest.chunks import raw_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from journeymining.ingest.chunks import Portion
    from journeymining.ingest.streams import Source

CHANCE = 0.01
"""What may be chance is no change: below this a field that stopped or began to be there did so."""

SHOWN = 8
"""Fields that a line names."""


class FieldValues:
    """Counts in how many of the records that can be read each field has a value.

    Parameters
    ----------
    names : tuple of str
        The fields that a connector reads.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._rows, self._found = 0, dict.fromkeys(names, 0)
        self._last: dict[str, dict[str, int]] = {}

    def add(self, portion: Portion) -> None:
        """Count the records of a portion."""
        whole = len(portion.readable) == portion.rows
        self._rows += len(portion.readable)
        for name in self._found:
            there = portion.fields[f"f:{name}"].there
            self._found[name] += int((there if whole else there[portion.readable]).sum())

    def add_counts(self, rows: int, found: Mapping[str, int]) -> None:
        """Add what was counted elsewhere: records, and of every field those that have it.

        Examples
        --------
        >>> values = FieldValues(("id", "mail"))
        >>> values.add_counts(120, {"id": 120, "mail": 2})
        >>> values.told["mail"]
        {'with': 2, 'without': 118}
        """
        self._rows += rows
        for name, count in found.items():
            self._found[name] += count

    def add_last(self, rows: int, found: Mapping[str, int]) -> None:
        """Say how it is in the batch that came last, whose records may be newer versions of earlier ones."""
        self._last = _told(rows, found)

    @property
    def told(self) -> dict[str, dict[str, Any]]:
        """Field -> how many records are ``with`` it, and how many ``without``; of several batches also in the last."""
        told: dict[str, dict[str, Any]] = {**_told(self._rows, self._found)}
        for name, last in self._last.items():
            told[name]["last"] = last
        return told


def _told(rows: int, found: Mapping[str, int]) -> dict[str, dict[str, int]]:
    return {name: {"with": count, "without": rows - count} for name, count in found.items()}


def last_batch_fields(source: Source, name: str) -> str | None:
    """Return SQL of the fields in the batch that was pulled last; nothing where it is the only one."""
    files = source.files(name) if source.config.pulled else []
    last = [file for file in files if file.parent == files[-1].parent]
    if len(last) == len(files):
        return None
    return raw_fields(source, name, last, "last")


def absent_fields(values: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the fields that no record has; where there are no records, nothing is said.

    Examples
    --------
    >>> absent_fields({"id": {"with": 9, "without": 0}, "mail": {"with": 0, "without": 9}})
    ['mail']
    """
    return [name for name, one in values.items() if not one["with"] and one["without"]]


def compare_fields(sources: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Say of the fields of sources how many records had them before, and which changes that shows.

    Every field gets ``before``: how many records were with and without it when the source was read before, or, where
    as many are with it as then, what was ``before`` already then. So records that come in small numbers and lack a
    field add up. ``fields_changed`` of a stream is field -> change. A field is ``gone`` when some records had it and
    none has, and ``new`` when none had it and some have. It ``stopped`` when there are more records and not one more
    with it, or when none of the batch that came last has it: then those that came lack it. ``new`` and ``stopped`` are
    said only where chance would do it in fewer than one case in a hundred (hypergeometric: the records with the field
    are all among those of one time); of ``gone`` the numbers speak. ``streams_emptied`` of a source is stream -> how
    many records it had before it had none.

    Parameters
    ----------
    sources, before : mapping
        ``sources`` of what ``quality.json`` says: of this time, which is added to, and of the time before.

    Examples
    --------
    >>> def desk(records, with_mail):
    ...     values = {"mail": {"with": with_mail, "without": records - with_mail}}
    ...     return {"desk": {"streams": {"complaints": {"records": records, "field_values": values}}}}
    >>> now = desk(160, 118)
    >>> compare_fields(now, desk(120, 118))
    >>> now["desk"]["streams"]["complaints"]["fields_changed"]
    {'mail': 'stopped'}
    """
    for name, source in sources.items():
        source["streams_emptied"] = _emptied(source, before.get(name, {}))
        for stream, counts in source["streams"].items():
            known = before.get(name, {}).get("streams", {}).get(stream, {}).get("field_values", {})
            values = counts["field_values"]
            # Read again without anything new: what was said then still holds.
            again = known.keys() == values.keys() and all(_counts(known[one]) == _counts(values[one]) for one in values)
            for field in values.keys() & known.keys():
                then = known[field]
                kept = then.get("before") if again or then["with"] == values[field]["with"] else None
                if kept or not again:
                    values[field]["before"] = kept or _counts(then)
            changes = {field: _change(one) for field, one in values.items()}
            counts["fields_changed"] = {field: change for field, change in changes.items() if change}


def _emptied(source: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, int]:
    """Return the streams that had records before and have none, with the number that they had."""
    had = {stream: counts["records"] for stream, counts in before.get("streams", {}).items()}
    had = {**before.get("streams_emptied", {}), **had}
    # A connector may have lost a stream as well.
    still = {*source.get("absent_streams", ()), *source.get("files", ()), *source.get("pulled", ())}
    return {stream: records for stream, records in had.items() if stream in still - source["streams"].keys()}


def _counts(one: Mapping[str, Any]) -> dict[str, int]:
    return {key: one[key] for key in ("with", "without")}


def _change(now: Mapping[str, Any]) -> str | None:
    before, rows = now.get("before"), _rows(now)
    if of_last_batch(now):
        # Records that came again in a newer version are no more than there were: only their batch tells.
        lacking = min(_rows(now["last"]), now["without"])
        if _chance(now["with"], rows - lacking, lacking) < CHANCE:
            return "stopped"
    if not before or not rows or not _rows(before):
        return None
    if not now["with"]:
        return "gone" if before["with"] else None
    if not before["with"]:
        return "new" if _chance(now["with"], rows, _rows(before)) < CHANCE else None
    stopped = now["with"] == before["with"] and rows > _rows(before)
    return "stopped" if stopped and _chance(before["with"], _rows(before), rows - _rows(before)) < CHANCE else None


def of_last_batch(now: Mapping[str, Any]) -> bool:
    """Whether it is the batch that came last in which no record has a field, rather than all records."""
    return bool(now.get("last") and now["with"] and not now["last"]["with"])


def _rows(one: Mapping[str, int]) -> int:
    return one["with"] + one["without"]


def _chance(chosen: int, some: int, others: int) -> float:
    """Return the probability that chosen records are all among some, and none among the others."""
    return exp(_ways(some, chosen) - _ways(some + others, chosen))


def _ways(rows: int, chosen: int) -> float:
    """Return the logarithm of the number of ways to choose."""
    return lgamma(rows + 1) - lgamma(chosen + 1) - lgamma(rows - chosen + 1)


def columns_changed(source: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return, per stream, the columns that came, went or are of another type, as far as that is sure.

    Of an API the names in the records that came last are compared, and few records may lack one by chance: what went
    there is told by the fields, whose records are counted.

    Examples
    --------
    >>> changes = [{"column": "mail", "change": "gone"}, {"column": "email", "change": "new"}]
    >>> columns_changed({"url": "https://desk.example.org", "columns_changed": {"complaints": changes}})
    {'complaints': [{'column': 'email', 'change': 'new'}]}
    """
    api = str(source.get("url", "")).startswith("http")
    found = {
        stream: [one for one in changes if not (api and one["change"] == "gone")]
        for stream, changes in (source.get("columns_changed") or {}).items()
    }
    return {stream: changes for stream, changes in found.items() if changes}


def drift_notes(quality: Mapping[str, Any]) -> Iterator[str]:
    r"""Yield what a person should know of the fields of the sources, a sentence each.

    Parameters
    ----------
    quality : mapping
        What `journeymining.ingest.pull.ingest_sources` returns, or what ``quality.json`` says.

    Examples
    --------
    >>> mail = {"with": 0, "without": 5, "before": {"with": 4, "without": 0}}
    >>> values = {"mail": mail, "note": {"with": 0, "without": 5}}
    >>> one = {"field_values": values, "absent_fields": ["mail", "note"], "fields_changed": {"mail": "gone"}}
    >>> print(*drift_notes({"sources": {"desk": {"streams": {"complaints": one}}}}), sep="\n")
    source 'desk', complaints: mail is in none of 5 records (before: in 4 of 4).
    source 'desk': in no record: note (complaints, 5 records).
    """
    for name, source in quality["sources"].items():
        for stream, records in source.get("streams_emptied", {}).items():
            yield f"source '{name}', {stream}: no record (before: {records:,})."
        for stream, changes in columns_changed(source).items():
            columns = _first([_column(one) for one in changes])
            yield f"source '{name}', {stream}: columns changed since an earlier pull: {columns}."
        absent = []
        for stream, counts in source["streams"].items():
            values, changed = counts.get("field_values", {}), counts.get("fields_changed", {})
            told = [f"{one} is {_compared(values[one])}" for one in changed]
            if told:
                yield f"source '{name}', {stream}: {_first(told)}."
            # Said when a source is new: many systems have columns that nobody fills, every night.
            others = [one for one in counts["absent_fields"] if one in values and "before" not in values[one]]
            if others:
                absent.append(f"{_first(others)} ({stream}, {values[others[0]]['without']:,} records)")
        if absent:
            yield f"source '{name}': in no record: {'; '.join(absent)}."


def _column(one: Mapping[str, str]) -> str:
    if one["change"] == "type":
        return f"{one['column']} is {one['now']} (before: {one['before']})"
    return f"{one['column']} is {one['change']}"


def _compared(now: Mapping[str, Any]) -> str:
    if of_last_batch(now):
        return f"{_in(now['last'])} records that came last ({_in(now)} of all)"
    return f"{_in(now)} records (before: {_in(now['before'])})"


def _in(one: Mapping[str, int]) -> str:
    rows = _rows(one)
    return f"in {one['with']:,} of {rows:,}" if one["with"] else f"in none of {rows:,}"


def _first(told: list[str]) -> str:
    further = len(told) - SHOWN
    return ", ".join(told[:SHOWN]) + (f" and {further} more" if further > 0 else "")
