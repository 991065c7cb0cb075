"""The DKIM-Signature fields of messages (RFC 6376), relaxed/relaxed, without the keys.

A `SignatureTemplate` holds what the signatures over all messages of one campaign have in common: the fixed fields are
canonicalised and digested once, so that a message costs one digest for each key. The body must be its own relaxed
canonical form, as `mailer.message.quoted_printable` writes it.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

SIGNED_FIELDS: Final = (
    "From", "Reply-To", "Subject", "MIME-Version", "Content-Type", "List-Id", "List-Archive",
    "List-Unsubscribe-Post", "Feedback-ID", "Date", "To", "Message-ID", "List-Unsubscribe",
)  # fmt: skip
"""What a signature covers where it is present. From is named once more than it occurs, so that no second
one can be added (RFC 6376, section 8.15)."""

_FOLD = 72


class KeyName(NamedTuple):
    """What a signature says about its key."""

    domain: str
    selector: str
    algorithm: str


class UnsignedField(NamedTuple):
    """A DKIM-Signature field but for the signature over `digest`."""

    digest: bytes
    start: bytes

    def signed(self, signature: bytes) -> bytes:
        """The field, complete."""
        text = binascii.b2a_base64(signature, newline=False)
        folded = b"\r\n ".join([text[i : i + _FOLD] for i in range(0, len(text), _FOLD)])
        return b"%b%b\r\n" % (self.start, folded)


class SignatureTemplate:
    """The signatures of a campaign by each of `keys`. What does not change between its messages is digested once.

    `fixed` are the field lines that all messages share, `personal` the names of the fields that follow
    with each message, `opening` the bytes with which every body begins.
    """

    __slots__ = ("_fields", "_opening", "_starts")

    def __init__(
        self, keys: Sequence[KeyName], *, fixed: Iterable[bytes], personal: Sequence[str], opening: bytes
    ) -> None:
        lines = {_name(line): line for line in fixed}
        signed = [name for name in SIGNED_FIELDS if name in lines]
        self._fields = hashlib.sha256(b"".join(canonical(lines[name]) for name in signed))
        self._opening = hashlib.sha256(opening)
        folded = [_start(key, ["From", *signed, *personal]) for key in keys]
        self._starts = [(start, canonical(start).removesuffix(b"\r\n")) for start in folded]

    def fields(self, personal: Iterable[bytes], rest: bytes, at: int) -> tuple[UnsignedField, ...]:
        """The fields, one a key, for the message with these lines and this rest of a body.

        `personal` are the lines named at the start, in that order; `at` is the time in seconds since 1970.
        """
        body = self._opening.copy()
        body.update(rest)
        body_hash = binascii.b2a_base64(body.digest(), newline=False)
        fields = self._fields.copy()
        fields.update(b"".join(map(canonical, personal)))
        return tuple([self._field(fields.copy(), *start, body_hash, at) for start in self._starts])

    @staticmethod
    def _field(
        fields: hashlib._Hash, folded: bytes, in_canonical_form: bytes, body_hash: bytes, at: int
    ) -> UnsignedField:
        fields.update(b"%b%d; bh=%b; b=" % (in_canonical_form, at, body_hash))
        return UnsignedField(fields.digest(), b"%b%d;\r\n bh=%b;\r\n b=" % (folded, at, body_hash))


def _start(key: KeyName, covered: Sequence[str]) -> bytes:
    """The field up to the time."""
    groups = (covered[i : i + 5] for i in range(0, len(covered), 5))
    names = ":\r\n  ".join(":".join(group) for group in groups)
    return (
        f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n"
        f" d={key.domain};\r\n s={key.selector};\r\n h={names};\r\n t="
    ).encode()


def canonical(line: bytes) -> bytes:
    """A field in relaxed canonical form (RFC 6376, section 3.4.2); it has no control characters but folds."""
    name, _, value = line.partition(b":")
    return b"%b:%b\r\n" % (name.lower(), b" ".join(value.split()))


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode("ascii")
