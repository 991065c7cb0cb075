"""Backups: take one, restore one, and detect a database that is older than before.

`snapshot` copies a SQLite database. `restore` replaces the database by a copy. `restoration` records a
restore in the database. `marker` is a file beside the secrets with the position of the database.
"""

from __future__ import annotations

from mailer.backup.marker import HEAD_NAME, Marker, Position
from mailer.backup.restoration import awaits_replay, mark_replayed, newest_reason, record
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
