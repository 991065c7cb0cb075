"""A mailbox: a display name and an address (RFC 5322, section 3.4)."""

from __future__ import annotations

from email.utils import parseaddr
from typing import NamedTuple, Self

from mailer.errors import InvalidInput
from mailer.message import headers


class Mailbox(NamedTuple):
    """A display name, which may be empty, and an address."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Name <name@example.com>`` or an address; its domain comes out in ASCII (IDNA).

        Raises InvalidInput for text without an address, and for an address that no header can hold.
        """
        try:
            name, email = parseaddr(text)
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
