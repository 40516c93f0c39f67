"""The customers and how each system knows them: names, addresses, numbers and devices, all of them made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from journeymining.simulation.company import Habits

FIRST_NAMES = (
    *("Anna", "Bert", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida"),
    *("Jonas", "Klara", "Leo", "Mia", "Noah", "Olga", "Paul", "Rosa", "Simon"),
    *("Tilda", "Urs", "Vera", "Wim", "Xenia", "Yusuf", "Zoe"),
)
LAST_NAMES = (
    *("Ahorn", "Birke", "Dorn", "Eiche", "Fichte", "Ginster", "Hasel", "Iris", "Jasmin"),
    *("Kiefer", "Linde", "Mohn", "Nelke", "Olive", "Pappel", "Quitte", "Rose", "Schlehe"),
    *("Tanne", "Ulme", "Veilchen", "Weide", "Ysop", "Zeder"),
)

# Ranges that the Bundesnetzagentur keeps free for films. A number with up to three digits more still ends there:
# the exchange stops at the shorter one, so none of the five million numbers can ring at anybody's home.
FILM_RANGES = ("3023125", "4066969", "6990009", "2214710", "8999998")
_AREA_DIGITS = {"3023125": 2, "4066969": 2, "6990009": 2, "2214710": 3, "8999998": 2}


@dataclass(frozen=True, slots=True)
class People:
    """The customers of one chunk, one entry per customer."""

    first: int
    given: list[str]
    family: list[str]
    email: list[str]
    account: list[str]
    contact: list[str]
    phone: list[str]  # digits of the national number, without the leading zero
    household: NDArray[np.bool_]  # shares the telephone number with another customer
    cookie: list[str]
    earlier_cookie: list[str]  # another one where cookies were cleared between the first visits and the order
    second_cookie: list[str]  # empty: one device only
    phone_app: list[str]
    second_phone_app: list[str]  # empty: one telephone only

    @property
    def size(self) -> int:
        """Return how many customers there are."""
        return len(self.email)

    def names(self) -> list[str]:
        """Return the name that the truth gives each customer: c0, c1, ..."""
        return [f"c{self.first + i}" for i in range(self.size)]

    def identifiers(self) -> Iterator[tuple[str, str, str]]:
        """Yield each identifier in clear text: kind, value, customer."""
        kinds = {
            "account": self.account,
            "contact": self.contact,
            "email": self.email,
            "phone": [f"+49{number}" for number in self.phone],
            "cookie": self.cookie,
            "device": self.phone_app,
        }
        more = {"cookie": (self.earlier_cookie, self.second_cookie), "device": (self.second_phone_app,)}
        for i, name in enumerate(self.names()):
            for kind, values in kinds.items():
                yield kind, values[i], name
                for others in more.get(kind, ()):
                    if others[i] and others[i] != values[i]:
                        yield kind, others[i], name


def people(first: int, size: int, habits: Habits, rng: Generator) -> People:
    """Make up the customers ``first`` to ``first + size - 1``."""
    index = range(first, first + size)
    given = [FIRST_NAMES[i] for i in rng.integers(len(FIRST_NAMES), size=size).tolist()]
    family = [LAST_NAMES[i] for i in rng.integers(len(LAST_NAMES), size=size).tolist()]
    household = np.repeat(rng.random((size + 1) // 2) < habits.in_household, 2)[:size]
    if size % 2:
        household[-1] = False
    cookies = hex_ids(size, rng)
    spare = hex_ids(size, rng)
    cleared = (rng.random(size) < habits.clears_cookies).tolist()
    second = hex_ids(size, rng)
    two_devices = (rng.random(size) < habits.two_devices).tolist()
    second_phone = hex_ids(size, rng)
    two_phones = (rng.random(size) < habits.two_phones).tolist()
    return People(
        first=first,
        given=given,
        family=family,
        email=[
            f"{a}.{b}.{i}@example.{'org' if i % 3 == 0 else 'com'}".lower()
            for a, b, i in zip(given, family, index, strict=True)
        ],
        account=[salesforce_id("001", i) for i in index],
        contact=[salesforce_id("003", i) for i in index],
        phone=[film_number(i - i % 2 if shared else i) for i, shared in zip(index, household.tolist(), strict=True)],
        household=household,
        cookie=cookies,
        earlier_cookie=[new if gone else old for new, old, gone in zip(spare, cookies, cleared, strict=True)],
        second_cookie=[c if yes else "" for c, yes in zip(second, two_devices, strict=True)],
        phone_app=hex_ids(size, rng),
        second_phone_app=[c if yes else "" for c, yes in zip(second_phone, two_phones, strict=True)],
    )


def hex_ids(size: int, rng: Generator) -> list[str]:
    """Make up ids of 32 hexadecimal digits."""
    digits = rng.bytes(16 * size).hex()
    return [digits[at : at + 32] for at in range(0, 32 * size, 32)]


def salesforce_id(prefix: str, number: int) -> str:
    """Return a Salesforce id of 18 characters: three say the object, the last three which letters are capital.

    Examples
    --------
    >>> salesforce_id("003", 42)
    '0031G0000000042QAA'
    """
    # Each of the last three says which of five characters are capital; here only G, and the T of a task, can be.
    return f"{prefix}1G{number:010d}{'UAA' if prefix == '00T' else 'QAA'}"


def film_number(index: int) -> str:
    """Return the national telephone number of a customer, without the leading zero.

    The first 4 995 customers get the film numbers themselves, later ones the same with one to three digits more
    (999 of the first range is the company's own).

    Examples
    --------
    >>> film_number(0), film_number(1), film_number(4996)
    ('3023125000', '4066969000', '4066969000001')
    """
    more, place = divmod(index, 5 * 999)
    line, area = divmod(place, 5)
    return f"{FILM_RANGES[area]}{line:03d}{f'{more:03d}' if more else ''}"


def spell(national: str, style: int) -> str:
    """Write a number as one of the spellings that people and exchanges use.

    Examples
    --------
    >>> [spell("3023125000", style) for style in range(5)]
    ['+493023125000', '03023125000', '00493023125000', '030 23125000', '+49 30 23125000']
    """
    cut = _AREA_DIGITS[national[:7]]
    match style:
        case 0:
            return f"+49{national}"
        case 1:
            return f"0{national}"
        case 2:
            return f"0049{national}"
        case 3:
            return f"0{national[:cut]} {national[cut:]}"
        case _:
            return f"+49 {national[:cut]} {national[cut:]}"
