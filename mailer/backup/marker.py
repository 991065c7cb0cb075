"""The marker file beside the secrets: how far the database had come when it was last looked at.

A database that has come less far is an older one: restored, rolled back, or a standby that lacked the last commits.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

from mailer.errors import ConfigurationError
from mailer.new_files import new_file

HEAD_NAME = "mailer.head"
MIN_SECONDS_BETWEEN = 1.0


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
        try:
            with new_file(self._path, beside=True, replaces=True) as new:
                new.write_text(json.dumps(position._asdict()) + "\n", encoding="ascii")
        except OSError:
            return
        self._written_at, self._written = time.monotonic(), position
