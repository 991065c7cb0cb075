"""HMAC-SHA256 (RFC 2104) for many short messages under one key.

`hmac.digest` prepares the key for each message and releases the interpreter's lock. With other busy threads, waiting
for the lock takes much longer than the digest. Copying two prepared hashes avoids both, and takes two thirds of the
time of copying an `hmac.HMAC`.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

_BLOCK = 64  # octets of a block of SHA-256
_INNER, _OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_KEY_ID_PURPOSE = b"release-mailer key id 2\0"
_CREATED = re.compile(rb"(\d{8}T\d{6}Z)-")


class KeyedHash:
    """An HMAC with a prepared key and prefix `purpose`. Threads may share it."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes, purpose: bytes = b"") -> None:
        block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER) + purpose)
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def digest(self, message: bytes) -> bytes:
        """The HMAC of `purpose` followed by `message`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def key_id(key: bytes) -> str:
    """A short name for a secret key: 8 hexadecimal digits of its hash, then 8 of its creation time.

    It does not reveal the key. The time is in seconds since 1970. It is read from the start of the key
    (``20261128T091500Z-...``), and is 0 where the key has none.
    """
    return f"{hashlib.sha256(_KEY_ID_PURPOSE + key).hexdigest()[:8]}{_created_at(key):08x}"


def created_at(key_id: str) -> int:
    """The creation time of the key with this id, in seconds since 1970; 0 where it is unknown."""
    return int(key_id[8:16], 16)


def _created_at(key: bytes) -> int:
    found = _CREATED.match(key)
    if found is None:
        return 0
    try:
        moment = datetime.fromisoformat(found[1].decode())
    except ValueError:
        return 0
    return min(max(int(moment.timestamp()), 0), 2**32 - 1)
