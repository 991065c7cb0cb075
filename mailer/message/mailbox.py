"""A mailbox: a display name and an address (RFC 5322, section 3.4)."""

from __future__ import annotations

import re
from email.utils import getaddresses, parseaddr
from typing import NamedTuple, Self

from mailer.errors import InvalidInput
from mailer.message import headers

_UNQUOTED = re.compile(r'([^"<>]*)<([^<>]*)>')


class Mailbox(NamedTuple):
    """A display name, which may be empty, and an address."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Name <name@example.com>`` or an address; its domain comes out in ASCII (IDNA).

        A name without quotation marks may hold whatever RFC 5322 wants quoted: a comma, a colon, an @.

        Raises InvalidInput for text without an address or with several, and for an address that no header can hold.
        """
        try:
            name, email = _read(text.strip())
        except RecursionError:  # of a thousand brackets
            name = email = ""
        local, _, domain = email.rpartition("@")
        if not local or not domain:
            raise InvalidInput("it has no address", hint='Write it as "Name <name@example.com>".')
        return cls(name, headers.addr_spec(email))

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.email.rpartition("@")[2]

    def __str__(self) -> str:
        """The mailbox as people write it, for display and for settings; headers have their own encoding."""
        return f"{self.name} <{self.email}>" if self.name else self.email


def _read(text: str) -> tuple[str, str]:
    """The name and the address in a text, both empty where there is none. Raises InvalidInput for several addresses."""
    unquoted = _UNQUOTED.fullmatch(text)
    if unquoted is None:
        if len(getaddresses([text])) > 1:
            raise _several()
        return parseaddr(text)
    name, email = " ".join(unquoted[1].split()), parseaddr(f"<{unquoted[2]}>")[1]
    if "," in name and "@" in name:
        raise _several()
    return "" if name.casefold() == email.casefold() else name, email


def _several() -> InvalidInput:
    return InvalidInput("it has more than one address", hint='Write one, as "Name <name@example.com>".')
