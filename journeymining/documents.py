"""YAML files that people write (jobs, designs, connectors), read with the place of every key."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from journeymining.exceptions import InputError, SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

Key = str | int
Place = tuple[int, int]


@dataclass(frozen=True)
class Document:
    r"""A YAML file: its content as plain Python, and where each key stands.

    Examples
    --------
    >>> document = parse_yaml("sources:\n  crm: {connector: salesforce}\n", path="job.yaml")
    >>> document.data
    {'sources': {'crm': {'connector': 'salesforce'}}}
    >>> document.where(("sources", "crm", "connector"))
    (2, 9)
    """

    path: str
    data: Any
    places: dict[tuple[Key, ...], Place] = field(default_factory=dict, repr=False)

    def where(self, key_path: Sequence[Key]) -> Place:
        """Return line and column (from 1) of a key or list item; of the nearest parent where it does not exist."""
        path = tuple(key_path)
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def error(self, message: str, key_path: Sequence[Key] = ()) -> SpecError:
        """Return (not raise) an error that names file, line and column of a key."""
        line, column = self.where(key_path)
        return SpecError.at(message, path=self.path, line=line, column=column)


def load_yaml(path: str | Path) -> Document:
    """Read a YAML file of at most one document.

    Raises
    ------
    InputError
        If the file does not exist or is not UTF-8.
    SpecError
        If it is not YAML or a key occurs twice, with line and column.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file.")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}). Save the file as UTF-8.") from None
    return parse_yaml(text, path=str(path))


def parse_yaml(text: str, *, path: str) -> Document:
    """Read YAML text; ``path`` is only what errors call it. See `load_yaml`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
        data = None if root is None else YAML(typ="safe", pure=True).constructor.construct_document(root)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = " ".join(str(error.problem or error.context or "not YAML").split())
        raise SpecError.at(f"not valid YAML: {problem}.", path=path, line=line, column=column) from None
    except YAMLError as error:
        raise SpecError.at(f"not valid YAML: {' '.join(str(error).split())[:120]}.", path=path) from None
    places: dict[tuple[Key, ...], Place] = {}
    if root is not None:
        _collect(root, (), places)
    return Document(path=path, data=data, places=places)


def _collect(node: Any, path: tuple[Key, ...], places: dict[tuple[Key, ...], Place]) -> None:
    """Note the place of every key and list item below a node."""
    places.setdefault(path, _place(node))
    if node.id == "mapping":
        for key, value in node.value:
            name = (*path, key.value)
            places[name] = _place(key)
            _collect(value, name, places)
    elif node.id == "sequence":
        for number, item in enumerate(node.value):
            _collect(item, (*path, number), places)


def _place(node: Any) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def validate(model: type[Model], document: Document) -> Model:
    """Check a document against a pydantic model and return the filled model.

    Raises
    ------
    SpecError
        For the first thing wrong, with file, line and column; for an unknown key with the closest allowed one. The
        message ends in how many more there are.

    Examples
    --------
    >>> from pydantic import BaseModel, ConfigDict
    >>> class Job(BaseModel):
    ...     model_config = ConfigDict(extra="forbid")
    ...     timezone: str = "UTC"
    >>> validate(Job, parse_yaml("timezone: Europe/Berlin", path="job.yaml")).timezone
    'Europe/Berlin'
    >>> validate(Job, parse_yaml("time_zone: Europe/Berlin", path="a.yaml"))
    Traceback (most recent call last):
        ...
    journeymining.exceptions.SpecError: a.yaml:1:1: unknown key 'time_zone'. Did you mean 'timezone'? Allowed: timezone.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        # A misspelt key is often the reason why another one is missing: it is named first.
        found = sorted(
            error.errors(include_url=False),
            key=lambda one: (one["type"] != "extra_forbidden", document.where(_known(document, one["loc"]))),
        )
        more = len({_known(document, one["loc"]) for one in found}) - 1
        message = _sentence(model, found[0]) + (f" ({more} more in this file.)" if more else "")
        raise document.error(message, _known(document, found[0]["loc"])) from None


def _known(document: Document, location: Sequence[Key]) -> tuple[Key, ...]:
    """Leave out of a pydantic location what is no key of the document (tags of unions)."""
    path: tuple[Key, ...] = ()
    for part in location:
        if (*path, part) in document.places:
            path = (*path, part)
    return path


def _sentence(model: type[BaseModel], error: Any) -> str:
    """Say in one line what pydantic found."""
    name = str(error["loc"][-1]) if error["loc"] else "the document"
    if error["type"] == "extra_forbidden":
        allowed = sorted(set(_allowed(model, error["loc"][:-1])))
        return f"unknown key '{name}'.{did_you_mean(name, allowed)} Allowed: {', '.join(allowed)}."
    if error["type"] == "missing":
        return f"key '{name}' is missing."
    reason = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    if error["type"] in {"value_error", "assertion_error"}:
        return f"{reason}."
    found = error["input"]
    shown = f", found {found!r:.60}" if isinstance(found, str | int | float | bool) or found is None else ""
    return f"'{name}': {reason[0].lower()}{reason[1:]}{shown}."


def _allowed(model: type[BaseModel], location: Iterable[Key]) -> list[str]:
    """Names of the keys that a model allows at a location."""
    candidates: list[Any] = [model]
    for part in location:
        deeper = [inner for one in candidates for inner in _inside(one, part)]
        candidates = deeper or candidates
    return [name for one in candidates for model_ in _models(one) for name in _keys(model_)]


def _inside(annotation: Any, part: Key) -> list[Any]:
    """Types that a key of a type leads to."""
    if get_origin(annotation) is dict:
        return [get_args(annotation)[1]]
    if get_origin(annotation) in {list, tuple, set} and isinstance(part, int):
        return list(get_args(annotation))
    if _is_model(annotation):
        fields = annotation.model_fields
        return [info.annotation for name, info in fields.items() if part in {name, info.alias}]
    return [inner for one in get_args(annotation) for inner in _inside(one, part)]


def _models(annotation: Any) -> list[Any]:
    if _is_model(annotation):
        return [annotation]
    return [model for one in get_args(annotation) for model in _models(one)]


def _is_model(annotation: Any) -> bool:
    is_class = isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias)
    return is_class and hasattr(annotation, "model_fields")


def _keys(model: Any) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]
