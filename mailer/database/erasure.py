"""Make deleted rows unreadable on disk: in the database's file and its write-ahead log, or in PostgreSQL's
tables.

SQLite overwrites deleted rows (`secure_delete`). But older pages remain in the write-ahead log until a
checkpoint truncates it, and splitting a page may leave a copy, which only VACUUM removes.
"""

from __future__ import annotations

import glob
import mmap
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from mailer.database.engine import Database
from mailer.errors import MailerError

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_BUSY_MILLISECONDS = 100
_PAUSE_SECONDS = 0.1


def erase_deleted(database: Database, tables: Sequence[str], remains: Iterable[str]) -> list[str]:
    """Make rows deleted from `tables` unreadable; returns where they may still be readable, and why.

    On SQLite the file is searched for `remains`, which are deleted texts, and so are the copies beside it that
    `mailer restore` and `mailer upgrade` made. On PostgreSQL the tables are vacuumed. Call it after the transaction
    that deleted the rows.
    """
    if not database.is_sqlite:
        return _vacuum_postgresql(database, tables)
    path = Path(database.url.database or "")
    needles = [remain.encode() for remain in remains if remain]
    problems = _truncate_log(database, path)
    if not problems and any(_holds(path, needle) for needle in needles):
        problems = _vacuum_sqlite(database, path)
    return [*problems, *_copies_with(path, needles)]


def _copies_with(path: Path, needles: Sequence[bytes]) -> Iterator[str]:
    """The copies beside the file that hold any of `needles`, or can't be searched."""
    for copy in sorted(path.parent.glob(f"{glob.escape(path.name)}.before-*")):
        try:
            if any(_holds(copy, needle) for needle in needles):
                yield f"{copy}: this copy of the database holds it. Delete it once you need it no more."
        except MailerError as error:
            yield error.message


def _truncate_log(database: Database, path: Path) -> list[str]:
    """Copy the write-ahead log into the file and truncate it, when no connection reads from it."""
    deadline = time.monotonic() + CHECKPOINT_SECONDS
    while True:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            # A checkpoint that waits for readers blocks writers, so it waits only briefly at a time.
            driver.execute(f"PRAGMA busy_timeout={CHECKPOINT_BUSY_MILLISECONDS}")
            busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.invalidate()
        if not busy:
            return []
        if time.monotonic() > deadline:
            return [f"{path}-wal: another process is reading it; it is truncated when that is done."]
        time.sleep(_PAUSE_SECONDS)


def _vacuum_sqlite(database: Database, path: Path) -> list[str]:
    try:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("VACUUM")
    except Exception as error:  # noqa: BLE001 - whatever the driver says, it goes into the report
        return [f"{path}: VACUUM failed ({error}); run it when there is room and nobody writes."]
    return _truncate_log(database, path)


def _vacuum_postgresql(database: Database, tables: Sequence[str]) -> list[str]:
    try:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in tables:
                connection.execute(text(f"VACUUM {table}"))
    except Exception as error:  # noqa: BLE001 - as above
        return [f"{', '.join(tables)}: VACUUM failed ({type(error).__name__}); autovacuum does it later."]
    return []


def _holds(path: Path, needle: bytes) -> bool:
    """Whether the file contains `needle`. Raises MailerError if it can't be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(needle) >= 0
    except (OSError, ValueError) as error:
        raise MailerError(f"{path} can't be searched for what was erased: {error}.") from None
