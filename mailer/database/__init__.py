"""The database: one SQLite file or one PostgreSQL database, and everything that differs between the two.

Statements are SQLAlchemy Core on plain connections. A query function takes a `Connection` and never commits; the use
case owns the transaction, through `Database.write` or `Database.read`. `schema` (Alembic), `models` and `columns`
(SQLModel) are imported by name where they are needed, for they are slow to import.
"""

from __future__ import annotations

from mailer.database.after_commit import note
from mailer.database.any_of import AnyOf, ListOf
from mailer.database.attachment import attached
from mailer.database.bulk import Row, insert, reserve_ids
from mailer.database.column_types import BIG, TABLES, UTCDateTime, text_of
from mailer.database.dialect import (
    analyze,
    insert_if_absent,
    is_postgresql,
    lock_table,
    text_after,
    upsert,
)
from mailer.database.driver_errors import is_broken_off
from mailer.database.engine import Clock, Database
from mailer.database.erasure import erase_deleted
from mailer.database.group_commit import GroupCommit
from mailer.database.heartbeat import Heartbeat, ProcessKind, beat, count_beats, heartbeats
from mailer.database.installation import installation_id
from mailer.database.prepared import Prepared, Step, pipelined, savepoint
from mailer.database.signing_key import (
    WrongSecretKeys,
    is_ledger_signed,
    last_signing_key_id,
    record_signing_key,
    require_signing_key,
)
from mailer.database.sqlite_file import QuietCheckpoint
from mailer.database.threads import ThreadWork, in_thread
from mailer.database.transactions import Transactions

__all__ = [
    "BIG",
    "TABLES",
    "AnyOf",
    "Clock",
    "Database",
    "GroupCommit",
    "Heartbeat",
    "ListOf",
    "Prepared",
    "ProcessKind",
    "QuietCheckpoint",
    "Row",
    "Step",
    "ThreadWork",
    "Transactions",
    "UTCDateTime",
    "WrongSecretKeys",
    "analyze",
    "attached",
    "beat",
    "count_beats",
    "erase_deleted",
    "heartbeats",
    "in_thread",
    "insert",
    "insert_if_absent",
    "installation_id",
    "is_broken_off",
    "is_ledger_signed",
    "is_postgresql",
    "last_signing_key_id",
    "lock_table",
    "note",
    "pipelined",
    "record_signing_key",
    "require_signing_key",
    "reserve_ids",
    "savepoint",
    "text_after",
    "text_of",
    "upsert",
]
