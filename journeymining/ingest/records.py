"""SQL from raw tables to records: the fields that a connector names, looked up, carried, collapsed and derived.

Every field is a column named ``"f:<field>"``, so that no name of a source can be taken for one of ours. Beside them:
``_file``, ``_line`` and ``_problem`` (why it is unreadable).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from journeymining.ingest.readers import FILE, LINE, PROBLEM, TEXT
from journeymining.ingest.specs import Carry, Collapse, Lookup, Member
from journeymining.ingest.values import CONVERSIONS, identifier, json_path, literal, number_sql, pair_sql, path_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from journeymining.ingest.sources import SourceConfig
    from journeymining.ingest.specs import Stream, Value

OURS = f"{FILE}, {LINE}, {PROBLEM}"


def column(field: str) -> str:
    """Return the column of a field."""
    return identifier(f"f:{field}")


def value_sql(rules: Iterable[Value]) -> str:
    """Return SQL of the first rule that applies and is not empty; NULL for no rules."""
    parts = [_when(rule, _made(rule, _origin(rule))) for rule in rules]
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS VARCHAR)"


def text_sql(rules: Iterable[Value]) -> str:
    """Return SQL of the text that `value_sql` begins with, before anything is made of it."""
    parts = [_when(rule, _origin(rule)) for rule in rules]
    return f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS VARCHAR)"


def when_sql(when: Mapping[str, Sequence[str]], present: Sequence[str] = ()) -> str:
    """Return SQL that is true where all fields hold one of their texts and all that must be there are."""
    conditions = [f"{column(field)} IN ({', '.join(map(literal, texts))})" for field, texts in when.items()]
    conditions += [f"{column(field)} IS NOT NULL" for field in present]
    return " AND ".join(conditions) or "true"


def _when(rule: Value, sql: str) -> str:
    return f"CASE WHEN {when_sql(rule.when)} THEN {sql} END" if rule.when else sql


def _made(rule: Value, sql: str) -> str:
    """Return SQL of what a rule makes of a text."""
    if rule.path:
        sql = path_sql(sql, rule.path)
    if rule.pair:
        sql = pair_sql(sql, rule.pair)
    for name in rule.convert:
        sql = CONVERSIONS[name](sql)
    if rule.map is not None:
        sql = _mapped(rule, sql)
    if rule.before or rule.after:
        sql = f"({literal(rule.before)} || {sql} || {literal(rule.after)})"
    return sql


def _origin(rule: Value) -> str:
    if rule.constant is not None:
        return literal(rule.constant)
    return origin_sql(rule.field, rule.join)


def origin_sql(names: Sequence[str], join: str | None) -> str:
    """Return SQL of the first of some fields that is not empty, or of all of them with a text between."""
    fields = [column(name) for name in names]
    if join is not None:
        return f"({f' || {literal(join)} || '.join(fields)})"
    return fields[0] if len(fields) == 1 else f"coalesce({', '.join(fields)})"


def _mapped(rule: Value, sql: str) -> str:
    cases = [
        f"WHEN {sql} = {literal(text)} THEN {'NULL' if becomes is None else literal(becomes)}"
        for text, becomes in (rule.map or {}).items()
    ]
    # A missing text stays missing: 'otherwise' is for texts that are there.
    other = f"WHEN {sql} IS NOT NULL THEN {literal(rule.otherwise)}" if rule.otherwise is not None else ""
    return f"CASE {' '.join(cases)} {other} END" if cases or other else sql


def fields_sql(stream: Stream, raw: str, available: Sequence[str], config: SourceConfig) -> str:
    """Return a query of the fields of raw records.

    Parameters
    ----------
    stream : Stream
        Names the fields and says how they are written.
    raw : str
        SQL of the raw table.
    available : list of str
        Columns of the raw table.
    config : SourceConfig
        Renames columns and sets fields.
    """
    format_ = stream.format
    base, readable = raw, "true"
    if format_.type == "json_lines":
        # Every function that parses takes memory of its own for it.
        base = f"(SELECT * EXCLUDE ({TEXT}), try_cast({TEXT} AS JSON) AS _parsed FROM {raw})"
        readable = r"_parsed IS NOT NULL AND regexp_matches(_parsed, '^\s*\{')"
    elif format_.pattern is not None:
        names = ", ".join(literal(name) for name in stream.names)
        base = f"(SELECT *, regexp_extract({TEXT}, {literal(format_.pattern)}, [{names}]) AS _parsed FROM {raw})"
        # A line that does not match leaves all groups empty; one without its text was split when it landed.
        readable = " OR ".join([f"{TEXT} IS NULL", *(f"_parsed[{literal(name)}] <> ''" for name in stream.names)])
    elif format_.separator is not None:
        base = f"(SELECT *, string_split({TEXT}, {literal(format_.separator)}) AS _parsed FROM {raw})"
    items: list[str] = []
    read: _Read = {}
    for place, name in enumerate(stream.names, start=1):
        if name in config.set:
            items.append(f"{literal(config.set[name])} AS {column(name)}")
            continue
        sql = _field(stream, name, place, config.columns.get(name, name), available, read)
        cleared = f"CASE WHEN {_says(sql, format_.nulls)} THEN {sql} END" if format_.nulls else sql
        items.append(f"{cleared} AS {column(name)}")
    unreadable = f"CASE WHEN NOT ({readable}) THEN {literal(_unreadable(stream))} END"
    return (
        f"SELECT {FILE}, {LINE}, coalesce({PROBLEM}, {unreadable}) AS {PROBLEM}, {', '.join(items)} "
        f"FROM {_unfolded(stream, base, read)}"
    )


_Read = dict[str, list[str]]
"""JSON -> the paths that are read of it."""


def _with_texts(read: _Read, node: str, base: str) -> str:
    """Return a query with the texts of a JSON, which is read once: each time takes twenty times its size of memory."""
    if node not in read:
        return base
    paths = ", ".join(map(literal, read[node]))
    return f"(SELECT *, json_extract_string({node}, [{paths}]) AS {_texts_of(node)} FROM {base})"


def _texts_of(node: str) -> str:
    return identifier(f"t:{node}")


def _says(sql: str, nulls: Sequence[str]) -> str:
    """Return SQL that is true where a text, without spaces around it, is none of those that mean nothing."""
    # Most texts begin with a character that none of those begin with, which is cheaper to see than to trim them. Of
    # such characters (that are no space either) the widest range counts.
    taken = [ord("!") - 1, *sorted({ord(text[0]) for text in nulls if text and "!" <= text[0] <= "~"}), ord("~") + 1]
    low, high = max(pairwise(taken), key=lambda pair: pair[1] - pair[0])
    plain = f"({sql} >= {literal(chr(low + 1))} AND {sql} < chr({high}))"
    return f"({plain} OR trim({sql}) NOT IN ({', '.join(map(literal, nulls))}))"


def _unfolded(stream: Stream, base: str, read: _Read) -> str:
    """Return a query with a row for every member of the lists, or one row where a list is empty or absent."""
    base = _with_texts(read, "_parsed", base)
    for name, path in stream.unfold.items():
        node, inner = _node(stream, path)
        members = f"CAST(json_extract({node}, {literal(json_path(inner) + '[*]')}) AS JSON[])"
        kept = f"CASE WHEN len({members}) > 0 THEN {members} ELSE [CAST(NULL AS JSON)] END"
        base = (
            f"(SELECT * EXCLUDE (_members), unnest(_members) AS {_member_of(name)}, "
            f"unnest(range(1, len(_members) + 1)) AS {_place_of(name)} FROM (SELECT *, {kept} AS _members FROM {base}))"
        )
        base = _with_texts(read, _member_of(name), base)
    return base


def _member_of(name: str) -> str:
    return identifier(f"u:{name}")


def _place_of(name: str) -> str:
    return identifier(f"n:{name}")


def _node(stream: Stream, path: str) -> tuple[str, str]:
    """Return the JSON that a path starts in, the record or a member of a list, and the rest of the path."""
    first, _, rest = path.partition(".")
    return (_member_of(first), rest) if first in stream.unfold else ("_parsed", path)


def _unreadable(stream: Stream) -> str:
    return {"json_lines": "not a JSON object", "lines": "not a line of this format"}.get(
        stream.format.type, "unreadable"
    )


def _field(stream: Stream, name: str, place: int, wanted: str, available: Sequence[str], read: _Read) -> str:
    format_ = stream.format
    if format_.type in {"csv", "parquet", "w3c"}:
        return identifier(wanted) if wanted in available else "CAST(NULL AS VARCHAR)"
    if format_.pattern is not None:
        split = column(name) if f"f:{name}" in available else "CAST(NULL AS VARCHAR)"
        return f"CASE WHEN {TEXT} IS NULL THEN {split} ELSE _parsed[{literal(name)}] END"
    if format_.separator is not None:
        return f"_parsed[{place}]"
    origin = stream.fields[name] if isinstance(stream.fields, dict) else name
    if isinstance(origin, Member):
        return _member(stream, origin)
    node, path = _node(stream, wanted if wanted != name else origin)
    if path == "#":
        return f"CASE WHEN {node} IS NOT NULL THEN CAST({_place_of(origin.partition('.')[0])} AS VARCHAR) END"
    paths = read.setdefault(node, [])
    paths.append(json_path(path))
    return f"{_texts_of(node)}[{len(paths)}]"


def _member(stream: Stream, member: Member) -> str:
    node, path = _node(stream, member.list)
    found = (
        f"list_filter(CAST(json_extract({node}, {literal(json_path(path) + '[*]')}) AS JSON[]), "
        f"lambda item: json_extract_string(item, {literal(json_path(member.name))}) = {literal(member.key)})[1]"
    )
    parts = [f"json_extract_string({found}, {literal(json_path(path))})" for path in member.value]
    return parts[0] if len(parts) == 1 else f"coalesce({', '.join(parts)})"


def lookup_sql(base: str, stream: Stream, tables: Mapping[str, str]) -> str:
    """Return a query that adds the fields of lookups; ``tables`` has the records of the other streams."""
    for number, lookup in enumerate(stream.lookups.values()):
        base = _lookup(base, lookup, tables[lookup.stream], number)
    return base


def _lookup(base: str, lookup: Lookup, there: str, number: int) -> str:
    keys = ", ".join(f"{column(field)} AS k{place}" for place, field in enumerate(lookup.match.values()))
    places = ", ".join(f"k{place}" for place in range(len(lookup.match)))
    takes = ", ".join(f"min({column(field)}) AS t{place}" for place, field in enumerate(lookup.take.values()))
    on = " AND ".join(f"b.{column(field)} = l.k{place}" for place, field in enumerate(lookup.match))
    names = ", ".join(f"l.t{place} AS {column(name)}" for place, name in enumerate(lookup.take))
    sources = f"SELECT {keys}, * FROM {there} WHERE {PROBLEM} IS NULL"
    table = f"SELECT {places}, {takes} FROM ({sources}) GROUP BY {places}"
    return f"SELECT b.*, {names} FROM ({base}) AS b LEFT JOIN ({table}) AS l ON {on} /* {number} */"


def carry_sql(base: str, carry: Mapping[str, Carry]) -> str:
    """Return a query that gives every record of a group what its first record with a value has."""
    for name, rule in carry.items():
        keys = ", ".join(column(field) for field in rule.by)
        found = f"{column(rule.field)} IS NOT NULL AND {PROBLEM} IS NULL AND {when_sql(rule.when)}"
        first = f"arg_min({column(rule.field)}, ({FILE}, {LINE}))"
        base = (
            f"SELECT b.*, c.carried AS {column(name)} FROM ({base}) AS b LEFT JOIN "
            f"(SELECT {keys}, {first} AS carried FROM ({base}) WHERE {found} GROUP BY {keys}) AS c USING ({keys})"
        )
    return base


def collapse_sql(base: str, rule: Collapse, fields: Sequence[str]) -> str:
    """Return a query with one record per group: the fields of its first record, but for those the rule names."""
    # Numbers by their size, times by their instant (10:00:00.5Z is after 10:00:00Z), other texts as they are.
    limit, choose = ("-1e300", "arg_max") if rule.last_by else ("1e300", "arg_min")
    order = [
        f"coalesce({number_sql(text)}, {limit}), {_moment(text, limit)}, coalesce({text}, '')"
        for text in map(column, rule.last_by or rule.first_by)
    ]
    place = f"({', '.join([*order, FILE, LINE])})"
    packed = ", ".join(f"{identifier(name)} := {column(name)}" for name in fields)
    group = value_sql(rule.by)
    largest = [
        f"arg_max({column(name)}, {number_sql(column(name))}) FILTER (WHERE {number_sql(column(name))} IS NOT NULL)"
        for name in rule.largest
    ]
    chosen = dict(zip(rule.largest, largest, strict=True))
    for name, text in rule.prefer.items():
        any_has = f"bool_or({column(name)} IS NOT DISTINCT FROM {literal(text)})"
        chosen[name] = f"CASE WHEN {any_has} THEN {literal(text)} ELSE {choose}({column(name)}, {place}) END"
    extra = "".join(f", {sql} AS {identifier(f'g:{name}')}" for name, sql in chosen.items())
    items = ", ".join(
        f"{identifier(f'g:{name}')} AS {column(name)}"
        if name in chosen
        else f"_first[{literal(name)}] AS {column(name)}"
        for name in fields
    )
    grouped = (
        f"SELECT {choose}(struct_pack(_file := {FILE}, _line := {LINE}, {packed}), {place}) AS _first{extra} "
        f"FROM ({base}) WHERE {PROBLEM} IS NULL AND {group} IS NOT NULL GROUP BY {group}"
    )
    alone = ", ".join(column(name) for name in fields)
    return (
        f"SELECT _first['_file'] AS {FILE}, _first['_line'] AS {LINE}, NULL AS {PROBLEM}, {items} FROM ({grouped}) "
        f"UNION ALL SELECT {FILE}, {LINE}, coalesce({PROBLEM}, 'key: missing'), {alone} FROM ({base}) "
        f"WHERE {PROBLEM} IS NOT NULL OR {group} IS NULL"
    )


def _moment(sql: str, missing: str) -> str:
    return f"coalesce(CAST(epoch_us(try_cast({sql} AS TIMESTAMPTZ)) AS DOUBLE), {missing})"


def is_plain(stream: Stream) -> bool:
    """Whether a record is made of nothing but its own raw record."""
    return not (stream.lookups or stream.carry or stream.collapse)


def joined_sql(stream: Stream, fields: str, tables: Mapping[str, str]) -> str:
    """Return a query of a stream's fields with those of lookups and groups, from the table of its own fields."""
    base = f"SELECT * FROM {fields}"
    names = list(stream.names)
    if stream.lookups:
        base = lookup_sql(base, stream, tables)
        names += [name for lookup in stream.lookups.values() for name in lookup.take]
    if stream.carry:
        base = carry_sql(base, stream.carry)
        names += list(stream.carry)
    if stream.collapse:
        base = collapse_sql(base, stream.collapse, names)
    return f"SELECT {OURS}, {', '.join(column(name) for name in names)} FROM ({base})"
