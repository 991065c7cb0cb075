"""The marker file beside the secrets: how far the database had come when it was last looked at.

A database that has come less far is an older one: restored, rolled back, or a standby that lacked the last commits.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mailer.errors import ConfigurationError
from mailer.files import give_to_owner, incomplete_files, incomplete_name

HEAD_NAME = "mailer.head"
MIN_SECONDS_BETWEEN = 1.0
LEFT_AFTER_SECONDS = 60


class Position(NamedTuple):
    """How far a database has come.

    `entries` and `root` are the ledger's size and root, `checkpoint` the two signed (a C2SP signed note; empty
    without a key). `seconds_sent` counts the seconds in which mail was sent.
    """

    installation: str
    entries: int
    root: str
    seconds_sent: int
    checkpoint: str = ""


class Marker:
    """The file at `path`; without one nothing is remembered. Written at most once a second."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written_at = -MIN_SECONDS_BETWEEN
        self._written: Position | None = None

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._path

    @property
    def written(self) -> Position | None:
        """What this object wrote last."""
        return self._written

    def read(self) -> Position | None:
        """What was written last; None where nothing was. Raises ConfigurationError for a file that can't be read."""
        if self._path is None:
            return None
        try:
            values = json.loads(self._path.read_text(encoding="ascii"))
            return Position(
                str(values["installation"]),
                int(values["entries"]),
                str(values["root"]),
                int(values["seconds_sent"]),
                str(values.get("checkpoint", "")),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise ConfigurationError(
                f"{self._path} can't be read: {reason}.",
                hint="It tells whether the database is older than it was. Restore the file, or, where you know that the "
                "database was not restored, delete it.",
            ) from None

    def write(self, position: Position, *, at_once: bool = False) -> None:
        """Remember `position`. A file that can't be written stops nothing: an older position is remembered then."""
        elapsed = time.monotonic() - self._written_at
        if self._path is None or position == self._written or (elapsed < MIN_SECONDS_BETWEEN and not at_once):
            return
        # Another marker may write at the same moment: of this process, or of another one.
        partial = incomplete_name(self._path)
        try:
            descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                with suppress(OSError):  # a file system without locks: nobody removes it there
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                give_to_owner(descriptor, partial.parent)
                file.write(json.dumps(position._asdict()) + "\n")
                file.flush()
                os.fsync(file.fileno())
                if self._written is None:
                    _remove_leftovers(self._path, os.fstat(file.fileno()).st_mtime)
                partial.replace(self._path)
        except OSError:
            with suppress(OSError):
                partial.unlink()
            return
        self._written_at, self._written = time.monotonic(), position


def _remove_leftovers(path: Path, now: float) -> None:
    """Remove what killed processes left: nobody has a lock on it, and it is older than a file that is not locked yet.

    `now` is by the clock of the file system, from which the files have their times.
    """
    with suppress(OSError):  # a folder that can't be listed
        for one in incomplete_files(path):
            with suppress(OSError):
                _remove_leftover(one, now)


def _remove_leftover(file: Path, now: float) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if abs(now - os.fstat(descriptor).st_mtime) > LEFT_AFTER_SECONDS:
            file.unlink()
    finally:
        os.close(descriptor)
