"""A SQLite database as a file: create it for its owner only, copy it while it is used, and keep its log
short.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from mailer.errors import ConfigurationError, MailerError
from mailer.files import give_to_owner

CHECKPOINT_BUSY_SECONDS = 0.1
MIN_FREE_BYTES = 1_000_000  # on its disk; with less a withdrawal may not be written


def create_private(path: Path, *, beside: bool = False) -> None:
    """Create an empty file for its owner only; `beside` the settings it is the folder's owner's also where root creates it.

    Raises FileExistsError, and ConfigurationError where it can't be created for another reason.
    """
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} can't be created: {error.strerror}.") from None
    if beside:
        give_to_owner(file, path.absolute().parent)
    os.close(file)


def copy(source: sqlite3.Connection, target: Path, name: Path) -> None:
    """Copy a database, consistently also while others write, into a file that is empty or not there.

    Raises MailerError where it can't be written; it calls the copy by `name`, which it gets when it is whole.
    """
    try:
        with closing(sqlite3.connect(target)) as copied:
            source.backup(copied)
    except sqlite3.Error as error:
        raise MailerError(
            f"{name} can't be written: {error}.",
            hint="Is the database intact, and is there room on the disk?",
        ) from None


class QuietCheckpoint:
    """Copies the write-ahead log into the database's file after a moment without writes.

    So a copy of the file alone lacks little. `mailer backup` makes a complete copy.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._seen = self._copied = self._version()

    def look(self) -> None:
        """Copy the log if there was a write before the last call and none since. Call it a few times a
        second.
        """
        version = self._version()
        is_quiet, self._seen = version == self._seen, version
        if is_quiet and version is not None and version != self._copied:
            try:
                with closing(sqlite3.connect(self._path, timeout=CHECKPOINT_BUSY_SECONDS)) as connection:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error:
                return  # the next look tries again
            self._copied = version

    def _version(self) -> tuple[int, int] | None:
        try:
            found = self._log.stat()
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns
