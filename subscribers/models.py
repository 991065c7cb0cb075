"""The tables of people, their consents, and the ledger.

A person has four fields: salutation, first name, surname, email. Nothing else about a person has a column.
"""

from __future__ import annotations

from datetime import datetime
from secrets import token_bytes

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, String, Text
from sqlmodel import Field, SQLModel

from mailer.database import BIG
from mailer.database.columns import one_of, partial_index
from subscribers.kinds import Channel, ConsentKind, SuppressionReason


class Subscriber(SQLModel, table=True):
    """A person on file: the four fields.

    `email_normalised` identifies the person: all spellings of an address have the same. `address_hash` is its
    HMAC-SHA256 under the secret key `key_id`; suppressions use it. It has no index: statements find it by the
    person, and an index on random values would slow an import by a seventh. `nonce` opens the commitments to
    this person in the ledger; erasure deletes it.
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
    nonce: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False, default=lambda: token_bytes(16)))
    created_at: datetime


class FormerSubscriber(SQLModel, table=True):
    """A person whose four fields are gone since they left: what proves their past consents to anyone who names the address.

    `address_hash` is the keyed hash of the address under `key_id`, `left_at` when their last consent ended.
    """

    __tablename__ = "former_subscriber"
    __table_args__ = (Index("ix_former_subscriber_address_hash", "address_hash"),)

    subscriber_id: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    address_hash: str = Field(sa_column=Column(String(64), nullable=False))
    key_id: str = Field(sa_column=Column(String(16), nullable=False))
    nonce: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    left_at: datetime


class ArchivingHold(SQLModel, table=True):
    """Data of a person that the law requires you to keep: on what ground, until when.

    `erasure_requested_at` is when they asked for erasure meanwhile: it is carried out when no hold stands any more.
    """

    __tablename__ = "archiving_hold"
    __table_args__ = (
        Index("ix_archiving_hold_subscriber_id", "subscriber_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    subscriber_id: int = Field(sa_column=Column(BIG, nullable=False))
    ground: str = Field(sa_column=Column(String(500), nullable=False))
    until: datetime
    added_at: datetime
    erasure_requested_at: datetime | None = None


class Wording(SQLModel, table=True):
    """The verbatim text that was shown when consent was asked.

    `commitment` binds the text with language, version and topic. Ledger entries name a wording by its
    commitment, commands and API requests by the SHA-256 of its text.
    """

    __tablename__ = "wording"

    commitment: str = Field(sa_column=Column(String(64), primary_key=True))
    sha256: str = Field(sa_column=Column(String(64), nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    language: str = Field(default="", sa_column=Column(String(35), nullable=False))
    version: str = Field(default="", sa_column=Column(String(100), nullable=False))
    topic: str = Field(sa_column=Column(String(100), nullable=False))
    first_used_at: datetime


class ConsentNote(SQLModel, table=True):
    """A free text beside the ledger: which page, which file. It can be erased; entries hold a salted
    commitment.

    `subscriber_id` is the person that the note concerns, or None if it concerns several.
    """

    __tablename__ = "consent_note"
    __table_args__ = (Index("ix_consent_note_subscriber_id", "subscriber_id"),)

    commitment: str = Field(sa_column=Column(String(64), primary_key=True))
    salt: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    text: str = Field(sa_column=Column(String(500), nullable=False))
    subscriber_id: int | None = Field(default=None, sa_column=Column(BIG, nullable=True))


class ConsentEvent(SQLModel, table=True):
    """One entry of the append-only ledger, a leaf of its Merkle tree. Triggers refuse UPDATE and DELETE.

    `id` counts up from 1 without gaps. `subscriber_id` is a number, no reference: the entry outlives the
    person's data. `subject`, `previous`, `note` and `wording` are commitments, `hash` is the leaf's hash, all
    in hex.
    """

    __tablename__ = "consent_event"
    __table_args__ = (
        Index("ix_consent_event_subscriber_id_id", "subscriber_id", "id"),
        partial_index(
            "ix_consent_event_suppressed_subject",
            "subject",
            where="subscriber_id IS NULL",
        ),
    )

    id: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    subscriber_id: int | None = Field(default=None, sa_column=Column(BIG, nullable=True))
    subject: str = Field(sa_column=Column(String(64), nullable=False))
    previous: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    topic: str = Field(sa_column=Column(String(100), nullable=False))
    kind: ConsentKind = Field(sa_column=one_of("kind", ConsentKind))
    occurred_at: datetime
    recorded_at: datetime
    channel: Channel = Field(sa_column=one_of("channel", Channel))
    note: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    wording: str | None = Field(
        default=None, sa_column=Column(String(64), ForeignKey("wording.commitment"), nullable=True)
    )
    hash: str = Field(sa_column=Column(String(64), nullable=False))


class LedgerTile(SQLModel, table=True):
    """A full tile of the ledger's Merkle tree: 256 hashes of one level, one after the other."""

    __tablename__ = "ledger_tile"

    level: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LedgerCheckpoint(SQLModel, table=True):
    """The one row with the ledger's newest size and root (hex), and with the tree's frontier.

    `signed` is the newest checkpoint that was signed, as C2SP tlog-checkpoint writes it; it may be of a
    smaller size.
    """

    __tablename__ = "ledger_checkpoint"

    id: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    size: int = Field(sa_column=Column(BIG, nullable=False))
    root: str = Field(sa_column=Column(String(64), nullable=False))
    frontier: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    signed: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


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
    """A suppressed address, stored only as a keyed hash. It gets no mail, and imports do not add it.

    `salt` opens the commitment to the address in the ledger's entry `entry_id`. The entry is missing only where the
    ledger was too damaged to take it.
    """

    __tablename__ = "suppression"
    __table_args__ = (Index("ix_suppression_entry_id", "entry_id"),)

    address_hash: str = Field(sa_column=Column(String(64), primary_key=True))
    key_id: str = Field(sa_column=Column(String(16), nullable=False))
    reason: SuppressionReason = Field(sa_column=one_of("reason", SuppressionReason))
    since: datetime
    source: str = Field(default="", sa_column=Column(String(500), nullable=False))
    salt: bytes = Field(sa_column=Column(LargeBinary(16), nullable=False))
    entry_id: int | None = Field(
        default=None, sa_column=Column(BIG, ForeignKey("consent_event.id"), nullable=True)
    )


class SuppressionLift(SQLModel, table=True):
    """A lifted suppression: its reason, and when and why an operator lifted it. It has nothing of the
    address.
    """

    __tablename__ = "suppression_lift"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    reason: SuppressionReason = Field(sa_column=one_of("reason", SuppressionReason))
    since: datetime
    lifted_at: datetime
    source: str = Field(sa_column=Column(String(500), nullable=False))


class PrivacyNotice(SQLModel, table=True):
    """A version of the privacy notice, as it was shown: the documents of all languages, as JSON.

    `content_hash` is the SHA-256 of `content` (hex). The newest version is in force.
    """

    __tablename__ = "privacy_notice"

    version: int = Field(sa_column=Column(BIG, primary_key=True, autoincrement=False))
    content: str = Field(sa_column=Column(Text, nullable=False))
    content_hash: str = Field(sa_column=Column(String(64), nullable=False))
    in_force_since: datetime
