"""Which peers forward the requests of other people: the proxies in `trusted_proxies`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

# Some proxies write a port after the address, and IPv6 in brackets then.
_WITH_PORT = re.compile(r"([0-9.]+):[0-9]+|\[([^\]]+)\](?::[0-9]+)?")


def forwarded_addresses(values: Iterable[str]) -> list[str]:
    """The addresses that the values of X-Forwarded-For name, without ports; the nearest last."""
    named = (one.strip() for one in ",".join(values).split(","))
    return [found[1] or found[2] if (found := _WITH_PORT.fullmatch(one)) else one for one in named if one]


def is_trusted_proxy(address: str, trusted: Iterable[Network]) -> bool:
    """Whether a peer's address is in one of the `trusted` networks. A Unix socket, without an address, always is.

    A socket for IPv4 and IPv6 names IPv4 peers as IPv4-mapped addresses (RFC 4291 section 2.5.5.2).
    """
    if not address:
        return True
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in trusted)
