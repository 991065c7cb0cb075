"""Read a SQLite file whose disk takes no writes, such as one that the kernel has made read-only after a fault.

SQLite needs two files beside a database in WAL mode. Where they are not there and can't be made, it opens the database only
as a file that nobody changes (https://www.sqlite.org/wal.html#read_only_databases).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

from mailer.errors import TryAgainLater

_KEY = "unchanging"


def read_as_unchanging(engine: Engine, path: str) -> None:
    """Let connections of `engine` read the file at `path` on such a disk; each write is an error then.

    A connection is replaced once the disk takes writes again, for it would not see them.
    """

    @event.listens_for(engine, "do_connect")
    def _(_dialect: object, record: Any, arguments: list[str], _options: object) -> None:
        if record is not None and is_unchanging(path):
            arguments[0] += "&immutable=1"
            record.info[_KEY] = True

    @event.listens_for(engine, "checkout")
    def _(_connection: Any, record: Any, _proxy: object) -> None:
        if record.info.get(_KEY) and not is_unchanging(path):
            raise DisconnectionError  # the pool opens another one


def require_unchanged(connection: Connection, path: str) -> None:
    """Raise TryAgainLater where what `connection` read as unchanging may have been changed meanwhile."""
    if connection.info.get(_KEY) and not is_unchanging(path):
        raise TryAgainLater(
            "Another process wrote to the database while it was read from a disk that was read-only.",
            hint="Run the command again.",
        )


def is_unchanging(path: str) -> bool:
    """Whether the file's disk is read-only and SQLite has no log beside it.

    Both are asked: where only this mount is read-only, another process can write, and has a log then.
    """
    try:
        return (
            bool(os.statvfs(path).f_flag & os.ST_RDONLY)
            and not Path(f"{os.path.realpath(path)}-wal").exists()
        )
    except OSError:
        return False
