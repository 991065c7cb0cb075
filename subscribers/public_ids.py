"""Opaque ids of subscribers and changes, for other systems.

An id is an encrypted number: AES-128 (FIPS 197) of one block with eight zero bytes and the number. The key is
derived from the installation's id, so an id of another installation, or an altered one, is recognised as
invalid. An id never changes. It hides the number of people; it is not a secret.
"""

from __future__ import annotations

import re
from hashlib import sha256
from threading import Lock

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mailer.errors import InvalidInput

_PURPOSE = b"release-mailer public id 1\0"
SUBSCRIBER_PATTERN = "^sub_[0-9a-f]{32}$"
CHANGE_PATTERN = "^chg_[0-9a-f]{32}$"
_ID = re.compile(r"(sub|chg)_([0-9a-f]{32})")


class PublicIds:
    """The ids of one installation; `installation` is `mailer.database.installation_id`. Threads may share it."""

    def __init__(self, installation: str) -> None:
        self._ciphers = {kind: _cipher(installation, kind) for kind in ("sub", "chg")}
        # In ECB mode no block depends on another, so one encryptor serves all ids: it takes 20 µs to make one.
        self._encryptors = {kind: cipher.encryptor() for kind, cipher in self._ciphers.items()}
        self._lock = Lock()

    def of_subscriber(self, number: int) -> str:
        """The id of a subscriber."""
        return self._write("sub", number)

    def of_change(self, number: int) -> str:
        """The id of a change, which is also the cursor after it. The id of 0 is the cursor before the first
        change.
        """
        return self._write("chg", number)

    def read_subscriber(self, public_id: str) -> int:
        """The subscriber's number. Raises InvalidInput."""
        return self._read("sub", public_id)

    def read_change(self, public_id: str) -> int:
        """The change's number. Raises InvalidInput."""
        return self._read("chg", public_id)

    def _write(self, kind: str, number: int) -> str:
        with self._lock:
            block = self._encryptors[kind].update(number.to_bytes(16))
        return f"{kind}_{block.hex()}"

    def _read(self, kind: str, public_id: str) -> int:
        found = _ID.fullmatch(public_id)
        if found is not None and found[1] == kind:
            number = int.from_bytes(self._ciphers[kind].decryptor().update(bytes.fromhex(found[2])))
            if number < 1 << 63:
                return number
        raise InvalidInput("it is not an id of this installation")


def _cipher(installation: str, kind: str) -> Cipher[modes.ECB]:
    key = sha256(_PURPOSE + f"{kind}\0{installation}".encode()).digest()[:16]
    return Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - one block; no two numbers are alike
