"""The destination of a webhook: an HTTPS URL whose host name leads to public addresses only.

An operator gives the URL, but the owner of the domain decides its address. Without a check it could lead to
services in the internal network (server-side request forgery).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias
from urllib.parse import urlsplit

from mailer.errors import InvalidInput, MailerError
from mailer.host_addresses import look_up

LONGEST_URL = 2000

# All that IANA has allocated of IPv6's global unicast addresses. Python also calls site-local ones global, for example.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
# RFC 6890, section 2.1. Of the few global ones in it none is a web server; what Python says depends on its version.
_PROTOCOL_ASSIGNMENTS = IPv4Network("192.0.0.0/24")

Address: TypeAlias = IPv4Address | IPv6Address


class Unreachable(MailerError):
    """The name does not resolve, or leads to an address that must not be called."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The exceptions in the settings: internal addresses, and HTTP without TLS."""

    allow_private: bool = False
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL in parts. `path` is everything after the host, as it is sent."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """The Host header's value."""
        named = f"[{self.host}]" if ":" in self.host else self.host
        standard = 443 if self.scheme == "https" else 80
        return named if self.port == standard else f"{named}:{self.port}"


def parse_destination(url: str, reach: Reach) -> Destination:
    """The parts of a webhook's URL. Raises InvalidInput."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidInput("it is not a URL: it has a space, a letter outside ASCII, or is too long")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput("it is not a URL") from None
    if parts.scheme not in ({"https", "http"} if reach.allow_http else {"https"}):
        raise InvalidInput("it must begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidInput("it must name a host, and have no user, password or fragment")
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    destination = Destination(
        parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), path
    )
    literal = _literal(destination.host)
    if literal is not None and not is_allowed(literal, reach):
        raise InvalidInput("its address is not a public one", hint="[webhooks] allow_private allows it.")
    return destination


def is_allowed(address: Address, reach: Reach) -> bool:
    """Whether an address may be called: one that `ipaddress` calls global, also where IPv4 is written as IPv6."""
    if reach.allow_private:
        return True
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None and not is_allowed(inner, reach):
            return False
        # 64:ff9b::/96 (RFC 6052) leads to the IPv4 address in its last four bytes.
        if address.packed[:12] == b"\x00\x64\xff\x9b" + bytes(8):
            return is_allowed(IPv4Address(address.packed[12:]), reach)
        if address.ipv4_mapped is not None:
            return True
        return address in _GLOBAL_UNICAST and address.is_global
    return address.is_global and not address.is_multicast and address not in _PROTOCOL_ASSIGNMENTS


async def resolve(destination: Destination, reach: Reach) -> Address:
    """The address to connect to, looked up once.

    Raises Unreachable, also where one of several is not allowed, and NoProcess where it can't be looked up now.
    """
    try:
        found = await look_up(destination.host, destination.port)
    except (OSError, UnicodeError):
        raise Unreachable("The name does not resolve.") from None
    addresses = [ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    if not addresses or not all(is_allowed(address, reach) for address in addresses):
        raise Unreachable("The name leads to an address that is not public.")
    return addresses[0]


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None
