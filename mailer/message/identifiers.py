"""Identifiers in a mail's header and envelope: Message-ID, VERP return path, Feedback-ID."""

from __future__ import annotations

import re

from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash
from mailer.message import headers

_FEEDBACK_PART = re.compile(r"[A-Za-z0-9._-]+")


class MessageIds:
    """The Message-IDs of a campaign: the same on a retry, and telling nothing about the recipient.

    Each is an HMAC over the campaign's and the delivery's number, so that outsiders can't count deliveries either.
    """

    __slots__ = ("_end", "_hash")

    def __init__(self, key: bytes, campaign_id: int, domain: str) -> None:
        self._hash = KeyedHash(key, b"message-id\0%d\0" % campaign_id)
        self._end = f"@{headers.ascii_domain(domain)}>"

    def of(self, delivery_id: int) -> str:
        """The Message-ID of one delivery."""
        return f"<{self._hash.digest(b'%d' % delivery_id)[:20].hex()}{self._end}"


def feedback_id(campaign: str, topic: str, mail_type: str, sender_id: str) -> str:
    """Gmail's Feedback-ID, ``campaign:topic:mailtype:senderid``; Gmail wants 5 to 15 characters in the last.

    Raises InvalidInput for a part that has anything but ASCII letters, digits, dots, dashes, underscores.
    """
    parts = (campaign, topic, mail_type, sender_id)
    for part in parts:
        if not _FEEDBACK_PART.fullmatch(part):
            raise InvalidInput(
                f"{part!r} can't be part of a Feedback-ID",
                hint="Use ASCII letters, digits, dots, dashes and underscores.",
            )
    return ":".join(parts)


class ReturnPaths:
    """Senders in `mailbox` that name the delivery which bounced (VERP), signed: they are ours."""

    def __init__(self, key: bytes, mailbox: str) -> None:
        self._hash = KeyedHash(key, b"return path\0")
        self._local, _, domain = mailbox.rpartition("@")
        self._domain = headers.ascii_domain(domain)

    def of(self, delivery_id: int) -> str:
        """The return path of one delivery."""
        signature = self._hash.digest(b"%d" % delivery_id)[:8].hex()
        return f"{self._local}+{delivery_id}.{signature}@{self._domain}"
