"""The connector file: a small closed vocabulary that says how a system's records become events. Data, no code."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from journeymining.documents import load_yaml, validate
from journeymining.exceptions import SpecError, did_you_mean
from journeymining.ingest.formats import Format, Strict, Text, Texts, listed
from journeymining.ingest.values import CONVERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journeymining.documents import Document, Key

Kind = Literal["account", "contact", "login", "email", "order", "phone", "device", "cookie"]
COLUMNS = (
    "channel",
    "topic",
    "resource",
    "initiator",
    "status",
    "device_class",
    "browser",
    "operating_system",
    "direction",
)
"""Texts of an event that a connector may fill; direction (inbound, outbound) only serves filters and the initiator."""

NUMBERS = ("duration", "value")

When = dict[str, Texts]
"""Field -> texts, one of which it must be. All fields must agree."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in CONVERSIONS:
            hint = did_you_mean(name, CONVERSIONS)
            raise ValueError(f"unknown conversion '{name}'.{hint} Allowed: {', '.join(CONVERSIONS)}")
    return names


Conversions = Annotated[Texts, AfterValidator(_known)]
"""Names of conversions, one or a list of them."""


class Value(Strict):
    """Where a text comes from: a constant, or the first of some fields that is not empty, converted and mapped."""

    constant: Text | None = None
    field: Texts = ()
    join: str | None = None
    """All fields instead of the first, with this between them; nothing where one is empty."""
    path: str | None = None
    """Of a text that is JSON: what is at this path, such as ``page.url`` or ``phones.0``."""
    pair: str | None = None
    """Of a text like ``a=1; b=2``: the value of this name."""
    convert: Conversions = ()
    """Names of conversions, in order; see `journeymining.ingest.values`."""
    map: dict[Text, Text | None] | None = None
    """Text -> what it becomes."""
    otherwise: Text | None = None
    """What a text that is not in the map becomes; without it, nothing."""
    before: str = ""
    after: str = ""
    when: When = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_origin(self) -> Value:
        if (self.constant is None) == (not self.field):
            raise ValueError("a value needs either 'field' or 'constant'")
        if self.join is not None and len(self.field) < 2:
            raise ValueError("'join' says what stands between several fields: there is one")
        if self.otherwise is not None and self.map is None:
            raise ValueError("'otherwise' says what a text becomes that is not in the 'map': there is no 'map'")
        return self


class IdentifierValue(Value):
    """An identifier of a customer; ``kind`` where its name is not its kind."""

    kind: Kind | None = None


class NumberValue(Value):
    """A number with its unit; durations become seconds."""

    unit: Literal["us", "ms", "s", "min", "h"] = "s"


def _values(given: Any) -> Any:
    return [{"constant": one} if isinstance(one, str | int | float) else one for one in listed(given)]


Rules = Annotated[tuple[Value, ...], BeforeValidator(_values)]
"""One value or a list of them: the first that applies and is not empty. A plain text is a constant."""
NumberRules = Annotated[tuple[NumberValue, ...], BeforeValidator(_values)]
IdentifierRules = Annotated[tuple[IdentifierValue, ...], BeforeValidator(listed)]


class Time(Strict):
    """How a text becomes an instant."""

    field: Texts
    join: str | None = None
    """All fields instead of the first, with this between them: a date and a time."""
    form: Literal["iso", "epoch", "clf", "pattern"] = "iso"
    """ISO 8601; seconds since 1970; ``22/Nov/2026:03:41:15 +0100``; or a pattern of strptime."""
    unit: Literal["s", "ms", "us"] = "s"
    pattern: str | None = None
    zone: Literal["text", "UTC", "source"] = "text"
    """Of a text without an offset: refused, UTC, or the zone that the job declares."""
    fold_by: Value | None = None
    """A field with the rough epoch seconds, which decides between the two readings of an hour that occurs twice."""
    granularity: Literal["us", "ms", "s", "day"] | None = None
    """How exact the source is, where its text says more than it knows; a coarser text stays as coarse as it is."""

    @model_validator(mode="after")
    def _pattern_goes_with_its_form(self) -> Time:
        if (self.form == "pattern") != (self.pattern is not None):
            raise ValueError("'form: pattern' and 'pattern' go together")
        return self


class Columns(Strict):
    """Columns of an event; those of a stream hold for its events unless they say otherwise."""

    time: Time | None = None
    channel: Rules = ()
    topic: Rules = ()
    resource: Rules = ()
    initiator: Rules = ()
    status: Rules = ()
    device_class: Rules = ()
    browser: Rules = ()
    operating_system: Rules = ()
    direction: Rules = ()
    duration: NumberRules = ()
    value: NumberRules = ()
    required: tuple[Literal["channel", "topic", "resource", "initiator", "status", "direction"], ...] = ()
    """Columns without which a record is rejected."""


class Event(Columns):
    """An event that a record may stand for."""

    activity: Rules
    when: When = Field(default_factory=dict)
    present: Texts = ()
    """Fields that must not be empty for the event to have happened."""


class Survey(Strict):
    """An answer that a record holds."""

    metric: Rules
    value: NumberRules
    scale_min: NumberRules
    scale_max: NumberRules
    direction: Rules = ()
    level: Rules = ()
    sent_at: Time | None = None
    answered_at: Time | None = None
    when: When = Field(default_factory=dict)
    present: Texts = ()
    """Where somebody was asked at all: not in a preview, a test, a question that was not shown."""


class Member(Strict):
    """A field inside a JSON list of keys and values, such as the parameters of an event."""

    list: str
    key: str
    value: Texts
    name: str = "key"
    """Where a member says what it is called."""


class Carry(Strict):
    """A field that one record of a group has and all get, such as the number of a caller."""

    field: str
    by: Texts
    when: When = Field(default_factory=dict)


class Lookup(Strict):
    """Fields that another stream has, found by one or more equal fields."""

    stream: str
    match: dict[str, str]
    """Field here -> field there."""
    take: dict[str, str]
    """Name here -> field there."""


class Collapse(Strict):
    """Records that are one thing, such as the legs of a call: the fields of the first one, but for those named."""

    by: Annotated[tuple[Value, ...], BeforeValidator(listed)]
    """What they have in common: of several values the first that is not empty."""
    first_by: Texts = ()
    """Fields (numbers, or texts that sort as they are) that say which record is first."""
    last_by: Texts = ()
    """Likewise, but the last one counts: the newest version of a record. Takes the place of ``first_by``."""
    prefer: dict[str, Text] = Field(default_factory=dict)
    """Field -> the text it has if any record has it."""
    largest: Texts = ()
    """Fields (numbers) of which the largest counts."""


class Stream(Columns):
    """One kind of record of a system."""

    files: Texts = ("*",)
    """Patterns of the names of its files in a folder."""
    format: Format
    unfold: dict[str, str] = Field(default_factory=dict)
    """Lists inside a JSON record whose members are the records: name -> path, which may begin with a name before it;
    ``name.#`` is the place of a member."""
    fields: tuple[str, ...] | dict[str, str | Member]
    key: Literal["content"] | tuple[str, ...] = "content"
    """Fields that identify a record; ``content``: the whole record, and which of equal ones in its file it is."""
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    carry: dict[str, Carry] = Field(default_factory=dict)
    collapse: Collapse | None = None
    values: dict[str, Rules] = Field(default_factory=dict)
    """Further fields, made of others."""
    order: Texts = ()
    """Fields (numbers) that order records of one time; without them, the order in the file."""
    bots: str | None = None
    """Field with the user agent, by which visits of machines are left out."""
    identifiers: dict[str, IdentifierRules] = Field(default_factory=dict)
    events: tuple[Event, ...] = ()
    survey: Survey | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields that are read from the file."""
        return tuple(self.fields)

    @property
    def known(self) -> tuple[str, ...]:
        """Names that rules may use."""
        taken = [name for lookup in self.lookups.values() for name in lookup.take]
        return (*self.names, *taken, *self.carry, *self.values)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What becomes of its records: events, surveys, or (linking) records; nothing where others look them up."""
        made = (("events", bool(self.events)), ("surveys", self.survey is not None))
        kinds = tuple(kind for kind, is_made in made if is_made)
        return kinds or (("records",) if self.identifiers else ())

    @model_validator(mode="after")
    def _members_are_told_apart(self) -> Stream:
        if self.unfold and self.format.type != "json_lines":
            raise ValueError("'unfold' is for lists inside JSON: 'type: json_lines'")
        if self.unfold and self.key == "content":
            raise ValueError("'unfold' needs a 'key': fields that tell the members of a list apart")
        return self

    @model_validator(mode="after")
    def _kinds_are_known(self) -> Stream:
        for name, rules in self.identifiers.items():
            if kind_of(name, rules) is None:
                raise ValueError(f"identifier '{name}' needs 'kind': its name is none of the kinds")
        return self


def kind_of(name: str, rules: tuple[IdentifierValue, ...]) -> str | None:
    """Return the kind of an identifier: what it says, else its name."""
    from journeymining.ingest.keys import KINDS

    said = next((rule.kind for rule in rules if rule.kind), None)
    return said or (name if name in KINDS else None)


class Sample(Strict):
    """How the sample beside the connector is read; the keys of a job's source."""

    model_config = ConfigDict(extra="allow", frozen=True)

    path: str = "sample"


class Connector(Strict):
    """A connector file."""

    connector: str
    title: str
    streams: dict[str, Stream] = Field(min_length=1)
    sample: Sample = Sample()


def read_connector(path: str | Path) -> Connector:
    """Read and check a connector file.

    Raises
    ------
    SpecError
        With file, line and column: not YAML, an unknown key, a rule that names a field its stream does not have.

    Examples
    --------
    >>> from journeymining.ingest.library import connector_folder
    >>> list(read_connector(connector_folder("salesforce") / "connector.yaml").streams)[:4]
    ['Case', 'CaseHistory', 'Task', 'Contact']
    """
    file = Path(path)
    # A file that cannot be read is said to be so by what reads it.
    return _read(str(path), file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else _check(path)


@lru_cache(maxsize=128)
def _read(path: str, changed: int, size: int) -> Connector:
    """Read a connector file once for as long as it does not change: nothing changes what was read."""
    del changed, size
    return _check(path)


def _check(path: str | Path) -> Connector:
    document = load_yaml(path)
    connector = validate(Connector, document)
    for name, stream in connector.streams.items():
        place = ("streams", name)
        for key_path, field in _references(_at(document.data, place), place):
            if field not in stream.known:
                raise _unknown(document, key_path, field, name, stream.known)
        for lookup_name, lookup in stream.lookups.items():
            _check_lookup(document, connector, (*place, "lookups", lookup_name), lookup)
    return connector


_NAMES_FIELDS = {"field", "present", "bots", "order", "key", "by", "first_by", "last_by", "largest"}
_KEYS_ARE_FIELDS = {"when", "prefer", "match"}


def _references(node: Any, place: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Yield every field that a stream's rules name, with the place of the key that names it."""
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _references(item, (*place, number))
    if not isinstance(node, dict):
        return
    for key, inner in node.items():
        here = (*place, key)
        if key in {"fields", "format", "map", "take", "unfold"}:
            continue
        if key in _NAMES_FIELDS and not isinstance(inner, dict):
            for number, one in enumerate(inner if isinstance(inner, list) else [inner]):
                if isinstance(one, dict):
                    yield from _references(one, (*here, number))
                elif (key, one) != ("key", "content"):
                    yield here, str(one)
        elif key in _KEYS_ARE_FIELDS and isinstance(inner, dict):
            yield from (((*here, field), str(field)) for field in inner)
        else:
            yield from _references(inner, here)


def _at(data: Any, place: tuple[Key, ...]) -> Any:
    for key in place:
        data = data[key]
    return data


def _check_lookup(document: Document, connector: Connector, place: tuple[Key, ...], lookup: Lookup) -> None:
    if lookup.stream not in connector.streams:
        names = ", ".join(connector.streams)
        hint = did_you_mean(lookup.stream, connector.streams)
        raise document.error(f"there is no stream '{lookup.stream}'.{hint} Streams: {names}.", (*place, "stream"))
    there = connector.streams[lookup.stream].names
    for key, fields in (("match", lookup.match), ("take", lookup.take)):
        for field in fields.values():
            if field not in there:
                raise _unknown(document, (*place, key), field, lookup.stream, there)


def _unknown(document: Document, place: tuple[Key, ...], field: str, stream: str, known: tuple[str, ...]) -> SpecError:
    hint = did_you_mean(field, known)
    return document.error(f"stream '{stream}' has no field '{field}'.{hint} Fields: {', '.join(known)}.", place)
