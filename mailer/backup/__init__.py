"""Backups: take one, put one back, and notice a database that is older than it was.

`snapshot` writes a copy of a SQLite database, `restore` puts one in place. `restoration` is the record in the database
that it was restored. `marker` is the file beside the secrets that says how far the database has come.
"""

from __future__ import annotations

from mailer.backup.marker import HEAD_NAME, Marker, Position
from mailer.backup.restoration import Restoration, awaits_replay, mark_replayed, newest_reason, record
from mailer.backup.restore import Restored, restore
from mailer.backup.snapshot import (
    Snapshot,
    checksum_file,
    files_to_keep,
    pg_dump_command,
    pg_restore_command,
    take,
)

__all__ = [
    "HEAD_NAME",
    "Marker",
    "Position",
    "Restoration",
    "Restored",
    "Snapshot",
    "awaits_replay",
    "checksum_file",
    "files_to_keep",
    "mark_replayed",
    "newest_reason",
    "pg_dump_command",
    "pg_restore_command",
    "record",
    "restore",
    "take",
]
