"""The consent ledger: append-only events, the leaves of a Merkle tree, and the current consent derived from them.

`events`, `commitments` and `tree` are the core: values and rules without I/O. `tiles` keeps the tree, `texts` the
wordings and notes; `ledger` appends, `reading` reads, `verification` checks the whole ledger, `suppressions` those of
addresses, `safety` what sending rests on. `checkpoint` signs the tree, `head_file` keeps the newest checkpoint
outside the database, `journal` who left, `outside` holds both. `proof` shows one person's consent, `bundle` proves it
to others. `anchor` takes checkpoints out to a file, with the time stamp of an authority.
"""

from __future__ import annotations

from subscribers.commitments import (
    commit_to_note,
    commit_to_subject,
    commit_to_suppressed,
    commit_to_wording,
    fresh_nonce,
    text_hash,
)
from subscribers.ledger.checkpoint import LedgerSigner, not_signed, signer_of
from subscribers.ledger.consent_lock import HOLD_CONSENTS, hold_consents, wait_for_gates
from subscribers.ledger.events import (
    EVERY_TOPIC,
    BrokenEntry,
    ConsentStatus,
    LedgerEntry,
    NewEvent,
    check_order,
    encode,
    make_entry,
    parse_note,
    rectification_note,
    status_after,
)
from subscribers.ledger.head_file import HeadFile
from subscribers.ledger.health import LedgerHealth, refuse_freezing_if_unsafe, refuse_run_if_unsafe
from subscribers.ledger.journal import JOURNAL_NAME, Journal, read_journal
from subscribers.ledger.ledger import Appended, append, append_unchecked, lock
from subscribers.ledger.outside import OutsideFiles
from subscribers.ledger.proof import Proof, prove
from subscribers.ledger.quick import verify_quickly
from subscribers.ledger.reading import (
    READ_AHEAD,
    Statuses,
    agreed_wording,
    consented_wording,
    entries,
    entries_by_subscriber,
    entry,
    history,
    languages_of_wordings,
    leavings,
    newest_entry_id,
    newest_entry_of,
    read,
    statuses,
    subject_of,
)
from subscribers.ledger.signing import sign_as_it_is
from subscribers.ledger.texts import (
    LANGUAGE_PATTERN,
    LONGEST_LANGUAGE,
    LONGEST_VERSION,
    LONGEST_WORDING,
    erase_notes,
    notes_of,
    store_note,
    store_notes,
    store_wording,
    with_shared_note,
)
from subscribers.ledger.tiles import head, signed_checkpoint
from subscribers.ledger.verification import Verified, verify
from subscribers.ledger.withdrawal import (
    DAMAGE_ERRORS,
    REPEATED_AFTER,
    NewestEntry,
    despite_damage,
    is_to_record,
    latest_moment,
    named_topics,
    newest_entry,
    what_failed,
    withdraw_from_damaged,
)
from subscribers.tables import CONSENT, EVENT, SUBSCRIBER, WORDING

__all__ = [
    "CONSENT",
    "DAMAGE_ERRORS",
    "EVENT",
    "EVERY_TOPIC",
    "HOLD_CONSENTS",
    "JOURNAL_NAME",
    "LANGUAGE_PATTERN",
    "LONGEST_LANGUAGE",
    "LONGEST_VERSION",
    "LONGEST_WORDING",
    "READ_AHEAD",
    "REPEATED_AFTER",
    "SUBSCRIBER",
    "WORDING",
    "Appended",
    "BrokenEntry",
    "ConsentStatus",
    "HeadFile",
    "Journal",
    "LedgerEntry",
    "LedgerHealth",
    "LedgerSigner",
    "NewEvent",
    "NewestEntry",
    "OutsideFiles",
    "Proof",
    "Statuses",
    "Verified",
    "agreed_wording",
    "append",
    "append_unchecked",
    "check_order",
    "commit_to_note",
    "commit_to_subject",
    "commit_to_suppressed",
    "commit_to_wording",
    "consented_wording",
    "despite_damage",
    "encode",
    "entries",
    "entries_by_subscriber",
    "entry",
    "erase_notes",
    "fresh_nonce",
    "head",
    "history",
    "hold_consents",
    "is_to_record",
    "languages_of_wordings",
    "latest_moment",
    "leavings",
    "lock",
    "make_entry",
    "named_topics",
    "newest_entry",
    "newest_entry_id",
    "newest_entry_of",
    "not_signed",
    "notes_of",
    "parse_note",
    "prove",
    "read",
    "read_journal",
    "rectification_note",
    "refuse_freezing_if_unsafe",
    "refuse_run_if_unsafe",
    "sign_as_it_is",
    "signed_checkpoint",
    "signer_of",
    "status_after",
    "statuses",
    "store_note",
    "store_notes",
    "store_wording",
    "subject_of",
    "text_hash",
    "verify",
    "verify_quickly",
    "wait_for_gates",
    "what_failed",
    "with_shared_note",
    "withdraw_from_damaged",
]
