"""How the report speaks: sentences in a language, and numbers as its readers write them.

English is the source text, in the templates and in the code; another language is one gettext catalogue. Only complete
languages are offered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from gettext import NullTranslations
from math import isfinite

from journeymining.exceptions import UsageError, did_you_mean

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Language:
    """Sentences and numbers of one language.

    Examples
    --------
    >>> english = read_language("en")
    >>> english.count(1234567), english.percent(0.1234), english.interval(0.1, 0.25)
    ('1,234,567', '12.3%', '[10.0, 25.0]')
    """

    code: str
    thousands: str
    decimal: str
    translations: NullTranslations = field(default_factory=NullTranslations)

    def say(self, sentence: str, **values: object) -> str:
        """Translate a sentence and fill in its values."""
        text = self.translations.gettext(sentence)
        return text.format(**values) if values else text

    def many(self, number: float | None, singular: str, plural: str) -> str:
        """Write a number of things; both forms hold ``{n}``.

        Examples
        --------
        >>> read_language("en").many(1, "{n} journey", "{n} journeys")
        '1 journey'
        """
        whole = int(number) if number is not None and isfinite(number) else 0
        return self.translations.ngettext(singular, plural, whole).format(n=self.count(number))

    def count(self, value: float | None) -> str:
        """Write a whole number with thousands apart; a dash for none."""
        return self.decimals(value, 0)

    def decimals(self, value: float | None, digits: int = 1, *, signed: bool = False) -> str:
        """Write a number with a fixed number of decimals; a dash for none."""
        if value is None or not isfinite(value):
            return "–"
        rounded = round(float(value), digits) + 0.0
        text = f"{rounded:+,.{digits}f}" if signed and rounded else f"{rounded:,.{digits}f}"
        swapped = {",": self.thousands, ".": self.decimal, "-": "−"}
        return "".join(swapped.get(character, character) for character in text)

    def percent(self, share: float | None, *, digits: int = 1) -> str:
        """Write a share from 0 to 1 as a percentage."""
        # A few of many are not none, and all but a few are not all.
        if share is not None and 0 < share < 0.5 / 10 ** (digits + 2):
            return f"<{self.decimals(10.0**-digits, digits)}%"
        if share is not None and 0 < 1 - share < 0.5 / 10 ** (digits + 2):
            return f">{self.decimals(100 - 10.0**-digits, digits)}%"
        text = self.decimals(None if share is None else share * 100, digits)
        return text if text == "–" else f"{text}%"

    def points(self, difference: float | None, *, digits: int = 1) -> str:
        """Write a difference of two shares in percentage points, with its sign."""
        return self.decimals(None if difference is None else difference * 100, digits, signed=True)

    def interval(
        self, low: float | None, high: float | None, *, scale: float = 100, digits: int = 1, signed: bool = False
    ) -> str:
        """Write an interval in brackets, in the unit of the number it belongs to; empty when there is none."""
        if low is None or high is None or not (isfinite(low) and isfinite(high)):
            return ""
        ends = (self.decimals(value * scale, digits, signed=signed) for value in (low, high))
        return f"[{', '.join(ends)}]"

    def duration(self, seconds: float | None) -> str:
        """Write a duration in the unit in which a person would say it."""
        if seconds is None or not isfinite(seconds):
            return "–"
        for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "min")):
            if abs(seconds) >= unit:
                return f"{self.decimals(seconds / unit)} {self.say(name)}"
        return f"{self.decimals(seconds, 0)} {self.say('s')}"

    def day(self, time: datetime | None) -> str:
        """Write a day, in UTC."""
        if time is None:
            return "–"
        utc = time.astimezone(UTC) if time.tzinfo else time
        return f"{utc.day} {self.say(MONTHS[utc.month - 1])} {utc.year}"


LANGUAGES = {"en": Language("en", thousands=",", decimal=".")}


def read_language(code: str) -> Language:
    """Return a language by its code.

    Raises
    ------
    UsageError
        If the report does not speak it.
    """
    if code not in LANGUAGES:
        raise UsageError(
            f"The report does not speak '{code}'.{did_you_mean(code, LANGUAGES)} Allowed: {', '.join(LANGUAGES)}."
        )
    return LANGUAGES[code]
