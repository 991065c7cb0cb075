"""HMAC-SHA256 (RFC 2104) for many short messages under one key.

`hmac.digest` sets up the key for each message, and releases the interpreter's lock meanwhile: the caller then waits
for other busy threads much longer than a digest takes. A copy of a prepared HMAC does neither.
"""

from __future__ import annotations

import hashlib
import hmac

_KEY_ID_PURPOSE = b"release-mailer key id 1\0"


class KeyedHash:
    """The HMACs of all messages that begin with `purpose`. Threads may share it."""

    __slots__ = ("_prepared",)

    def __init__(self, key: bytes, purpose: bytes = b"") -> None:
        self._prepared = hmac.new(key, purpose, "sha256")

    def digest(self, message: bytes) -> bytes:
        """The HMAC of `purpose` followed by `message`."""
        hashed = self._prepared.copy()
        hashed.update(message)
        return hashed.digest()


def key_id(key: bytes) -> str:
    """A short name for a secret key that does not reveal it: 12 hexadecimal digits."""
    return hashlib.sha256(_KEY_ID_PURPOSE + key).hexdigest()[:12]
