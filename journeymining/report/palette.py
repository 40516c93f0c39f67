"""The colours of the report, once for a light and once for a dark screen.

Channels take the colour-blind safe colours of Okabe and Ito and of Paul Tol. Blue means *as designed* and vermilion
means *departs from the design*, on every picture, so no channel has these two; both are also told apart by form
(solid and dashed, a number and a plus). Of two groups that are compared the first is purple and solid, the second
green and dashed: two colours that colour-blind people tell apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Role -> (light, dark).
ROLES = {
    "paper": ("#f6f5f1", "#12151b"),
    "surface": ("#ffffff", "#1a1f28"),
    "raised": ("#faf9f6", "#212733"),
    "ink": ("#1b2230", "#eceff4"),
    "soft": ("#566072", "#a9b3c3"),
    "line": ("#dfdcd3", "#343c4a"),
    "faint": ("#eeece5", "#262d39"),
    "design": ("#1f5fa8", "#7fb4f0"),
    "design-soft": ("#d8e6f6", "#22354f"),
    "departs": ("#c4470b", "#f28a4d"),
    "departs-soft": ("#fbe6da", "#46291b"),
    "good": ("#0b7a5b", "#4cc79f"),
    "good-soft": ("#d9f0e7", "#173b31"),
    "neutral": ("#8a93a3", "#7f8a9c"),
    "first": ("#7a3d9a", "#c79be0"),
    "first-soft": ("#eadcf2", "#3d2a49"),
    "second": ("#1b7a3d", "#6cc48a"),
    "second-soft": ("#d8eedf", "#1d3a28"),
}

CHANNELS = (
    ("#3e8fc0", "#62b2e4"),  # sky
    ("#8a3a6b", "#d083b4"),  # wine
    ("#c98a00", "#eab33c"),  # amber
    ("#00886a", "#3fc4a0"),  # green
    ("#b9639a", "#e49fca"),  # pink
    ("#85662f", "#c6a266"),  # brown
    ("#808026", "#c3c35c"),  # olive
    ("#5a55a8", "#a5a0ee"),  # violet
    ("#2c8c94", "#66c5cd"),  # teal
    ("#7a808c", "#a2a9b5"),  # grey: no channel, or more channels than colours
)

GREY = len(CHANNELS) - 1

# So that a channel has one colour in every report.
KNOWN_CHANNELS = {
    "web": 0, "app": 1, "email": 2, "phone": 3, "chat": 4, "store": 5, "parcel": 6, "post": 6, "social": 7, "sms": 8,
}  # fmt: skip


def channel_colours(channels: Iterable[str]) -> dict[str, str]:
    """Give every channel a colour as a CSS value; the empty channel is grey, and so is what colours run out for.

    Examples
    --------
    >>> channel_colours(["web", "phone", ""])
    {'web': 'var(--channel-0)', 'phone': 'var(--channel-3)', '': 'var(--channel-9)'}
    """
    names = list(dict.fromkeys(channels))
    places = {name: KNOWN_CHANNELS[name] for name in names if name in KNOWN_CHANNELS} | {"": GREY}
    spare = iter([place for place in range(GREY) if place not in places.values()])
    for name in names:
        if name not in places:
            places[name] = next(spare, GREY)
    return {name: f"var(--channel-{places[name]})" for name in names}


def colour_variables(scope: str = ":root") -> str:
    """Return the colours as CSS variables, the dark ones for who prefers a dark screen."""
    light = "".join(f"--{role}:{colours[0]};" for role, colours in ROLES.items())
    light += "".join(f"--channel-{place}:{colours[0]};" for place, colours in enumerate(CHANNELS))
    dark = "".join(f"--{role}:{colours[1]};" for role, colours in ROLES.items())
    dark += "".join(f"--channel-{place}:{colours[1]};" for place, colours in enumerate(CHANNELS))
    return f"{scope}{{{light}}}@media (prefers-color-scheme:dark){{{scope}{{{dark}}}}}"
