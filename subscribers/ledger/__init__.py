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
    check_chain,
    check_entry,
    link,
    parse_source,
    rectification,
    status_after,
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
    Statuses,
    append,
    entries,
    entries_by_subscriber,
    history,
    lock,
    read,
    statuses,
    store_wording,
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
    "Statuses",
    "Verified",
    "append",
    "check_chain",
    "check_entry",
    "entries",
    "entries_by_subscriber",
    "history",
    "link",
    "lock",
    "parse_source",
    "prove",
    "read",
    "rectification",
    "status_after",
    "statuses",
    "store_wording",
    "verify",
]
