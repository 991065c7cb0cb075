"""The texts beside the ledger: wordings, which stay, and notes, which can be erased."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from mailer.database import AnyOf, Prepared, bulk, insert_if_absent
from mailer.errors import InvalidInput
from subscribers.commitments import commit_to_note, commit_to_wording, fresh_nonces, text_hash
from subscribers.ledger.events import LedgerEntry, NewEvent
from subscribers.tables import NOTE, WORDING

LONGEST_WORDING = 100_000
LONGEST_LANGUAGE = 35
# A language, and perhaps a script or a country (BCP 47).
LANGUAGE_PATTERN = "^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
LONGEST_VERSION = 100


def store_wording(
    connection: Connection, wording: str, now: datetime, *, topic: str, language: str = "", version: str = ""
) -> str:
    """Store the verbatim text that was shown, once; returns the commitment by which events name it."""
    if not wording.strip() or "\0" in wording:
        raise InvalidInput("The wording is empty or not text.", hint="Give the text that people agreed to.")
    if len(wording) > LONGEST_WORDING:
        raise InvalidInput(f"The wording is longer than {LONGEST_WORDING} characters.")
    if len(language) > LONGEST_LANGUAGE or len(version) > LONGEST_VERSION:
        raise InvalidInput(
            f"A wording's language has at most {LONGEST_LANGUAGE} characters, its version {LONGEST_VERSION}."
        )
    sha256 = text_hash(wording)
    names = {"language": language, "topic": topic, "version": version}
    commitment = commit_to_wording(sha256, **names)
    if not _IS_STORED.rows(connection, {"named": commitment}):
        row = {"commitment": commitment, "sha256": sha256, "text": wording, "first_used_at": now} | names
        insert_if_absent(connection, WORDING, row)
    return commitment


_IS_STORED = Prepared(select(WORDING.c.commitment).where(WORDING.c.commitment == bindparam("named")))


def store_note(connection: Connection, note: str, subscriber_id: int | None = None) -> str:
    """Store a free text beside the ledger; returns the commitment by which events name it.

    `subscriber_id` is the one person that it is about: erasing them erases it.
    """
    [commitment] = store_notes(connection, [(note, subscriber_id)])
    return commitment


def store_notes(connection: Connection, notes: Sequence[tuple[str, int | None]]) -> list[str]:
    """Store free texts, each with the person that it is about; returns their commitments."""
    salts = fresh_nonces(len(notes))
    commitments = [commit_to_note(salt, text) for salt, (text, _) in zip(salts, notes, strict=True)]
    rows = [
        (commitment, salt, *text_and_person)
        for commitment, salt, text_and_person in zip(commitments, salts, notes, strict=True)
    ]
    bulk.insert(connection, NOTE, ("commitment", "salt", "text", "subscriber_id"), rows)
    return commitments


def with_shared_note(connection: Connection, events: Sequence[NewEvent], note: str) -> list[NewEvent]:
    """The events with one note, which is stored. It is that of the person whom alone they concern: erasing them erases it.

    Without events nothing is stored.
    """
    people = {event.subscriber_id for event in events}
    if not people:
        return []
    commitment = store_note(connection, note, people.pop() if len(people) == 1 else None)
    return [event.with_note(commitment) for event in events]


def erase_notes(connection: Connection, subscriber_id: int) -> None:
    """Erase the notes about one person."""
    connection.execute(delete(NOTE).where(NOTE.c.subscriber_id == subscriber_id))


def notes_of(connection: Connection, entries: Iterable[LedgerEntry]) -> dict[str, str]:
    """The notes of these entries, by commitment; those that were erased are left out."""
    named = {entry.event.note for entry in entries} - {None}
    rows = connection.execute(select(NOTE.c.commitment, NOTE.c.text).where(AnyOf(NOTE.c.commitment, named)))
    return dict(rows.all())
