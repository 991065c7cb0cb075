"""A message as it is offered to a relay: pieces of bytes, most of which all mails of a campaign share.

The kernel is given the pieces as they are: joining them first would copy each mail twice more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from mailer.message.signature import UnsignedField

_DOT = re.compile(rb"\n\.")


class Content(NamedTuple):
    """A complete message: 7-bit, in lines that end with CRLF.

    `size` is in octets. `dotted`: a line may begin with a dot, so DATA has to look for one. `unsigned` are the
    DKIM-Signature fields that are still to come; until `signed` it is not complete.
    """

    pieces: Sequence[bytes]
    size: int
    dotted: bool = False
    unsigned: Sequence[UnsignedField] = ()

    def signed(self, signatures: Iterable[bytes]) -> Self:
        """The message with these signatures, one for each unsigned field."""
        fields = [field.signed(signature) for field, signature in zip(self.unsigned, signatures, strict=True)]
        return type(self)([*fields, *self.pieces], self.size + sum(map(len, fields)), self.dotted)

    @classmethod
    def of(cls, message: bytes) -> Self:
        """A message from bytes. Raises ValueError where they are not 7-bit or do not end with CRLF."""
        if not (message.isascii() and message.endswith(b"\r\n")):
            raise ValueError("a message is 7-bit and ends with CRLF")
        return cls((message,), len(message), dotted=True)

    def __bytes__(self) -> bytes:
        """The message in one piece."""
        return b"".join(self.pieces)

    def stuffed(self) -> Sequence[bytes]:
        """What DATA sends, but for the final dot: each dot that opens a line is doubled (RFC 5321 section 4.5.2)."""
        if not self.dotted:
            return self.pieces
        message = bytes(self)
        if _DOT.search(message):  # twice as fast as `in` for a message without one
            message = message.replace(b"\n.", b"\n..")
        return (b"." + message if message.startswith(b".") else message,)
