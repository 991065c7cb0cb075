"""Signed tokens: short texts that only this installation could have written.

A token is ``base64url(payload) "." base64url(signature)``. The payload is the id of the key that signed
(8 bytes) and a text. The signature is the first half of an HMAC-SHA256 (RFC 2104, section 5) over the purpose,
the installation and the payload, so a token of one purpose is none of another. The holder can read the text.
"""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from mailer.config import KeyRing, KeySource
from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash, key_id

_KEY_ID_BYTES = 8
_SIGNATURE_BYTES = 16
_MAX_TOKEN_LENGTH = 400


class UnknownToken(InvalidInput):
    """This installation did not make the token for this purpose: it is altered, incomplete or of another key."""


class SignedTokens:
    """Makes and reads the tokens of one purpose. The newest of `keys` signs; all verify.

    `installation` is `mailer.database.installation_id`.
    """

    def __init__(self, keys: KeySource, purpose: bytes, installation: str) -> None:
        self._source = keys
        self._purpose = purpose + b"\0" + installation.encode() + b"\0"

    def make(self, text: str) -> str:
        """The token of `text`."""
        key = self._source.current().keys[-1]
        payload = bytes.fromhex(key_id(key)) + text.encode()
        return f"{_base64(payload)}.{_base64(self._sign(key, payload))}"

    def read(self, token: str) -> str:
        """The text of `token`. Raises UnknownToken."""
        encoded, dot, _ = token.partition(".")
        if len(token) > _MAX_TOKEN_LENGTH or not token.isascii() or not dot:
            raise _unknown()
        try:
            payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except (binascii.Error, ValueError):
            raise _unknown() from None
        key = self._key(payload[:_KEY_ID_BYTES].hex())
        expected = f"{_base64(payload)}.{_base64(self._sign(key, payload))}"
        if not hmac.compare_digest(expected, token):
            raise _unknown()
        return payload[_KEY_ID_BYTES:].decode()

    def _key(self, name: str) -> bytes:
        for ring in (self._source.current(), self._source.current(look_now=True)):
            if (found := _find(ring, name)) is not None:
                return found
        raise _unknown()

    def _sign(self, key: bytes, payload: bytes) -> bytes:
        return KeyedHash(key, self._purpose).digest(payload)[:_SIGNATURE_BYTES]


def _find(ring: KeyRing, name: str) -> bytes | None:
    return next((key for key in ring.verifying if key_id(key) == name), None)


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unknown() -> UnknownToken:
    return UnknownToken("This is not a link of ours.")
