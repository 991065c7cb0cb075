"""Tables of the people: who is on file, what they agreed to, and the proof of it.

A person has four fields: salutation, first name, surname, email. Nothing else about a person has a column.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Column, ForeignKey, Index, String, Text
from sqlmodel import Field, SQLModel

from mailer.database import BIG, one_of


class ConsentKind(StrEnum):
    """What an event of the ledger says."""

    REQUESTED = "requested"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    OBJECTED = "objected"
    RECTIFIED = "rectified"
    ERASED = "erased"


class SuppressionReason(StrEnum):
    """Why an address must not be mailed."""

    ERASED = "erased"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OBJECTED = "objected"
    WITHDRAWN = "withdrawn"  # by the link in a mail to an earlier address
    OPTED_OUT = "opted_out"  # recorded by an operator


class Subscriber(SQLModel, table=True):
    """A person on file: the four fields.

    `email_normalised` is the email's normalised spelling, by which two spellings are one person; `address_hash` its
    HMAC-SHA256 under the secret key `key_id`, by which a suppression finds the person. It has no index of its own:
    it is looked up from the person's side, and a random one would slow an import by a seventh.
    """

    __tablename__ = "subscriber"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    salutation: str = Field(default="", sa_column=Column(String(200), nullable=False))
    first_name: str = Field(default="", sa_column=Column(String(200), nullable=False))
    surname: str = Field(default="", sa_column=Column(String(200), nullable=False))
    email: str = Field(sa_column=Column(String(320), nullable=False))
    email_normalised: str = Field(sa_column=Column(String(320), nullable=False, unique=True))
    address_hash: str = Field(sa_column=Column(String(64), nullable=False))
    key_id: str = Field(sa_column=Column(String(16), nullable=False))
    created_at: datetime


class Wording(SQLModel, table=True):
    """The verbatim text that was shown when consent was asked; named by its SHA-256 (hex)."""

    __tablename__ = "wording"

    sha256: str = Field(sa_column=Column(String(64), primary_key=True))
    text: str = Field(sa_column=Column(Text, nullable=False))
    language: str = Field(default="", sa_column=Column(String(35), nullable=False))
    version: str = Field(default="", sa_column=Column(String(100), nullable=False))
    first_used_at: datetime


class ConsentEvent(SQLModel, table=True):
    """One line of the append-only ledger. Triggers refuse UPDATE and DELETE; `hash` covers the line before.

    `id` counts up without gaps. `subscriber_id` is a number, no reference: the line outlives the person's data.
    """

    __tablename__ = "consent_event"
    __table_args__ = (Index("ix_consent_event_subscriber_id", "subscriber_id"),)

    id: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    subscriber_id: int = Field(sa_column=Column(BIG, nullable=False))
    topic: str = Field(sa_column=Column(String(100), nullable=False))
    kind: ConsentKind = Field(sa_column=one_of("kind", ConsentKind))
    occurred_at: datetime
    recorded_at: datetime
    source: str = Field(sa_column=Column(String(500), nullable=False))
    wording_sha256: str | None = Field(
        default=None, sa_column=Column(String(64), ForeignKey("wording.sha256"), nullable=True)
    )
    previous_hash: str = Field(sa_column=Column(String(64), nullable=False))
    hash: str = Field(sa_column=Column(String(64), nullable=False))


class Consent(SQLModel, table=True):
    """The current state per (subscriber, topic), derived from the ledger in the transaction of each event."""

    __tablename__ = "consent"

    subscriber_id: int = Field(
        sa_column=Column(BIG, ForeignKey("subscriber.id", ondelete="CASCADE"), primary_key=True)
    )
    topic: str = Field(sa_column=Column(String(100), primary_key=True))
    state: ConsentKind = Field(sa_column=one_of("state", ConsentKind))
    since: datetime
    event_id: int = Field(sa_column=Column(BIG, ForeignKey("consent_event.id"), nullable=False))


class Suppression(SQLModel, table=True):
    """An address that must not be mailed or brought back by an import, known by its keyed hash alone."""

    __tablename__ = "suppression"

    address_hash: str = Field(sa_column=Column(String(64), primary_key=True))
    key_id: str = Field(sa_column=Column(String(16), nullable=False))
    reason: SuppressionReason = Field(sa_column=one_of("reason", SuppressionReason))
    since: datetime
    source: str = Field(default="", sa_column=Column(String(500), nullable=False))


class SuppressionLift(SQLModel, table=True):
    """A suppression that an operator took back: what it was, when and why it was lifted. Of the address nothing."""

    __tablename__ = "suppression_lift"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    reason: SuppressionReason = Field(sa_column=one_of("reason", SuppressionReason))
    since: datetime
    lifted_at: datetime
    source: str = Field(sa_column=Column(String(500), nullable=False))
