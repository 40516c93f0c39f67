"""Which identifiers join records to a customer, how strong each kind is, and the `identity:` section of a job."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from journeymining.durations import Duration  # noqa: TC001 - pydantic needs it at run time
from journeymining.exceptions import did_you_mean

STRENGTH = {
    "account": "strong",
    "contact": "strong",
    "login": "strong",
    "email": "strong",
    "order": "strong",
    "phone": "weak",
    "device": "weak",
    "cookie": "weak",
}
"""Kinds of identifiers, strongest first: the default order of `keys`. Whatever kind comes first is *unique*."""

DEFAULT_KEYS = tuple(STRENGTH)

DEFAULT_AT_MOST = 5
"""How many customers may share one value before it says nothing about any of them; the limit Segment uses as well."""

DEFAULT_BACK_WINDOW = timedelta(days=90)

WINDOWED = frozenset({"device", "cookie"})
"""Kinds whose use before the first log-in counts only within the back window."""


class IdentityConfig(BaseModel):
    """The `identity:` section of a job: how records of several sources become one customer.

    Examples
    --------
    >>> IdentityConfig(keys=["account", "email", "phone"], at_most={"phone": 3}, back_window="30 days").back_window
    datetime.timedelta(days=30)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[str, ...] = DEFAULT_KEYS
    """Kinds to stitch on, strongest first. The first is unique: two of its values are never one customer."""
    at_most: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Customers that may share one value of a kind; 5 for a kind that is not named."""
    back_window: Duration = DEFAULT_BACK_WINDOW
    """How long before the first log-in an anonymous use of a device or cookie still is the same customer."""
    pseudonymise: bool = True
    """Whether identifiers are replaced by keyed hashes before anything is written."""
    blocked: tuple[str, ...] = ()
    """Hashes of values that stand for nobody (a kiosk, `info@`), as the cardinality report lists them."""
    sensitivity: bool = False
    """Whether a run computes its headline numbers a second time, without the weakest kind of identifier."""

    @field_validator("keys")
    @classmethod
    def _keys_are_kinds(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if not keys:
            raise ValueError("'keys' is empty: name at least one kind of identifier to stitch on")
        if len(set(keys)) < len(keys):
            raise ValueError(f"'keys' names a kind twice: {', '.join(keys)}")
        return tuple(_kind(key) for key in keys)

    @field_validator("at_most")
    @classmethod
    def _limits_are_of_kinds(cls, at_most: dict[str, int]) -> dict[str, int]:
        return {_kind(kind): limit for kind, limit in at_most.items()}


def _kind(name: str) -> str:
    if name not in STRENGTH:
        raise ValueError(
            f"unknown kind of identifier '{name}'.{did_you_mean(name, STRENGTH)} Allowed: {', '.join(STRENGTH)}"
        )
    return name
