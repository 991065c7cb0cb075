"""Backups: take one, restore one, and detect a database that is older than before.

`snapshot` copies a SQLite database, `restore` replaces the database by a copy; they are imported by name. `restoration` records a
restore in the database. `marker` is a file beside the secrets with the position of the database.
"""

from __future__ import annotations

from mailer.backup.marker import HEAD_NAME, Marker, Position
from mailer.backup.restoration import awaits_replay, mark_replayed, newest_reason, record

__all__ = [
    "HEAD_NAME",
    "Marker",
    "Position",
    "awaits_replay",
    "mark_replayed",
    "newest_reason",
    "record",
]
