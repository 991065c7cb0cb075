"""Sign-up with confirmed opt-in, for people without an account.

A request is stored, and a mail asks the owner of the address to confirm it. Nothing here looks at who is on file or
suppressed, so an answer can't tell: that is decided when the mail is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from mailer.config import TopicSettings
from mailer.config.trusted_proxies import forwarded_addresses, is_trusted_proxy
from mailer.errors import InvalidInput
from subscribers import ledger, pending_requests, service_mails
from subscribers.address import EmailAddress, normalise
from subscribers.pending_requests import AttemptLimit, RequestedPerson, RequestKind, count_attempt
from subscribers.people import Names, parse_name
from subscribers.topic import Topic, title_of, wording_of
from templates.language import Locale
from templates.service_mail import ServiceMailKind
from templates.sign_up_form import SignUpForm

if TYPE_CHECKING:
    from templates.page import Pages

HONEYPOT = "website"
"""A field that people do not see. What fills it in is a program."""

_HOUR = timedelta(hours=1)
PER_ADDRESS = AttemptLimit("sign-up, address", 3, timedelta(days=1))
PER_NETWORK = AttemptLimit("sign-up, network", 30, _HOUR)
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignUp:
    """A filled-in form. `is_automatic`: a program filled it in."""

    names: Names
    address: EmailAddress
    is_automatic: bool


def parse_sign_up(fields: Mapping[str, str]) -> SignUp:
    """The fields of the form. Raises InvalidInput, with the name of the field as `where`."""
    names = {}
    for field in Names._fields:
        try:
            names[field] = parse_name(fields.get(field, ""))
        except InvalidInput as error:
            raise InvalidInput(error.reason, where=field) from None
    try:
        address = normalise(fields.get("email", "").strip())
    except InvalidInput as error:
        raise InvalidInput(error.reason, where="email") from None
    return SignUp(Names(**names), address, bool(fields.get(HONEYPOT, "")))


def request_sign_up(
    connection: Connection,
    sign_up: SignUp,
    topic: Topic,
    wording: str,
    locale: Locale,
    *,
    network: str,
    most_an_hour: int,
    key: bytes,
    now: datetime,
) -> bool:
    """Store a request and its mail; returns whether one is sent. Needs a writing transaction.

    None beyond the limits per network, of all (`most_an_hour`) and per address, which are counted by hashes under
    `key`. What is refused is not counted further: it uses up nobody else's limit. `wording` is the text that the
    form shows.
    """
    if not count_attempt(connection, PER_NETWORK, network, key, now) or sign_up.is_automatic:
        return False
    if not count_attempt(connection, AttemptLimit("sign-up, all", most_an_hour, _HOUR), "", key, now):
        return False
    if not count_attempt(connection, PER_ADDRESS, sign_up.address.key, key, now):
        return False
    number = pending_requests.add(
        connection,
        RequestKind.SIGN_UP,
        locale,
        now,
        topic=topic,
        stated=RequestedPerson(sign_up.names, sign_up.address.spelling),
        wording=ledger.store_wording(connection, wording, now, topic=topic, language=locale),
    )
    service_mails.enqueue(connection, ServiceMailKind.SIGN_UP, number, now)
    return True


def sign_up_form(topics: Mapping[str, TopicSettings], topic: str, locale: Locale, pages: Pages) -> SignUpForm:
    """What the form shows of a topic: its title, and the text of the settings or else of the language file."""
    title = title_of(topics, topic, locale)
    return SignUpForm(title, wording_of(topics, topic, locale) or pages.topic_wording(locale, title))


def network_of(peer: str, forwarded_for: Sequence[str], trusted: Collection[str]) -> str:
    """The network of a visitor: the first 24 bits of an IPv4 address, or 48 of an IPv6 address.

    `forwarded_for` are the values of X-Forwarded-For. They count only where the peer is one of the `trusted`
    proxies (a Unix socket, whose peer has no address, is); of their addresses the last one that is no proxy.
    """
    candidates = forwarded_addresses(forwarded_for)
    networks = [ip_network(one) for one in trusted]
    address = peer
    while candidates and is_trusted_proxy(address, networks):
        address = candidates.pop()
    try:
        found = ip_address(address)
    except ValueError:
        return _UNKNOWN
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return str(ip_network(f"{found}/{24 if found.version == 4 else 48}", strict=False))
