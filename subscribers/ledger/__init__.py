"""The consent ledger: append-only, hash-chained events, and the current consent derived from them.

`events` is the core: values and rules without I/O. `ledger` appends and reads, `verify` checks the whole ledger,
`proof` shows one person's consent.
"""

from __future__ import annotations

from subscribers.ledger.events import (
    EVERY_TOPIC,
    GENESIS,
    BrokenLink,
    ConsentStatus,
    LedgerEntry,
    NewEvent,
    check_content,
    checked,
    link,
    rectified,
    source_of,
    standing_after,
    topic_of,
)
from subscribers.ledger.ledger import (
    CONSENT,
    EVENT,
    LONGEST_LANGUAGE,
    LONGEST_VERSION,
    LONGEST_WORDING,
    READ_AHEAD,
    SUBSCRIBER,
    WORDING,
    Standings,
    append,
    history,
    keep_wording,
    lines,
    lines_by_person,
    lock,
    read,
    standings,
)
from subscribers.ledger.proof import Proof, prove
from subscribers.ledger.verification import Verified, verify

__all__ = [
    "CONSENT",
    "EVENT",
    "EVERY_TOPIC",
    "GENESIS",
    "LONGEST_LANGUAGE",
    "LONGEST_VERSION",
    "LONGEST_WORDING",
    "READ_AHEAD",
    "SUBSCRIBER",
    "WORDING",
    "BrokenLink",
    "ConsentStatus",
    "LedgerEntry",
    "NewEvent",
    "Proof",
    "Standings",
    "Verified",
    "append",
    "check_content",
    "checked",
    "history",
    "keep_wording",
    "lines",
    "lines_by_person",
    "link",
    "lock",
    "prove",
    "read",
    "rectified",
    "source_of",
    "standing_after",
    "standings",
    "topic_of",
    "verify",
]
