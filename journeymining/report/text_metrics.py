"""How wide a text will be, so that labels in a picture never overlap."""

from __future__ import annotations

import unicodedata

# Advance widths of ASCII 32 to 126 in hundredths of the font size. DejaVu Sans is the widest of the fonts a browser
# takes for `system-ui`, so that what fits in it fits in all of them.
REGULAR = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69,
    61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63,
    59, 82, 59, 59, 52, 64, 34, 64, 84,
)  # fmt: skip
ABBREVIATIONS = {"nps", "csat", "ces", "crm", "sms", "ivr", "faq", "id"}
BOLD_IS_WIDER = 1.12


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in pixels, rather too wide than too narrow.

    Examples
    --------
    >>> text_width("web", 10)
    20.7
    """
    hundredths = sum(_width(character) for character in text)
    return round(hundredths * size / 100 * (BOLD_IS_WIDER if bold else 1.0), 2)


def wrap(text: str, width: float, size: float, *, bold: bool = False, most_lines: int = 2) -> list[str]:
    """Break a text into lines that fit a width; what does not fit the last line ends in an ellipsis.

    Examples
    --------
    >>> wrap("Modem delivered to the neighbours", 90, 12)
    ['Modem', 'delivered to…']
    """
    lines: list[str] = []
    rest = text.split()
    while rest:
        if len(lines) == most_lines - 1:
            lines.append(shorten(" ".join(rest), width, size, bold=bold))
            break
        line = [rest.pop(0)]
        while rest and text_width(" ".join([*line, rest[0]]), size, bold=bold) <= width:
            line.append(rest.pop(0))
        first = " ".join(line)
        fitting = shorten(first, width, size, bold=bold)
        lines.append(fitting)
    return lines or [""]


def shorten(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Cut a text to a width, with an ellipsis where something was cut."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def readable(name: str) -> str:
    """Write a technical name as a person reads it: no underscores, the first letter large.

    Examples
    --------
    >>> readable("modem_delivered")
    'Modem delivered'
    """
    words = [word.upper() if word in ABBREVIATIONS else word for word in name.replace("_", " ").split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def _width(character: str) -> int:
    place = ord(character) - 32
    if 0 <= place < len(REGULAR):
        return REGULAR[place]
    if unicodedata.combining(character):
        return 0
    return 105 if unicodedata.east_asian_width(character) in "WF" else 80
