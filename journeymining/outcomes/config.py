"""What an outcome is: the section of the job file, with nothing left to a default that changes the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from journeymining.durations import parse_duration, write_duration
from journeymining.exceptions import UsageError

WANTED = frozenset({"repurchase", "renewal", "retention", "referral", "upsell"})
"""Outcomes that are good news by their name, where nothing else says whether they are."""

TERMINAL = frozenset({"churn"})
"""Outcomes that happen to a customer once: whoever had it before the landmark is not at risk any more."""

WHOLE = "journey"
"""The window of paths that reach back to where their journey begins."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _as_window(value: object) -> object:
    return value if value == WHOLE else _as_duration(value)


Names = Annotated[list[str], BeforeValidator(_as_list)]
Duration = Annotated[timedelta, BeforeValidator(_as_duration)]
Window = Annotated[timedelta | Literal["journey"], BeforeValidator(_as_window)]

STATED = {"landmark": "journey_end", "window": WHOLE, "gap": "0 days", "horizon": "180 days"}
"""What every question has to say, with an example of each: there is no right default of any of them."""


@dataclass(frozen=True)
class Landmark:
    """The moment from which the outcome is awaited; nothing later may tell the model anything."""

    kind: Literal["journey_end", "event", "date"]
    event: int = 0
    date: datetime | None = None

    @classmethod
    def parse(cls, text: str) -> Landmark:
        """Read ``journey_end``, ``event 3`` (the third event) or a date.

        Examples
        --------
        >>> Landmark.parse("event 3").event
        3
        """
        words = text.strip().replace(":", " ", 1).split() if text.startswith("event") else [text.strip()]
        if words == ["journey_end"]:
            return cls("journey_end")
        if len(words) == 2 and words[1].isascii() and words[1].isdigit() and int(words[1]) > 0:
            return cls("event", event=int(words[1]))
        try:
            date = datetime.fromisoformat(text.strip())
        except ValueError:
            raise UsageError(
                f"Not a landmark: {text!r}. Write journey_end, 'event 3' (the third event) or a date: 2026-03-01."
            ) from None
        return cls("date", date=date if date.tzinfo else date.replace(tzinfo=UTC))

    def __str__(self) -> str:
        if self.kind == "journey_end":
            return "the end of the journey"
        if self.kind == "event":
            return f"event {self.event} of the journey"
        return f"{self.date:%Y-%m-%d %H:%M} UTC" if self.date else ""


class OutcomeConfig(BaseModel):
    """One outcome of the job file.

    Its source is one of ``event`` (activities of the log), ``table`` (a type of the table of outcomes), ``survey`` (a
    metric of the surveys) or ``silence`` (no event of the customer any more). Landmark, window, gap and horizon must
    be stated; a survey has no gap, since a path ends anyway where the question was sent.
    """

    model_config = ConfigDict(extra="forbid")

    event: Names = Field(default_factory=list)
    table: str | None = None
    survey: str | None = None
    silence: bool = False
    promoters: float | None = None
    detractors: float | None = None
    at_least: float | None = None
    landmark: str
    window: Window
    gap: Duration = timedelta(0)
    horizon: Duration
    mask: Names = Field(default_factory=list)
    allow_proxies: Names = Field(default_factory=list)
    scope: Names = Field(default_factory=list)
    once: bool | None = None
    wanted: bool | None = None
    explain: bool = False

    @model_validator(mode="before")
    @classmethod
    def _stated(cls, given: Any) -> Any:
        # A key that is misspelt is named as such, not as missing.
        if isinstance(given, Mapping) and set(given) <= set(cls.model_fields):
            needed = [name for name in STATED if name != "gap" or given.get("survey") is None]
            missing = [name for name in needed if given.get(name) is None]
            if missing:
                example = ", ".join(f"{name}: {STATED[name]}" for name in missing)
                raise ValueError(
                    f"{_listed(missing)} must be stated: there is no right default (for instance {example})"
                )
        return given

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sources = [
            name
            for name, given in (
                ("event", bool(self.event)),
                ("table", self.table is not None),
                ("survey", self.survey is not None),
                ("silence", self.silence),
            )
            if given
        ]
        if len(sources) != 1:
            found = " and ".join(sources) or "none"
            raise ValueError(f"an outcome has one source: event, table, survey or silence; found {found}")
        if self.survey is not None:
            if (self.promoters is None) == (self.detractors is None):
                raise ValueError("a survey needs either promoters (least mark that counts) or detractors (highest)")
            if "gap" in self.model_fields_set:
                raise ValueError("a survey has no gap: what happened once it was sent is left out of the path anyway")
        elif self.promoters is not None or self.detractors is not None:
            raise ValueError("promoters and detractors belong to a survey")
        if self.horizon <= timedelta(0):
            raise ValueError("horizon must be longer than nothing")
        if isinstance(self.window, timedelta) and self.window <= timedelta(0):
            raise ValueError("window must be longer than nothing, or 'journey' for the whole journey")
        Landmark.parse(self.landmark)
        return self

    def section(self) -> dict[str, Any]:
        """Return what was stated, as it may stand in a job file again.

        Examples
        --------
        >>> stated = {"landmark": "journey_end", "window": "journey", "gap": "0 days", "horizon": "180 days"}
        >>> OutcomeConfig(event="cancel", **stated).section()
        {'event': ['cancel'], 'landmark': 'journey_end', 'window': 'journey', 'gap': '0 days', 'horizon': '180 days'}
        """
        stated = self.model_dump(exclude_unset=True)
        return {name: write_duration(one) if isinstance(one, timedelta) else one for name, one in stated.items()}

    def happens_once(self, name: str) -> bool:
        """Return whether the outcome ends the risk of having it again; said by ``once``, else true for churn."""
        return self.once if self.once is not None else name in TERMINAL

    def is_wanted(self, name: str) -> bool:
        """Return whether the outcome is good news: said by ``wanted``, else by the kind of the outcome.

        Promoters and values of a sum or more are wanted, detractors and silence are not; anything else is wanted if
        it is called repurchase, renewal, retention, referral or upsell.

        Examples
        --------
        >>> stated = {"landmark": "journey_end", "window": "journey", "horizon": "30 days"}
        >>> OutcomeConfig(survey="nps", promoters=9, **stated).is_wanted("nps")
        True
        >>> OutcomeConfig(event="order", wanted=True, gap="0 days", **stated).is_wanted("again")
        True
        """
        if self.wanted is not None:
            return self.wanted
        if self.promoters is not None or self.at_least is not None:
            return True
        return not self.silence and self.detractors is None and name in WANTED

    def definition(self, name: str) -> str:
        """Return the outcome as one sentence that can be checked."""
        reach = self.window if isinstance(self.window, timedelta) else None
        features = "the whole journey" if reach is None else f"the last {write_duration(reach)}"
        landmark, within = Landmark.parse(self.landmark), f"within {write_duration(self.horizon)}"
        if self.survey is not None:
            mark = f"{self.promoters:g} or more" if self.promoters is not None else f"{self.detractors:g} or less"
            return (
                f"{name} = {mark} on the survey '{self.survey}', asked {within} after {landmark}; paths hold "
                f"{features} up to that landmark or the question; journeys without an answer are left out."
            )
        what = "no event of the customer" if self.silence else " or ".join(self.event) or f"'{self.table}'"
        if self.at_least is not None:
            what += f" of at least {self.at_least:g} in all"
        counted = f"after a gap of {write_duration(self.gap)}" if self.gap else "without a gap"
        return (
            f"{name} = {what} {within} after {landmark}, counted {counted}; paths hold {features} up to that landmark; "
            "journeys not observed that long are left out, never counted as 'no'."
        )
