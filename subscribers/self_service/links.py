"""Signed unsubscribe links.

A link's token is ``base64url("<subscriber id>.<locale>.<topic>") "." signature``. It holds no personal data and does
not expire. Its holder may withdraw, and undo that; nothing else.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import Signer
from itsdangerous.encoding import base64_decode

from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash
from templates.language import Locale, parse_locale

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
        return Target(int(subscriber_id), topic, parse_locale(locale))


def _signed(keyed: KeyedHash, payload: bytes) -> bytes:
    """What itsdangerous makes of it; but that derives its key again each time."""
    return payload + b"." + _base64(keyed.digest(payload))


def _base64(data: bytes) -> bytes:
    """Base64 in the alphabet for URLs, unpadded."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_ALPHABET, b"=")
