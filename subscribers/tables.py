"""The tables of people, their consents and the ledger, for statements. `models` is their schema."""

from __future__ import annotations

from secrets import token_bytes

from sqlalchemy import Column, LargeBinary, String, Table, Text

from mailer.database import BIG, TABLES, UTCDateTime, text_of
from subscribers.kinds import Channel, ConsentKind, SuppressionReason

SUBSCRIBER = Table(
    "subscriber",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("salutation", String(200)),
    Column("first_name", String(200)),
    Column("surname", String(200)),
    Column("email", String(320)),
    Column("email_normalised", String(320)),
    Column("address_hash", String(64)),
    Column("key_id", String(16)),
    Column("nonce", LargeBinary(16), default=lambda: token_bytes(16)),
    Column("created_at", UTCDateTime),
)

FORMER = Table(
    "former_subscriber",
    TABLES,
    Column("subscriber_id", BIG, primary_key=True, autoincrement=False),
    Column("address_hash", String(64)),
    Column("key_id", String(16)),
    Column("nonce", LargeBinary(16)),
    Column("left_at", UTCDateTime),
)

HOLD = Table(
    "archiving_hold",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("subscriber_id", BIG),
    Column("ground", String(500)),
    Column("until", UTCDateTime),
    Column("added_at", UTCDateTime),
    Column("erasure_requested_at", UTCDateTime),
)

WORDING = Table(
    "wording",
    TABLES,
    Column("commitment", String(64), primary_key=True),
    Column("sha256", String(64)),
    Column("text", Text),
    Column("language", String(35)),
    Column("version", String(100)),
    Column("topic", String(100)),
    Column("first_used_at", UTCDateTime),
)

NOTE = Table(
    "consent_note",
    TABLES,
    Column("commitment", String(64), primary_key=True),
    Column("salt", LargeBinary(16)),
    Column("text", String(500)),
    Column("subscriber_id", BIG),
)

EVENT = Table(
    "consent_event",
    TABLES,
    Column("id", BIG, primary_key=True, autoincrement=False),
    Column("subscriber_id", BIG),
    Column("subject", String(64)),
    Column("previous", String(64)),
    Column("topic", String(100)),
    Column("kind", text_of(ConsentKind)),
    Column("occurred_at", UTCDateTime),
    Column("recorded_at", UTCDateTime),
    Column("channel", text_of(Channel)),
    Column("note", String(64)),
    Column("wording", String(64)),
    Column("hash", String(64)),
)

TILE = Table(
    "ledger_tile",
    TABLES,
    Column("level", BIG, primary_key=True, autoincrement=False),
    Column("number", BIG, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary),
)

CHECKPOINT = Table(
    "ledger_checkpoint",
    TABLES,
    Column("id", BIG, primary_key=True, autoincrement=False),
    Column("size", BIG),
    Column("root", String(64)),
    Column("frontier", LargeBinary),
    Column("signed", Text),
)

CONSENT = Table(
    "consent",
    TABLES,
    Column("subscriber_id", BIG, primary_key=True),
    Column("topic", String(100), primary_key=True),
    Column("state", text_of(ConsentKind)),
    Column("since", UTCDateTime),
    Column("event_id", BIG),
)

SUPPRESSION = Table(
    "suppression",
    TABLES,
    Column("address_hash", String(64), primary_key=True),
    Column("key_id", String(16)),
    Column("reason", text_of(SuppressionReason)),
    Column("since", UTCDateTime),
    Column("source", String(500)),
    Column("salt", LargeBinary(16)),
    Column("entry_id", BIG),
)

LIFT = Table(
    "suppression_lift",
    TABLES,
    Column("id", BIG, primary_key=True),
    Column("reason", text_of(SuppressionReason)),
    Column("since", UTCDateTime),
    Column("lifted_at", UTCDateTime),
    Column("source", String(500)),
)

NOTICE = Table(
    "privacy_notice",
    TABLES,
    Column("version", BIG, primary_key=True, autoincrement=False),
    Column("content", Text),
    Column("content_hash", String(64)),
    Column("in_force_since", UTCDateTime),
)
