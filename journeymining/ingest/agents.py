"""What a user agent says of who sent it: class of device, browser, operating system. Functions that SQL may call.

The families are those of ua-parser, without versions: a version says little about a journey and much about a person.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import Result

_COMPUTERS = frozenset(
    {"Windows", "Mac OS X", "Linux", "Ubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "Arch Linux", "Linux Mint"}
    | {"SUSE", "openSUSE", "Gentoo", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris"}
)
_TELEVISION = re.compile(r"\bTV\b|SmartTV|SMART-TV|BRAVIA|\bAFT[A-Z]|GoogleTV|Large Screen", re.IGNORECASE)


def device_class(agent: str) -> str | None:
    """Return phone, tablet or computer; None where the agent does not tell, and for televisions, consoles and others.

    Browsers of phones with Android say ``Mobile``, those of tablets do not. An iPad that asks for the pages of
    computers is a Mac by what it says.

    Examples
    --------
    >>> device_class("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/124.0 Mobile Safari/537.36")
    'phone'
    >>> device_class("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    'computer'
    """
    parsed = _parsed(agent)
    system = parsed.os.family if parsed.os else None
    device = parsed.device.family if parsed.device else None
    if _TELEVISION.search(agent):
        return None
    if system == "iOS":
        return {"iPad": "tablet", "iPhone": "phone", "iPod": "phone"}.get(device or "")
    if system == "Windows Phone":
        return "phone"
    if system == "Android" and agent.startswith("Mozilla/"):
        return "phone" if "Mobile" in agent else "tablet"
    return "computer" if system in _COMPUTERS and device in {None, "Mac"} else None


def browser(agent: str) -> str | None:
    """Return the family of a browser or app, such as ``Firefox``.

    Examples
    --------
    >>> browser("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    'Firefox'
    """
    found = _parsed(agent).user_agent
    return found.family if found else None


def operating_system(agent: str) -> str | None:
    """Return the family of an operating system, such as ``Android``.

    Examples
    --------
    >>> operating_system("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    'Linux'
    """
    found = _parsed(agent).os
    return found.family if found else None


@lru_cache(maxsize=1 << 12)  # asked for three times in a row
def _parsed(agent: str) -> Result:
    import ua_parser

    return ua_parser.parse(agent)
