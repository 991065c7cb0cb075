"""Somebody who left: what the journal outside the database keeps of a withdrawal, objection, suppression or erasure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from mailer.database import note


class LeaverKind(StrEnum):
    """How somebody left."""

    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


class Leaver(NamedTuple):
    """Who left, as the keyed hash of the address under the secret key `key_id`; what, how and when.

    `topic` is "*" where somebody left altogether.
    """

    address_hash: str
    key_id: str
    topic: str
    kind: LeaverKind
    at: datetime


def note_leaver(connection: Connection, leaver: Leaver) -> None:
    """Let the journal have it once this transaction is committed."""
    note(connection, leaver)
