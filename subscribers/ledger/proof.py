"""Prove one person's consent from the ledger (GDPR art. 7(1))."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from mailer.errors import NotFound
from subscribers.ledger.events import (
    BrokenLink,
    ConsentStatus,
    LedgerEntry,
    check_entry,
    status_after,
)
from subscribers.ledger.ledger import (
    WORDING,
    history,
    wording_hash,
)
from subscribers.models import ConsentKind


@dataclass(frozen=True, slots=True)
class Proof:
    """That a person consented: the ledger's line, the verbatim text, and where the person stands now."""

    grant: LedgerEntry
    wording: str
    status: ConsentStatus


def prove(connection: Connection, subscriber_id: int, topic: str) -> Proof:
    """When, how and to what text a person last consented on `topic`.

    Raises NotFound where they never did, BrokenLink where that line was tampered with.
    """
    status, grant = None, None
    for line in history(connection, subscriber_id):
        if line.event.topic != topic:
            continue
        status = status_after(status, line.event, line.id)
        if status and status.event_id == line.id and status.state is ConsentKind.GRANTED:
            grant = line
    if grant is None or status is None:
        raise NotFound(f"There is no consent on topic {topic!r} from this person.")
    check_entry(grant)
    name = grant.event.wording_sha256
    shown = select(WORDING.c.text).where(WORDING.c.sha256 == name)
    wording = connection.execute(shown).scalar_one_or_none()
    if wording is None or wording_hash(wording) != name:
        raise BrokenLink(grant.id, "its wording was altered")
    return Proof(grant, wording, status)
