"""The bytes of a mail: MIME skeleton, header fields, transfer encoding, identifiers, DKIM signature.

`skeleton` encodes once what all mails of a campaign share and fills in what differs per recipient. `letter`
composes a mail to one person. It is imported by name, and so are `headers`, `dkim` and `quoted_printable`, whose
functions are called by module name.
"""

from __future__ import annotations

from mailer.message.content import Content
from mailer.message.identifiers import MessageIds, ReturnPaths, feedback_id
from mailer.message.mail_template import InlineImage, MailTemplate, RecipientValues, Slot
from mailer.message.mailbox import Mailbox
from mailer.message.skeleton import Skeleton, compile_skeleton

__all__ = [
    "Content",
    "InlineImage",
    "MailTemplate",
    "Mailbox",
    "MessageIds",
    "RecipientValues",
    "ReturnPaths",
    "Skeleton",
    "Slot",
    "compile_skeleton",
    "feedback_id",
]
