"""Identifiers: one spelling for all sources, nobody for placeholders, no pseudonym without a key."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from journeymining.exceptions import UsageError
from journeymining.ingest.keys import KINDS, key_from_environment, normalise, normalise_all, pseudonym, pseudonyms

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "030 23125701",
        "+49 30 23125 701",
        "0049 30 23125701",
        "+4930/23125701",
        "(030) 23125-701",
        "tel:+493023125701",
        "sip:+493023125701@pbx.example",
        "\u00a0030 23125701 ",
    ],
)
def test_spellings_of_a_number_are_one(text):
    assert normalise("phone", text, "DE") == "+493023125701"


def test_a_number_belongs_to_the_region_of_its_source():
    assert normalise("phone", "06-12345678", "NL") == "+31612345678"
    assert normalise("phone", "06-12345678", None) is None
    assert normalise("phone", "0031 6 12345678", None) == "+31612345678"


def test_film_numbers_with_more_digits_are_numbers():
    assert normalise("phone", "03023125000001", "DE") == "+493023125000001"


@pytest.mark.parametrize("text", ["6001", "s", "anonymous", "", "-", "0000000000", "restricted", "110", "x" * 30])
def test_what_is_no_number_of_a_person_is_nobody(text):
    assert normalise("phone", text, "DE") is None


@pytest.mark.parametrize("word", ["ANONYMOUS", "BLOCKED", "RESTRICTED", "UNAVAILABLE", "UNKNOWN"])
def test_a_word_on_the_keys_of_a_telephone_is_nobody(word):
    letters = ["ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"]
    keys = {letter: str(key) for key, those in enumerate(letters, start=2) for letter in those}

    assert normalise("phone", "+" + "".join(keys[letter] for letter in word), "DE") is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text", ["", " ", "-", "null", "NULL", "anonymous", "undefined", "0", "-1", "00000000", "(not set)"]
)
def test_placeholders_are_nobody(kind, text):
    assert normalise(kind, text, "DE") is None


def test_emails_are_lower_case_and_keep_their_tag():
    assert normalise("email", " Anna.Ahorn+shop@Example.ORG ") == "anna.ahorn+shop@example.org"
    assert normalise("email", "mailto:anna@example.org") == "anna@example.org"


@pytest.mark.parametrize(
    "text",
    [
        "noreply@example.org",
        "No-Reply@example.org",
        "mailer-daemon@x.de",
        "do-not-reply+7@x.de",
        "anna",
        "a@b",
        "a b@c.de",
    ],
)
def test_machines_and_what_is_no_address_are_nobody(text):
    assert normalise("email", text) is None


def test_ids_keep_their_case_but_for_hexadecimal_cookies():
    assert normalise("contact", " 0031G00000aBcDe ") == "0031G00000aBcDe"
    assert normalise("cookie", "234ED76B7099BEE0") == normalise("cookie", "234ed76b7099bee0")
    assert normalise("device", "00000000-0000-0000-0000-000000000000") is None
    assert normalise("device", "1411214241.1772359190") == "1411214241.1772359190"


def test_an_unknown_kind_is_a_mistake():
    with pytest.raises(ValueError, match="unknown kind"):
        normalise("passport", "1")


@given(st.sampled_from(KINDS), st.text(max_size=30))
def test_normalising_twice_changes_nothing(kind, text):
    once = normalise(kind, text, "DE")

    assert once is None or normalise(kind, once, "DE") == once


def test_a_pseudonym_depends_on_key_kind_and_value_and_is_no_plain_hash():
    mine = pseudonym("email", "anna@example.org", KEY)

    assert mine == pseudonym("email", "anna@example.org", KEY)
    assert (
        len(
            {
                mine,
                pseudonym("email", "anna@example.org", b"fedcba9876543210"),
                pseudonym("login", "anna@example.org", KEY),
            }
        )
        == 3
    )
    assert mine != hashlib.sha256(b"email:anna@example.org").hexdigest()[:32]
    assert len(mine) == 32


def test_the_key_comes_from_the_environment_or_not_at_all(monkeypatch):
    monkeypatch.setenv("JOURNEYMINING_KEY", KEY.decode())
    assert key_from_environment() == KEY

    monkeypatch.setenv("JOURNEYMINING_KEY", "short")
    with pytest.raises(UsageError, match=r"has 5 bytes, at least 16 .*secrets\.token_hex") as caught:
        key_from_environment()
    assert "short" not in str(caught.value)

    monkeypatch.delenv("JOURNEYMINING_KEY")
    with pytest.raises(UsageError, match="is not set"):
        key_from_environment()


ODD = [
    "0",
    "-1",
    "null",
    "noreply",
    "@",
    ".org",
    "mailto:",
    "A",
    "f",
    " ",
    "\x1c",
    "\n",
    "é",
    "\u00a0",
    "\u212a",
    '"',
    "+x",
]


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.lists(st.sampled_from(ODD), max_size=5).map("".join) | st.text(max_size=8), max_size=30))
def test_many_are_spelled_as_each_of_them(kind, texts):
    expected = [normalise(kind, text, "DE") for text in texts]

    assert normalise_all(kind, pa.array(texts, pa.string()), "DE") == expected
    assert pseudonyms(kind, expected, KEY) == [value and pseudonym(kind, value, KEY) for value in expected]
