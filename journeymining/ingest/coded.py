"""Columns as codes and the values these stand for: what is made of a text is made once, however often it stands there.

Records repeat themselves: a million requests have some thousand paths, seconds and browsers. So a portion of records is
held as `Coded` columns, SQL runs over the distinct combinations of what it reads (`made`), and rows are only looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from journeymining.ingest.values import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb
    from numpy.typing import NDArray

_SAMPLE = 1_000
_NAME = re.compile(r"""'(?:[^']|'')*'|"((?:[^"]|"")+)\"""")


@dataclass(frozen=True)
class Coded:
    """A column: of every row the place of its value; the first value is null.

    Values may stand there twice: where nearly all differ, looking for equal ones would be in vain. The places of a
    column that says one thing in every row are one number, however many rows there are.

    Examples
    --------
    >>> column = Coded.of(pa.array(["a", None, "b", "a"]))
    >>> column.codes.tolist(), column.values.to_pylist(), column.array().to_pylist()
    ([1, 0, 2, 1], [None, 'a', 'b'], ['a', None, 'b', 'a'])
    """

    codes: NDArray[np.int32]
    values: pa.Array
    once: bool = False
    """Whether it is known that no value stands there twice."""

    @classmethod
    def of(cls, column: pa.Array | pa.ChunkedArray) -> Coded:
        """Return a column of Arrow, of texts or of a dictionary of texts."""
        array = one_chunk(column)
        if array.null_count == len(array):
            kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
            return cls(_each(0, len(array)), pa.nulls(1, kind))
        if not pa.types.is_dictionary(array.type):
            if _differ(array):
                return cls(np.arange(1, len(array) + 1, dtype=np.int32), after_null(array))
            array = array.dictionary_encode()
        if len(array.dictionary) == 1 and not array.null_count:
            return cls(_each(1, len(array)), after_null(array.dictionary))
        codes = array.indices.fill_null(-1) if array.indices.null_count else array.indices
        return cls(codes.to_numpy().astype(np.int32, copy=False) + np.int32(1), after_null(array.dictionary), once=True)

    @classmethod
    def same(cls, value: str | None, rows: int) -> Coded:
        """Return a column that says one thing in every row."""
        return cls(_each(int(value is not None), rows), pa.array([None, value], pa.string()))

    @classmethod
    def chosen(cls, cases: Sequence[tuple[NDArray[np.bool_], str]], rows: int) -> Coded:
        """Return the text of the first case that is true of a row, null where none is."""
        true = [case for case in cases if case[0].any()]
        if not true:
            return cls.same(None, rows)
        codes = np.zeros(rows, np.int32)
        for place, (rows_of_it, _) in reversed(list(enumerate(true, start=1))):
            codes[rows_of_it] = place
        return cls(codes, pa.array([None, *(text for _, text in true)], pa.string()))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.codes)

    @property
    def constant(self) -> bool:
        """Whether it is known to say one thing in every row."""
        return self.codes.strides == (0,)

    def at(self, rows: NDArray[Any]) -> Coded:
        """Return some rows, by their places or by a mask."""
        if self.constant and isinstance(rows, np.ndarray):
            return replace(self, codes=_each(self._place, int(rows.sum()) if rows.dtype == bool else len(rows)))
        if isinstance(rows, np.ndarray) and rows.dtype != bool:
            return replace(self, codes=self.codes.take(rows))
        return replace(self, codes=self.codes[rows])

    @cached_property
    def there(self) -> NDArray[np.bool_]:
        """Of every row whether it has a value."""
        if self.values.null_count == 1 and not self.constant:
            filled: NDArray[np.bool_] = self.codes != 0
            return filled
        return self._each_is(self.values.is_valid())

    @cached_property
    def true(self) -> NDArray[np.bool_]:
        """Of every row whether it says true; for a column of truth values."""
        return self._each_is(pc.fill_null(self.values, False))

    def among(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Of every row whether it is one of some texts."""
        return self._each_is(pc.is_in(self.values, pa.array(texts, pa.string())))

    def _each_is(self, said: pa.BooleanArray) -> NDArray[np.bool_]:
        """Say of every row what is said of its value."""
        known: NDArray[np.bool_] = said.to_numpy(zero_copy_only=False)
        if self.constant:
            return np.broadcast_to(known[self._place], len(self))
        return known.take(self.codes)

    @property
    def _place(self) -> int:
        return int(self.codes[0]) if len(self.codes) else 0

    def told(self) -> dict[str, int]:
        """Count the rows of every value, without those that have none."""
        if self.constant:
            value = self.values[self._place].as_py()
            return {value: len(self)} if len(self) and value is not None else {}
        encoded = self.values.dictionary_encode()
        groups = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
        rows = np.bincount(self.codes, minlength=len(self.values))
        counts = np.bincount(groups, weights=rows, minlength=len(encoded.dictionary)).astype(np.int64).tolist()
        return {value: count for value, count in zip(encoded.dictionary.to_pylist(), counts, strict=False) if count}

    @cached_property
    def repeated(self) -> bool:
        """Whether there are far fewer values than rows."""
        return self.constant or 2 * len(self.values) <= len(self.codes)

    def compact(self) -> Coded:
        """Return the same column with the values that stand there, once each."""
        if self.constant:
            value = self.values.slice(self._place, 1) if len(self) else self.values.slice(0, 0)
            values = value.drop_null()
            return Coded(_each(len(values), len(self)), after_null(values))
        used = np.zeros(len(self.values), bool)
        used[self.codes] = True
        if self.once and used[1:].all():
            return self
        encoded = self.values.filter(pa.array(used)).dictionary_encode()
        place = np.zeros(len(self.values), np.int32)
        place[used] = encoded.indices.fill_null(-1).to_numpy() + 1
        return Coded(place.take(self.codes), after_null(encoded.dictionary), once=True)

    def array(self) -> pa.Array:
        """Return the values of the rows; texts that come again as a dictionary of those that stand there."""
        if self.repeated and pa.types.is_string(self.values.type):
            one = self.compact()
            if self.constant and len(one.values) == 1:
                return pa.nulls(len(one), pa.dictionary(pa.int32(), pa.string()))
            nulls = one.codes == 0
            codes = pa.array(one.codes - np.int32(1), mask=nulls if nulls.any() else None)
            return pa.DictionaryArray.from_arrays(codes, one.values.slice(1))
        if self.constant and not self.values[self._place].is_valid:
            return pa.nulls(len(self), self.values.type)
        return self.values.take(pa.array(self.codes))


def _each(place: int, rows: int) -> NDArray[np.int32]:
    """Return one place for every row."""
    return np.broadcast_to(np.int32(place), rows)


def one_chunk(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    whole = column.combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def after_null(values: pa.Array) -> pa.Array:
    """Return values after one that is null."""
    return pa.concat_arrays([pa.nulls(1, values.type), values])


def _differ(array: pa.Array) -> bool:
    """Whether nearly all texts differ, as far as the first ones tell."""
    sample = array.slice(0, _SAMPLE).drop_null()
    return len(array) > _SAMPLE and 4 * pc.count_distinct(sample).as_py() > 3 * _SAMPLE


def joined(columns: Sequence[Coded]) -> Coded:
    """Return columns below each other."""
    if len(columns) == 1:
        return columns[0]
    before = np.cumsum([0, *(len(one.values) for one in columns[:-1])], dtype=np.int32)
    codes = np.concatenate([one.codes + place for one, place in zip(columns, before, strict=True)])
    return Coded(codes, pa.concat_arrays([one.values for one in columns]))


def combined(columns: Mapping[str, Coded], rows: int) -> tuple[NDArray[np.int32], pa.Table]:
    """Return the distinct combinations of some columns, as a table, and of every row the place of its own in it."""
    given = [one for one in columns.values() if not one.constant]
    if not given:
        first = np.zeros(1, np.int64)
        return _each(0, rows), pa.table({name: _values(one, first) for name, one in columns.items()})
    if len(columns) == 1:
        return given[0].codes, pa.table({name: one.values for name, one in columns.items()})
    if any(not one.repeated for one in given):
        every = np.arange(rows, dtype=np.int32)
        return every, pa.table({name: _values(one, every) for name, one in columns.items()})
    codes = given[0].codes
    for one in given[1:]:
        pairs = pa.array(codes.astype(np.int64) * len(one.values) + one.codes).dictionary_encode()
        codes = pairs.indices.to_numpy()
    first = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    first[codes[::-1]] = np.arange(rows)[::-1]
    return codes, pa.table({name: _values(one, first) for name, one in columns.items()})


def _values(one: Coded, rows: NDArray[Any]) -> pa.Array:
    return one.values.take(pa.array(one.at(rows).codes))


def made(
    db: duckdb.DuckDBPyConnection, items: Mapping[str, str], columns: Mapping[str, Coded], rows: int
) -> dict[str, Coded]:
    """Return what SQL makes of columns, row by row: name -> SQL, in which columns stand in quotation marks.

    Examples
    --------
    >>> from journeymining.database import connect
    >>> column = Coded.of(pa.array(["a", "b", "a"]))
    >>> with connect() as db:
    ...     found = made(db, {"upper": 'upper("f:x")', "one": "1"}, {"f:x": column}, 3)
    >>> found["upper"].array().to_pylist(), found["one"].array().to_pylist()
    (['A', 'B', 'A'], [1, 1, 1])
    """
    found: dict[str, Coded] = {}
    groups: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
    for name, sql in items.items():
        read = _read_by(sql, columns)
        if len(read) == 1 and sql == identifier(read[0]):
            found[name] = columns[read[0]]
            continue
        # What reads constant columns only is one row, whatever it reads.
        group = () if all(columns[one].constant for one in read) else read
        groups.setdefault(group, {}).update({name: read})
    for names in groups.values():
        chosen = ", ".join(f"{items[name]} AS {identifier(name)}" for name in names)
        wanted = dict.fromkeys(one for reads in names.values() for one in reads)
        if wanted:
            codes, table = combined({name: columns[name] for name in wanted}, rows)
            result = queried(db, table, f"SELECT {chosen} FROM given_rows")
        else:
            codes, result = _each(0, rows), db.sql(f"SELECT {chosen}").to_arrow_table()
        found |= looked_up(codes, result)
    return {name: found[name] for name in items}


def looked_up(codes: NDArray[np.int32], table: pa.Table) -> dict[str, Coded]:
    """Return the columns of a table, of which every row of the result is one."""
    rows = len(codes)
    places = _each(int(codes[0]) + 1 if rows else 0, rows) if codes.strides == (0,) else codes + np.int32(1)
    found = {}
    for name in table.column_names:
        values = one_chunk(table.column(name))
        if values.null_count == len(values):
            found[name] = Coded(_each(0, rows), pa.nulls(1, values.type))
        elif not values.null_count and pc.all(pc.equal(values, values[0])).as_py():
            found[name] = Coded(_each(1, rows), after_null(values.slice(0, 1)))
        else:
            found[name] = Coded(places, after_null(values))
    return found


def queried(db: duckdb.DuckDBPyConnection, table: pa.Table, query: str) -> pa.Table:
    """Return the result of a query of ``given_rows``, the given table, whose order it keeps."""
    db.register("given_rows", table)
    result = db.sql(query).to_arrow_table()
    db.unregister("given_rows")
    return result


def _read_by(sql: str, columns: Mapping[str, Coded]) -> tuple[str, ...]:
    """Return the columns that stand in an expression."""
    names = dict.fromkeys(name.replace('""', '"') for name in _NAME.findall(sql) if name)
    return tuple(name for name in names if name in columns)
