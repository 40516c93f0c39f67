"""How much of an IP address is kept: the network it is in, never the address. A function that SQL may call."""

from __future__ import annotations

import ipaddress
import re

_WITH_PORT = re.compile(r"\[([^\]]*:[^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5}")


def ip_network(text: str) -> str | None:
    """Return the network of an IP address: the first 24 bits of IPv4, the first 48 of IPv6; None for any other text.

    Of a list, as proxies write it (``X-Forwarded-For``), the first address counts, which is the client's. A port and
    brackets go. An address of IPv4 that stands in one of IPv6 (``::ffff:``, and ``2002:``, whose 48 bits would be the
    whole of it) is one of IPv4.

    Examples
    --------
    >>> ip_network("198.51.100.77")
    '198.51.100.0/24'
    >>> ip_network("[2001:db8:85a3::8a2e:370:7334]:443, 10.0.0.1")
    '2001:db8:85a3::/48'
    >>> ip_network("unknown") is None
    True
    """
    first = text.partition(",")[0].strip()
    if found := _WITH_PORT.fullmatch(first):
        first = found[1] or found[2]
    try:
        address = ipaddress.ip_address(first)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None:
            return str(ipaddress.IPv6Network((int(address), 48), strict=False))
        address = inner
    return str(ipaddress.IPv4Network((int(address), 24), strict=False))
