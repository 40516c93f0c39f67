"""YAML documents: plain content, places, and errors that name them."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, model_validator

from journeymining.documents import load_yaml, parse_yaml, validate
from journeymining.exceptions import InputError, SpecError


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(Strict):
    connector: str
    limits: dict[str, int] = {}


class Job(Strict):
    name: str = "x"
    sources: dict[str, Source] = {}
    rules: list[Source | None] = []

    @model_validator(mode="after")
    def _named(self) -> Job:
        if self.name == "bad":
            raise ValueError("this name is not allowed")
        return self


def test_data_is_plain_and_places_count_from_one():
    document = parse_yaml("a: 1\nb:\n  - x\n  - {c: no}\n", path="f.yaml")

    assert document.data == {"a": 1, "b": ["x", {"c": "no"}]}
    assert type(document.data) is dict
    assert document.where(("b",)) == (2, 1)
    assert document.where(("b", 1)) == (4, 5)
    assert document.where(("b", 1, "c")) == (4, 6)


def test_place_of_an_unknown_key_is_that_of_its_parent():
    document = parse_yaml("a: 1\nb: {c: 2}\n", path="f.yaml")

    assert document.where(("b", "nothing")) == (2, 1)
    assert document.where(("nothing",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sources:\n  crm: {conector: x}\n",
            "unknown key 'conector'. Did you mean 'connector'? Allowed: connector, limits.",
        ),
        ("sources:\n  crm: {}\n", "f.yaml:2:3: key 'connector' is missing."),
        ("sources:\n  crm: {connector: [1]}\n", "f.yaml:2:9: 'connector': input should be a valid string."),
        ("sources:\n  crm:\n    connector: a\n    limits: {n: many}\n", "f.yaml:4:14: 'n': input should be"),
        ("rules:\n  - {connector: a}\n  - {connector: b, limit: {}}\n", "f.yaml:3:20: unknown key 'limit'."),
        ("name: bad\n", "f.yaml:1:1: this name is not allowed."),
        ("name: [a\n", "f.yaml:"),
        ("name: a\nname: b\n", "f.yaml:2:1: not valid YAML: found duplicate key"),
    ],
)
def test_errors_name_file_line_column_and_what_would_work(text, message):
    with pytest.raises(SpecError) as caught:
        validate(Job, parse_yaml(text, path="f.yaml"))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_errors_are_counted():
    with pytest.raises(SpecError, match=r"1 more in this file"):
        validate(Job, parse_yaml("sources:\n  a: {}\n  b: {}\n", path="f.yaml"))


def test_a_good_document_becomes_the_model():
    job = validate(Job, parse_yaml("sources: {crm: {connector: x, limits: {n: 1}}}", path="f.yaml"))

    assert job.sources["crm"].limits == {"n": 1}


def test_an_empty_document_is_refused_by_a_model():
    with pytest.raises(SpecError, match=r"f\.yaml:1:1"):
        validate(Job, parse_yaml("", path="f.yaml"))


def test_a_missing_file_and_bytes_that_are_no_text_are_input_errors(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\xfe\xfd")

    with pytest.raises(InputError, match="no such file"):
        load_yaml(tmp_path / "nothing.yaml")
    with pytest.raises(InputError, match="not UTF-8"):
        load_yaml(tmp_path / "latin.yaml")
