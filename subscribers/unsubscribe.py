"""The way out: signed links, and what a click on one does.

A link's token is ``base64url("<subscriber id>.<locale>.<topic>") "." signature``, in the form of itsdangerous. It
holds no personal data and does not expire. Whoever has it may withdraw, and undo that; nothing else.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeAlias, assert_never

from itsdangerous import Signer
from itsdangerous.encoding import base64_decode
from sqlalchemy import Connection, select

from mailer.columns import table
from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash
from subscribers import ledger
from subscribers.consent import NewEvent, Standing, standing_after
from subscribers.models import ConsentKind, Subscriber, Suppression
from templates.language import Locale, locale_of

_PURPOSE = b"release-mailer unsubscribe link 1"
_LONGEST = 640  # a topic of 100 four-byte characters still fits
_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")


class InvalidToken(InvalidInput):
    """The token is not one that we made: altered, cut short, or signed with a key that is not ours (any more)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a link is about: a person's number, a topic, and the language that the mail was in."""

    subscriber_id: int
    topic: str
    locale: Locale


class Links:
    """Makes and reads unsubscribe links.

    `keys` are listed oldest to newest: the newest signs, each verifies, so that keys can be rotated while old
    mails keep working. `public_url` is where the web door is reached from outside, without a slash at its end.
    """

    def __init__(self, keys: Sequence[bytes], public_url: str) -> None:
        signers = (Signer(key, salt=_PURPOSE, digest_method=hashlib.sha256) for key in reversed(keys))
        self._hashes = [KeyedHash(signer.derive_key()) for signer in signers]
        self._start = f"{public_url}/u/"

    def url(self, subscriber_id: int, topic: str, locale: Locale) -> str:
        """The link for one person's mail; some 2 µs.

        Raises InvalidInput for a topic that no column could hold.
        """
        token = _signed(self._hashes[0], _base64(f"{subscriber_id}.{locale}.{topic}".encode()))
        if len(token) > _LONGEST:
            raise InvalidInput("The topic is too long for a link.", hint="Keep it within 100 characters.")
        return self._start + token.decode()

    def read(self, token: str) -> Target:
        """What `token` is about.

        The token is compared with the only spelling that we would have given it, so the several base64 forms of
        one signature are not several tokens. Raises InvalidToken.
        """
        if len(token) > _LONGEST or not token.isascii():
            raise InvalidToken("This is not an unsubscribe link of ours.")
        given = token.encode()
        payload = given.partition(b".")[0]
        if not any(hmac.compare_digest(_signed(keyed, payload), given) for keyed in self._hashes):
            raise InvalidToken("This is not an unsubscribe link of ours.")
        subscriber_id, locale, topic = base64_decode(payload).decode().split(".", 2)
        return Target(int(subscriber_id), topic, locale_of(locale))


def _signed(keyed: KeyedHash, payload: bytes) -> bytes:
    """What itsdangerous makes of it; but that derives its key again each time."""
    return payload + b"." + _base64(keyed.digest(payload))


def _base64(data: bytes) -> bytes:
    """Base64 in the alphabet for URLs, unpadded."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_ALPHABET, b"=")


class Listing(Enum):
    """Whether somebody is on a list, as far as a link's holder is concerned."""

    ON = auto()
    LEFT = auto()  # withdrew, and may come back
    OFF = auto()  # never was on it, or is not to come back this way: erased, objected, bounced, complained


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Take somebody off a list. `source` says through which door they asked."""

    target: Target
    source: str


@dataclass(frozen=True, slots=True)
class Undo:
    """Put somebody back who withdrew. `wording` is, verbatim, what the page said they agree to."""

    target: Target
    source: str
    wording: str


Request: TypeAlias = Withdrawal | Undo


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a link leads to: an address on file, and whether it is barred (suppressed)."""

    email: str
    barred: bool


@dataclass(frozen=True, slots=True)
class View:
    """What a page has to tell: the listing, and the address (None: nobody is on file)."""

    listing: Listing
    email: str | None


def masked(email: str) -> str:
    """Enough of an address for its owner to know it: ``j…@e….com``."""
    local, _, domain = email.rpartition("@")
    _, dot, top = domain.rpartition(".")
    return f"{local[:1]}…@{domain[:1]}…{dot}{top if dot else ''}"


def listing_of(standing: Standing | None, contact: Contact | None) -> Listing:
    """Where the holder of a link finds themselves."""
    if standing is None or contact is None:
        return Listing.OFF
    match standing.state:
        case ConsentKind.GRANTED | ConsentKind.REQUESTED:
            return Listing.ON
        case ConsentKind.WITHDRAWN if not contact.barred:
            return Listing.LEFT
        case _:
            return Listing.OFF


def event_for(
    request: Request,
    standing: Standing | None,
    contact: Contact | None,
    wording_sha256: str | None,
    now: datetime,
) -> NewEvent | None:
    """What `request` adds to the ledger; None where it is so already, or where it does not apply."""
    target, listing = request.target, listing_of(standing, contact)
    match request:
        case Withdrawal() if listing is Listing.ON:
            kind, occurred_at = ConsentKind.WITHDRAWN, now
        case Undo() if standing is not None and listing is Listing.LEFT:
            # Later than the withdrawal that the page showed, whatever the clocks of two hosts say.
            kind, occurred_at = ConsentKind.GRANTED, max(now, standing.since + timedelta(microseconds=1))
        case Withdrawal() | Undo():
            return None
        case _:
            assert_never(request)
    return NewEvent(target.subscriber_id, target.topic, kind, occurred_at, request.source, wording_sha256)


def settle(connection: Connection, requests: Sequence[Request], now: datetime) -> list[View]:
    """Apply `requests` in their order; returns what each finds afterwards. Needs a writing transaction."""
    ledger.lock(connection)
    ids = {request.target.subscriber_id for request in requests}
    contacts = _contacts(connection, ids)
    standings: dict[tuple[int, str], Standing | None] = {**ledger.standings(connection, ids)}
    events, views = [], []
    for request in requests:
        key = request.target.subscriber_id, request.target.topic
        contact, standing = contacts.get(key[0]), standings.get(key)
        event = event_for(request, standing, contact, _wording_of(connection, request, now), now)
        if event is not None:
            events.append(event)
            standing = standings[key] = standing_after(standing, event, event_id=0)
        views.append(View(listing_of(standing, contact), contact.email if contact else None))
    ledger.append(connection, events, now)
    return views


def look_up(connection: Connection, target: Target) -> View:
    """What the page of `target` has to tell."""
    contact = _contacts(connection, {target.subscriber_id}).get(target.subscriber_id)
    standing = ledger.standings(connection, {target.subscriber_id}).get((target.subscriber_id, target.topic))
    return View(listing_of(standing, contact), contact.email if contact else None)


def _wording_of(connection: Connection, request: Request, now: datetime) -> str | None:
    if isinstance(request, Withdrawal):
        return None
    return ledger.keep_wording(connection, request.wording, now, language=request.target.locale)


def _contacts(connection: Connection, ids: Collection[int]) -> dict[int, Contact]:
    subscriber, suppression = table(Subscriber), table(Suppression)
    barred = suppression.c.address_hash.is_not(None)
    statement = (
        select(subscriber.c.id, subscriber.c.email, barred)
        .outerjoin(suppression, suppression.c.address_hash == subscriber.c.address_hash)
        .where(subscriber.c.id.in_(ids))
    )
    return {number: Contact(email, bool(shut)) for number, email, shut in connection.execute(statement)}
