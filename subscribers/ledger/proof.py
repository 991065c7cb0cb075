"""Prove one person's consent from the ledger (GDPR art. 7(1))."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from mailer.errors import NotFound
from subscribers.commitments import commit_to_wording, text_hash
from subscribers.kinds import ConsentKind
from subscribers.ledger.events import (
    BrokenEntry,
    ConsentStatus,
    LedgerEntry,
    check_entry,
    status_after,
)
from subscribers.ledger.reading import history
from subscribers.ledger.texts import notes_of
from subscribers.tables import WORDING


class ShownWording(NamedTuple):
    """The text that a person was shown, with its SHA-256 (hex) and its names."""

    text: str
    sha256: str
    language: str
    version: str
    topic: str


class Proof(NamedTuple):
    """That a person consented: the entry, the verbatim text, the note (None: erased), and their status now."""

    grant: LedgerEntry
    wording: ShownWording
    note: str | None
    status: ConsentStatus


def prove(connection: Connection, subscriber_id: int, topic: str) -> Proof:
    """When, how and to what text a person last consented on `topic`.

    Raises NotFound where they never did, BrokenEntry where that entry was tampered with.
    """
    status, grant = None, None
    for line in history(connection, subscriber_id):
        if line.event.topic != topic:
            continue
        status = status_after(status, line.event, line.id)
        if status and status.event_id == line.id and status.state is ConsentKind.GRANTED:
            grant = line
    if grant is None or status is None:
        raise NotFound(
            f"There is no consent on topic {topic!r} from this person.",
            hint="`mailer consent history EMAIL` shows what there is.",
        )
    check_entry(grant)
    wording = wording_of(connection, grant)
    return Proof(grant, wording, notes_of(connection, [grant]).get(grant.event.note or ""), status)


def wording_of(connection: Connection, grant: LedgerEntry) -> ShownWording:
    """The wording that a grant names. Raises BrokenEntry where it is gone or was altered."""
    row = connection.execute(select(WORDING).where(WORDING.c.commitment == grant.event.wording)).first()
    if row is None or not is_wording_intact(row):
        raise BrokenEntry(grant.id, "its wording was altered")
    return ShownWording(row.text, row.sha256, row.language, row.version, row.topic)


def is_wording_intact(row: Row[Any]) -> bool:
    """Whether a wording's row is what its commitment binds."""
    try:
        names = {"language": row.language, "topic": row.topic, "version": row.version}
        return bool(
            row.sha256 == text_hash(row.text) and row.commitment == commit_to_wording(row.sha256, **names)
        )
    except (AttributeError, TypeError, ValueError):  # SQLite keeps bytes in a text column
        return False
