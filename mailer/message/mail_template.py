"""What a mail is made from: what all mails of a campaign share, and what differs per recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from mailer.message.mailbox import Mailbox

SLOT_MARKER: Final = re.compile(r"__slot_([a-z_]+?)__")


class Slot(StrEnum):
    """What a template leaves open: for each recipient, and for each campaign (`VIEW_URL`)."""

    GREETING = "greeting"
    EMAIL = "email"
    UNSUBSCRIBE_URL = "unsubscribe_url"
    VIEW_URL = "view_url"

    @property
    def marker(self) -> str:
        """What stands in its place in text, HTML text and HTML attributes; letters and underscores only."""
        return f"__slot_{self.value}__"


@dataclass(frozen=True, slots=True)
class InlineImage:
    """An image that the HTML refers to as ``cid:content_id``."""

    content_id: str
    content_type: str
    data: bytes = field(repr=False)


class MailTemplate(NamedTuple):
    """What the mails of one campaign have in common.

    `html` and `text` hold slot markers. `list_id` is ``list.example.org``; `unsubscribe_mailto` is the
    mailbox for unsubscribing by mail, with ``?subject=...`` if wanted; `language` a tag such as ``nl``.
    `view_url` is the address of the page with the same content; it must be the same for all recipients.
    The same `boundary_seed` gives the same bytes. `extra` are further fixed fields (name, value).
    """

    sender: Mailbox
    subject: str
    html: str
    text: str
    list_id: str
    feedback_id: str
    language: str
    boundary_seed: str
    list_name: str = ""
    reply_to: Mailbox | None = None
    unsubscribe_mailto: str | None = None
    view_url: str | None = None
    images: tuple[InlineImage, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()


class RecipientValues(NamedTuple):
    """What differs per recipient. `date` is aware; `message_id` comes from `MessageIds`."""

    to: Mailbox
    message_id: str
    date: datetime
    unsubscribe_url: str
    greeting: str
