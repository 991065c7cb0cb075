"""Which peers forward the requests of other people: the proxies in `trusted_proxies`."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


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
