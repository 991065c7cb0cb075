"""The bytes of a mail: MIME skeleton, header fields, transfer encoding, identifiers, DKIM signature.

`skeleton` encodes once what all mails of a campaign share and fills in what differs per recipient. `letter`
composes a mail to one person. They are imported by name, and so is all else that reading the settings or signing a
digest does not need: `identifiers`, `headers`, `dkim` and `quoted_printable`.
"""

from __future__ import annotations

from mailer.message.content import Content
from mailer.message.mail_template import InlineImage, MailTemplate, RecipientValues, Slot
from mailer.message.mailbox import Mailbox

__all__ = [
    "Content",
    "InlineImage",
    "MailTemplate",
    "Mailbox",
    "RecipientValues",
    "Slot",
]
