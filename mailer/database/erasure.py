"""Make deleted rows unreadable on disk: in the database's file and its write-ahead log, or in PostgreSQL's
tables.

SQLite overwrites deleted rows (`secure_delete`). But older pages remain in the write-ahead log until a
checkpoint truncates it, and splitting a page may leave a copy, which only VACUUM removes.
"""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import text

from mailer.database.engine import Database
from mailer.errors import MailerError
from mailer.file_search import find_texts

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_BUSY_MILLISECONDS = 100
_PAUSE_SECONDS = 0.1


def erase_deleted(
    database: Database,
    tables: Sequence[str],
    remains: Iterable[str],
    is_stored: Callable[[str], bool] = lambda _: False,
) -> list[str]:
    """Make rows deleted from `tables` unreadable; returns where they may still be readable, and why.

    On SQLite the file is searched for `remains`, which are deleted texts, and so are the copies beside it that
    `mailer restore` and `mailer upgrade` made. On PostgreSQL the tables are vacuumed. Call it after the transaction
    that deleted the rows. A text of which `is_stored` says so is part of another row, and may be found.
    """
    if not database.is_sqlite:
        return _vacuum_postgresql(database, tables)
    path = Path(database.url.database or "")
    texts = [remain for remain in remains if remain]
    problems = _truncate_log(database, path)
    try:
        if not problems and not all(map(is_stored, find_texts(path, texts))):
            problems = _vacuum_sqlite(database, path)
    except MailerError as error:
        problems = [error.message]
    return [*problems, *_copies_with(path, texts, is_stored)]


def _copies_with(path: Path, texts: Sequence[str], is_stored: Callable[[str], bool]) -> Iterator[str]:
    """The copies beside the file that hold any of `texts`, or can't be searched."""
    for copy in sorted(path.parent.glob(f"{glob.escape(path.name)}.before-*")):
        try:
            if not all(map(is_stored, find_texts(copy, texts))):
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
            # By itself VACUUM leaves the indexes of a large table as they are for a few rows.
            for table in tables:
                connection.execute(text(f"VACUUM (INDEX_CLEANUP ON) {table}"))
    except Exception as error:  # noqa: BLE001 - as above
        return [f"{', '.join(tables)}: VACUUM failed ({type(error).__name__}); autovacuum does it later."]
    return []
