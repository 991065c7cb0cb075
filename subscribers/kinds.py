"""The kinds of ledger events, their channels, and the reasons of suppressions."""

from __future__ import annotations

from enum import StrEnum


class ConsentKind(StrEnum):
    """The kinds of ledger events."""

    REQUESTED = "requested"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    RECTIFIED = "rectified"
    ERASED = "erased"
    SUPPRESSED = "suppressed"
    LIFTED = "lifted"


AGREED = frozenset({ConsentKind.GRANTED, ConsentKind.REQUESTED})
"""The states in which a person has agreed, or has asked to: a withdrawal ends them."""


class Channel(StrEnum):
    """The channel of an event."""

    IMPORT = "import"
    SYNC = "sync"
    API = "api"
    PAGE = "page"
    ONE_CLICK = "one_click"
    SIGN_UP = "sign_up"
    COMMAND = "command"
    RETENTION = "retention"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    REPLAY = "replay"  # of the leavers' journal, after a backup was restored


class SuppressionReason(StrEnum):
    """The reason of a suppression."""

    ERASED = "erased"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OBJECTED = "objected"
    WITHDRAWN = "withdrawn"  # by the link in a mail to an earlier address
    OPTED_OUT = "opted_out"  # recorded by an operator
