"""Service mails as values: single mails about a person's own request, such as one that asks for a confirmation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailer.message import InlineImage


class ServiceMailKind(StrEnum):
    """The closed list of service mails; each has its texts in the language files."""

    OWN_DATA = "own_data"  # the link to the person's own data
    NEW_ADDRESS = "new_address"  # to a new address: asks its owner to confirm
    ADDRESS_NOTICE = "address_notice"  # to the address on file: a new one was named
    TOPIC = "topic"  # asks a person on file to confirm that they want a topic
    SIGN_UP = "sign_up"  # asks the owner of an address to confirm a sign-up


@dataclass(frozen=True, slots=True)
class ServiceMailValues:
    """What a service mail shows.

    `url` is the link of the button. `greeting` is empty for an address whose owner is not known: a name that a
    stranger typed must not be mailed (it may be an advertisement). `wording` is the text that confirming agrees
    to. `topic` is a title, and `new_address` masked.
    """

    url: str = ""
    greeting: str = ""
    wording: str = ""
    topic: str = ""
    new_address: str = ""


@dataclass(frozen=True, slots=True)
class RenderedServiceMail:
    """A service mail without its header."""

    subject: str
    html: str
    text: str
    images: tuple[InlineImage, ...]
