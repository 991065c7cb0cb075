"""Prove one person's consent from the ledger (GDPR art. 7(1))."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from mailer.errors import NotFound
from subscribers.ledger.events import (
    BrokenLink,
    ConsentStatus,
    LedgerEntry,
    check_content,
    standing_after,
)
from subscribers.ledger.ledger import (
    WORDING,
    _name_of,
    history,
)
from subscribers.models import ConsentKind


@dataclass(frozen=True, slots=True)
class Proof:
    """That a person consented: the ledger's line, the verbatim text, and where the person stands now."""

    grant: LedgerEntry
    wording: str
    standing: ConsentStatus


def prove(connection: Connection, subscriber_id: int, topic: str) -> Proof:
    """When, how and to what text a person last consented on `topic`.

    Raises NotFound where they never did, BrokenLink where that line was tampered with.
    """
    standing, grant = None, None
    for line in history(connection, subscriber_id):
        if line.event.topic != topic:
            continue
        standing = standing_after(standing, line.event, line.id)
        if standing and standing.event_id == line.id and standing.state is ConsentKind.GRANTED:
            grant = line
    if grant is None or standing is None:
        raise NotFound(f"There is no consent on topic {topic!r} from this person.")
    check_content(grant)
    name = grant.event.wording_sha256
    shown = select(WORDING.c.text).where(WORDING.c.sha256 == name)
    wording = connection.execute(shown).scalar_one_or_none()
    if wording is None or _name_of(wording) != name:
        raise BrokenLink(grant.id, "its wording was altered")
    return Proof(grant, wording, standing)
