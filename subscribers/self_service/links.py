"""Signed unsubscribe links, and the codes that undo a withdrawal.

A link's token is ``base64url(payload) "." base64url(signature)``. The payload is, one after the other: the id
of the key that signed (8 bytes), the keyed hash of the address that the mail went to (32 bytes) and the id of
its key (8 bytes), then ``<subscriber id>.<locale>.<topic>``. The signature is the first half of an
HMAC-SHA256 (RFC 2104, section 5), which also covers the installation. A token holds no personal data and does
not expire. Its holder may withdraw; nothing else.
"""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mailer.config import KeyRing, KeySource
from mailer.errors import InvalidInput, TryAgainLater
from mailer.keyed_hash import KeyedHash, created_at, key_id
from subscribers.address import HashedAddress
from subscribers.topic import Topic, is_topic
from templates.language import Locale, parse_locale

_LINK_PURPOSE = b"release-mailer unsubscribe link 2\0"
_UNDO_PURPOSE = b"release-mailer undo code 1\0"
_SIGNATURE_BYTES = 16
_KEY_ID_BYTES, _HASH_BYTES = 8, 32
_TEXT_AT = 2 * _KEY_ID_BYTES + _HASH_BYTES
_MAX_TOKEN_LENGTH = 400
# The key id is not signed. An unknown key counts as newer only if its time is plausible.
_CLOCK_ERROR_SECONDS = 24 * 3600
_MAX_NEWER_KEY_AGE_SECONDS = 90 * 24 * 3600
_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")

# The address of a link that belongs to nobody, such as that of a proof.
NO_ADDRESS = HashedAddress("0" * 2 * _HASH_BYTES, "0" * 2 * _KEY_ID_BYTES)


class InvalidToken(InvalidInput):
    """This installation did not make the token: it is altered, incomplete, or signed with an unknown key."""


class NewerKey(TryAgainLater):
    """The token names a key that is newer than all known keys. This host reads the new key soon."""


class Target(NamedTuple):
    """The content of a link: subscriber, hash of the address of the mail, topic, and language of the mail."""

    subscriber_id: int
    address: HashedAddress
    topic: Topic
    locale: Locale

    @property
    def is_nobody(self) -> bool:
        """Whether the link belongs to nobody: it came with a proof, or tests the unsubscribe page."""
        return self.subscriber_id == 0


class _Key(NamedTuple):
    id: bytes
    links: KeyedHash
    undo_codes: KeyedHash


class Links:
    """Makes and reads the unsubscribe links of one installation.

    The newest of `keys` signs; all verify. `installation` is `mailer.database.installation_id`. `public_url`
    is the public URL of the web application, without a slash at its end.
    """

    def __init__(
        self, keys: KeySource, installation: str, public_url: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._source = keys
        self._installation = installation.encode()
        self._start = f"{public_url}/u/"
        self._ring = keys.current()
        self._use(self._ring)

    def url(self, subscriber_id: int, address: HashedAddress, topic: str, locale: Locale) -> str:
        """The link for one person's mail; it takes some 3 µs.

        Raises InvalidInput for a topic that does not follow the grammar.
        """
        ring = self._source.current()
        if ring is not self._ring:
            self._use(ring)
        signing = self._signing
        payload = _base64(
            signing.id
            + binascii.unhexlify(address.hash + address.key_id)
            + b"%d%b" % (subscriber_id, _tail(locale, topic))
        )
        return self._start + _sign(signing.links, payload).decode()

    def read(self, token: str) -> Target:
        """Verify and read a token.

        The token must have the exact spelling that this class writes; other base64 spellings of the signature
        are invalid. Raises InvalidToken, and NewerKey if this host does not have the key yet.
        """
        payload, data, key = self._verify(token)
        if not hmac.compare_digest(_sign(key.links, payload), token.encode()):
            raise _invalid()
        subscriber_id, locale, topic = data[_TEXT_AT:].decode().split(".", 2)
        address = data[_KEY_ID_BYTES:_TEXT_AT].hex()
        hashed = HashedAddress(address[: 2 * _HASH_BYTES], address[2 * _HASH_BYTES :])
        return Target(int(subscriber_id), hashed, Topic(topic), parse_locale(locale))

    def undo_code(self, token: str, entry_id: int) -> str:
        """A code that lets the holder of `token` undo the withdrawal in ledger entry `entry_id`."""
        _, _, key = self._verify(token)
        return f"{entry_id}.{_base64(self._undo_signature(key, token, entry_id)).decode()}"

    def read_undo_code(self, token: str, code: str) -> int:
        """The ledger entry that `code` undoes. Raises InvalidToken."""
        _, _, key = self._verify(token)
        number = code.partition(".")[0]
        if not (number.isascii() and number.isdigit() and len(number) < 20 and len(code) < 60):
            raise _invalid()
        expected = f"{int(number)}.{_base64(self._undo_signature(key, token, int(number))).decode()}"
        if not code.isascii() or not hmac.compare_digest(expected, code):
            raise _invalid()
        return int(number)

    def _verify(self, token: str) -> tuple[bytes, bytes, _Key]:
        """The payload as bytes, and the key that it names. The signature is not checked yet."""
        if len(token) > _MAX_TOKEN_LENGTH or not token.isascii():
            raise _invalid()
        payload, dot, _ = token.encode().partition(b".")
        try:
            data = urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
        except binascii.Error:
            raise _invalid() from None
        if not dot or len(data) <= _TEXT_AT:
            raise _invalid()
        return payload, data, self._key(data[:_KEY_ID_BYTES])

    def _key(self, name: bytes) -> _Key:
        found = self._by_id.get(name)
        if found is None:
            self._use(self._source.current(look_now=True))
            found = self._by_id.get(name)
        if found is None:
            now, made_at = self._clock(), created_at(name.hex())
            is_newer = made_at > max(self._newest, now - _MAX_NEWER_KEY_AGE_SECONDS)
            if is_newer and made_at <= max(now, self._newest) + _CLOCK_ERROR_SECONDS:
                raise NewerKey("The link was signed with a key that has not arrived here yet.")
            raise _invalid()
        return found

    def _use(self, ring: KeyRing) -> None:
        keys = [self._prepared(key) for key in ring.verifying]
        self._by_id = {key.id: key for key in keys}
        self._signing = keys[len(ring.keys) - 1]
        self._newest = max(created_at(key.id.hex()) for key in keys)
        self._ring = ring

    def _prepared(self, key: bytes) -> _Key:
        installation = self._installation + b"\0"
        return _Key(
            bytes.fromhex(key_id(key)),
            KeyedHash(key, _LINK_PURPOSE + installation),
            KeyedHash(key, _UNDO_PURPOSE + installation),
        )

    def _undo_signature(self, key: _Key, token: str, entry_id: int) -> bytes:
        return key.undo_codes.digest(f"{entry_id}.{token}".encode())[:_SIGNATURE_BYTES]


@lru_cache(maxsize=64)
def _tail(locale: Locale, topic: str) -> bytes:
    """What ends the payloads of all mails of a campaign in one language."""
    if not is_topic(topic):
        raise InvalidInput(f"{topic[:100]!r} is not a topic.")
    return f".{locale}.{topic}".encode()


def _invalid() -> InvalidToken:
    return InvalidToken("This is not an unsubscribe link of ours.")


def _sign(keyed: KeyedHash, payload: bytes) -> bytes:
    return payload + b"." + _base64(keyed.digest(payload)[:_SIGNATURE_BYTES])


def _base64(data: bytes) -> bytes:
    """Base64 in the alphabet for URLs, unpadded."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_ALPHABET, b"=")
