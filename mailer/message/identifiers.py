"""Identifiers in a mail's header and envelope: Message-ID, VERP return path, Feedback-ID.

Message-IDs and return paths are signed with the newest secret key and name it, so that reports about mails that were
sent before a rotation still match, as long as the key is in the settings.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Final

from mailer.errors import InvalidInput
from mailer.keyed_hash import KeyedHash, key_id
from mailer.message import headers

_FEEDBACK_PART = re.compile(r"[A-Za-z0-9._-]+")
_LOCAL_PART_LIMIT: Final = 64  # octets, RFC 5321, section 4.5.3.1.1
_MESSAGE_ID_BYTES: Final = 16  # of the HMAC; with more, the field would not fit on a line
_MESSAGE_ID_KEY_LENGTH: Final = 8  # digits of the key id
_VERP_KEY_ID_LENGTH: Final = 4  # two keys with the same short id are both tried
_VERP_SIGNATURE_LENGTH: Final = 16
_VERP_DIGITS: Final = 12  # of a delivery's number


class MessageIds:
    """The Message-IDs of a campaign. They say nothing about the recipient.

    Each is an HMAC over the numbers of the campaign and the delivery, so that outsiders can't count deliveries. It is
    the same on a retry, unless the keys were rotated in between. `keys` are listed oldest to newest.
    """

    __slots__ = ("_end", "_hashes", "_newest")

    def __init__(self, keys: Sequence[bytes], campaign_id: int, domain: str) -> None:
        purpose = b"message-id\0%d\0" % campaign_id
        self._hashes = {_short(key): KeyedHash(key, purpose) for key in keys}
        self._newest = _short(keys[-1])
        self._end = f"@{headers.ascii_domain(domain)}>"

    def of(self, delivery_id: int) -> str:
        """The Message-ID of one delivery: ``<HMAC.key id@domain>``."""
        return self._made_with(self._newest, delivery_id)

    def is_of(self, message_id: str, delivery_id: int) -> bool:
        """Whether `message_id` was given to this delivery, whichever of the keys was the newest then."""
        name = message_id.partition("@")[0].rpartition(".")[2]
        if name not in self._hashes:
            return False
        return hmac.compare_digest(self._made_with(name, delivery_id).encode(), message_id.encode())

    def _made_with(self, name: str, delivery_id: int) -> str:
        signature = self._hashes[name].digest(b"%d" % delivery_id)[:_MESSAGE_ID_BYTES]
        return f"<{signature.hex()}.{name}{self._end}"


def _short(key: bytes) -> str:
    return key_id(key)[:_MESSAGE_ID_KEY_LENGTH]


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
    """Return paths in `mailbox` that name the delivery that bounced (VERP), signed to show that they are ours.

    ``local+delivery.key id.signature@domain``, in lower case only, because some servers fold case. `keys` are listed
    oldest to newest: the newest signs, each verifies. Raises InvalidInput where the local part leaves no room.
    """

    def __init__(self, keys: Sequence[bytes], mailbox: str) -> None:
        self._hashes = [
            (key_id(key)[:_VERP_KEY_ID_LENGTH], KeyedHash(key, b"return path\0")) for key in reversed(keys)
        ]
        self._local, _, domain = mailbox.rpartition("@")
        self._domain = headers.ascii_domain(domain)
        longest = _LOCAL_PART_LIMIT - _VERP_DIGITS - _VERP_KEY_ID_LENGTH - _VERP_SIGNATURE_LENGTH - len("+..")
        if len(self._local) > longest:
            raise InvalidInput(
                f"return_path has more than {longest} characters before the @",
                hint="The number of the delivery and a signature are added to it; choose a shorter name.",
            )
        prefix, suffix = re.escape(self._local), re.escape(self._domain)
        self._pattern = re.compile(
            rf"{prefix}\+([1-9][0-9]{{0,18}})\.([0-9a-f]+)\.([0-9a-f]+)@{suffix}", re.ASCII | re.IGNORECASE
        )

    def of(self, delivery_id: int) -> str:
        """The return path of one delivery."""
        name, keyed = self._hashes[0]
        return f"{self._local}+{delivery_id}.{name}.{_signature(keyed, delivery_id)}@{self._domain}"

    def delivery_of(self, address: str) -> int | None:
        """The number of the delivery that a return path names; None for an address that is not one of ours."""
        found = self._pattern.fullmatch(address)
        if found is None:
            return None
        delivery_id, given = int(found[1]), found[3].lower().encode()
        for name, keyed in self._hashes:
            if name == found[2].lower() and hmac.compare_digest(
                _signature(keyed, delivery_id).encode(), given
            ):
                return delivery_id
        return None


def _signature(keyed: KeyedHash, delivery_id: int) -> str:
    return keyed.digest(b"%d" % delivery_id).hex()[:_VERP_SIGNATURE_LENGTH]
