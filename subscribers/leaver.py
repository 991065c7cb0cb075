"""A leaver: the data of a withdrawal, objection, suppression or erasure in the journal outside the database."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.database import note


class LeaverKind(StrEnum):
    """The kind of a leaver's entry."""

    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    SUPPRESSED = "suppressed"
    ERASED = "erased"
    BOUNCED = "bounced"  # a relay said that the address does not exist; the person said nothing


class Leaver(NamedTuple):
    """An entry about a person: the keyed hash of the address under the secret key `key_id`, topic, kind and
    time.

    `topic` is "*" for all topics.
    """

    address_hash: str
    key_id: str
    topic: str
    kind: LeaverKind
    at: datetime


def note_leaver(connection: Connection, leaver: Leaver) -> None:
    """Pass a leaver to the journal when this transaction commits."""
    note(connection, leaver)
